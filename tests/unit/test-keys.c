/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of keys against a list of what is in it, while it grows and shrinks; and that no change of it is a long one. */

#include "tests/unit/test.h"

#include "daemon/core/keys.h"

#define THINGS 20000
#define KEYS_READ_MAX 300 /* by one call, with eight slots moved over and a run of neighbours looked at */

struct fixture {
	struct keys keys;
	bool there[THINGS];
	size_t n;
	struct random random;
};

static uint32_t numbers[THINGS]; /* the things, each of which is its own key */
static size_t n_read;

static const void *key_of(const void *thing, size_t *ret_size) {
	n_read++;
	*ret_size = sizeof(numbers[0]);
	return thing;
}

static int setup(void **state) {
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->random = (struct random)RANDOM_INIT;
	for (uint32_t i = 0; i < THINGS; i++)
		numbers[i] = i;
	assert_int_equal(keys_init(&f->keys, key_of), 0);
	*state = f;
	return 0;
}

static int teardown(void **state) {
	struct fixture *f = *state;

	keys_deinit(&f->keys);
	free(f);
	return 0;
}

/* Add it, or remove it if it is there. */
static void flip(struct fixture *f, uint32_t i) {
	n_read = 0;
	if (f->there[i]) {
		keys_remove(&f->keys, &i, sizeof(i));
		f->n--;
	} else {
		assert_int_equal(keys_add(&f->keys, &numbers[i]), 0);
		f->n++;
	}
	assert_in_range(n_read, 0, KEYS_READ_MAX);
	f->there[i] = !f->there[i];
	assert_int_equal(f->keys.used, f->n);
}

static void check(struct fixture *f) {
	size_t position = 0, met = 0;
	const uint32_t *thing;

	for (uint32_t i = 0; i < THINGS; i++)
		assert_ptr_equal(keys_find(&f->keys, &i, sizeof(i)), f->there[i] ? &numbers[i] : NULL);
	while ((thing = keys_next(&f->keys, &position))) {
		assert_true(f->there[*thing]);
		met++;
	}
	assert_int_equal(met, f->n);
	assert_null(keys_next(&f->keys, &position));
}

/* Until there are so many, coming and going, ever more of the one than of the other. */
static void go_to(struct fixture *f, size_t n) {
	bool more = n > f->n;

	for (unsigned i = 0; f->n != n; i++) {
		uint32_t number = (uint32_t)random_below(&f->random, THINGS);

		if (f->n == 0 || random_below(&f->random, 4) > 0)
			while (f->there[number] == more)
				number = (number + 1) % THINGS;
		flip(f, number);
		if (i % 5000 == 0)
			check(f);
	}
	check(f);
}

static void test_there_and_back(void **state) {
	static const size_t sizes[] = { 100, 0, 5000, 600, 12000, 12400, 11000, 1600, 7000, 1, 0 };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		go_to(f, sizes[i]);
	assert_true(f->keys.table.size + f->keys.former.size < 100);
}

static void test_one_after_the_other(void **state) {
	struct fixture *f = *state;

	for (uint32_t i = 0; i < THINGS; i++) {
		flip(f, i);
		if ((i & (i - 1)) == 0 || ((i - i / 4) & (i - i / 4 - 1)) == 0)
			check(f);
	}
	for (uint32_t i = 0; i < THINGS; i++)
		flip(f, i);
	check(f);
}

static bool is_even(void *thing) {
	return *(uint32_t *)thing % 2 == 0;
}

/* Round and round, in a table that is being moved over, too. */
static void test_sweep(void **state) {
	struct fixture *f = *state;
	void *thing;

	assert_false(keys_sweep(&f->keys, 8, is_even, &thing));
	for (uint32_t i = 0; i < 1540; i++) /* four more than fit */
		flip(f, i);
	assert_true(f->keys.former.size > 0);
	for (unsigned i = 0; i < 770; i++) {
		while (!keys_sweep(&f->keys, 8, is_even, &thing))
			;
		flip(f, *(uint32_t *)thing);
	}
	for (uint32_t i = 0; i < 1540; i++)
		assert_int_equal(f->there[i], i % 2 != 0);
	assert_false(keys_sweep(&f->keys, SIZE_MAX, is_even, &thing));
	check(f);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { TEST(test_there_and_back), TEST(test_one_after_the_other),
					    TEST(test_sweep) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
