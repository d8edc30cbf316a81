/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A tenant from within core/; nobody else includes this. */

#include "daemon/core/queue.h"
#include "daemon/core/tenant.h"

struct timer_extra;

TAILQ_HEAD(finished_list, timer_extra);
LIST_HEAD(topic_list, topic);

/* The timers of a tenant on one clock. */
struct tenant_clock {
	struct queue queue; /* of timers, by source::index */
	uint32_t place; /* of the tenant in scheduler::clocks, by the first deadline of `queue` */
	bool queued; /* it is there */
};

struct tenant {
	struct scheduler *scheduler;
	uid_t uid;
	size_t refs; /* held by others; the tenant also lives while it has timers, limiters, configured topics or claims, those of another one's limiters included */
	struct tenant_use use;
	struct owner owner; /* of detached timers */
	struct map ids; /* of all timers, finished ones included */
	void *names; /* tsearch(3) tree of timer_name::text */
	struct map limiters; /* by id */
	void *limiter_names; /* tsearch(3) tree of limiter::name */
	void *topics; /* tsearch(3) tree of topic::name */
	struct topic_list topics_of_all; /* of TENANT_OF_ALL */
	struct mail_list old_mail; /* what may be lost, as something newer came: delivery::old_link */
	struct tenant_clock clocks[TIMER_CLOCK_MAX];
	enum timer_clock first_clock; /* whose timers are dispatched first in the next turn */
	struct pending_list soon; /* timers of kind SOON that have not run */
	struct finished_list finished; /* the one that ended first comes first */
	size_t n_finished;
	TAILQ_ENTRY(tenant) due_link; /* scheduler::due or ::round */
	bool due; /* it is there */
	bool dispatching; /* its places in scheduler::clocks are put right afterwards */
};

/*
 * The tenant uses `n` more of a thing, or, below 0, less of it: `what` is a member of struct tenant_use.  The sums over all tenants
 * follow, but for commands and jobs, which only the daemon's own uid can have.
 */
#define tenant_charge(tenant, what, n) tenant_charge_at(tenant, offsetof(struct tenant_use, what), (ptrdiff_t)(n))
void tenant_charge_at(struct tenant *tenant, size_t offset, ptrdiff_t n);

/* Return: 0 and a reference, -ENOMEM. */
int tenant_new(struct tenant **ret, struct scheduler *scheduler, uid_t uid);

/* Free the tenant with all its timers, whoever holds references. */
struct tenant *tenant_free(struct tenant *tenant);

/* Free the tenant if nothing needs it any more. */
void tenant_settle(struct tenant *tenant);

/* The queue of that clock has changed: put the tenant where its first deadline belongs. */
void tenant_reschedule(struct tenant *tenant, enum timer_clock clock);

/* There is something to dispatch that is in no queue. */
void tenant_set_due(struct tenant *tenant);

/* Dispatch what is due at `now`, TIMERS_PER_TURN timers at most, and as many of those posted before; a timer that many
 * follow, or that starts a process, counts for several. */
void tenant_dispatch(struct tenant *tenant, const struct instant *now);

/* The realtime clock was stepped: find the next times of repeating timers again. */
void tenant_retime(struct tenant *tenant);

/* The name of a timer, as it is in tenant::names; there is at most one of that text. */
struct timer_name {
	struct timer *timer;
	char text[];
};

/* Make the name findable, in place of a timer that had it before.  Return: 0, -ENOMEM. */
int tenant_add_name(struct tenant *tenant, struct timer_name *name);

/* No effect on a name that another timer has taken. */
void tenant_remove_name(struct tenant *tenant, struct timer_name *name);
