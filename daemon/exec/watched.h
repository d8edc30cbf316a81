/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A watched path in evloop-paths: what it is called, what is there now, and what has to be looked at. */

#include <limits.h>
#include <sys/types.h>

#include "daemon/exec/folder.h"

/* What a path leads to. */
struct target {
	bool exists, is_folder;
	dev_t device;
	ino_t inode;
	int fd; /* of a folder, O_PATH; −1: none */
	char path[PATH_MAX]; /* of a folder, without links */
};

struct watched {
	TAILQ_ENTRY(watched) link; /* all of them */
	TAILQ_ENTRY(watched) dirty_link; /* while `is_dirty` */
	uint64_t token;
	char *path;
	char **exclude;
	size_t n_exclude;
	int64_t since_ns; /* realtime; 0: from the first look on */
	bool recursive;
	bool rescan; /* to be said as soon as nothing is left to be scanned */
	bool is_known; /* it was looked at before, and these are what was found: */
	bool exists;
	dev_t device;
	ino_t inode;
	char *folder; /* its path, without links; NULL: it is no folder */
	struct interest *root; /* of `content`, what is in the folder itself; NULL: it is no folder */
	bool is_dirty; /* the way to it has changed: where does it lead now? */
	bool was_told; /* and what became of it was seen and told */
	struct interest_list way, content;
	size_t n_scans; /* folders to be scanned */
};

/* Return: the watch, to be looked at. */
struct watched *watched_new(uint64_t token, const char *path, const char *exclude, size_t n_exclude);
struct watched *watched_free(struct watched *watched);

/* NULL: there is none. */
struct watched *watched_find(uint64_t token);

/* Look at it when there is nothing more urgent. */
void watched_set_dirty(struct watched *watched);

/* Look at all of them as if nothing were known. */
void watched_begin_anew(void);

/* Look at one that has to be looked at.  Return: false: there is none. */
bool watched_look(void);

/* It cannot be watched for that errno. */
void watched_fail(struct watched *watched, int error);

/* There is nothing to be scanned any more. */
void watched_settle(struct watched *watched);
