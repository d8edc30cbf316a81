/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A queue of deadlines: a heap with four children a node, so that a million entries are ten levels and
 * a node's children are neighbours in memory.  Equal deadlines leave in the order of their sequence numbers.
 *
 * What is queued keeps its own place, a uint32_t, and is found from there by container_of().  Room is
 * reserved when a thing comes into being, so that queueing it, however often, never fails.
 */

#include "proto/base.h"

struct queue_entry {
	int64_t deadline;
	uint64_t seq;
	uint32_t *place; /* of what is queued: its index in `entries` */
};

struct queue {
	struct queue_entry *entries;
	size_t used;
	size_t reserved; /* things that may be in the queue at the same time */
	size_t capacity;
};

#define QUEUE_INIT                                                                                                     \
	{ .entries = NULL }

void queue_deinit(struct queue *queue);

/* Make room for one more thing, or give it back.  Return: 0, -ENOMEM. */
int queue_reserve(struct queue *queue);
void queue_release(struct queue *queue);

/* Return: the entry to leave first, or NULL.  Valid until the queue changes. */
static inline const struct queue_entry *queue_first(const struct queue *queue) {
	return queue->used > 0 ? &queue->entries[0] : NULL;
}

/* Queue a thing that is not, for which room is reserved. */
void queue_insert(struct queue *queue, uint32_t *place, int64_t deadline, uint64_t seq);

/* Give a queued thing another deadline and sequence number. */
void queue_update(struct queue *queue, uint32_t *place, int64_t deadline, uint64_t seq);

/* Take a queued thing out. */
void queue_remove(struct queue *queue, uint32_t *place);

/* Restore the order after deadlines were changed in place, in `entries`. */
void queue_rebuild(struct queue *queue);
