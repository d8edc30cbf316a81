/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library when things go wrong: refusals, a daemon that goes, nonsense on the wire, no daemon at all. */

#include "tests/unit/test.h"

#include <dirent.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/client-peer.h"

static struct peer peer;
static struct evl *evl;
static int n_called, n_destroyed, n_errors, last_error;
static char last_message[128];
static struct evl_source *last_source;

static int setup(void **state _unused_) {
	peer_init(&peer);
	n_called = n_destroyed = n_errors = last_error = 0;
	last_source = NULL;
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

static void note_error(struct evl *from, struct evl_source *source, int error, const char *message,
		       void *userdata _unused_) {
	assert_ptr_equal(from, evl);
	n_errors++;
	last_error = error;
	last_source = source;
	strcpy(last_message, message);
}

static bool readable(void) {
	struct pollfd fd = { .fd = evl_fd(evl), .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static uint64_t arm(struct evl_source **ret) {
	assert_int_equal(evl_call_later(evl, ret, EVL_SEC(60), count, NULL), 0);
	if (ret)
		evl_source_set_destroy(*ret, destroyed);
	assert_int_equal(evl_flush(evl), 0);
	return peer_expect_arm(&peer, NULL);
}

/* ---- refusals -------------------------------------------------------------------------------------------- */

static void test_refusal_returned_by_dispatch(void **state _unused_) {
	struct evl_source *source;

	peer_refuse(&peer, arm(&source), EVLOOP__STATUS__STATUS_EXISTS, "there is a timer of that name");
	assert_int_equal(evl_dispatch(evl, -1), -EEXIST);
	assert_string_equal(evl_error_message(evl), "there is a timer of that name");
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(evl_cancel(source), 0);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	peer_serve(&peer, 1, NULL);
	assert_int_equal(evl_roundtrip(evl), 0); /* once is enough */
	peer_join(&peer);
	evl_source_unref(source);
}

static void test_refusal_to_handler(void **state _unused_) {
	struct evl_source *source;

	evl_set_error_handler(evl, note_error, NULL);
	peer_refuse(&peer, arm(&source), EVLOOP__STATUS__STATUS_QUOTA, "too many timers");
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_int_equal(n_errors, 1);
	assert_int_equal(last_error, -EDQUOT);
	assert_string_equal(last_message, "too many timers");
	assert_ptr_equal(last_source, source);
	assert_int_equal(n_destroyed, 1);
	evl_source_unref(source);
}

static void refuse_one(struct peer *p, const struct frame *frame _unused_) {
	peer_refuse(p, 1, EVLOOP__STATUS__STATUS_EXISTS, "first");
}

static void refuse_another(struct peer *p, const struct frame *frame _unused_) {
	peer_refuse(p, 2, EVLOOP__STATUS__STATUS_QUOTA, "second");
}

static void refuse_two(struct peer *p, const struct frame *frame _unused_) {
	peer_refuse(p, 1, EVLOOP__STATUS__STATUS_EXISTS, "first");
	peer_refuse(p, 2, EVLOOP__STATUS__STATUS_QUOTA, "second");
}

static void test_refusal_returned_by_roundtrip(void **state _unused_) {
	struct evl_source *sources[2];
	int outcome = -1;

	assert_int_equal(arm(&sources[0]), 1);
	assert_int_equal(arm(&sources[1]), 2);
	peer_serve(&peer, 1, refuse_two);
	assert_int_equal(evl_roundtrip(evl), -EEXIST);
	peer_join(&peer);
	assert_string_equal(evl_error_message(evl), "first");
	assert_int_equal(evl_dispatch(evl, 0), 0); /* not twice */
	assert_int_equal(n_destroyed, 2);
	assert_int_equal(evl_cancel_sync(sources[0], &outcome), 0);
	assert_int_equal(outcome, EVL_OUTCOME_DONE);
	evl_source_unref(sources[0]);
	evl_source_unref(sources[1]);
}

/* The handler has come too late for the one that was returned, not for the other. */
static void test_refusal_told_once(void **state _unused_) {
	struct evl_source *sources[2];

	assert_int_equal(arm(&sources[0]), 1);
	assert_int_equal(arm(&sources[1]), 2);
	peer_serve(&peer, 1, refuse_two);
	assert_int_equal(evl_roundtrip(evl), -EEXIST);
	peer_join(&peer);
	evl_set_error_handler(evl, note_error, NULL);
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_int_equal(n_errors, 1);
	assert_string_equal(last_message, "second");
	assert_ptr_equal(last_source, sources[1]);
	assert_int_equal(n_destroyed, 2);
	evl_source_unref(sources[0]);
	evl_source_unref(sources[1]);
}

/* Each roundtrip has returned one. */
static void test_refusals_told_once(void **state _unused_) {
	assert_int_equal(arm(NULL), 1);
	assert_int_equal(arm(NULL), 2);
	assert_int_equal(arm(NULL), 3);
	peer_serve(&peer, 1, refuse_one);
	assert_int_equal(evl_roundtrip(evl), -EEXIST);
	peer_join(&peer);
	peer_serve(&peer, 1, refuse_another);
	assert_int_equal(evl_roundtrip(evl), -EDQUOT);
	peer_join(&peer);
	evl_set_error_handler(evl, note_error, NULL);
	peer_refuse(&peer, 3, EVLOOP__STATUS__STATUS_QUOTA, "third");
	assert_int_equal(evl_dispatch(evl, EVL_SEC(5)), 1);
	assert_int_equal(n_errors, 1);
	assert_string_equal(last_message, "third");
}

static void test_refusal_ends_run(void **state _unused_) {
	evl_set_error_handler(evl, note_error, NULL);
	peer_refuse(&peer, arm(NULL), EVLOOP__STATUS__STATUS_QUOTA, "too many timers");
	assert_int_equal(evl_run(evl), 0); /* nothing is left to wait for */
	assert_int_equal(n_errors, 1);
}

static void test_refusal_taken_ends_run(void **state _unused_) {
	assert_int_equal(arm(NULL), 1);
	peer_serve(&peer, 1, refuse_one);
	assert_int_equal(evl_roundtrip(evl), -EEXIST);
	peer_join(&peer);
	assert_int_equal(evl_run(evl), 0);
}

static void test_refusal_of_cancelled(void **state _unused_) {
	struct evl_source *source;
	uint64_t handle = arm(&source);

	evl_set_error_handler(evl, note_error, NULL);
	evl_source_unref(source);
	peer_refuse(&peer, handle, EVLOOP__STATUS__STATUS_QUOTA, "too many timers");
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(n_errors, 0);
}

/* ---- loss ------------------------------------------------------------------------------------------------ */

static void test_loss_after_last_events(void **state _unused_) {
	struct evl_source *source;

	assert_false(readable());
	peer_fire_last(&peer, arm(NULL), 1);
	arm(&source);
	peer_hang_up(&peer);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(n_destroyed, 0);
	assert_true(readable());
	assert_int_equal(evl_dispatch(evl, -1), -ECONNRESET);
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(evl_dispatch(evl, -1), -ENOTCONN);
	assert_false(readable());
	assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), -ENOTCONN);
	assert_int_equal(evl_roundtrip(evl), -ENOTCONN);
	assert_int_equal(evl_flush(evl), -ENOTCONN);
	assert_int_equal(evl_cancel(source), 0);
	evl_source_unref(source);
}

/* Found out by sending: what the daemon had said before is not lost. */
static void test_loss_found_by_sending(void **state _unused_) {
	struct evl_source *source;

	peer_fire_last(&peer, arm(&source), 1);
	peer_hang_up(&peer);
	while (evl_call_later(evl, NULL, EVL_SEC(1), count, NULL) == 0)
		;
	assert_true(readable());
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_int_equal(n_called, 1);
	assert_int_equal(evl_dispatch(evl, 0), -ECONNRESET);
	assert_int_equal(evl_dispatch(evl, 0), -ENOTCONN);
	evl_source_unref(source);
}

static void hang_up(struct peer *p, const struct frame *frame _unused_) {
	peer_hang_up(p);
}

static void test_loss_in_call(void **state _unused_) {
	evl_set_error_handler(evl, note_error, NULL);
	peer_serve(&peer, 1, hang_up);
	assert_int_equal(evl_roundtrip(evl), -ECONNRESET);
	peer_join(&peer);
	assert_int_equal(evl_roundtrip(evl), -ENOTCONN);
	assert_int_equal(n_errors, 0);
	assert_true(readable());
	assert_int_equal(evl_dispatch(evl, -1), -ENOTCONN); /* the reason has been returned */
	assert_int_equal(n_errors, 1);
	assert_int_equal(last_error, -ECONNRESET);
}

static void say_why(struct peer *p, const struct frame *frame _unused_) {
	Evloop__Error error = EVLOOP__ERROR__INIT;

	error.status = EVLOOP__STATUS__STATUS_PROTOCOL;
	error.message = (char *)"I cannot read this";
	peer_send(p, FRAME_ERROR, EVLOOP__METHOD__METHOD_NONE, 0, &error.base);
	peer_hang_up(p);
}

static void test_last_words(void **state _unused_) {
	peer_serve(&peer, 1, say_why);
	assert_int_equal(evl_roundtrip(evl), -ECONNRESET);
	peer_join(&peer);
	assert_string_equal(evl_error_message(evl), "I cannot read this");
}

static void send_bytes(const void *bytes, size_t size) {
	assert_int_equal(send(peer.fd, bytes, size, 0), size);
}

static void test_nonsense(void **state _unused_) {
	uint8_t packet[40] = { 16, 0, 0, 0, 64, 0, FRAME_EVENT };

	/* Things of a later protocol are passed over. */
	packet[4] = 99;
	send_bytes(packet, 16);
	packet[6] = 77;
	send_bytes(packet, 16);
	assert_int_equal(evl_dispatch(evl, EVL_MSEC(1)), 0);
	/* A frame that is larger than its packet is not. */
	packet[0] = 41;
	send_bytes(packet, sizeof(packet));
	assert_int_equal(evl_dispatch(evl, EVL_SEC(5)), -EPROTO);
	assert_int_equal(evl_dispatch(evl, 0), -ENOTCONN);
}

static void test_nonsense_event(void **state _unused_) {
	static const uint8_t packet[20] = { 20, 0, 0, 0, 64, 0, FRAME_EVENT, [16] = 0xff, 0xff, 0xff, 0xff };

	send_bytes(packet, sizeof(packet));
	assert_int_equal(evl_dispatch(evl, EVL_SEC(5)), -EPROTO);
}

/* ---- reconnecting ---------------------------------------------------------------------------------------- */

static void test_reconnect(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;
	struct evl_source *once, *repeating, *plain;
	Evloop__TimerSpec *spec;
	const char *path = evl_socket_path(evl);
	int fd = evl_fd(evl);
	int64_t deadline;
	uint64_t handle;

	assert_int_equal(evl_reconnect(evl), -EISCONN);
	timer.rearm = true;
	timer.deadline_ns = EVL_SEC(60);
	assert_int_equal(evl_timer_add(evl, &once, &timer, count, NULL), 0);
	evl_source_set_destroy(once, destroyed);
	timer.absolute = true;
	timer.deadline_ns = 4000;
	timer.period_ns = 1000;
	timer.count = 5;
	assert_int_equal(evl_timer_add(evl, &repeating, &timer, count, NULL), 0);
	evl_flush(evl);
	peer_expect_arm(&peer, &spec);
	deadline = spec->deadline_ns;
	evloop__timer_spec__free_unpacked(spec, NULL);
	peer_fire(&peer, peer_expect_arm(&peer, NULL), 2); /* two of five, the last one at 5000 */
	arm(&plain);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	peer_hang_up(&peer);
	assert_int_equal(evl_dispatch(evl, -1), -ECONNRESET);
	assert_int_equal(n_destroyed, 1); /* the plain one */

	assert_int_equal(peer_reconnect(&peer, evl), 0);
	assert_ptr_equal(evl_socket_path(evl), path); /* others may be reading it */
	evl_flush(evl);
	handle = peer_expect_arm(&peer, &spec);
	assert_int_equal(spec->deadline_ns, deadline);
	assert_int_equal(spec->period_ns, 0);
	evloop__timer_spec__free_unpacked(spec, NULL);
	peer_expect_arm(&peer, &spec);
	assert_int_equal(spec->deadline_ns, 6000);
	assert_int_equal(spec->period_ns, 1000);
	assert_int_equal(spec->count, 3);
	evloop__timer_spec__free_unpacked(spec, NULL);
	assert_true(peer_is_quiet(&peer));

	assert_int_equal(evl_fd(evl), fd);
	peer_fire_last(&peer, handle, 1);
	assert_true(readable());
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(n_destroyed, 2);
	evl_source_unref(once);
	evl_source_unref(repeating);
	evl_source_unref(plain);
}

/* What fired before the loss and has not been dispatched is neither armed again nor lost. */
static void test_reconnect_with_held_events(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;
	struct evl_source *source;

	timer.rearm = true;
	assert_int_equal(evl_timer_add(evl, &source, &timer, count, NULL), 0);
	evl_source_set_destroy(source, destroyed);
	evl_flush(evl);
	peer_fire_last(&peer, peer_expect_arm(&peer, NULL), 1);
	peer_hang_up(&peer);
	while (evl_call_later(evl, NULL, EVL_SEC(1), count, NULL) == 0)
		;
	assert_int_equal(peer_reconnect(&peer, evl), 0);
	evl_flush(evl);
	assert_true(peer_is_quiet(&peer));
	assert_true(readable());
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(n_called, 1);
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_true(peer_is_quiet(&peer));
	evl_source_unref(source);
}

static void reconnect(struct evl *from, struct evl_source *source _unused_, int error, const char *message _unused_,
		      void *userdata _unused_) {
	assert_int_equal(error, -ECONNRESET);
	assert_int_equal(peer_reconnect(&peer, from), 0);
	assert_int_equal(evl_call_soon(from, NULL, count, NULL), 0);
}

static void test_reconnect_in_handler(void **state _unused_) {
	evl_set_error_handler(evl, reconnect, NULL);
	peer_hang_up(&peer);
	assert_int_equal(evl_dispatch(evl, -1), 1); /* the handler */
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(n_called, 1);
}

static void close_at_loss(struct evl *from, struct evl_source *source _unused_, int error, const char *message _unused_,
			  void *userdata _unused_) {
	last_error = error;
	evl = evl_close(from);
}

static void test_close_in_handler(void **state _unused_) {
	struct evl_source *source;

	arm(&source);
	evl_set_error_handler(evl, close_at_loss, NULL);
	peer_hang_up(&peer);
	assert_int_equal(evl_run(evl), 0);
	assert_null(evl);
	assert_int_equal(last_error, -ECONNRESET);
	evl_source_unref(source);
	assert_int_equal(n_destroyed, 1);
}

/* A daemon that ends while somebody connects is not the last one. */
static void test_lost_in_hello(void **state _unused_) {
	peer_hang_up(&peer);
	assert_int_equal(evl_dispatch(evl, -1), -ECONNRESET);
	peer.losses = 2;
	assert_int_equal(peer_reconnect(&peer, evl), 0);
	assert_int_equal(peer.losses, 0);
}

static void test_reconnect_fails(void **state _unused_) {
	peer_hang_up(&peer);
	peer.listen_fd = close_fd(peer.listen_fd);
	assert_int_equal(evl_dispatch(evl, -1), -ECONNRESET);
	assert_int_equal(evl_reconnect(evl), -ENOTCONN);
	assert_int_equal(evl_dispatch(evl, -1), -ENOTCONN);
}

/* ---- time namespaces ------------------------------------------------------------------------------------- */

static void test_other_time_namespace(void **state _unused_) {
	Evloop__TimerSpec *spec;

	peer_hang_up(&peer);
	assert_int_equal(evl_dispatch(evl, -1), -ECONNRESET);
	peer.time_namespace = 1;
	assert_int_equal(peer_reconnect(&peer, evl), 0);
	assert_int_equal(evl_call_later(evl, NULL, EVL_SEC(60), count, NULL), 0);
	assert_int_equal(evl_call_at(evl, NULL, CLOCK_REALTIME, 12345, count, NULL), 0);
	evl_flush(evl);
	peer_expect_arm(&peer, &spec);
	assert_true(spec->relative);
	assert_in_range(spec->deadline_ns, EVL_SEC(50), EVL_SEC(60));
	evloop__timer_spec__free_unpacked(spec, NULL);
	peer_expect_arm(&peer, &spec);
	assert_false(spec->relative);
	assert_int_equal(spec->deadline_ns, 12345);
	evloop__timer_spec__free_unpacked(spec, NULL);
}

/* ---- connecting ------------------------------------------------------------------------------------------ */

static size_t count_fds(void) {
	DIR *directory = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static void test_nobody_there(void **state _unused_) {
	char longer[200];
	struct evl *unset = NULL;
	size_t before = count_fds();

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(evl_connect(&unset, "/nowhere/socket"), -ENOTCONN);
	assert_int_equal(evl_connect(&unset, "/dev/null"), -ENOTCONN);
	assert_int_equal(evl_connect(&unset, longer), -ENAMETOOLONG);
	assert_int_equal(evl_connect_with(&unset, NULL, 64), -EINVAL);
	assert_null(unset);
	assert_int_equal(count_fds(), before);
}

static void test_no_descriptors_left(void **state _unused_) {
	size_t before = count_fds();

	for (int i = 0; i < 10; i++) {
		peer_hang_up(&peer);
		assert_int_equal(evl_dispatch(evl, -1), -ECONNRESET);
		assert_int_equal(peer_reconnect(&peer, evl), 0);
	}
	assert_int_equal(count_fds(), before);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_refusal_returned_by_dispatch),
		TEST(test_refusal_to_handler),
		TEST(test_refusal_returned_by_roundtrip),
		TEST(test_refusal_told_once),
		TEST(test_refusals_told_once),
		TEST(test_refusal_ends_run),
		TEST(test_refusal_taken_ends_run),
		TEST(test_refusal_of_cancelled),
		TEST(test_loss_after_last_events),
		TEST(test_loss_found_by_sending),
		TEST(test_loss_in_call),
		TEST(test_last_words),
		TEST(test_nonsense),
		TEST(test_nonsense_event),
		TEST(test_reconnect),
		TEST(test_reconnect_with_held_events),
		TEST(test_reconnect_in_handler),
		TEST(test_close_in_handler),
		TEST(test_lost_in_hello),
		TEST(test_reconnect_fails),
		TEST(test_other_time_namespace),
		TEST(test_nobody_there),
		TEST(test_no_descriptors_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
