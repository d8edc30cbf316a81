/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns how timers come into being and go: arming, what arming does where the name exists, and the queue.
 * Firing is timer-fire.c's business, changing one that is armed timer-manage.c's.
 */

#include "daemon/core/timer-private.h"

#include <assert.h>
#include <string.h>

#include "daemon/core/scheduler-private.h"
#include "proto/limits.h"

/* ---- the queue ------------------------------------------------------------------------------------------- */

static struct queue *timer_queue(const struct timer *timer) {
	return &timer_tenant(timer)->clocks[timer_clock(timer)].queue;
}

int64_t timer_effective(const struct timer *timer, int64_t nominal_ns) {
	const struct timer_extra *extra = timer_extra(timer);
	int64_t grain;

	if (!extra || extra->slack_ns <= 0)
		return nominal_ns;
	/* The largest power of two up to the slack.  Both are at most TIME_NS_MAX, so the sum does not overflow. */
	grain = INT64_C(1) << (63 - __builtin_clzll((unsigned long long)extra->slack_ns));
	return (nominal_ns + grain - 1) & ~(grain - 1);
}

void timer_enqueue(struct timer *timer, int64_t nominal_ns) {
	struct tenant *tenant = timer_tenant(timer);
	struct queue *queue = timer_queue(timer);
	int64_t deadline = timer_effective(timer, nominal_ns);

	timer->scheduled_ns = nominal_ns;
	if (timer_kind(timer) == TIMER_KIND_SOON) {
		assert(!timer_has(timer, TIMER_ARMED) && !timer->source.pending);
		TAILQ_INSERT_TAIL(&tenant->soon, &timer->source, pending_link);
		tenant_set_due(tenant);
	} else {
		if (timer_has(timer, TIMER_ARMED))
			queue_update(queue, &timer->source.index, deadline, tenant->scheduler->next_seq++);
		else
			queue_insert(queue, &timer->source.index, deadline, tenant->scheduler->next_seq++);
		tenant_reschedule(tenant, timer_clock(timer));
	}
	timer_set(timer, TIMER_ARMED);
	timer_clear(timer, TIMER_PAUSED | TIMER_SPENT);
}

void timer_dequeue(struct timer *timer) {
	struct tenant *tenant = timer_tenant(timer);

	if (!timer_has(timer, TIMER_ARMED))
		return;
	timer_clear(timer, TIMER_ARMED);
	if (timer_kind(timer) == TIMER_KIND_SOON) {
		TAILQ_REMOVE(&tenant->soon, &timer->source, pending_link);
		return;
	}
	queue_remove(timer_queue(timer), &timer->source.index);
	tenant_reschedule(tenant, timer_clock(timer));
}

/* ---- coming and going ------------------------------------------------------------------------------------ */

int timer_extend(struct timer *timer) {
	struct timer_extra *extra;

	if (timer_extra(timer))
		return 0;
	extra = calloc(1, sizeof(*extra));
	if (!extra)
		return -ENOMEM;
	extra->timer = timer;
	extra->delay_ns = -1;
	extra->generation = 1;
	LIST_INIT(&extra->attachments);
	if (source_is_pending(&timer->source, EVENT_TYPE_ENDED)) {
		extra->end = SOURCE_END_CANCELLED;
	} else if (timer_has(timer, TIMER_SPENT)) {
		extra->end = SOURCE_END_DONE;
		extra->fire_seq = 1;
		extra->last = (struct fire_record){
			.fire_seq = 1,
			.fires = 1,
			.generation = 1,
			.first_scheduled_ns = timer->scheduled_ns,
			.scheduled_ns = timer->scheduled_ns,
			.fired_ns = timer->fired_ns,
		};
		extra->unsent = extra->last;
	}
	timer->extra = extra;
	timer_set(timer, TIMER_EXTENDED);
	return 0;
}

static void timer_extra_free(struct timer *timer) {
	struct timer_extra *extra = timer_extra(timer);
	struct tenant *tenant = timer_tenant(timer);

	if (!extra)
		return;
	timer_end_attachments(timer, SOURCE_END_CANCELLED);
	if (extra->job)
		job_free(extra->job);
	if (extra->name) {
		tenant_remove_name(tenant, extra->name);
		free(extra->name);
	}
	if (timer_has(timer, TIMER_FINISHED)) {
		TAILQ_REMOVE(&tenant->finished, extra, tenant_link);
		TAILQ_REMOVE(&tenant->scheduler->finished, extra, scheduler_link);
		tenant->n_finished--;
		tenant->scheduler->n_finished--;
	}
	free(extra);
}

struct timer *timer_free(struct timer *timer) {
	struct tenant *tenant = timer_tenant(timer);

	timer_dequeue(timer);
	timer_extra_free(timer);
	if (!timer_has(timer, TIMER_FINISHED)) {
		tenant_charge(tenant, timers, -1);
		tenant->scheduler->n_timers--;
	}
	queue_release(timer_queue(timer));
	(void)map_remove(&tenant->ids, timer->source.id);
	source_deinit(&timer->source);
	pool_give(&tenant->scheduler->timers, timer);
	tenant_settle(tenant);
	return NULL;
}

/* A timer that is known by its handle and its id, in no queue yet. */
static int timer_new(struct timer **ret, struct scheduler *scheduler, struct owner *owner, uint64_t handle,
		     unsigned flags) {
	struct tenant *tenant = owner->tenant;
	struct timer *timer = pool_take(&scheduler->timers);
	int r;

	if (!timer)
		return -ENOMEM;
	*timer = (struct timer){ .source.flags = (uint16_t)flags };
	r = source_init(&timer->source, SOURCE_TIMER, owner, handle, scheduler->next_id);
	if (r != 0) {
		pool_give(&scheduler->timers, timer);
		return r == SOURCE_E_HANDLE_EXISTS ? TIMER_E_HANDLE_EXISTS : r;
	}
	r = map_insert(&tenant->ids, timer->source.id, timer);
	if (r < 0)
		goto fail;
	r = queue_reserve(timer_queue(timer));
	if (r < 0)
		goto fail;
	scheduler->next_id++;
	scheduler->n_timers++;
	tenant_charge(tenant, timers, 1);
	*ret = timer;
	return 0;

fail:
	(void)map_remove(&tenant->ids, timer->source.id);
	source_deinit(&timer->source);
	pool_give(&scheduler->timers, timer);
	return r;
}

/* ---- definitions ----------------------------------------------------------------------------------------- */

static bool spec_is_detached(const struct timer_spec *spec) {
	return spec->detached || spec->command;
}

static bool spec_needs_extra(const struct timer_spec *spec) {
	return spec->name || spec->period_ns > 0 || spec->slack_ns > 0 || spec_is_detached(spec);
}

static bool spec_is_over(const struct timer_spec *spec) {
	return spec->period_ns > 0 && spec->until_ns > 0 && spec->deadline_ns > spec->until_ns;
}

static unsigned spec_flags(const struct timer_spec *spec) {
	return (unsigned)spec->clock | (unsigned)spec->kind << TIMER_KIND_SHIFT |
	       (spec_is_detached(spec) ? TIMER_DETACHED : 0);
}

/* Take over what the specification says of the schedule. */
static void timer_define(struct timer *timer, const struct timer_spec *spec) {
	struct timer_extra *extra = timer_extra(timer);

	timer_clear(timer, TIMER_CLOCK_MASK | TIMER_KIND_MASK);
	timer_set(timer, spec_flags(spec));
	if (!extra)
		return;
	extra->delay_ns = spec->delay_ns;
	extra->definition_ns = extra->anchor_ns = spec->deadline_ns;
	extra->period_ns = spec->period_ns;
	extra->until_ns = spec->until_ns;
	extra->slack_ns = spec->slack_ns;
	extra->count = extra->left = spec->count;
}

static bool command_same(const struct command *a, const struct command *b) {
	return a && b ? command_equal(a, b) : a == b;
}

/* Is the timer defined by `spec`, but for its anchor? */
static bool timer_is_defined(const struct timer *timer, const struct timer_spec *spec) {
	const struct timer_extra *extra = timer_extra(timer);
	const struct command *command = NULL;

	if (extra->job) {
		struct job_info info;

		job_describe(extra->job, &info);
		command = info.command;
	}
	if (timer_kind(timer) != spec->kind || timer_clock(timer) != spec->clock ||
	    extra->period_ns != spec->period_ns || extra->until_ns != spec->until_ns ||
	    extra->slack_ns != spec->slack_ns || extra->count != spec->count || !command_same(command, spec->command))
		return false;

	/* A delay and a period count from an anchor; a time is the definition itself. */
	if (spec->period_ns > 0 || spec->kind == TIMER_KIND_SOON)
		return true;
	if (spec->kind == TIMER_KIND_AFTER && extra->delay_ns >= 0 && spec->delay_ns >= 0)
		return extra->delay_ns == spec->delay_ns;
	return extra->definition_ns == spec->deadline_ns;
}

/* The command of `spec` becomes that of the timer. */
static int timer_set_command(struct timer *timer, struct timer_spec *spec) {
	struct tenant *tenant = timer_tenant(timer);
	struct timer_extra *extra = timer_extra(timer);
	int r;

	if (!spec->command) {
		if (extra->job)
			extra->job = job_free(extra->job);
		return 0;
	}
	if (extra->job) {
		job_set_command(extra->job, TAKE_PTR(spec->command));
		return 0;
	}
	assert(tenant->scheduler->board);
	r = job_new(&extra->job, tenant->scheduler->board, spec->command, &tenant->use.command_bytes, &tenant->use.jobs,
		    &timer_job_ops, timer);
	if (r >= 0)
		spec->command = NULL;
	return r;
}

/* Give the timer its name, by which it is not to be found yet. */
static int timer_set_name(struct timer *timer, const char *text) {
	size_t size = strlen(text) + 1;
	struct timer_name *name = malloc(sizeof(*name) + size);

	if (!name)
		return -ENOMEM;
	name->timer = timer;
	memcpy(name->text, text, size);
	timer_extra(timer)->name = name;
	return 0;
}

/* ---- arming ---------------------------------------------------------------------------------------------- */

/* Attach the owner that armed a timer which is not its own source.  *ret is NULL where there is nothing to attach. */
static int timer_attach_creator(struct timer *timer, struct owner *owner, uint64_t handle, struct attachment **ret) {
	struct attachment *attachment;
	int r;

	*ret = NULL;
	if (handle == 0 || (timer->source.owner == owner && timer->source.handle == handle))
		return 0;
	r = timer_extend(timer);
	if (r < 0)
		return r;
	r = attachment_new(&attachment, timer, owner, handle);
	if (r != 0)
		return r == SOURCE_E_HANDLE_EXISTS ? TIMER_E_HANDLE_EXISTS : r;
	attachment->controls = true;
	*ret = attachment;
	return 0;
}

/* All that may fail in making a timer that has an extension. */
static int timer_equip(struct timer *timer, struct owner *owner, struct timer_spec *spec) {
	struct attachment *attachment;
	int r;

	r = timer_extend(timer);
	if (r < 0)
		return r;
	timer_extra(timer)->created_realtime_ns = owner->tenant->scheduler->now.ns[TIMER_CLOCK_REALTIME];
	if (spec->name) {
		r = timer_set_name(timer, spec->name);
		if (r < 0)
			return r;
	}
	if (spec_is_detached(spec)) {
		r = timer_attach_creator(timer, owner, spec->handle, &attachment);
		if (r != 0)
			return r;
	}
	if (spec->command) {
		r = timer_set_command(timer, spec);
		if (r < 0)
			return r;
	}
	/* From here on nothing fails, so a holder of the name that is to be replaced does not lose it in vain. */
	return spec->name ? tenant_add_name(owner->tenant, timer_extra(timer)->name) : 0;
}

static int timer_create(struct scheduler *scheduler, struct owner *owner, struct timer_spec *spec, struct timer **ret) {
	bool detached = spec_is_detached(spec);
	struct attachment *attachment;
	struct timer *timer;
	int r;

	r = timer_new(&timer, scheduler, detached ? &owner->tenant->owner : owner, detached ? 0 : spec->handle,
		      spec_flags(spec));
	if (r != 0)
		return r;
	if (spec_needs_extra(spec)) {
		r = timer_equip(timer, owner, spec);
		if (r != 0)
			goto fail;
	}
	timer_define(timer, spec);
	timer_enqueue(timer, spec->deadline_ns);
	*ret = timer;
	return 0;

fail:
	/* Nobody has heard of it yet: who was attached to it is not told of its end either. */
	while (timer_extra(timer) && (attachment = LIST_FIRST(&timer_extra(timer)->attachments)))
		attachment_free(attachment);
	timer_free(timer);
	return r;
}

/* ENSURE with another definition: the same timer, defined anew.  It never fires because of it. */
static int timer_update(struct timer *timer, struct timer_spec *spec) {
	struct tenant *tenant = timer_tenant(timer);
	struct queue *queue = timer_queue(timer);
	bool paused = timer_has(timer, TIMER_PAUSED), other_clock = timer_clock(timer) != spec->clock;
	int64_t now = tenant->scheduler->now.ns[spec->clock], nominal = spec->deadline_ns;
	int r;

	if (other_clock) {
		r = queue_reserve(&tenant->clocks[spec->clock].queue);
		if (r < 0)
			return r;
	}
	r = timer_set_command(timer, spec);
	if (r < 0) {
		if (other_clock)
			queue_release(&tenant->clocks[spec->clock].queue);
		return r;
	}

	timer_dequeue(timer);
	if (other_clock)
		queue_release(queue);
	timer_define(timer, spec);
	if (spec->kind == TIMER_KIND_SOON) { /* the link of tenant::soon may be in use for an event */
		timer_clear(timer, TIMER_KIND_MASK);
		timer_set(timer, TIMER_KIND_AFTER << TIMER_KIND_SHIFT);
	}
	timer_extra(timer)->generation++;
	timer_extra(timer)->end = SOURCE_END_NONE;
	if (spec->period_ns > 0 && nominal <= now)
		nominal = timer_next_nominal(timer, now);
	if (nominal < 0) {
		timer_expire(timer);
	} else if (paused) {
		timer_clear(timer, TIMER_SPENT);
		timer->scheduled_ns = spec->period_ns > 0 ? nominal : MAX(nominal - now, 0);
	} else {
		timer_enqueue(timer, nominal);
	}
	return 0;
}

/* ENSURE where a timer has the name. */
static int timer_ensure(struct timer *timer, struct owner *owner, struct timer_spec *spec, enum timer_change *ret) {
	struct attachment *attachment;
	bool update;
	int r;

	if (timer_has(timer, TIMER_DETACHED) != spec_is_detached(spec))
		return TIMER_E_NAME_EXISTS;
	update = timer_has(timer, TIMER_SPENT) || !timer_is_defined(timer, spec);
	r = timer_attach_creator(timer, owner, spec->handle, &attachment);
	if (r != 0)
		return r;
	if (update) {
		r = timer_update(timer, spec);
		if (r < 0) {
			if (attachment)
				attachment_free(attachment);
			return r;
		}
	}
	*ret = update ? TIMER_CHANGE_UPDATED : TIMER_CHANGE_UNCHANGED;
	return 0;
}

/* The timer that has the name and keeps others from it: one that is over does not. */
static struct timer *spec_holder(const struct timer_spec *spec, struct tenant *tenant) {
	struct timer *timer = spec->name ? tenant_find_name(tenant, spec->name) : NULL;

	if (!timer || timer_has(timer, TIMER_FINISHED))
		return NULL;
	/* Spent: a session's is over; one whose last run goes on is not, unless it was cancelled. */
	if (timer_has(timer, TIMER_SPENT) &&
	    (!timer_has(timer, TIMER_DETACHED) || timer_extra(timer)->end != SOURCE_END_DONE))
		return NULL;
	return timer;
}

int timer_arm(struct scheduler *scheduler, struct owner *owner, struct timer_spec *spec, struct timer **ret_timer,
	      enum timer_change *ret_change) {
	struct timer *holder = spec_holder(spec, owner->tenant), *timer = NULL;
	enum timer_change change = TIMER_CHANGE_CREATED;
	int r;

	if (spec->kind == TIMER_KIND_SOON) {
		spec->clock = TIMER_CLOCK_BOOTTIME;
		spec->deadline_ns = scheduler->now.ns[TIMER_CLOCK_BOOTTIME];
		spec->delay_ns = spec->period_ns = spec->slack_ns = 0;
	}
	if (spec_is_over(spec))
		return TIMER_E_PAST_UNTIL;
	if (holder && spec->name_mode == NAME_MODE_ENSURE) {
		r = timer_ensure(holder, owner, spec, &change);
		if (r == 0 || r == TIMER_E_NAME_EXISTS)
			*ret_timer = holder;
		if (r == 0)
			*ret_change = change;
		return r;
	}
	if (holder && spec->name_mode == NAME_MODE_CREATE) {
		*ret_timer = holder;
		return TIMER_E_NAME_EXISTS;
	}

	r = timer_create(scheduler, owner, spec, &timer);
	if (r != 0)
		return r;
	if (holder) {
		(void)timer_cancel(holder, SOURCE_END_REPLACED);
		change = TIMER_CHANGE_REPLACED;
	}
	*ret_timer = timer;
	*ret_change = change;
	return 0;
}
