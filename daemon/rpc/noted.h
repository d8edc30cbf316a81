/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Limiters as they are noted while the daemon lives, for the case that it dies.  Never more is granted over that than would have been:
 * what is not known any more counts as taken.
 */

#include "daemon/rpc/holder-store.h"
#include "daemon/rpc/state.h"

/* All of them being noted, some at a time.  It must stay where it is. */
struct noting {
	struct state_saver saver;
	const struct holder_store *holders; /* NULL: none */
	char *data; /* after noting_finish() */
	size_t size;
};

/* Return: 0; −errno: nothing is left. */
int noting_begin(struct noting *noting, struct scheduler *scheduler, const struct holder_store *holders);
/* Return: as state_save_limiters(). */
int noting_go_on(struct noting *noting, size_t n);
/* Those were all.  Return: 0, −errno. */
int noting_finish(struct noting *noting);
/* At any time after the beginning: nothing is left.  `written`: it is where it outlives the daemon, in place of what was noted before. */
void noting_free(struct noting *noting, bool written);

/*
 * In the daemon after that one, into a scheduler without limiters: what was left.  *ret_taken: of so many limiters it is
 * not known what was left.  Return: how many limiters there are; −errno: not all of them, and those that come new begin empty.
 */
struct noted {
	const void *data;
	size_t size;
	const uint64_t *marks; /* MARKS_MAX */
	struct holder_store *holders; /* NULL: permits are held by nobody */
	struct kept_copy *stored; /* pidfds that were kept; those that are taken over become −1 */
	size_t n_stored;
};
int noted_load(struct scheduler *scheduler, const struct noted *noted, unsigned *ret_taken);
