/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what a uid has in the core: its queues, ids and names, and which of them is dispatched next.
 * What a timer does when it is due is timer-fire.c's business.
 */

#include "daemon/core/tenant-private.h"

#include <assert.h>
#include <search.h>
#include <string.h>

#include "daemon/core/limiter-private.h"
#include "daemon/core/scheduler-private.h"
#include "daemon/core/timer-private.h"
#include "daemon/core/topic.h"
#include "proto/limits.h"

int tenant_new(struct tenant **ret, struct scheduler *scheduler, uid_t uid) {
	struct tenant *tenant = calloc(1, sizeof(*tenant));
	unsigned reserved = 0;
	int r;

	if (!tenant)
		return -ENOMEM;
	tenant->scheduler = scheduler;
	tenant->uid = uid;
	tenant->refs = 1;
	tenant->owner.tenant = tenant; /* without a reference: it is part of the tenant */
	map_init(&tenant->owner.handles, &scheduler->maps);
	map_init(&tenant->owner.gates, &scheduler->maps);
	map_init(&tenant->ids, &scheduler->maps);
	map_init(&tenant->limiters, &scheduler->maps);
	TAILQ_INIT(&tenant->owner.pending);
	TAILQ_INIT(&tenant->owner.mail);
	TAILQ_INIT(&tenant->old_mail);
	LIST_INIT(&tenant->topics_of_all);
	TAILQ_INIT(&tenant->soon);
	TAILQ_INIT(&tenant->finished);

	for (; reserved < TIMER_CLOCK_MAX; reserved++) {
		r = queue_reserve(&scheduler->clocks[reserved]);
		if (r < 0)
			goto fail;
	}
	r = map_insert(&scheduler->tenants, uid, tenant);
	if (r < 0)
		goto fail;
	*ret = tenant;
	return 0;

fail:
	while (reserved-- > 0)
		queue_release(&scheduler->clocks[reserved]);
	free(tenant);
	return r;
}

/* tdestroy(3) wants to free what is in the tree; the names belong to their timers. */
static void name_keep(void *text _unused_) {
}

struct tenant *tenant_free(struct tenant *tenant) {
	struct scheduler *scheduler = tenant->scheduler;
	struct limiter *limiter;
	struct timer *timer;
	struct topic *topic;

	tenant->refs++; /* freeing the last timer must not free the tenant */
	while ((timer = map_find_from(&tenant->ids, 0)))
		timer_free(timer);
	while ((limiter = map_find_from(&tenant->limiters, 0)))
		limiter_remove(limiter);
	limiters_finish(tenant);
	while ((topic = LIST_FIRST(&tenant->topics_of_all)))
		topic_undefine(topic);
	if (tenant->due)
		TAILQ_REMOVE(&scheduler->due, tenant, due_link);
	tdestroy(tenant->names, name_keep);
	for (unsigned clock = 0; clock < TIMER_CLOCK_MAX; clock++) {
		if (tenant->clocks[clock].queued)
			queue_remove(&scheduler->clocks[clock], &tenant->clocks[clock].place);
		queue_release(&scheduler->clocks[clock]);
		queue_deinit(&tenant->clocks[clock].queue);
	}
	(void)map_remove(&scheduler->tenants, tenant->uid);
	free(tenant);
	return NULL;
}

struct tenant *tenant_ref(struct tenant *tenant) {
	tenant->refs++;
	return tenant;
}

void tenant_settle(struct tenant *tenant) {
	if (tenant->refs == 0 && tenant->ids.count == 0 && tenant->limiters.count == 0 && tenant->use.claims == 0 &&
	    LIST_EMPTY(&tenant->topics_of_all))
		tenant_free(tenant);
}

struct tenant *tenant_unref(struct tenant *tenant) {
	if (tenant) {
		assert(tenant->refs > 0);
		tenant->refs--;
		tenant_settle(tenant);
	}
	return NULL;
}

static size_t *counter(struct tenant_use *use, size_t offset) {
	return (size_t *)((char *)use + offset);
}

void tenant_charge_at(struct tenant *tenant, size_t offset, ptrdiff_t n) {
	size_t *used = counter(&tenant->use, offset), before = *used;
	struct shared_use *shared = &tenant->scheduler->shared_use;

	*used += (size_t)n;
	if (tenant->uid == TENANT_OF_ALL)
		return;
	*counter(&shared->sum, offset) += (size_t)n;
	*counter(&shared->users, offset) += (size_t)(*used > 0) - (size_t)(before > 0);
}

const struct tenant_use *tenant_use(const struct tenant *tenant) {
	return &tenant->use;
}

uid_t tenant_uid(const struct tenant *tenant) {
	return tenant->uid;
}

struct owner *tenant_owner(struct tenant *tenant) {
	return &tenant->owner;
}

struct timer *tenant_find_id(struct tenant *tenant, uint64_t id) {
	return map_find(&tenant->ids, id);
}

struct timer *tenant_next(struct tenant *tenant, uint64_t after) {
	return after < UINT64_MAX ? map_find_from(&tenant->ids, after + 1) : NULL;
}

static int name_compare(const void *a, const void *b) {
	return strcmp(a, b);
}

struct timer *tenant_find_name(struct tenant *tenant, const char *name) {
	char *const *found = tfind(name, &tenant->names, name_compare);

	return found ? container_of(*found, struct timer_name, text)->timer : NULL;
}

int tenant_add_name(struct tenant *tenant, struct timer_name *name) {
	char **place = tsearch(name->text, &tenant->names, name_compare);

	if (!place)
		return -ENOMEM;
	*place = name->text;
	return 0;
}

void tenant_remove_name(struct tenant *tenant, struct timer_name *name) {
	if (tenant_find_name(tenant, name->text) == name->timer)
		(void)tdelete(name->text, &tenant->names, name_compare);
}

void tenant_reschedule(struct tenant *tenant, enum timer_clock clock) {
	struct queue *outer = &tenant->scheduler->clocks[clock];
	struct tenant_clock *own = &tenant->clocks[clock];
	const struct queue_entry *first = queue_first(&own->queue);

	if (tenant->dispatching)
		return;
	if (!first) {
		if (own->queued)
			queue_remove(outer, &own->place);
		own->queued = false;
	} else if (!own->queued) {
		queue_insert(outer, &own->place, first->deadline, first->seq);
		own->queued = true;
	} else if (outer->entries[own->place].deadline != first->deadline) {
		queue_update(outer, &own->place, first->deadline, first->seq);
	}
}

void tenant_set_due(struct tenant *tenant) {
	if (tenant->due)
		return;
	tenant->due = true;
	TAILQ_INSERT_TAIL(&tenant->scheduler->due, tenant_ref(tenant), due_link);
}

/* Run what was posted before this turn.  What is posted meanwhile goes behind the mark. */
static void tenant_dispatch_soon(struct tenant *tenant, int64_t boottime_ns) {
	struct source mark, *source;

	if (TAILQ_EMPTY(&tenant->soon))
		return;
	TAILQ_INSERT_TAIL(&tenant->soon, &mark, pending_link);
	for (unsigned spent = 0; spent < TIMERS_PER_TURN;) {
		source = TAILQ_FIRST(&tenant->soon);
		if (source == &mark)
			break;
		spent += timer_fire(timer_of(source), boottime_ns);
	}
	TAILQ_REMOVE(&tenant->soon, &mark, pending_link);
	if (!TAILQ_EMPTY(&tenant->soon))
		tenant_set_due(tenant);
}

void tenant_dispatch(struct tenant *tenant, const struct instant *now) {
	unsigned spent = 0;

	tenant_ref(tenant);
	tenant->dispatching = true;
	tenant_dispatch_soon(tenant, now->ns[TIMER_CLOCK_BOOTTIME]);
	for (unsigned i = 0; i < TIMER_CLOCK_MAX; i++) {
		enum timer_clock clock = (tenant->first_clock + i) % TIMER_CLOCK_MAX;
		const struct queue *queue = &tenant->clocks[clock].queue;
		const struct queue_entry *first;

		while (spent < TIMERS_PER_TURN && (first = queue_first(queue)) && first->deadline <= now->ns[clock])
			spent += timer_fire(timer_of_place(first->place), now->ns[clock]);
	}
	tenant->first_clock = (tenant->first_clock + 1) % TIMER_CLOCK_MAX;
	tenant->dispatching = false;
	for (unsigned clock = 0; clock < TIMER_CLOCK_MAX; clock++)
		tenant_reschedule(tenant, clock);
	tenant_unref(tenant);
}

void tenant_retime(struct tenant *tenant) {
	struct queue *queue = &tenant->clocks[TIMER_CLOCK_REALTIME].queue;
	int64_t now = tenant->scheduler->now.ns[TIMER_CLOCK_REALTIME];

	for (size_t i = 0; i < queue->used; i++) {
		struct timer *timer = timer_of_place(queue->entries[i].place);
		int64_t next;

		if (!timer_repeats(timer))
			continue;
		/* Set back: nominal times may repeat.  Set forward: what was skipped is due, and will be merged into one fire. */
		next = timer_next_nominal(timer, now);
		if (next >= 0 && next < timer->scheduled_ns) {
			timer->scheduled_ns = next;
			queue->entries[i].deadline = timer_effective(timer, next);
		}
	}
	queue_rebuild(queue);
	tenant_reschedule(tenant, TIMER_CLOCK_REALTIME);
}
