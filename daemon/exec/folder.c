/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the descriptor of inotify and what is watched by it.  Knows nothing of paths. */

#include "daemon/exec/folder.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SELF_MASK (IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR)
#define NAME_MASK (SELF_MASK | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
/* IN_CLOSE_WRITE and IN_ATTRIB: whoever touches a file means it, and writes nothing. */
#define FILE_MASK (NAME_MASK | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_EXCL_UNLINK)

static const uint32_t masks[] = {
	[INTEREST_SELF] = SELF_MASK,
	[INTEREST_NAME] = NAME_MASK,
	[INTEREST_FILE] = FILE_MASK,
	[INTEREST_CONTENT] = FILE_MASK,
};

static int inotify_fd = -1;
static struct interest_list retired = LIST_HEAD_INITIALIZER(retired);
static void *folders; /* tsearch(3) tree of struct folder, by number */

static int compare(const void *a, const void *b) {
	const struct folder *x = a, *y = b;

	return (x->wd > y->wd) - (x->wd < y->wd);
}

struct folder *folder_find(int wd) {
	struct folder *const *found = tfind(&(struct folder){ .wd = wd }, &folders, compare);

	return found ? *found : NULL;
}

static void folder_free(struct folder *folder) {
	(void)tdelete(folder, &folders, compare);
	free(folder);
}

void folder_lost(struct folder *folder) {
	struct interest *interest;

	while ((interest = LIST_FIRST(&folder->interests))) {
		LIST_REMOVE(interest, folder_link);
		interest->folder = NULL;
	}
	folder_free(folder);
}

int folders_begin(void) {
	while (folders)
		folder_lost(*(struct folder **)folders);
	if (inotify_fd >= 0)
		close(inotify_fd);
	inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return inotify_fd < 0 ? -errno : inotify_fd;
}

/* All that is of interest in the folder.  What is stale is so until there is something in its place, or something would be missed. */
static uint32_t mask_of(const struct folder *folder) {
	const struct interest *interest;
	uint32_t mask = 0;

	LIST_FOREACH(interest, &folder->interests, folder_link)
	mask |= masks[interest->kind];
	return mask;
}

bool folder_is_noisy(const struct folder *folder) {
	return folder->mask & ~mask_of(folder);
}

static struct folder *folder_new(int wd) {
	struct folder *folder = calloc(1, sizeof(*folder));

	if (!folder)
		abort();
	folder->wd = wd;
	if (!tsearch(folder, &folders, compare))
		abort();
	return folder;
}

/* Which number a folder has is known only after it is watched, and so is what it was watched for: add to that, then set it. */
static struct folder *watch(int fd, enum interest_kind kind) {
	struct folder *folder;
	uint32_t mask;
	char path[32];
	int wd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	wd = inotify_add_watch(inotify_fd, path, masks[kind] | IN_MASK_ADD);
	if (wd < 0)
		return NULL;
	folder = folder_find(wd);
	if (!folder)
		folder = folder_new(wd);
	folder->mask |= masks[kind];
	mask = masks[kind] | mask_of(folder);
	if (mask != folder->mask && inotify_add_watch(inotify_fd, path, mask) == wd)
		folder->mask = mask;
	return folder;
}

struct interest *interest_add(struct interest_list *list, struct watched *watched, int fd, enum interest_kind kind,
			      const char *text) {
	struct folder *folder = watch(fd, kind);
	struct interest *interest;

	if (!folder)
		return NULL;
	interest = calloc(1, sizeof(*interest) + strlen(text) + 1);
	if (!interest)
		abort();
	interest->folder = folder;
	interest->watched = watched;
	interest->kind = kind;
	strcpy(interest->text, text);
	LIST_INSERT_HEAD(&folder->interests, interest, folder_link);
	LIST_INSERT_HEAD(list, interest, link);
	return interest;
}

void interest_remove(struct interest *interest) {
	struct folder *folder = interest->folder;

	LIST_REMOVE(interest, link);
	if (folder) {
		LIST_REMOVE(interest, folder_link);
		if (LIST_EMPTY(&folder->interests)) {
			(void)inotify_rm_watch(inotify_fd, folder->wd);
			folder_free(folder);
		}
	}
	free(interest);
}

void interest_retire(struct interest *interest) {
	interest->is_stale = true;
	LIST_REMOVE(interest, link);
	LIST_INSERT_HEAD(&retired, interest, link);
}

void interests_sweep(void) {
	struct interest *interest;

	while ((interest = LIST_FIRST(&retired)))
		interest_remove(interest);
}
