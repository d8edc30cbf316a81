/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A map from 64-bit keys to pointers, ordered by key: a radix tree of 64-way nodes that hold only the
 * children they have.  Handles and ids are given in rising order, and for those a key costs nine bytes;
 * no key, however chosen, costs a hundred.  Nothing is ever rehashed, so no call takes
 * longer because the map is large, and what is removed is given back.
 */

#include "daemon/core/pool.h"

#define MAP_NODE_SIZES 4

/* Where the nodes of several maps come from. */
struct map_memory {
	struct pool nodes[MAP_NODE_SIZES];
};

struct map {
	void *root; /* struct node, or NULL */
	size_t count;
	struct map_memory *memory; /* borrowed */
};

void map_memory_init(struct map_memory *memory);

/* Every map of it must be empty. */
void map_memory_deinit(struct map_memory *memory);

/* A map that is empty needs no clearing up. */
static inline void map_init(struct map *map, struct map_memory *memory) {
	*map = (struct map){ .memory = memory };
}

enum {
	MAP_E_EXISTS = 1, /* the key is taken */
};

/* Put `value`, which must not be NULL, at `key`.  Return: 0, MAP_E_EXISTS, -ENOMEM. */
int map_insert(struct map *map, uint64_t key, void *value);

/* Return: the value at `key`, or NULL. */
void *map_find(const struct map *map, uint64_t key);

/* Return: the value of the smallest key that is not below `key`, or NULL. */
void *map_find_from(const struct map *map, uint64_t key);

/* Take the value at `key` out.  Return: false: there was none. */
bool map_remove(struct map *map, uint64_t key);
