/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handles of whoever writes his messages himself, as the command does, when their daemon dies: what is known of them is armed again. */

#include "tests/unit/test.h"

#include <fcntl.h>

#include "client/call.h"
#include "tests/unit/client-peer.h"

static struct peer peer;
static struct evl *evl;
static int n_called, n_errors, last_error;
static Evloop__Event last;
static bool last_has_gap;
static int pipe_fds[2];

static int setup(void **state _unused_) {
	peer_init(&peer);
	n_called = n_errors = last_error = 0;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	return peer_connect(&peer, &evl);
}

static int teardown(void **state _unused_) {
	evl = evl_close(evl);
	peer_deinit(&peer);
	close_fd(pipe_fds[0]);
	close_fd(pipe_fds[1]);
	return 0;
}

static void count(struct evl *from _unused_, const Evloop__Event *event, void *userdata _unused_) {
	last = *event;
	last_has_gap = event->gap != NULL;
	n_called++;
}

static void note_error(struct evl *from _unused_, struct evl_source *source, int error, const char *message _unused_,
		       void *userdata _unused_) {
	assert_ptr_equal(evl_source_userdata(source), &peer);
	n_errors++;
	last_error = error;
}

static uint64_t new_handle(void) {
	uint64_t handle;

	assert_int_equal(evl_call_handle(evl, &handle, count, &peer), 0);
	return handle;
}

static void free_message(void *message) {
	protobuf_c_message_free_unpacked(message, NULL);
}

/* ---- what is asked, and answered by a message of the test ---- */

static const ProtobufCMessage *reply;
static Evloop__Status refusal;

static void answer(struct peer *p, const struct frame *frame) {
	Evloop__Error error = EVLOOP__ERROR__INIT;

	error.status = refusal;
	error.message = (char *)"no";
	if (frame->method == EVLOOP__METHOD__METHOD_HELLO)
		peer_greet(p, frame->serial);
	else if (refusal)
		peer_send(p, FRAME_ERROR, frame->method, frame->serial, &error.base);
	else if (reply)
		peer_send(p, FRAME_REPLY, frame->method, frame->serial, reply);
	else
		peer_take_over(p);
}

static int call(Evloop__Method method, const ProtobufCMessage *request, int fd, const ProtobufCMessage *with) {
	int r;

	reply = with;
	peer_serve(&peer, with || refusal ? 1 : 2, answer);
	r = evl_call_with_fd(evl, method, request, fd, NULL);
	peer_join(&peer);
	return r;
}

static Evloop__TimerSpec *expect_spec(void) {
	Evloop__TimerSpec *spec;

	peer_expect_arm(&peer, &spec);
	return spec;
}

/* ---- timers ---- */

static void test_timer(void **state _unused_) {
	Evloop__RestartRequest restart = EVLOOP__RESTART_REQUEST__INIT;
	Evloop__Armed armed = EVLOOP__ARMED__INIT;
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT, *again;

	spec.handle = restart.handle = new_handle();
	spec.kind = EVLOOP__KIND__KIND_EVERY;
	spec.deadline_ns = 4000;
	spec.period_ns = 1000;
	spec.count = 5;
	assert_int_equal(call(EVLOOP__METHOD__METHOD_ARM, &spec.base, -1, &armed.base), 0);
	peer_fire(&peer, spec.handle, 2);
	peer_succeed(&peer, evl);
	again = expect_spec();
	assert_int_equal(again->handle, spec.handle);
	assert_int_equal(again->deadline_ns, 6000);
	assert_int_equal(again->count, 3);
	free_message(again);
	peer_fire(&peer, spec.handle, 1);
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_int_equal(last.fire_seq, 3);

	restart.deadline_ns = 20000;
	assert_int_equal(call(EVLOOP__METHOD__METHOD_RESTART_HANDLE, &restart.base, -1, &armed.base), 0);
	peer_succeed(&peer, evl);
	again = expect_spec();
	assert_int_equal(again->deadline_ns, 20000);
	free_message(again);

	/* After its last event there is nothing to be armed, though the handle has not been dropped. */
	peer_fire_last(&peer, spec.handle, 3);
	peer_succeed(&peer, evl);
	assert_true(peer_is_quiet(&peer));
	assert_int_equal(n_called, 3);
}

/* One that was relative is so from when it was asked for. */
static void test_relative(void **state _unused_) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT, *again;

	spec.handle = new_handle();
	spec.relative = true;
	spec.deadline_ns = EVL_SEC(60);
	assert_int_equal(evl_call_oneway(evl, EVLOOP__METHOD__METHOD_ARM, &spec.base, -1), 0);
	evl_flush(evl);
	free_message(expect_spec());
	peer_succeed(&peer, evl);
	again = expect_spec();
	assert_false(again->relative);
	assert_in_range(again->deadline_ns, evl_time(evl) + EVL_SEC(50), evl_time(evl) + EVL_SEC(60));
	free_message(again);
}

/* What is no time at all is the daemon's to refuse. */
static void test_beyond_all_times(void **state _unused_) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT, *again;

	spec.handle = new_handle();
	spec.relative = true;
	spec.deadline_ns = INT64_MAX;
	assert_int_equal(evl_call_oneway(evl, EVLOOP__METHOD__METHOD_ARM, &spec.base, -1), 0);
	evl_flush(evl);
	again = expect_spec();
	assert_true(again->deadline_ns == INT64_MAX);
	free_message(again);
	peer_succeed(&peer, evl);
	again = expect_spec();
	assert_true(again->deadline_ns == TIME_NS_MAX);
	free_message(again);
}

static void test_command(void **state _unused_) {
	Evloop__Command command = EVLOOP__COMMAND__INIT;
	ProtobufCBinaryData word = { .data = (uint8_t *)"true", .len = 4 };
	Evloop__Armed armed = EVLOOP__ARMED__INIT;
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;

	evl_set_error_handler(evl, note_error, NULL);
	command.n_argv = 1;
	command.argv = &word;
	spec.handle = new_handle();
	spec.command = &command;
	assert_int_equal(call(EVLOOP__METHOD__METHOD_ARM, &spec.base, -1, &armed.base), 0);
	peer_succeed(&peer, evl);
	assert_int_equal(peer_confirm(&peer, evl), 1);
	assert_int_equal(last_error, -EOWNERDEAD);
	assert_true(peer_is_quiet(&peer));
}

/* ---- watches and topics ---- */

static void test_watches(void **state _unused_) {
	Evloop__WatchFdRequest watch = EVLOOP__WATCH_FD_REQUEST__INIT;
	Evloop__WatchPathRequest path = EVLOOP__WATCH_PATH_REQUEST__INIT;
	Evloop__SubscribeRequest subscribe = EVLOOP__SUBSCRIBE_REQUEST__INIT;
	Evloop__Watched watched = EVLOOP__WATCHED__INIT;
	int fd;

	watch.handle = new_handle();
	watch.events = EVLOOP__READINESS__READINESS_READABLE;
	assert_int_equal(call(EVLOOP__METHOD__METHOD_WATCH_FD, &watch.base, pipe_fds[0], &watched.base), 0);
	path.handle = new_handle();
	path.path = (ProtobufCBinaryData){ .data = (uint8_t *)"/tmp", .len = 4 };
	assert_int_equal(call(EVLOOP__METHOD__METHOD_WATCH_PATH, &path.base, -1, &watched.base), 0);
	subscribe.handle = new_handle();
	subscribe.topic = (char *)"news";
	assert_int_equal(call(EVLOOP__METHOD__METHOD_SUBSCRIBE, &subscribe.base, -1, &watched.base), 0);
	peer_succeed(&peer, evl);
	free_message(peer_expect_message(&peer, EVLOOP__METHOD__METHOD_WATCH_FD, &fd));
	close(fd);
	free_message(peer_expect_message(&peer, EVLOOP__METHOD__METHOD_WATCH_PATH, NULL));
	free_message(peer_expect_message(&peer, EVLOOP__METHOD__METHOD_SUBSCRIBE, NULL));
	assert_int_equal(peer_confirm(&peer, evl), 2);
	assert_int_equal(n_called, 2);
	assert_int_equal(last.type, EVLOOP__EVENT_TYPE__EVENT_MESSAGE);
	assert_int_equal(last.handle, subscribe.handle);
	assert_true(last_has_gap && last.more);
	assert_int_equal(last.fires, 0);
}

/* What was refused, was not answered, or has been cancelled is not armed again. */
static void test_not_armed(void **state _unused_) {
	Evloop__HandleRequest cancel = EVLOOP__HANDLE_REQUEST__INIT;
	Evloop__SubscribeRequest subscribe = EVLOOP__SUBSCRIBE_REQUEST__INIT;
	Evloop__CancelReply cancelled = EVLOOP__CANCEL_REPLY__INIT;
	Evloop__Watched watched = EVLOOP__WATCHED__INIT;

	subscribe.topic = (char *)"news";
	subscribe.handle = cancel.handle = new_handle();
	assert_int_equal(call(EVLOOP__METHOD__METHOD_SUBSCRIBE, &subscribe.base, -1, &watched.base), 0);
	assert_int_equal(call(EVLOOP__METHOD__METHOD_CANCEL_HANDLE, &cancel.base, -1, &cancelled.base), 0);
	subscribe.handle = new_handle();
	refusal = EVLOOP__STATUS__STATUS_QUOTA;
	assert_int_equal(call(EVLOOP__METHOD__METHOD_SUBSCRIBE, &subscribe.base, -1, NULL), -EDQUOT);
	refusal = EVLOOP__STATUS__STATUS_OK;
	assert_int_equal(call(EVLOOP__METHOD__METHOD_SUBSCRIBE, &subscribe.base, -1, NULL), -EOWNERDEAD);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_true(peer_is_quiet(&peer));
}

/* ---- limiters ---- */

static Evloop__LimiterWaitRequest *expect_wait(int *fd) {
	return (Evloop__LimiterWaitRequest *)peer_expect_message(&peer, EVLOOP__METHOD__METHOD_LIMITER_WAIT, fd);
}

static void test_permits(void **state _unused_) {
	Evloop__LimiterWaitRequest request = EVLOOP__LIMITER_WAIT_REQUEST__INIT, *again;
	Evloop__Grant grant = EVLOOP__GRANT__INIT;
	int fd;

	request.name = (char *)"places";
	request.cost = 1;
	request.max_wait_ns = -1;
	request.handle = new_handle();
	grant.queued = true; /* for a process, whose copy of a descriptor is ours: any will do */
	assert_int_equal(call(EVLOOP__METHOD__METHOD_LIMITER_WAIT, &request.base, pipe_fds[0], &grant.base), 0);
	request.handle = new_handle();
	grant.queued = false;
	grant.allowed = true;
	assert_int_equal(call(EVLOOP__METHOD__METHOD_LIMITER_WAIT, &request.base, -1, &grant.base), 0);
	request.handle = new_handle();
	grant.allowed = false;
	assert_int_equal(call(EVLOOP__METHOD__METHOD_LIMITER_WAIT, &request.base, -1, &grant.base), 0);
	peer_succeed(&peer, evl);
	again = expect_wait(&fd);
	assert_false(again->held);
	assert_int_equal(again->max_wait_ns, -1);
	free_message(again);
	close(fd);
	again = expect_wait(NULL);
	assert_true(again->held);
	free_message(again);
	assert_true(peer_is_quiet(&peer)); /* a denial is over */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_timer),   TEST(test_relative),  TEST(test_beyond_all_times), TEST(test_command),
		TEST(test_watches), TEST(test_not_armed), TEST(test_permits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
