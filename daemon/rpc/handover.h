/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Everything that a daemon has, told to the one that takes over at once: sessions with their sockets, and whatever belongs to them and to
 * uids.  Clients see nothing of it.  The messages are those of proto/state.proto.
 */

#include <stdio.h>

#include "daemon/rpc/dispatch.h"

/* Where descriptors go that are to go along; they stay the caller's. */
struct carrier {
	/* Return: its place among them, from 1; −errno: it cannot go along. */
	int (*put)(void *userdata, int fd);
	/* They are about to be closed here. */
	void (*flush)(void *userdata);
	void *userdata;
};

/*
 * Tell all of it, and let go of what cannot be in two processes at once: no session, no claim and no shared memory is left.  What could
 * not go along is logged.  Return: 0, −errno: what was written is of no use.
 */
int handover_save(struct rpc *rpc, struct sessions *sessions, FILE *file, const struct carrier *carrier);

/*
 * Take over, in a daemon that has nothing yet.  `fds` are those that came along; who takes one leaves −1.  What does not make sense is
 * left out.  Return: how many sessions there are, −errno: it is no such file.
 */
int handover_load(struct rpc *rpc, struct sessions *sessions, FILE *file, int *fds, size_t n_fds);
