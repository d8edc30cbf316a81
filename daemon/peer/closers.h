/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Processes that share our table of descriptors, and close what may take as long as a stranger likes.  One that has finished waits a
 * while for more: to make one takes longer, the more memory the daemon has.
 */

#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/core/loop.h"

#define CLOSERS_BATCH_MAX 4096 /* descriptors that one is given at once */

struct closer_process;

struct closers {
	struct loop *loop;
	LIST_HEAD(, closer_process) all;
	struct closer_process *idle; /* NULL: none has nothing to do */
	int64_t idle_until_ns; /* boottime: then it ends */
};

void closers_init(struct closers *closers, struct loop *loop);

/* Those who are not idle go on, and end with us at the latest. */
void closers_deinit(struct closers *closers);

/* When there is one to be ended, and do it. */
int64_t closers_next(const struct closers *closers);
void closers_tick(struct closers *closers, int64_t boottime_ns);

/* A socket of ours with something unread in it, which is thrown away first: the service manager may have a copy of it. */
#define CLOSER_SOCKET(fd) (-2 - (fd))

/*
 * Let a process close them, CLOSERS_BATCH_MAX at most; they may be CLOSER_SOCKET.  `done` is called when that has been done or the
 * process has ended, and not from within.  Return: NULL: none can be made.
 */
struct closer_process *closers_start(struct closers *closers, const int *fds, size_t n, void (*done)(void *userdata),
				     void *userdata);

/* Has nobody told us when it ends, for want of descriptors?  Then it is to be looked after now and again. */
bool closer_process_is_unseen(const struct closer_process *process);
void closer_process_look(struct closer_process *process);

/* `done` is not called any more. */
void closer_process_forget(struct closer_process *process);

/* What is unread in a socket of ours, first of all. */
enum closer_unread {
	CLOSER_NOTHING,
	CLOSER_DATA,
	CLOSER_DESCRIPTORS
};
enum closer_unread closers_look(int socket_fd);

/* Throw away the first packet, with what came with it. */
void closers_drop_packet(int socket_fd);

/* Close them here, however long it takes. */
void closers_close_all(const int *fds, size_t n);
