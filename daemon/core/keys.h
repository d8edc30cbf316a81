/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A table of things by key, where a key is some bytes of a peer's choice: open addressing, eight bytes a slot.  The hash is
 * keyed with a secret of this process, so that no choice of keys makes a lookup slow.  The key is kept by the thing itself.
 */

#include "proto/base.h"

struct keys {
	void **slots; /* NULL: free */
	size_t size; /* a power of two, or 0 */
	size_t used;
	size_t hand; /* where keys_sweep() goes on */
	uint64_t secret[2];
	/* Where the thing keeps its key. */
	const void *(*key)(const void *thing, size_t *ret_size);
};

/* Return: 0, −errno: no randomness. */
int keys_init(struct keys *keys, const void *(*key)(const void *thing, size_t *ret_size));
void keys_deinit(struct keys *keys); /* the things are the caller's */

/* Return: the thing of that key, or NULL. */
void *keys_find(const struct keys *keys, const void *key, size_t size);

/* Add a thing whose key is not there yet.  Return: 0, -ENOMEM. */
int keys_add(struct keys *keys, void *thing);

void keys_remove(struct keys *keys, const void *key, size_t size);

/* Look at the next `n` slots, round and round: *ret_thing is the first thing that `idle` says yes to.  Return: false: none. */
bool keys_sweep(struct keys *keys, size_t n, bool (*idle)(const void *thing, const void *userdata),
		const void *userdata, void **ret_thing);

/* The first thing at or behind slot *position, which is moved behind it; begin with 0.  NULL: no more. */
void *keys_next(const struct keys *keys, size_t *position);
