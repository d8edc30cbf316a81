/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The scheduler: all tenants, all timers, and what is due.  It is told the time and never reads it, so
 * that ten years pass in a test in a minute.  core/loop.h connects it to real clocks.
 */

#include <sys/types.h>

#include "daemon/core/clock.h"

struct scheduler;
struct marks; /* core/marks.h */
struct tenant; /* core/tenant.h */
struct shared_use; /* core/tenant.h */
struct starter; /* core/job.h: who starts commands; NULL: nobody, timers with commands must not be armed */

int scheduler_new(struct scheduler **ret, const struct instant *now, struct starter *starter);
struct scheduler *scheduler_free(struct scheduler *scheduler);

/* The first id to be given; ids rise from there. */
void scheduler_set_first_id(struct scheduler *scheduler, uint64_t id);
/* The id that will be given next. */
uint64_t scheduler_next_id(const struct scheduler *scheduler);

/* How many runs of jobs a uid may have at the same time; others wait. */
void scheduler_set_job_limit(struct scheduler *scheduler, size_t limit);

/* How many bytes of messages a uid's subscriptions keep, and those of all uids; the last one of each is kept in any case. */
void scheduler_set_message_limits(struct scheduler *scheduler, size_t limit, size_t pool);

/* What happens to limiters is marked there. */
struct marks *scheduler_marks(struct scheduler *scheduler);

/*
 * After the death of another daemon.  Limiters that are made within LIMITERS_SETTLE_NS may have been there, and begin as limiter_set_drained() has it;
 * and nobody gets permits of any limiter before `boottime_ns`, but who had them.  0: neither.
 */
void scheduler_set_drained(struct scheduler *scheduler, int64_t boottime_ns);
int64_t scheduler_drained(const struct scheduler *scheduler);
void scheduler_set_settled(struct scheduler *scheduler, int64_t boottime_ns);
int64_t scheduler_settled(const struct scheduler *scheduler);

/* What all uids use together. */
const struct shared_use *scheduler_shared_use(const struct scheduler *scheduler);

/* Get a reference to the tenant of that uid, making it if need be; it lives as long as the scheduler has anything of it or a
 * reference is held.  Return: 0, -ENOMEM. */
int scheduler_tenant(struct scheduler *scheduler, uid_t uid, struct tenant **ret);
/* The tenant with the lowest uid that is at least `uid`; borrowed.  NULL: none. */
struct tenant *scheduler_next_tenant(const struct scheduler *scheduler, uint64_t uid);
struct tenant *tenant_ref(struct tenant *tenant);
struct tenant *tenant_unref(struct tenant *tenant);

/* It is now `now`.  A step of the realtime clock is told by `stepped`: realtime timers are then re-timed from their definition. */
void scheduler_advance(struct scheduler *scheduler, const struct instant *now, bool stepped);
/* It is now `now`, in the middle of a turn: what counts from now on counts from there.  Nothing else happens. */
void scheduler_refresh(struct scheduler *scheduler, const struct instant *now);
const struct instant *scheduler_now(const struct scheduler *scheduler);

/*
 * Run what was posted before this call, then dispatch timers due now: per tenant in (deadline, arming) order, at most
 * TIMERS_PER_TURN of each, round robin.  Return: true: more is due or posted.
 */
bool scheduler_dispatch(struct scheduler *scheduler);

/* Do now what limiters that were changed or removed have left for later turns: nothing of it is seen in the saved state. */
void scheduler_finish(struct scheduler *scheduler);

/* The earliest deadline on that clock; INT64_MAX: none.  On boottime kill delays, job timeouts and the forgetting of results count,
 * and what is posted is due now. */
int64_t scheduler_next(const struct scheduler *scheduler, enum timer_clock clock);

/*
 * From when on, in ns of boottime, nothing would be forgotten if the daemon left: no timer, no running job, no kept result, nobody
 * who waits for a limiter or holds a permit, no bucket that is not full.  INT64_MAX: it cannot be known; may be in the past.
 */
int64_t scheduler_idle_at(const struct scheduler *scheduler);

struct scheduler_stats {
	size_t timers, tenants, finished, jobs, limiters;
	uint64_t fires; /* nominal ones */
};
void scheduler_stats(const struct scheduler *scheduler, struct scheduler_stats *ret);
