/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A table of things by key, where a key is some bytes of a peer's choice: open addressing, eight bytes a slot.  The hash is
 * keyed with a secret of this process, so that no choice of keys makes a lookup slow.  The key is kept by the thing itself.
 * Nothing takes long, however many there are: a table that grows or shrinks moves a few things with each change.
 */

#include "proto/base.h"

struct keys_table {
	void **slots; /* NULL: free */
	size_t size; /* a power of two, or 0 */
};

struct keys {
	struct keys_table table;
	struct keys_table former; /* from where things are moved over; its size is 0: all have been */
	size_t n_moved; /* slots of `former`, from the first */
	size_t used; /* of both */
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
bool keys_sweep(struct keys *keys, size_t n, bool (*idle)(void *thing), void **ret_thing);

/* The first thing at or behind slot *position, which is moved behind it; begin with 0.  Whatever is there all the time is met, unless
 * something is added or removed meanwhile.  NULL: no more. */
void *keys_next(const struct keys *keys, size_t *position);
