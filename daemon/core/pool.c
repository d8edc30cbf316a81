/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns slabs: pieces of 64 KiB, aligned to their size so that a thing finds its slab by its address.  A slab is
 * mapped when the others are full and unmapped when it is empty.
 *
 * Under the address sanitizer each thing is malloc's own, so that a use after it was given back is found.
 */

#include "daemon/core/pool.h"

#include <assert.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define POOL_PLAIN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_PLAIN 1
#endif
#endif
#ifndef POOL_PLAIN
#define POOL_PLAIN 0
#endif

#define SLAB_SIZE 65536u
#define SLAB_HEADER 64u /* a cache line, so that things of a line each have one */

struct slab {
	LIST_ENTRY(slab) link; /* pool::open, while there is room */
	void *free; /* things given back, each pointing to the next */
	unsigned used;
	unsigned fresh; /* things handed out at least once; those behind have not been touched */
};

static unsigned slab_capacity(const struct pool *pool) {
	return (unsigned)((SLAB_SIZE - SLAB_HEADER) / pool->size);
}

static struct slab *slab_of(void *thing) {
	return (struct slab *)((uintptr_t)thing & ~(uintptr_t)(SLAB_SIZE - 1));
}

static struct slab *slab_new(void) {
	/* Twice as much contains an aligned piece.  The upper one is kept: the kernel maps downwards, and neighbours merge. */
	char *p = mmap(NULL, 2 * SLAB_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *slab, *end = p + 2 * SLAB_SIZE;

	if (p == MAP_FAILED)
		return NULL;
	slab = (char *)slab_of(p + SLAB_SIZE);
	if (slab > p)
		(void)munmap(p, (size_t)(slab - p));
	if (slab + SLAB_SIZE < end)
		(void)munmap(slab + SLAB_SIZE, (size_t)(end - slab) - SLAB_SIZE);
	return (struct slab *)slab; /* all zero */
}

void pool_init(struct pool *pool, size_t size) {
	assert(size >= sizeof(void *) && size <= SLAB_SIZE / 16);
	*pool = (struct pool){ .size = size };
	LIST_INIT(&pool->open);
}

void pool_deinit(struct pool *pool) {
	assert(LIST_EMPTY(&pool->open));
	if (pool->spare)
		(void)munmap(pool->spare, SLAB_SIZE);
	pool->spare = NULL;
}

void *pool_take(struct pool *pool) {
	struct slab *slab = LIST_FIRST(&pool->open);
	void *thing;

	if (POOL_PLAIN)
		return malloc(pool->size);
	if (!slab) {
		slab = pool->spare ? TAKE_PTR(pool->spare) : slab_new();
		if (!slab)
			return NULL;
		pool->slabs += slab->fresh == 0; /* else it was the spare one, which has been counted */
		LIST_INSERT_HEAD(&pool->open, slab, link);
	}
	thing = slab->free;
	if (thing)
		slab->free = *(void **)thing;
	else
		thing = (char *)slab + SLAB_HEADER + slab->fresh++ * pool->size;
	if (++slab->used == slab_capacity(pool))
		LIST_REMOVE(slab, link);
	return thing;
}

void pool_give(struct pool *pool, void *thing) {
	struct slab *slab = slab_of(thing);

	if (POOL_PLAIN) {
		free(thing);
		return;
	}
	if (slab->used == slab_capacity(pool))
		LIST_INSERT_HEAD(&pool->open, slab, link);
	*(void **)thing = slab->free;
	slab->free = thing;
	if (--slab->used > 0)
		return;
	LIST_REMOVE(slab, link);
	if (!pool->spare) {
		pool->spare = slab;
		return;
	}
	(void)munmap(slab, SLAB_SIZE);
	pool->slabs--;
}
