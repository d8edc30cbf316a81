/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each function of evloop.h that fails has its own words, or none: never those of an earlier one.  Those that wait for the daemon tell why
 * it has gone.
 */

#include "tests/unit/test.h"

#include <pthread.h>
#include <string.h>

#include "client/internal.h"
#include "tests/unit/client-peer.h"

#define STALE "words of an earlier error"
#define LAST_WORDS "I cannot read this"
#define UNUSUAL_FD 12345678

static struct peer peer;
static struct evl *evl;
static struct evl_source *timer, *local; /* live; another one that no daemon knows */
static struct evl_limiter *limiter;

static void never_called(struct evl_source *source _unused_, const struct evl_event *event _unused_,
			 void *userdata _unused_) {
}

static void *work(void *userdata) {
	return userdata;
}

/* ---- a call of each that fails ----------------------------------------------------------------------------- */

static int fail_to_add_local(void) {
	return evl_add_local(evl, NULL, UNUSUAL_FD, EVL_READABLE, never_called, NULL);
}

static int fail_to_add_reader(void) {
	return evl_add_reader(evl, NULL, UNUSUAL_FD, never_called, NULL);
}

static int fail_to_add_writer(void) {
	return evl_add_writer(evl, NULL, -1, never_called, NULL);
}

static int fail_to_attach(void) {
	return evl_attach(evl, NULL, "x", NULL, NULL);
}

static int fail_to_call_at(void) {
	return evl_call_at(evl, NULL, -1, 0, never_called, NULL);
}

static int fail_to_call_every(void) {
	return evl_call_every(evl, NULL, -1, never_called, NULL);
}

static int fail_to_call_later(void) {
	return evl_call_later(evl, NULL, -1, never_called, NULL);
}

static int fail_to_call_soon(void) {
	return evl_call_soon(evl, NULL, NULL, NULL);
}

static int fail_to_call_soon_threadsafe(void) {
	return evl_call_soon_threadsafe(evl, NULL, NULL);
}

static int fail_to_emit(void) {
	return evl_emit(evl, NULL, NULL, 0);
}

static int fail_to_emit_async(void) {
	return evl_emit_async(evl, NULL, NULL, 0);
}

static int fail_to_acquire(void) {
	return evl_limiter_acquire(limiter, NULL, NULL, 0, -1, never_called, NULL);
}

static const char *long_key(void) {
	static char key[1000];

	memset(key, 'k', sizeof(key) - 1);
	return key;
}

static int fail_to_charge(void) {
	return evl_limiter_charge(limiter, long_key(), 1, NULL);
}

static int fail_to_hold(void) {
	return evl_limiter_hold(limiter, long_key(), 1, NULL);
}

static int fail_to_open(void) {
	struct evl_limiter *opened;

	return evl_limiter_open(evl, &opened, "", NULL);
}

static int fail_to_peek(void) {
	return evl_limiter_peek(limiter, long_key(), 1, NULL);
}

static int fail_to_refund(void) {
	return evl_limiter_refund(limiter, long_key(), 1, NULL);
}

static int fail_to_release(void) {
	return evl_limiter_release(timer);
}

static int fail_to_reset(void) {
	return evl_limiter_reset(limiter, long_key(), NULL);
}

static int fail_to_try(void) {
	return evl_limiter_try(limiter, long_key(), 1, NULL);
}

static int fail_to_wait(void) {
	return evl_limiter_wait(limiter, NULL, 0, -1, NULL);
}

static int fail_to_reconnect(void) {
	return evl_reconnect(evl);
}

static int fail_to_run_in_executor(void) {
	return evl_run_in_executor(evl, NULL, work, NULL, NULL);
}

static int fail_to_set_timeout(void) {
	return evl_set_timeout(evl, -2);
}

static int fail_to_tell_id(void) {
	uint64_t id;

	return evl_source_id(local, &id);
}

static int fail_to_restart(void) {
	return evl_source_restart(local, 1);
}

static int fail_to_subscribe(void) {
	return evl_subscribe(evl, NULL, NULL, never_called, NULL);
}

static int fail_to_add_subscription(void) {
	struct evl_subscription subscription = EVL_SUBSCRIPTION_INIT;

	subscription.size = 0;
	return evl_subscription_add(evl, NULL, &subscription, never_called, NULL);
}

static int fail_to_add_timer(void) {
	struct evl_timer given = EVL_TIMER_INIT;

	given.size = 0;
	return evl_timer_add(evl, NULL, &given, never_called, NULL);
}

static int fail_to_add_watch(void) {
	struct evl_watch watch = EVL_WATCH_INIT;

	return evl_watch_add(evl, NULL, &watch, never_called, NULL);
}

static int fail_to_watch_path(void) {
	return evl_watch_path(evl, NULL, "", never_called, NULL);
}

static int fail_to_watch_pid(void) {
	return evl_watch_pid(evl, NULL, 0, never_called, NULL);
}

/* What fails once the connection is lost: whoever waits for the daemon. */

static int emit(void) {
	return evl_emit(evl, "topic", NULL, 0);
}

static int charge(void) {
	return evl_limiter_charge(limiter, NULL, 1, NULL);
}

static int hold(void) {
	return evl_limiter_hold(limiter, "key", 1, NULL);
}

static int open_to_define(void) {
	struct evl_limit limit = EVL_RATE(10, EVL_SEC(1));
	struct evl_limiter *opened;

	return evl_limiter_open(evl, &opened, "another", &limit);
}

static int peek(void) {
	return evl_limiter_peek(limiter, NULL, 1, NULL);
}

static int refund(void) {
	return evl_limiter_refund(limiter, NULL, 1, NULL);
}

static int reset(void) {
	return evl_limiter_reset(limiter, NULL, NULL);
}

static int fail_to_cancel_sync(void) {
	struct evl_source *source = TAKE_PTR(timer);
	int r = evl_cancel_sync(source, NULL);

	evl_source_unref(source);
	return r;
}

static int fail_to_flush(void) {
	return evl_flush(evl);
}

static int fail_to_make_roundtrip(void) {
	return evl_roundtrip(evl);
}

/* What fails in a child after fork. */

static int fail_to_cancel(void) {
	return evl_cancel(local);
}

static int fail_to_dispatch(void) {
	return evl_dispatch(evl, 0);
}

static int fail_to_run(void) {
	return evl_run(evl);
}

static int fail_to_get_fd(void) {
	return evl_fd(evl);
}

static int fail_to_get_time(void) {
	return (int)evl_time(evl);
}

enum state {
	CONNECTED,
	LOST,
	FORKED,
};

static const struct row {
	const char *name;
	int (*make_fail)(void);
	enum state state;
	int (*meet_loss)(void); /* NULL: it tells of none, or in the state LOST it is `make_fail` */
} rows[] = {
	{ "evl_add_local", fail_to_add_local, CONNECTED },
	{ "evl_add_reader", fail_to_add_reader, CONNECTED },
	{ "evl_add_writer", fail_to_add_writer, CONNECTED },
	{ "evl_attach", fail_to_attach, CONNECTED },
	{ "evl_call_at", fail_to_call_at, CONNECTED },
	{ "evl_call_every", fail_to_call_every, CONNECTED },
	{ "evl_call_later", fail_to_call_later, CONNECTED },
	{ "evl_call_soon", fail_to_call_soon, CONNECTED },
	{ "evl_call_soon_threadsafe", fail_to_call_soon_threadsafe, CONNECTED },
	{ "evl_emit", fail_to_emit, CONNECTED, emit },
	{ "evl_emit_async", fail_to_emit_async, CONNECTED },
	{ "evl_limiter_acquire", fail_to_acquire, CONNECTED },
	{ "evl_limiter_charge", fail_to_charge, CONNECTED, charge },
	{ "evl_limiter_hold", fail_to_hold, CONNECTED, hold },
	{ "evl_limiter_open", fail_to_open, CONNECTED, open_to_define },
	{ "evl_limiter_peek", fail_to_peek, CONNECTED, peek },
	{ "evl_limiter_refund", fail_to_refund, CONNECTED, refund },
	{ "evl_limiter_release", fail_to_release, CONNECTED },
	{ "evl_limiter_reset", fail_to_reset, CONNECTED, reset },
	{ "evl_limiter_try", fail_to_try, CONNECTED },
	{ "evl_limiter_wait", fail_to_wait, CONNECTED },
	{ "evl_reconnect", fail_to_reconnect, CONNECTED },
	{ "evl_run_in_executor", fail_to_run_in_executor, CONNECTED },
	{ "evl_set_timeout", fail_to_set_timeout, CONNECTED },
	{ "evl_source_id", fail_to_tell_id, CONNECTED },
	{ "evl_source_restart", fail_to_restart, CONNECTED },
	{ "evl_subscribe", fail_to_subscribe, CONNECTED },
	{ "evl_subscription_add", fail_to_add_subscription, CONNECTED },
	{ "evl_timer_add", fail_to_add_timer, CONNECTED },
	{ "evl_watch_add", fail_to_add_watch, CONNECTED },
	{ "evl_watch_path", fail_to_watch_path, CONNECTED },
	{ "evl_watch_pid", fail_to_watch_pid, CONNECTED },
	{ "evl_cancel_sync", fail_to_cancel_sync, LOST },
	{ "evl_dispatch", fail_to_dispatch, FORKED },
	{ "evl_flush", fail_to_flush, LOST },
	{ "evl_roundtrip", fail_to_make_roundtrip, LOST },
	{ "evl_run", fail_to_run, FORKED },
	{ "evl_cancel", fail_to_cancel, FORKED },
	{ "evl_fd", fail_to_get_fd, FORKED },
	{ "evl_time", fail_to_get_time, FORKED },
};

/* These return no error, or have no connection yet. */
static const char *const never_fail[] = {
	"evl_cancelled",
	"evl_close",
	"evl_connect",
	"evl_connect_with",
	"evl_daemon_version",
	"evl_error_message",
	"evl_limiter_close",
	"evl_set_error_handler",
	"evl_set_log",
	"evl_socket_path",
	"evl_source_evl",
	"evl_source_ref",
	"evl_source_set_destroy",
	"evl_source_unref",
	"evl_source_userdata",
	"evl_stop",
	"evl_version",
};

/* ---- the tests --------------------------------------------------------------------------------------------- */

/* A limiter that the daemon has never heard of: what is asked of it fails before anything is sent. */
static void answer_open(struct peer *p, const struct frame *frame) {
	peer_send(p, FRAME_REPLY, (Evloop__Method)frame->method, frame->serial, NULL);
}

static int setup(void **state _unused_) {
	struct evl_limit limit = EVL_RATE(10, EVL_SEC(1));

	peer_init(&peer);
	assert_int_equal(peer_connect(&peer, &evl), 0);
	peer_serve(&peer, 2, answer_open);
	assert_int_equal(evl_limiter_open(evl, &limiter, "limiter", &limit), 0);
	peer_join(&peer);
	assert_int_equal(evl_call_later(evl, &timer, EVL_SEC(60), never_called, NULL), 0);
	assert_int_equal(evl_call_soon(evl, &local, never_called, NULL), 0);
	return 0;
}

static int teardown(void **state _unused_) {
	evl_source_unref(timer);
	evl_source_unref(local);
	evl_limiter_close(limiter);
	evl_close(evl);
	peer_deinit(&peer);
	return 0;
}

static bool leaves_own_words(const struct row *row) {
	int r;

	(void)error_set(evl, 0, STALE);
	r = row->make_fail();
	if (r >= 0)
		print_error("%s did not fail\n", row->name);
	else if (strcmp(evl_error_message(evl), STALE) == 0)
		print_error("%s failed with the words of an earlier error\n", row->name);
	return r < 0 && strcmp(evl_error_message(evl), STALE) != 0;
}

static bool all_leave_own_words(enum state state) {
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].state == state)
			good = leaves_own_words(&rows[i]) && good;
	return good;
}

static void test_connected(void **state _unused_) {
	assert_true(all_leave_own_words(CONNECTED));
}

static void say_why_and_hang_up(struct peer *p) {
	Evloop__Error error = EVLOOP__ERROR__INIT;

	error.status = EVLOOP__STATUS__STATUS_PROTOCOL;
	error.message = (char *)LAST_WORDS;
	peer_send(p, FRAME_ERROR, EVLOOP__METHOD__METHOD_NONE, 0, &error.base);
	peer_hang_up(p);
}

static void answer_once(struct peer *p, const struct frame *frame) {
	if (frame->method == EVLOOP__METHOD__METHOD_LIMITER_SET)
		answer_open(p, frame);
	else
		say_why_and_hang_up(p);
}

static void refuse(struct peer *p, const struct frame *frame) {
	Evloop__Error error = EVLOOP__ERROR__INIT;

	error.status = EVLOOP__STATUS__STATUS_INVALID;
	error.message = (char *)"no";
	peer_send(p, FRAME_ERROR, (Evloop__Method)frame->method, frame->serial, &error.base);
}

static bool tells_loss(const struct row *row) {
	int (*meet)(void) = row->meet_loss ? row->meet_loss : row->make_fail;
	int r;

	evl->loss_returned = false;
	(void)error_set(evl, 0, STALE);
	r = meet();
	if (r != -ECONNRESET || strcmp(evl_error_message(evl), LAST_WORDS) != 0)
		print_error("%s returned %d with the words '%s'\n", row->name, r, evl_error_message(evl));
	return r == -ECONNRESET && strcmp(evl_error_message(evl), LAST_WORDS) == 0;
}

/* What does not wait has met the loss, and had nobody to tell: each of the others does. */
static void test_lost(void **state _unused_) {
	bool good = true;

	say_why_and_hang_up(&peer);
	connection_lost(evl, -ECONNRESET);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].state == LOST || rows[i].meet_loss)
			good = tells_loss(&rows[i]) && good;
	assert_true(good);
	assert_int_equal(peek(), -ENOTCONN); /* once */
	assert_string_equal(evl_error_message(evl), "");
}

/* It has been defined by then, so that nothing has failed. */
static void test_lost_while_opened(void **state _unused_) {
	struct evl_limit limit = EVL_RATE(10, EVL_SEC(1));
	struct evl_limiter *opened;

	peer_serve(&peer, 2, answer_once);
	assert_int_equal(evl_limiter_open(evl, &opened, "another", &limit), 0);
	peer_join(&peer);
	assert_int_equal(evl_roundtrip(evl), -ECONNRESET);
	assert_string_equal(evl_error_message(evl), LAST_WORDS);
	evl_limiter_close(opened);
}

/* A limiter survives its connection. */
static void test_closed(void **state _unused_) {
	peer_serve(&peer, 1, refuse);
	assert_int_equal(peek(), -EINVAL);
	peer_join(&peer);
	evl = evl_close(evl);
	assert_int_equal(peek(), -ENOTCONN);
	assert_int_equal(hold(), -ENOTCONN);
}

static void test_forked(void **state _unused_) {
	*(volatile uint32_t *)evl->alive = 0; /* as the kernel does it */
	assert_true(all_leave_own_words(FORKED));
	*(volatile uint32_t *)evl->alive = 1;
}

static void *fail_elsewhere(void *userdata _unused_) {
	return (void *)(intptr_t)(fail_to_try() < 0 && fail_to_call_soon_threadsafe() < 0);
}

/* The words belong to the connection's thread. */
static void test_other_thread(void **state _unused_) {
	pthread_t thread;
	void *failed;

	(void)error_set(evl, 0, STALE);
	assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_non_null(failed);
	assert_string_equal(evl_error_message(evl), STALE);
}

static bool is_listed(const char *name) {
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(never_fail); i++)
		if (strcmp(never_fail[i], name) == 0)
			return true;
	return false;
}

/* A function that comes new is to be tested here. */
static void test_all_are_listed(void **state _unused_) {
	const char *srcdir = getenv("srcdir");
	char path[4096], line[256], name[128];
	unsigned n = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/client/libevloop.sym", srcdir ? srcdir : ".");
	file = fopen(path, "re");
	if (!file)
		skip();
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, " evl_%100[a-z_]", name) != 1)
			continue;
		n++;
		memmove(name + 4, name, strlen(name) + 1);
		memcpy(name, "evl_", 4);
		if (!is_listed(name))
			fail_msg("%s is not tested here", name);
	}
	(void)fclose(file);
	assert_int_equal(n, ARRAY_SIZE(rows) + ARRAY_SIZE(never_fail));
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		test(test_connected), test(test_lost),         test(test_lost_while_opened),          test(test_closed),
		test(test_forked),    test(test_other_thread), cmocka_unit_test(test_all_are_listed),
	};

	return cmocka_run_group_tests_name("errors of the library", tests, NULL, NULL);
}
