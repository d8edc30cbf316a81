/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the programs of the benchmark share.  Must not know the daemon or the library. */

#include "contrib/bench/measure.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

int64_t measure_now(void) {
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

void measure_print(const char *name, double value, const char *unit) {
	printf("%s %.10g %s\n", name, value, unit);
}

static int compare(const void *a, const void *b) {
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void measure_sort(int64_t *samples, size_t n) {
	qsort(samples, n, sizeof(*samples), compare);
}

int64_t measure_percentile(const int64_t *sorted, size_t n, unsigned percent) {
	size_t rank = (n * percent + 99) / 100;

	return sorted[MAX(rank, (size_t)1) - 1];
}

size_t measure_operand(int argc, char **argv, int i) {
	char *end = NULL;
	unsigned long long value = i < argc ? strtoull(argv[i], &end, 10) : 0;

	if (value == 0 || *end != '\0') {
		fprintf(stderr, "%s: operand %d is no number\n", argv[0], i);
		exit(64);
	}
	return value;
}

void measure_stay(int argc, char **argv, int i) {
	cpu_set_t set;

	if (i >= argc)
		return;
	CPU_ZERO(&set);
	CPU_SET(atoi(argv[i]), &set);
	measure_syscall("sched_setaffinity", sched_setaffinity(0, sizeof(set), &set));
}

void *measure_array(size_t n, size_t size) {
	void *array = calloc(n, size);

	if (!array)
		measure_fail("memory", -ENOMEM);
	return memset(array, 1, n * size);
}

int64_t measure_memory(pid_t pid, const char *field) {
	char path[64], line[256];
	int64_t kib = -1;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *status = fopen(path, "re");
	if (!status)
		measure_fail(path, -errno);
	while (kib < 0 && fgets(line, sizeof(line), status))
		if (strncmp(line, field, strlen(field)) == 0 && line[strlen(field)] == ':')
			sscanf(line + strlen(field) + 1, "%" SCNd64, &kib);
	fclose(status);
	if (kib < 0)
		measure_fail(field, -ENOENT);
	return kib * 1024;
}

int64_t measure_random(int64_t below) {
	return (int64_t)(drand48() * (double)below);
}

void measure_raise_descriptors(void) {
	struct rlimit limit;

	measure_syscall("getrlimit", getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max;
	measure_syscall("setrlimit", setrlimit(RLIMIT_NOFILE, &limit));
}

int measure_connect(const char *path) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = measure_syscall("socket", socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	if (strlen(path) >= sizeof(address.sun_path))
		measure_fail(path, -ENAMETOOLONG);
	strcpy(address.sun_path, path);
	measure_syscall(path, connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

void measure_fail(const char *what, int error) {
	fprintf(stderr, "%s: %s\n", what, strerror(-error));
	exit(1);
}

int measure_call(const char *what, int r) {
	if (r < 0)
		measure_fail(what, r);
	return r;
}

int measure_syscall(const char *what, int r) {
	if (r < 0)
		measure_fail(what, -errno);
	return r;
}
