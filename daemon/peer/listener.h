/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A listening socket: whoever connects becomes a session. */

#include "daemon/peer/session.h"

struct listener {
	struct sessions *sessions;
	struct loop_io *io;
	int fd;
	int64_t paused_until_ns; /* boottime; out of descriptors; 0: not paused */
	int64_t silent_until_ns; /* boottime; the log has been told */
};

/* Listen on `fd`, which stays the caller's.  Return: 0, −errno. */
int listener_init(struct listener *listener, struct sessions *sessions, int fd);
void listener_deinit(struct listener *listener);

/* For loop_ops: when to listen again, and then do. */
int64_t listener_next(const struct listener *listener);
void listener_tick(struct listener *listener, int64_t boottime_ns);
