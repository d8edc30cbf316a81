/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the watched paths, and what is told when the way to one of them leads somewhere else. */

#include "daemon/exec/watched.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/exec/report.h"
#include "daemon/exec/tree.h"
#include "daemon/exec/way.h"

TAILQ_HEAD(watched_list, watched);
static struct watched_list all = TAILQ_HEAD_INITIALIZER(all);
static struct watched_list dirty = TAILQ_HEAD_INITIALIZER(dirty);

/* ---- their lives ---- */

static char *copy(const char *text) {
	char *ret = strdup(text);

	if (!ret)
		abort();
	return ret;
}

struct watched *watched_new(uint64_t token, const char *path, const char *exclude, size_t n_exclude) {
	struct watched *watched = calloc(1, sizeof(*watched));

	if (!watched)
		abort();
	watched->token = token;
	watched->path = copy(path);
	watched->exclude = calloc(n_exclude + 1, sizeof(*watched->exclude));
	if (!watched->exclude)
		abort();
	for (; watched->n_exclude < n_exclude; exclude += strlen(exclude) + 1) {
		char *pattern = copy(exclude);
		size_t size = strlen(pattern);

		/* Written as people write a folder. */
		while (size > 1 && pattern[size - 1] == '/')
			pattern[--size] = '\0';
		watched->exclude[watched->n_exclude++] = pattern;
	}
	LIST_INIT(&watched->way);
	LIST_INIT(&watched->content);
	TAILQ_INSERT_TAIL(&all, watched, link);
	watched_set_dirty(watched);
	return watched;
}

static void forget_all(struct watched *watched) {
	struct interest *interest;

	while ((interest = LIST_FIRST(&watched->way)))
		interest_remove(interest);
	tree_drop(watched, "");
	interests_sweep();
}

struct watched *watched_free(struct watched *watched) {
	forget_all(watched);
	if (watched->is_dirty)
		TAILQ_REMOVE(&dirty, watched, dirty_link);
	TAILQ_REMOVE(&all, watched, link);
	while (watched->n_exclude > 0)
		free(watched->exclude[--watched->n_exclude]);
	free(watched->exclude);
	free(watched->path);
	free(watched->folder);
	free(watched);
	return NULL;
}

struct watched *watched_find(uint64_t token) {
	struct watched *watched;

	TAILQ_FOREACH(watched, &all, link)
	if (watched->token == token)
		break;
	return watched;
}

void watched_set_dirty(struct watched *watched) {
	if (watched->is_dirty)
		return;
	watched->is_dirty = true;
	TAILQ_INSERT_TAIL(&dirty, watched, dirty_link);
}

void watched_fail(struct watched *watched, int error) {
	report(PATHS_FAILED, watched->token, error);
	watched_free(watched);
}

void watched_begin_anew(void) {
	struct watched *watched;

	TAILQ_FOREACH(watched, &all, link) {
		forget_all(watched);
		watched->rescan = true;
		watched_set_dirty(watched);
	}
}

/* ---- where they lead ---- */

void watched_settle(struct watched *watched) {
	if (watched->n_scans > 0 || watched->is_dirty)
		return;
	watched->since_ns = 0;
	if (watched->rescan)
		report(PATHS_RESCAN, watched->token, 0);
	watched->rescan = false;
}

static bool is_elsewhere(const struct watched *watched, const struct target *target) {
	return watched->device != target->device || watched->inode != target->inode;
}

/* What has become of the path itself, if nobody has seen it happen. */
static uint32_t find_events(const struct watched *watched, const struct target *target) {
	if (watched->exists && !target->exists)
		return EVENT_DELETED;
	if (!watched->exists && target->exists)
		return EVENT_CREATED;
	return target->exists && is_elsewhere(watched, target) ? EVENT_MODIFIED : 0;
}

/* The folder that it is now: watch what is in it.  Return: 0, −errno. */
static int hold(struct watched *watched, const struct target *target) {
	struct interest *root = interest_add(&watched->content, watched, target->fd, INTEREST_CONTENT, "");

	if (!root)
		return -errno;
	free(watched->folder);
	watched->folder = copy(target->path);
	if (watched->root && watched->root->folder == root->folder) {
		interest_remove(root);
		return 0;
	}
	/* Another one in place of the former: what was in that one is not told name by name. */
	if (watched->is_known && watched->exists)
		watched->rescan = true;
	LIST_REMOVE(root, link);
	tree_drop(watched, "");
	interests_sweep();
	LIST_INSERT_HEAD(&watched->content, root, link);
	watched->root = root;
	tree_add(watched, "", watched->is_known && !watched->rescan ? EVENT_CREATED : 0);
	return 0;
}

static void let_go(struct watched *watched) {
	tree_drop(watched, "");
	interests_sweep();
	free(watched->folder);
	watched->folder = NULL;
}

/* What has become of it before it was looked at for the first time.  Of something that is missing only its folder knows. */
static uint32_t look_back(struct watched *watched, const struct target *target) {
	size_t size = strlen(watched->path);
	char folder[PATH_MAX + 1];

	if (target->exists)
		return tree_events_since(watched->since_ns, AT_FDCWD, watched->path);
	while (size > 1 && watched->path[size - 1] == '/')
		size--;
	while (watched->path[size - 1] != '/')
		size--;
	/* With a dot: what a link leads to. */
	(void)snprintf(folder, sizeof(folder), "%.*s.", (int)size, watched->path);
	watched->rescan = watched->rescan || tree_events_since(watched->since_ns, AT_FDCWD, folder) != 0;
	return 0;
}

static int look(struct watched *watched, const struct target *target) {
	uint32_t events;
	int r = 0;

	if (watched->is_known && !watched->was_told)
		events = find_events(watched, target);
	else
		events = 0;
	if (!watched->is_known && !target->is_folder)
		events |= look_back(watched, target);
	if (target->is_folder)
		r = hold(watched, target);
	else
		let_go(watched);
	if (r < 0)
		return r;
	if (events != 0)
		report_change(watched->token, "", events);
	watched->is_known = true;
	watched->was_told = false;
	watched->exists = target->exists;
	watched->device = target->device;
	watched->inode = target->inode;
	return 0;
}

bool watched_look(void) {
	struct watched *watched = TAILQ_FIRST(&dirty);
	struct target target;
	int r;

	if (!watched)
		return false;
	TAILQ_REMOVE(&dirty, watched, dirty_link);
	watched->is_dirty = false;
	report_busy(watched->token);
	r = way_go(watched, &target);
	if (r == 0) {
		r = look(watched, &target);
		if (target.fd >= 0)
			close(target.fd);
	}
	if (r < 0)
		watched_fail(watched, -r);
	else
		watched_settle(watched);
	return true;
}
