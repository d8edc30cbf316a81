/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Closing what strangers have sent us.  It may take as long as a stranger likes: a TCP socket can be told to linger, a file of
 * FUSE waits for the program that serves it.  So it is done by a process of its own that shares our table of
 * descriptors.
 */

#include <sys/types.h>

#include "daemon/core/loop.h"

struct closer {
	struct loop *loop; /* NULL: has never been used */
	pid_t pid; /* 0: no process runs */
	struct loop_io *io; /* NULL: nobody tells of the end of the process */
	int pid_fd;
	size_t n_closing; /* by the process */
	int *waiting; /* for the next process */
	size_t n_waiting;
	void (*done)(void *userdata, struct closer *closer);
	void *userdata;
};

/* All zeroes is a closer that has nothing to do. */
static inline bool closer_is_busy(const struct closer *closer) {
	return closer->pid > 0 || closer->n_waiting > 0;
}

/* Does nobody tell when it goes on?  Then closer_retry() is to be called now and again. */
static inline bool closer_is_stalled(const struct closer *closer) {
	return closer_is_busy(closer) && !closer->io;
}

/* Descriptors that are not closed yet. */
static inline size_t closer_load(const struct closer *closer) {
	return closer->n_closing + closer->n_waiting;
}

/*
 * End a Unix socket of ours, in both directions, and throw away what is unread in it.  Return: whether it can be closed right here: with a
 * packet go the descriptors that came with it, and whoever drops those waits for them.
 */
bool closer_is_safe(int socket_fd);

/*
 * For closer_add(): a socket of ours that is not safe.  All that is unread in it is thrown away before, for the service manager may have
 * a copy of it; and who closes the last one waits for what strangers have put in.
 */
#define CLOSER_SOCKET(fd) (-2 - (fd))

/*
 * Close descriptors: `n` of them, which are taken over; see CLOSER_SOCKET.  `done` is called whenever some have been closed, and not from within.
 * Where no process can be made they wait, for closing them here could make everybody wait; only without memory it is done.
 * Return: true: it was not busy before and is now.
 */
bool closer_add(struct closer *closer, struct loop *loop, const int *fds, size_t n,
		void (*done)(void *userdata, struct closer *closer), void *userdata);

/* If it is stalled, see whether its process has ended, or one can be made. */
void closer_retry(struct closer *closer);

/* Forget the process; it goes on, and what still waits gets one, too: who ends with such descriptors open closes them. */
void closer_deinit(struct closer *closer);
