/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of limits, and the accounts of those who are connected. */

#include "tests/unit/test.h"

#include <string.h>

#include "daemon/peer/quota.h"
#include "proto/limits.h"

static void test_shipped_values(void **state _unused_) {
	struct quota quota;

	quota_init(&quota, true);
	assert_int_equal(quota.limits[QUOTA_SESSIONS], LIMIT_SESSIONS);
	assert_int_equal(quota.limits[QUOTA_TIMERS], LIMIT_TIMERS);
	assert_int_equal(quota.limits[QUOTA_COMMAND_BYTES], LIMIT_COMMAND_BYTES);
	assert_int_equal(quota.limits[QUOTA_JOBS], LIMIT_JOBS);
	quota_init(&quota, false);
	assert_int_equal(quota.limits[QUOTA_SESSIONS], LIMIT_SESSIONS_USER);
	assert_int_equal(quota.limits[QUOTA_TIMERS], LIMIT_TIMERS_USER);
	assert_int_equal(quota.limits[QUOTA_COMMAND_BYTES], LIMIT_COMMAND_BYTES_USER);
	assert_int_equal(quota.limits[QUOTA_JOBS], LIMIT_JOBS_USER);
}

/* Each limit is set by the name that a refusal has for it. */
static void test_names(void **state _unused_) {
	for (unsigned i = 0; i < QUOTA_MAX; i++) {
		struct quota quota, shipped;
		char text[64];

		quota_init(&quota, false);
		shipped = quota;
		snprintf(text, sizeof(text), "%s=%u", quota_name(i), 4000 + i);
		assert_null(quota_set(&quota, text));
		for (unsigned j = 0; j < QUOTA_MAX; j++)
			assert_int_equal(quota.limits[j], j == i ? 4000 + i : shipped.limits[j]);
	}
}

static void test_assignments(void **state _unused_) {
	static const char *const good[] = { "timers=0", "timers=18446744073709551615", "jobs=007" };
	static const char *const bad[] = {
		"",           "timers",    "timers=",   "timers=x",   "timers=5x",
		"timers=-1",  "timers=+1", "timers= 1", "timers=1 ",  "timers=18446744073709551616",
		"timer=1",    "timerss=1", "=1",        " timers=1",  "TIMERS=1",
		"timers=0x1", "timers =1", "timers==1", "timers=1e3",
	};
	struct quota quota;

	quota_init(&quota, false);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_null(quota_set(&quota, good[i]));
	assert_int_equal(quota.limits[QUOTA_TIMERS], UINT64_MAX);
	assert_int_equal(quota.limits[QUOTA_JOBS], 7);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *wrong = quota_set(&quota, bad[i]);

		if (!wrong)
			fail_msg("'%s' is taken", bad[i]);
		assert_true(strlen(wrong) > 10);
	}
	assert_int_equal(quota.limits[QUOTA_TIMERS], UINT64_MAX);
	/* Whoever mistypes a name is told all of them. */
	for (unsigned i = 0; i < QUOTA_MAX; i++)
		assert_non_null(strstr(quota_set(&quota, "hats=1"), quota_name(i)));
}

/* No sum may wrap. */
static void test_judgement(void **state _unused_) {
	static const struct {
		uint64_t limit, used, asked;
		bool allowed;
	} table[] = {
		{ 5, 4, 1, true },           { 5, 5, 1, false },
		{ 5, 5, 0, true },           { 5, 0, 5, true },
		{ 5, 0, 6, false },          { 5, 6, 0, false },
		{ 0, 0, 0, true },           { 0, 0, 1, false },
		{ 5, 1, UINT64_MAX, false }, { UINT64_MAX, UINT64_MAX, 1, false },
		{ 5, UINT64_MAX, 5, false }, { UINT64_MAX, UINT64_MAX - 1, 1, true },
	};
	struct quota quota;

	quota_init(&quota, false);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		quota.limits[QUOTA_JOBS] = table[i].limit;
		assert_int_equal(quota_allows(&quota, QUOTA_JOBS, table[i].used, table[i].asked), table[i].allowed);
	}
}

static void test_accounts(void **state _unused_) {
	struct account *first, *again, *other;
	struct quota quota;

	quota_init(&quota, false);
	assert_int_equal(quota_account(&quota, 1000, &first), 0);
	assert_int_equal(quota_account(&quota, 1001, &other), 0);
	assert_int_equal(quota_account(&quota, 1000, &again), 0);
	assert_ptr_equal(first, again);
	assert_ptr_not_equal(first, other);
	first->warned = true;
	assert_null(account_unref(first));
	assert_int_equal(quota_account(&quota, 1000, &again), 0);
	assert_ptr_equal(first, again); /* one reference was left */
	(void)account_unref(again);
	(void)account_unref(again);
	/* With the last one it is forgotten. */
	assert_int_equal(quota_account(&quota, 1000, &again), 0);
	assert_false(again->warned);
	(void)account_unref(again);
	(void)account_unref(other);
	assert_null(account_unref(NULL));
	assert_true(LIST_EMPTY(&quota.accounts));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shipped_values), cmocka_unit_test(test_names),
		cmocka_unit_test(test_assignments),    cmocka_unit_test(test_judgement),
		cmocka_unit_test(test_accounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
