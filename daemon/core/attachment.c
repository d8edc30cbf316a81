/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what those who follow a timer have not been told yet.  Each of them takes its events in its own
 * time, so each has its own copy; when the timer is over, it leaves all that is to be said with them.
 */

#include "daemon/core/attachment.h"

#include <assert.h>
#include <string.h>

#include "daemon/core/scheduler.h"
#include "daemon/core/timer-private.h"
#include "proto/limits.h"

void fire_record_fill(const struct fire_record *record, struct event *ret) {
	ret->generation = record->generation;
	ret->fire_seq = record->fire_seq;
	ret->fires = record->fires;
	ret->missed = record->missed;
	ret->first_scheduled_ns = record->first_scheduled_ns;
	ret->scheduled_ns = record->scheduled_ns;
	ret->fired_ns = record->fired_ns;
}

void fire_record_merge(struct fire_record *record, bool pending, const struct fire_record *fire) {
	struct fire_record merged = *fire;

	if (pending) {
		merged.fires += record->fires;
		merged.missed += record->missed;
		merged.first_scheduled_ns = record->first_scheduled_ns;
	}
	*record = merged;
}

/* One that follows nothing yet; `name` NULL: none. */
static int new_alone(struct attachment **ret, struct owner *owner, uint64_t handle, uint64_t id, const char *name) {
	size_t size = name ? strlen(name) + 1 : 1;
	struct attachment *attachment = calloc(1, sizeof(*attachment) + size);
	int r;

	if (!attachment)
		return -ENOMEM;
	r = source_init(&attachment->source, SOURCE_ATTACHMENT, owner, handle, id);
	if (r != 0) {
		free(attachment);
		return r;
	}
	if (name)
		memcpy(attachment->name, name, size);
	tenant_charge(owner->tenant, timers, 1);
	*ret = attachment;
	return 0;
}

static void attachment_link(struct attachment *attachment, struct timer *timer) {
	attachment->timer = timer;
	LIST_INSERT_HEAD(&timer_extra(timer)->attachments, attachment, link);
	timer_extra(timer)->n_attachments++;
}

int attachment_new(struct attachment **ret, struct timer *timer, struct owner *owner, uint64_t handle) {
	int r;

	assert(handle != 0 && timer_extra(timer));
	if (timer_extra(timer)->n_attachments >= ATTACHMENTS_MAX)
		return TIMER_E_CROWDED;
	r = new_alone(ret, owner, handle, timer->source.id, timer_name(timer));
	if (r == 0)
		attachment_link(*ret, timer);
	return r;
}

static void attachment_unlink(struct attachment *attachment) {
	if (!attachment->timer)
		return;
	LIST_REMOVE(attachment, link);
	timer_extra(attachment->timer)->n_attachments--;
	attachment->timer = NULL;
}

void attachment_free(struct attachment *attachment) {
	attachment_unlink(attachment);
	source_deinit(&attachment->source);
	tenant_charge(attachment->source.owner->tenant, timers, -1);
	free(attachment);
}

void attachment_fired(struct attachment *attachment, const struct fire_record *fire) {
	fire_record_merge(&attachment->fire, source_is_pending(&attachment->source, EVENT_TYPE_FIRED), fire);
	source_raise(&attachment->source, EVENT_TYPE_FIRED);
}

void attachment_wrote(struct attachment *attachment, uint64_t output_end) {
	if (!attachment->output)
		return;
	attachment->output_end = output_end;
	source_raise(&attachment->source, EVENT_TYPE_OUTPUT);
}

void attachment_exited(struct attachment *attachment, const struct run_info *run) {
	attachment->run = *run;
	source_raise(&attachment->source, EVENT_TYPE_EXITED);
}

void attachment_ended(struct attachment *attachment, enum source_end end, const struct run_info *last_run) {
	attachment_unlink(attachment);
	attachment->end = end;
	if (last_run)
		attachment->run = *last_run;
	source_raise(&attachment->source, EVENT_TYPE_ENDED);
}

/* ---- going on in another process ---- */

bool attachment_progress(const struct source *source, struct attachment_progress *ret) {
	const struct attachment *attachment = container_of(source, struct attachment, source);

	if (source->kind != SOURCE_ATTACHMENT)
		return false;
	*ret = (struct attachment_progress){
		.handle = source->handle,
		.id = source->id,
		.name = attachment->name[0] ? attachment->name : NULL,
		.live = attachment->timer,
		.output = attachment->output,
		.controls = attachment->controls,
		.pending = source->pending,
		.fire = attachment->fire,
		.run = attachment->run,
		.output_end = attachment->output_end,
		.end = attachment->end,
	};
	return true;
}

int attachment_restore(struct owner *owner, const struct attachment_progress *progress) {
	struct timer *timer = progress->live ? tenant_find_id(owner->tenant, progress->id) : NULL;
	struct attachment *attachment;
	int r;

	if (progress->live && !timer)
		return TIMER_E_UNCHANGED;
	r = timer ? timer_extend(timer) : 0;
	if (r == 0)
		r = new_alone(&attachment, owner, progress->handle, progress->id, progress->name);
	if (r != 0)
		return r == SOURCE_E_HANDLE_EXISTS ? TIMER_E_HANDLE_EXISTS : r;
	if (timer)
		attachment_link(attachment, timer);
	attachment->output = progress->output;
	attachment->controls = progress->controls;
	attachment->fire = progress->fire;
	attachment->run = progress->run;
	attachment->output_end = progress->output_end;
	attachment->end = progress->end;
	return 0;
}

/* ---- as a source ---- */

static void disown(struct source *source) {
	attachment_free(attachment_of(source));
}

static void renounce(struct source *source) {
	struct attachment *attachment = attachment_of(source);
	struct timer *timer = attachment->controls ? attachment->timer : NULL;
	bool alone = timer && timer_extra(timer)->n_attachments == 1;

	attachment_free(attachment);
	if (alone)
		(void)timer_cancel(timer, SOURCE_END_CANCELLED);
}

static enum cancel_outcome cancel(struct source *source) {
	struct attachment *attachment = attachment_of(source);
	struct timer *timer = attachment->controls ? attachment->timer : NULL;
	bool pending = source_is_pending(source, EVENT_TYPE_FIRED), live = attachment->timer;
	enum cancel_outcome outcome = live ? CANCEL_CANCELLED : CANCEL_GONE;

	attachment_free(attachment);
	if (timer)
		outcome = timer_cancel(timer, SOURCE_END_CANCELLED);
	return pending ? CANCEL_WITHDRAWN : outcome;
}

static void fill_event(struct source *source, struct event *ret) {
	const struct attachment *attachment = attachment_of(source);

	ret->name = attachment->name[0] ? attachment->name : NULL;
	switch (ret->type) {
	case EVENT_TYPE_FIRED:
		fire_record_fill(&attachment->fire, ret);
		ret->more = true; /* the end, at least */
		break;
	case EVENT_TYPE_OUTPUT:
		ret->output_end = attachment->output_end;
		break;
	case EVENT_TYPE_ENDED:
		ret->end = attachment->end;
		/* fall through: the last run is told once more */
		__attribute__((fallthrough));
	case EVENT_TYPE_EXITED:
		ret->run = attachment->run.run > 0 ? &attachment->run : NULL;
		break;
	default: /* an attachment has no others */
		break;
	}
}

static void took_event(struct source *source, enum event_type type) {
	if (type == EVENT_TYPE_ENDED)
		attachment_free(attachment_of(source));
}

const struct source_ops attachment_source_ops = {
	.disown = disown,
	.renounce = renounce,
	.cancel = cancel,
	.fill_event = fill_event,
	.took_event = took_event,
};
