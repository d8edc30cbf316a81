/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owners and their sources: handles, the order of pending events, what is taken and what is taken back. */

#include "tests/unit/test.h"

#include <string.h>

#include "tests/unit/core-world.h"

struct fixture {
	struct world world;
	struct client client;
};

static int setup(void **state) {
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	world_init(&f->world);
	client_init(&f->client, &f->world, 1000);
	*state = f;
	return 0;
}

static int teardown(void **state) {
	struct fixture *f = *state;
	struct scheduler_stats stats;

	client_deinit(&f->client);
	scheduler_stats(f->world.scheduler, &stats);
	assert_int_equal(stats.timers, 0);
	world_deinit(&f->world);
	free(f);
	return 0;
}

static void test_handles(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = { .handle = 7, .deadline_ns = WORLD_START + 10, .delay_ns = -1 };
	enum timer_change change = TIMER_CHANGE_REPLACED;
	struct timer *timer = NULL;

	assert_null(owner_find(&f->client.owner, 7));
	world_after(&f->world, &f->client, 7, 10);
	assert_non_null(owner_find(&f->client.owner, 7));
	assert_int_equal(owner_find(&f->client.owner, 7)->handle, 7);

	/* A handle is taken while its source lives, and nothing is written when it is refused. */
	assert_int_equal(timer_arm(f->world.scheduler, &f->client.owner, &spec, &timer, &change),
			 TIMER_E_HANDLE_EXISTS);
	assert_null(timer);
	assert_int_equal(change, TIMER_CHANGE_REPLACED);
	assert_int_equal(tenant_use(f->client.owner.tenant)->timers, 1);

	/* It lives until its last event is taken. */
	world_run(&f->world, 10);
	assert_non_null(owner_find(&f->client.owner, 7));
	client_expect(&f->client, 7, EVENT_TYPE_FIRED);
	assert_null(owner_find(&f->client.owner, 7));
	world_after(&f->world, &f->client, 7, 10);
	assert_int_equal(owner_cancel(&f->client.owner, 7), CANCEL_CANCELLED);
	world_after(&f->world, &f->client, 7, 10);
}

static void test_handles_of_two_owners(void **state) {
	struct fixture *f = *state;
	struct client other;

	client_init(&other, &f->world, 1000);
	world_after(&f->world, &f->client, 1, 10);
	world_after(&f->world, &other, 1, 5);
	world_run(&f->world, 5);
	client_expect_none(&f->client);
	client_expect(&other, 1, EVENT_TYPE_FIRED);
	assert_int_equal(owner_cancel(&other.owner, 1), CANCEL_GONE);
	assert_int_equal(owner_cancel(&f->client.owner, 1), CANCEL_CANCELLED);
	client_deinit(&other);
}

static void test_cancel_outcomes(void **state) {
	struct fixture *f = *state;
	struct owner *owner = &f->client.owner;

	assert_int_equal(owner_cancel(owner, 1), CANCEL_GONE);
	world_after(&f->world, &f->client, 1, 10);
	assert_int_equal(owner_cancel(owner, 1), CANCEL_CANCELLED);
	assert_int_equal(owner_cancel(owner, 1), CANCEL_GONE);

	world_after(&f->world, &f->client, 2, 10);
	world_run(&f->world, 10);
	assert_int_equal(owner_cancel(owner, 2), CANCEL_WITHDRAWN);
	client_expect_none(&f->client);

	world_after(&f->world, &f->client, 3, 10);
	world_run(&f->world, 10);
	client_expect(&f->client, 3, EVENT_TYPE_FIRED);
	assert_int_equal(owner_cancel(owner, 3), CANCEL_GONE);

	/* Repeating: withdrawn if a fire was unsent, else cancelled. */
	for (uint64_t handle = 4; handle <= 5; handle++)
		world_arm(&f->world, &f->client,
			  &(struct timer_spec){
				  .handle = handle,
				  .kind = TIMER_KIND_EVERY,
				  .deadline_ns = world_boottime(&f->world) + 10,
				  .period_ns = 10,
			  });
	world_run(&f->world, 10);
	client_expect(&f->client, 4, EVENT_TYPE_FIRED);
	assert_int_equal(owner_cancel(owner, 4), CANCEL_CANCELLED);
	assert_int_equal(owner_cancel(owner, 5), CANCEL_WITHDRAWN);
	world_run(&f->world, 1000);
	client_expect_none(&f->client);
}

static void test_order_of_events(void **state) {
	struct fixture *f = *state;

	for (uint64_t handle = 1; handle <= 10000; handle++)
		world_after(&f->world, &f->client, handle, 50);
	world_run(&f->world, 50);
	assert_int_equal(f->client.readies, 1); /* told once, not ten thousand times */
	for (uint64_t handle = 1; handle <= 10000; handle++)
		client_expect(&f->client, handle, EVENT_TYPE_FIRED);
	client_expect_none(&f->client);

	world_after(&f->world, &f->client, 1, 50);
	world_run(&f->world, 50);
	assert_int_equal(f->client.readies, 2);
}

static void test_peek_changes_nothing(void **state) {
	struct fixture *f = *state;
	struct event first, second;

	world_after(&f->world, &f->client, 9, 3);
	world_run(&f->world, 5);
	assert_true(owner_peek_event(&f->client.owner, &first));
	assert_true(owner_peek_event(&f->client.owner, &second));
	assert_memory_equal(&first, &second, sizeof(first));
	assert_int_equal(first.scheduled_ns, WORLD_START + 3);
	assert_int_equal(first.fired_ns, WORLD_START + 5);
	owner_took_event(&f->client.owner);
	assert_false(owner_peek_event(&f->client.owner, &second));
}

/* Types come in their order, and a source's events one after the other. */
static void test_types(void **state) {
	struct fixture *f = *state;
	struct client other;
	struct timer *timer;

	client_init(&other, &f->world, 1000);
	timer = world_arm(&f->world, &f->client,
			  &(struct timer_spec){
				  .handle = 1,
				  .kind = TIMER_KIND_EVERY,
				  .deadline_ns = WORLD_START + 10,
				  .period_ns = 10,
			  });
	assert_int_equal(timer_attach(timer, &other.owner, 20, false), 0);
	assert_int_equal(timer_attach(timer, &other.owner, 21, false), 0);
	assert_int_equal(timer_attach(timer, &other.owner, 21, false), TIMER_E_HANDLE_EXISTS);
	world_run(&f->world, 10);
	assert_int_equal(owner_cancel(&f->client.owner, 1), CANCEL_WITHDRAWN);
	for (unsigned i = 0; i < 2; i++) {
		struct event fired, ended;

		assert_true(client_take(&other, &fired));
		assert_true(client_take(&other, &ended));
		assert_int_equal(fired.type, EVENT_TYPE_FIRED);
		assert_int_equal(ended.type, EVENT_TYPE_ENDED);
		assert_int_equal(fired.handle, ended.handle);
		assert_int_equal(ended.end, SOURCE_END_CANCELLED);
	}
	client_expect_none(&other);
	assert_int_equal(tenant_use(f->client.owner.tenant)->timers, 0);
	client_deinit(&other);
}

static void test_reduce(void **state) {
	struct fixture *f = *state;

	for (uint64_t handle = 1; handle <= 1000; handle++)
		world_after(&f->world, &f->client, handle, (int64_t)handle % 2 * 100);
	world_run(&f->world, 50);
	assert_true(owner_reduce(&f->client.owner, 999));
	assert_int_equal(tenant_use(f->client.owner.tenant)->timers, 1);
	assert_false(owner_reduce(&f->client.owner, 1));
	assert_false(owner_reduce(&f->client.owner, 1));
	client_expect_none(&f->client);
}

/* The tenant outlives its owners only as long as it has something. */
static void test_tenant_life(void **state) {
	struct fixture *f = *state;
	struct scheduler_stats stats;
	struct client other;

	client_init(&other, &f->world, 2000);
	scheduler_stats(f->world.scheduler, &stats);
	assert_int_equal(stats.tenants, 2);
	world_arm(&f->world, &other, &(struct timer_spec){ .deadline_ns = WORLD_START + 5, .detached = true });
	client_deinit(&other);
	scheduler_stats(f->world.scheduler, &stats);
	assert_int_equal(stats.tenants, 2);
	client_init(&other, &f->world, 2000);
	assert_int_equal(timer_cancel(tenant_next(other.owner.tenant, 0), SOURCE_END_CANCELLED), CANCEL_CANCELLED);
	client_deinit(&other);
	world_run(&f->world, 24 * 3600 * NSEC_PER_SEC); /* its result is forgotten */
	scheduler_stats(f->world.scheduler, &stats);
	assert_int_equal(stats.tenants, 1);
}

/* An owner that goes away while another one is told something. */
static void deinit_other(struct client *client) {
	struct client *other = client->userdata;

	if (other)
		client_deinit(other);
	client->userdata = NULL;
}

static void test_deinit_within_dispatch(void **state) {
	struct fixture *f = *state;
	struct client other;

	client_init(&other, &f->world, 1000);
	for (uint64_t handle = 1; handle <= 500; handle++) {
		world_after(&f->world, &f->client, handle, 10);
		world_after(&f->world, &other, handle, 10);
	}
	f->client.on_ready = deinit_other;
	f->client.userdata = &other;
	world_run(&f->world, 10);
	assert_null(f->client.userdata);
	for (uint64_t handle = 1; handle <= 500; handle++)
		client_expect(&f->client, handle, EVENT_TYPE_FIRED);
	client_expect_none(&f->client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_handles),         TEST(test_handles_of_two_owners), TEST(test_cancel_outcomes),
		TEST(test_order_of_events), TEST(test_peek_changes_nothing),  TEST(test_types),
		TEST(test_reduce),          TEST(test_tenant_life),           TEST(test_deinit_within_dispatch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
