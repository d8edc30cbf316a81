/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the walk through folders, one at a time so that events are never kept waiting for it.  A folder is watched first and then
 * read: whatever comes into it is seen by the one or by the other.
 */

#include "daemon/exec/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/exec/report.h"

struct scan {
	TAILQ_ENTRY(scan) link; /* scans */
	struct watched *watched;
	uint32_t events;
	char path[];
};

static TAILQ_HEAD(, scan) scans = TAILQ_HEAD_INITIALIZER(scans);

/* ---- names ---- */

bool tree_excludes(const struct watched *watched, const char *path) {
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < watched->n_exclude; i++)
		if (fnmatch(watched->exclude[i], name, 0) == 0 || fnmatch(watched->exclude[i], path, FNM_PATHNAME) == 0)
			return true;
	return false;
}

/* Is `path` the folder `folder`, or below it? */
static bool is_below(const char *path, const char *folder) {
	size_t size = strlen(folder);

	return size == 0 || (strncmp(path, folder, size) == 0 && (path[size] == '\0' || path[size] == '/'));
}

/* Return: false: it is too long to be watched. */
static bool join(char *ret, size_t size, const char *folder, const char *name) {
	return snprintf(ret, size, "%s%s%s", folder, folder[0] && name[0] ? "/" : "", name) < (int)size;
}

/* ---- what is to be done ---- */

void tree_add(struct watched *watched, const char *path, uint32_t events) {
	struct scan *scan = malloc(sizeof(*scan) + strlen(path) + 1);

	if (!scan)
		abort();
	scan->watched = watched;
	scan->events = events;
	strcpy(scan->path, path);
	TAILQ_INSERT_TAIL(&scans, scan, link);
	watched->n_scans++;
}

static void scan_free(struct scan *scan) {
	TAILQ_REMOVE(&scans, scan, link);
	scan->watched->n_scans--;
	free(scan);
}

void tree_drop(struct watched *watched, const char *path) {
	struct interest *interest, *next_interest;
	struct scan *scan, *next_scan;

	for (interest = LIST_FIRST(&watched->content); interest; interest = next_interest) {
		next_interest = LIST_NEXT(interest, link);
		if (!is_below(interest->text, path))
			continue;
		if (watched->root == interest)
			watched->root = NULL;
		interest_retire(interest);
	}
	for (scan = TAILQ_FIRST(&scans); scan && watched->n_scans > 0; scan = next_scan) {
		next_scan = TAILQ_NEXT(scan, link);
		if (scan->watched == watched && is_below(scan->path, path))
			scan_free(scan);
	}
}

/* ---- scanning ---- */

static int64_t nanoseconds(const struct statx_timestamp *time) {
	return time->tv_sec * INT64_C(1000000000) + time->tv_nsec;
}

static bool look(int folder_fd, const char *name, struct statx *ret) {
	return statx(folder_fd, name, AT_SYMLINK_NOFOLLOW | (name[0] ? 0 : AT_EMPTY_PATH) | AT_STATX_DONT_SYNC,
		     STATX_TYPE | STATX_CTIME | STATX_BTIME, ret) == 0;
}

static uint32_t events_since(int64_t since_ns, const struct statx *st) {
	if (nanoseconds(&st->stx_ctime) <= since_ns)
		return 0;
	return st->stx_mask & STATX_BTIME && nanoseconds(&st->stx_btime) > since_ns ? EVENT_CREATED : EVENT_MODIFIED;
}

uint32_t tree_events_since(int64_t since_ns, int folder_fd, const char *name) {
	struct statx st;

	return since_ns > 0 && look(folder_fd, name, &st) ? events_since(since_ns, &st) : 0;
}

/* What is looked for in a folder that was to be watched from a time on that has passed. */
struct search {
	int64_t since_ns; /* 0: nothing is */
	int64_t newest_ns; /* of what is in it */
};

static void found(const struct scan *scan, int fd, const struct dirent *entry, struct search *search) {
	bool is_folder = entry->d_type == DT_DIR, is_unknown = entry->d_type == DT_UNKNOWN;
	struct watched *watched = scan->watched;
	uint32_t events = scan->events;
	char path[PATH_MAX];
	struct statx st;

	if (!join(path, sizeof(path), scan->path, entry->d_name) || tree_excludes(watched, path))
		return;
	if (search->since_ns > 0 || (is_unknown && watched->recursive)) {
		if (!look(fd, entry->d_name, &st))
			return;
		is_folder = S_ISDIR(st.stx_mode);
		if (search->since_ns > 0) {
			if (nanoseconds(&st.stx_ctime) > search->newest_ns)
				search->newest_ns = nanoseconds(&st.stx_ctime);
			events |= events_since(search->since_ns, &st);
		}
	}
	if (events != 0)
		report_change(watched->token, path, events);
	if (is_folder && watched->recursive)
		tree_add(watched, path, scan->events);
}

static void read_folder(const struct scan *scan, int fd) {
	struct search search = { .since_ns = scan->events == 0 ? scan->watched->since_ns : 0 };
	const struct dirent *entry;
	int64_t changed_ns = 0;
	DIR *stream;
	struct statx st;

	/* Before it is read: what changes from now on is seen by the kernel. */
	if (search.since_ns > 0 && look(fd, "", &st))
		changed_ns = nanoseconds(&st.stx_ctime);
	stream = fdopendir(fd);
	if (!stream) {
		close(fd);
		return;
	}
	while ((entry = readdir(stream)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			found(scan, dirfd(stream), entry, &search);
	(void)closedir(stream);
	/* It was changed last by something that is not in it any more. */
	if (changed_ns > search.since_ns && changed_ns > search.newest_ns)
		scan->watched->rescan = true;
}

static bool is_watched(const struct watched *watched, const struct interest *interest) {
	const struct interest *other;

	LIST_FOREACH(other, &interest->folder->interests, folder_link)
	if (other != interest && other->watched == watched && other->kind == INTEREST_CONTENT && !other->is_stale &&
	    strcmp(other->text, interest->text) == 0)
		return true;
	return false;
}

/* Return: the folder, open and watched; −1: it cannot be, and need not. */
static int open_folder(const struct scan *scan) {
	struct watched *watched = scan->watched;
	struct interest *interest;
	char path[PATH_MAX];
	int fd;

	if (!join(path, sizeof(path), watched->folder[0] ? watched->folder : "/", scan->path))
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	interest = interest_add(&watched->content, watched, fd, INTEREST_CONTENT, scan->path);
	if (interest) {
		if (is_watched(watched, interest))
			interest_remove(interest);
		return fd;
	}
	if (errno != EACCES && errno != ENOENT && errno != ENOTDIR)
		watched_fail(watched, errno);
	close(fd);
	return -1;
}

bool tree_scan(void) {
	struct scan *scan = TAILQ_FIRST(&scans);
	struct watched *watched;
	uint64_t token;
	int fd;

	if (!scan)
		return false;
	TAILQ_REMOVE(&scans, scan, link);
	watched = scan->watched;
	token = watched->token;
	report_busy(token);
	fd = open_folder(scan);
	if (fd >= 0)
		read_folder(scan, fd);
	free(scan);
	if (fd < 0 && watched_find(token) != watched)
		return true; /* it has failed */
	watched->n_scans--;
	watched_settle(watched);
	return true;
}
