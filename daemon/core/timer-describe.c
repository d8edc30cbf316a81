/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what people are told about a timer.  Changes nothing. */

#include "daemon/core/timer-private.h"

static enum timer_state timer_state(const struct timer *timer) {
	if (timer_has(timer, TIMER_ARMED))
		return TIMER_STATE_ARMED;
	if (timer_has(timer, TIMER_PAUSED))
		return TIMER_STATE_PAUSED;
	if (timer_has(timer, TIMER_FINISHED) || !timer_has(timer, TIMER_DETACHED))
		return TIMER_STATE_FINISHED;
	return TIMER_STATE_RUNNING;
}

static void timer_describe_job(const struct job *job, struct timer_info *ret) {
	struct job_info info;

	job_describe(job, &info);
	ret->command = info.command;
	ret->last_run = info.last_run;
	ret->runs = info.runs;
	ret->skipped = info.skipped;
	ret->output_bytes = info.output_end;
	ret->active = info.active;
}

static void timer_describe_extra(const struct timer_extra *extra, struct timer_info *ret) {
	ret->period_ns = extra->period_ns;
	ret->until_ns = extra->until_ns;
	ret->slack_ns = extra->slack_ns;
	ret->count = extra->count;
	ret->generation = extra->generation;
	ret->fire_seq = extra->fire_seq;
	ret->missed = extra->missed;
	ret->last_fired_ns = extra->last.fired_ns;
	ret->last_lateness_ns = extra->last.fired_ns - extra->last.scheduled_ns;
	ret->attached = !LIST_EMPTY(&extra->attachments);
	ret->end = extra->end;
	ret->created_realtime_ns = extra->created_realtime_ns;
	ret->finished_realtime_ns = extra->finished_realtime_ns;
	if (extra->job)
		timer_describe_job(extra->job, ret);
}

void timer_describe(const struct timer *timer, struct timer_info *ret) {
	const struct timer_extra *extra = timer_extra(timer);
	enum timer_state state = timer_state(timer);

	*ret = (struct timer_info){
		.id = timer->source.id,
		.name = timer_name(timer),
		.kind = timer_kind(timer),
		.state = state,
		.clock = timer_clock(timer),
		.generation = 1,
		.detached = timer_has(timer, TIMER_DETACHED),
		.owner = timer->source.owner,
	};
	if (state == TIMER_STATE_ARMED)
		ret->next_ns = timer_effective(timer, timer->scheduled_ns);
	else if (state == TIMER_STATE_PAUSED && !timer_repeats(timer))
		ret->next_ns = timer->scheduled_ns;
	if (extra) {
		timer_describe_extra(extra, ret);
		if (state == TIMER_STATE_RUNNING && ret->end == SOURCE_END_DONE)
			ret->end = SOURCE_END_NONE; /* it is, once its job is */
	} else if (timer_has(timer, TIMER_SPENT)) {
		ret->fire_seq = 1;
		ret->last_fired_ns = timer->fired_ns;
		ret->last_lateness_ns = timer->fired_ns - timer->scheduled_ns;
		ret->end = SOURCE_END_DONE;
	}
}

struct timer *timer_of_source(struct source *source) {
	switch ((enum source_kind)source->kind) {
	case SOURCE_TIMER:
		return timer_of(source);
	case SOURCE_ATTACHMENT:
		return attachment_of(source)->timer;
	case SOURCE_CLAIM:
	case SOURCE_SUBSCRIPTION:
	case SOURCE_WATCH:
	case SOURCE_PATH:
		break;
	}
	return NULL;
}

uint64_t timer_id(const struct timer *timer) {
	return timer->source.id;
}

ssize_t timer_read_output(const struct timer *timer, uint64_t offset, void *buffer, size_t size, uint64_t *ret_offset) {
	const struct timer_extra *extra = timer_extra(timer);

	if (!extra || !extra->job)
		return -ENOENT;
	return (ssize_t)job_read_output(extra->job, offset, buffer, size, ret_offset);
}
