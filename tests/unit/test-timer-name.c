/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Timers with names, those that belong to the uid, and those with a command. */

#include "tests/unit/timer-fixture.h"

#include "proto/limits.h"

/* ---- names ----------------------------------------------------------------------------------------------- */

static void test_name_create(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = named(1, "a", 100);
	enum timer_change change;
	struct timer *timer, *first;
	char name[] = "a";

	spec.name = name;
	assert_int_equal(arm(f, &f->client, spec, &first, &change), 0);
	name[0] = 'x'; /* it has its own copy */
	assert_int_equal(change, TIMER_CHANGE_CREATED);
	assert_ptr_equal(find(f, "a"), first);
	assert_null(find(f, "b"));
	assert_string_equal(describe(first).name, "a");

	/* Whoever of that uid it belongs to. */
	timer = NULL;
	assert_int_equal(arm(f, &f->other, named(1, "a", 50), &timer, &change), TIMER_E_NAME_EXISTS);
	assert_ptr_equal(timer, first);
	assert_int_equal(arm(f, &f->other, named(1, "b", 50), &timer, &change), 0);

	/* It goes with its session. */
	client_deinit(&f->client);
	assert_null(tenant_find_name(f->other.owner.tenant, "a"));
	assert_ptr_equal(tenant_find_name(f->other.owner.tenant, "b"), timer);
	client_init(&f->client, &f->world, 1000);
	world_run(&f->world, 50);
	assert_string_equal(client_expect(&f->other, 1, EVENT_TYPE_FIRED).name, "b");
	assert_null(find(f, "b"));
}

static void test_names_of_two_uids(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = named(1, "a", 100);
	struct client stranger;

	client_init(&stranger, &f->world, 2000);
	world_arm(&f->world, &f->client, &spec);
	world_arm(&f->world, &stranger, &spec);
	assert_ptr_not_equal(find(f, "a"), tenant_find_name(stranger.owner.tenant, "a"));
	assert_null(tenant_find_id(stranger.owner.tenant, timer_id(find(f, "a"))));
	assert_int_equal(timer_id(tenant_next(stranger.owner.tenant, 0)), 2);
	client_deinit(&stranger);
}

static void test_name_replace(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = named(2, "a", 50);
	struct timer *first, *second;
	enum timer_change change;
	uint64_t id;

	assert_int_equal(arm(f, &f->client, named(1, "a", 100), &first, &change), 0);
	id = timer_id(first);
	spec.name_mode = NAME_MODE_REPLACE;
	assert_int_equal(arm(f, &f->other, spec, &second, &change), 0);
	assert_int_equal(change, TIMER_CHANGE_REPLACED);
	assert_int_not_equal(timer_id(second), id);
	assert_ptr_equal(find(f, "a"), second);
	assert_int_equal(client_expect(&f->client, 1, EVENT_TYPE_ENDED).end, SOURCE_END_REPLACED);
	assert_ptr_equal(find(f, "a"), second);
	world_run(&f->world, 50);
	client_expect(&f->other, 2, EVENT_TYPE_FIRED);

	/* A refused replacement leaves the holder alone. */
	assert_int_equal(arm(f, &f->client, named(1, "a", 100), &first, &change), 0);
	spec.handle = 1;
	assert_int_equal(arm(f, &f->client, spec, &second, &change), TIMER_E_HANDLE_EXISTS);
	assert_ptr_equal(find(f, "a"), first);
	assert_int_equal(describe(first).state, TIMER_STATE_ARMED);
}

static void test_name_ensure(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = every(1, 100);
	struct timer *first, *timer;
	enum timer_change change;
	struct event event;

	spec.name = "a";
	spec.name_mode = NAME_MODE_ENSURE;
	assert_int_equal(arm(f, &f->client, spec, &first, &change), 0);
	assert_int_equal(change, TIMER_CHANGE_CREATED);

	/* The same but for its anchor: untouched. */
	world_run(&f->world, 30);
	spec.deadline_ns += 30;
	assert_int_equal(arm(f, &f->client, spec, &timer, &change), 0);
	assert_int_equal(change, TIMER_CHANGE_UNCHANGED);
	assert_ptr_equal(timer, first);
	assert_int_equal(describe(first).next_ns, WORLD_START + 100);

	/* Another one: the same timer, defined anew; an unsent fire stays what it was. */
	world_run(&f->world, 70);
	spec.period_ns = 40;
	spec.deadline_ns = WORLD_START + 20; /* gone by: it does not fire because of that */
	assert_int_equal(arm(f, &f->client, spec, &timer, &change), 0);
	assert_int_equal(change, TIMER_CHANGE_UPDATED);
	assert_ptr_equal(timer, first);
	assert_int_equal(describe(first).generation, 2);
	assert_int_equal(describe(first).next_ns, WORLD_START + 140);
	world_run(&f->world, 0);
	event = client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	assert_int_equal(event.scheduled_ns, WORLD_START + 100);
	assert_int_equal(event.generation, 1);
	client_expect_none(&f->client);
	world_run(&f->world, 40);
	event = client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	assert_int_equal(event.generation, 2);
	assert_int_equal(event.fire_seq, 2);

	/* So that no time is left of it: it is told that this is its end. */
	spec.name = "b";
	spec.handle = 2;
	assert_int_equal(arm(f, &f->client, spec, &timer, &change), 0);
	spec.deadline_ns = WORLD_START + 10;
	spec.until_ns = WORLD_START + 20;
	assert_int_equal(arm(f, &f->client, spec, &timer, &change), 0);
	assert_int_equal(describe(timer).state, TIMER_STATE_FINISHED);
	assert_int_equal(client_expect(&f->client, 2, EVENT_TYPE_ENDED).end, SOURCE_END_DONE);
	spec.name = "a";
	spec.handle = 1;
	spec.until_ns = 0;

	/* Onto another clock, and paused all the while. */
	assert_int_equal(timer_pause(first), 0);
	spec.clock = TIMER_CLOCK_REALTIME;
	spec.deadline_ns = world_boottime(&f->world) + 40;
	assert_int_equal(arm(f, &f->client, spec, &timer, &change), 0);
	assert_int_equal(change, TIMER_CHANGE_UPDATED);
	assert_int_equal(describe(first).state, TIMER_STATE_PAUSED);
	assert_int_equal(describe(first).clock, TIMER_CLOCK_REALTIME);
	assert_int_equal(timer_resume(first), 0);
	assert_int_equal(scheduler_next(f->world.scheduler, TIMER_CLOCK_REALTIME), spec.deadline_ns);
	assert_int_equal(scheduler_next(f->world.scheduler, TIMER_CLOCK_BOOTTIME), INT64_MAX);
}

/* What is over cannot come back under a name that another one has by now. */
static void test_name_lost(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = named(1, "a", 100);
	struct timer *first = world_arm(&f->world, &f->client, &spec);

	world_run(&f->world, 100);
	spec.handle = 2;
	spec.deadline_ns = WORLD_START + 200;
	assert_ptr_not_equal(world_arm(&f->world, &f->client, &spec), first);
	assert_int_equal(timer_restart(first, WORLD_START + 150, 50), TIMER_E_UNCHANGED);
	client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	assert_non_null(find(f, "a"));
	assert_int_equal(timer_restart(find(f, "a"), WORLD_START + 150, 50), 0);
}

/* Each part of a definition makes it another one; and so it is one update, not two. */
static void test_ensure_parts(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = every(1, 100);
	enum timer_change change;
	struct timer *timer;

	spec.name = "a";
	spec.name_mode = NAME_MODE_ENSURE;
	timer = world_arm(&f->world, &f->client, &spec);
	for (unsigned part = 0; part < 5; part++) {
		switch (part) {
		case 0:
			spec.slack_ns = 7;
			break;
		case 1:
			spec.count = 7;
			break;
		case 2:
			spec.until_ns = TIME_NS_MAX;
			break;
		case 3:
			spec.period_ns = 70;
			break;
		default:
			spec.clock = TIMER_CLOCK_MONOTONIC;
		}
		assert_int_equal(arm(f, &f->client, spec, &timer, &change), 0);
		assert_int_equal(change, TIMER_CHANGE_UPDATED);
		assert_int_equal(arm(f, &f->client, spec, &timer, &change), 0);
		assert_int_equal(change, TIMER_CHANGE_UNCHANGED);
		assert_int_equal(describe(timer).generation, 2 + part);
	}

	/* A first time that is this very moment is gone by as well. */
	spec.deadline_ns = WORLD_START;
	spec.slack_ns = 0;
	assert_int_equal(arm(f, &f->client, spec, &timer, &change), 0);
	assert_int_equal(describe(timer).next_ns, WORLD_START + 70);
}

static void test_ensure_once(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = named(1, "a", 100);
	struct timer *first, *timer;
	enum timer_change change;

	spec.name_mode = NAME_MODE_ENSURE;
	first = world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 50);
	spec.deadline_ns += 50;
	assert_int_equal(arm(f, &f->client, spec, &timer, &change), 0);
	assert_int_equal(change, TIMER_CHANGE_UNCHANGED);
	spec.delay_ns = 200;
	spec.deadline_ns = WORLD_START + 250;
	assert_int_equal(arm(f, &f->client, spec, &timer, &change), 0);
	assert_int_equal(change, TIMER_CHANGE_UPDATED);
	assert_int_equal(describe(first).next_ns, WORLD_START + 250);

	/* A time is the definition itself. */
	spec.kind = TIMER_KIND_AT;
	spec.delay_ns = -1;
	assert_int_equal(arm(f, &f->client, spec, &timer, &change), 0);
	assert_int_equal(change, TIMER_CHANGE_UPDATED);
	assert_int_equal(arm(f, &f->client, spec, &timer, &change), 0);
	assert_int_equal(change, TIMER_CHANGE_UNCHANGED);
	spec.deadline_ns++;
	assert_int_equal(arm(f, &f->client, spec, &timer, &change), 0);
	assert_int_equal(change, TIMER_CHANGE_UPDATED);

	/* Whoever else makes sure of it follows it, and may cancel it. */
	spec.handle = 8;
	assert_int_equal(arm(f, &f->other, spec, &timer, &change), 0);
	assert_int_equal(change, TIMER_CHANGE_UNCHANGED);
	assert_int_equal(arm(f, &f->other, spec, &timer, &change), TIMER_E_HANDLE_EXISTS);
	assert_int_equal(owner_cancel(&f->other.owner, 8), CANCEL_CANCELLED);
	assert_int_equal(client_expect(&f->client, 1, EVENT_TYPE_ENDED).end, SOURCE_END_CANCELLED);

	/* Detached or not is not changed behind anybody's back. */
	world_arm(&f->world, &f->client, &(struct timer_spec){ .handle = 3, .name = "b", .deadline_ns = TIME_NS_MAX });
	spec = detached(0, "b", 100);
	spec.name_mode = NAME_MODE_ENSURE;
	assert_int_equal(arm(f, &f->other, spec, &timer, &change), TIMER_E_NAME_EXISTS);
}

/* ---- those that belong to the uid ------------------------------------------------------------------------ */

static void test_detached(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = detached(1, "a", 100);
	struct timer *timer = world_arm(&f->world, &f->client, &spec);
	struct event event;

	assert_true(describe(timer).detached);
	assert_true(describe(timer).attached);
	assert_int_equal(tenant_use(f->client.owner.tenant)->timers, 2); /* itself, and that it is followed */
	world_run(&f->world, 100);
	event = client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	assert_int_equal(event.fire_seq, 1);
	assert_string_equal(event.name, "a");
	event = client_expect(&f->client, 1, EVENT_TYPE_ENDED);
	assert_int_equal(event.end, SOURCE_END_DONE);
	assert_null(event.run);
	client_expect_none(&f->client);

	/* It is kept, and may be asked about; its name is free. */
	assert_ptr_equal(find(f, "a"), timer);
	assert_int_equal(describe(timer).state, TIMER_STATE_FINISHED);
	assert_int_equal(tenant_use(f->client.owner.tenant)->timers, 0);
	assert_int_equal(timer_pause(timer), TIMER_E_UNCHANGED);
	assert_int_equal(timer_trigger(timer), TIMER_E_UNCHANGED);
	assert_int_equal(timer_restart(timer, TIME_NS_MAX, -1), TIMER_E_UNCHANGED);
	assert_int_equal(timer_cancel(timer, SOURCE_END_CANCELLED), CANCEL_GONE);
	spec.deadline_ns = WORLD_START + 500;
	assert_ptr_not_equal(world_arm(&f->world, &f->client, &spec), timer);
	assert_ptr_not_equal(find(f, "a"), timer);
	assert_ptr_equal(tenant_find_id(f->client.owner.tenant, 1), timer);
}

static void test_detached_outlives_session(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = detached(1, "a", 100);
	struct event event;

	world_arm(&f->world, &f->client, &spec);
	client_deinit(&f->client);
	client_init(&f->client, &f->world, 1000);
	world_run(&f->world, 150);

	/* Nobody was there; who comes later is told all of it at once. */
	assert_true(scheduler_idle_at(f->world.scheduler) == INT64_MAX);
	assert_int_equal(timer_attach(find(f, "a"), &f->other.owner, 5, false), 0);
	event = client_expect(&f->other, 5, EVENT_TYPE_FIRED);
	assert_int_equal(event.scheduled_ns, WORLD_START + 100);
	assert_int_equal(event.fired_ns, WORLD_START + 150);
	assert_int_equal(client_expect(&f->other, 5, EVENT_TYPE_ENDED).end, SOURCE_END_DONE);
	client_expect_none(&f->other);
	assert_int_equal(timer_attach(find(f, "a"), &f->client.owner, 5, false), 0);
	assert_int_equal(owner_cancel(&f->client.owner, 5), CANCEL_WITHDRAWN);
}

static void test_detached_cancel(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = detached(1, "a", 100);
	struct timer *timer;

	/* Who armed it cancels it by its handle; who only follows it stops following. */
	timer = world_arm(&f->world, &f->client, &spec);
	assert_int_equal(timer_attach(timer, &f->other.owner, 2, false), 0);
	assert_int_equal(timer_attach(timer, &f->other.owner, 3, false), 0);
	assert_int_equal(owner_cancel(&f->other.owner, 2), CANCEL_CANCELLED);
	assert_int_equal(describe(timer).state, TIMER_STATE_ARMED);
	assert_int_equal(owner_cancel(&f->client.owner, 1), CANCEL_CANCELLED);
	client_expect_none(&f->client);
	assert_int_equal(describe(timer).state, TIMER_STATE_FINISHED);
	assert_int_equal(describe(timer).end, SOURCE_END_CANCELLED);
	assert_int_equal(client_expect(&f->other, 3, EVENT_TYPE_ENDED).end, SOURCE_END_CANCELLED);
	assert_int_equal(owner_cancel(&f->client.owner, 1), CANCEL_GONE);

	/* Fired and unsent. */
	spec.name = NULL;
	spec.deadline_ns = WORLD_START;
	timer = world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 0);
	assert_int_equal(owner_cancel(&f->client.owner, 1), CANCEL_WITHDRAWN);
	assert_int_equal(describe(timer).end, SOURCE_END_DONE);

	/* Fired and sent, its end unsent. */
	world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 0);
	client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	assert_int_equal(owner_cancel(&f->client.owner, 1), CANCEL_GONE);
	client_expect_none(&f->client);
}

static void test_kept(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = detached(0, NULL, 0);
	struct scheduler_stats stats;
	uint64_t first;

	for (unsigned i = 0; i < FINISHED_KEPT_MAX + 10; i++) {
		world_arm(&f->world, &f->client, &spec);
		world_run(&f->world, NSEC_PER_SEC);
	}
	scheduler_stats(f->world.scheduler, &stats);
	assert_int_equal(stats.finished, FINISHED_KEPT_MAX);
	assert_int_equal(stats.timers, 0);
	first = timer_id(tenant_next(f->client.owner.tenant, 0));
	assert_int_equal(first, 11); /* the oldest have made room */

	world_run(&f->world, FINISHED_KEPT_NS - (FINISHED_KEPT_MAX - 1) * NSEC_PER_SEC - 1);
	assert_non_null(tenant_find_id(f->client.owner.tenant, first));
	assert_int_equal(scheduler_next(f->world.scheduler, TIMER_CLOCK_BOOTTIME), world_boottime(&f->world) + 1);
	world_run(&f->world, 1);
	assert_null(tenant_find_id(f->client.owner.tenant, first));
	assert_non_null(tenant_find_id(f->client.owner.tenant, first + 1));
	world_run(&f->world, FINISHED_KEPT_NS);
	assert_null(tenant_next(f->client.owner.tenant, 0));
	assert_true(scheduler_idle_at(f->world.scheduler) < INT64_MAX);
}

/* ---- commands -------------------------------------------------------------------------------------------- */

static void test_command(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = named(1, "a", 100);
	struct timer *timer;
	struct event event;

	spec.command = fake_command("true");
	timer = world_arm(&f->world, &f->client, &spec);
	assert_true(describe(timer).detached);
	assert_string_equal(describe(timer).command->argv[0], "true");
	world_run(&f->world, 107);
	assert_int_equal(f->fake.starts, 1);
	assert_int_equal(f->fake.request.id, timer_id(timer));
	assert_string_equal(f->fake.request.name, "a");
	assert_int_equal(f->fake.request.fire_seq, 1);
	assert_int_equal(f->fake.request.scheduled_ns, WORLD_START + 100);
	assert_int_equal(f->fake.request.lateness_ns, 7);
	assert_int_equal(describe(timer).state, TIMER_STATE_RUNNING);
	assert_int_equal(describe(timer).end, SOURCE_END_NONE);
	client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	client_expect_none(&f->client);

	/* It has fired, and cannot be cancelled any more; nor does it hear of output it did not ask for. */
	assert_int_equal(timer_cancel(timer, SOURCE_END_CANCELLED), CANCEL_GONE);
	assert_int_equal(timer_attach(timer, &f->other.owner, 2, true), 0);
	run_output(f->fake.run, "17 bytes of output", 17);
	assert_int_equal(client_expect(&f->other, 2, EVENT_TYPE_OUTPUT).output_end, 17);
	client_expect_none(&f->client);
	assert_int_equal(timer_kill(timer, 9), 0);
	assert_int_equal(f->fake.signal_number, 9);

	fake_starter_exit(&f->fake, 3, world_boottime(&f->world));
	event = client_expect(&f->client, 1, EVENT_TYPE_EXITED);
	assert_int_equal(event.run->status, 3);
	event = client_expect(&f->client, 1, EVENT_TYPE_ENDED);
	assert_int_equal(event.end, SOURCE_END_DONE);
	assert_int_equal(event.run->status, 3);
	client_expect(&f->other, 2, EVENT_TYPE_EXITED);
	client_expect(&f->other, 2, EVENT_TYPE_ENDED);
	assert_int_equal(describe(timer).state, TIMER_STATE_FINISHED);
	assert_int_equal(describe(timer).last_run.status, 3);
	assert_int_equal(timer_kill(timer, 9), TIMER_E_NOT_RUNNING);

	/* Whoever asks later hears it from the kept result. */
	assert_int_equal(timer_attach(timer, &f->other.owner, 3, false), 0);
	client_expect(&f->other, 3, EVENT_TYPE_FIRED);
	client_expect(&f->other, 3, EVENT_TYPE_EXITED);
	assert_int_equal(client_expect(&f->other, 3, EVENT_TYPE_ENDED).run->status, 3);
}

/* Cancelling ends what is to come; the run that is under way goes on. */
static void test_command_cancelled(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = every(0, 100);
	enum timer_change change;
	struct timer *timer, *second;

	spec.name = "a";
	spec.command = fake_command("true");
	timer = world_arm(&f->world, &f->client, &spec);
	assert_int_equal(timer_attach(timer, &f->other.owner, 2, false), 0);
	world_run(&f->world, 100);
	client_expect(&f->other, 2, EVENT_TYPE_FIRED);
	assert_int_equal(timer_cancel(timer, SOURCE_END_CANCELLED), CANCEL_CANCELLED);
	assert_int_equal(describe(timer).state, TIMER_STATE_RUNNING);
	assert_int_equal(describe(timer).end, SOURCE_END_CANCELLED);
	world_run(&f->world, 1000);
	assert_int_equal(f->fake.starts, 1);
	client_expect_none(&f->other);

	/* Its name is free. */
	assert_int_equal(arm(f, &f->client, named(1, "a", 5000), &second, &change), 0);
	assert_int_equal(change, TIMER_CHANGE_CREATED);
	assert_ptr_equal(find(f, "a"), second);
	fake_starter_exit(&f->fake, 0, world_boottime(&f->world));
	client_expect(&f->other, 2, EVENT_TYPE_EXITED);
	assert_int_equal(client_expect(&f->other, 2, EVENT_TYPE_ENDED).end, SOURCE_END_CANCELLED);
	assert_ptr_equal(find(f, "a"), second);
}

/* The end tells of the last run also to those who came after it. */
static void test_command_last_run(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = every(0, 100);
	struct timer *timer;

	spec.command = fake_command("true");
	timer = world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 100);
	fake_starter_exit(&f->fake, 5, world_boottime(&f->world));
	assert_int_equal(timer_attach(timer, &f->other.owner, 1, false), 0);
	client_expect_none(&f->other);
	assert_int_equal(timer_cancel(timer, SOURCE_END_CANCELLED), CANCEL_CANCELLED);
	assert_int_equal(client_expect(&f->other, 1, EVENT_TYPE_ENDED).run->status, 5);
}

static void test_command_named(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = named(0, "a", 100);
	struct timer *first, *timer;
	enum timer_change change;

	spec.command = fake_command("true");
	first = world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 100);

	/* While its last run goes on, the name is taken. */
	spec.command = fake_command("true");
	assert_int_equal(arm(f, &f->client, spec, &timer, &change), TIMER_E_NAME_EXISTS);
	assert_ptr_equal(timer, first);

	/* ENSURE: it shall be armed, and is not. */
	spec.name_mode = NAME_MODE_ENSURE;
	spec.deadline_ns = WORLD_START + 200;
	spec.command = fake_command("true");
	assert_int_equal(timer_arm(f->world.scheduler, &f->client.owner, &spec, &timer, &change), 0);
	assert_null(spec.command);
	assert_int_equal(change, TIMER_CHANGE_UPDATED);
	assert_int_equal(describe(first).state, TIMER_STATE_ARMED);
	assert_int_equal(describe(first).end, SOURCE_END_NONE);
	spec.command = fake_command("true");
	assert_int_equal(arm(f, &f->client, spec, &timer, &change), 0);
	assert_int_equal(change, TIMER_CHANGE_UNCHANGED);
	spec.command = fake_command("false");
	assert_int_equal(timer_arm(f->world.scheduler, &f->client.owner, &spec, &timer, &change), 0);
	assert_int_equal(change, TIMER_CHANGE_UPDATED);
	assert_string_equal(describe(first).command->argv[0], "false");
	fake_starter_exit(&f->fake, 0, world_boottime(&f->world));
	assert_int_equal(describe(first).state, TIMER_STATE_ARMED);
	world_run(&f->world, 100);
	assert_int_equal(f->fake.starts, 2);
	assert_int_equal(f->fake.request.fire_seq, 2);

	/* REPLACE: a new timer; the old one ends with its run. */
	spec.name_mode = NAME_MODE_REPLACE;
	spec.deadline_ns = WORLD_START + 300;
	spec.command = fake_command("true");
	assert_int_equal(timer_arm(f->world.scheduler, &f->client.owner, &spec, &timer, &change), 0);
	assert_int_equal(change, TIMER_CHANGE_REPLACED);
	assert_ptr_not_equal(timer, first);
	assert_ptr_equal(find(f, "a"), timer);
	assert_int_equal(describe(first).state, TIMER_STATE_RUNNING);
	fake_starter_exit(&f->fake, 0, world_boottime(&f->world));
	assert_int_equal(describe(first).state, TIMER_STATE_FINISHED);
	assert_int_equal(describe(first).end, SOURCE_END_DONE);
}

/* No process was made: that is how its run ends, and with it the timer. */
static void test_command_refused(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = named(1, "a", 100);
	struct timer *timer;

	spec.command = fake_command("true");
	timer = world_arm(&f->world, &f->client, &spec);
	f->fake.refuses = true;
	world_run(&f->world, 100);
	client_expect(&f->client, 1, EVENT_TYPE_FIRED);
	client_expect_none(&f->client);
	world_run(&f->world, 0);
	assert_int_equal(client_expect(&f->client, 1, EVENT_TYPE_EXITED).run->status, 127);
	client_expect(&f->client, 1, EVENT_TYPE_ENDED);
	assert_int_equal(describe(timer).state, TIMER_STATE_FINISHED);
}

/* Starting a process takes long: a turn has few of them. */
static void test_commands_in_turns(void **state) {
	struct fixture *f = *state;
	unsigned turns = 0;

	for (unsigned i = 0; i < 100; i++) {
		struct timer_spec spec = detached(0, NULL, 10);

		spec.command = fake_command("true");
		world_arm(&f->world, &f->client, &spec);
	}
	f->fake.refuses = true;
	world_pass(&f->world, 10);
	while (world_turn(&f->world))
		assert_true(f->fake.starts <= TIMERS_PER_TURN / 16 * ++turns);
	assert_int_equal(f->fake.starts, 100);
	assert_int_equal(turns, 12);
}

/* Runs of a uid are limited; one that only waits is dropped by KILL, and then nothing is left to wait for. */
static void test_command_waiting(void **state) {
	struct fixture *f = *state;
	struct timer_spec spec = named(1, "a", 100);
	struct timer *first, *second;

	scheduler_set_job_limit(f->world.scheduler, 1);
	spec.command = fake_command("true");
	first = world_arm(&f->world, &f->client, &spec);
	spec = named(2, "b", 100);
	spec.command = fake_command("true");
	second = world_arm(&f->world, &f->client, &spec);
	world_run(&f->world, 100);
	assert_int_equal(f->fake.starts, 1);
	assert_int_equal(describe(second).state, TIMER_STATE_RUNNING);
	assert_int_equal(timer_kill(second, 9), TIMER_E_NOT_RUNNING);
	assert_int_equal(describe(second).state, TIMER_STATE_FINISHED);
	assert_int_equal(describe(first).state, TIMER_STATE_RUNNING);
	fake_starter_exit(&f->fake, 0, world_boottime(&f->world));
	assert_int_equal(f->fake.starts, 1);
	assert_int_equal(describe(first).state, TIMER_STATE_FINISHED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_name_create),
		TEST(test_names_of_two_uids),
		TEST(test_name_replace),
		TEST(test_name_lost),
		TEST(test_name_ensure),
		TEST(test_ensure_parts),
		TEST(test_ensure_once),
		TEST(test_detached),
		TEST(test_detached_outlives_session),
		TEST(test_detached_cancel),
		TEST(test_kept),
		TEST(test_command),
		TEST(test_command_cancelled),
		TEST(test_command_last_run),
		TEST(test_command_named),
		TEST(test_command_refused),
		TEST(test_commands_in_turns),
		TEST(test_command_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
