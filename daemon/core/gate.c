/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what stands between a source and its owner where a limiter lets events through one by one: a claim that is used again
 * and again.  It has its memory and its cell from the beginning, so that nothing can fail when an event is due.
 *
 * When tokens come is the cell's business, and what an event says its source's.
 */

#include "daemon/core/gate-private.h"

#include "daemon/core/limiter-private.h"
#include "daemon/core/progress.h"
#include "daemon/core/scheduler-private.h"

struct gate {
	struct claim *claim;
	struct source *source; /* NULL: none yet */
};

static struct gate *gate_of(const struct source *source) {
	return map_find(&source->owner->gates, source->handle);
}

int gate_new(struct gate **ret, struct owner *owner, struct limiter *limiter, struct limiter_key key, uint64_t cost) {
	struct gate *gate;
	struct cell *cell;
	int r;

	if (limiter->gates >= limiter->spec.max_waiters)
		return LIMITER_E_CROWDED;
	r = limiter_find_cell(limiter, key, cost, &cell);
	if (r != 0)
		return r;
	gate = calloc(1, sizeof(*gate));
	if (!gate)
		return -ENOMEM;
	r = claim_new(&gate->claim, cell, owner, 0, cost, -1);
	if (r < 0) {
		free(gate);
		return r;
	}
	gate->claim->gate = gate;
	gate->claim->state = CLAIM_IDLE;
	limiter->gates++;
	*ret = gate;
	return 0;
}

struct gate *gate_free(struct gate *gate) {
	if (gate) {
		if (gate->claim->cell)
			gate->claim->cell->limiter->gates--;
		(void)claim_end(gate->claim);
		free(gate);
	}
	return NULL;
}

void gate_drop(struct source *source) {
	struct gate *gate = gate_of(source);

	(void)map_remove(&source->owner->gates, source->handle);
	source->gated = false;
	gate_free(gate);
}

int gate_set(struct gate *gate, struct owner *owner, uint64_t handle) {
	struct source *source = owner_find(owner, handle);
	int r = 0;

	if (!source) {
		gate_free(gate);
		return 0;
	}
	if (source->gated)
		gate_drop(source);
	if (gate)
		r = map_insert(&owner->gates, handle, gate);
	if (r < 0)
		gate_free(gate);
	else if (gate) {
		gate->source = source;
		source->gated = true;
	}
	if (source->held && (!source->gated || gate_asks(source)))
		source_release(source);
	return r;
}

bool gate_asks(struct source *source) {
	struct claim *claim = gate_of(source)->claim;

	return !claim->cell || limiter_ask(claim) != LIMITER_E_QUEUED;
}

void gate_taken(struct source *source) {
	gate_of(source)->claim->state = CLAIM_IDLE;
}

void gate_left(struct source *source) {
	claim_give_back(gate_of(source)->claim);
}

void gate_answered(struct gate *gate) {
	source_release(gate->source);
}

bool gate_progress(const struct source *source, struct gate_progress *ret) {
	const struct claim *claim = source->gated ? gate_of(source)->claim : NULL;

	if (!claim || !claim->cell || claim->cell->limiter->removed)
		return false;
	*ret = (struct gate_progress){
		.limiter = claim->cell->limiter,
		.limiter_uid = claim->cell->limiter->tenant->uid,
		.key = { .data = claim->cell->key, .size = claim->cell->key_size },
		.cost = claim->cost,
	};
	return true;
}
