/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns how a path is followed, word by word and link by link.  What is on the way is watched as quietly as possible: of a folder only
 * that it goes or is moved; by name what is a link, what is missing, and the last word.  Where something is missing,
 * each folder on the way is watched by name, for a folder that somebody has open does not say that it was removed.
 *
 * What is found is looked at again after it is watched; what has changed in between is followed anew.
 */

#include "daemon/exec/way.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel has it */
#define TRIES_MAX 8

enum {
	WAY_E_CHANGED = 1, /* while we looked */
	WAY_E_ARRIVED = 2, /* in a folder */
	WAY_E_ENDS = 3, /* at something that is no folder, or is missing */
};

struct walk {
	struct watched *watched;
	struct target *target;
	int fd; /* of the folder where we are, O_PATH */
	char path[PATH_MAX]; /* of it */
	char rest[2 * PATH_MAX]; /* of the way */
	size_t own; /* bytes at the end of `rest` that are no link's */
	unsigned links;
	bool wide; /* something is missing */
};

static int go_to(struct walk *walk, int fd) {
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? WAY_E_CHANGED : -errno;
	if (walk->fd >= 0)
		close(walk->fd);
	walk->fd = fd;
	return 0;
}

static int go_to_root(struct walk *walk) {
	walk->path[0] = '\0';
	return go_to(walk, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int go_up(struct walk *walk) {
	char *slash = strrchr(walk->path, '/');

	if (slash)
		*slash = '\0';
	return go_to(walk, openat(walk->fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

#define WORD_SIZE (NAME_MAX + 2) /* what is too long for a name stays so */

/* The next word of the way; "": there is none. */
static void take_word(struct walk *walk, char word[static WORD_SIZE]) {
	size_t skip = strspn(walk->rest, "/"), size = strcspn(walk->rest + skip, "/"), left;

	snprintf(word, WORD_SIZE, "%.*s", (int)size, walk->rest + skip);
	size += skip;
	size += strspn(walk->rest + size, "/");
	left = strlen(walk->rest + size);
	memmove(walk->rest, walk->rest + size, left + 1);
	if (walk->own > left)
		walk->own = left;
}

/* Return: 0, −errno. */
static int watch_name(struct walk *walk, enum interest_kind kind, const char *name, bool is_last) {
	struct interest *interest = interest_add(&walk->watched->way, walk->watched, walk->fd, kind, name);

	if (!interest)
		return -errno;
	interest->is_last = is_last;
	return 0;
}

/* What may be watched, if it lets us. */
static int watch_gently(struct walk *walk, int fd, enum interest_kind kind, const char *name) {
	if (interest_add(&walk->watched->way, walk->watched, fd, kind, name))
		return 0;
	return errno == EACCES || errno == ENOENT ? 0 : -errno;
}

static int look(const struct walk *walk, const char *name, struct stat *ret) {
	memset(ret, 0, sizeof(*ret)); /* mode 0: nothing is there */
	if (fstatat(walk->fd, name, ret, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}

static bool is_same(const struct stat *a, const struct stat *b) {
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mode >> 12 == b->st_mode >> 12;
}

static int follow_link(struct walk *walk, const char *name, const struct stat *seen) {
	char link[PATH_MAX], rest[2 * PATH_MAX];
	struct stat again;
	ssize_t size;
	int r;

	r = watch_name(walk, INTEREST_NAME, name, false);
	if (r < 0)
		return r;
	size = readlinkat(walk->fd, name, link, sizeof(link) - 1);
	r = look(walk, name, &again);
	if (r < 0)
		return r;
	if (size < 0 || !is_same(seen, &again))
		return WAY_E_CHANGED;
	link[size] = '\0';
	if (++walk->links > LINKS_MAX)
		return -ELOOP;
	if (snprintf(rest, sizeof(rest), "%s/%s", link, walk->rest) >= (int)sizeof(rest))
		return -ENAMETOOLONG;
	memcpy(walk->rest, rest, sizeof(rest));
	return link[0] == '/' ? go_to_root(walk) : 0;
}

static int enter(struct walk *walk, const char *name, const struct stat *seen, bool is_last) {
	size_t used = strlen(walk->path);
	struct stat again, entered;
	int fd, r = 0;

	if (is_last || walk->wide)
		r = is_last ? watch_name(walk, INTEREST_NAME, name, true)
			    : watch_gently(walk, walk->fd, INTEREST_NAME, name);
	if (r < 0)
		return r;
	if (snprintf(walk->path + used, sizeof(walk->path) - used, "/%s", name) >= (int)(sizeof(walk->path) - used))
		return -ENAMETOOLONG;
	fd = openat(walk->fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && !is_last)
		r = watch_gently(walk, fd, INTEREST_SELF, "");
	if (fd >= 0 && (r < 0 || fstat(fd, &entered) < 0 || look(walk, name, &again) < 0 ||
			!is_same(&entered, &again) || !is_same(seen, &again))) {
		close(fd);
		return r < 0 ? r : WAY_E_CHANGED;
	}
	return go_to(walk, fd);
}

/* Something that is no folder, or nothing. */
static int end_at(struct walk *walk, const char *name, const struct stat *seen, bool is_last) {
	struct stat again;
	int r;

	/* What the links say that the path itself is may be missing; the folder that the path is in may not. */
	if (!walk->watched->is_known && walk->own > 0)
		return seen->st_mode == 0 ? -ENOENT : -ENOTDIR;
	r = watch_name(walk, is_last ? INTEREST_FILE : INTEREST_NAME, name, is_last);
	if (r == 0)
		r = look(walk, name, &again);
	if (r < 0)
		return r;
	if (!is_same(seen, &again))
		return WAY_E_CHANGED;
	walk->target->exists = is_last && seen->st_mode != 0;
	walk->target->device = seen->st_dev;
	walk->target->inode = seen->st_ino;
	return WAY_E_ENDS;
}

/* Return: 0: there is more of the way, WAY_E_*, −errno. */
static int step(struct walk *walk) {
	char word[WORD_SIZE];
	struct stat seen;
	bool is_last;
	int r;

	take_word(walk, word);
	if (!word[0])
		return WAY_E_ARRIVED;
	if (strcmp(word, ".") == 0)
		return 0;
	if (strcmp(word, "..") == 0)
		return go_up(walk);
	is_last = walk->rest[0] == '\0';
	r = look(walk, word, &seen);
	if (r < 0)
		return r;
	if (S_ISLNK(seen.st_mode))
		return follow_link(walk, word, &seen);
	if (S_ISDIR(seen.st_mode))
		return enter(walk, word, &seen, is_last);
	return end_at(walk, word, &seen, is_last);
}

/* It leads to a folder. */
static int arrive(struct walk *walk) {
	struct target *target = walk->target;
	struct stat st;

	if (fstat(walk->fd, &st) < 0)
		return -errno;
	target->exists = target->is_folder = true;
	target->device = st.st_dev;
	target->inode = st.st_ino;
	target->fd = walk->fd;
	walk->fd = -1;
	memcpy(target->path, walk->path, sizeof(target->path));
	return 0;
}

static int go(struct watched *watched, struct target *ret, bool wide) {
	struct walk walk = { .watched = watched, .target = ret, .fd = -1, .wide = wide };
	struct interest *interest;
	int r;

	*ret = (struct target){ .fd = -1 };
	LIST_FOREACH(interest, &watched->way, link)
	interest->is_stale = true;
	walk.own = strlen(watched->path);
	memcpy(walk.rest, watched->path, walk.own + 1);
	r = go_to_root(&walk);
	if (r == 0)
		r = watch_gently(&walk, walk.fd, INTEREST_SELF, "");
	while (r == 0)
		r = step(&walk);
	if (r == WAY_E_ARRIVED)
		r = arrive(&walk);
	if (walk.fd >= 0)
		close(walk.fd);
	return r == WAY_E_ENDS ? 0 : r;
}

/* Return: whether what is left is watched for more than need be. */
static bool remove_stale(struct watched *watched) {
	struct interest *interest, *next;
	bool is_noisy = false;

	for (interest = LIST_FIRST(&watched->way); interest; interest = next) {
		next = LIST_NEXT(interest, link);
		if (interest->is_stale)
			interest_remove(interest);
	}
	LIST_FOREACH(interest, &watched->way, link)
	is_noisy = is_noisy || (interest->folder && folder_is_noisy(interest->folder));
	return is_noisy;
}

/* Return: as way_go(), or WAY_E_CHANGED: it changes faster than we can look. */
static int try(struct watched *watched, struct target *ret) {
	bool is_wide = false;
	int r = WAY_E_CHANGED;

	for (int i = 0; i < TRIES_MAX && r == WAY_E_CHANGED; i++) {
		r = go(watched, ret, is_wide);
		if (r == 0 && !ret->exists && !is_wide) {
			is_wide = true;
			r = WAY_E_CHANGED;
		}
	}
	return r;
}

int way_go(struct watched *watched, struct target *ret) {
	int r = try(watched, ret);

	if (remove_stale(watched) && r == 0) {
		if (ret->fd >= 0)
			close(ret->fd);
		r = try(watched, ret);
		(void)remove_stale(watched);
	}
	if (r != WAY_E_CHANGED)
		return r;
	/* Again, when others have had their turn. */
	*ret = (struct target){ .fd = -1 };
	watched_set_dirty(watched);
	return 0;
}
