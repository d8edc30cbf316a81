/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The library when its daemon dies and another one goes on: what comes before what, what becomes of calls that are under way, and the
 * ends that it may come to meanwhile.
 */

#include "tests/unit/test.h"

#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#include "client/call.h"
#include "tests/unit/client-peer.h"

static struct peer peer;
static struct evl *evl;
static int n_called, n_destroyed, n_errors, last_error;

static int setup(void **state _unused_) {
	peer_init(&peer);
	n_called = n_destroyed = n_errors = last_error = 0;
	return peer_connect(&peer, &evl);
}

static int teardown(void **state _unused_) {
	evl = evl_close(evl);
	peer_deinit(&peer);
	return 0;
}

static void count(struct evl_source *source _unused_, const struct evl_event *event _unused_, void *userdata _unused_) {
	n_called++;
}

static void destroyed(void *userdata _unused_) {
	n_destroyed++;
}

static void note_error(struct evl *from _unused_, struct evl_source *source _unused_, int error,
		       const char *message _unused_, void *userdata _unused_) {
	n_errors++;
	last_error = error;
}

static uint64_t arm(struct evl_source **ret) {
	assert_int_equal(evl_call_later(evl, ret, EVL_SEC(60), count, NULL), 0);
	if (ret)
		evl_source_set_destroy(*ret, destroyed);
	evl_flush(evl);
	return peer_expect_arm(&peer, NULL);
}

static void expect_subscription(void) {
	evl_flush(evl);
	protobuf_c_message_free_unpacked(peer_expect_message(&peer, EVLOOP__METHOD__METHOD_SUBSCRIBE, NULL), NULL);
}

/* ---- order -------------------------------------------------------------------------------------------------- */

/* All that the dead daemon has told is called back first, and what is over by that is not armed again. */
static void test_events_first(void **state _unused_) {
	struct evl_source *over, *left;
	uint64_t handle = arm(&over), other = arm(&left);

	peer_fire_last(&peer, handle, 1);
	peer_take_over(&peer);
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(n_destroyed, 1);
	peer_greet(&peer, peer_expect_hello(&peer));
	assert_true(peer_is_quiet(&peer));
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(peer_expect_arm(&peer, NULL), other);
	assert_true(peer_is_quiet(&peer));
	evl_source_unref(over);
	evl_source_unref(left);
}

/* What the next daemon says of frames that the dead one had not read is about something that hello makes it drop. */
static void test_events_between(void **state _unused_) {
	struct evl_source *stale, *fresh;
	uint64_t handle = arm(&stale), new_handle;
	struct frame hello;

	evl_set_error_handler(evl, note_error, NULL);
	peer_take_over(&peer);
	peer_fire_last(&peer, handle, 1);
	peer_refuse(&peer, handle, EVLOOP__STATUS__STATUS_QUOTA, "too many");
	for (int i = 0; i < 4; i++)
		assert_int_equal(evl_dispatch(evl, 0), 0);
	/* Armed meanwhile: behind hello, and not armed again. */
	assert_int_equal(evl_call_later(evl, &fresh, 0, count, NULL), 0);
	evl_flush(evl);
	peer_expect(&peer, &hello);
	assert_int_equal(hello.method, EVLOOP__METHOD__METHOD_HELLO);
	new_handle = peer_expect_arm(&peer, NULL);
	peer_greet(&peer, hello.serial);
	peer_fire_last(&peer, new_handle, 1);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_int_equal(peer_expect_arm(&peer, NULL), handle);
	assert_true(peer_is_quiet(&peer));
	assert_int_equal(n_called, 1);
	assert_int_equal(n_errors, 0);
	assert_int_equal(n_destroyed, 0);
	evl_source_unref(stale);
	evl_source_unref(fresh);
}

/* Another one dies before it has answered: only the last hello counts. */
static void test_twice_before_answer(void **state _unused_) {
	struct evl_source *source;
	uint64_t handle = arm(&source), serials[2];

	for (size_t i = 0; i < 2; i++) {
		peer_take_over(&peer);
		peer_fire_last(&peer, handle, 1);
		assert_int_equal(evl_dispatch(evl, 0), 0);
		assert_int_equal(evl_dispatch(evl, 0), 0);
		serials[i] = peer_expect_hello(&peer);
	}
	peer_greet(&peer, serials[0]);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_true(peer_is_quiet(&peer));
	peer_greet(&peer, serials[1]);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(peer_expect_arm(&peer, NULL), handle);
	assert_int_equal(n_called, 0);
	evl_source_unref(source);
}

/* Another one dies when all was armed again and its loss not yet told: it is told once. */
static void test_twice_before_telling(void **state _unused_) {
	struct evl_source *source;
	struct frame frame;

	evl_set_error_handler(evl, note_error, NULL);
	assert_int_equal(evl_subscribe(evl, &source, "news", count, NULL), 0);
	expect_subscription();
	peer_succeed(&peer, evl);
	expect_subscription();
	peer_expect(&peer, &frame);
	assert_int_equal(frame.method, EVLOOP__METHOD__METHOD_PING);
	assert_int_equal(peer_succeed(&peer, evl), 0);
	expect_subscription();
	assert_int_equal(peer_confirm(&peer, evl), 1);
	assert_int_equal(n_errors, 1);
	evl_source_unref(source);
}

/* ---- calls that are under way ------------------------------------------------------------------------------- */

static uint64_t handle_of_watched;
static bool answers;

/* The request finds a daemon that dies; the next one answers it or not, and then hello. */
static void die_over_it(struct peer *p, const struct frame *frame) {
	Evloop__TimeReply reply = EVLOOP__TIME_REPLY__INIT;

	if (frame->method == EVLOOP__METHOD__METHOD_HELLO) {
		peer_greet(p, frame->serial);
		return;
	}
	if (handle_of_watched)
		peer_fire_last(p, handle_of_watched, 1);
	peer_take_over(p);
	if (answers && frame->method == EVLOOP__METHOD__METHOD_TIME)
		peer_send(p, FRAME_REPLY, frame->method, frame->serial, &reply.base);
	else if (answers)
		peer_cancel_reply(p, frame->serial, EVLOOP__OUTCOME__OUTCOME_GONE);
}

static int call_time(void) {
	Evloop__TimeRequest request = EVLOOP__TIME_REQUEST__INIT;
	int r;

	peer_serve(&peer, answers ? 1 : 2, die_over_it);
	r = evl_call(evl, EVLOOP__METHOD__METHOD_TIME, &request.base, NULL);
	peer_join(&peer);
	return r;
}

static void test_call_unanswered(void **state _unused_) {
	struct evl_source *source;
	uint64_t handle = arm(&source);

	handle_of_watched = 0;
	answers = false;
	assert_int_equal(call_time(), -EOWNERDEAD);
	assert_non_null(strstr(evl_error_message(evl), "nobody knows"));
	assert_null(evl_call_error(evl));
	/* No callback has run, so nothing is armed before there is a dispatch; which there is a reason for. */
	assert_int_equal(poll(&(struct pollfd){ .fd = evl_fd(evl), .events = POLLIN }, 1, 0), 1);
	assert_true(peer_is_quiet(&peer));
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(peer_expect_arm(&peer, NULL), handle);
	evl_source_unref(source);
}

static void test_call_answered(void **state _unused_) {
	handle_of_watched = 0;
	answers = true;
	assert_int_equal(call_time(), 0);
	evl_flush(evl);
	peer_greet(&peer, peer_expect_hello(&peer));
	assert_int_equal(evl_dispatch(evl, 0), 0);
}

static int cancel_over_death(struct evl_source *source) {
	int outcome = -1;

	peer_serve(&peer, answers ? 1 : 2, die_over_it);
	assert_int_equal(evl_cancel_sync(source, &outcome), 0);
	peer_join(&peer);
	evl_flush(evl);
	if (answers)
		peer_greet(&peer, peer_expect_hello(&peer));
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_true(peer_is_quiet(&peer));
	evl_source_unref(source);
	return outcome;
}

/* Whoever has it, it is gone; and whether it had fired is known. */
static void test_cancel_sync(void **state _unused_) {
	struct evl_source *source;

	for (int i = 0; i < 4; i++) {
		uint64_t handle = arm(&source);

		answers = i & 1;
		handle_of_watched = i & 2 ? handle : 0;
		assert_int_equal(cancel_over_death(source), i & 2 ? EVL_OUTCOME_TOO_LATE : EVL_OUTCOME_CANCELLED);
	}
	assert_int_equal(n_destroyed, 4);
	assert_int_equal(n_called, 0);
}

/* Of what is stale there is nobody to be asked, and nobody to be told. */
static void test_cancel_stale(void **state _unused_) {
	struct evl_source *sources[2];
	int outcome = -1;

	arm(&sources[0]);
	arm(&sources[1]);
	peer_take_over(&peer);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(evl_cancel(sources[0]), 1);
	assert_int_equal(evl_cancel_sync(sources[1], &outcome), 0);
	assert_int_equal(outcome, EVL_OUTCOME_CANCELLED);
	assert_int_equal(n_destroyed, 2);
	peer_greet(&peer, peer_expect_hello(&peer));
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_true(peer_is_quiet(&peer));
	evl_source_unref(sources[0]);
	evl_source_unref(sources[1]);
}

static void test_restart_stale(void **state _unused_) {
	struct evl_source *source;
	uint64_t handle = arm(&source);
	struct frame hello;

	peer_take_over(&peer);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	peer_expect(&peer, &hello);
	assert_int_equal(evl_source_restart(source, EVL_SEC(1)), 0);
	evl_flush(evl);
	assert_true(peer_expect_arm(&peer, NULL) != handle);
	peer_greet(&peer, hello.serial);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_true(peer_is_quiet(&peer));
	evl_source_unref(source);
}

static void test_id(void **state _unused_) {
	struct evl_source *source;
	struct frame frame;
	Evloop__Armed armed = EVLOOP__ARMED__INIT;
	uint64_t id;

	arm(&source);
	assert_int_equal(evl_source_id(source, &id), -EAGAIN);
	evl_flush(evl);
	peer_expect(&peer, &frame);
	assert_int_equal(frame.method, EVLOOP__METHOD__METHOD_IDENTIFY);
	peer_take_over(&peer);
	armed.id = 7; /* of what is dropped by hello */
	peer_send(&peer, FRAME_REPLY, EVLOOP__METHOD__METHOD_IDENTIFY, frame.serial, &armed.base);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(evl_dispatch(evl, 0), 0);
		assert_int_equal(evl_source_id(source, &id), -EAGAIN);
	}
	peer_greet(&peer, peer_expect_hello(&peer));
	assert_int_equal(evl_dispatch(evl, 0), 0);
	peer_expect_arm(&peer, NULL);
	assert_true(peer_is_quiet(&peer));
	assert_int_equal(evl_source_id(source, &id), -EAGAIN);
	evl_flush(evl);
	peer_expect(&peer, &frame);
	armed.id = 8;
	peer_send(&peer, FRAME_REPLY, EVLOOP__METHOD__METHOD_IDENTIFY, frame.serial, &armed.base);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(evl_source_id(source, &id), 0);
	assert_int_equal(id, 8);
	evl_source_unref(source);
}

/* ---- ends --------------------------------------------------------------------------------------------------- */

static void test_hello_refused(void **state _unused_) {
	Evloop__Error error = EVLOOP__ERROR__INIT;
	struct evl_source *source;

	arm(&source);
	peer_take_over(&peer);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	error.status = EVLOOP__STATUS__STATUS_QUOTA;
	error.message = (char *)"too many sessions";
	peer_send(&peer, FRAME_ERROR, EVLOOP__METHOD__METHOD_HELLO, peer_expect_hello(&peer), &error.base);
	assert_int_equal(evl_dispatch(evl, -1), -ECONNRESET);
	assert_string_equal(evl_error_message(evl), "too many sessions");
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(evl_dispatch(evl, 0), -ENOTCONN);
	evl_source_unref(source);
}

/* The next one dies as well, and nobody keeps the socket: what is kept by `rearm` is armed by evl_reconnect(). */
static void test_loss_meanwhile(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;
	struct evl_source *source, *kept;
	uint64_t handle;

	arm(&source);
	timer.rearm = true;
	timer.deadline_ns = EVL_SEC(60);
	assert_int_equal(evl_timer_add(evl, &kept, &timer, count, NULL), 0);
	evl_flush(evl);
	handle = peer_expect_arm(&peer, NULL);
	peer_take_over(&peer);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	peer_hang_up(&peer);
	assert_int_equal(evl_dispatch(evl, -1), -ECONNRESET);
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(peer_reconnect(&peer, evl), 0);
	evl_flush(evl);
	assert_int_equal(peer_expect_arm(&peer, NULL), handle);
	assert_true(peer_is_quiet(&peer));
	evl_source_unref(source);
	evl_source_unref(kept);
}

static void close_it(struct evl *from, struct evl_source *source _unused_, int error, const char *message _unused_,
		     void *userdata _unused_) {
	last_error = error;
	evl = evl_close(from);
}

static void test_close_in_handler(void **state _unused_) {
	evl_set_error_handler(evl, close_it, NULL);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(evl_subscribe(evl, NULL, "news", count, NULL), 0);
		expect_subscription();
	}
	peer_succeed(&peer, evl);
	expect_subscription();
	expect_subscription();
	assert_int_equal(peer_confirm(&peer, evl), 1);
	assert_null(evl);
	assert_int_equal(last_error, -ENOBUFS);
}

static void test_close_meanwhile(void **state _unused_) {
	struct evl_source *source;

	arm(&source);
	peer_take_over(&peer);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	evl = evl_close(evl);
	assert_int_equal(n_destroyed, 1);
	evl_source_unref(source);
}

static void test_child(void **state _unused_) {
	struct evl_source *source;
	int status;
	pid_t pid;

	arm(&source);
	peer_take_over(&peer);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	pid = fork();
	if (pid == 0) {
		bool good = evl_dispatch(evl, 0) == -ECHILD && evl_cancel(source) == -ECHILD;

		evl_close(evl);
		evl_source_unref(source);
		_exit(!good);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	peer_greet(&peer, peer_expect_hello(&peer));
	assert_int_equal(evl_dispatch(evl, 0), 0);
	peer_expect_arm(&peer, NULL);
	assert_true(peer_is_quiet(&peer)); /* the child has said nothing */
	evl_source_unref(source);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_events_first),
		TEST(test_events_between),
		TEST(test_twice_before_answer),
		TEST(test_twice_before_telling),
		TEST(test_call_unanswered),
		TEST(test_call_answered),
		TEST(test_cancel_sync),
		TEST(test_cancel_stale),
		TEST(test_restart_stale),
		TEST(test_id),
		TEST(test_hello_refused),
		TEST(test_loss_meanwhile),
		TEST(test_close_in_handler),
		TEST(test_close_meanwhile),
		TEST(test_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
