/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What the daemon hands to evloop-exec: a descriptor on a file in memory, which begins with this header; then strings with a NUL
 * behind each: the directory, the words of the command, the environment.  Both are built together, so there is no version.
 */

#include <stdint.h>

struct job_spec {
	uint32_t n_argv;
	uint32_t n_environment;
	uint32_t umask;
};

/* The descriptors that evloop-exec is started with, beside the standard three. */
#define JOB_SPEC_FD 3 /* the file */
#define JOB_STATUS_FD 4 /* a pipe: the errno if the command did not start, nothing if it did */
