/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The library without memory: one scenario that uses all of it, run again and again; the first allocation fails, then the second,
 * until none does.  Each time the error must come out, every destructor run once, and nothing be left.
 */

#include "tests/unit/test.h"

#include <sys/socket.h>

#include "tests/unit/client-peer.h"

/* Allocations of the thread that plays the user, until the one that fails; negative: none fails. */
static _Thread_local long left = -1;

static bool failed; /* one has */

static bool fails(void) {
	failed = failed || left == 0;
	return left >= 0 && left-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t size) {
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s) {
	return fails() ? NULL : __real_strdup(s);
}

static struct peer peer;
static int n_owned, n_destroyed;

static void nothing(struct evl_source *source _unused_, const struct evl_event *event _unused_,
		    void *userdata _unused_) {
}

static void destroyed(void *userdata _unused_) {
	n_destroyed++;
}

/* The events of a watch are never lost silently: where they cannot be acknowledged, that is a loss of the connection. */
static void check(int r) {
	assert_true(r >= 0 || r == -ENOMEM);
}

/* A source with a destructor, if there is one. */
static void own(int r, struct evl_source **source) {
	check(r);
	if (r < 0)
		return;
	evl_source_set_destroy(*source, destroyed);
	n_owned++;
}

static void *work(void *userdata) {
	return userdata;
}

/* Watches, topics and the executor; the daemon is played only as far as it takes the frames. */
static void use_watches(struct evl *evl, struct evl_source *sources[6]) {
	const char *const exclude[] = { "*.o", NULL };
	struct evl_watch watch = EVL_WATCH_INIT;
	struct evl_subscription subscription = EVL_SUBSCRIPTION_INIT;

	own(evl_add_reader(evl, &sources[0], peer.listen_fd, nothing, NULL), &sources[0]);
	if (!is_in_valgrind())
		own(evl_watch_pid(evl, &sources[1], getpid(), nothing, NULL), &sources[1]);
	watch.path = "path";
	watch.exclude = exclude;
	watch.rearm = true;
	own(evl_watch_add(evl, &sources[2], &watch, nothing, NULL), &sources[2]);
	subscription.topic = "topic";
	subscription.limiter = "limiter";
	subscription.rearm = true;
	own(evl_subscription_add(evl, &sources[3], &subscription, nothing, NULL), &sources[3]);
	own(evl_add_local(evl, &sources[4], peer.listen_fd, EVL_READABLE, nothing, NULL), &sources[4]);
	own(evl_run_in_executor(evl, &sources[5], work, nothing, NULL), &sources[5]);
	check(evl_emit_async(evl, "topic", "data", 4));
}

static void use(struct evl *evl) {
	struct evl_timer timer = EVL_TIMER_INIT;
	struct evl_source *sources[11] = { NULL };
	size_t n_requests = 1;
	uint64_t id;

	own(evl_call_later(evl, &sources[0], 0, nothing, NULL), &sources[0]);
	own(evl_call_every(evl, &sources[1], EVL_SEC(1), nothing, NULL), &sources[1]);
	timer.name = "name";
	timer.detached = true;
	timer.argv = (const char *const[]){ "true", NULL };
	own(evl_timer_add(evl, &sources[2], &timer, nothing, NULL), &sources[2]);
	own(evl_call_soon(evl, &sources[3], nothing, NULL), &sources[3]);
	own(evl_attach(evl, &sources[4], "other", nothing, NULL), &sources[4]);
	use_watches(evl, &sources[5]);
	check(evl_call_soon_threadsafe(evl, nothing, NULL));
	if (sources[1]) {
		if (evl_source_id(sources[1], &id) == -EAGAIN)
			n_requests++;
		check(evl_source_restart(sources[1], 0));
	}
	check(evl_flush(evl));
	left = -1;
	peer_serve(&peer, n_requests, NULL);
	check(evl_roundtrip(evl));
	peer_join(&peer);
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		evl_source_unref(sources[i]);
	while (evl_dispatch(evl, 0) > 0)
		;
}

static void test_each_allocation(void **state _unused_) {
	long n = 0;

	do {
		struct evl *evl = NULL;

		n_owned = n_destroyed = 0;
		failed = false;
		peer_init(&peer);
		left = n++;
		check(peer_connect(&peer, &evl));
		if (evl)
			use(evl);
		left = -1;
		evl_close(evl);
		assert_int_equal(n_destroyed, n_owned);
		peer_deinit(&peer);
	} while (failed);
	assert_true(n > 30); /* it did meet some */
}

/* ---- the death of a daemon ---- */

static size_t n_told, n_armed;

static void count_error(struct evl *evl _unused_, struct evl_source *source, int error, const char *message _unused_,
			void *userdata _unused_) {
	n_told += source && error != -ENOBUFS;
}

/* Is there something to be read, and not the end? */
static bool has_frame(void) {
	char byte;

	return peer.in.position < peer.in.size || recv(peer.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void answer_all(void) {
	Evloop__PingReply pong = EVLOOP__PING_REPLY__INIT;
	struct frame frame;

	while (has_frame()) {
		peer_expect(&peer, &frame);
		if (frame.method == EVLOOP__METHOD__METHOD_HELLO)
			peer_greet(&peer, frame.serial);
		else if (frame.method == EVLOOP__METHOD__METHOD_PING)
			peer_send(&peer, FRAME_REPLY, EVLOOP__METHOD__METHOD_PING, frame.serial, &pong.base);
		else
			n_armed++;
	}
}

/* Return: does the connection go on? */
static bool live_through(struct evl *evl, long fails_at) {
	int r = 0;

	peer_take_over(&peer);
	left = fails_at;
	for (int i = 0; i < 10 && r >= 0; i++) {
		long rest;

		r = evl_dispatch(evl, 0);
		rest = left;
		left = -1;
		answer_all();
		left = rest;
	}
	left = -1;
	assert_true(r >= 0 || r == -ECONNRESET);
	return r >= 0;
}

#define MANY 2000 /* so that more is to be sent than the socket takes at once, and memory is needed for that */

static void arm_all(struct evl *evl) {
	static const char topic[] =
		"a_name_that_is_as_long_as_any_may_be_so_that_it_fills_packets_and_there_are_many_of_them";

	assert_int_equal(evl_call_later(evl, NULL, EVL_SEC(60), nothing, NULL), 0);
	assert_int_equal(evl_call_every(evl, NULL, EVL_SEC(60), nothing, NULL), 0);
	assert_int_equal(evl_attach(evl, NULL, "other", nothing, NULL), 0);
	assert_int_equal(evl_add_reader(evl, NULL, peer.listen_fd, nothing, NULL), 0);
	assert_int_equal(evl_watch_path(evl, NULL, "/", nothing, NULL), 0);
	for (size_t i = 5; i < MANY; i++)
		assert_int_equal(evl_subscribe(evl, NULL, topic, nothing, NULL), 0);
	n_armed = 0;
	while (n_armed < MANY) {
		evl_flush(evl);
		answer_all();
	}
}

/* Each source is armed again, or somebody hears that it is not; or the connection is lost, which says it of all. */
static void test_takeover(void **state _unused_) {
	long n = 0;

	do {
		struct evl *evl = NULL;

		peer_init(&peer);
		assert_int_equal(peer_connect(&peer, &evl), 0);
		evl_set_error_handler(evl, count_error, NULL);
		arm_all(evl);
		n_told = n_armed = 0;
		failed = false;
		if (live_through(evl, n++))
			assert_int_equal(n_armed + n_told, MANY);
		evl_close(evl);
		peer_deinit(&peer);
	} while (failed);
	assert_true(n > 1);
}

int main(void) {
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_each_allocation), cmocka_unit_test(test_takeover) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
