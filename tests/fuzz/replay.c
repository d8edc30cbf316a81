/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a target without libFuzzer: over its seeds, and over files.
 *
 *     replay-TARGET [FILE…]       the seeds, and these files; those called y_… and n_… must be accepted or not
 *     replay-TARGET --write DIR   write the seeds there, for libFuzzer
 */

#undef NDEBUG

#include <assert.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define SIZE_LIMIT (1024 * 1024)

static unsigned n_run, n_wrong;

static void run(void *userdata, const char *name, const uint8_t *data, size_t size) {
	/* Of its exact size, so that a sanitizer sees what looks beyond it. */
	uint8_t *copy = malloc(size > 0 ? size : 1);

	(void)userdata;
	assert(copy);
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	n_run++;
	if ((strncmp(name, "y_", 2) == 0 && !fuzz_accepted) || (strncmp(name, "n_", 2) == 0 && fuzz_accepted)) {
		printf("%s: %s\n", name, fuzz_accepted ? "accepted" : "not accepted");
		n_wrong++;
	}
}

static void run_file(const char *path) {
	uint8_t *data = malloc(SIZE_LIMIT);
	FILE *file = fopen(path, "re");
	char *copy = strdup(path);
	size_t size;

	assert(data && copy);
	if (!file) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, SIZE_LIMIT, file);
	fclose(file);
	run(NULL, basename(copy), data, size);
	free(copy);
	free(data);
}

static void write_seed(void *directory, const char *name, const uint8_t *data, size_t size) {
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", (const char *)directory, name);
	file = fopen(path, "we");
	if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

int main(int argc, char **argv) {
	if (argc == 3 && strcmp(argv[1], "--write") == 0) {
		fuzz_seeds(write_seed, argv[2]);
		return 0;
	}
	fuzz_seeds(run, NULL);
	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	printf("%u inputs, %u not as they should be\n", n_run, n_wrong);
	return n_wrong > 0 || n_run == 0;
}
