/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Who looks at files for the core, see struct path_watcher in core/path-watch.h: processes called evloop-paths. */

#include "daemon/core/loop.h"
#include "daemon/core/path-watch.h"

struct paths;

/* Nothing is started before it is needed.  Return: 0, −errno: `exec_path`, of evloop-paths, cannot be opened, for instance. */
int paths_new(struct paths **ret, struct loop *loop, const char *exec_path);

/* The processes end when they see it; nobody waits for that.  No watch is left. */
struct paths *paths_free(struct paths *paths);

struct path_watcher *paths_watcher(struct paths *paths);

/* The boottime at which paths_tick() wants to be called; INT64_MAX: never. */
int64_t paths_next(const struct paths *paths);
void paths_tick(struct paths *paths, int64_t boottime_ns);
