/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A timer from within core/; nobody else includes this. */

#include "daemon/core/attachment.h"
#include "daemon/core/job.h"
#include "daemon/core/tenant-private.h"
#include "daemon/core/timer.h"

LIST_HEAD(attachment_list, attachment);

/* source::flags of a timer. */
#define TIMER_CLOCK_MASK 0x0003 /* enum timer_clock */
#define TIMER_KIND_SHIFT 2
#define TIMER_KIND_MASK 0x000c /* enum timer_kind */
#define TIMER_ARMED 0x0010 /* in the queue of its clock, or in tenant::soon */
#define TIMER_PAUSED 0x0020
#define TIMER_SPENT 0x0040 /* will not fire any more; neither armed nor paused */
#define TIMER_FINISHED 0x0080 /* spent, detached, and its job is idle: kept to be asked about */
#define TIMER_DETACHED 0x0100 /* owned by the tenant */
#define TIMER_EXTENDED 0x0400 /* it has its extension */

/*
 * One cache line: what one-shot timers of programs cost decides what a million of them costs.
 * Fields that are never needed at the same time share their place.
 */
struct timer {
	struct source source; /* `pending_link` also serves tenant::soon, `index` is the place in the queue */
	int64_t scheduled_ns; /* nominal time of the next fire; paused one-shots: what is left; spent: of the last fire */
	union {
		struct timer_extra *extra; /* TIMER_EXTENDED: see timer_extra() */
		int64_t fired_ns; /* spent, without extension: when it fired */
	};
};

_Static_assert(sizeof(void *) != 8 || sizeof(struct timer) == 64, "a timer is one cache line");

/* What only some timers have. */
struct timer_extra {
	struct timer *timer;
	struct timer_name *name; /* NULL: none */
	struct job *job; /* NULL: none */
	struct attachment_list attachments;
	unsigned n_attachments;
	int64_t definition_ns; /* the deadline it was armed with, to compare definitions */
	int64_t delay_ns; /* as in timer_spec; −1 where it had no extension then */
	int64_t anchor_ns; /* repeating: first nominal time */
	int64_t period_ns, until_ns, slack_ns;
	uint64_t count, left; /* nominal times in all, and to come; `count` 0: no end */
	uint64_t generation, fire_seq, missed;
	struct fire_record unsent; /* what the owner's pending event says */
	struct fire_record last; /* the last dispatch; fire_seq 0: none */
	enum source_end end;
	int64_t created_realtime_ns, finished_realtime_ns;
	int64_t finished_ns; /* boottime */
	TAILQ_ENTRY(timer_extra) tenant_link, scheduler_link; /* their `finished` */
};

static inline struct timer *timer_of(struct source *source) {
	return container_of(source, struct timer, source);
}

static inline struct timer *timer_of_place(uint32_t *place) {
	return container_of(place, struct timer, source.index);
}

static inline struct tenant *timer_tenant(const struct timer *timer) {
	return timer->source.owner->tenant;
}

static inline enum timer_clock timer_clock(const struct timer *timer) {
	return (enum timer_clock)(timer->source.flags & TIMER_CLOCK_MASK);
}

static inline enum timer_kind timer_kind(const struct timer *timer) {
	return (enum timer_kind)((timer->source.flags & TIMER_KIND_MASK) >> TIMER_KIND_SHIFT);
}

static inline bool timer_has(const struct timer *timer, unsigned flags) {
	return timer->source.flags & flags;
}

static inline void timer_set(struct timer *timer, unsigned flags) {
	timer->source.flags |= (uint16_t)flags;
}

static inline void timer_clear(struct timer *timer, unsigned flags) {
	timer->source.flags &= (uint16_t)~flags;
}

/* What an anonymous one-shot timer without slack, of a session, has not: NULL. */
static inline struct timer_extra *timer_extra(const struct timer *timer) {
	return timer_has(timer, TIMER_EXTENDED) ? timer->extra : NULL;
}

static inline bool timer_repeats(const struct timer *timer) {
	return timer_extra(timer) && timer_extra(timer)->period_ns > 0;
}

static inline const char *timer_name(const struct timer *timer) {
	return timer_extra(timer) && timer_extra(timer)->name ? timer_extra(timer)->name->text : NULL;
}

/* ---- timer.c ---- */

/* Give the timer its extension if it has none.  Return: 0, -ENOMEM. */
int timer_extend(struct timer *timer);

/* Free a timer, whatever its state; who follows it is told that it was cancelled, unless it is over. */
struct timer *timer_free(struct timer *timer);

/* The deadline in force for a nominal time. */
int64_t timer_effective(const struct timer *timer, int64_t nominal_ns);

/* Put the timer into the queue for that nominal time, or move it there, behind all that have the same deadline. */
void timer_enqueue(struct timer *timer, int64_t nominal_ns);

/* Take it out of the queue, if it is there. */
void timer_dequeue(struct timer *timer);

/* ---- timer-fire.c ---- */

/*
 * It is due: fire, and queue the next fire if there is one.  The timer may be gone afterwards.
 * Return: how much of a turn that took, in fires of a timer that nobody else follows.
 */
unsigned timer_fire(struct timer *timer, int64_t now_ns);

/* Fire outside of the schedule.  The timer has its extension. */
void timer_fire_once(struct timer *timer, int64_t now_ns);

/* The first nominal time after `now_ns` of a repeating timer; -1: it has ended before. */
int64_t timer_next_nominal(const struct timer *timer, int64_t now_ns);

/* It will not fire any more, is in no queue, and `end` says why.  The timer may be gone afterwards, unless something is pending. */
void timer_spend(struct timer *timer, enum source_end end);

/* A detached timer is finished once it is spent and its job is idle. */
void timer_settle(struct timer *timer);

/* It has no nominal time left and ends without a fire: its owner is told so. */
void timer_expire(struct timer *timer);

/* Everybody who follows the timer is told that it is over. */
void timer_end_attachments(struct timer *timer, enum source_end end);

extern const struct job_ops timer_job_ops;

/* ---- timer-manage.c ---- */

/* Cancelled by its owner, a session, which wants to hear no more of it: it is freed. */
enum cancel_outcome timer_drop(struct timer *timer);
