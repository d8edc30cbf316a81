/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library against a real daemon: when timers fire, in which order, and how they are named, followed and ended. */

#include "tests/unit/test.h"

#include <poll.h>
#include <string.h>

#include "client/evloop.h"
#include "tests/e2e/daemon-fixture.h"

static struct daemon *server;
static struct evl *evl;
static int n_called;
static struct evl_event last;

static int setup_group(void **state _unused_) {
	return daemon_start(&server, NULL);
}

static int teardown_group(void **state _unused_) {
	return daemon_stop(server);
}

static int setup(void **state _unused_) {
	n_called = 0;
	last = (struct evl_event){ 0 };
	return evl_connect(&evl, daemon_socket(server));
}

static int teardown(void **state _unused_) {
	evl = evl_close(evl);
	return 0;
}

static void count(struct evl_source *source _unused_, const struct evl_event *event, void *userdata _unused_) {
	last = *event;
	n_called++;
}

static int64_t now(clockid_t clock) {
	struct timespec ts;

	assert_int_equal(clock_gettime(clock, &ts), 0);
	return EVL_SEC(ts.tv_sec) + ts.tv_nsec;
}

/* ---- never early ----------------------------------------------------------------------------------------- */

#define RANDOM_TIMERS 1000

struct deadline {
	clockid_t clock;
	int64_t at_ns;
};

static void check_deadline(struct evl_source *source _unused_, const struct evl_event *event, void *userdata) {
	const struct deadline *deadline = userdata;

	assert_true(now(deadline->clock) >= deadline->at_ns);
	assert_true(event->scheduled_ns == deadline->at_ns);
	assert_true(event->fired_ns >= event->scheduled_ns);
	assert_true(event->lateness_ns == event->fired_ns - event->scheduled_ns);
	n_called++;
}

static void test_never_early(void **state _unused_) {
	static const clockid_t clocks[] = { CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME };
	static struct deadline deadlines[RANDOM_TIMERS];

	srandom(1);
	for (size_t i = 0; i < RANDOM_TIMERS; i++) {
		clockid_t clock = clocks[i % ARRAY_SIZE(clocks)];

		deadlines[i] = (struct deadline){ .clock = clock, .at_ns = now(clock) + random() % EVL_MSEC(500) };
		assert_int_equal(evl_call_at(evl, NULL, clock, deadlines[i].at_ns, check_deadline, &deadlines[i]), 0);
	}
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, RANDOM_TIMERS);
}

/* ---- order ----------------------------------------------------------------------------------------------- */

#define EQUAL_DEADLINES 10000

static void in_order(struct evl_source *source _unused_, const struct evl_event *event _unused_, void *userdata) {
	assert_ptr_equal(userdata, (void *)(uintptr_t)n_called);
	n_called++;
}

static void test_equal_deadlines_in_order(void **state _unused_) {
	int64_t deadline = evl_time(evl) + EVL_MSEC(100);

	for (int i = 0; i < EQUAL_DEADLINES; i++)
		assert_int_equal(evl_call_at(evl, NULL, CLOCK_BOOTTIME, deadline, in_order, (void *)(uintptr_t)i), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, EQUAL_DEADLINES);
}

static void test_past_fires_at_once(void **state _unused_) {
	assert_int_equal(evl_call_at(evl, NULL, CLOCK_REALTIME, 1, count, NULL), 0);
	assert_int_equal(evl_call_at(evl, NULL, CLOCK_BOOTTIME, 0, count, NULL), 0);
	assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 3);
}

static void test_past_refused(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;

	timer.absolute = timer.refuse_past = true;
	timer.deadline_ns = 1;
	assert_int_equal(evl_timer_add(evl, NULL, &timer, count, NULL), 0);
	assert_int_equal(evl_roundtrip(evl), -ERANGE);
	assert_string_not_equal(evl_error_message(evl), "");
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 0);
}

/* ---- repeating ------------------------------------------------------------------------------------------- */

static int64_t fires, previous_ns;

static void sum_up(struct evl_source *source, const struct evl_event *event, void *userdata) {
	int64_t period = *(int64_t *)userdata;

	fires += (int64_t)event->fires;
	assert_int_equal(event->fire_seq, fires);
	assert_int_equal(event->missed, event->fires - 1);
	assert_int_equal(event->scheduled_ns - event->first_scheduled_ns, (event->fires - 1) * (uint64_t)period);
	if (previous_ns)
		assert_int_equal(event->first_scheduled_ns - previous_ns, period); /* no drift, none lost */
	previous_ns = event->scheduled_ns;
	if (++n_called == 20)
		evl_cancel(source);
}

/* A period that no daemon can keep: fires are merged, and none is lost. */
static void test_every_merged(void **state _unused_) {
	int64_t period = 1000;

	fires = previous_ns = 0;
	assert_int_equal(evl_call_every(evl, NULL, period, sum_up, &period), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 20);
	assert_true(fires > 20);
}

static void test_every_steady(void **state _unused_) {
	int64_t period = EVL_MSEC(5), before = evl_time(evl);

	fires = previous_ns = 0;
	assert_int_equal(evl_call_every(evl, NULL, period, sum_up, &period), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_true(evl_time(evl) - before >= 20 * period);
}

static int n_destroyed;

static void destroyed(void *userdata _unused_) {
	n_destroyed++;
}

static void test_count_and_until(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;
	struct evl_source *source;

	timer.period_ns = EVL_MSEC(2);
	timer.count = 3;
	assert_int_equal(evl_timer_add(evl, &source, &timer, count, NULL), 0);
	n_destroyed = 0;
	evl_source_set_destroy(source, destroyed);
	assert_int_equal(evl_run(evl), 0); /* it ends by itself */
	assert_int_equal(last.fire_seq, 3);
	assert_int_equal(n_destroyed, 1);
	evl_source_unref(source);

	timer.count = 0;
	timer.until_ns = evl_time(evl) + EVL_MSEC(21);
	timer.period_ns = EVL_MSEC(10);
	assert_int_equal(evl_timer_add(evl, NULL, &timer, count, NULL), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(last.fire_seq, 3);
	assert_true(last.scheduled_ns <= timer.until_ns);
}

/* ---- restart --------------------------------------------------------------------------------------------- */

static void test_restart_debounces(void **state _unused_) {
	struct evl_source *source;
	int64_t before = evl_time(evl);

	assert_int_equal(evl_call_later(evl, &source, EVL_MSEC(20), count, NULL), 0);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(evl_dispatch(evl, EVL_MSEC(5)), 0);
		assert_int_equal(evl_source_restart(source, EVL_MSEC(20)), 0);
	}
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 1);
	assert_true(evl_time(evl) - before >= EVL_MSEC(70));

	/* Armed anew after its end. */
	assert_int_equal(evl_source_restart(source, 0), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 2);
	evl_source_unref(source);
}

/* ---- names ----------------------------------------------------------------------------------------------- */

static struct evl_timer named(const char *name) {
	struct evl_timer timer = EVL_TIMER_INIT;

	timer.name = name;
	timer.deadline_ns = EVL_SEC(60);
	return timer;
}

static void note_error(struct evl *from _unused_, struct evl_source *source, int error, const char *message,
		       void *userdata) {
	assert_true(message[0]);
	*(struct evl_source **)userdata = source;
	n_called = error;
}

static void test_name_exists(void **state _unused_) {
	struct evl_timer timer = named("once");
	struct evl_source *first, *second, *blamed = NULL;

	evl_set_error_handler(evl, note_error, &blamed);
	assert_int_equal(evl_timer_add(evl, &first, &timer, count, NULL), 0);
	assert_int_equal(evl_timer_add(evl, &second, &timer, count, NULL), 0);
	assert_int_equal(evl_roundtrip(evl), -EEXIST);
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_int_equal(n_called, -EEXIST);
	assert_ptr_equal(blamed, second);
	assert_int_equal(evl_cancel(second), 0);
	assert_int_equal(evl_cancel(first), 1);
	evl_source_unref(first);
	evl_source_unref(second);
}

static void test_name_replaced(void **state _unused_) {
	struct evl_timer timer = named("again");
	struct evl_source *first, *second, *blamed = NULL;

	evl_set_error_handler(evl, note_error, &blamed);
	assert_int_equal(evl_timer_add(evl, &first, &timer, count, NULL), 0);
	timer.name_mode = EVL_NAME_REPLACE;
	assert_int_equal(evl_timer_add(evl, &second, &timer, count, NULL), 0);
	assert_int_equal(evl_roundtrip(evl), 0);
	assert_int_equal(evl_dispatch(evl, EVL_SEC(5)), 1);
	assert_int_equal(n_called, -ECANCELED);
	assert_ptr_equal(blamed, first);
	evl_source_unref(first);
	evl_source_unref(second);
}

static void test_name_ensured(void **state _unused_) {
	struct evl_timer timer = named("kept");
	struct evl_source *first, *second;
	uint64_t id, id_again;

	timer.detached = true;
	timer.name_mode = EVL_NAME_ENSURE;
	assert_int_equal(evl_timer_add(evl, &first, &timer, count, NULL), 0);
	assert_int_equal(evl_timer_add(evl, &second, &timer, count, NULL), 0);
	assert_int_equal(evl_source_id(first, &id), -EAGAIN);
	assert_int_equal(evl_source_id(second, &id_again), -EAGAIN);
	assert_int_equal(evl_roundtrip(evl), 0);
	assert_int_equal(evl_source_id(first, &id), 0);
	assert_int_equal(evl_source_id(second, &id_again), 0);
	assert_int_equal(id, id_again);
	evl_source_unref(first);
	evl_source_unref(second);
}

static void test_id_of_event(void **state _unused_) {
	struct evl_source *source;
	uint64_t id = 0;

	assert_int_equal(evl_call_later(evl, &source, EVL_MSEC(50), count, NULL), 0);
	assert_int_equal(evl_source_id(source, &id), -EAGAIN);
	assert_int_equal(evl_roundtrip(evl), 0);
	assert_int_equal(evl_source_id(source, &id), 0);
	assert_int_not_equal(id, 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(last.id, id);
	evl_source_unref(source);
}

/* ---- detached -------------------------------------------------------------------------------------------- */

static void test_attach(void **state _unused_) {
	struct evl_timer timer = named("shared");
	struct evl *other = NULL;

	timer.detached = true;
	timer.deadline_ns = EVL_MSEC(100);
	assert_int_equal(evl_timer_add(evl, NULL, &timer, NULL, NULL), 0);
	assert_int_equal(evl_roundtrip(evl), 0);
	assert_int_equal(evl_connect(&other, daemon_socket(server)), 0);
	evl_close(evl); /* the timer stays */
	evl = other;
	assert_int_equal(evl_attach(evl, NULL, "shared", count, NULL), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 2); /* fired, ended */
	assert_int_equal(last.type, EVL_EVENT_ENDED);
	assert_int_equal(last.end, EVL_END_DONE);
}

static void test_attach_cancelled(void **state _unused_) {
	struct evl_timer timer = named("doomed");
	struct evl *other = NULL;
	struct evl_source *source;

	timer.detached = true;
	assert_int_equal(evl_connect(&other, daemon_socket(server)), 0);
	assert_int_equal(evl_timer_add(other, &source, &timer, NULL, NULL), 0);
	assert_int_equal(evl_roundtrip(other), 0);
	assert_int_equal(evl_attach(evl, NULL, "doomed", count, NULL), 0);
	assert_int_equal(evl_roundtrip(evl), 0);
	source = evl_source_unref(source); /* cancels the timer itself */
	assert_int_equal(evl_flush(other), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(last.type, EVL_EVENT_ENDED);
	assert_int_equal(last.end, EVL_END_CANCELLED);
	evl_close(other);
}

static void test_attach_to_nothing(void **state _unused_) {
	assert_int_equal(evl_attach(evl, NULL, "nobody", count, NULL), 0);
	assert_int_equal(evl_dispatch(evl, EVL_SEC(5)), -ENOENT);
	assert_int_equal(evl_attach(evl, NULL, "999999999", count, NULL), 0);
	assert_int_equal(evl_roundtrip(evl), -ENOENT);
}

static void test_command(void **state _unused_) {
	struct evl_timer timer = named("job");

	timer.deadline_ns = 0;
	timer.argv = (const char *const[]){ "sh", "-c", "exit 7", NULL };
	assert_int_equal(evl_timer_add(evl, NULL, &timer, count, NULL), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(last.type, EVL_EVENT_ENDED);
	assert_int_equal(last.status, 7);
	assert_int_equal(last.run, 1);
	assert_int_equal(n_called, 3); /* fired, exited, ended */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_never_early),
		TEST(test_equal_deadlines_in_order),
		TEST(test_past_fires_at_once),
		TEST(test_past_refused),
		TEST(test_every_merged),
		TEST(test_every_steady),
		TEST(test_count_and_until),
		TEST(test_restart_debounces),
		TEST(test_name_exists),
		TEST(test_name_replaced),
		TEST(test_name_ensured),
		TEST(test_id_of_event),
		TEST(test_attach),
		TEST(test_attach_cancelled),
		TEST(test_attach_to_nothing),
		TEST(test_command),
	};

	return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
