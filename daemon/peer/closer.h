/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What one uid has sent us and is to be closed.  It may take as long as a stranger likes: a TCP socket can be told to linger, a file of
 * FUSE waits for the program that serves it.  So it is done by another process, one at a time for each of these.
 */

#include "daemon/peer/closers.h"

struct closer {
	struct closers *closers; /* NULL: has never been used */
	struct closer_process *process; /* NULL: none works for it */
	size_t n_closing; /* by the process */
	int *waiting; /* for the next one */
	size_t n_waiting;
	void (*done)(void *userdata, struct closer *closer);
	void *userdata;
};

/* All zeroes is a closer that has nothing to do. */
static inline bool closer_is_busy(const struct closer *closer) {
	return closer->process || closer->n_waiting > 0;
}

/* Does nobody tell when it goes on?  Then closer_retry() is to be called now and again. */
static inline bool closer_is_stalled(const struct closer *closer) {
	return closer_is_busy(closer) && (!closer->process || closer_process_is_unseen(closer->process));
}

/* Descriptors that are not closed yet. */
static inline size_t closer_load(const struct closer *closer) {
	return closer->n_closing + closer->n_waiting;
}

/*
 * End a Unix socket of ours, in both directions, and throw away what is unread in it.  Return: whether it can be closed right here: with a
 * packet go the descriptors that came with it, and whoever drops those waits for them.  If not, it is a CLOSER_SOCKET.
 */
bool closer_is_safe(int socket_fd);

/*
 * Close descriptors: `n` of them, which are taken over; see CLOSER_SOCKET.  `done` is called whenever some have been closed, and not from within.
 * Where no process can be made they wait, for closing them here could make everybody wait; only without memory it is done.
 * Return: true: it was not busy before and is now.
 */
bool closer_add(struct closer *closer, struct closers *closers, const int *fds, size_t n,
		void (*done)(void *userdata, struct closer *closer), void *userdata);

/* If it is stalled, see whether its process has ended, or one can be had. */
void closer_retry(struct closer *closer);

/* Forget the process; it goes on, and what still waits gets one, too: who ends with such descriptors open closes them. */
void closer_deinit(struct closer *closer);
