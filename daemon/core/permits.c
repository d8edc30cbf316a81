/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the count of permits and the order of those who wait for one.  Knows nothing of who holds a permit or how it comes
 * back; core/claim.c does.
 */

#include "daemon/core/permits.h"

void permits_init(struct permits *permits, uint64_t max) {
	*permits = (struct permits){ .max = max };
	TAILQ_INIT(&permits->waiters);
}

uint64_t permits_available(const struct permits *permits, int64_t now_ns) {
	if (permits->hold_until_ns > now_ns || permits->out >= permits->max || permits->n_waiters > 0)
		return 0;
	return permits->max - permits->out;
}

int permits_try(struct permits *permits, int64_t now_ns, uint64_t cost) {
	if (cost > permits->max)
		return PERMITS_E_COST;
	if (MAX(cost, 1) > permits_available(permits, now_ns))
		return PERMITS_E_DENIED;
	permits->out += cost;
	return 0;
}

void permits_retake(struct permits *permits, uint64_t cost) {
	permits->out += cost;
}

int permits_wait(struct permits *permits, int64_t now_ns, struct permit_waiter *waiter) {
	int r;

	r = permits_try(permits, now_ns, waiter->cost);
	if (r != PERMITS_E_DENIED)
		return r;
	TAILQ_INSERT_TAIL(&permits->waiters, waiter, link);
	permits->n_waiters++;
	return PERMITS_E_QUEUED;
}

void permits_leave(struct permits *permits, struct permit_waiter *waiter) {
	TAILQ_REMOVE(&permits->waiters, waiter, link);
	permits->n_waiters--;
}

void permits_release(struct permits *permits, uint64_t cost) {
	permits->out -= MIN(cost, permits->out);
}

void permits_change(struct permits *permits, uint64_t max, struct permit_waiter_list *list) {
	struct permit_waiter *waiter, *next;

	permits->max = max;
	for (waiter = TAILQ_FIRST(&permits->waiters); waiter; waiter = next) {
		next = TAILQ_NEXT(waiter, link);
		if (waiter->cost <= max)
			continue;
		permits_leave(permits, waiter);
		TAILQ_INSERT_TAIL(list, waiter, link);
	}
}

struct permit_waiter *permits_grant(struct permits *permits, int64_t now_ns) {
	struct permit_waiter *waiter = TAILQ_FIRST(&permits->waiters);

	if (!waiter || permits->hold_until_ns > now_ns || permits->out >= permits->max ||
	    waiter->cost > permits->max - permits->out)
		return NULL;
	permits_leave(permits, waiter);
	permits->out += waiter->cost;
	return waiter;
}

size_t permits_position(const struct permits *permits, const struct permit_waiter *waiter) {
	const struct permit_waiter *before;
	size_t position = 0;

	TAILQ_FOREACH(before, &permits->waiters, link) {
		if (before == waiter)
			break;
		position++;
	}
	return position;
}
