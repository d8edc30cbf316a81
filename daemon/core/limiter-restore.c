/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what of a limiter is told to another daemon, and what becomes of that there.  Knows nothing of how it gets there.
 */

#include "daemon/core/limiter-private.h"
#include "daemon/core/progress.h"
#include "daemon/core/scheduler-private.h"

/* ---- buckets that are kept ---- */

bool limiter_next_bucket(struct limiter *limiter, size_t *position, struct limiter_bucket *ret) {
	struct cell *cell;

	while (limiter->spec.kind == LIMITER_KIND_RATE && (cell = limiter_next_cell(limiter, position))) {
		/* Who goes on with it must not grant what may have been taken. */
		if (cell_renew(cell) != 0) {
			cell_read_empty(cell, ret);
			return true;
		}
		if (cell_idle_at(cell) <= cell_now(cell))
			continue;
		cell_read_bucket(cell, ret);
		return true;
	}
	return false;
}

int limiter_restore_bucket(struct limiter *limiter, const struct limiter_bucket *bucket) {
	struct limiter_key key = bucket->key;
	struct cell *cell;
	int r;

	if (limiter->spec.kind != LIMITER_KIND_RATE)
		return LIMITER_E_KIND;
	if (bucket->n != limiter->spec.rules.n)
		return LIMITER_E_RANGE;
	/* What was shared by the keys beyond max_keys has none. */
	r = key.size == 0 ? limiter_get_common(limiter, &cell) : limiter_get_cell(limiter, key, &cell);
	if (r != 0)
		return r;
	for (unsigned i = 0; i < bucket->n; i++) {
		uint64_t word = MIN(bucket->words[i], GCRA_TICKS_MAX);

		if (bucket->taken)
			word = MAX(word, atomic_load(&cell->bucket.words[i]));
		atomic_store(&cell->bucket.words[i], word);
	}
	cell->bucket.hold_until_ns = bucket->hold_until_ns;
	return 0;
}

void limiter_set_drained(struct limiter *limiter, int64_t boottime_ns) {
	limiter->drained_ns = boottime_ns;
}

/* ---- what outlives this process in any case ---- */

void limiter_changed(struct limiter *limiter) {
	marks_change(&limiter->tenant->scheduler->marks);
}

void limiter_taken(struct limiter *limiter, uint64_t cost) {
	limiter->allowed += cost;
	marks_touch(&limiter->tenant->scheduler->marks, limiter->mark);
}

uint32_t limiter_mark(struct limiter *limiter) {
	struct marks *marks = &limiter->tenant->scheduler->marks;

	if (limiter->mark == MARKS_SHARED)
		limiter->mark = marks_take(marks);
	else
		marks_keep(marks, limiter->mark);
	return limiter->mark;
}

/* ---- going on in another process ---- */

void limiter_progress(const struct limiter *limiter, struct limiter_progress *ret) {
	*ret = (struct limiter_progress){
		.allowed = limiter->allowed,
		.denied = limiter->denied,
		.repaired = limiter->repaired,
		.created_realtime_ns = limiter->created_realtime_ns,
		.drained_ns = limiter->drained_ns,
		.memory = limiter->memory,
	};
}

void limiter_restore(struct limiter *limiter, const struct limiter_progress *progress) {
	limiter->allowed = progress->allowed;
	limiter->denied = progress->denied;
	limiter->repaired = progress->repaired;
	limiter->created_realtime_ns = progress->created_realtime_ns;
}

void limiter_release_memory(struct limiter *limiter, int *ret_config_fd, int *ret_state_fd) {
	*ret_config_fd = *ret_state_fd = -1;
	if (limiter->memory)
		cell_release_memory(limiter->common, ret_config_fd, ret_state_fd);
}

int limiter_adopt_memory(struct limiter *limiter, struct shared_memory *memory) {
	struct cell *cell;

	if (limiter->memory || limiter->spec.keyed || limiter_get_cell(limiter, (struct limiter_key){ 0 }, &cell) != 0)
		return LIMITER_E_KIND;
	return cell_adopt_memory(cell, memory);
}
