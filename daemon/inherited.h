/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The descriptors that systemd passes: sockets to listen at, and what it has kept for us since the daemon before. */

#include "daemon/peer/session-store.h"
#include "daemon/rpc/holder-store.h"
#include "daemon/svc/escrow.h"
#include "daemon/svc/note.h"

#define LISTENERS_MAX 16

struct inherited {
	int listen_fds[LISTENERS_MAX]; /* non-blocking */
	size_t n_listen_fds;
	struct escrow escrow;
	struct note note;
	struct kept_copy *sessions;
	size_t n_sessions;
	struct kept_copy *holders;
	size_t n_holders;
};

#define INHERITED_INIT                                                                                                 \
	{ .escrow = ESCROW_INIT, .note = NOTE_INIT }

/* Return: 0, or an exit status; what is wrong has been logged. */
int inherited_take(struct inherited *ret);

/* What sessions were kept in, and pidfds, are the caller's by now. */
void inherited_free(struct inherited *inherited);
