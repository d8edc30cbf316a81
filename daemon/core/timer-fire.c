/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what happens when a timer is due, and afterwards: who is told, when it fires next, and how it ends.
 * Nominal times are anchor + n · period and never drift; how late a fire is never changes the next.
 */

#include "daemon/core/timer-private.h"

#include "daemon/core/scheduler-private.h"
#include "proto/limits.h"

#define COMMAND_COST 15 /* what starting a process counts for in a turn, in fires */

int64_t timer_next_nominal(const struct timer *timer, int64_t now_ns) {
	const struct timer_extra *extra = timer_extra(timer);
	int64_t anchor = extra->anchor_ns, period = extra->period_ns, next;

	/* No product overflows: it is at most `now_ns` + period. */
	next = now_ns < anchor ? anchor : anchor + ((now_ns - anchor) / period + 1) * period;
	if ((extra->until_ns > 0 && next > extra->until_ns) || (extra->count > 0 && extra->left == 0) ||
	    next > TIME_NS_MAX)
		return -1;
	return next;
}

/* Everybody concerned is told of one dispatch. */
static void timer_announce(struct timer *timer, struct fire_record fire) {
	struct timer_extra *extra = timer_extra(timer);
	struct scheduler *scheduler = timer_tenant(timer)->scheduler;
	struct attachment *attachment;

	scheduler->fires += fire.fires;
	extra->fire_seq += fire.fires;
	extra->missed += fire.missed;
	fire.fire_seq = extra->fire_seq;
	fire.generation = extra->generation;
	extra->last = fire;

	fire_record_merge(&extra->unsent, source_is_pending(&timer->source, EVENT_TYPE_FIRED), &fire);
	LIST_FOREACH(attachment, &extra->attachments, link)
	attachment_fired(attachment, &fire);
	if (extra->job)
		job_fire(extra->job,
			 &(struct run_request){
				 .id = timer->source.id,
				 .name = timer_name(timer),
				 .fire_seq = fire.fire_seq,
				 .missed = fire.missed,
				 .scheduled_ns = fire.scheduled_ns,
				 .lateness_ns = fire.fired_ns - fire.scheduled_ns,
			 },
			 scheduler->now.ns[TIMER_CLOCK_BOOTTIME]);
	source_raise(&timer->source, EVENT_TYPE_FIRED);
}

void timer_fire_once(struct timer *timer, int64_t now_ns) {
	timer_announce(timer, (struct fire_record){
				      .fires = 1,
				      .first_scheduled_ns = now_ns,
				      .scheduled_ns = now_ns,
				      .fired_ns = now_ns,
			      });
}

/* All nominal times up to `now_ns` fire as one; the next one is queued. */
static void timer_fire_repeating(struct timer *timer, int64_t now_ns) {
	struct timer_extra *extra = timer_extra(timer);
	int64_t first = timer->scheduled_ns, last = now_ns, next;
	uint64_t fires;

	if (extra->until_ns > 0)
		last = MIN(last, extra->until_ns);
	fires = (uint64_t)((last - first) / extra->period_ns) + 1;
	if (extra->count > 0) {
		fires = MIN(fires, extra->left);
		extra->left -= fires;
	}

	next = timer_next_nominal(timer, now_ns);
	if (next >= 0) {
		timer_enqueue(timer, next);
	} else {
		timer_dequeue(timer);
		timer_set(timer, TIMER_SPENT);
	}
	timer_announce(timer, (struct fire_record){
				      .fires = fires,
				      .missed = fires - 1,
				      .first_scheduled_ns = first,
				      .scheduled_ns = first + (int64_t)(fires - 1) * extra->period_ns,
				      .fired_ns = now_ns,
			      });
	if (next < 0)
		timer_spend(timer, SOURCE_END_DONE);
}

/* Who follows is told one by one, and starting a process takes a tenth of a millisecond. */
static unsigned timer_fire_cost(const struct timer *timer) {
	const struct timer_extra *extra = timer_extra(timer);

	return extra ? 1 + extra->n_attachments + (extra->job ? COMMAND_COST : 0) : 1;
}

unsigned timer_fire(struct timer *timer, int64_t now_ns) {
	unsigned cost = timer_fire_cost(timer);

	if (timer_repeats(timer)) {
		timer_fire_repeating(timer, now_ns);
		return cost;
	}

	timer_dequeue(timer);
	timer_set(timer, TIMER_SPENT);
	if (timer_extra(timer)) {
		timer_announce(timer, (struct fire_record){
					      .fires = 1,
					      .first_scheduled_ns = timer->scheduled_ns,
					      .scheduled_ns = timer->scheduled_ns,
					      .fired_ns = now_ns,
				      });
	} else {
		timer_tenant(timer)->scheduler->fires++;
		timer->fired_ns = now_ns;
		source_raise(&timer->source, EVENT_TYPE_FIRED);
	}
	timer_spend(timer, SOURCE_END_DONE);
	return cost;
}

/* ---- the end --------------------------------------------------------------------------------------------- */

void timer_end_attachments(struct timer *timer, enum source_end end) {
	struct timer_extra *extra = timer_extra(timer);
	const struct run_info *last_run = NULL;
	struct attachment *attachment;
	struct job_info info;

	if (LIST_EMPTY(&extra->attachments))
		return;
	if (extra->job) {
		job_describe(extra->job, &info);
		last_run = &info.last_run;
	}
	while ((attachment = LIST_FIRST(&extra->attachments)))
		attachment_ended(attachment, end, last_run);
}

/* A detached timer is over: it is kept for a while. */
static void timer_finish(struct timer *timer) {
	struct tenant *tenant = timer_tenant(timer);
	struct scheduler *scheduler = tenant->scheduler;
	struct timer_extra *extra = timer_extra(timer);

	timer_set(timer, TIMER_FINISHED);
	extra->finished_ns = scheduler->now.ns[TIMER_CLOCK_BOOTTIME];
	extra->finished_realtime_ns = scheduler->now.ns[TIMER_CLOCK_REALTIME];
	TAILQ_INSERT_TAIL(&tenant->finished, extra, tenant_link);
	TAILQ_INSERT_TAIL(&scheduler->finished, extra, scheduler_link);
	tenant->n_finished++;
	scheduler->n_finished++;
	tenant_charge(tenant, timers, -1);
	scheduler->n_timers--;
	timer_end_attachments(timer, extra->end);
	if (tenant->n_finished > FINISHED_KEPT_MAX)
		timer_free(TAILQ_FIRST(&tenant->finished)->timer);
}

void timer_settle(struct timer *timer) {
	const struct timer_extra *extra = timer_extra(timer);

	if (timer_has(timer, TIMER_SPENT) && !timer_has(timer, TIMER_FINISHED) &&
	    (!extra->job || !job_is_busy(extra->job)))
		timer_finish(timer);
}

void timer_spend(struct timer *timer, enum source_end end) {
	struct timer_extra *extra = timer_extra(timer);

	timer_set(timer, TIMER_SPENT);
	timer_clear(timer, TIMER_PAUSED);
	if (extra)
		extra->end = end;
	if (timer_has(timer, TIMER_DETACHED)) {
		timer_settle(timer);
		return;
	}
	if (extra)
		timer_end_attachments(timer, end);
	if (!timer->source.pending)
		timer_free(timer);
}

void timer_expire(struct timer *timer) {
	if (!timer_has(timer, TIMER_DETACHED))
		source_raise(&timer->source, EVENT_TYPE_ENDED);
	timer_spend(timer, SOURCE_END_DONE);
}

static void timer_job_wrote(void *userdata, uint64_t output_end) {
	struct timer *timer = userdata;
	struct attachment *attachment;

	LIST_FOREACH(attachment, &timer_extra(timer)->attachments, link)
	attachment_wrote(attachment, output_end);
}

static void timer_job_exited(void *userdata, const struct run_info *run, bool idle) {
	struct timer *timer = userdata;
	struct attachment *attachment;

	LIST_FOREACH(attachment, &timer_extra(timer)->attachments, link)
	attachment_exited(attachment, run);
	if (idle)
		timer_settle(timer);
}

const struct job_ops timer_job_ops = {
	.output = timer_job_wrote,
	.exited = timer_job_exited,
};

/* ---- events ---------------------------------------------------------------------------------------------- */

/* ---- as a source ---- */

static void disown(struct source *source) {
	(void)timer_drop(timer_of(source));
}

static enum cancel_outcome cancel(struct source *source) {
	return timer_drop(timer_of(source));
}

static void fill_event(struct source *source, struct event *ret) {
	const struct timer *timer = timer_of(source);
	const struct timer_extra *extra = timer_extra(timer);

	ret->name = timer_name(timer);
	if (ret->type == EVENT_TYPE_ENDED) {
		ret->end = extra ? extra->end : SOURCE_END_CANCELLED; /* only who is cancelled by others is told */
		return;
	}
	ret->more = !timer_has(timer, TIMER_SPENT) || source_is_pending(source, EVENT_TYPE_ENDED);
	if (extra) {
		fire_record_fill(&extra->unsent, ret);
		return;
	}
	ret->generation = ret->fire_seq = ret->fires = 1;
	ret->first_scheduled_ns = ret->scheduled_ns = timer->scheduled_ns;
	ret->fired_ns = timer->fired_ns;
}

static void took_event(struct source *source, enum event_type type _unused_) {
	struct timer *timer = timer_of(source);

	if (timer_has(timer, TIMER_SPENT) && !source->pending)
		timer_free(timer);
}

const struct source_ops timer_source_ops = {
	.disown = disown,
	.cancel = cancel,
	.fill_event = fill_event,
	.took_event = took_event,
};
