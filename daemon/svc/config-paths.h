/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Files of the configuration, in directories as systemd has them: one in an earlier directory wins over one of its name in a later one. */

#include "daemon/svc/config-file.h"

struct config_paths {
	char **path;
	size_t n;
};

void config_paths_free(struct config_paths *paths);

/*
 * DIRECTORY/FOLDER/…SUFFIX of all directories, by the last part of their names; no two have the same.  A directory that is not there
 * is empty.  *ret is to be freed in any case.  Return: 0; CONFIG_E_INVALID, CONFIG_E_IO, and why in `error`; -ENOMEM.
 */
int config_paths_find(struct config_paths *ret, const char *const *directories, size_t n, const char *folder,
		      const char *suffix, char error[static CONFIG_ERROR_MAX]);

/* What else is in those folders, but for directories, hidden files, editors' copies and READMEs.  Return: 0, −errno. */
int config_paths_find_strays(struct config_paths *ret, const char *const *directories, size_t n, const char *folder,
			     const char *suffix);

/* Behind all others; copied.  Return: 0, -ENOMEM. */
int config_paths_append(struct config_paths *paths, const char *path);

/* DIRECTORY/NAME of the first directory that has it; *ret is allocated, NULL: none has.  Return: 0, -ENOMEM. */
int config_path_of(char **ret, const char *const *directories, size_t n, const char *name);
