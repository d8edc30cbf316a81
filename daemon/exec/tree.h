/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What is in a watched folder, and below it. */

#include "daemon/exec/watched.h"

/* Watch the folder at `path`, relative to the watched one, and look at what is in it, when there is nothing more urgent.
 * `events`: what happened to all that is found there; 0: nothing, it is there as it should. */
void tree_add(struct watched *watched, const char *path, uint32_t events);

/* The folder at `path` is there no more, nor what is below it.  interests_sweep() is to be called for it. */
void tree_drop(struct watched *watched, const char *path);

/* Scan a folder.  Return: false: there is none to be scanned. */
bool tree_scan(void);

/* Is it not to be looked at?  `path`: relative to the watched one, and not that itself. */
bool tree_excludes(const struct watched *watched, const char *path);

/* What has happened to a file at that time of `since_ns`; 0: nothing. */
uint32_t tree_events_since(int64_t since_ns, int folder_fd, const char *name);
