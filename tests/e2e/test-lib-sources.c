/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library against a real daemon: the ends of sources, and cancelling against the clock. */

#include "tests/unit/test.h"

#include <poll.h>
#include <string.h>

#include "client/evloop.h"
#include "tests/e2e/daemon-fixture.h"

static struct daemon *server;
static struct evl *evl;
static int n_called, n_destroyed;

static int setup_group(void **state _unused_) {
	return daemon_start(&server, NULL);
}

static int teardown_group(void **state _unused_) {
	return daemon_stop(server);
}

static int setup(void **state _unused_) {
	n_called = n_destroyed = 0;
	return evl_connect(&evl, daemon_socket(server));
}

static int teardown(void **state _unused_) {
	evl = evl_close(evl);
	return 0;
}

static void count(struct evl_source *source _unused_, const struct evl_event *event _unused_, void *userdata _unused_) {
	n_called++;
}

static void destroyed(void *userdata _unused_) {
	n_destroyed++;
}

static struct evl_source *arm(int64_t delay_ns, evl_callback callback) {
	struct evl_source *source;

	assert_int_equal(evl_call_later(evl, &source, delay_ns, callback, NULL), 0);
	evl_source_set_destroy(source, destroyed);
	return source;
}

static void pause_ms(int ms) {
	assert_int_equal(poll(NULL, 0, ms), 0);
}

/* ---- outcomes -------------------------------------------------------------------------------------------- */

static int cancel(struct evl_source *source) {
	int outcome = -1;

	assert_int_equal(evl_cancel_sync(source, &outcome), 0);
	evl_source_unref(source);
	return outcome;
}

static void test_outcome_cancelled(void **state _unused_) {
	assert_int_equal(cancel(arm(EVL_SEC(60), count)), EVL_OUTCOME_CANCELLED);
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 0);
}

static void test_outcome_too_late(void **state _unused_) {
	struct evl_source *source = arm(0, count);

	assert_int_equal(evl_flush(evl), 0);
	pause_ms(50);
	assert_int_equal(cancel(source), EVL_OUTCOME_TOO_LATE);
	assert_int_equal(evl_dispatch(evl, EVL_MSEC(20)), 0);
	assert_int_equal(n_called, 0);
}

static void test_outcome_done(void **state _unused_) {
	struct evl_source *source = arm(0, count);

	assert_int_equal(evl_dispatch(evl, EVL_SEC(5)), 1);
	assert_int_equal(cancel(source), EVL_OUTCOME_DONE);
}

#define BACKLOG 60000

/* More events than the socket holds, and nobody reads: the last ones are still the daemon's to take back. */
static void test_outcome_withdrawn(void **state _unused_) {
	struct evl_source *source;

	for (int i = 0; i < BACKLOG; i++) {
		assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), 0);
		if (i % 1000 == 0) { /* no faster than the daemon reads */
			assert_int_equal(evl_flush(evl), 0);
			pause_ms(2);
		}
	}
	source = arm(0, count);
	assert_int_equal(evl_set_timeout(evl, EVL_SEC(30)), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(evl_flush(evl), 0);
		pause_ms(5);
	}
	assert_int_equal(cancel(source), EVL_OUTCOME_WITHDRAWN);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, BACKLOG);
}

/* ---- cancel against fire --------------------------------------------------------------------------------- */

#define RACES 3000

static void seen(struct evl_source *source _unused_, const struct evl_event *event _unused_, void *userdata) {
	*(bool *)userdata = true;
}

static void test_races(void **state _unused_) {
	int outcomes[4] = { 0 };

	srandom(1);
	for (int i = 0; i < RACES; i++) {
		struct evl_source *source;
		int outcome = -1;
		bool called = false;

		assert_int_equal(evl_call_later(evl, &source, random() % EVL_USEC(200), seen, &called), 0);
		assert_true(evl_dispatch(evl, random() % EVL_USEC(200)) >= 0);
		assert_int_equal(evl_cancel_sync(source, &outcome), 0);
		assert_in_range(outcome, EVL_OUTCOME_CANCELLED, EVL_OUTCOME_DONE);
		assert_int_equal(called, outcome == EVL_OUTCOME_DONE);
		outcomes[outcome]++;
		evl_source_unref(source);
		assert_int_equal(evl_dispatch(evl, 0), 0);
		assert_int_equal(called, outcome == EVL_OUTCOME_DONE);
	}
	/* Otherwise it was no race. */
	assert_true(outcomes[EVL_OUTCOME_CANCELLED] > 0);
	assert_true(outcomes[EVL_OUTCOME_DONE] > 0);
}

/* ---- in callbacks ---------------------------------------------------------------------------------------- */

static struct evl_source *self, *other;

static void cancel_self(struct evl_source *source, const struct evl_event *event, void *userdata) {
	int outcome = -1;

	count(source, event, userdata);
	assert_int_equal(evl_cancel_sync(source, &outcome), 0);
	assert_int_not_equal(outcome, -1);
}

static void test_cancel_in_callback(void **state _unused_) {
	struct evl_source *source;

	assert_int_equal(evl_call_every(evl, &source, EVL_MSEC(1), cancel_self, NULL), 0);
	evl_source_set_destroy(source, destroyed);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 1);
	assert_int_equal(n_destroyed, 1);
	evl_source_unref(source);
}

static void free_both(struct evl_source *source, const struct evl_event *event, void *userdata) {
	count(source, event, userdata);
	self = evl_source_unref(self);
	other = evl_source_unref(other);
}

static void test_free_in_callback(void **state _unused_) {
	int64_t deadline = evl_time(evl) + EVL_MSEC(20);

	/* Both are due together: the first frees the second, whose event may be in the same packet. */
	assert_int_equal(evl_call_at(evl, &self, CLOCK_BOOTTIME, deadline, free_both, NULL), 0);
	evl_source_set_destroy(self, destroyed);
	assert_int_equal(evl_call_at(evl, &other, CLOCK_BOOTTIME, deadline, count, NULL), 0);
	evl_source_set_destroy(other, destroyed);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 1);
	assert_int_equal(n_destroyed, 2);
}

static void close_all(struct evl_source *source, const struct evl_event *event, void *userdata) {
	count(source, event, userdata);
	evl = evl_close(evl);
}

static void test_close_in_callback(void **state _unused_) {
	self = arm(EVL_MSEC(1), close_all);
	other = arm(EVL_MSEC(1), count);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 1);
	assert_int_equal(n_destroyed, 2);
	self = evl_source_unref(self);
	other = evl_source_unref(other);
}

static void test_unref_cancels(void **state _unused_) {
	struct evl_source *source = arm(EVL_MSEC(1), count);

	evl_source_unref(source);
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(evl_dispatch(evl, EVL_MSEC(20)), 0);
	assert_int_equal(n_called, 0);
}

/* ---- calls that wait -------------------------------------------------------------------------------------- */

static void test_events_held_back(void **state _unused_) {
	struct evl_source *source = arm(0, count);

	assert_int_equal(evl_flush(evl), 0);
	for (int i = 0; i < 10; i++) {
		pause_ms(2);
		assert_int_equal(evl_roundtrip(evl), 0);
	}
	assert_int_equal(n_called, 0);
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_int_equal(n_called, 1);
	evl_source_unref(source);
}

/* ---- the descriptor --------------------------------------------------------------------------------------- */

/* The contract of evl_fd(): whatever was armed, poll() and evl_dispatch(evl, 0) are enough, and neither spins. */
static void test_fd_never_hangs(void **state _unused_) {
	struct pollfd fd = { .fd = evl_fd(evl), .events = POLLIN };
	int n_polls = 0;

	srandom(1);
	for (int i = 0; i < 1000; i++) {
		int before = n_called, expected = 1 + (int)(random() % 3);

		for (int j = 0; j < expected; j++)
			assert_int_equal(evl_call_later(evl, NULL, random() % EVL_USEC(300), count, NULL), 0);
		while (n_called < before + expected) {
			n_polls++;
			assert_int_equal(poll(&fd, 1, 5000), 1);
			assert_true(evl_dispatch(evl, 0) >= 0);
		}
		assert_int_equal(poll(&fd, 1, 0), 0);
	}
	assert_true(n_polls < 20000);
}

/* ---- everything at once ------------------------------------------------------------------------------------ */

#define SLOTS 64
#define STEPS 20000

struct slot {
	struct evl_source *source;
	int created, destroyed;
	bool alive; /* its destructor may yet run */
};

static struct slot slots[SLOTS];

static void slot_destroyed(void *userdata) {
	struct slot *slot = userdata;

	assert_true(slot->alive);
	slot->alive = false;
	slot->destroyed++;
}

static void do_something(void);

static void slot_called(struct evl_source *source, const struct evl_event *event _unused_, void *userdata) {
	struct slot *slot = userdata;

	assert_true(slot->alive);
	assert_false(evl_cancelled(source));
	n_called++;
	do_something();
}

static void fill(struct slot *slot) {
	int r;

	slot->source = evl_source_unref(slot->source);
	assert_false(slot->alive);
	switch (random() % 3) {
	case 0:
		r = evl_call_soon(evl, &slot->source, slot_called, slot);
		break;
	case 1:
		r = evl_call_every(evl, &slot->source, 1 + random() % EVL_MSEC(1), slot_called, slot);
		break;
	default:
		r = evl_call_later(evl, &slot->source, random() % EVL_MSEC(1), slot_called, slot);
		break;
	}
	assert_int_equal(r, 0);
	evl_source_set_destroy(slot->source, slot_destroyed);
	slot->alive = true;
	slot->created++;
}

static void do_something(void) {
	struct slot *slot = &slots[random() % SLOTS];
	int outcome;

	if (!slot->source) {
		fill(slot);
		return;
	}
	switch (random() % 6) {
	case 0:
		slot->source = evl_source_unref(slot->source);
		break;
	case 1:
		(void)evl_cancel(slot->source);
		break;
	case 2:
		assert_int_equal(evl_cancel_sync(slot->source, &outcome), 0);
		break;
	case 3:
		(void)evl_source_restart(slot->source, random() % EVL_MSEC(1));
		break;
	case 4:
		assert_int_equal(evl_roundtrip(evl), 0);
		break;
	case 5:
		evl_source_ref(slot->source);
		evl_source_unref(slot->source);
		break;
	}
}

/* A destructor runs in the callback's own source only after it, so a slot may be refilled only when that is done. */
static void test_everything_at_once(void **state _unused_) {
	int created = 0, ended = 0;

	srandom(1);
	memset(slots, 0, sizeof(slots));
	for (int i = 0; i < STEPS; i++) {
		do_something();
		if (random() % 4 == 0)
			assert_true(evl_dispatch(evl, random() % EVL_USEC(100)) >= 0);
	}
	evl = evl_close(evl);
	for (int i = 0; i < SLOTS; i++) {
		evl_source_unref(slots[i].source);
		assert_false(slots[i].alive);
		created += slots[i].created;
		ended += slots[i].destroyed;
	}
	assert_int_equal(created, ended);
	assert_true(n_called > 100);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_outcome_cancelled),
		TEST(test_outcome_too_late),
		TEST(test_outcome_done),
		TEST(test_outcome_withdrawn),
		TEST(test_races),
		TEST(test_cancel_in_callback),
		TEST(test_free_in_callback),
		TEST(test_close_in_callback),
		TEST(test_unref_cancels),
		TEST(test_events_held_back),
		TEST(test_fd_never_hangs),
		TEST(test_everything_at_once),
	};

	return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
