/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A holder: a process that a permit belongs to, and that gives it back by ending. */

#include "daemon/core/claim.h"
#include "daemon/core/loop.h"
#include "daemon/peer/kept.h"

struct holder_store; /* rpc/holder-store.h */

enum {
	HOLDER_E_NO_PIDFD = 1, /* the descriptor is not one */
	HOLDER_E_ENDED, /* the process has ended */
};

struct holder {
	struct claim_binding binding;
	struct claim *claim; /* NULL: not bound yet */
	struct holder_store *store;
	struct loop_io *io;
	int pid_fd;
	struct kept_entry kept; /* its pidfd, for the next daemon */
};

/* See that it is a pidfd of a process that lives; taken over where the result is 0.  Return: 0, HOLDER_E_*, −errno. */
int holder_new(struct holder **ret, struct holder_store *store, int pid_fd);
void holder_free(struct holder *holder);

/* Of a claim that is bound so; borrowed. */
int holder_pid_fd(const struct claim_binding *binding);

/* The claim is the process's from now on; the holder is freed with it. */
void holder_bind(struct holder *holder, struct claim *claim);

/*
 * The same of a claim that another daemon had; `pid_fd` is taken over in any case.  Where the process has ended meanwhile, so has the claim.
 * Return: 0; HOLDER_E_NO_PIDFD, −errno: the claim has ended, too.
 */
int holder_bind_again(struct holder_store *store, struct claim *claim, int pid_fd);
