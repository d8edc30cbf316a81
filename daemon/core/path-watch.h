/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A watch of a path: what has changed there, merged by path until its owner takes it.  A source: its event CHANGED is acknowledged, see
 * core/acked.h.  More changes than can be kept are one word, "rescan".
 *
 * The core looks at no file.  Who does is behind struct path_watcher.
 */

#include "daemon/core/source.h"

struct path_watch;
struct scheduler;

/* Bits of what has happened to a path. */
enum path_event {
	PATH_CREATED = 1,
	PATH_MODIFIED = 2,
	PATH_MOVED = 4, /* it came by a rename, or went by one */
	PATH_DELETED = 8,
};

struct path_change {
	char *path; /* relative to the one that is watched; "": that itself */
	unsigned events; /* bits of enum path_event */
};

struct path_spec {
	const char *path; /* absolute */
	bool recursive;
	const char *const *exclude; /* `n_exclude` patterns */
	size_t n_exclude;
	int64_t since_ns; /* realtime: what has changed after it is told, too; 0: what changes from now on */
};

enum {
	PATH_WATCH_E_HANDLE_EXISTS = 1,
	PATH_WATCH_E_STUCK = 2, /* whoever looks at files hangs in file systems that do not answer */
	PATH_WATCH_E_NOBODY = 3, /* nobody looks at files */
};

/* Who looks at files. */
struct path_watcher {
	/* Tell of what changes at that path from now on, by the functions below and not from within; *ret_token is for remove().
	 * Return: 0, PATH_WATCH_E_STUCK, −errno. */
	int (*add)(struct path_watcher *watcher, struct path_watch *watch, const struct path_spec *spec,
		   void **ret_token);
	/* Nobody wants to hear of it any more. */
	void (*remove)(struct path_watcher *watcher, void *token);
	/* What was given to add(); borrowed, but for `exclude`, which is free(3)d.  Return: 0, -ENOMEM. */
	int (*describe)(struct path_watcher *watcher, void *token, struct path_spec *ret);
};

/* Has to be done before there are watches; borrowed. */
void scheduler_set_path_watcher(struct scheduler *scheduler, struct path_watcher *watcher);

/*
 * Watch a path, and tell of changes when there was none for `settle_ns`; `timeout_ns`: as in core/acked.h.
 * Return: 0, PATH_WATCH_E_*, −errno: there is no watch.
 */
int path_watch_new(struct path_watch **ret, struct owner *owner, uint64_t handle, const struct path_spec *spec,
		   int64_t settle_ns, int64_t timeout_ns);

/* For people and logs. */
uint64_t path_watch_id(const struct path_watch *watch);

/* ---- for who looks at files ---- */

/* That has happened to `path`, relative to the one that is watched, of `size` bytes. */
void path_watch_changed(struct path_watch *watch, const char *path, size_t size, unsigned events);

/* More has happened than can be told. */
void path_watch_lost_track(struct path_watch *watch);

/* It cannot be watched, or not any more, for that errno: the watcher has forgotten it. */
void path_watch_failed(struct path_watch *watch, int error);
