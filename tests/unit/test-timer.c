/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Timers: when they fire, what they say, and what can be done to them. */

#include "tests/unit/timer-fixture.h"

#include "proto/limits.h"

/* ---- when it fires --------------------------------------------------------------------------------------- */

static void test_never_early(void **state) {
	struct fixture *f = *state;
	struct event event;

	world_after(&f->world, &f->client, 1, 10);
	world_run(&f->world, 9);
	client_expect_none(&f->client);
	world_run(&f->world, 1);
	event = client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	assert_int_equal(event.id, 1);
	assert_int_equal(event.fire_seq, 1);
	assert_int_equal(event.fires, 1);
	assert_int_equal(event.missed, 0);
	assert_int_equal(event.generation, 1);
	assert_int_equal(event.scheduled_ns, WORLD_START + 10);
	assert_int_equal(event.first_scheduled_ns, WORLD_START + 10);
	assert_int_equal(event.fired_ns, WORLD_START + 10);
	assert_null(event.name);
}

static void test_clocks_differ(void **state) {
	struct fixture *f = *state;

	for (enum timer_clock clock = 0; clock < TIMER_CLOCK_MAX; clock++)
		world_arm(&f->world, &f->client,
			  &(struct timer_spec){
				  .handle = 1 + clock,
				  .kind = TIMER_KIND_AT,
				  .clock = clock,
				  .deadline_ns = WORLD_START + 10,
			  });
	f->world.now.ns[TIMER_CLOCK_MONOTONIC] += 10;
	world_run(&f->world, 0);
	client_expect(&f->client, 1 + TIMER_CLOCK_MONOTONIC, EVENT_TYPE_FIRED);
	client_expect_none(&f->client);
	f->world.now.ns[TIMER_CLOCK_REALTIME] += 10;
	world_run(&f->world, 0);
	client_expect(&f->client, 1 + TIMER_CLOCK_REALTIME, EVENT_TYPE_FIRED);
	f->world.now.ns[TIMER_CLOCK_BOOTTIME] += 11;
	world_run(&f->world, 0);
	assert_int_equal(client_expect(&f->client, 1 + TIMER_CLOCK_BOOTTIME, EVENT_TYPE_FIRED).fired_ns,
			 WORLD_START + 11);
}

static void test_slack(void **state) {
	static const struct {
		int64_t slack, deadline, effective;
	} cases[] = {
		{ 0, 1000001, 1000001 },
		{ 1, 1000001, 1000001 },
		{ 2, 1000001, 1000002 },
		{ 3, 1000001, 1000002 },
		{ 1023, 1000001, 1000448 },
		{ 1024, 1000001, 1000448 },
		{ 1024, 1000448, 1000448 },
		{ 2047, 1000449, 1001472 },
		{ TIME_NS_MAX, 1, INT64_C(1) << 61 },
		{ TIME_NS_MAX, TIME_NS_MAX, INT64_C(1) << 62 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct timer *timer = world_arm(&f->world, &f->client,
						&(struct timer_spec){
							.handle = 1,
							.kind = TIMER_KIND_AT,
							.deadline_ns = cases[i].deadline,
							.slack_ns = cases[i].slack,
						});

		assert_int_equal(describe(timer).next_ns, cases[i].effective);
		owner_cancel(&f->client.owner, 1);
	}

	/* It is the deadline that is rounded; the nominal time is told. */
	world_arm(&f->world, &f->client,
		  &(struct timer_spec){
			  .handle = 1,
			  .kind = TIMER_KIND_AT,
			  .deadline_ns = WORLD_START + 1,
			  .slack_ns = 1024,
		  });
	world_run(&f->world, 1023);
	client_expect_none(&f->client);
	world_run(&f->world, 1);
	assert_int_equal(client_expect(&f->client, 1, EVENT_TYPE_FIRED).scheduled_ns, WORLD_START + 1);
}

static void test_rearmed_goes_behind(void **state) {
	struct fixture *f = *state;
	struct timer *first;

	first = world_after(&f->world, &f->client, 1, 10);
	world_after(&f->world, &f->client, 2, 10);
	assert_int_equal(timer_restart(first, WORLD_START + 10, 10), 0);
	world_run(&f->world, 10);
	client_expect(&f->client, 2, EVENT_TYPE_FIRED);
	client_expect(&f->client, 1, EVENT_TYPE_FIRED);
}

/* A repeating one takes a new place with each time. */
static void test_repeating_goes_behind(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec;

	for (uint64_t handle = 1; handle <= 3; handle++) {
		spec = every(handle, 10);
		world_arm(&f->world, &f->client, &spec);
	}
	world_after(&f->world, &f->client, 4, 20);
	world_run(&f->world, 10);
	for (uint64_t handle = 1; handle <= 3; handle++)
		client_expect(&f->client, handle, EVENT_TYPE_FIRED);
	world_run(&f->world, 10);
	client_expect(&f->client, 4, EVENT_TYPE_FIRED);
	for (uint64_t handle = 1; handle <= 3; handle++)
		client_expect(&f->client, handle, EVENT_TYPE_FIRED);
}

static void test_merge(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = every(1, 10);
	struct event event;

	world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 12);
	world_run(&f->world, 10);
	world_run(&f->world, 33); /* 55: nominal times 30, 40 and 50 at once */
	event = client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	assert_int_equal(event.fires, 5);
	assert_int_equal(event.fire_seq, 5);
	assert_int_equal(event.missed, 2);
	assert_int_equal(event.first_scheduled_ns, WORLD_START + 10);
	assert_int_equal(event.scheduled_ns, WORLD_START + 50);
	assert_int_equal(event.fired_ns, WORLD_START + 55);
	client_expect_none(&f->client);

	/* What was late does not move what follows, and what was taken is not told again. */
	world_run(&f->world, 4);
	client_expect_none(&f->client);
	world_run(&f->world, 1);
	event = client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	assert_int_equal(event.fires, 1);
	assert_int_equal(event.fire_seq, 6);
	assert_int_equal(event.missed, 0);
	assert_int_equal(event.first_scheduled_ns, WORLD_START + 60);
	assert_int_equal(event.scheduled_ns, WORLD_START + 60);
}

static void test_count(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = every(1, 10);
	struct event event;

	spec.count = 5;
	world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 20);
	assert_int_equal(client_expect(&f->client, 1, EVENT_TYPE_FIRED).fires, 2);
	world_run(&f->world, 100);
	event = client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	assert_int_equal(event.fires, 3);
	assert_int_equal(event.fire_seq, 5);
	assert_int_equal(event.missed, 2);
	assert_int_equal(event.scheduled_ns, WORLD_START + 50);
	assert_null(owner_find(&f->client.owner, 1));
}

static void test_until(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = every(1, 10);
	enum timer_change change;
	struct timer *timer;

	spec.until_ns = WORLD_START + 30; /* still one of its times */
	world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 1000);
	assert_int_equal(client_expect(&f->client, 1, EVENT_TYPE_FIRED).fires, 3);
	assert_null(owner_find(&f->client.owner, 1));

	spec.until_ns = WORLD_START + 2020;
	spec.deadline_ns = WORLD_START + 2000;
	spec.handle = 3;
	world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 1000);
	world_run(&f->world, 10);
	world_run(&f->world, 10);
	assert_int_equal(client_expect(&f->client, 3, EVENT_TYPE_FIRED).fires, 3);
	assert_null(owner_find(&f->client.owner, 3));

	spec.deadline_ns = WORLD_START + 10;
	spec.handle = 1;
	spec.until_ns = WORLD_START + 9;
	assert_int_equal(arm(f, &f->client, spec, &timer, &change), TIMER_E_PAST_UNTIL);
	spec.until_ns = WORLD_START + 10;
	spec.handle = 2;
	world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 0);
	assert_int_equal(client_expect(&f->client, 2, EVENT_TYPE_FIRED).fires, 1);
}

/* Nothing wraps at the ends of time. */
static void test_far_times(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = every(1, TIME_NS_MAX);

	spec.deadline_ns = TIME_NS_MAX;
	spec.slack_ns = TIME_NS_MAX;
	spec.delay_ns = TIME_NS_MAX;
	world_arm(&f->world, &f->client, &spec);
	spec.handle = 2;
	spec.deadline_ns = 1;
	spec.slack_ns = 0;
	world_arm(&f->world, &f->client, &spec);
	spec.handle = 3;
	spec.period_ns = 1;
	spec.deadline_ns = 0;
	world_arm(&f->world, &f->client, &spec);
	world_turn(&f->world);
	assert_int_equal(client_expect(&f->client, 3, EVENT_TYPE_FIRED).fires, WORLD_START + 1);
	assert_int_equal(client_expect(&f->client, 2, EVENT_TYPE_FIRED).fires, 1);
	assert_null(owner_find(&f->client.owner, 2)); /* its next time lies beyond the end */
	assert_int_equal(timer_poke(timer_of_source(owner_find(&f->client.owner, 1))), 0);
	world_run(&f->world, TIME_NS_MAX - WORLD_START);
	assert_int_equal(client_expect(&f->client, 3, EVENT_TYPE_FIRED).fire_seq, (uint64_t)TIME_NS_MAX + 1);
	client_expect_none(&f->client);
}

static void test_soon(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = { .kind = TIMER_KIND_SOON };

	for (spec.handle = 1; spec.handle <= 3; spec.handle++)
		world_arm(&f->world, &f->client, &spec);
	assert_int_equal(scheduler_next(f->world.scheduler, TIMER_CLOCK_BOOTTIME), WORLD_START);
	assert_int_equal(owner_cancel(&f->client.owner, 2), CANCEL_CANCELLED);
	assert_false(world_turn(&f->world));
	client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	client_expect(&f->client, 3, EVENT_TYPE_FIRED);
	assert_int_equal(scheduler_next(f->world.scheduler, TIMER_CLOCK_BOOTTIME), INT64_MAX);

	world_arm(&f->world, &f->client, &spec);
	assert_int_equal(timer_trigger(timer_of_source(owner_find(&f->client.owner, 4))), TIMER_E_UNCHANGED);
	assert_int_equal(timer_poke(timer_of_source(owner_find(&f->client.owner, 4))), TIMER_E_NOT_DELAYED);
	assert_int_equal(timer_pause(timer_of_source(owner_find(&f->client.owner, 4))), 0);
	world_run(&f->world, 10);
	client_expect_none(&f->client);
	assert_int_equal(timer_resume(timer_of_source(owner_find(&f->client.owner, 4))), 0);
	world_run(&f->world, 0);
	client_expect(&f->client, 4, EVENT_TYPE_FIRED);

	/* One that is given a deadline is like any other. */
	spec.handle = 5;
	world_arm(&f->world, &f->client, &spec);
	assert_int_equal(timer_restart(timer_of_source(owner_find(&f->client.owner, 5)), WORLD_START + 20, 20), 0);
	world_run(&f->world, 0);
	client_expect_none(&f->client);
	world_run(&f->world, 10);
	client_expect(&f->client, 5, EVENT_TYPE_FIRED);
}

static void on_ready_post(struct client *client) {
	struct world *world = client->userdata;

	client->userdata = NULL;
	if (world)
		world_arm(world, client, &(struct timer_spec){ .handle = 99, .kind = TIMER_KIND_SOON });
}

static void test_soon_posts_for_the_next_turn(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = { .kind = TIMER_KIND_SOON };

	for (spec.handle = 1; spec.handle <= 3; spec.handle++)
		world_arm(&f->world, &f->client, &spec);
	f->client.on_ready = on_ready_post;
	f->client.userdata = &f->world;
	assert_true(world_turn(&f->world));
	for (uint64_t handle = 1; handle <= 3; handle++)
		client_expect(&f->client, handle, EVENT_TYPE_FIRED);
	client_expect_none(&f->client);
	assert_false(world_turn(&f->world));
	client_expect(&f->client, 99, EVENT_TYPE_FIRED);
}

static void test_step_of_the_clock(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = every(1, 100);
	struct event event;

	spec.clock = TIMER_CLOCK_REALTIME;
	world_arm(&f->world, &f->client, &spec);
	spec.handle = 2;
	spec.kind = TIMER_KIND_AT;
	spec.period_ns = 0;
	spec.deadline_ns = WORLD_START + 350;
	world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 250);
	assert_int_equal(client_expect(&f->client, 1, EVENT_TYPE_FIRED).fire_seq, 2);

	/* Set back: nominal times come again, the numbers of the fires go on. */
	f->world.now.ns[TIMER_CLOCK_REALTIME] = WORLD_START + 120;
	scheduler_advance(f->world.scheduler, &f->world.now, true);
	assert_int_equal(scheduler_next(f->world.scheduler, TIMER_CLOCK_REALTIME), WORLD_START + 200);
	world_run(&f->world, 80);
	event = client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	assert_int_equal(event.fire_seq, 3);
	assert_int_equal(event.scheduled_ns, WORLD_START + 200);

	/* Set back before its anchor: not before that. */
	f->world.now.ns[TIMER_CLOCK_REALTIME] = WORLD_START - 1000;
	scheduler_advance(f->world.scheduler, &f->world.now, true);
	assert_int_equal(scheduler_next(f->world.scheduler, TIMER_CLOCK_REALTIME), WORLD_START + 100);

	/* Set forward: what was skipped comes as one. */
	f->world.now.ns[TIMER_CLOCK_REALTIME] = WORLD_START + 555;
	scheduler_advance(f->world.scheduler, &f->world.now, true);
	assert_false(scheduler_dispatch(f->world.scheduler));
	event = client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	assert_int_equal(event.fires, 5);
	assert_int_equal(event.missed, 4);
	assert_int_equal(event.fire_seq, 8);
	client_expect(&f->client, 2, EVENT_TYPE_FIRED);
	assert_int_equal(scheduler_next(f->world.scheduler, TIMER_CLOCK_REALTIME), WORLD_START + 600);
}

/* ---- what can be done to it ------------------------------------------------------------------------------ */

static void test_restart(void **state) {
	struct fixture *f = *state;
	struct timer *timer = world_after(&f->world, &f->client, 1, 10);
	struct timer_spec spec = every(2, 10);
	struct event event;

	world_run(&f->world, 10);
	assert_int_equal(timer_restart(timer, WORLD_START + 30, 20), 0); /* the unsent fire is taken back */
	assert_int_equal(describe(timer).end, SOURCE_END_NONE);
	client_expect_none(&f->client);
	world_run(&f->world, 19);
	client_expect_none(&f->client);
	world_run(&f->world, 1);
	event = client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	assert_int_equal(event.scheduled_ns, WORLD_START + 30);

	spec.count = 3;
	spec.deadline_ns = WORLD_START + 40;
	timer = world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 20);
	assert_int_equal(timer_restart(timer, WORLD_START + 105, 55), 0);
	client_expect_none(&f->client);
	world_run(&f->world, 1000);
	event = client_expect(&f->client, 2, EVENT_TYPE_FIRED);
	assert_int_equal(event.first_scheduled_ns, WORLD_START + 105);
	assert_int_equal(event.fires, 3);
	assert_null(owner_find(&f->client.owner, 2));

	spec.deadline_ns = world_boottime(&f->world);
	spec.until_ns = spec.deadline_ns + 100;
	timer = world_arm(&f->world, &f->client, &spec);
	assert_int_equal(timer_restart(timer, spec.until_ns + 1, 1), TIMER_E_PAST_UNTIL);
	assert_int_equal(describe(timer).next_ns, spec.deadline_ns);
}

static void test_pause_once(void **state) {
	struct fixture *f = *state;
	struct timer *timer = world_after(&f->world, &f->client, 1, 100);

	assert_int_equal(timer_resume(timer), TIMER_E_UNCHANGED);
	world_run(&f->world, 30);
	assert_int_equal(timer_pause(timer), 0);
	assert_int_equal(timer_pause(timer), TIMER_E_UNCHANGED);
	assert_int_equal(describe(timer).state, TIMER_STATE_PAUSED);
	assert_int_equal(describe(timer).next_ns, 70);
	world_run(&f->world, 1000);
	client_expect_none(&f->client);
	assert_int_equal(timer_resume(timer), 0);
	assert_int_equal(describe(timer).next_ns, WORLD_START + 1100);
	world_run(&f->world, 69);
	client_expect_none(&f->client);
	world_run(&f->world, 1);
	assert_int_equal(timer_pause(timer), TIMER_E_UNCHANGED); /* it is over */
	client_expect(&f->client, 1, EVENT_TYPE_FIRED);

	timer = world_after(&f->world, &f->client, 1, 100);
	assert_int_equal(timer_pause(timer), 0);
	assert_int_equal(owner_cancel(&f->client.owner, 1), CANCEL_CANCELLED);
}

static void test_pause_repeating(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = every(1, 100);
	struct timer *timer;
	struct event event;

	timer = world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 100);
	assert_int_equal(timer_pause(timer), 0);
	assert_int_equal(client_expect(&f->client, 1, EVENT_TYPE_FIRED).fire_seq, 1); /* that one was before */
	world_run(&f->world, 450);
	assert_int_equal(timer_resume(timer), 0);
	assert_int_equal(describe(timer).next_ns, WORLD_START + 600);
	world_run(&f->world, 50);
	event = client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	assert_int_equal(event.fire_seq, 2); /* what passed meanwhile counts as nothing */
	assert_int_equal(event.missed, 0);
	assert_int_equal(event.scheduled_ns, WORLD_START + 600);

	/* It would have ended while it was paused: it is told so. */
	spec.handle = 2;
	spec.deadline_ns = WORLD_START + 700;
	spec.until_ns = WORLD_START + 800;
	timer = world_arm(&f->world, &f->client, &spec);
	assert_int_equal(timer_pause(timer), 0);
	world_run(&f->world, 400);
	owner_cancel(&f->client.owner, 1);
	assert_int_equal(timer_resume(timer), 0);
	assert_int_equal(client_expect(&f->client, 2, EVENT_TYPE_ENDED).end, SOURCE_END_DONE);
	assert_null(owner_find(&f->client.owner, 2));
}

static void test_trigger(void **state) {
	struct fixture *f = *state;
	struct timer *once = world_after(&f->world, &f->client, 1, 100);
	struct timer_spec spec = every(2, 100);
	struct timer *repeating;
	struct event event;

	spec.count = 2;
	repeating = world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 30);
	assert_int_equal(timer_trigger(once), 0);
	assert_int_equal(timer_trigger(repeating), 0);
	event = client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	assert_int_equal(event.scheduled_ns, WORLD_START + 30);
	assert_int_equal(event.fired_ns, WORLD_START + 30);
	assert_int_equal(describe(once).next_ns, WORLD_START + 100);
	client_expect(&f->client, 2, EVENT_TYPE_FIRED);

	world_run(&f->world, 70);
	assert_int_equal(client_expect(&f->client, 1, EVENT_TYPE_FIRED).fire_seq, 2);
	assert_null(owner_find(&f->client.owner, 1));
	/* Not one of the nominal times that `count` counts. */
	assert_int_equal(timer_trigger(repeating), 0);
	event = client_expect(&f->client, 2, EVENT_TYPE_FIRED);
	assert_int_equal(event.fires, 2);
	assert_int_equal(event.fire_seq, 3);
	world_run(&f->world, 100);
	assert_int_equal(client_expect(&f->client, 2, EVENT_TYPE_FIRED).fire_seq, 4);
	assert_null(owner_find(&f->client.owner, 2));
}

static void test_poke(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = named(1, "a", 100);
	struct timer *timer = world_arm(&f->world, &f->client, &spec);

	world_run(&f->world, 90);
	assert_int_equal(timer_poke(timer), 0);
	world_run(&f->world, 99);
	client_expect_none(&f->client);
	assert_int_equal(timer_pause(timer), 0);
	assert_int_equal(timer_poke(timer), 0);
	assert_int_equal(describe(timer).next_ns, 100);
	assert_int_equal(timer_resume(timer), 0);
	world_run(&f->world, 100);
	client_expect(&f->client, 1, EVENT_TYPE_FIRED);

	spec = every(2, 100);
	spec.deadline_ns = WORLD_START + 389;
	timer = world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 50);
	assert_int_equal(timer_poke(timer), 0); /* its times count from here on */
	world_run(&f->world, 210);
	assert_int_equal(client_expect(&f->client, 2, EVENT_TYPE_FIRED).scheduled_ns, WORLD_START + 289 + 50 + 200);

	timer = world_arm(&f->world, &f->client,
			  &(struct timer_spec){
				  .handle = 3,
				  .kind = TIMER_KIND_AT,
				  .deadline_ns = world_boottime(&f->world) + 10,
				  .delay_ns = -1,
			  });
	assert_int_equal(timer_poke(timer), TIMER_E_NOT_DELAYED);
	assert_int_equal(timer_poke(world_after(&f->world, &f->client, 4, 1000)), TIMER_E_NOT_DELAYED);
	world_run(&f->world, 10);
	assert_int_equal(timer_poke(timer), TIMER_E_UNCHANGED);
	assert_int_equal(timer_kill(timer, 0), TIMER_E_NO_COMMAND);
}

/* Cancelled by somebody who is not its owner: the owner waits for an event, and gets that one. */
static void test_cancelled_by_another(void **state) {
	struct fixture *f = *state;
	struct timer *timer = world_after(&f->world, &f->client, 1, 100);

	assert_int_equal(timer_cancel(timer, SOURCE_END_CANCELLED), CANCEL_CANCELLED);
	assert_int_equal(timer_cancel(timer, SOURCE_END_CANCELLED), CANCEL_GONE);
	assert_int_equal(timer_restart(timer, WORLD_START + 5, 5), TIMER_E_UNCHANGED);
	assert_int_equal(client_expect(&f->client, 1, EVENT_TYPE_ENDED).end, SOURCE_END_CANCELLED);
	assert_null(owner_find(&f->client.owner, 1));

	timer = world_after(&f->world, &f->client, 1, 100);
	world_run(&f->world, 100);
	assert_int_equal(timer_cancel(timer, SOURCE_END_CANCELLED), CANCEL_WITHDRAWN);
	assert_int_equal(timer_attach(timer, &f->other.owner, 2, false), 0);
	assert_int_equal(client_expect(&f->other, 2, EVENT_TYPE_ENDED).end, SOURCE_END_CANCELLED);
	assert_int_equal(owner_cancel(&f->client.owner, 1), CANCEL_GONE);
	client_expect_none(&f->client);
}

static void test_describe_anonymous(void **state) {
	struct fixture *f = *state;
	struct timer *timer = world_after(&f->world, &f->client, 1, 100);
	struct timer_info info = describe(timer);

	assert_int_equal(info.id, 1);
	assert_null(info.name);
	assert_int_equal(info.state, TIMER_STATE_ARMED);
	assert_int_equal(info.next_ns, WORLD_START + 100);
	assert_int_equal(info.generation, 1);
	assert_false(info.detached);
	assert_ptr_equal(info.owner, &f->client.owner);
	world_run(&f->world, 105);
	info = describe(timer);
	assert_int_equal(info.state, TIMER_STATE_FINISHED);
	assert_int_equal(info.next_ns, 0);
	assert_int_equal(info.fire_seq, 1);
	assert_int_equal(info.last_fired_ns, WORLD_START + 105);
	assert_int_equal(info.last_lateness_ns, 5);
	assert_int_equal(timer_attach(timer, &f->other.owner, 1, false), 0);
	assert_int_equal(client_expect(&f->other, 1, EVENT_TYPE_FIRED).fired_ns, WORLD_START + 105);
	assert_int_equal(client_expect(&f->other, 1, EVENT_TYPE_ENDED).end, SOURCE_END_DONE);
	assert_int_equal(client_expect(&f->client, 1, EVENT_TYPE_FIRED).scheduled_ns, WORLD_START + 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_never_early),
		TEST(test_clocks_differ),
		TEST(test_slack),
		TEST(test_rearmed_goes_behind),
		TEST(test_repeating_goes_behind),
		TEST(test_merge),
		TEST(test_count),
		TEST(test_until),
		TEST(test_far_times),
		TEST(test_soon),
		TEST(test_soon_posts_for_the_next_turn),
		TEST(test_step_of_the_clock),
		TEST(test_restart),
		TEST(test_pause_once),
		TEST(test_pause_repeating),
		TEST(test_trigger),
		TEST(test_poke),
		TEST(test_cancelled_by_another),
		TEST(test_describe_anonymous),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
