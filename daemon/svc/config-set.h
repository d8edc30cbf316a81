/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* All that configuration defines of one kind, from directories as systemd has them, see evloopd.limit(5). */

#include "daemon/svc/config-file.h"

struct config_kind {
	const char *folder; /* "limits.d" */
	const char *suffix; /* ".limit" */
	/* *ret is new, and freed by definition_free().  Return: 0, CONFIG_E_*, -ENOMEM. */
	int (*read)(const struct config_source *source, struct definition **ret, char error[static CONFIG_ERROR_MAX]);
};

struct config_set {
	struct definition **definitions; /* by their files' names */
	size_t n;
};

#define CONFIG_SET_INIT                                                                                                \
	{ 0 }

/*
 * Read DIRECTORY/FOLDER/NAME.SUFFIX with DIRECTORY/FOLDER/NAME.SUFFIX.d/NAME.conf of all directories.  A file in an earlier one
 * wins over one of its name in a later one; a directory that is not there is empty.  Not for the loop.
 * Return: 0; CONFIG_E_INVALID: the first mistake is in `error`; -ENOMEM.  Only on success anything is in *ret.
 */
int config_set_read(struct config_set *ret, const struct config_kind *kind, const char *const *directories, size_t n,
		    char error[static CONFIG_ERROR_MAX]);
void config_set_free(struct config_set *set);

/* Return: the one of that name, NULL: there is none. */
struct definition *config_set_find(const struct config_set *set, const char *name);
