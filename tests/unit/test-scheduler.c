/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The scheduler: turns, fairness between uids, when it wants to be called next, and memory given back. */

#include "tests/unit/test.h"

#include <malloc.h>

#include "daemon/core/scheduler-private.h"
#include "proto/limits.h"
#include "tests/unit/core-world.h"

#define MANY 1000000

static size_t take_all(struct client *client) {
	struct event event;
	size_t n = 0;

	for (; owner_peek_event(&client->owner, &event); n++)
		owner_took_event(&client->owner);
	return n;
}

/* A million timers of one uid are due; those of others wait for no more than one turn. */
static void test_fairness(void **state) {
	struct client greedy, modest, posting;
	struct world world;

	(void)state;
	world_init(&world);
	client_init(&greedy, &world, 1000);
	client_init(&modest, &world, 2000);
	client_init(&posting, &world, 3000);
	for (uint64_t handle = 1; handle <= MANY; handle++)
		world_after(&world, &greedy, handle, 10);
	world_after(&world, &modest, 1, 20);
	world_pass(&world, 10);
	for (unsigned turn = 0; turn < 20; turn++) {
		assert_true(world_turn(&world));
		assert_int_equal(take_all(&greedy), TIMERS_PER_TURN);
		world_pass(&world, 1);
	}
	world_arm(&world, &posting, &(struct timer_spec){ .handle = 1, .kind = TIMER_KIND_SOON });
	assert_true(world_turn(&world));
	client_expect(&modest, 1, EVENT_TYPE_FIRED);
	client_expect(&posting, 1, EVENT_TYPE_FIRED);

	/* Nor do other clocks of the same uid wait for ever. */
	world_arm(&world, &greedy,
		  &(struct timer_spec){
			  .handle = MANY + 1,
			  .kind = TIMER_KIND_AT,
			  .clock = TIMER_CLOCK_REALTIME,
			  .deadline_ns = WORLD_START,
		  });
	for (unsigned turn = 0; turn < TIMER_CLOCK_MAX; turn++)
		assert_true(world_turn(&world));
	assert_int_equal(owner_cancel(&greedy.owner, MANY + 1), CANCEL_WITHDRAWN);

	client_deinit(&greedy);
	client_deinit(&modest);
	client_deinit(&posting);
	assert_false(world_turn(&world));
	world_deinit(&world);
}

/* Who follows timers is told within the bounds of a turn as well. */
static void test_followers_count(void **state) {
	struct client client, follower;
	struct world world;
	uint64_t handle = 0;

	(void)state;
	world_init(&world);
	client_init(&client, &world, 1);
	client_init(&follower, &world, 1);
	for (uint64_t n = 1; n <= 100; n++) {
		struct timer *timer = world_after(&world, &client, n, 10);

		for (unsigned i = 0; i < TIMERS_PER_TURN - 1; i++)
			assert_int_equal(timer_attach(timer, &follower.owner, ++handle, false), 0);
	}
	world_pass(&world, 10);
	for (uint64_t n = 1; n <= 100; n++) {
		assert_int_equal(world_turn(&world), n < 100);
		client_expect(&client, n, EVENT_TYPE_FIRED);
		client_expect_none(&client);
		assert_int_equal(take_all(&follower), 2 * (TIMERS_PER_TURN - 1)); /* FIRED, ENDED */
	}
	client_deinit(&client);
	client_deinit(&follower);
	world_deinit(&world);
}

/* A million posted at once are no million in a turn either, and keep their order. */
static void test_soon_in_turns(void **state) {
	struct timer_spec spec = { .kind = TIMER_KIND_SOON };
	struct client client;
	struct world world;
	unsigned turns = 0;

	(void)state;
	world_init(&world);
	client_init(&client, &world, 1000);
	for (spec.handle = 1; spec.handle <= 10 * TIMERS_PER_TURN + 1; spec.handle++)
		world_arm(&world, &client, &spec);
	do
		turns++;
	while (world_turn(&world));
	assert_int_equal(turns, 11);
	for (uint64_t handle = 1; handle < spec.handle; handle++)
		client_expect(&client, handle, EVENT_TYPE_FIRED);
	client_deinit(&client);
	world_deinit(&world);
}

static void test_next(void **state) {
	struct client first, second;
	struct timer *timer;
	struct world world;

	(void)state;
	world_init(&world);
	client_init(&first, &world, 1);
	client_init(&second, &world, 2);
	for (enum timer_clock clock = 0; clock < TIMER_CLOCK_MAX; clock++)
		assert_int_equal(scheduler_next(world.scheduler, clock), INT64_MAX);
	world_after(&world, &first, 1, 100);
	timer = world_after(&world, &second, 1, 50);
	world_after(&world, &second, 2, 70);
	assert_int_equal(scheduler_next(world.scheduler, TIMER_CLOCK_BOOTTIME), WORLD_START + 50);
	assert_int_equal(scheduler_next(world.scheduler, TIMER_CLOCK_MONOTONIC), INT64_MAX);
	assert_int_equal(timer_restart(timer, WORLD_START + 200, 200), 0);
	assert_int_equal(scheduler_next(world.scheduler, TIMER_CLOCK_BOOTTIME), WORLD_START + 70);
	owner_cancel(&second.owner, 2);
	assert_int_equal(scheduler_next(world.scheduler, TIMER_CLOCK_BOOTTIME), WORLD_START + 100);
	assert_int_equal(timer_pause(timer_of_source(owner_find(&first.owner, 1))), 0);
	assert_int_equal(scheduler_next(world.scheduler, TIMER_CLOCK_BOOTTIME), WORLD_START + 200);
	client_deinit(&second);
	assert_int_equal(scheduler_next(world.scheduler, TIMER_CLOCK_BOOTTIME), INT64_MAX);
	client_deinit(&first);
	world_deinit(&world);
}

static void test_idle(void **state) {
	struct client client;
	struct world world;

	(void)state;
	world_init(&world);
	client_init(&client, &world, 1);
	assert_true(scheduler_idle_at(world.scheduler) < INT64_MAX);
	world_after(&world, &client, 1, 100);
	assert_true(scheduler_idle_at(world.scheduler) == INT64_MAX);
	owner_cancel(&client.owner, 1);
	assert_true(scheduler_idle_at(world.scheduler) < INT64_MAX);

	/* A result that is kept keeps it from leaving, also one that somebody has been told. */
	world_arm(&world, &client, &(struct timer_spec){ .detached = true, .deadline_ns = 1 });
	world_run(&world, 0);
	assert_true(scheduler_idle_at(world.scheduler) == INT64_MAX);
	world_run(&world, FINISHED_KEPT_NS);
	assert_true(scheduler_idle_at(world.scheduler) < INT64_MAX);
	world_arm(&world, &client, &(struct timer_spec){ .handle = 1, .detached = true, .deadline_ns = 1 });
	world_run(&world, 0);
	assert_true(scheduler_idle_at(world.scheduler) == INT64_MAX);
	client_deinit(&client);
	world_deinit(&world);
}

static void test_ids(void **state) {
	struct client first, second;
	struct world world;
	uint64_t after = 0;

	(void)state;
	world_init(&world);
	scheduler_set_first_id(world.scheduler, 4711);
	client_init(&first, &world, 1);
	client_init(&second, &world, 2);
	for (uint64_t handle = 1; handle <= 300; handle++)
		world_after(&world, handle % 3 ? &first : &second, handle, 100);
	for (uint64_t handle = 1; handle <= 300; handle++) {
		struct timer *timer;

		if (handle % 3 == 0)
			continue;
		timer = tenant_next(first.owner.tenant, after);
		assert_non_null(timer);
		assert_true(timer_id(timer) > after);
		after = timer_id(timer);
		assert_int_equal(after, 4710 + handle);
		assert_ptr_equal(tenant_find_id(first.owner.tenant, after), timer);
		assert_null(tenant_find_id(second.owner.tenant, after));
	}
	assert_null(tenant_next(first.owner.tenant, after));
	assert_null(tenant_next(first.owner.tenant, UINT64_MAX));
	client_deinit(&first);
	client_deinit(&second);
	world_deinit(&world);
}

static void test_stats(void **state) {
	struct scheduler_stats stats;
	struct client client;
	struct world world;

	(void)state;
	world_init(&world);
	client_init(&client, &world, 1);
	world_after(&world, &client, 1, 10);
	world_arm(&world, &client,
		  &(struct timer_spec){
			  .handle = 2,
			  .kind = TIMER_KIND_EVERY,
			  .deadline_ns = WORLD_START + 10,
			  .period_ns = 10,
		  });
	world_run(&world, 100);
	scheduler_stats(world.scheduler, &stats);
	assert_int_equal(stats.timers, 2);
	assert_int_equal(stats.tenants, 1);
	assert_int_equal(stats.finished, 0);
	assert_int_equal(stats.fires, 11);
	client_deinit(&client);
	world_deinit(&world);
}

/* Bytes that timers take in all; without those that the address sanitizer has. */
static size_t bytes(const struct world *world) {
	size_t slabs = world->scheduler->timers.slabs;

	for (unsigned size = 0; size < MAP_NODE_SIZES; size++)
		slabs += world->scheduler->maps.nodes[size].slabs;
	return slabs * 65536 + mallinfo2().uordblks + mallinfo2().hblkhd;
}

/* What an anonymous timer costs, all in all, and that nothing of it remains. */
static void test_memory(void **state) {
	struct client client;
	struct world world;
	size_t before;

	(void)state;
	world_init(&world);
	client_init(&client, &world, 1);
	before = bytes(&world);
	for (uint64_t handle = 1; handle <= 100000; handle++)
		world_after(&world, &client, handle, (int64_t)(handle * 7919 % 100000));
	/* The queue may have grown by half beyond what it needs; nobody has touched that yet. */
	assert_true((bytes(&world) - before) / 100000 <= 64 + 2 * 9 + 24 * 3 / 2);
	for (uint64_t handle = 1; handle <= 100000; handle += 2)
		owner_cancel(&client.owner, handle);
	while (world_turn(&world))
		take_all(&client);
	world_run(&world, 200000);
	take_all(&client);
	assert_true(bytes(&world) <= before + 8 * 65536); /* a spare slab of each kind, and what malloc keeps at hand */
	client_deinit(&client);
	world_deinit(&world);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fairness),      cmocka_unit_test(test_followers_count),
		cmocka_unit_test(test_soon_in_turns), cmocka_unit_test(test_next),
		cmocka_unit_test(test_idle),          cmocka_unit_test(test_ids),
		cmocka_unit_test(test_stats),         cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
