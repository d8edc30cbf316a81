/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ordered map against a sorted array. */

#include "tests/unit/test.h"

#include <string.h>

#include "daemon/core/map.h"

#define KEYS 3000

static struct map_memory memory;

struct oracle {
	uint64_t keys[KEYS];
	size_t n;
};

/* The place of the first key that is not below `key`. */
static size_t oracle_from(const struct oracle *oracle, uint64_t key) {
	size_t i = 0;

	while (i < oracle->n && oracle->keys[i] < key)
		i++;
	return i;
}

static bool oracle_has(const struct oracle *oracle, uint64_t key) {
	size_t i = oracle_from(oracle, key);

	return i < oracle->n && oracle->keys[i] == key;
}

static void oracle_add(struct oracle *oracle, uint64_t key) {
	size_t i = oracle_from(oracle, key);

	memmove(&oracle->keys[i + 1], &oracle->keys[i], (oracle->n - i) * sizeof(uint64_t));
	oracle->keys[i] = key;
	oracle->n++;
}

static void oracle_drop(struct oracle *oracle, uint64_t key) {
	size_t i = oracle_from(oracle, key);

	oracle->n--;
	memmove(&oracle->keys[i], &oracle->keys[i + 1], (oracle->n - i) * sizeof(uint64_t));
}

/* A value that tells its key. */
static void *value_of(uint64_t key) {
	return (void *)(uintptr_t)(key * 2 + 1);
}

/* Keys as they come in life, and as an enemy would choose them. */
static uint64_t make_key(struct random *random, unsigned kind) {
	switch (kind) {
	case 0:
		return random_below(random, KEYS);
	case 1:
		return random_next(random);
	case 2:
		return random_below(random, 64) << 58 | random_below(random, 4);
	case 3:
		return UINT64_MAX - random_below(random, 200);
	default:
		return UINT64_C(1) << random_below(random, 64);
	}
}

static void check_from(const struct map *map, const struct oracle *oracle, uint64_t key) {
	size_t i = oracle_from(oracle, key);

	assert_ptr_equal(map_find_from(map, key), i < oracle->n ? value_of(oracle->keys[i]) : NULL);
}

static void run_against_oracle(unsigned kind) {
	static struct oracle oracle;
	struct random random = RANDOM_INIT;
	struct map map;

	map_memory_init(&memory);
	map_init(&map, &memory);
	oracle.n = 0;
	for (unsigned step = 0; step < 60000; step++) {
		uint64_t key = make_key(&random, kind);
		bool there = oracle_has(&oracle, key);

		assert_ptr_equal(map_find(&map, key), there ? value_of(key) : NULL);
		check_from(&map, &oracle, key);
		/* It grows for a while, then shrinks, and so on. */
		if (random_below(&random, 8) < (step / 8000 % 2 ? 2u : 6u)) {
			if (oracle.n == KEYS)
				continue;
			assert_int_equal(map_insert(&map, key, value_of(key)), there ? MAP_E_EXISTS : 0);
			if (!there)
				oracle_add(&oracle, key);
		} else if (random_below(&random, 4) && oracle.n > 0) {
			key = oracle.keys[random_below(&random, oracle.n)];
			assert_true(map_remove(&map, key));
			oracle_drop(&oracle, key);
		} else {
			assert_int_equal(map_remove(&map, key), there);
			if (there)
				oracle_drop(&oracle, key);
		}
		assert_int_equal(map.count, oracle.n);
	}
	while (oracle.n > 0) {
		uint64_t key = oracle.keys[random_below(&random, oracle.n)];

		assert_true(map_remove(&map, key));
		oracle_drop(&oracle, key);
	}
	assert_null(map.root);
	assert_int_equal(map.count, 0);
	map_memory_deinit(&memory); /* refuses if a node is left */
}

static void test_oracle(void **state) {
	(void)state;
	for (unsigned kind = 0; kind <= 4; kind++)
		run_against_oracle(kind);
}

static void test_empty(void **state) {
	struct map map;

	(void)state;
	map_memory_init(&memory);
	map_init(&map, &memory);
	assert_null(map_find(&map, 0));
	assert_null(map_find_from(&map, 0));
	assert_false(map_remove(&map, 0));
	assert_int_equal(map_insert(&map, UINT64_MAX, value_of(1)), 0);
	assert_int_equal(map_insert(&map, UINT64_MAX, value_of(2)), MAP_E_EXISTS);
	assert_ptr_equal(map_find(&map, UINT64_MAX), value_of(1));
	assert_ptr_equal(map_find_from(&map, 0), value_of(1));
	assert_true(map_remove(&map, UINT64_MAX));
	assert_null(map.root);
	map_memory_deinit(&memory);
}

/* The whole of it is walked in the order of its keys. */
static void test_walk(void **state) {
	struct random random = RANDOM_INIT;
	struct map map;
	uint64_t last = 0;
	size_t n = 0;

	(void)state;
	map_memory_init(&memory);
	map_init(&map, &memory);
	for (unsigned i = 0; i < 10000; i++) {
		uint64_t *key = malloc(sizeof(*key));

		assert_non_null(key);
		*key = 1 + random_below(&random, UINT64_C(1) << 40);
		if (map_insert(&map, *key, key) == MAP_E_EXISTS)
			free(key);
	}
	for (uint64_t *key; (key = map_find_from(&map, last + 1)); n++) {
		assert_true(*key > last);
		last = *key;
	}
	assert_int_equal(n, map.count);
	for (uint64_t *key; (key = map_find_from(&map, 0));) {
		assert_true(map_remove(&map, *key));
		free(key);
	}
	map_memory_deinit(&memory);
}

/* Bytes that are mapped for nodes; 0 where the address sanitizer has them. */
static size_t mapped(void) {
	size_t slabs = 0;

	for (unsigned size = 0; size < MAP_NODE_SIZES; size++)
		slabs += memory.nodes[size].slabs;
	return slabs * 65536;
}

/* Rising keys, as ids and handles are given, cost nine bytes; what is taken out is given back. */
static void test_memory(void **state) {
	struct random random = RANDOM_INIT;
	struct map map;

	(void)state;
	map_memory_init(&memory);
	map_init(&map, &memory);
	for (uint64_t key = 1; key <= 100000; key++)
		assert_int_equal(map_insert(&map, key, value_of(key)), 0);
	assert_true(mapped() <= 9 * 100000 + MAP_NODE_SIZES * 65536);
	for (uint64_t key = 1; key <= 100000; key++)
		if (key % 1000)
			assert_true(map_remove(&map, key));
	assert_true(mapped() <= 10 * 65536);
	for (uint64_t key = 1000; key <= 100000; key += 1000)
		assert_true(map_remove(&map, key));
	assert_null(map.root);

	/* Keys that have nothing in common cost more, and not without bounds. */
	while (map.count < 10000)
		(void)map_insert(&map, random_next(&random), value_of(1));
	assert_true(mapped() <= 100 * 10000);
	random = (struct random)RANDOM_INIT;
	while (map.count > 0)
		assert_true(map_remove(&map, random_next(&random)));
	assert_true(mapped() <= MAP_NODE_SIZES * 65536);
	map_memory_deinit(&memory);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oracle),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
