/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Descriptors that the service manager keeps for the next process of this service, whatever becomes of this one.  He compares each
 * new one with all that he has, and has other things to do: so he is asked for it some dozens of times a second at most.
 */

#include "proto/base.h"

#define FD_STORE_NAME_MAX 31 /* bytes of a name */

struct fd_store {
	uint64_t tat; /* of the rate at which descriptors go there, see proto/gcra.h */
};

/* From when on (boottime) one more may be put there. */
int64_t fd_store_next(const struct fd_store *store);

/* The same as a question. */
static inline bool fd_store_may(const struct fd_store *store, int64_t now_ns) {
	return fd_store_next(store) <= now_ns;
}

/*
 * Let a copy of it be kept by that name, of which there must be no other.  It stays there until fd_store_remove(), also where the other
 * side of it is closed.  Return: 0, −errno; nobody says whether it really is kept.
 */
int fd_store_put(struct fd_store *store, const char *name, int fd, int64_t now_ns);

void fd_store_remove(const char *name);
