/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When limiters are noted: soon, once a second at most, and only when something has happened to one. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "daemon/core/limiter.h"
#include "daemon/crash-note.h"
#include "proto/limits.h"
#include "proto/shared.h"
#include "tests/unit/core-world.h"

#define SEC NSEC_PER_SEC
#define MSEC NSEC_PER_MSEC

static struct world world;
static struct client client;
static struct note note;
static struct crash_note crash_note;

static void start(void) {
	client_init(&client, &world, 1000);
	crash_note_start(&crash_note, &note, world.scheduler, NULL);
}

static int setup(void **state _unused_) {
	world_init(&world);
	assert_int_equal(note_adopt(&note, memfd_create("note", MFD_CLOEXEC)), NOTE_E_UNKNOWN);
	assert_false(crash_note_load(&note, world.scheduler, NULL, NULL, 0));
	start();
	return 0;
}

static int teardown(void **state _unused_) {
	client_deinit(&client);
	crash_note_end(&crash_note, true);
	world_deinit(&world);
	note_close(&note);
	return 0;
}

static struct limiter *make(const char *name, uint64_t concurrency) {
	struct limiter_spec spec = {
		.name = name,
		.kind = concurrency > 0 ? LIMITER_KIND_CONCURRENCY : LIMITER_KIND_RATE,
		.n_rates = concurrency == 0,
		.rates = { { .tokens = 1, .period_ns = 1000 * SEC, .burst = 10 } },
		.concurrency = concurrency,
		.max_waiters = 10,
	};
	enum limiter_change change;
	struct limiter *limiter;
	unsigned rule;

	assert_int_equal(limiter_spec_check(&spec, &rule), 0);
	assert_int_equal(limiter_set(client.owner.tenant, &spec, LIMITER_MODE_CREATE, &limiter, &change), 0);
	return limiter;
}

static void take(struct limiter *limiter) {
	struct grant grant;

	assert_int_equal(limiter_try(limiter, (struct limiter_key){ 0 }, 1, &grant), 0);
	assert_true(grant.allowed);
}

static uint64_t left(const char *name) {
	struct grant grant;

	assert_int_equal(limiter_peek(limiter_find(client.owner.tenant, name), (struct limiter_key){ 0 }, 1, &grant),
			 0);
	return grant.remaining;
}

/* Let time pass as far as it is asked to.  Return: how far, in ms. */
static int64_t wait_for_it(void) {
	int64_t now_ns = world_boottime(&world), next_ns = crash_note_next(&crash_note);

	assert_true(next_ns < INT64_MAX);
	world_run(&world, MAX(next_ns - now_ns, 0));
	crash_note_tick(&crash_note);
	return (world_boottime(&world) - now_ns) / MSEC;
}

static void crash(void) {
	client_deinit(&client);
	crash_note_end(&crash_note, false);
	world_deinit(&world);
	world_init(&world);
	assert_true(crash_note_load(&note, world.scheduler, NULL, NULL, 0));
	start();
}

static void test_only_when_something_happens(void **state _unused_) {
	struct limiter *limiter;

	assert_int_equal(crash_note_next(&crash_note), INT64_MAX);
	world_run(&world, 100 * SEC);
	limiter = make("plain", 0);
	assert_true(wait_for_it() <= 10);
	assert_int_equal(crash_note_next(&crash_note), INT64_MAX);
	take(limiter);
	assert_in_range(wait_for_it(), 990, 1000);
	assert_int_equal(crash_note_next(&crash_note), INT64_MAX);
	(void)left("plain");
	assert_int_equal(crash_note_next(&crash_note), INT64_MAX);
	world_run(&world, 100 * SEC);
	take(limiter);
	assert_true(wait_for_it() <= 10);
	limiter_remove(limiter);
	assert_in_range(wait_for_it(), 990, 1000);
	crash();
	assert_null(limiter_find(client.owner.tenant, "plain"));
}

/* It is not put off by what happens all the time. */
static void test_once_a_second(void **state _unused_) {
	struct limiter *limiter = make("plain", 0);
	unsigned n = 0;

	for (unsigned i = 0; i < 10000; i++) {
		bool due = crash_note_next(&crash_note) <= world_boottime(&world);

		n += due;
		crash_note_tick(&crash_note);
		if (i % 1000 == 999)
			take(limiter);
		world_run(&world, MSEC);
		(void)limiter_refund(limiter, (struct limiter_key){ 0 }, 0);
	}
	assert_in_range(n, 9, 11);
}

static void test_some_in_a_turn(void **state _unused_) {
	unsigned turns = 0;
	char name[16];

	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "n%u", i);
		take(make(name, 0));
	}
	do {
		assert_true(wait_for_it() <= 1000);
		turns++;
	} while (crash_note_next(&crash_note) < INT64_MAX);
	assert_in_range(turns, 4, 6);
	crash();
	assert_int_equal(left("n0"), 9);
	assert_int_equal(left("n999"), 9);
}

/* The daemon after it knows as much, even if it does nothing at all. */
static void test_crash_after_crash(void **state _unused_) {
	struct limiter *limiter = make("plain", 0);
	struct claim *claim;
	struct grant grant;

	take(limiter);
	(void)wait_for_it();
	for (unsigned i = 0; i < 3; i++) {
		crash();
		assert_int_equal(left("plain"), 9);
	}
	take(limiter_find(client.owner.tenant, "plain"));
	crash();
	assert_int_equal(left("plain"), 0);
	/* Nobody gets permits before those who had them have said so. */
	limiter = make("four", 4);
	assert_int_equal(
		limiter_wait(limiter, &client.owner, 1, (struct limiter_key){ 0 }, 1, 0, false, &claim, &grant),
		LIMITER_E_DENIED);
	assert_int_equal(grant.retry_after_ns, PERMITS_SETTLE_NS);
}

/* What a daemon that leaves has kept elsewhere is not noted any more. */
/* It dies before it has noted anything, and what the one before had left is used up. */
static void test_crash_at_the_start(void **state _unused_) {
	crash_note_spoil(&note);
	assert_true(note_is_there(&note));
	client_deinit(&client);
	crash_note_end(&crash_note, false);
	world_deinit(&world);
	world_init(&world);
	assert_true(crash_note_load(&note, world.scheduler, NULL, NULL, 0));
	assert_true(scheduler_settled(world.scheduler) > world_boottime(&world));
	start();
	(void)make("new", 0);
	assert_int_equal(left("new"), 0);
	/* What nobody has needed so far was not there before. */
	world_run(&world, LIMITERS_SETTLE_NS + SHARED_LOOK_NS);
	(void)make("later", 0);
	assert_int_equal(left("later"), 10);
}

static void test_clean_end(void **state _unused_) {
	(void)make("plain", 0);
	(void)wait_for_it();
	crash_note_end(&crash_note, true);
	assert_int_equal(crash_note_next(&crash_note), INT64_MAX);
	crash_note_tick(&crash_note);
	assert_false(crash_note_load(&note, world.scheduler, NULL, NULL, 0));
}

static void test_nowhere(void **state _unused_) {
	crash_note_end(&crash_note, true);
	assert_false(crash_note_load(NULL, world.scheduler, NULL, NULL, 0));
	crash_note_start(&crash_note, NULL, world.scheduler, NULL);
	take(make("plain", 0));
	assert_int_equal(crash_note_next(&crash_note), INT64_MAX);
	crash_note_tick(&crash_note);
	crash_note_end(&crash_note, false);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_only_when_something_happens),
		TEST(test_once_a_second),
		TEST(test_some_in_a_turn),
		TEST(test_crash_after_crash),
		TEST(test_crash_at_the_start),
		TEST(test_clean_end),
		TEST(test_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
