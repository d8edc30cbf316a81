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

#define GRANTED_AT_ONCE 128 /* to those in line */

static struct scheduler *scheduler_of(const struct cell *cell) {
	return cell->limiter->tenant->scheduler;
}

bool cell_is_permits(const struct cell *cell) {
	return cell->limiter->spec.kind == LIMITER_KIND_CONCURRENCY;
}

int64_t cell_now(const struct cell *cell) {
	return scheduler_of(cell)->now.ns[TIMER_CLOCK_BOOTTIME];
}

static bool is_of_former(const struct cell *cell) {
	return cell->generation != cell->limiter->generation;
}

const struct bucket_rules *cell_rules(const struct cell *cell) {
	const struct limiter *limiter = cell->limiter;

	return is_of_former(cell) ? &limiter->former->spec.rules : &limiter->spec.rules;
}

static bool words_are_allocated(const struct cell *cell) {
	return cell_rules(cell)->n > 1;
}

/* When permits are granted to anybody; 0: now. */
static int64_t settled_at(const struct cell *cell) {
	int64_t settled_ns = scheduler_of(cell)->settled_ns;

	return settled_ns > cell_now(cell) ? settled_ns : 0;
}

/* What the cell grants from, empty of claims.  Return: 0, -ENOMEM. */
static int fill(struct cell *cell) {
	const struct limiter_spec *spec = &cell->limiter->spec;
	_Atomic uint64_t *words = &cell->word;

	if (cell_is_permits(cell)) {
		cell->permits = malloc(sizeof(*cell->permits));
		if (!cell->permits)
			return -ENOMEM;
		permits_init(cell->permits, spec->concurrency);
		cell->permits->hold_until_ns = settled_at(cell);
		return 0;
	}
	if (words_are_allocated(cell))
		words = calloc(BUCKET_RULES_MAX, sizeof(*words));
	if (!words)
		return -ENOMEM;
	bucket_init(&cell->bucket, &spec->rules, words);
	if (cell->limiter->drained_ns > 0)
		bucket_drain(&cell->bucket, &spec->rules, 0, cell->limiter->drained_ns);
	return 0;
}

static void empty(struct cell *cell) {
	if (cell_is_permits(cell)) {
		free(cell->permits);
		return;
	}
	if (words_are_allocated(cell))
		free((void *)cell->bucket.words);
	bucket_deinit(&cell->bucket);
}

/* ---- memory ---- */

#define CELL_STEP sizeof(void *) /* from one pool to the next */

static size_t size_of_cell(size_t key_size) {
	size_t size = offsetof(struct cell, key) + key_size;

	return MAX((size + CELL_STEP - 1) / CELL_STEP * CELL_STEP, sizeof(struct cell));
}

/* NULL: none, malloc(3) is for those. */
static struct pool *pool_for(struct scheduler *scheduler, size_t key_size) {
	size_t i = (size_of_cell(key_size) - sizeof(struct cell)) / CELL_STEP;

	return i < CELL_POOLS ? &scheduler->cell_pools[i] : NULL;
}

void cell_pools_init(struct pool *pools) {
	for (size_t i = 0; i < CELL_POOLS; i++)
		pool_init(&pools[i], sizeof(struct cell) + i * CELL_STEP);
}

void cell_pools_deinit(struct pool *pools) {
	for (size_t i = 0; i < CELL_POOLS; i++)
		pool_deinit(&pools[i]);
}

static struct cell *take_memory(struct scheduler *scheduler, size_t key_size) {
	struct pool *pool = pool_for(scheduler, key_size);

	return pool ? pool_take(pool) : malloc(size_of_cell(key_size));
}

static void give_memory(struct cell *cell) {
	struct pool *pool = pool_for(scheduler_of(cell), cell->key_size);

	if (pool)
		pool_give(pool, cell);
	else
		free(cell);
}

struct cell *cell_new(struct limiter *limiter, struct limiter_key key) {
	struct cell *cell = take_memory(limiter->tenant->scheduler, key.size);

	if (!cell)
		return NULL;
	*cell = (struct cell){ .limiter = limiter,
			       .place = CELL_NOT_QUEUED,
			       .generation = limiter->generation,
			       .key_size = (uint8_t)key.size };
	LIST_INIT(&cell->claims);
	if (fill(cell) < 0) {
		give_memory(cell);
		return NULL;
	}
	if (queue_reserve(&limiter->tenant->scheduler->cells) < 0) {
		empty(cell);
		give_memory(cell);
		return NULL;
	}
	if (key.size > 0)
		memcpy(cell->key, key.data, key.size);
	return cell;
}

/* ---- shared memory ---- */

/* Of the one cell of a limiter that has it; NULL: it is a cell like any other. */
static struct shared_memory *memory_of(const struct cell *cell) {
	return cell->limiter->common == cell ? cell->limiter->memory : NULL;
}

static uint64_t ticks_now(const struct cell *cell) {
	return gcra_ticks_saturated(cell_now(cell));
}

static uint64_t hold_ticks(const struct cell *cell) {
	return gcra_ticks_saturated(cell->bucket.hold_until_ns);
}

/* How far from now an honest word can be: a full line behind an empty bucket, with all the gates there may be, a debt, and a hold; and
 * for a moment after the death of a daemon a bucket is as if it were emptied later than now. */
static uint64_t farthest(const struct cell *cell, const struct limiter_spec *spec) {
	const struct gcra_rule *rule = &spec->rules.rule[0];
	unsigned __int128 waiters = (unsigned __int128)spec->max_waiters + MAX(spec->max_waiters, cell->limiter->gates);
	unsigned __int128 ticks = rule->tolerance * (waiters + 1) +
				  (unsigned __int128)rule->interval * spec->rules.max_debt + hold_ticks(cell) +
				  (uint64_t)SHARED_LOOK_NS * GCRA_TICKS_PER_NSEC;

	return (uint64_t)MIN(ticks, (unsigned __int128)GCRA_TICKS_MAX / 2);
}

/* Tell clients what has changed. */
static void publish(struct cell *cell, const struct limiter_spec *spec) {
	struct shared_config *config = memory_of(cell)->config;

	shared_set_rule(config, &spec->rules.rule[0], farthest(cell, spec));
	atomic_store_explicit(&config->not_before, hold_ticks(cell), memory_order_relaxed);
}

/* Between these two clients wait a moment, if they have the memory at all. */
static void begin_change(struct cell *cell) {
	if (memory_of(cell))
		shared_begin(memory_of(cell)->config);
}

static void end_change(struct cell *cell, const struct limiter_spec *spec) {
	if (!memory_of(cell))
		return;
	publish(cell, spec);
	shared_end(memory_of(cell)->config);
}

static bool can_share(const struct cell *cell) {
	const struct limiter *limiter = cell->limiter;

	return limiter->common == cell && !cell_is_permits(cell) && limiter->spec.rules.n == 1 &&
	       !limiter->spec.keyed && limiter->repaired == 0;
}

const struct shared_memory *cell_share(struct cell *cell) {
	const struct limiter_spec *spec = &cell->limiter->spec;
	struct shared_memory *memory;

	if (memory_of(cell) || !can_share(cell))
		return memory_of(cell);
	if (shared_memory_new(&memory) < 0)
		return NULL;
	cell->limiter->memory = memory;
	shared_init(memory->config, memory->state, &spec->rules.rule[0], ticks_now(cell), farthest(cell, spec));
	publish(cell, spec);
	/* Not 0, which would look as if somebody had punched it out. */
	atomic_store(&memory->state->word, MAX(atomic_load(&cell->word), (uint64_t)1));
	cell->bucket.words = &memory->state->word;
	limiter_taken(cell->limiter, 0); /* from now on nobody says so */
	return memory;
}

void cell_unshare(struct cell *cell) {
	struct shared_memory *memory = memory_of(cell);

	if (!memory)
		return;
	cell->limiter->memory = NULL;
	shared_begin(memory->config);
	atomic_store_explicit(&memory->config->flags, SHARED_DEAD, memory_order_relaxed);
	shared_end(memory->config);
	atomic_store(&cell->word,
		     atomic_exchange(&memory->state->word, 0)); /* who has read it before takes nothing any more */
	cell->bucket.words = &cell->word;
	cell->limiter->allowed += atomic_load(&memory->state->allowed);
	cell->limiter->denied += atomic_load(&memory->state->denied);
	shared_memory_free(memory);
}

void cell_release_memory(struct cell *cell, int *ret_config_fd, int *ret_state_fd) {
	struct shared_memory *memory = memory_of(cell);

	cell->limiter->memory = NULL;
	atomic_store(&cell->word, atomic_load(&memory->state->word));
	cell->bucket.words = &cell->word;
	*ret_config_fd = TAKE_FD(memory->config_fd);
	*ret_state_fd = TAKE_FD(memory->state_fd);
	shared_memory_free(memory);
}

int cell_adopt_memory(struct cell *cell, struct shared_memory *memory) {
	if (!can_share(cell) || !shared_is_valid(memory->config))
		return LIMITER_E_KIND;
	cell->limiter->memory = memory;
	cell->bucket.words = &memory->state->word;
	/* The definition may be another one by now. */
	begin_change(cell);
	end_change(cell, &cell->limiter->spec);
	return 0;
}

/* Can somebody honest have written that word? */
static bool is_honest(const struct cell *cell, uint64_t word) {
	return !memory_of(cell) || (word != 0 && word <= ticks_now(cell) + farthest(cell, &cell->limiter->spec));
}

void cell_read_bucket(const struct cell *cell, struct limiter_bucket *ret) {
	*ret = (struct limiter_bucket){ .key = { .data = cell->key, .size = cell->key_size },
					.n = cell_rules(cell)->n,
					.hold_until_ns = cell->bucket.hold_until_ns };
	bucket_read(&cell->bucket, cell_rules(cell), ret->words);
	if (!is_honest(cell, ret->words[0]))
		ret->words[0] = ticks_now(cell) + cell_rules(cell)->rule[0].tolerance;
}

void cell_read_empty(const struct cell *cell, struct limiter_bucket *ret) {
	const struct bucket_rules *rules = &cell->limiter->spec.rules;

	*ret = (struct limiter_bucket){ .key = { .data = cell->key, .size = cell->key_size },
					.n = rules->n,
					.hold_until_ns = cell->bucket.hold_until_ns };
	for (unsigned i = 0; i < rules->n; i++)
		ret->words[i] = MIN(ticks_now(cell) + rules->rule[i].tolerance, GCRA_TICKS_MAX);
}

/* A word that nobody honest has written: go on with an empty bucket, in memory of our own. */
static void repair(struct cell *cell) {
	if (!memory_of(cell) || is_honest(cell, atomic_load(&memory_of(cell)->state->word)))
		return;
	cell_unshare(cell);
	bucket_rewrite(&cell->bucket, cell_rules(cell), cell_now(cell));
	cell->limiter->repaired++;
}

/* ---- */

void cell_leave_line(struct cell *cell, struct claim *claim) {
	struct limiter *limiter = cell->limiter;

	if (claim->unfit) {
		TAILQ_REMOVE(&limiter->unfit, claim, unfit_link);
		limiter->waiting++; /* as if he had been in line until now */
	} else if (cell_is_permits(cell)) {
		permits_leave(cell->permits, &claim->permit_waiter);
	} else {
		bucket_leave(&cell->bucket, cell_rules(cell), &claim->waiter);
	}
	claim->unfit = false;
}

/* It is to be looked at then; INT64_MAX: no more. */
static void set_due(struct cell *cell, int64_t due_ns) {
	struct scheduler *scheduler = scheduler_of(cell);

	if (due_ns == INT64_MAX) {
		if (cell->place != CELL_NOT_QUEUED)
			queue_remove(&scheduler->cells, &cell->place);
		cell->place = CELL_NOT_QUEUED;
	} else if (cell->place == CELL_NOT_QUEUED) {
		queue_insert(&scheduler->cells, &cell->place, due_ns, scheduler->next_seq++);
	} else if (due_ns != scheduler->cells.entries[cell->place].deadline) {
		queue_update(&scheduler->cells, &cell->place, due_ns, scheduler->next_seq++);
	}
}

void cell_drop_claim(struct cell *cell, struct claim *claim) {
	if (claim->state == CLAIM_WAITING)
		cell_leave_line(cell, claim);
	claim_failed(claim, CLAIM_REMOVED);
}

void cell_free(struct cell *cell) {
	assert(LIST_EMPTY(&cell->claims));
	set_due(cell, INT64_MAX);
	queue_release(&scheduler_of(cell)->cells);
	cell_unshare(cell);
	if (is_of_former(cell))
		cell->limiter->n_former--;
	empty(cell);
	give_memory(cell);
}

/* When there is something to hand out; INT64_MAX: when somebody brings it. */
static int64_t next_due(const struct cell *cell) {
	if (!cell_is_permits(cell))
		return bucket_next(&cell->bucket, cell_rules(cell));
	/* Permits come back by themselves; only a hold ends by time. */
	if (cell->permits->n_waiters > 0 && cell->permits->hold_until_ns > cell_now(cell))
		return cell->permits->hold_until_ns;
	return INT64_MAX;
}

/* Those leave whose grant has moved beyond what is of use to them.  Return: how many. */
static size_t drop_late(struct cell *cell, int64_t now_ns) {
	struct waiter_list late = TAILQ_HEAD_INITIALIZER(late);
	struct waiter *waiter;
	size_t n = 0;

	bucket_expire(&cell->bucket, cell_rules(cell), now_ns, &late);
	while ((waiter = TAILQ_FIRST(&late))) {
		TAILQ_REMOVE(&late, waiter, link);
		claim_failed(container_of(waiter, struct claim, waiter), CLAIM_TIMED_OUT);
		n++;
	}
	return n;
}

/* Return: how many have got an answer. */
static size_t grant_tokens(struct cell *cell, int64_t now_ns) {
	struct waiter *waiter;
	struct grant grant;
	size_t n = bucket_looks_again(&cell->bucket, now_ns) ? drop_late(cell, now_ns) : 0;

	for (; n < GRANTED_AT_ONCE; n++) {
		waiter = bucket_late(&cell->bucket, cell_rules(cell), now_ns);
		if (waiter) {
			claim_failed(container_of(waiter, struct claim, waiter), CLAIM_TIMED_OUT);
			continue;
		}
		waiter = bucket_grant(&cell->bucket, cell_rules(cell), now_ns, &grant);
		if (!waiter)
			break;
		claim_granted(container_of(waiter, struct claim, waiter), &grant);
	}
	return n;
}

static size_t grant_permits(struct cell *cell, int64_t now_ns) {
	struct permit_waiter *waiter;
	size_t n = 0;

	for (; n < GRANTED_AT_ONCE && (waiter = permits_grant(cell->permits, now_ns)); n++)
		claim_granted(container_of(waiter, struct claim, permit_waiter),
			      &(struct grant){ .allowed = true,
					       .remaining = permits_available(cell->permits, now_ns),
					       .limit = cell->permits->max,
					       .now_ns = now_ns });
	return n;
}

size_t cell_settle(struct cell *cell) {
	int64_t now_ns = cell_now(cell);
	size_t n;

	if (cell->limiter->removed) {
		set_due(cell, INT64_MAX);
		return 0;
	}
	/* By what it obeyed before nothing more is granted. */
	if (cell_renew(cell) < 0) {
		set_due(cell, now_ns + NO_MEMORY_NS);
		return 0;
	}
	repair(cell);
	n = cell_is_permits(cell) ? grant_permits(cell, now_ns) : grant_tokens(cell, now_ns);
	/* There may be more of them: that is for the next turn. */
	set_due(cell, n < GRANTED_AT_ONCE ? next_due(cell) : now_ns);
	return n;
}

void cell_expire(struct cell *cell) {
	if (!cell_is_permits(cell))
		(void)drop_late(cell, cell_now(cell));
	(void)cell_settle(cell);
}

int cell_prepare(struct cell *cell, const struct limiter_spec *to, int64_t now_ns, void **ret) {
	*ret = NULL;
	if (cell_is_permits(cell))
		return 0;
	repair(cell);
	/* Of keys there may be too many to ask each of them. */
	if (!to->keyed && !bucket_can_convert(&cell->bucket, cell_rules(cell), &to->rules, now_ns))
		return LIMITER_E_RANGE;
	if (to->rules.n > 1 && !words_are_allocated(cell)) {
		*ret = calloc(BUCKET_RULES_MAX, sizeof(*cell->bucket.words));
		if (!*ret)
			return -ENOMEM;
	}
	return 0;
}

/* Where the words are then. */
static _Atomic uint64_t *choose_words(struct cell *cell, const struct limiter_spec *to, void *prepared) {
	if (to->rules.n > 1)
		return prepared ? prepared : cell->bucket.words;
	return memory_of(cell) ? &memory_of(cell)->state->word : &cell->word;
}

/* It is out of the line, and will hear of that. */
static void set_unfit(struct claim *claim) {
	struct limiter *limiter = claim->cell->limiter;

	claim->unfit = true;
	TAILQ_INSERT_TAIL(&limiter->unfit, claim, unfit_link);
	limiter->waiting--;
}

static void change_permits(struct cell *cell, uint64_t max) {
	struct permit_waiter_list unfit = TAILQ_HEAD_INITIALIZER(unfit);
	struct permit_waiter *waiter;

	permits_change(cell->permits, max, &unfit);
	while ((waiter = TAILQ_FIRST(&unfit))) {
		TAILQ_REMOVE(&unfit, waiter, link);
		set_unfit(container_of(waiter, struct claim, permit_waiter));
	}
}

static void set_renewed(struct cell *cell) {
	cell->generation = cell->limiter->generation;
	cell->limiter->n_former--;
}

static void change_bucket(struct cell *cell, int64_t now_ns, void *prepared) {
	const struct limiter_spec *to = &cell->limiter->spec;
	struct waiter_list unfit = TAILQ_HEAD_INITIALIZER(unfit);
	_Atomic uint64_t *before;
	struct waiter *waiter;

	if (to->rules.n != 1)
		cell_unshare(cell);
	before = words_are_allocated(cell) ? cell->bucket.words : NULL;
	begin_change(cell);
	bucket_convert(&cell->bucket, cell_rules(cell), &to->rules, choose_words(cell, to, prepared), now_ns, &unfit);
	if (cell->limiter->drained_ns > 0)
		bucket_drain(&cell->bucket, &to->rules, cell_rules(cell)->n, cell->limiter->drained_ns);
	end_change(cell, to);
	if (before != cell->bucket.words)
		free((void *)before);
	set_renewed(cell);
	while ((waiter = TAILQ_FIRST(&unfit))) {
		TAILQ_REMOVE(&unfit, waiter, link);
		set_unfit(container_of(waiter, struct claim, waiter));
	}
}

void cell_change(struct cell *cell, int64_t now_ns, void *prepared) {
	if (!cell_is_permits(cell)) {
		change_bucket(cell, now_ns, prepared);
		return;
	}
	set_renewed(cell);
	change_permits(cell, cell->limiter->spec.concurrency);
}

int cell_renew(struct cell *cell) {
	int64_t until_ns;
	void *prepared;
	int r;

	if (!is_of_former(cell))
		return 0;
	until_ns = cell->limiter->former->until_ns;
	r = cell_prepare(cell, &cell->limiter->spec, until_ns, &prepared);
	if (r != 0)
		return r;
	cell_change(cell, until_ns, prepared);
	if (!LIST_EMPTY(&cell->claims))
		set_due(cell, cell_now(cell));
	return 0;
}

void cell_hold(struct cell *cell, int64_t until_ns) {
	if (cell_is_permits(cell)) {
		cell->permits->hold_until_ns = MAX(cell->permits->hold_until_ns, until_ns);
		return;
	}
	begin_change(cell);
	bucket_hold(&cell->bucket, cell_rules(cell), until_ns);
	end_change(cell, &cell->limiter->spec);
}

void cell_reset(struct cell *cell) {
	if (cell_is_permits(cell)) {
		cell->permits->hold_until_ns = settled_at(cell);
		return;
	}
	begin_change(cell);
	bucket_reset(&cell->bucket, cell_rules(cell), cell_now(cell));
	end_change(cell, &cell->limiter->spec);
}

/* When a cell that is made begins full. */
static int64_t begins_full_at(const struct limiter *limiter) {
	int64_t full_at = 0;

	for (unsigned i = 0; limiter->drained_ns > 0 && i < limiter->spec.rules.n; i++)
		full_at = MAX(full_at, limiter->drained_ns + gcra_nsec(limiter->spec.rules.rule[i].tolerance));
	return full_at;
}

int64_t cell_idle_at(const struct cell *cell) {
	if (!LIST_EMPTY(&cell->claims))
		return INT64_MAX;
	if (cell_is_permits(cell))
		return cell->permits->out > 0 ? INT64_MAX : cell->permits->hold_until_ns;
	return MAX(bucket_full_at(&cell->bucket, cell_rules(cell)), begins_full_at(cell->limiter));
}
