/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the states of a source whose events are acknowledged, and its timeout.  Knows nothing of what such a source watches. */

#include "daemon/core/acked.h"

#include "daemon/core/progress.h"
#include "daemon/core/scheduler-private.h"
#include "daemon/core/source-private.h"

static int64_t now_of(const struct acked *acked) {
	return acked->timeout.scheduler->now.ns[TIMER_CLOCK_BOOTTIME];
}

static void start_timeout(struct acked *acked) {
	int64_t now_ns = now_of(acked);

	if (acked->timeout_ns > 0 && acked->timeout_ns < INT64_MAX - now_ns)
		reminder_set(&acked->timeout, now_ns + acked->timeout_ns);
}

static void time_out(struct reminder *reminder) {
	struct acked *acked = container_of(reminder, struct acked, timeout);

	acked_raise(acked);
	acked->timed_out = true;
	if (acked->fires == 0)
		acked->fired_ns = now_of(acked);
}

int acked_init(struct acked *acked, enum source_kind kind, enum event_type type, struct owner *owner, uint64_t handle,
	       int64_t timeout_ns) {
	struct scheduler *scheduler = owner->tenant->scheduler;
	int r;

	acked->type = type;
	acked->state = ACKED_ARMED;
	acked->timed_out = false;
	acked->timeout_ns = timeout_ns;
	acked->fires = acked->fire_seq = 0;
	r = reminder_init(&acked->timeout, scheduler, time_out);
	if (r < 0)
		return r;
	r = source_init(&acked->source, kind, owner, handle, scheduler->next_id);
	if (r != 0) {
		reminder_deinit(&acked->timeout);
		return r;
	}
	scheduler->next_id++;
	owner->timeouts += timeout_ns > 0;
	start_timeout(acked);
	return 0;
}

void acked_deinit(struct acked *acked) {
	acked->source.owner->timeouts -= acked->timeout_ns > 0;
	reminder_deinit(&acked->timeout);
	source_deinit(&acked->source);
}

void acked_count(struct acked *acked) {
	if (acked->fires++ == 0)
		acked->fired_ns = now_of(acked);
	acked->fire_seq++;
}

void acked_raise(struct acked *acked) {
	if (acked->state == ACKED_UNACKED)
		return;
	acked->timed_out = false;
	acked->state = ACKED_PENDING;
	reminder_clear(&acked->timeout);
	source_raise(&acked->source, acked->type);
}

void acked_fill_event(const struct acked *acked, struct event *ret) {
	ret->timed_out = acked->timed_out;
	ret->fired_ns = acked->fired_ns;
	ret->fires = acked->timed_out ? 0 : acked->fires;
	ret->fire_seq = acked->fire_seq;
	ret->more = true;
}

void acked_took_event(struct acked *acked) {
	acked->state = ACKED_UNACKED;
	if (!acked->timed_out)
		acked->fires = 0;
	acked->timed_out = false;
}

bool acked_ack(struct acked *acked) {
	if (acked->state != ACKED_UNACKED)
		return false;
	acked->state = ACKED_ARMED;
	start_timeout(acked);
	return true;
}

void acked_progress(const struct acked *acked, struct acked_progress *ret) {
	*ret = (struct acked_progress){
		.id = acked->source.id,
		.fires = acked->fires,
		.fire_seq = acked->fire_seq,
		.timeout_ns = acked->timeout_ns,
		/* One that has not been told yet is due again at once. */
		.timeout_at_ns = acked->timed_out ? MAX(acked->fired_ns, 1) : reminder_time(&acked->timeout),
		.unacked = acked->state == ACKED_UNACKED,
	};
}

void acked_restore(struct acked *acked, const struct acked_progress *progress) {
	struct scheduler *scheduler = acked->timeout.scheduler;

	/* It has got another id, that is as if it had never been given. */
	scheduler->next_id = MAX(acked->source.id, progress->id + 1);
	acked->source.id = progress->id;
	acked->fire_seq = progress->fire_seq;
	if (progress->unacked) {
		acked->state = ACKED_UNACKED;
		reminder_clear(&acked->timeout);
	} else if (acked->timeout_ns > 0 && progress->timeout_at_ns > 0) {
		reminder_set(&acked->timeout, progress->timeout_at_ns);
	}
}
