/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limiters over a restart: the next daemon goes on where the last one was, and gives no more than it would have. */

#include "tests/unit/test.h"

#include <string.h>

#include "daemon/core/limiter.h"
#include "daemon/rpc/state.h"
#include "proto/gcra.h"
#include "proto/state.pb-c.h"
#include "tests/unit/core-world.h"

#define SEC NSEC_PER_SEC

static struct world world;
static struct tenant *tenant;
static char *text;
static size_t text_size;

static void begin(void) {
	world_init(&world);
	assert_int_equal(scheduler_tenant(world.scheduler, 1000, &tenant), 0);
}

static void end(void) {
	tenant = tenant_unref(tenant);
	world_deinit(&world);
}

static int setup(void **state _unused_) {
	begin();
	return 0;
}

static int teardown(void **state _unused_) {
	end();
	free(TAKE_PTR(text));
	return 0;
}

static struct limiter *make(const char *name, unsigned rules, bool keyed) {
	struct limiter_spec spec = {
		.name = name,
		.kind = LIMITER_KIND_RATE,
		.n_rates = rules,
		.keyed = keyed,
		.max_keys = 10,
		.max_waiters = 10,
	};
	enum limiter_change change;
	struct limiter *limiter;
	unsigned rule;

	for (unsigned i = 0; i < rules; i++)
		spec.rates[i] = (struct limiter_rate){ .tokens = 1, .period_ns = SEC, .burst = 10 + i };
	assert_int_equal(limiter_spec_check(&spec, &rule), 0);
	assert_int_equal(limiter_set(tenant, &spec, LIMITER_MODE_CREATE, &limiter, &change), 0);
	return limiter;
}

static struct limiter_key key(const char *word) {
	return (struct limiter_key){ .data = word, .size = strlen(word) };
}

static void take(const char *name, const char *word, uint64_t cost) {
	struct grant grant;

	assert_int_equal(limiter_try(limiter_find(tenant, name), key(word), cost, &grant), 0);
	assert_true(grant.allowed);
}

static uint64_t remaining(const char *name, const char *word) {
	struct limiter *limiter = limiter_find(tenant, name);
	struct grant grant;

	assert_non_null(limiter);
	assert_int_equal(limiter_peek(limiter, key(word), 1, &grant), 0);
	return grant.remaining;
}

static void save(void) {
	FILE *file = open_memstream(&text, &text_size);

	assert_non_null(file);
	assert_int_equal(state_save(world.scheduler, file), 0);
	assert_int_equal(fclose(file), 0);
}

static int load(const void *data, size_t size) {
	FILE *file = fmemopen((void *)data, size, "r");
	int r;

	assert_non_null(file);
	r = state_load(world.scheduler, file);
	(void)fclose(file);
	return r;
}

/* Some are used, some are not; then the daemon ends, time passes on both clocks, and the next one begins. */
static void restart(int64_t boottime_ns, int64_t realtime_ns, int expected) {
	struct instant now;

	(void)make("plain", 1, false);
	(void)make("both", 2, false);
	(void)make("keyed", 1, true);
	(void)make("unused", 1, false);
	take("plain", "", 8);
	take("both", "", 5);
	take("keyed", "a", 10);
	take("keyed", "b", 1);
	save();
	now = world.now;
	end();
	begin();
	now.ns[TIMER_CLOCK_BOOTTIME] += boottime_ns;
	now.ns[TIMER_CLOCK_REALTIME] += realtime_ns;
	world.now = now;
	scheduler_refresh(world.scheduler, &world.now);
	assert_int_equal(load(text, text_size), expected);
}

static void test_same_boot(void **state _unused_) {
	restart(0, 0, 4);
	assert_int_equal(remaining("plain", ""), 2);
	assert_int_equal(remaining("both", ""), 5);
	assert_int_equal(remaining("keyed", "a"), 0);
	assert_int_equal(remaining("keyed", "b"), 9);
	assert_int_equal(remaining("keyed", "c"), 10);
	assert_int_equal(remaining("unused", ""), 10);
	assert_int_equal(limiter_spec(limiter_find(tenant, "both"))->n_rates, 2);
	assert_int_equal(limiter_spec(limiter_find(tenant, "both"))->rates[1].burst, 11);
}

static void test_time_passes(void **state _unused_) {
	restart(3 * SEC, 3 * SEC, 4);
	assert_int_equal(remaining("plain", ""), 5);
	assert_int_equal(remaining("keyed", "a"), 3);
}

/* As if it had been written in another boot. */
static void forge_boot(void) {
	char *p = NULL, id[37];
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file || fread(id, 36, 1, file) != 1)
		skip();
	(void)fclose(file);
	p = memmem(text, text_size, id, 36);
	assert_non_null(p);
	*p = *p == 'f' ? 'e' : 'f';
}

static void restart_elsewhere(int64_t boottime_ns, int64_t realtime_ns, uint64_t expected) {
	struct instant now;

	(void)make("plain", 1, false);
	take("plain", "", 8);
	save();
	forge_boot();
	now = world.now;
	end();
	begin();
	now.ns[TIMER_CLOCK_BOOTTIME] += boottime_ns;
	now.ns[TIMER_CLOCK_REALTIME] += realtime_ns;
	world.now = now;
	scheduler_refresh(world.scheduler, &world.now);
	assert_int_equal(load(text, text_size), 1);
	assert_int_equal(remaining("plain", ""), expected);
}

/* Boottime begins anew, what counts is the civil time that has passed. */
static void test_other_boot(void **state _unused_) {
	restart_elsewhere(-500 * SEC, 3 * SEC, 5);
}

static void test_clock_set_back(void **state _unused_) {
	restart_elsewhere(-500 * SEC, -3600 * SEC, 2);
}

static void test_long_ago(void **state _unused_) {
	restart_elsewhere(-999 * SEC, 1000000 * SEC, 10);
}

/* What a daemon knew of the death of one before goes along. */
static void test_after_a_crash(void **state _unused_) {
	int64_t now_ns = world_boottime(&world);
	struct instant now;

	scheduler_set_drained(world.scheduler, now_ns);
	limiter_set_drained(make("keyed", 1, true), now_ns - SEC);
	scheduler_set_settled(world.scheduler, now_ns + 2 * SEC);
	save();
	now = world.now;
	end();
	begin();
	now.ns[TIMER_CLOCK_BOOTTIME] += 2 * SEC;
	now.ns[TIMER_CLOCK_REALTIME] += 2 * SEC;
	world.now = now;
	scheduler_refresh(world.scheduler, &world.now);
	assert_int_equal(load(text, text_size), 1);
	assert_int_equal(remaining("keyed", "a"), 3);
	(void)make("new", 1, false);
	assert_int_equal(remaining("new", ""), 2);
	assert_int_equal(scheduler_settled(world.scheduler), now_ns + 2 * SEC);
}

/* A file that is cut anywhere, or has any byte changed, gives what it has, or nothing. */
static void test_damaged_files(void **state _unused_) {
	(void)make("plain", 1, false);
	(void)make("keyed", 2, true);
	take("plain", "", 8);
	take("keyed", "a", 10);
	save();
	for (size_t i = 0; i < text_size; i++) {
		end();
		begin();
		(void)load(text, i > 0 ? i : 1);
	}
	for (size_t i = 0; i < text_size; i++) {
		end();
		begin();
		text[i] ^= (char)(1 << i % 8);
		(void)load(text, text_size);
		text[i] ^= (char)(1 << i % 8);
	}
	assert_int_equal(load("something else entirely", 23), -EPROTO);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_same_boot), TEST(test_time_passes),   TEST(test_other_boot),    TEST(test_clock_set_back),
		TEST(test_long_ago),  TEST(test_damaged_files), TEST(test_after_a_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
