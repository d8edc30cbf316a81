/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns a bucket or a number of permits together with those who wait for it: grants in time, and when to look next.  Everything due
 * is in one queue of the scheduler, an entry for each cell that has a line.
 *
 * Knows nothing of names, and nothing of how a claim hears of its grant.
 */

#include <assert.h>
#include <string.h>

#include "daemon/core/limiter-private.h"
#include "daemon/core/scheduler-private.h"

static struct scheduler *scheduler_of(const struct cell *cell) {
	return cell->limiter->tenant->scheduler;
}

bool cell_is_permits(const struct cell *cell) {
	return cell->limiter->spec.kind == LIMITER_KIND_CONCURRENCY;
}

int64_t cell_now(const struct cell *cell) {
	return scheduler_of(cell)->now.ns[TIMER_CLOCK_BOOTTIME];
}

static const struct bucket_rules *rules_of(const struct cell *cell) {
	return &cell->limiter->spec.rules;
}

/* A word for each rule.  Return: 0, -ENOMEM. */
static int make_room(struct cell *cell, const struct limiter_spec *spec) {
	if (spec->rules.n > 1 && !cell->more)
		cell->more = calloc(BUCKET_RULES_MAX, sizeof(*cell->more));
	return spec->rules.n > 1 && !cell->more ? -ENOMEM : 0;
}

static _Atomic uint64_t *words_for(struct cell *cell, const struct limiter_spec *spec) {
	if (spec->rules.n > 1)
		return cell->more;
	return cell->memory ? &cell->memory->state->word : &cell->word;
}

struct cell *cell_new(struct limiter *limiter, struct limiter_key key) {
	struct cell *cell = calloc(1, sizeof(*cell) + key.size);

	if (!cell)
		return NULL;
	cell->limiter = limiter;
	LIST_INIT(&cell->claims);
	if (make_room(cell, &limiter->spec) < 0 || queue_reserve(&limiter->tenant->scheduler->cells) < 0) {
		free((void *)cell->more);
		free(cell);
		return NULL;
	}
	if (cell_is_permits(cell))
		permits_init(&cell->permits, limiter->spec.concurrency);
	else
		bucket_init(&cell->bucket, rules_of(cell), words_for(cell, &limiter->spec));
	cell->key_size = (uint8_t)key.size;
	if (key.size > 0)
		memcpy(cell->key, key.data, key.size);
	return cell;
}

/* ---- shared memory ---- */

static uint64_t ticks_now(const struct cell *cell) {
	uint64_t now = GCRA_TICKS_MAX;

	(void)gcra_ticks(cell_now(cell), &now);
	return now;
}

static uint64_t hold_ticks(const struct cell *cell) {
	uint64_t ticks = 0;

	(void)gcra_ticks(cell->bucket.hold_until_ns, &ticks);
	return ticks;
}

/* How far from now an honest word can be: a full line behind an empty bucket, a debt, and a hold. */
static uint64_t farthest(const struct cell *cell, const struct limiter_spec *spec) {
	const struct gcra_rule *rule = &spec->rules.rule[0];
	unsigned __int128 ticks = (unsigned __int128)rule->tolerance * (spec->max_waiters + 1) +
				  (unsigned __int128)rule->interval * spec->rules.max_debt + hold_ticks(cell);

	return (uint64_t)MIN(ticks, (unsigned __int128)GCRA_TICKS_MAX / 2);
}

/* Tell clients what has changed; to be called between shared_begin() and shared_end(). */
static void publish(struct cell *cell, const struct limiter_spec *spec) {
	struct shared_config *config = cell->memory->config;

	shared_set_rule(config, &spec->rules.rule[0], farthest(cell, spec));
	atomic_store_explicit(&config->not_before, hold_ticks(cell), memory_order_relaxed);
}

static bool can_share(const struct cell *cell) {
	const struct limiter *limiter = cell->limiter;

	return !cell_is_permits(cell) && limiter->spec.rules.n == 1 && !limiter->spec.keyed && limiter->repaired == 0;
}

const struct shared_memory *cell_share(struct cell *cell) {
	const struct limiter_spec *spec = &cell->limiter->spec;
	struct shared_memory *memory;

	if (cell->memory || !can_share(cell))
		return cell->memory;
	if (shared_memory_new(&memory) < 0)
		return NULL;
	cell->memory = memory;
	shared_init(memory->config, memory->state, &spec->rules.rule[0], ticks_now(cell), farthest(cell, spec));
	publish(cell, spec);
	/* Not 0, which would look as if somebody had punched it out. */
	atomic_store(&memory->state->word, MAX(atomic_load(&cell->word), (uint64_t)1));
	cell->bucket.words = &memory->state->word;
	return memory;
}

void cell_unshare(struct cell *cell) {
	struct shared_memory *memory = TAKE_PTR(cell->memory);

	if (!memory)
		return;
	shared_begin(memory->config);
	atomic_store_explicit(&memory->config->flags, SHARED_DEAD, memory_order_relaxed);
	shared_end(memory->config);
	atomic_store(&cell->word, atomic_load(&memory->state->word));
	cell->bucket.words = &cell->word;
	cell->limiter->allowed += atomic_load(&memory->state->allowed);
	cell->limiter->denied += atomic_load(&memory->state->denied);
	shared_memory_free(memory);
}

/* A word that nobody honest has written: go on with an empty bucket, in memory of our own. */
static void repair(struct cell *cell) {
	uint64_t now = ticks_now(cell), word, queued;
	const struct gcra_rule *rule = &rules_of(cell)->rule[0];

	if (!cell->memory)
		return;
	word = atomic_load(&cell->memory->state->word);
	if (word != 0 && word <= now + farthest(cell, &cell->limiter->spec))
		return;
	cell_unshare(cell);
	queued = cell->bucket.line ? cell->bucket.line->cost * rule->interval : 0;
	atomic_store(&cell->word, now + rule->tolerance + queued);
	cell->limiter->repaired++;
}

/* ---- */

/* Out of the line, whichever it is. */
static void leave(struct cell *cell, struct claim *claim) {
	if (cell_is_permits(cell))
		permits_leave(&cell->permits, &claim->permit_waiter);
	else
		bucket_leave(&cell->bucket, rules_of(cell), &claim->waiter);
}

void cell_free(struct cell *cell) {
	struct scheduler *scheduler = scheduler_of(cell);
	struct claim *claim;

	while ((claim = LIST_FIRST(&cell->claims))) {
		if (claim->state == CLAIM_WAITING)
			leave(cell, claim);
		claim_failed(claim, CLAIM_REMOVED);
	}
	if (cell->queued)
		queue_remove(&scheduler->cells, &cell->place);
	queue_release(&scheduler->cells);
	cell_unshare(cell);
	if (!cell_is_permits(cell))
		bucket_deinit(&cell->bucket);
	free((void *)cell->more);
	free(cell);
}

/* When there is something to hand out; INT64_MAX: when somebody brings it. */
static int64_t next_due(const struct cell *cell) {
	if (!cell_is_permits(cell))
		return bucket_next(&cell->bucket, rules_of(cell));
	/* Permits come back by themselves; only a hold ends by time. */
	if (cell->permits.n_waiters > 0 && cell->permits.hold_until_ns > cell_now(cell))
		return cell->permits.hold_until_ns;
	return INT64_MAX;
}

static void reschedule(struct cell *cell) {
	struct scheduler *scheduler = scheduler_of(cell);
	int64_t due_ns = next_due(cell);

	if (due_ns == INT64_MAX) {
		if (cell->queued)
			queue_remove(&scheduler->cells, &cell->place);
		cell->queued = false;
	} else if (!cell->queued) {
		queue_insert(&scheduler->cells, &cell->place, due_ns, scheduler->next_seq++);
		cell->queued = true;
	} else if (due_ns != cell->due_ns) {
		queue_update(&scheduler->cells, &cell->place, due_ns, scheduler->next_seq++);
	}
	cell->due_ns = due_ns;
}

static void grant_tokens(struct cell *cell, int64_t now_ns) {
	struct waiter *waiter;
	struct grant grant;

	while ((waiter = bucket_grant(&cell->bucket, rules_of(cell), now_ns, &grant)))
		claim_granted(container_of(waiter, struct claim, waiter), &grant);
}

static void grant_permits(struct cell *cell, int64_t now_ns) {
	struct permit_waiter *waiter;

	while ((waiter = permits_grant(&cell->permits, now_ns)))
		claim_granted(container_of(waiter, struct claim, permit_waiter),
			      &(struct grant){ .allowed = true,
					       .remaining = permits_available(&cell->permits, now_ns),
					       .limit = cell->permits.max,
					       .now_ns = now_ns });
}

void cell_settle(struct cell *cell) {
	repair(cell);
	if (cell_is_permits(cell))
		grant_permits(cell, cell_now(cell));
	else
		grant_tokens(cell, cell_now(cell));
	reschedule(cell);
}

void cell_expire(struct cell *cell) {
	struct waiter_list late = TAILQ_HEAD_INITIALIZER(late);
	struct waiter *waiter;

	if (!cell_is_permits(cell))
		bucket_expire(&cell->bucket, rules_of(cell), cell_now(cell), &late);
	while ((waiter = TAILQ_FIRST(&late))) {
		TAILQ_REMOVE(&late, waiter, link);
		claim_failed(container_of(waiter, struct claim, waiter), CLAIM_TIMED_OUT);
	}
	cell_settle(cell);
}

int cell_prepare(struct cell *cell, const struct limiter_spec *to) {
	if (cell_is_permits(cell))
		return 0;
	if (!bucket_can_convert(&cell->bucket, rules_of(cell), &to->rules, cell_now(cell)))
		return LIMITER_E_RANGE;
	return make_room(cell, to);
}

void cell_change(struct cell *cell, const struct limiter_spec *to) {
	struct waiter_list unfit = TAILQ_HEAD_INITIALIZER(unfit);
	struct waiter *waiter;

	if (cell_is_permits(cell)) {
		cell->permits.max = to->concurrency;
		return;
	}
	if (to->rules.n != 1)
		cell_unshare(cell);
	if (cell->memory)
		shared_begin(cell->memory->config);
	(void)bucket_convert(&cell->bucket, rules_of(cell), &to->rules, words_for(cell, to), cell_now(cell), &unfit);
	if (cell->memory) {
		publish(cell, to);
		shared_end(cell->memory->config);
	}
	while ((waiter = TAILQ_FIRST(&unfit))) {
		TAILQ_REMOVE(&unfit, waiter, link);
		claim_failed(container_of(waiter, struct claim, waiter), CLAIM_TIMED_OUT);
	}
}

void cell_hold(struct cell *cell, int64_t until_ns) {
	if (cell_is_permits(cell)) {
		cell->permits.hold_until_ns = MAX(cell->permits.hold_until_ns, until_ns);
		return;
	}
	if (cell->memory)
		shared_begin(cell->memory->config);
	bucket_hold(&cell->bucket, rules_of(cell), until_ns);
	if (cell->memory) {
		publish(cell, &cell->limiter->spec);
		shared_end(cell->memory->config);
	}
}

void cell_reset(struct cell *cell) {
	if (cell_is_permits(cell)) {
		cell->permits.hold_until_ns = 0;
		return;
	}
	if (cell->memory)
		shared_begin(cell->memory->config);
	bucket_reset(&cell->bucket, rules_of(cell), cell_now(cell));
	if (cell->memory) {
		publish(cell, &cell->limiter->spec);
		shared_end(cell->memory->config);
	}
}

int64_t cell_idle_at(const struct cell *cell) {
	if (!LIST_EMPTY(&cell->claims))
		return INT64_MAX;
	if (cell_is_permits(cell))
		return cell->permits.out > 0 ? INT64_MAX : cell->permits.hold_until_ns;
	return bucket_full_at(&cell->bucket, rules_of(cell));
}
