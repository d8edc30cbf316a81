/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What a descriptor is that a stranger has sent, and whether it may be watched.  Finding out must not wait for anybody: most calls
 * on a descriptor can, as long as whoever is behind it likes, be it a file system in user space or a process that holds a lock.
 */

#include <sys/types.h>

#include "proto/base.h"

enum descriptor_kind {
	DESCRIPTOR_PIPE, /* without a name */
	DESCRIPTOR_FIFO, /* with one */
	DESCRIPTOR_SOCKET,
	DESCRIPTOR_TERMINAL,
	DESCRIPTOR_EVENTFD,
	DESCRIPTOR_TIMERFD,
	DESCRIPTOR_INOTIFY,
	DESCRIPTOR_PIDFD,
	DESCRIPTOR_OTHER, /* is not watched */
};

struct descriptor {
	enum descriptor_kind kind;
	char what[64]; /* OTHER: what it is, "a regular file" */
};

void descriptor_look(struct descriptor *ret, int fd);

/* Is the socket one end of a session that is ours, as `session_fd` is, or where they are accepted?  With it a session would hold itself. */
bool descriptor_is_of_session(int socket_fd, int session_fd);

/*
 * Does closing it take no time, whoever has it, too?  A pipe is closed under a lock, which a process of its sender's can hold as
 * long as it likes: `trusted` says that the sender could as well stop us in other ways.
 */
bool descriptor_closes_at_once(enum descriptor_kind kind, bool trusted);
