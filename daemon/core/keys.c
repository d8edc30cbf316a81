/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the way from a key to a thing.  Linear probing; removal moves back what follows, so that there are no tombstones and
 * a table that has emptied is as fast as a new one (D. Knuth, The Art of Computer Programming 6.4, algorithm R).
 * Knows nothing of what the things are.
 */

#include "daemon/core/keys.h"

#include <string.h>
#include <sys/random.h>

#define SIZE_MIN 8

int keys_init(struct keys *keys, const void *(*key)(const void *thing, size_t *ret_size)) {
	*keys = (struct keys){ .key = key };
	if (getrandom(keys->secret, sizeof(keys->secret), 0) != sizeof(keys->secret))
		return errno ? -errno : -EIO;
	return 0;
}

void keys_deinit(struct keys *keys) {
	free(keys->slots);
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

static size_t home(const struct keys *keys, const void *thing) {
	size_t size;
	const void *key = keys->key(thing, &size);

	return hash(keys, key, size) & (keys->size - 1);
}

static bool has_key(const struct keys *keys, const void *thing, const void *key, size_t size) {
	size_t own_size;
	const void *own = keys->key(thing, &own_size);

	return own_size == size && memcmp(own, key, size) == 0;
}

/* Return: the slot of that key, or keys->size. */
static size_t find_slot(const struct keys *keys, const void *key, size_t size) {
	if (keys->used == 0)
		return keys->size;
	for (size_t i = hash(keys, key, size);; i++) {
		i &= keys->size - 1;
		if (!keys->slots[i])
			return keys->size;
		if (has_key(keys, keys->slots[i], key, size))
			return i;
	}
}

void *keys_find(const struct keys *keys, const void *key, size_t size) {
	size_t slot = find_slot(keys, key, size);

	return slot < keys->size ? keys->slots[slot] : NULL;
}

static void place(struct keys *keys, void *thing) {
	size_t i = home(keys, thing);

	while (keys->slots[i])
		i = (i + 1) & (keys->size - 1);
	keys->slots[i] = thing;
}

static int resize(struct keys *keys, size_t size) {
	void **old = keys->slots, **slots = calloc(size, sizeof(*slots));
	size_t old_size = keys->size;

	if (!slots)
		return -ENOMEM;
	keys->slots = slots;
	keys->size = size;
	keys->hand = 0;
	for (size_t i = 0; i < old_size; i++)
		if (old[i])
			place(keys, old[i]);
	free(old);
	return 0;
}

int keys_add(struct keys *keys, void *thing) {
	/* At most three quarters are used: probes stay short, and a slot costs eleven bytes at worst before it grows. */
	if (keys->used + 1 > keys->size / 4 * 3) {
		int r = resize(keys, MAX(keys->size * 2, (size_t)SIZE_MIN));

		if (r < 0)
			return r;
	}
	place(keys, thing);
	keys->used++;
	return 0;
}

void keys_remove(struct keys *keys, const void *key, size_t size) {
	size_t hole = find_slot(keys, key, size), mask = keys->size - 1;

	if (hole >= keys->size)
		return;
	for (size_t i = (hole + 1) & mask; keys->slots[i]; i = (i + 1) & mask) {
		/* May it move to the hole, which lies between its home and its place? */
		if (((i - home(keys, keys->slots[i])) & mask) < ((i - hole) & mask))
			continue;
		keys->slots[hole] = keys->slots[i];
		hole = i;
	}
	keys->slots[hole] = NULL;
	keys->used--;
	if (keys->size > SIZE_MIN && keys->used < keys->size / 8)
		(void)resize(keys, keys->size / 2); /* it stays as it is where there is no memory */
}

bool keys_sweep(struct keys *keys, size_t n, bool (*idle)(const void *thing, const void *userdata),
		const void *userdata, void **ret_thing) {
	for (n = MIN(n, keys->size); n > 0; n--) {
		void *thing;

		keys->hand = (keys->hand + 1) & (keys->size - 1);
		thing = keys->slots[keys->hand];
		if (!thing || !idle(thing, userdata))
			continue;
		*ret_thing = thing;
		return true;
	}
	return false;
}

void *keys_next(const struct keys *keys, size_t *position) {
	while (*position < keys->size) {
		void *thing = keys->slots[(*position)++];

		if (thing)
			return thing;
	}
	return NULL;
}
