/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A command line that the daemon is to run later: what of this process goes along with it. */

#include "client/call.h"
#include "client/cli/verb.h"

struct command_options {
	const char *shell; /* -c: for sh; NULL: none */
	bool clean; /* --clean-env */
	const char **set; /* --setenv, "NAME=VALUE" */
	size_t n_set;
	int64_t timeout_ns;
	enum evl_overlap overlap;
};

/*
 * Take the words behind argv[0] of `inv`, byte for byte, with directory, umask and environment.  Says so where there is no such
 * program, as the shell would.  *ret borrows the words; free with command_free().
 * Return: 0, or the exit status after a complaint.
 */
int command_capture(const struct invocation *inv, const struct command_options *options, Evloop__Command **ret);

/* Is there a program that execvp(3) would run?  Return: 0, or the exit status after a complaint. */
int command_check(const struct invocation *inv, const char *program);

/* The same, and nothing is said. */
bool command_exists(const char *program);
