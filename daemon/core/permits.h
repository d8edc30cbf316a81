/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The permits of a concurrency limiter, or of one key of it: how many are out, and the line of those who wait for one to
 * come back.  The counterpart of core/bucket.h, without time: nobody can know when a permit returns.
 */

#include <sys/queue.h>

#include "proto/base.h"

/* Somebody in line; embedded in what waits. */
struct permit_waiter {
	TAILQ_ENTRY(permit_waiter) link; /* permits::waiters */
	uint64_t cost;
};

TAILQ_HEAD(permit_waiter_list, permit_waiter);

struct permits {
	uint64_t max; /* how many may be out; lowering it revokes none */
	uint64_t out;
	struct permit_waiter_list waiters;
	size_t n_waiters;
	int64_t hold_until_ns; /* boottime; nothing is granted before; 0: no hold */
};

enum {
	PERMITS_E_COST = 1, /* above the maximum: it could never be granted */
	PERMITS_E_DENIED,
	PERMITS_E_QUEUED,
};

void permits_init(struct permits *permits, uint64_t max);

/* How many could be taken at once. */
uint64_t permits_available(const struct permits *permits, int64_t now_ns);

/* Take `cost` permits; while somebody waits, nobody else gets any.  Return: 0, PERMITS_E_DENIED, PERMITS_E_COST. */
int permits_try(struct permits *permits, int64_t now_ns, uint64_t cost);

/* Take them whatever the limit is: they have been out before. */
void permits_retake(struct permits *permits, uint64_t cost);

/* The same as permits_try(), or join the line: `waiter` has its cost filled in.  Return: 0, PERMITS_E_QUEUED, PERMITS_E_COST. */
int permits_wait(struct permits *permits, int64_t now_ns, struct permit_waiter *waiter);

void permits_leave(struct permits *permits, struct permit_waiter *waiter);

/* `cost` permits come back. */
void permits_release(struct permits *permits, uint64_t cost);

/* From now on there are `max`.  Those in line whose cost could never be granted any more are appended to `list`. */
void permits_change(struct permits *permits, uint64_t max, struct permit_waiter_list *list);

/* After a release, a leave, a higher maximum or the end of a hold: grant the first in line, if he fits.
 * Return: him, out of the line; NULL: nobody. */
struct permit_waiter *permits_grant(struct permits *permits, int64_t now_ns);

/* Where `waiter` stands; 0: he is the first. */
size_t permits_position(const struct permits *permits, const struct permit_waiter *waiter);
