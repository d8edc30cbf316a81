/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A limiter as an administrator writes it, see evloopd.limit(5).
 *
 * Reading takes as long as the file system and the user database take: nothing for the loop.
 */

#include "daemon/core/limiter.h"
#include "proto/limits.h"

struct limit_definition {
	char *path; /* of the file that defines it */
	char name[NAME_LENGTH_MAX + 1];
	struct limiter_spec spec; /* its name is `name` */
	struct limiter_access access;
};

#define LIMIT_ERROR_MAX 1024

enum {
	LIMIT_FILE_E_MASKED = 1, /* the file is empty, or /dev/null: it defines nothing, on purpose */
	LIMIT_FILE_E_INVALID, /* what is wrong is in `error`, after path and line */
};

/*
 * Read the definition at `path`, and on top of it its drop-ins, in that order; `name` is that of the limiter where no Name= is
 * given.  On success *ret is new, and freed with limit_definition_free().
 * Return: 0, LIMIT_FILE_E_*, -ENOMEM.
 */
int limit_file_read(const char *path, const char *name, char *const *drop_ins, size_t n_drop_ins,
		    struct limit_definition **ret, char error[static LIMIT_ERROR_MAX]);

struct limit_definition *limit_definition_free(struct limit_definition *definition);
