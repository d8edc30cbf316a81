/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of limits, and the accounts of those who are connected. */

#include "tests/unit/test.h"

#include <string.h>

#include "daemon/core/tenant.h"
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

/* Files have other names for them. */
static void test_keys(void **state _unused_) {
	static const char *const bad[] = {
		"", "timers", "Timer", "Timerss", "COMMANDBYTES", "Command-Bytes", "Commandbytes"
	};

	assert_int_equal(quota_find_key("Timers"), QUOTA_TIMERS);
	assert_int_equal(quota_find_key("CommandBytes"), QUOTA_COMMAND_BYTES);
	assert_int_equal(quota_find_key("MessageBytes"), QUOTA_MESSAGE_BYTES);
	assert_int_equal(quota_find_key("Bytes"), QUOTA_BYTES);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(quota_find_key(bad[i]), QUOTA_MAX);
}

static bool allows(const struct quota *quota, const struct quota_use *use, uint64_t asked) {
	struct quota_refusal refusal;

	return quota_allows(quota, 1000, QUOTA_JOBS, use, asked, &refusal);
}

/* What is left is allowed, and no more. */
static void test_left(void **state _unused_) {
	struct random chance = RANDOM_INIT;
	struct quota quota;

	quota_init(&quota, true);
	for (unsigned i = 0; i < 10000; i++) {
		struct quota_use use = { .used = random_below(&chance, 50) };
		uint64_t left, users;

		use.sum = use.used + random_below(&chance, 100);
		use.users = (use.used > 0) + random_below(&chance, 4);
		quota.limits[QUOTA_JOBS] = i % 7 ? random_below(&chance, 100) : UINT64_MAX;
		quota.pools[QUOTA_JOBS] = i % 5 ? random_below(&chance, 300) : UINT64_MAX;
		left = quota_left(&quota, QUOTA_JOBS, &use);
		if (left == UINT64_MAX) {
			assert_int_equal(quota.limits[QUOTA_JOBS], UINT64_MAX);
			assert_int_equal(quota.pools[QUOTA_JOBS], UINT64_MAX);
			continue;
		}
		assert_true(left == 0 || allows(&quota, &use, left));
		assert_false(allows(&quota, &use, left + 1));
		/* By the definition: what is allowed is a fair share, and one more is above the limit or is none. */
		users = use.users + (use.used == 0);
		assert_true(left == 0 ||
			    is_fair_share(use.used + left, users, use.sum + left, quota.pools[QUOTA_JOBS]));
		assert_true(use.used + left + 1 > quota.limits[QUOTA_JOBS] ||
			    !is_fair_share(use.used + left + 1, users, use.sum + left + 1, quota.pools[QUOTA_JOBS]));
	}
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
		struct quota_use use = { .used = table[i].used, .sum = table[i].used, .users = 1 };

		quota.limits[QUOTA_JOBS] = table[i].limit;
		assert_int_equal(allows(&quota, &use, table[i].asked), table[i].allowed);
	}
}

/* Each takes what it gets, one at a time: a half, a sixth, a twelfth, …; and the next one finds something. */
static void test_pool(void **state _unused_) {
	struct quota quota;
	uint64_t sum = 0;

	quota_init(&quota, true);
	quota.limits[QUOTA_JOBS] = UINT64_MAX;
	quota.pools[QUOTA_JOBS] = 65000;
	for (uint64_t k = 1; k <= 12; k++) {
		struct quota_use use = { .sum = sum, .users = k - 1 };

		while (allows(&quota, &use, 1)) {
			use.users = k;
			use.used++;
			use.sum++;
		}
		assert_in_range(use.used, 65000 / (k * (k + 1)) - 1, 65000 / (k * (k + 1)) + 1);
		sum = use.sum;
	}
	assert_in_range(65000 - sum, 5000, 5010);
}

static void test_pool_bounds(void **state _unused_) {
	struct quota_use use = { .used = 10, .sum = 90, .users = 3 };
	struct quota quota;

	quota_init(&quota, true);
	quota.limits[QUOTA_JOBS] = UINT64_MAX;
	assert_true(allows(&quota, &use, UINT64_MAX - 10)); /* there is no pool */
	quota.pools[QUOTA_JOBS] = 50;
	assert_false(allows(&quota, &use, 1));
	assert_true(allows(&quota, &use, 0)); /* what there is stays, though the pool has become smaller */
	quota.pools[QUOTA_JOBS] = UINT64_MAX - 1;
	assert_false(allows(&quota, &use, UINT64_MAX / 2));
	assert_true(allows(&quota, &use, UINT64_MAX / 16));
}

static void test_refusal(void **state _unused_) {
	struct quota_use use = { .used = 10, .sum = 90, .users = 3 };
	struct quota_refusal refusal;
	struct quota quota;

	quota_init(&quota, true);
	quota.limits[QUOTA_TIMERS] = 12;
	quota.pools[QUOTA_TIMERS] = 120;
	assert_false(quota_allows(&quota, 1000, QUOTA_TIMERS, &use, 3, &refusal));
	assert_string_equal(refusal.error.message, "uid 1000 uses 10 of 12 timers and asks for 3 more");
	assert_string_equal(refusal.fields, "EVLOOPD_UID=1000\nEVLOOPD_LIMIT=timers\nEVLOOPD_SCOPE=uid\nEVLOOPD_"
					    "SECTION=Limits\nEVLOOPD_KEY=Timers\nEVLOOPD_VALUE=12\n");
	assert_int_equal(refusal.error.scope, EVLOOP__QUOTA_SCOPE__QUOTA_SCOPE_UID);
	assert_int_equal(refusal.error.limit, 12);
	assert_int_equal(refusal.error.used, 10);
	assert_int_equal(refusal.error.asked, 3);
	assert_false(quota_allows(&quota, 1000, QUOTA_TIMERS, &use, 2, &refusal));
	assert_string_equal(refusal.error.message, "uid 1000 uses 10 of 12 timers and asks for 2 more, but all uids "
						   "together use 90 of 120, and what is left is for others, too");
	assert_string_equal(refusal.fields, "EVLOOPD_UID=1000\nEVLOOPD_LIMIT=timers\nEVLOOPD_SCOPE=pool\nEVLOOPD_"
					    "SECTION=Pool\nEVLOOPD_KEY=Timers\nEVLOOPD_VALUE=120\n");
	assert_int_equal(refusal.error.scope, EVLOOP__QUOTA_SCOPE__QUOTA_SCOPE_POOL);
	assert_int_equal(refusal.error.limit, 120);
	assert_int_equal(refusal.error.used, 90);
	/* All of the longest is there, with a key that files have. */
	quota.limits[QUOTA_MESSAGE_BYTES] = UINT64_MAX - 1;
	use.used = UINT64_MAX - 1;
	assert_false(quota_allows(&quota, UINT32_MAX - 1, QUOTA_MESSAGE_BYTES, &use, 3, &refusal));
	assert_string_equal(refusal.fields,
			    "EVLOOPD_UID=4294967294\nEVLOOPD_LIMIT=message-bytes\nEVLOOPD_SCOPE=uid\nEVLOOPD_SECTION="
			    "Limits\nEVLOOPD_KEY=MessageBytes\nEVLOOPD_VALUE=18446744073709551614\n");
	assert_int_equal(quota_find_key("MessageBytes"), QUOTA_MESSAGE_BYTES);
	assert_int_equal(quota_find_key("message-bytes"), QUOTA_MAX);
}

/* A uid that has nothing is not counted twice among those who have, nor where descriptors of others are being closed. */
static void test_first_descriptor(void **state _unused_) {
	struct shared_use shared = { .sum.descriptors = 0 };
	struct tenant_use own = { 0 };
	struct account account = { 0 };
	struct quota_use use;
	struct quota quota;

	quota_init(&quota, true);
	quota.pools[QUOTA_DESCRIPTORS] = 60;
	account.quota = &quota;
	use = quota_used(QUOTA_DESCRIPTORS, &account, &own, &shared);
	assert_int_equal(quota_left(&quota, QUOTA_DESCRIPTORS, &use), 30);
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
	account_count_sessions(first, 2);
	account_count_sessions(other, 1);
	account_count_bytes(other, 500);
	account_count_bytes(other, -500);
	assert_int_equal(quota.sessions.sum, 3);
	assert_int_equal(quota.sessions.users, 2);
	assert_int_equal(quota.bytes.users, 0);
	assert_null(account_unref(first));
	assert_int_equal(quota_account(&quota, 1000, &again), 0);
	assert_ptr_equal(first, again); /* one reference was left */
	account_count_sessions(again, -2);
	assert_int_equal(quota.sessions.users, 1);
	(void)account_unref(again);
	(void)account_unref(again);
	/* With the last one it is forgotten. */
	assert_int_equal(quota_account(&quota, 1000, &again), 0);
	assert_int_equal(again->sessions, 0);
	(void)account_unref(again);
	(void)account_unref(other);
	assert_null(account_unref(NULL));
	assert_true(LIST_EMPTY(&quota.accounts));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shipped_values),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_assignments),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_judgement),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_pool_bounds),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_first_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
