/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the daemon under attack, and looks at it from outside: whether it lives, and what it has. */

#undef NDEBUG

#include "tests/hostile/rig.h"

#include <assert.h>
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "proto/status.h"

#define CLOSER_DESCRIPTORS 3 /* by which the daemon has to do with a process that closes */

int64_t now_ns(void) {
	struct timespec ts;

	assert(clock_gettime(CLOCK_BOOTTIME, &ts) == 0);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

void pause_ms(int ms) {
	(void)poll(NULL, 0, ms);
}

const char *status_name(Evloop__Status status) {
	return status_info((int)status)->name;
}

uint64_t walk(uint64_t *state) {
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

void rig_complain(struct rig *rig, const char *format, ...) {
	va_list args;

	rig->failures++;
	va_start(args, format);
	fputs("FAILED: ", stdout);
	vprintf(format, args);
	fputs("\n", stdout);
	va_end(args);
	fflush(stdout);
}

int rig_processor(unsigned n) {
	cpu_set_t set;
	int processor = -1;

	assert(sched_getaffinity(0, sizeof(set), &set) == 0);
	for (n %= (unsigned)CPU_COUNT(&set), n++; n > 0; n--)
		do
			processor++;
		while (!CPU_ISSET(processor, &set));
	return processor;
}

void rig_run_before(pid_t pid, int steps, int processor) {
	struct sched_param param;
	cpu_set_t set;

	if (sched_getscheduler(0) != SCHED_RR)
		return;
	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	assert(sched_setaffinity(pid, sizeof(set), &set) == 0);
	assert(sched_getparam(0, &param) == 0);
	param.sched_priority += steps;
	assert(sched_setscheduler(pid, SCHED_RR | SCHED_RESET_ON_FORK, &param) == 0);
}

void rig_start(struct rig *rig, const char *const *options) {
	char directory[64];

	*rig = (struct rig){ 0 };
	fflush(stdout);
	assert(daemon_start(&rig->fixture, options) == 0);
	rig->path = daemon_socket(rig->fixture);
	rig->daemon = daemon_pid(rig->fixture);
	rig_run_before(rig->daemon, 1, rig_processor(0));
	/* The victim may be somebody else. */
	snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(rig->path, '/') - rig->path), rig->path);
	assert(chmod(directory, 0755) == 0 && chmod(rig->path, 0666) == 0);
}

void rig_limit_descriptors(const struct rig *rig, unsigned n) {
	struct rlimit limit = { .rlim_cur = n, .rlim_max = n };

	assert(prlimit(rig->daemon, RLIMIT_NOFILE, &limit, NULL) == 0);
}

bool rig_is_alive(const struct rig *rig) {
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)rig->daemon, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

void rig_stop(struct rig *rig) {
	victim_stop(rig);
	if (daemon_stop(rig->fixture) != 0)
		rig_complain(rig, "the daemon did not end as it should");
	rig->fixture = NULL;
}

/* The daemon's processes that close, of which it keeps one for a while. */
static unsigned count_closers(const struct rig *rig) {
	char path[64], name[32];
	FILE *children, *comm;
	unsigned n = 0;
	int pid;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", rig->daemon, rig->daemon);
	children = fopen(path, "re");
	while (children && fscanf(children, "%d", &pid) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		comm = fopen(path, "re");
		n += comm && fscanf(comm, "%31s", name) == 1 && strcmp(name, "evloopd-close") == 0;
		if (comm)
			fclose(comm);
	}
	if (children)
		fclose(children);
	return n;
}

unsigned rig_descriptors(const struct rig *rig) {
	char path[64];
	DIR *directory;
	unsigned n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", rig->daemon);
	directory = opendir(path);
	if (!directory)
		return 0;
	while (readdir(directory))
		n++;
	closedir(directory);
	return n - 2 - CLOSER_DESCRIPTORS * count_closers(rig);
}

/* There where this is built with that sanitizer, and the daemon with it. */
extern void __asan_init(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));

/* A line of /proc/PID/status, in KiB.  Sanitizers keep what is freed, to see who still uses it: nothing is to be learned. */
static long status_kib(const struct rig *rig, const char *name) {
	char path[64], line[128];
	size_t size = strlen(name);
	long kib = 0;
	FILE *file;

	if (__asan_init || __tsan_init)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/status", rig->daemon);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, name, size) == 0 && line[size] == ':') {
			kib = strtol(line + size + 1, NULL, 10);
			break;
		}
	if (file)
		fclose(file);
	return kib;
}

long rig_memory_kib(const struct rig *rig) {
	return status_kib(rig, "RssAnon");
}

long rig_peak_kib(const struct rig *rig) {
	return status_kib(rig, "VmHWM");
}

void rig_forget_peak(const struct rig *rig) {
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", rig->daemon);
	file = fopen(path, "we");
	if (file) {
		(void)fputs("5", file);
		(void)fclose(file);
	}
}

int64_t rig_cpu_ns(const struct rig *rig) {
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(rig->daemon, &clock) != 0 || clock_gettime(clock, &ts) < 0)
		return 0;
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}
