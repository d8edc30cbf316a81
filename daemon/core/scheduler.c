/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns all tenants, and the order in which they and what they kept come up.  It is told the time.
 *
 * A turn takes every tenant that has something due, and lets each of them dispatch a bounded part of it:
 * a million timers of one uid delay another one's by as many as fit one turn.
 */

#include "daemon/core/scheduler.h"

#include <assert.h>

#include "daemon/core/limiter-private.h"
#include "daemon/core/reminder.h"
#include "daemon/core/scheduler-private.h"
#include "daemon/core/timer-private.h"
#include "proto/limits.h"

#define CLAIMS_PER_TURN 128 /* that get an answer because it is time */
#define CELLS_PER_TURN 32 /* of those that limiters have left for later */

int scheduler_new(struct scheduler **ret, const struct instant *now, struct starter *starter) {
	struct scheduler *scheduler = calloc(1, sizeof(*scheduler));
	int r;

	if (!scheduler)
		return -ENOMEM;
	if (starter) {
		r = job_board_new(&scheduler->board, starter);
		if (r < 0) {
			free(scheduler);
			return r;
		}
	}
	pool_init(&scheduler->timers, sizeof(struct timer));
	cell_pools_init(scheduler->cell_pools);
	map_memory_init(&scheduler->maps);
	map_init(&scheduler->tenants, &scheduler->maps);
	marks_init(&scheduler->marks);
	scheduler->now = *now;
	scheduler->next_id = 1;
	scheduler->message_limit = scheduler->message_pool = SIZE_MAX;
	TAILQ_INIT(&scheduler->due);
	TAILQ_INIT(&scheduler->round);
	TAILQ_INIT(&scheduler->finished);
	TAILQ_INIT(&scheduler->awaited);
	TAILQ_INIT(&scheduler->unfinished);
	*ret = scheduler;
	return 0;
}

struct scheduler *scheduler_free(struct scheduler *scheduler) {
	struct tenant *tenant;

	if (!scheduler)
		return NULL;
	/* First the limiters that others have claims of. */
	tenant = scheduler_next_tenant(scheduler, TENANT_OF_ALL);
	if (tenant)
		tenant_free(tenant);
	while ((tenant = scheduler_next_tenant(scheduler, 0)))
		tenant_free(tenant);
	for (unsigned clock = 0; clock < TIMER_CLOCK_MAX; clock++)
		queue_deinit(&scheduler->clocks[clock]);
	queue_deinit(&scheduler->cells);
	queue_deinit(&scheduler->patience);
	queue_deinit(&scheduler->reminders);
	pool_deinit(&scheduler->timers);
	cell_pools_deinit(scheduler->cell_pools);
	map_memory_deinit(&scheduler->maps);
	if (scheduler->board)
		job_board_free(scheduler->board);
	free(scheduler);
	return NULL;
}

void scheduler_set_first_id(struct scheduler *scheduler, uint64_t id) {
	assert(id >= scheduler->next_id);
	scheduler->next_id = id;
}

uint64_t scheduler_next_id(const struct scheduler *scheduler) {
	return scheduler->next_id;
}

void scheduler_set_job_limit(struct scheduler *scheduler, size_t limit) {
	if (scheduler->board)
		job_board_set_limit(scheduler->board, limit);
}

void scheduler_set_message_limits(struct scheduler *scheduler, size_t limit, size_t pool) {
	scheduler->message_limit = limit;
	scheduler->message_pool = pool;
}

struct marks *scheduler_marks(struct scheduler *scheduler) {
	return &scheduler->marks;
}

void scheduler_set_drained(struct scheduler *scheduler, int64_t boottime_ns) {
	scheduler->drained_ns = boottime_ns;
}

int64_t scheduler_drained(const struct scheduler *scheduler) {
	return scheduler->drained_ns;
}

void scheduler_set_settled(struct scheduler *scheduler, int64_t boottime_ns) {
	scheduler->settled_ns = boottime_ns;
}

int64_t scheduler_settled(const struct scheduler *scheduler) {
	return scheduler->settled_ns;
}

const struct shared_use *scheduler_shared_use(const struct scheduler *scheduler) {
	return &scheduler->shared_use;
}

int scheduler_tenant(struct scheduler *scheduler, uid_t uid, struct tenant **ret) {
	struct tenant *tenant = map_find(&scheduler->tenants, uid);

	if (!tenant)
		return tenant_new(ret, scheduler, uid);
	*ret = tenant_ref(tenant);
	return 0;
}

struct tenant *scheduler_next_tenant(const struct scheduler *scheduler, uint64_t uid) {
	return map_find_from(&scheduler->tenants, uid);
}

/* When the first result is forgotten. */
static int64_t scheduler_next_expiry(const struct scheduler *scheduler) {
	const struct timer_extra *first = TAILQ_FIRST(&scheduler->finished);

	return first ? first->finished_ns + FINISHED_KEPT_NS : INT64_MAX;
}

void scheduler_refresh(struct scheduler *scheduler, const struct instant *now) {
	scheduler->now = *now;
}

void scheduler_advance(struct scheduler *scheduler, const struct instant *now, bool stepped) {
	int64_t boottime = now->ns[TIMER_CLOCK_BOOTTIME];

	scheduler->now = *now;
	if (stepped)
		for (struct tenant *tenant = scheduler_next_tenant(scheduler, 0); tenant;
		     tenant = scheduler_next_tenant(scheduler, (uint64_t)tenant->uid + 1))
			tenant_retime(tenant);
	while (scheduler_next_expiry(scheduler) <= boottime)
		timer_free(TAILQ_FIRST(&scheduler->finished)->timer);
	if (scheduler->board)
		job_board_advance(scheduler->board, boottime);
}

const struct instant *scheduler_now(const struct scheduler *scheduler) {
	return &scheduler->now;
}

/* Is a tenant's first deadline on that clock due?  Return: the tenant, or NULL. */
static struct tenant *scheduler_due(const struct scheduler *scheduler, enum timer_clock clock) {
	const struct queue_entry *first = queue_first(&scheduler->clocks[clock]);
	struct tenant_clock *own;

	if (!first || first->deadline > scheduler->now.ns[clock])
		return NULL;
	own = container_of(first->place, struct tenant_clock, place);
	return container_of(own - clock, struct tenant, clocks[0]);
}

static struct cell *scheduler_due_cell(const struct scheduler *scheduler) {
	const struct queue_entry *first = queue_first(&scheduler->cells);

	return first && first->deadline <= scheduler->now.ns[TIMER_CLOCK_BOOTTIME]
		       ? container_of(first->place, struct cell, place)
		       : NULL;
}

static struct claim *scheduler_impatient_claim(const struct scheduler *scheduler) {
	const struct queue_entry *first = queue_first(&scheduler->patience);

	return first && first->deadline <= scheduler->now.ns[TIMER_CLOCK_BOOTTIME]
		       ? container_of(first->place, struct claim, place)
		       : NULL;
}

/* Hand out what limiters have for those in line, and send those away who have waited long enough: as many as may be in one turn. */
static void scheduler_grant(struct scheduler *scheduler) {
	struct claim *claim;
	struct cell *cell;

	for (size_t n = 0; n < CLAIMS_PER_TURN && (cell = scheduler_due_cell(scheduler)); n++)
		n += cell_settle(cell);
	for (size_t n = 0; n < CLAIMS_PER_TURN && (claim = scheduler_impatient_claim(scheduler));)
		n += claim_expire(claim);
}

bool scheduler_dispatch(struct scheduler *scheduler) {
	const struct instant now = scheduler->now;
	struct tenant *tenant;
	bool more = false;

	if (limiters_next(scheduler) <= now.ns[TIMER_CLOCK_BOOTTIME])
		limiters_go_on(scheduler, CELLS_PER_TURN);
	scheduler_grant(scheduler);
	reminders_dispatch(scheduler, now.ns[TIMER_CLOCK_BOOTTIME]);

	for (enum timer_clock clock = 0; clock < TIMER_CLOCK_MAX; clock++)
		while ((tenant = scheduler_due(scheduler, clock))) {
			queue_remove(&scheduler->clocks[clock], &tenant->clocks[clock].place);
			tenant->clocks[clock].queued = false;
			tenant_set_due(tenant);
		}

	TAILQ_CONCAT(&scheduler->round, &scheduler->due, due_link);
	while ((tenant = TAILQ_FIRST(&scheduler->round))) {
		TAILQ_REMOVE(&scheduler->round, tenant, due_link);
		tenant->due = false;
		tenant_dispatch(tenant, &now);
		tenant_unref(tenant);
	}

	for (enum timer_clock clock = 0; clock < TIMER_CLOCK_MAX; clock++)
		if (scheduler_due(scheduler, clock))
			more = true;
	return more || !TAILQ_EMPTY(&scheduler->due) || limiters_next(scheduler) <= now.ns[TIMER_CLOCK_BOOTTIME];
}

void scheduler_finish(struct scheduler *scheduler) {
	limiters_go_on(scheduler, SIZE_MAX);
}

static int64_t next_of(const struct queue *queue) {
	const struct queue_entry *first = queue_first(queue);

	return first ? first->deadline : INT64_MAX;
}

int64_t scheduler_next(const struct scheduler *scheduler, enum timer_clock clock) {
	int64_t next = next_of(&scheduler->clocks[clock]);

	if (clock != TIMER_CLOCK_BOOTTIME)
		return next;
	if (!TAILQ_EMPTY(&scheduler->due))
		return scheduler->now.ns[clock];
	next = MIN(next, limiters_next(scheduler));
	next = MIN(next, scheduler_next_expiry(scheduler));
	next = MIN(next, next_of(&scheduler->cells));
	next = MIN(next, next_of(&scheduler->patience));
	next = MIN(next, next_of(&scheduler->reminders));
	return scheduler->board ? MIN(next, job_board_next(scheduler->board)) : next;
}

int64_t scheduler_idle_at(const struct scheduler *scheduler) {
	int64_t idle_at = scheduler->n_timers == 0 && scheduler->n_finished == 0 ? 0 : INT64_MAX;

	for (struct tenant *tenant = scheduler_next_tenant(scheduler, 0); tenant && idle_at < INT64_MAX;
	     tenant = scheduler_next_tenant(scheduler, (uint64_t)tenant->uid + 1))
		for (struct limiter *limiter = limiter_next(tenant, 0); limiter;
		     limiter = limiter_next(tenant, limiter_id(limiter)))
			idle_at = MAX(idle_at, limiter_idle_at(limiter));
	return idle_at;
}

void scheduler_stats(const struct scheduler *scheduler, struct scheduler_stats *ret) {
	*ret = (struct scheduler_stats){
		.timers = scheduler->n_timers,
		.tenants = scheduler->tenants.count,
		.finished = scheduler->n_finished,
		.jobs = scheduler->board ? job_board_active(scheduler->board) : 0,
		.limiters = scheduler->n_limiters,
		.fires = scheduler->fires,
	};
}
