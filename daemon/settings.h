/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What the daemon is told of itself: by evloopd.conf(5), its drop-ins and a credential, and by its command line, which is stronger.
 * What files define by name, limiters and topics, is svc/config.h's.
 */

#include <sys/stat.h>

#include "daemon/peer/quota.h"
#include "daemon/svc/config-paths.h"

struct settings {
	struct quota quota; /* the limits and the pools of it */
	int64_t exit_idle_ns; /* 0: stay */
	int log_level;
};

#define SETTINGS_DIRECTORIES_MAX 4
#define SETTINGS_LIMITS_MAX 64

/* Where settings come from. */
struct settings_source {
	bool system; /* of an instance that serves many uids */
	const char *directories[SETTINGS_DIRECTORIES_MAX]; /* the strongest first */
	size_t n_directories;
	bool given; /* the directory was, by the administrator: without it there is no configuration, not an empty one */
	const char *credential; /* path of a file that is stronger than those of the directories; NULL: none */
	int64_t default_exit_idle_ns;

	/* Of the command line. */
	const char *limits[SETTINGS_LIMITS_MAX]; /* NAME=VALUE, that quota_set() takes */
	size_t n_limits;
	int64_t exit_idle_ns; /* −1: not given */
	int log_level; /* −1: not given */
};

/* The directory that was given, which has to be there; all zeros where none was.  Return: 0, CONFIG_E_IO. */
int settings_stat_directory(const struct settings_source *source, struct stat *ret,
			    char error[static CONFIG_ERROR_MAX]);

/* The files, in the order in which they are read.  *ret is to be freed in any case.  Return: as config_paths_find(). */
int settings_paths(const struct settings_source *source, struct config_paths *ret, char error[static CONFIG_ERROR_MAX]);

/* Not for the loop.  Return: 0; CONFIG_E_INVALID, CONFIG_E_IO: the first mistake is in `error`; -ENOMEM. */
int settings_read(const struct settings_source *source, struct settings *ret, char error[static CONFIG_ERROR_MAX]);

/* Print the files to standard output, as `systemd-analyze cat-config` does.  Return: as settings_read(). */
int settings_print(const struct settings_source *source, char error[static CONFIG_ERROR_MAX]);
