/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns how a limiter becomes another, and how it goes, with however many keys and whoever waits: at once for all who look, and
 * step by step in later turns for the rest.
 *
 * Knows nothing of how it is found and counted (limiter.c), and nothing of what is in a cell (cell.c).
 */

#include <assert.h>

#include "daemon/core/limiter-private.h"
#include "daemon/core/scheduler-private.h"

#define STEPS_AT_ONCE 64 /* so that nothing is left to be done for most limiters */

/* What a step has come to; below 0: there is no memory for it. */
enum {
	STEP_LAST, /* nothing is left to be done */
	STEP_MADE,
	STEP_IN_VAIN, /* there was nothing to do at this place */
};

/* ---- what is left for later ---- */

/* Does somebody wait to hear of it, or for what it will change? */
static bool is_awaited(const struct limiter *limiter) {
	if (limiter->removed)
		return limiter->claims.count > 0;
	return !TAILQ_EMPTY(&limiter->unfit) || limiter->next_claim < limiter->claims_until;
}

static struct unfinished_list *list_of(const struct limiter *limiter) {
	struct scheduler *scheduler = limiter->tenant->scheduler;

	return limiter->awaited ? &scheduler->awaited : &scheduler->unfinished;
}

/* Behind the others of which the same is true. */
static void enlist(struct limiter *limiter) {
	limiter->awaited = is_awaited(limiter);
	TAILQ_INSERT_TAIL(list_of(limiter), limiter, unfinished);
}

static void postpone(struct limiter *limiter) {
	struct scheduler *scheduler = limiter->tenant->scheduler;

	limiter->position = 0;
	enlist(limiter);
	scheduler->n_unfinished++;
	scheduler->unfinished_at_ns = 0;
}

static void unpostpone(struct limiter *limiter) {
	TAILQ_REMOVE(list_of(limiter), limiter, unfinished);
	limiter->tenant->scheduler->n_unfinished--;
}

/* Others come first now. */
static void postpone_again(struct limiter *limiter) {
	TAILQ_REMOVE(list_of(limiter), limiter, unfinished);
	enlist(limiter);
}

/* It has no cells any more but the common one. */
static void limiter_free(struct limiter *limiter) {
	struct tenant *tenant = limiter->tenant;

	assert(limiter->claims.count == 0);
	if (limiter->common)
		cell_free(limiter->common);
	keys_deinit(&limiter->cells);
	free(limiter->former);
	free(limiter);
	tenant_unref(tenant);
}

/* Nothing is left to be done. */
static void conclude(struct limiter *limiter) {
	unpostpone(limiter);
	if (limiter->removed) {
		limiter_free(limiter);
		return;
	}
	free(limiter->former);
	limiter->former = NULL;
}

/* The next of what has to be done with one that is gone. */
static int dismantle(struct limiter *limiter) {
	struct claim *claim = map_find_from(&limiter->claims, 0);
	struct cell *cell;

	if (claim) {
		cell_drop_claim(claim->cell, claim);
		return STEP_MADE;
	}
	cell = keys_next(&limiter->cells, &limiter->position);
	if (!cell)
		return STEP_LAST;
	cell_free(cell);
	return STEP_MADE;
}

/* Who came after the change has brought his cell with him. */
static struct claim *next_claim(struct limiter *limiter) {
	struct claim *claim = NULL;

	if (limiter->next_claim < limiter->claims_until)
		claim = map_find_from(&limiter->claims, limiter->next_claim);
	if (claim && claim->source.id >= limiter->claims_until)
		claim = NULL;
	limiter->next_claim = claim ? claim->source.id + 1 : limiter->claims_until;
	return claim;
}

static int renew_cell(struct cell *cell) {
	const struct limiter *limiter = cell->limiter;
	size_t n_former = limiter->n_former;
	int r = cell_renew(cell);

	if (r < 0)
		return r;
	return limiter->n_former < n_former ? STEP_MADE : STEP_IN_VAIN;
}

/* The next of what has to be done where some cells are of another generation, or somebody does not fit any more. */
static int renew(struct limiter *limiter) {
	struct claim *claim = TAILQ_FIRST(&limiter->unfit);
	struct cell *cell;

	if (claim) {
		cell_leave_line(claim->cell, claim);
		claim_failed(claim, CLAIM_TIMED_OUT);
		return STEP_MADE;
	}
	if (limiter->n_former == 0)
		return STEP_LAST;
	claim = next_claim(limiter);
	if (claim)
		return renew_cell(claim->cell);
	cell = keys_next(&limiter->cells, &limiter->position);
	if (cell)
		return renew_cell(cell);
	limiter->position = 0; /* others came and went, and one has been missed */
	return STEP_IN_VAIN;
}

/* One step of what is left of it, which may be freed by the last one. */
static int step(struct limiter *limiter) {
	int r = limiter->removed ? dismantle(limiter) : renew(limiter);

	if (r == STEP_LAST)
		conclude(limiter);
	else if (r < 0 || limiter->awaited || is_awaited(limiter))
		postpone_again(limiter);
	return r;
}

int limiter_go_on(struct limiter *limiter, size_t n) {
	int r = limiter->former || limiter->removed ? STEP_MADE : STEP_LAST;

	while (n-- > 0 && r > 0)
		r = step(limiter);
	return MIN(r, 1);
}

/* Of every two steps one is for what somebody waits to hear of, and one for what others have left, some of which
 * takes up memory. */
static struct limiter *next_unfinished(const struct scheduler *scheduler, bool awaited) {
	struct limiter *limiter = TAILQ_FIRST(awaited ? &scheduler->awaited : &scheduler->unfinished);

	return limiter ? limiter : TAILQ_FIRST(awaited ? &scheduler->unfinished : &scheduler->awaited);
}

void limiters_go_on(struct scheduler *scheduler, size_t n) {
	for (; n > 0 && scheduler->n_unfinished > 0; n--) {
		int r = step(next_unfinished(scheduler, n % 2 != 0));

		if (r == STEP_LAST || r == STEP_MADE)
			scheduler->n_stuck = 0;
		/* Others may need no memory, and give some back. */
		if (r >= 0 || ++scheduler->n_stuck < scheduler->n_unfinished)
			continue;
		scheduler->n_stuck = 0;
		scheduler->unfinished_at_ns = scheduler->now.ns[TIMER_CLOCK_BOOTTIME] + NO_MEMORY_NS;
		break;
	}
}

int64_t limiters_next(const struct scheduler *scheduler) {
	return scheduler->n_unfinished > 0 ? scheduler->unfinished_at_ns : INT64_MAX;
}

static struct limiter *find_removed(struct unfinished_list *list, const struct tenant *tenant) {
	struct limiter *limiter;

	TAILQ_FOREACH(limiter, list, unfinished)
	if (limiter->tenant == tenant && limiter->removed)
		break;
	return limiter;
}

void limiters_finish(struct tenant *tenant) {
	struct scheduler *scheduler = tenant->scheduler;
	struct limiter *limiter;

	while ((limiter = find_removed(&scheduler->awaited, tenant)) ||
	       (limiter = find_removed(&scheduler->unfinished, tenant)))
		while (step(limiter) != STEP_LAST)
			;
}

/* ---- becoming another ---- */

int limiter_change(struct limiter *limiter, const struct limiter_spec *spec) {
	int64_t now_ns = limiter->tenant->scheduler->now.ns[TIMER_CLOCK_BOOTTIME];
	struct cell *common = limiter->common;
	void *prepared = NULL;
	struct former *former;
	int r = 0;

	if (limiter->spec.kind != spec->kind || limiter->spec.keyed != spec->keyed)
		return LIMITER_E_KIND;
	if (limiter->former)
		return LIMITER_E_BUSY;
	former = malloc(sizeof(*former));
	if (!former)
		return -ENOMEM;
	if (common)
		r = cell_prepare(common, spec, now_ns, &prepared);
	if (r != 0) {
		free(former);
		return r;
	}

	*former = (struct former){ .spec = limiter->spec, .until_ns = now_ns };
	limiter->former = former;
	limiter->generation++;
	limiter->n_former = limiter->cells.used + (common ? 1 : 0);
	limiter->next_claim = 0;
	limiter->claims_until = spec->keyed ? limiter->tenant->scheduler->next_id : 0;
	limiter->spec = *spec;
	limiter->spec.name = limiter->name;
	tenant_charge(limiter->tenant, keys, limiter_keys(spec) - limiter_keys(&former->spec));
	limiter_changed(limiter);
	postpone(limiter);
	if (common) {
		cell_change(common, now_ns, prepared);
		(void)cell_settle(common);
	}
	(void)limiter_go_on(limiter, STEPS_AT_ONCE);
	return 0;
}

/* ---- going ---- */

void limiter_remove(struct limiter *limiter) {
	limiter_taken(limiter, 0); /* where it is not known that it is gone, it must not begin anew */
	(void)tenant_ref(limiter->tenant);
	limiter_unlist(limiter);
	if (limiter->common)
		cell_unshare(limiter->common); /* clients must not go on */
	if (limiter->former)
		unpostpone(limiter);
	limiter->removed = true;
	postpone(limiter);
	(void)limiter_go_on(limiter, STEPS_AT_ONCE);
}
