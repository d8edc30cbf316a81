/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what can be done to a timer that exists: cancel, restart, pause, resume, trigger, poke, follow, signal.
 */

#include "daemon/core/timer-private.h"

#include "daemon/core/scheduler-private.h"
#include "proto/limits.h"

static int64_t timer_now(const struct timer *timer) {
	return timer_tenant(timer)->scheduler->now.ns[timer_clock(timer)];
}

enum cancel_outcome timer_drop(struct timer *timer) {
	enum cancel_outcome outcome = timer_has(timer, TIMER_SPENT) ? CANCEL_GONE : CANCEL_CANCELLED;

	if (source_withdraw(&timer->source, EVENT_TYPE_FIRED))
		outcome = CANCEL_WITHDRAWN;
	timer_free(timer);
	return outcome;
}

enum cancel_outcome timer_cancel(struct timer *timer, enum source_end end) {
	bool withdrawn = source_withdraw(&timer->source, EVENT_TYPE_FIRED);

	if (timer_has(timer, TIMER_SPENT) && !withdrawn)
		return CANCEL_GONE;
	timer_dequeue(timer);

	/* Its owner has not asked for this and waits for an event: it is told that none will come. */
	if (!timer_has(timer, TIMER_DETACHED))
		source_raise(&timer->source, EVENT_TYPE_ENDED);
	timer_spend(timer, end);
	return withdrawn ? CANCEL_WITHDRAWN : CANCEL_CANCELLED;
}

/* Would a repeating timer have no nominal time left, if `deadline_ns` were the first? */
static bool timer_ends_before(const struct timer *timer, int64_t deadline_ns) {
	const struct timer_extra *extra = timer_extra(timer);

	return timer_repeats(timer) && extra->until_ns > 0 && deadline_ns > extra->until_ns;
}

/* It was cancelled, and is there only to say so, or because its job goes on. */
static bool timer_is_cancelled(const struct timer *timer) {
	const struct timer_extra *extra = timer_extra(timer);

	return source_is_pending(&timer->source, EVENT_TYPE_ENDED) ||
	       (extra && extra->end != SOURCE_END_NONE && extra->end != SOURCE_END_DONE);
}

/* It had a name, which another timer has now. */
static bool timer_lost_name(const struct timer *timer) {
	const char *name = timer_name(timer);

	return name && tenant_find_name(timer_tenant(timer), name) != timer;
}

int timer_restart(struct timer *timer, int64_t deadline_ns, int64_t delay_ns) {
	struct timer_extra *extra;
	int r;

	if (timer_has(timer, TIMER_FINISHED) || timer_is_cancelled(timer) || timer_lost_name(timer))
		return TIMER_E_UNCHANGED;
	if (timer_ends_before(timer, deadline_ns))
		return TIMER_E_PAST_UNTIL;
	if (timer_has(timer, TIMER_SPENT)) {
		r = timer_extend(timer); /* where its next fire will be number 2 */
		if (r < 0)
			return r;
	}
	(void)source_withdraw(&timer->source, EVENT_TYPE_FIRED);
	timer_dequeue(timer);

	/* What was to run in the next turn has a deadline from now on, and what was over is not. */
	if (timer_kind(timer) == TIMER_KIND_SOON) {
		timer_clear(timer, TIMER_KIND_MASK);
		timer_set(timer, TIMER_KIND_AFTER << TIMER_KIND_SHIFT);
	}
	extra = timer_extra(timer);
	if (extra) {
		extra->delay_ns = delay_ns;
		extra->end = SOURCE_END_NONE;
		extra->left = extra->count;
		extra->anchor_ns = deadline_ns;
	}
	timer_enqueue(timer, deadline_ns);
	return 0;
}

int timer_pause(struct timer *timer) {
	if (!timer_has(timer, TIMER_ARMED))
		return TIMER_E_UNCHANGED;
	timer_dequeue(timer);
	timer_set(timer, TIMER_PAUSED);
	if (!timer_repeats(timer))
		timer->scheduled_ns = MAX(timer->scheduled_ns - timer_now(timer), 0);
	return 0;
}

int timer_resume(struct timer *timer) {
	int64_t now = timer_now(timer), next;

	if (!timer_has(timer, TIMER_PAUSED))
		return TIMER_E_UNCHANGED;
	if (!timer_repeats(timer)) {
		timer_enqueue(timer, MIN(now + timer->scheduled_ns, TIME_NS_MAX));
		return 0;
	}
	next = timer_next_nominal(timer, now);
	if (next >= 0) {
		timer_enqueue(timer, next);
		return 0;
	}

	timer_expire(timer); /* it would have ended while it was paused */
	return 0;
}

int timer_trigger(struct timer *timer) {
	int r;

	if (timer_has(timer, TIMER_SPENT) || timer_kind(timer) == TIMER_KIND_SOON)
		return TIMER_E_UNCHANGED;
	r = timer_extend(timer);
	if (r < 0)
		return r;
	timer_fire_once(timer, timer_now(timer));
	return 0;
}

int timer_poke(struct timer *timer) {
	struct timer_extra *extra = timer_extra(timer);
	int64_t deadline;

	if (timer_has(timer, TIMER_SPENT))
		return TIMER_E_UNCHANGED;
	if (!extra || extra->delay_ns < 0 || timer_kind(timer) == TIMER_KIND_SOON)
		return TIMER_E_NOT_DELAYED;
	deadline = MIN(timer_now(timer) + extra->delay_ns, TIME_NS_MAX);
	if (timer_ends_before(timer, deadline))
		return TIMER_E_PAST_UNTIL;
	extra->anchor_ns = deadline;
	if (timer_has(timer, TIMER_PAUSED))
		timer->scheduled_ns = timer_repeats(timer) ? deadline : extra->delay_ns;
	else
		timer_enqueue(timer, deadline);
	return 0;
}

int timer_kill(struct timer *timer, int signal_number) {
	int64_t boottime = timer_tenant(timer)->scheduler->now.ns[TIMER_CLOCK_BOOTTIME];
	struct timer_extra *extra = timer_extra(timer);
	int r;

	if (!extra || !extra->job)
		return TIMER_E_NO_COMMAND;
	r = job_kill(extra->job, signal_number, boottime);
	timer_settle(timer); /* runs that waited for their turn were dropped */
	return r > 0 ? TIMER_E_NOT_RUNNING : r;
}

/* Who follows a timer that is over gets what it would have got last, at once. */
static void attachment_catch_up(struct attachment *attachment, struct timer *timer) {
	struct timer_extra *extra = timer_extra(timer);
	struct job_info info = { 0 };

	if (extra->last.fire_seq > 0)
		attachment_fired(attachment, &extra->last);
	if (extra->job)
		job_describe(extra->job, &info);
	if (info.last_run.run > 0)
		attachment_exited(attachment, &info.last_run);
	attachment_ended(attachment, extra->end, &info.last_run);
}

int timer_attach(struct timer *timer, struct owner *owner, uint64_t handle, bool output) {
	struct attachment *attachment;
	int r;

	r = timer_extend(timer);
	if (r < 0)
		return r;
	r = attachment_new(&attachment, timer, owner, handle);
	if (r != 0)
		return r == SOURCE_E_HANDLE_EXISTS ? TIMER_E_HANDLE_EXISTS : r;
	attachment->output = output;
	if (timer_has(timer, TIMER_FINISHED) || (timer_has(timer, TIMER_SPENT) && !timer_has(timer, TIMER_DETACHED)))
		attachment_catch_up(attachment, timer);
	return 0;
}
