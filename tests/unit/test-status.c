/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Statuses: the table has a row for every value of the enum, and no two ways back. */

#undef NDEBUG

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "proto/evloop.pb-c.h"
#include "proto/status.h"

#define PREFIX "STATUS_"

/* Every status of evloop.proto, by the name it has there. */
static void test_total(void **state _unused_) {
	const ProtobufCEnumDescriptor *type = &evloop__status__descriptor;

	assert_true(type->n_values > 10);
	for (unsigned i = 0; i < type->n_values; i++) {
		const struct status_info *info = status_info(type->values[i].value);

		assert_non_null(info->name);
		assert_int_equal(strncmp(type->values[i].name, PREFIX, strlen(PREFIX)), 0);
		assert_string_equal(info->name, type->values[i].name + strlen(PREFIX));
		if (type->values[i].value == EVLOOP__STATUS__STATUS_OK) {
			assert_int_equal(info->error, 0);
			assert_int_equal(info->exit, 0);
		} else {
			assert_true(info->error > 0);
			assert_true(info->exit >= 64 && info->exit <= 78);
		}
	}
}

/* An errno stands for one status only, so that the exit status can be told from it. */
static void test_unique(void **state _unused_) {
	const ProtobufCEnumDescriptor *type = &evloop__status__descriptor;

	for (unsigned i = 0; i < type->n_values; i++) {
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(status_info(type->values[i].value)->error,
					     status_info(type->values[j].value)->error);
		if (type->values[i].value != EVLOOP__STATUS__STATUS_OK)
			assert_int_equal(status_exit_of_error(-status_info(type->values[i].value)->error),
					 status_info(type->values[i].value)->exit);
	}
}

/* What a daemon of another version may say. */
static void test_unknown(void **state _unused_) {
	const struct status_info *internal = status_info(EVLOOP__STATUS__STATUS_INTERNAL);
	const int table[] = { -1, INT32_MIN, INT32_MAX, 13, 64, 65536 };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_ptr_equal(status_info(table[i]), internal);
}

static void test_errors(void **state _unused_) {
	assert_int_equal(status_exit_of_error(-ENOTCONN), 69);
	assert_int_equal(status_exit_of_error(-ECONNRESET), 69);
	assert_int_equal(status_exit_of_error(-ECONNREFUSED), 69);
	assert_int_equal(status_exit_of_error(-EPIPE), 69);
	assert_int_equal(status_exit_of_error(-EXDEV), 1);
	assert_int_equal(status_exit_of_error(0), 1);
	assert_int_equal(status_of_error(-ENOMEM), EVLOOP__STATUS__STATUS_QUOTA);
	assert_int_equal(status_of_error(-EMFILE), EVLOOP__STATUS__STATUS_INTERNAL);
	assert_int_equal(status_of_error(-EINVAL), EVLOOP__STATUS__STATUS_INTERNAL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_total),
		cmocka_unit_test(test_unique),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
