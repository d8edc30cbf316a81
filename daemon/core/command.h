/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A command: argv, environment, directory and umask, byte for byte, in one allocation; and how its runs behave. */

#include <sys/types.h>

#include "proto/base.h"

enum overlap {
	OVERLAP_MODE_SKIP,
	OVERLAP_MODE_QUEUE,
	OVERLAP_MODE_RESTART,
	OVERLAP_MODE_ALLOW,
};

struct command {
	char **argv; /* NULL-terminated, at least one word */
	char **environment; /* NULL-terminated */
	char *directory; /* absolute */
	mode_t umask;
	enum overlap overlap;
	int64_t timeout_ns; /* 0: none */
	size_t size; /* bytes of the allocation */
};

/* A word that need not end in NUL and contains none. */
struct word {
	const void *data;
	size_t size;
};

/* Copy everything.  Return: 0, -ENOMEM. */
int command_new(struct command **ret, const struct word *argv, size_t n_argv, const struct word *environment,
		size_t n_environment, struct word directory);
struct command *command_free(struct command *command);
bool command_equal(const struct command *a, const struct command *b);
