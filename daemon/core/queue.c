/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the order in which deadlines come up.  Knows nothing of clocks, nor of what is queued.
 */

#include "daemon/core/queue.h"

#include <assert.h>

#define ARITY 4u
#define CAPACITY_MIN 16u

static bool entry_before(const struct queue_entry *a, const struct queue_entry *b) {
	return a->deadline < b->deadline || (a->deadline == b->deadline && a->seq < b->seq);
}

static void queue_put(struct queue *queue, size_t i, struct queue_entry entry) {
	queue->entries[i] = entry;
	*entry.place = (uint32_t)i;
}

/* `entry` belongs at the hole `i` or nearer to the root. */
static void queue_rise(struct queue *queue, size_t i, struct queue_entry entry) {
	while (i > 0) {
		size_t parent = (i - 1) / ARITY;

		if (!entry_before(&entry, &queue->entries[parent]))
			break;
		queue_put(queue, i, queue->entries[parent]);
		i = parent;
	}
	queue_put(queue, i, entry);
}

/* The child of `i` that comes first; `i` has at least one. */
static size_t queue_first_child(const struct queue *queue, size_t i) {
	size_t best = ARITY * i + 1, end = MIN(best + ARITY, queue->used);

	for (size_t child = best + 1; child < end; child++)
		if (entry_before(&queue->entries[child], &queue->entries[best]))
			best = child;
	return best;
}

/* `entry` belongs at the hole `i` or farther from the root. */
static void queue_sink(struct queue *queue, size_t i, struct queue_entry entry) {
	while (ARITY * i + 1 < queue->used) {
		size_t child = queue_first_child(queue, i);

		if (!entry_before(&queue->entries[child], &entry))
			break;
		queue_put(queue, i, queue->entries[child]);
		i = child;
	}
	queue_put(queue, i, entry);
}

/* Give the queue another size; reserved room is never given up. */
static int queue_resize(struct queue *queue, size_t capacity) {
	struct queue_entry *entries;

	if (capacity == 0) {
		free(queue->entries);
		entries = NULL;
	} else {
		entries = reallocarray(queue->entries, capacity, sizeof(*entries));
		if (!entries)
			return -ENOMEM;
	}
	queue->entries = entries;
	queue->capacity = capacity;
	return 0;
}

void queue_deinit(struct queue *queue) {
	free(queue->entries);
	*queue = (struct queue)QUEUE_INIT;
}

int queue_reserve(struct queue *queue) {
	if (queue->reserved == queue->capacity) {
		int r = queue_resize(queue, MAX(CAPACITY_MIN, 2 * queue->capacity));

		if (r < 0)
			return r;
	}
	queue->reserved++;
	return 0;
}

void queue_release(struct queue *queue) {
	assert(queue->reserved > queue->used);
	queue->reserved--;
	if (queue->reserved == 0)
		(void)queue_resize(queue, 0);
	else if (queue->capacity > CAPACITY_MIN && queue->reserved <= queue->capacity / 4)
		(void)queue_resize(queue, queue->capacity / 2); /* no memory to shrink: it stays as large as it is */
}

void queue_insert(struct queue *queue, uint32_t *place, int64_t deadline, uint64_t seq) {
	assert(queue->used < queue->reserved);
	queue_rise(queue, queue->used++, (struct queue_entry){ .deadline = deadline, .seq = seq, .place = place });
}

/* Put `entry` where it belongs, starting from the hole `i`. */
static void queue_settle(struct queue *queue, size_t i, struct queue_entry entry) {
	if (i > 0 && entry_before(&entry, &queue->entries[(i - 1) / ARITY]))
		queue_rise(queue, i, entry);
	else
		queue_sink(queue, i, entry);
}

void queue_update(struct queue *queue, uint32_t *place, int64_t deadline, uint64_t seq) {
	assert(*place < queue->used && queue->entries[*place].place == place);
	queue_settle(queue, *place, (struct queue_entry){ .deadline = deadline, .seq = seq, .place = place });
}

void queue_remove(struct queue *queue, uint32_t *place) {
	size_t i = *place;
	struct queue_entry last;

	assert(i < queue->used && queue->entries[i].place == place);
	last = queue->entries[--queue->used];
	if (i == queue->used)
		return;
	if (i > 0) {
		queue_settle(queue, i, last);
		return;
	}

	/* The last entry nearly always belongs near the leaves again: bring the hole down there without looking at it. */
	while (ARITY * i + 1 < queue->used) {
		size_t child = queue_first_child(queue, i);

		queue_put(queue, i, queue->entries[child]);
		i = child;
	}
	queue_rise(queue, i, last);
}

void queue_rebuild(struct queue *queue) {
	for (size_t i = queue->used; i-- > 0;)
		queue_sink(queue, i, queue->entries[i]);
}
