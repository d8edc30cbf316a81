/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Folders that the kernel watches for us, each once, and who is interested in what of them: interests belong to a watched path and
 * are in one of its two lists, the way to the path or what is below it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/inotify.h>
#include <sys/queue.h>

struct folder;
struct watched;

enum interest_kind {
	INTEREST_SELF, /* it is on the way: that it goes, or is moved */
	INTEREST_NAME, /* what comes and goes under that name */
	INTEREST_FILE, /* also what happens to what has the name */
	INTEREST_CONTENT, /* all that is in it */
};

struct interest {
	LIST_ENTRY(interest) folder_link; /* folder::interests */
	LIST_ENTRY(interest) link; /* watched::way or ::content */
	struct folder *folder;
	struct watched *watched;
	enum interest_kind kind;
	bool is_last; /* NAME, FILE: the name is the watched path's own */
	bool is_stale; /* to be removed */
	char text[]; /* NAME, FILE: the name; CONTENT: the folder's path, relative to the watched one */
};
LIST_HEAD(interest_list, interest);

struct folder {
	int wd;
	uint32_t mask; /* that the kernel watches it for: at least what is of interest */
	struct interest_list interests;
};

/* Begin, and begin anew: nothing is watched, and all interests have gone from their folders.  Return: the descriptor, −errno. */
int folders_begin(void);

/* Return: the folder of that number, or NULL. */
struct folder *folder_find(int wd);

/* Is it watched for more than is of interest?  To be interested anew in what is of interest already puts that right. */
bool folder_is_noisy(const struct folder *folder);

/* Be interested in the folder open at `fd`.  Return: the interest, or NULL: errno says why. */
struct interest *interest_add(struct interest_list *list, struct watched *watched, int fd, enum interest_kind kind,
			      const char *text);

/* Its folder is not watched any more when it was the last one. */
void interest_remove(struct interest *interest);

/* The same, for now only for whoever looks through the list that it is in: the rest is done by interests_sweep(), which must not be
 * called while those of a folder are gone through. */
void interest_retire(struct interest *interest);
void interests_sweep(void);

/* The kernel has forgotten the folder; its interests, if there are any left, are without a folder. */
void folder_lost(struct folder *folder);
