/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what of a timer goes on in another process: it is told as a definition and how far it has come, and made again by arming the
 * one and catching up with the other.
 */

#include "daemon/core/progress.h"

#include "daemon/core/scheduler-private.h"
#include "daemon/core/timer-private.h"

/* ---- telling ---- */

static void tell_extra(const struct timer_extra *extra, struct timer_progress *ret) {
	ret->extended = true;
	ret->spec.delay_ns = extra->delay_ns;
	ret->spec.period_ns = extra->period_ns;
	ret->spec.count = extra->count;
	ret->spec.until_ns = extra->until_ns;
	ret->spec.slack_ns = extra->slack_ns;
	ret->anchor_ns = extra->anchor_ns;
	ret->definition_ns = extra->definition_ns;
	ret->created_realtime_ns = extra->created_realtime_ns;
	ret->finished_realtime_ns = extra->finished_realtime_ns;
	ret->finished_ns = extra->finished_ns;
	ret->left = extra->left;
	ret->generation = extra->generation;
	ret->fire_seq = extra->fire_seq;
	ret->missed = extra->missed;
	ret->unsent = extra->unsent;
	ret->last = extra->last;
	ret->end = extra->end;
	ret->job = extra->job;
}

void timer_progress(const struct timer *timer, struct timer_progress *ret) {
	const struct timer_extra *extra = timer_extra(timer);
	bool spent = timer_has(timer, TIMER_SPENT), paused = timer_has(timer, TIMER_PAUSED);

	*ret = (struct timer_progress){
		.spec = {
			.handle = timer->source.handle,
			.kind = timer_kind(timer),
			.clock = timer_clock(timer),
			.name = timer_name(timer),
			.detached = timer_has(timer, TIMER_DETACHED),
		},
		.id = timer->source.id,
		.pending = timer->source.pending,
		.paused = paused,
		.spent = spent,
		.finished = timer_has(timer, TIMER_FINISHED),
		.scheduled_ns = timer->scheduled_ns,
		.fired_ns = spent && !extra ? timer->fired_ns : 0,
	};
	if (extra)
		tell_extra(extra, ret);
	/* What is not armed is armed for a moment, and must not be over before. */
	ret->spec.deadline_ns = spent || paused ? (extra ? extra->anchor_ns : 0) : timer->scheduled_ns;
}

/* ---- making it again ---- */

static void catch_up_extra(struct timer_extra *extra, const struct timer_progress *progress) {
	extra->anchor_ns = progress->anchor_ns;
	extra->definition_ns = progress->definition_ns;
	extra->created_realtime_ns = progress->created_realtime_ns;
	extra->left = progress->left;
	extra->generation = progress->generation;
	extra->fire_seq = progress->fire_seq;
	extra->missed = progress->missed;
	extra->unsent = progress->unsent;
	extra->last = progress->last;
	extra->end = progress->end;
}

/* It is armed: stop it where it was stopped. */
static void catch_up(struct timer *timer, const struct timer_progress *progress) {
	struct timer_extra *extra = timer_extra(timer);

	if (extra)
		catch_up_extra(extra, progress);
	if (!progress->spent && !progress->paused)
		return;
	timer_dequeue(timer);
	timer->scheduled_ns = progress->scheduled_ns;
	timer_set(timer, progress->spent ? TIMER_SPENT : TIMER_PAUSED);
	if (!extra)
		timer->fired_ns = progress->fired_ns;
	if (!progress->finished)
		return;
	timer_settle(timer);
	extra->finished_ns = progress->finished_ns;
	extra->finished_realtime_ns = progress->finished_realtime_ns;
}

int timer_restore(struct scheduler *scheduler, struct owner *owner, struct timer_progress *progress,
		  struct timer **ret) {
	uint64_t next_id = scheduler->next_id;
	enum timer_change change;
	int r;

	/* Its name is free, or that of one that is over; its id is its own. */
	progress->spec.name_mode = NAME_MODE_CREATE;
	scheduler->next_id = progress->id;
	r = timer_arm(scheduler, owner, &progress->spec, ret, &change);
	scheduler->next_id = MAX(next_id, progress->id + 1);
	if (r != 0)
		return r;
	if (progress->extended) {
		r = timer_extend(*ret);
		if (r < 0) {
			timer_free(*ret);
			return r;
		}
	}
	catch_up(*ret, progress);
	return 0;
}

/* ---- the order ---- */

struct place {
	struct timer *timer;
	uint64_t rank;
};

#define RANK_ARMED (UINT64_C(1) << 62) /* behind what is not armed: a name may have been another timer's before */

static int compare(const void *a, const void *b) {
	const struct place *x = a, *y = b;

	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* Those that are finished in the order in which that came, for so they are forgotten; then those that wait for something else than
 * time; then those that are armed, in the order of arming. */
static size_t rank(const struct tenant *tenant, struct place *places) {
	const struct timer_extra *extra;
	const struct source *source;
	struct timer *timer;
	size_t n = 0;

	TAILQ_FOREACH(extra, &tenant->finished, tenant_link)
	places[n] = (struct place){ extra->timer, n }, n++;
	for (timer = tenant_next((struct tenant *)tenant, 0); timer;
	     timer = tenant_next((struct tenant *)tenant, timer_id(timer)))
		if (!timer_has(timer, TIMER_FINISHED | TIMER_ARMED))
			places[n] = (struct place){ timer, n }, n++;
	for (unsigned clock = 0; clock < TIMER_CLOCK_MAX; clock++) {
		const struct queue *queue = &tenant->clocks[clock].queue;

		for (size_t i = 0; i < queue->used; i++)
			places[n++] = (struct place){ timer_of_place(queue->entries[i].place),
						      RANK_ARMED + queue->entries[i].seq };
	}
	TAILQ_FOREACH(source, &tenant->soon, pending_link)
	places[n] = (struct place){ timer_of((struct source *)source), 2 * RANK_ARMED + n }, n++;
	return n;
}

ssize_t tenant_timers(const struct tenant *tenant, struct timer ***ret) {
	size_t n = tenant->ids.count;
	struct place *places = calloc(MAX(n, (size_t)1), sizeof(*places));
	struct timer **timers = (struct timer **)places;

	if (!places)
		return -ENOMEM;
	n = rank(tenant, places);
	qsort(places, n, sizeof(*places), compare);
	for (size_t i = 0; i < n; i++)
		timers[i] = places[i].timer;
	*ret = timers;
	return (ssize_t)n;
}
