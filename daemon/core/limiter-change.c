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

#define STEPS_AT_ONCE 64 /* so that nothing is left of most limiters */
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

/* Look at the next of the cells of which some are of another generation.  Return: 0: there are none, 1; -ENOMEM. */
static int renew(struct limiter *limiter) {
	struct cell *cell;

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

/* A cell that somebody waits at, or may wait at any time, and what it needs to change. */
struct change {
	struct cell *cell;
	void *prepared;
};

/* Return: how many there are. */
static size_t find_changes(struct limiter *limiter, struct change *ret) {
	struct claim *claim;
	size_t n = 0;

	if (limiter->common)
		ret[n++].cell = limiter->common;
	if (!limiter->spec.keyed)
		return n;
	for (uint64_t id = 0; (claim = map_find_from(&limiter->claims, id)); id = claim->source.id + 1) {
		struct cell *cell = claim->cell;

		if (cell != limiter->common && claim == LIST_FIRST(&cell->claims))
			ret[n++].cell = cell;
	}
	return n;
}

/* Return: 0; LIMITER_E_RANGE, -ENOMEM: one of them cannot. */
static int prepare(struct change *changes, size_t n, const struct limiter_spec *spec) {
	for (size_t i = 0; i < n; i++) {
		struct cell *cell = changes[i].cell;
		int r = cell_prepare(cell, spec, cell_now(cell), &changes[i].prepared);

		if (r == 0)
			continue;
		while (i > 0)
			free(changes[--i].prepared);
		return r;
	}
	return 0;
}

int limiter_change(struct limiter *limiter, const struct limiter_spec *spec) {
	int64_t now_ns = limiter->tenant->scheduler->now.ns[TIMER_CLOCK_BOOTTIME];
	_cleanup_free_ struct change *changes = NULL;
	struct former *former;
	size_t n;
	int r;

	if (limiter->spec.kind != spec->kind || limiter->spec.keyed != spec->keyed)
		return LIMITER_E_KIND;
	if (limiter->former)
		return LIMITER_E_BUSY;
	changes = calloc(limiter->spec.keyed ? limiter->claims.count + 1 : 1, sizeof(*changes));
	former = malloc(sizeof(*former));
	n = changes && former ? find_changes(limiter, changes) : 0;
	r = changes && former ? prepare(changes, n, spec) : -ENOMEM;
	if (r != 0) {
		free(former);
		return r;
	}

	*former = (struct former){ .spec = limiter->spec, .until_ns = now_ns };
	limiter->former = former;
	limiter->generation++;
	limiter->n_former = limiter->cells.used + (limiter->common ? 1 : 0);
	limiter->spec = *spec;
	limiter->spec.name = limiter->name;
	tenant_charge(limiter->tenant, keys, limiter_keys(spec) - limiter_keys(&former->spec));
	for (size_t i = 0; i < n; i++)
		cell_change(changes[i].cell, now_ns, changes[i].prepared);
	limiter_changed(limiter);
	postpone(limiter);
	if (limiter->n_former == 0)
		conclude(limiter);
	for (size_t i = 0; i < n; i++)
		cell_expire(changes[i].cell);
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
