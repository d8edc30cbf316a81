/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the way from a key to a thing.  Linear probing; removal moves back what follows, so that there are no tombstones and
 * a table that has emptied is as fast as a new one (D. Knuth, The Art of Computer Programming 6.4, algorithm R).  Only a table that things
 * are moved from has tombstones.  Knows nothing of what the things are.
 */

#include "daemon/core/keys.h"

#include <string.h>
#include <sys/random.h>

#define SIZE_MIN 8
#define MOVED_AT_ONCE 8 /* things that a change moves over */
#define PASSED_AT_ONCE                                                                                                 \
	32 /* slots that it looks at for that: a table is moved over long before the next one is full, or empty */

int keys_init(struct keys *keys, const void *(*key)(const void *thing, size_t *ret_size)) {
	*keys = (struct keys){ .key = key };
	if (getrandom(keys->secret, sizeof(keys->secret), 0) != sizeof(keys->secret))
		return errno ? -errno : -EIO;
	return 0;
}

void keys_deinit(struct keys *keys) {
	free(keys->table.slots);
	free(keys->former.slots);
	*keys = (struct keys){ 0 };
}

#define ROTATE(x, n) ((x) << (n) | (x) >> (64 - (n)))

static void sip_round(uint64_t v[4]) {
	v[0] += v[1];
	v[1] = ROTATE(v[1], 13) ^ v[0];
	v[0] = ROTATE(v[0], 32);
	v[2] += v[3];
	v[3] = ROTATE(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = ROTATE(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = ROTATE(v[1], 17) ^ v[2];
	v[2] = ROTATE(v[2], 32);
}

/* SipHash-1-3, for tables: J.-P. Aumasson, D. J. Bernstein, SipHash: a fast short-input PRF (2012), section 2. */
static uint64_t hash(const struct keys *keys, const void *key, size_t size) {
	uint64_t v[4] = {
		keys->secret[0] ^ UINT64_C(0x736f6d6570736575),
		keys->secret[1] ^ UINT64_C(0x646f72616e646f6d),
		keys->secret[0] ^ UINT64_C(0x6c7967656e657261),
		keys->secret[1] ^ UINT64_C(0x7465646279746573),
	};
	const uint8_t *p = key;
	uint64_t word;
	size_t left;

	for (left = size; left >= 8; left -= 8, p += 8) {
		memcpy(&word, p, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)size << 56;
	for (size_t i = 0; i < left; i++)
		word |= (uint64_t)p[i] << (8 * i);
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (unsigned i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t hash_of(const struct keys *keys, const void *thing) {
	size_t size;
	const void *key = keys->key(thing, &size);

	return hash(keys, key, size);
}

/* ---- one table ---- */

/* In a former table, in place of a thing that is gone: what lies behind it is still found. */
static char gone;
#define GONE ((void *)&gone)

static bool has_key(const struct keys *keys, const void *thing, const void *key, size_t size) {
	size_t own_size;
	const void *own;

	if (thing == GONE)
		return false;
	own = keys->key(thing, &own_size);
	return own_size == size && memcmp(own, key, size) == 0;
}

/* Return: the slot of that key, whose hash that is; table->size: it is not there. */
static size_t find_slot(const struct keys *keys, const struct keys_table *table, const void *key, size_t size,
			uint64_t hash) {
	if (table->size == 0)
		return 0;
	for (size_t i = hash;; i++) {
		i &= table->size - 1;
		if (!table->slots[i])
			return table->size;
		if (has_key(keys, table->slots[i], key, size))
			return i;
	}
}

static void place(struct keys_table *table, void *thing, uint64_t hash) {
	size_t i = hash & (table->size - 1);

	while (table->slots[i])
		i = (i + 1) & (table->size - 1);
	table->slots[i] = thing;
}

/* Of the table that things are added to. */
static void clear_slot(struct keys *keys, size_t hole) {
	struct keys_table *table = &keys->table;
	size_t mask = table->size - 1;

	for (size_t i = (hole + 1) & mask; table->slots[i]; i = (i + 1) & mask) {
		/* May it move to the hole, which lies between its home and its place? */
		if (((i - hash_of(keys, table->slots[i])) & mask) < ((i - hole) & mask))
			continue;
		table->slots[hole] = table->slots[i];
		hole = i;
	}
	table->slots[hole] = NULL;
}

/* ---- from one to the next ---- */

/* Move over what is in that many more slots, but not more than so many things. */
static void move_over(struct keys *keys, size_t slots, size_t things) {
	struct keys_table *former = &keys->former;

	for (; slots > 0 && things > 0 && keys->n_moved < former->size; slots--, keys->n_moved++) {
		void **slot = &former->slots[keys->n_moved];

		if (!*slot || *slot == GONE)
			continue;
		place(&keys->table, *slot, hash_of(keys, *slot));
		*slot = GONE;
		things--;
	}
	if (keys->n_moved < former->size)
		return;
	free(former->slots);
	*former = (struct keys_table){ 0 };
}

static int resize(struct keys *keys, size_t size) {
	void **slots = calloc(size, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	move_over(keys, SIZE_MAX, SIZE_MAX); /* they have been long ago */
	keys->former = keys->table;
	keys->n_moved = 0;
	keys->table = (struct keys_table){ .slots = slots, .size = size };
	return 0;
}

/* ---- both ---- */

void *keys_find(const struct keys *keys, const void *key, size_t size) {
	uint64_t h = hash(keys, key, size);
	size_t slot = find_slot(keys, &keys->table, key, size, h);

	if (slot < keys->table.size)
		return keys->table.slots[slot];
	slot = find_slot(keys, &keys->former, key, size, h);
	return slot < keys->former.size ? keys->former.slots[slot] : NULL;
}

int keys_add(struct keys *keys, void *thing) {
	/* At most three quarters are used: probes stay short, and a slot costs eleven bytes at worst before it grows. */
	if (keys->used + 1 > keys->table.size / 4 * 3) {
		int r = resize(keys, MAX(keys->table.size * 2, (size_t)SIZE_MIN));

		if (r < 0)
			return r;
	}
	place(&keys->table, thing, hash_of(keys, thing));
	keys->used++;
	move_over(keys, PASSED_AT_ONCE, MOVED_AT_ONCE);
	return 0;
}

void keys_remove(struct keys *keys, const void *key, size_t size) {
	uint64_t h = hash(keys, key, size);
	size_t slot = find_slot(keys, &keys->table, key, size, h);

	if (slot < keys->table.size) {
		clear_slot(keys, slot);
	} else {
		slot = find_slot(keys, &keys->former, key, size, h);
		if (slot >= keys->former.size)
			return;
		keys->former.slots[slot] = GONE;
	}
	keys->used--;
	move_over(keys, PASSED_AT_ONCE, MOVED_AT_ONCE);
	if (keys->former.size == 0 && keys->table.size > SIZE_MIN && keys->used < keys->table.size / 8)
		(void)resize(keys, keys->table.size / 2); /* it stays as it is where there is no memory */
}

/* The slots of the former table, then those of the other.  Return: NULL: there is nothing. */
static void *look(const struct keys *keys, size_t i) {
	void *thing = i < keys->former.size ? keys->former.slots[i] : keys->table.slots[i - keys->former.size];

	return thing == GONE ? NULL : thing;
}

bool keys_sweep(struct keys *keys, size_t n, bool (*idle)(void *thing), void **ret_thing) {
	size_t size = keys->former.size + keys->table.size;

	for (n = MIN(n, size); n > 0; n--) {
		void *thing;

		keys->hand = keys->hand + 1 < size ? keys->hand + 1 : 0;
		thing = look(keys, keys->hand);
		if (!thing || !idle(thing))
			continue;
		*ret_thing = thing;
		return true;
	}
	return false;
}

void *keys_next(const struct keys *keys, size_t *position) {
	while (*position < keys->former.size + keys->table.size) {
		void *thing = look(keys, (*position)++);

		if (thing)
			return thing;
	}
	return NULL;
}
