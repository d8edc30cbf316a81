/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Becomes a job's command.  All that may block, fail or surprise on the way from the daemon to the command happens here, in a
 * process of the job's own: the directory may hang on a dead server, the interpreter may not exist.
 *
 * The daemon has given it a session of its own, default signals, /dev/null to read from, one pipe for both outputs, and the
 * two descriptors of job-spec.h.  Links nothing but libc.
 */

#include <errno.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/exec/job-spec.h"

#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

/* The command is not started: say so to the job's log, and to the daemon. */
static _Noreturn void fail(const char *what, const char *name, int error) {
	fprintf(stderr, "evloop: cannot %s '%s': %s\n", what, name, strerror(error));
	fflush(stderr);
	if (write(JOB_STATUS_FD, &error, sizeof(error)) < 0)
		_exit(EXIT_NOT_EXECUTABLE);
	_exit(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/* The next string, moving *p behind it. */
static char *next_string(char **p) {
	char *string = *p;

	*p += strlen(string) + 1;
	return string;
}

static char **next_strings(char **p, uint32_t n) {
	char **vector = calloc((size_t)n + 1, sizeof(*vector));

	if (!vector)
		fail("start", "command", ENOMEM);
	for (uint32_t i = 0; i < n; i++)
		vector[i] = next_string(p);
	return vector;
}

int main(void) {
	struct job_spec *spec;
	char *p, *directory, **argv;
	struct stat st;

	if (fstat(JOB_SPEC_FD, &st) < 0 || (size_t)st.st_size < sizeof(*spec)) {
		fputs("evloop-exec: evloopd starts this program, people do not\n", stderr);
		return EXIT_NOT_EXECUTABLE;
	}
	spec = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, JOB_SPEC_FD, 0);
	if (spec == MAP_FAILED)
		fail("read", "command", errno);
	close(JOB_SPEC_FD);

	p = (char *)(spec + 1);
	directory = next_string(&p);
	argv = next_strings(&p, spec->n_argv);
	environ = next_strings(&p, spec->n_environment);
	umask(spec->umask);
	/* The end of the status pipe says that the command runs; what the daemon was started with is none of its business. */
	if (close_range(JOB_SPEC_FD, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		fail("part", "descriptors", errno);
	if (chdir(directory) < 0) {
		int error = errno;

		/* A directory that is gone is no command that is not found. */
		fail("enter", directory, error == ENOENT ? ENOTDIR : error);
	}
	execvp(argv[0], argv);
	fail("run", argv[0], errno);
}
