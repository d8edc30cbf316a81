/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A gate: a rate limiter that the events of a source go through.  An event that is due takes its tokens first, in line with all others;
 * until then it is pending, what happens meanwhile is merged into it, and its owner does not see it.  Cancelling the source
 * gives back what its owner has not seen.
 *
 * When its limiter is removed the gate is open.  So it is while the limiter could never grant that much, after a change.
 */

#include "daemon/core/limiter.h"
#include "daemon/core/source.h"

struct gate;

/*
 * Of no source yet.  It counts as one of the tenant's claims, and of the limiter's max_waiters, from now on; a key of it is in use.
 * Return: 0; LIMITER_E_KIND: it has permits; LIMITER_E_KEY; LIMITER_E_COST; LIMITER_E_DENIED: it has no room for the key;
 * LIMITER_E_CROWDED: it has max_waiters gates; -ENOMEM.
 */
int gate_new(struct gate **ret, struct owner *owner, struct limiter *limiter, struct limiter_key key, uint64_t cost);

/* Of no source.  Gives back what it has. */
struct gate *gate_free(struct gate *gate);

/*
 * The owner's source of that handle, if there is one, has this gate from now on, in place of the one it had; NULL: none.  What is pending and waits for the
 * former one waits for this one.  The gate is the source's then.  Return: 0, -ENOMEM: it has none.
 */
int gate_set(struct gate *gate, struct owner *owner, uint64_t handle);
