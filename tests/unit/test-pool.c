/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pool: things do not overlap, are aligned as they are large, and slabs go when they are empty. */

#include "tests/unit/test.h"

#include <string.h>

#include "daemon/core/pool.h"

#define THINGS 20000

struct thing {
	uint64_t words[8];
};

static void fill(struct thing *thing, uint64_t word) {
	for (size_t i = 0; i < ARRAY_SIZE(thing->words); i++)
		thing->words[i] = word;
}

static void check(const struct thing *thing, uint64_t word) {
	for (size_t i = 0; i < ARRAY_SIZE(thing->words); i++)
		assert_int_equal(thing->words[i], word);
}

static void test_random(void **state) {
	static struct thing *things[THINGS];
	struct random random = RANDOM_INIT;
	struct pool pool;
	size_t n = 0, most = 0;

	(void)state;
	pool_init(&pool, sizeof(struct thing));
	for (unsigned step = 0; step < 400000; step++) {
		uint64_t i = random_below(&random, THINGS);

		/* Mostly more of them, then mostly fewer, and so on. */
		if (!things[i] && random_below(&random, 4) < (step / 50000 % 2 ? 1u : 3u)) {
			things[i] = pool_take(&pool);
			assert_non_null(things[i]);
			fill(things[i], i);
			most = MAX(most, ++n);
		} else if (things[i] && random_below(&random, 4) < (step / 50000 % 2 ? 3u : 1u)) {
			check(things[i], i);
			pool_give(&pool, things[i]);
			things[i] = NULL;
			n--;
		}
	}
	/* Never more than for as many as there ever were. */
	assert_true(pool.slabs * (65536 / sizeof(struct thing) - 1) <= most + 1024);
	for (size_t i = 0; i < THINGS; i++)
		if (things[i]) {
			check(things[i], i);
			pool_give(&pool, things[i]);
		}
	assert_true(pool.slabs <= 1);
	pool_deinit(&pool);
}

static void test_alignment(void **state) {
	static void *things[3000];
	struct pool pool;

	(void)state;
	pool_init(&pool, 64);
	for (size_t i = 0; i < ARRAY_SIZE(things); i++) {
		things[i] = pool_take(&pool);
		assert_non_null(things[i]);
		if (pool.slabs > 0) /* else malloc has it */
			assert_int_equal((uintptr_t)things[i] % 64, 0);
	}
	assert_true(pool.slabs <= 3);
	for (size_t i = 0; i < ARRAY_SIZE(things); i++)
		pool_give(&pool, things[i]);
	pool_deinit(&pool);
}

/* One thing that comes and goes does not cost a slab each time. */
static void test_spare(void **state) {
	struct pool pool;
	void *first;

	(void)state;
	pool_init(&pool, 40);
	first = pool_take(&pool);
	pool_give(&pool, first);
	for (unsigned i = 0; i < 1000; i++) {
		void *thing = pool_take(&pool);

		if (pool.slabs > 0)
			assert_ptr_equal(thing, first);
		pool_give(&pool, thing);
	}
	assert_true(pool.slabs <= 1);
	pool_deinit(&pool);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_spare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
