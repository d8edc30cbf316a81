/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the nodes of an ordered map.  A node at shift S tells keys apart by their six bits from S on; all
 * keys below it agree in the bits above.  Levels at which all keys agree have no node, so an inner node
 * has at least two children and the depth is at most eleven.
 *
 * Knows nothing of what the values are.  glibc's tsearch would do the same at six times the memory, and
 * its hsearch has no removal.
 */

#include "daemon/core/map.h"

#include <string.h>

#define DIGIT_BITS 6
#define FANOUT 64
#define DEPTH_MAX 11

struct node {
	uint64_t bitmap; /* which of the 64 children are there */
	uint64_t prefix; /* a key of this node with its digit and all bits below cleared */
	uint8_t shift;
	uint8_t size; /* index of node_capacities */
	/* shift 0: values; else nodes.  With room for all 64, each is at the place of its digit, so that in a large map a
	 * change touches two cache lines; with less room they are in the order of their digits, without holes. */
	void *slots[];
};

/* A node that is full becomes one of the next size, one that would fill half of the size below becomes that. */
static const unsigned node_capacities[MAP_NODE_SIZES] = { 2, 6, 20, FANOUT };
#define SIZE_FULL (MAP_NODE_SIZES - 1)

/* The bits of `key` above the digit at `shift`. */
static uint64_t key_above(uint64_t key, unsigned shift) {
	return shift + DIGIT_BITS < 64 ? key >> (shift + DIGIT_BITS) : 0;
}

static unsigned key_digit(uint64_t key, unsigned shift) {
	return (unsigned)(key >> shift) & (FANOUT - 1);
}

static unsigned node_count(const struct node *node) {
	return (unsigned)__builtin_popcountll(node->bitmap);
}

static bool node_has(const struct node *node, unsigned digit) {
	return node->bitmap >> digit & 1;
}

/* Where the child of that digit is, or would be. */
static unsigned node_position(const struct node *node, unsigned digit) {
	if (node->size == SIZE_FULL)
		return digit;
	return (unsigned)__builtin_popcountll(node->bitmap & ((UINT64_C(1) << digit) - 1));
}

/* The first child whose digit is not below `digit`, or NULL. */
static void *node_from(const struct node *node, unsigned digit) {
	uint64_t rest = digit < FANOUT ? node->bitmap >> digit << digit : 0;

	return rest ? node->slots[node_position(node, (unsigned)__builtin_ctzll(rest))] : NULL;
}

void map_memory_init(struct map_memory *memory) {
	for (unsigned size = 0; size < MAP_NODE_SIZES; size++)
		pool_init(&memory->nodes[size], sizeof(struct node) + node_capacities[size] * sizeof(void *));
}

void map_memory_deinit(struct map_memory *memory) {
	for (unsigned size = 0; size < MAP_NODE_SIZES; size++)
		pool_deinit(&memory->nodes[size]);
}

static void node_free(struct map *map, struct node *node) {
	pool_give(&map->memory->nodes[node->size], node);
}

/* A node that `key` belongs to, with nothing in it. */
static struct node *node_new(struct map *map, uint64_t key, unsigned shift) {
	struct node *node = pool_take(&map->memory->nodes[0]);

	if (!node)
		return NULL;
	node->bitmap = 0;
	node->prefix = shift + DIGIT_BITS < 64 ? key_above(key, shift) << (shift + DIGIT_BITS) : 0;
	node->shift = (uint8_t)shift;
	node->size = 0;
	return node;
}

/* Put a node of another size in the place of this one. */
static int node_resize(struct map *map, void **link, unsigned size) {
	struct node *old = *link, *new = pool_take(&map->memory->nodes[size]);

	if (!new)
		return -ENOMEM;
	new->bitmap = old->bitmap;
	new->prefix = old->prefix;
	new->shift = old->shift;
	new->size = (uint8_t)size;
	for (uint64_t rest = old->bitmap; rest; rest &= rest - 1) {
		unsigned digit = (unsigned)__builtin_ctzll(rest);

		new->slots[node_position(new, digit)] = old->slots[node_position(old, digit)];
	}
	node_free(map, old);
	*link = new;
	return 0;
}

/* Add a child that is not there; the node may move. */
static int node_add(struct map *map, void **link, unsigned digit, void *child) {
	struct node *node = *link;
	unsigned count = node_count(node), position;

	if (count == node_capacities[node->size]) {
		int r = node_resize(map, link, node->size + 1u);

		if (r < 0)
			return r;
		node = *link;
	}
	position = node_position(node, digit);
	if (node->size < SIZE_FULL)
		memmove(&node->slots[position + 1], &node->slots[position], (count - position) * sizeof(void *));
	node->slots[position] = child;
	node->bitmap |= UINT64_C(1) << digit;
	return 0;
}

/* Take a child out; the node may move, but is not freed. */
static void node_drop(struct map *map, void **link, unsigned digit) {
	struct node *node = *link;
	unsigned position = node_position(node, digit), count;

	node->bitmap &= ~(UINT64_C(1) << digit);
	count = node_count(node);
	if (node->size < SIZE_FULL)
		memmove(&node->slots[position], &node->slots[position + 1], (count - position) * sizeof(void *));
	if (node->size > 0 && count <= node_capacities[node->size - 1] / 2)
		(void)node_resize(map, link, node->size - 1u); /* no memory to shrink: it stays as it is */
}

/* A leaf with one value. */
static struct node *leaf_new(struct map *map, uint64_t key, void *value) {
	struct node *leaf = node_new(map, key, 0);

	if (!leaf)
		return NULL;
	leaf->bitmap = UINT64_C(1) << key_digit(key, 0);
	leaf->slots[0] = value;
	return leaf;
}

/* Put a node above *link, which does not hold `key`, at the highest digit in which they differ; `leaf` becomes its other child. */
static int node_fork(struct map *map, void **link, uint64_t key, struct node *leaf) {
	struct node *node = *link, *parent;
	unsigned bit = 63 - (unsigned)__builtin_clzll(key ^ node->prefix);
	unsigned shift = bit / DIGIT_BITS * DIGIT_BITS;
	unsigned old = key_digit(node->prefix, shift), new = key_digit(key, shift);

	parent = node_new(map, key, shift);
	if (!parent)
		return -ENOMEM;
	parent->bitmap = UINT64_C(1) << old | UINT64_C(1) << new;
	parent->slots[old > new] = node;
	parent->slots[new > old] = leaf;
	*link = parent;
	return 0;
}

/* Put a key at *link: the leaf that it belongs to, or the node above its place, or one that stands where its leaf would be. */
static int map_insert_at(struct map *map, void **link, uint64_t key, void *value) {
	struct node *node = *link, *leaf;
	int r;

	if (node && node->shift == 0 && key_above(key, 0) == key_above(node->prefix, 0))
		return node_add(map, link, key_digit(key, 0), value);

	leaf = leaf_new(map, key, value);
	if (!leaf)
		return -ENOMEM;
	if (!node) {
		*link = leaf;
		return 0;
	}
	if (key_above(key, node->shift) == key_above(node->prefix, node->shift))
		r = node_add(map, link, key_digit(key, node->shift), leaf);
	else
		r = node_fork(map, link, key, leaf);
	if (r < 0)
		node_free(map, leaf);
	return r;
}

int map_insert(struct map *map, uint64_t key, void *value) {
	void **link = &map->root;
	int r;

	for (struct node *node; (node = *link);) {
		unsigned digit = key_digit(key, node->shift);

		if (key_above(key, node->shift) != key_above(node->prefix, node->shift) || !node_has(node, digit))
			break;
		if (node->shift == 0)
			return MAP_E_EXISTS;
		link = &node->slots[node_position(node, digit)];
	}

	r = map_insert_at(map, link, key, value);
	if (r < 0)
		return r;
	map->count++;
	return 0;
}

void *map_find(const struct map *map, uint64_t key) {
	void *p = map->root;

	for (const struct node *node; (node = p);) {
		unsigned digit = key_digit(key, node->shift);

		if (key_above(key, node->shift) != key_above(node->prefix, node->shift) || !node_has(node, digit))
			return NULL;
		p = node->slots[node_position(node, digit)];
		if (node->shift == 0)
			return p;
	}
	return NULL;
}

static void *node_first(const struct node *node) {
	while (node->shift > 0)
		node = node_from(node, 0);
	return node_from(node, 0);
}

void *map_find_from(const struct map *map, uint64_t key) {
	const struct node *node = map->root;
	const struct node *after = NULL; /* the nearest subtree in which every key is above `key` */

	while (node) {
		uint64_t above = key_above(key, node->shift), own = key_above(node->prefix, node->shift);
		unsigned digit = key_digit(key, node->shift);
		void *next;

		if (own != above) {
			if (own > above)
				after = node;
			break;
		}
		if (node->shift == 0) {
			next = node_from(node, digit);
			if (next)
				return next;
			break;
		}
		next = node_from(node, digit + 1);
		if (next)
			after = next;
		node = node_has(node, digit) ? node->slots[node_position(node, digit)] : NULL;
	}
	return after ? node_first(after) : NULL;
}

bool map_remove(struct map *map, uint64_t key) {
	void **path[DEPTH_MAX], **link = &map->root;
	struct node *node;
	unsigned depth = 0;

	for (;;) {
		node = *link;
		if (!node || key_above(key, node->shift) != key_above(node->prefix, node->shift) ||
		    !node_has(node, key_digit(key, node->shift)))
			return false;
		path[depth++] = link;
		if (node->shift == 0)
			break;
		link = &node->slots[node_position(node, key_digit(key, node->shift))];
	}
	map->count--;

	/* A leaf that becomes empty goes, and with it a parent that is left with one child. */
	link = path[--depth];
	if (node_count(node) > 1) {
		node_drop(map, link, key_digit(key, 0));
		return true;
	}
	node_free(map, node);
	*link = NULL;
	if (depth == 0)
		return true;
	link = path[--depth];
	node = *link;
	node_drop(map, link, key_digit(key, node->shift));
	node = *link;
	if (node_count(node) == 1) {
		*link = node_from(node, 0);
		node_free(map, node);
	}
	return true;
}
