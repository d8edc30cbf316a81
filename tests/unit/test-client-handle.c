/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library's table of handles: found while there, never the same twice, memory given back. */

#include "tests/unit/test.h"

#include "client/internal.h"

#define N 1000

static void test_add_find_remove(void **state _unused_) {
	static struct evl_source sources[N];
	struct handle_table table = { 0 };
	uint64_t handles[N];

	for (size_t i = 0; i < N; i++)
		assert_int_equal(handle_add(&table, &sources[i], &handles[i]), 0);
	for (size_t i = 0; i < N; i++) {
		assert_int_not_equal(handles[i], 0);
		assert_ptr_equal(handle_find(&table, handles[i]), &sources[i]);
	}
	for (size_t i = 0; i < N; i += 2)
		handle_remove(&table, handles[i]);
	for (size_t i = 0; i < N; i++)
		assert_ptr_equal(handle_find(&table, handles[i]), i % 2 ? &sources[i] : NULL);
	handle_deinit(&table);
}

static void test_never_twice(void **state _unused_) {
	struct handle_table table = { 0 };
	struct evl_source stays, comes;
	uint64_t first, last = 0;

	assert_int_equal(handle_add(&table, &stays, &first), 0);
	for (int i = 0; i < N; i++) {
		uint64_t handle;

		assert_int_equal(handle_add(&table, &comes, &handle), 0);
		assert_true(handle > last);
		assert_null(handle_find(&table, last));
		last = handle;
		handle_remove(&table, handle);
	}
	/* Also when the table has been empty in between. */
	handle_remove(&table, first);
	assert_null(table.slots);
	for (int i = 0; i < N; i++) {
		uint64_t handle;

		assert_int_equal(handle_add(&table, &comes, &handle), 0);
		assert_true(handle > last);
		last = handle;
		handle_remove(&table, handle);
	}
}

static void test_nonsense_is_not_found(void **state _unused_) {
	struct handle_table table = { 0 };
	struct evl_source source;
	uint64_t handle;

	assert_null(handle_find(&table, 0));
	assert_null(handle_find(&table, 1));
	assert_int_equal(handle_add(&table, &source, &handle), 0);
	assert_null(handle_find(&table, 0));
	assert_null(handle_find(&table, handle + 1));
	assert_null(handle_find(&table, handle + (UINT64_C(1) << 24)));
	assert_null(handle_find(&table, UINT64_MAX));
	handle_remove(&table, UINT64_MAX);
	assert_ptr_equal(handle_find(&table, handle), &source);
	handle_deinit(&table);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_find_remove),
		cmocka_unit_test(test_never_twice),
		cmocka_unit_test(test_nonsense_is_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
