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
#define NO_MEMORY_NS (100 * NSEC_PER_MSEC) /* until it is tried again */

/* ---- what is left for later ---- */

/* Those come first that somebody waits to hear from. */
static void postpone(struct limiter *limiter) {
	struct scheduler *scheduler = limiter->tenant->scheduler;

	limiter->position = 0;
	if (limiter->removed && limiter->claims.count > 0)
		TAILQ_INSERT_HEAD(&scheduler->unfinished, limiter, unfinished);
	else
		TAILQ_INSERT_TAIL(&scheduler->unfinished, limiter, unfinished);
	scheduler->n_unfinished++;
	scheduler->unfinished_at_ns = 0;
}

static void unpostpone(struct limiter *limiter) {
	struct scheduler *scheduler = limiter->tenant->scheduler;

	TAILQ_REMOVE(&scheduler->unfinished, limiter, unfinished);
	scheduler->n_unfinished--;
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

/* The next of what has to be done with one that is gone.  Return: 0: nothing, 1. */
static int dismantle(struct limiter *limiter) {
	struct claim *claim = map_find_from(&limiter->claims, 0);
	struct cell *cell;

	if (claim) {
		cell_drop_claim(claim->cell, claim);
		if (limiter->claims.count == 0) {
			unpostpone(limiter);
			postpone(limiter);
		}
		return 1;
	}
	cell = keys_next(&limiter->cells, &limiter->position);
	if (!cell)
		return 0;
	cell_free(cell);
	return 1;
}

/* Tell the next one who does not fit any more, or look at the next of those who wait.  Return: false: there are none. */
static bool renew_claims(struct limiter *limiter) {
	struct claim *claim = TAILQ_FIRST(&limiter->unfit);

	if (claim) {
		cell_leave_line(claim->cell, claim);
		claim_failed(claim, CLAIM_TIMED_OUT);
		return true;
	}
	claim = map_find_from(&limiter->claims, limiter->next_claim);
	if (!claim)
		return false;
	limiter->next_claim = claim->source.id + 1;
	(void)cell_renew(claim->cell); /* without memory it has to wait as long as any other */
	return true;
}

/* The next of what has to be done where some cells are of another generation.  Return: 0: nothing, 1; -ENOMEM. */
static int renew(struct limiter *limiter) {
	struct cell *cell;

	if (renew_claims(limiter))
		return 1;
	if (limiter->n_former == 0)
		return 0;
	cell = keys_next(&limiter->cells, &limiter->position);
	if (cell)
		return cell_renew(cell) == 0 ? 1 : -ENOMEM;
	limiter->position = 0; /* others came and went, and one has been missed */
	return 1;
}

/* One step of what is left of it, which may be freed by the last one.  Return: 0: that was all, 1: there are more; -ENOMEM. */
static int step(struct limiter *limiter) {
	int r = limiter->removed ? dismantle(limiter) : renew(limiter);

	if (r == 0)
		conclude(limiter);
	return r;
}

int limiter_go_on(struct limiter *limiter, size_t n) {
	int r = limiter->former ? 1 : 0;

	while (n-- > 0 && r == 1)
		r = step(limiter);
	return r;
}

void limiters_go_on(struct scheduler *scheduler, size_t n) {
	struct limiter *limiter;

	for (; n > 0 && (limiter = TAILQ_FIRST(&scheduler->unfinished)); n--) {
		if (step(limiter) >= 0) {
			scheduler->n_stuck = 0;
			continue;
		}
		/* Others may need none, and give some back. */
		TAILQ_REMOVE(&scheduler->unfinished, limiter, unfinished);
		TAILQ_INSERT_TAIL(&scheduler->unfinished, limiter, unfinished);
		if (++scheduler->n_stuck < scheduler->n_unfinished)
			continue;
		scheduler->n_stuck = 0;
		scheduler->unfinished_at_ns = scheduler->now.ns[TIMER_CLOCK_BOOTTIME] + NO_MEMORY_NS;
		break;
	}
}

int64_t limiters_next(const struct scheduler *scheduler) {
	return TAILQ_EMPTY(&scheduler->unfinished) ? INT64_MAX : scheduler->unfinished_at_ns;
}

void limiters_finish(struct tenant *tenant) {
	struct unfinished_list *list = &tenant->scheduler->unfinished;
	struct limiter *limiter = TAILQ_FIRST(list);

	while (limiter)
		if (limiter->tenant == tenant && limiter->removed) {
			while (step(limiter) != 0)
				;
			limiter = TAILQ_FIRST(list);
		} else {
			limiter = TAILQ_NEXT(limiter, unfinished);
		}
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
	limiter->next_claim = spec->keyed ? 0 : UINT64_MAX;
	limiter->spec = *spec;
	limiter->spec.name = limiter->name;
	tenant_charge(limiter->tenant, keys, limiter_keys(spec) - limiter_keys(&former->spec));
	limiter_changed(limiter);
	postpone(limiter);
	if (common) {
		cell_change(common, now_ns, prepared);
		(void)cell_settle(common);
	}
	for (size_t n = STEPS_AT_ONCE; n > 0 && step(limiter) > 0; n--)
		;
	return 0;
}

/* ---- going ---- */

void limiter_remove(struct limiter *limiter) {
	size_t n = STEPS_AT_ONCE;

	limiter_taken(limiter, 0); /* where it is not known that it is gone, it must not begin anew */
	(void)tenant_ref(limiter->tenant);
	limiter_unlist(limiter);
	if (limiter->common)
		cell_unshare(limiter->common); /* clients must not go on */
	if (limiter->former)
		unpostpone(limiter);
	limiter->removed = true;
	postpone(limiter);
	while (n-- > 0 && step(limiter) != 0)
		;
}
