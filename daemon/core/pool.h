/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Memory for a great many things of one size: without malloc's eight bytes for each, each in as few cache
 * lines as it can be, and given back to the system as they go rather than kept in lists.  What is armed by the
 * million and goes in another order leaves malloc with a million holes, and returning those takes it a tenth of a second.
 */

#include <sys/queue.h>

#include "proto/base.h"

struct slab;

struct pool {
	size_t size; /* of a thing: a multiple of its alignment, and of that of a pointer */
	LIST_HEAD(, slab) open; /* slabs with room */
	struct slab
		*spare; /* an empty one, kept lest one thing that comes and goes costs two system calls; may be NULL */
	size_t slabs; /* in all */
};

void pool_init(struct pool *pool, size_t size);

/* Everything must have been given back. */
void pool_deinit(struct pool *pool);

/* Return: room for one thing, not cleared; NULL: no memory. */
void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *thing);
