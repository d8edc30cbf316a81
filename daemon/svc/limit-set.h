/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The limiters that configuration defines: all of them, from directories as systemd has them, see evloopd.limit(5). */

#include "daemon/svc/limit-file.h"

struct scheduler;

struct limit_set {
	struct limit_definition **definitions; /* by name */
	size_t n;
};

#define LIMIT_SET_INIT                                                                                                 \
	{ 0 }

/*
 * Read DIRECTORY/limits.d/NAME.limit with DIRECTORY/limits.d/NAME.limit.d/NAME.conf of all directories.  A file in an earlier one
 * wins over one of its name in a later one; a directory that is not there is empty.  Not for the loop.
 * Return: 0; LIMIT_FILE_E_INVALID: the first mistake is in `error`; -ENOMEM.  Only on success anything is in *ret.
 */
int limit_set_read(struct limit_set *ret, const char *const *directories, size_t n, char error[static LIMIT_ERROR_MAX]);
void limit_set_free(struct limit_set *set);

/*
 * Let the scheduler have these limiters for all uids, and none beside them: those that it has are changed, and keep what was taken.
 * What cannot be changed is logged and stays as it was.  Return: 0, -ENOMEM: some of them are missing.
 */
int limit_set_apply(const struct limit_set *set, struct scheduler *scheduler);
