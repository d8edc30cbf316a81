/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dispatching and waiting in the library: the local queue, other threads, the descriptor, calls that wait. */

#include "tests/unit/test.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/client-peer.h"

static struct peer peer;
static struct evl *evl;
static int n_called;
static char order[64];

static int setup(void **state _unused_) {
	peer_init(&peer);
	n_called = 0;
	order[0] = '\0';
	return peer_connect(&peer, &evl);
}

static int teardown(void **state _unused_) {
	evl = evl_close(evl);
	peer_deinit(&peer);
	return 0;
}

static bool readable(void) {
	struct pollfd fd = { .fd = evl_fd(evl), .events = POLLIN };

	assert_true(fd.fd >= 0);
	return poll(&fd, 1, 0) == 1 && fd.revents == POLLIN;
}

static void count(struct evl_source *source _unused_, const struct evl_event *event _unused_, void *userdata _unused_) {
	n_called++;
}

static void note(struct evl_source *source _unused_, const struct evl_event *event, void *userdata) {
	assert_int_equal(event->type, EVL_EVENT_SOON);
	strcat(order, userdata);
}

static void note_and_post(struct evl_source *source, const struct evl_event *event, void *userdata) {
	note(source, event, userdata);
	assert_int_equal(evl_call_soon(evl, NULL, note, (char *)"c"), 0);
}

static void test_soon_in_order(void **state _unused_) {
	assert_int_equal(evl_call_soon(evl, NULL, note_and_post, (char *)"a"), 0);
	assert_int_equal(evl_call_soon(evl, NULL, note, (char *)"b"), 0);
	assert_int_equal(evl_dispatch(evl, -1), 2);
	assert_string_equal(order, "ab"); /* what they posted is for the next round */
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_string_equal(order, "abc");
	assert_true(peer_is_quiet(&peer)); /* nothing was sent */
}

static void test_soon_cancelled(void **state _unused_) {
	struct evl_source *source;

	assert_int_equal(evl_call_soon(evl, &source, note, (char *)"a"), 0);
	assert_int_equal(evl_call_soon(evl, NULL, note, (char *)"b"), 0);
	source = evl_source_unref(source);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_string_equal(order, "b");
}

static void test_soon_dropped_by_close(void **state _unused_) {
	struct evl_source *source;

	assert_int_equal(evl_call_soon(evl, &source, note, (char *)"a"), 0);
	assert_int_equal(evl_call_soon(evl, NULL, note, (char *)"b"), 0);
	assert_int_equal(evl_call_soon_threadsafe(evl, note, (char *)"c"), 0);
	evl = evl_close(evl);
	assert_string_equal(order, "");
	evl_source_unref(source);
}

static void post_threadsafe(struct evl_source *source, const struct evl_event *event, void *userdata) {
	note(source, event, userdata);
	assert_null(source);
	assert_int_equal(evl_call_soon_threadsafe(evl, note, (char *)"d"), 0);
}

static void test_one_queue(void **state _unused_) {
	assert_int_equal(evl_call_soon_threadsafe(evl, post_threadsafe, (char *)"a"), 0);
	assert_int_equal(evl_call_soon(evl, NULL, note, (char *)"b"), 0);
	assert_int_equal(evl_call_soon_threadsafe(evl, note, (char *)"c"), 0);
	assert_int_equal(evl_dispatch(evl, 0), 3);
	assert_string_equal(order, "abc");
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_string_equal(order, "abcd");
	assert_false(readable());
}

/* What this process's first thread does at the moment, as proc(5) has it: 'S' is waiting. */
static char state_of_main(void) {
	char path[64], line[64] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)getpid());
	f = fopen(path, "re");
	assert_non_null(f);
	while (strncmp(line, "State:", 6) != 0)
		assert_non_null(fgets(line, sizeof(line), f));
	(void)fclose(f);
	return line[7];
}

static void *post_to_waiting(void *userdata _unused_) {
	while (state_of_main() != 'S')
		(void)sched_yield();
	assert_int_equal(evl_call_soon_threadsafe(evl, count, NULL), 0);
	return NULL;
}

static void test_thread_wakes_dispatch(void **state _unused_) {
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, post_to_waiting, NULL), 0);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(evl_dispatch(evl, 0), 0);
}

/* ---- four threads ---------------------------------------------------------------------------------------- */

#define THREADS 4
#define POSTS 10000

static struct post { int thread, number; } posts[THREADS][POSTS];
static int next_number[THREADS];

static void in_thread_order(struct evl_source *source _unused_, const struct evl_event *event _unused_,
			    void *userdata) {
	struct post *post = userdata;

	assert_int_equal(post->number, next_number[post->thread]);
	next_number[post->thread]++;
	n_called++;
}

static void *post_many(void *userdata) {
	for (struct post *post = userdata; post < (struct post *)userdata + POSTS; post++)
		assert_int_equal(evl_call_soon_threadsafe(evl, in_thread_order, post), 0);
	return NULL;
}

/* With a loop of somebody else's or without: the descriptor says when, or dispatching waits. */
static void many_threads(bool by_descriptor) {
	pthread_t threads[THREADS];

	memset(next_number, 0, sizeof(next_number));
	for (int i = 0; i < THREADS; i++) {
		for (int j = 0; j < POSTS; j++)
			posts[i][j] = (struct post){ .thread = i, .number = j };
		assert_int_equal(pthread_create(&threads[i], NULL, post_many, posts[i]), 0);
	}
	while (n_called < THREADS * POSTS) {
		struct pollfd fd = { .fd = by_descriptor ? evl_fd(evl) : -1, .events = POLLIN };

		if (by_descriptor)
			assert_int_equal(poll(&fd, 1, 5000), 1);
		assert_true(evl_dispatch(evl, by_descriptor ? 0 : -1) >= 0);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(evl_dispatch(evl, 0), 0);
}

static void test_threads(void **state _unused_) {
	many_threads(false);
}

static void test_threads_by_descriptor(void **state _unused_) {
	many_threads(true);
	assert_false(readable());
}

/* ---- the descriptor -------------------------------------------------------------------------------------- */

static void test_fd_for_output(void **state _unused_) {
	struct frame frame;

	assert_int_equal(evl_fd(evl), evl_fd(evl));
	assert_false(readable());
	assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), 0);
	assert_true(readable());
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_false(readable());
	peer_expect(&peer, &frame);
	peer_fire_last(&peer, 1, 1);
	assert_true(readable());
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_false(readable());
	assert_true(peer_is_quiet(&peer));
}

static void test_fd_for_output_before(void **state _unused_) {
	assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), 0);
	assert_true(readable()); /* asked for only now */
}

static void arm_another(struct evl_source *source, const struct evl_event *event, void *userdata) {
	count(source, event, userdata);
	assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), 0);
	assert_int_equal(evl_call_soon(evl, NULL, count, NULL), 0);
}

static void test_fd_for_local_work(void **state _unused_) {
	assert_false(readable());
	assert_int_equal(evl_call_soon(evl, NULL, arm_another, NULL), 0);
	assert_true(readable());
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_true(readable()); /* what it posted */
	assert_false(peer_is_quiet(&peer)); /* what it armed has left */
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_false(readable());
}

static void test_fd_for_held_events(void **state _unused_) {
	assert_false(readable());
	assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), 0);
	evl_flush(evl);
	peer_fire_last(&peer, peer_expect_arm(&peer, NULL), 1);
	peer_serve(&peer, 1, NULL);
	assert_int_equal(evl_roundtrip(evl), 0);
	peer_join(&peer);
	assert_int_equal(n_called, 0); /* not meanwhile */
	assert_true(readable());
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_false(readable());
}

static void test_fd_for_deadline(void **state _unused_) {
	struct pollfd fd = { .fd = evl_fd(evl), .events = POLLIN };
	struct evl_source *source;
	uint64_t id;

	assert_int_equal(evl_set_timeout(evl, EVL_MSEC(20)), 0);
	assert_int_equal(evl_call_later(evl, &source, 0, count, NULL), 0);
	assert_int_equal(evl_source_id(source, &id), -EAGAIN);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_false(readable());
	assert_int_equal(poll(&fd, 1, 5000), 1);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(evl_source_id(source, &id), -ETIMEDOUT);
	assert_false(readable());
	evl_source_unref(source);
}

#define FLOOD 100000

/* A daemon that does not read: nothing blocks, nothing is lost, and the descriptor tells when the socket takes more. */
static void test_fd_for_blocked_output(void **state _unused_) {
	struct pollfd fd = { .fd = evl_fd(evl), .events = POLLIN };
	uint64_t n = 0;

	for (int i = 0; i < FLOOD; i++)
		assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), 0);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_false(readable());
	assert_int_equal(evl_set_timeout(evl, EVL_MSEC(10)), 0);
	assert_int_equal(evl_roundtrip(evl), -ETIMEDOUT);
	while (n < FLOOD) {
		peer_expect_arm(&peer, NULL);
		n++;
		if (peer_is_quiet(&peer) && n < FLOOD) {
			assert_int_equal(poll(&fd, 1, 5000), 1);
			assert_int_equal(evl_dispatch(evl, 0), 0);
		}
	}
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_false(readable());
}

/* ---- calls ----------------------------------------------------------------------------------------------- */

static void nested(struct evl_source *source, const struct evl_event *event, void *userdata) {
	count(source, event, userdata);
	assert_int_equal(evl_dispatch(evl, 0), -EBUSY);
	assert_int_equal(evl_run(evl), -EBUSY);
}

static void test_no_nesting(void **state _unused_) {
	assert_int_equal(evl_call_soon(evl, NULL, nested, NULL), 0);
	assert_int_equal(evl_dispatch(evl, 0), 1);
}

static void wait_in_callback(struct evl_source *source, const struct evl_event *event, void *userdata _unused_) {
	uint64_t before = event->fire_seq;

	n_called++;
	assert_int_equal(evl_roundtrip(evl), 0);
	assert_int_equal(event->fire_seq, before);
	assert_ptr_equal(evl_source_evl(source), evl);
}

static void fire_again(struct peer *p, const struct frame *frame _unused_) {
	peer_fire(p, 1, p->sequence + 1);
}

/* A call that waits inside a callback gets its reply; the events it meets come in order afterwards. */
static void test_roundtrip_in_callback(void **state _unused_) {
	assert_int_equal(evl_call_every(evl, NULL, EVL_SEC(1), wait_in_callback, NULL), 0);
	evl_flush(evl);
	assert_int_equal(peer_expect_arm(&peer, NULL), 1);
	peer_fire(&peer, 1, 1);
	peer_serve(&peer, 3, fire_again);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(evl_dispatch(evl, -1), 1);
		assert_int_equal(n_called, i);
	}
	peer_join(&peer);
}

static void test_late_reply(void **state _unused_) {
	struct frame frame;
	Evloop__PingReply reply = EVLOOP__PING_REPLY__INIT;

	assert_int_equal(evl_set_timeout(evl, EVL_MSEC(5)), 0);
	assert_int_equal(evl_roundtrip(evl), -ETIMEDOUT);
	assert_string_not_equal(evl_error_message(evl), "");
	peer_expect(&peer, &frame);
	peer_send(&peer, FRAME_REPLY, EVLOOP__METHOD__METHOD_PING, frame.serial, &reply.base);
	/* It belongs to nobody now, and harms nobody. */
	assert_int_equal(evl_set_timeout(evl, -1), 0);
	peer_serve(&peer, 1, NULL);
	assert_int_equal(evl_roundtrip(evl), 0);
	assert_string_equal(evl_error_message(evl), "");
	peer_join(&peer);
}

static void test_dispatch_times_out(void **state _unused_) {
	int64_t before = evl_time(evl);

	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(evl_dispatch(evl, EVL_MSEC(20)), 0);
	assert_true(evl_time(evl) - before >= EVL_MSEC(20));
}

static void ignore_signal(int number _unused_) {
}

static void test_signal_ends_waiting(void **state _unused_) {
	struct sigaction action = { .sa_handler = ignore_signal }, before;
	struct itimerspec soon = { .it_value.tv_nsec = 20000000 };
	timer_t timer;

	assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
	assert_int_equal(timer_settime(timer, 0, &soon, NULL), 0);
	assert_int_equal(evl_dispatch(evl, -1), 0);
	assert_int_equal(timer_delete(timer), 0);
	assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
}

static void stop(struct evl_source *source, const struct evl_event *event, void *userdata) {
	count(source, event, userdata);
	evl_stop(evl);
}

static void test_run(void **state _unused_) {
	assert_int_equal(evl_run(evl), 0); /* nothing to wait for */
	assert_int_equal(evl_call_soon(evl, NULL, count, NULL), 0);
	assert_int_equal(evl_call_soon_threadsafe(evl, count, NULL), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 2);
	assert_int_equal(evl_call_every(evl, NULL, EVL_SEC(1), count, NULL), 0);
	assert_int_equal(evl_call_soon(evl, NULL, stop, NULL), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 3);
}

static void test_fork(void **state _unused_) {
	struct evl_source *source;
	int status;
	pid_t pid;

	assert_int_equal(evl_call_later(evl, &source, 0, count, NULL), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		uint64_t id;
		bool good = evl_call_later(evl, NULL, 0, count, NULL) == -ECHILD &&
			    evl_call_every(evl, NULL, 1, count, NULL) == -ECHILD &&
			    evl_call_soon(evl, NULL, count, NULL) == -ECHILD &&
			    evl_call_soon_threadsafe(evl, count, NULL) == -ECHILD &&
			    evl_attach(evl, NULL, "x", count, NULL) == -ECHILD && evl_cancel(source) == -ECHILD &&
			    evl_cancel_sync(source, NULL) == -ECHILD && evl_source_restart(source, 0) == -ECHILD &&
			    evl_source_id(source, &id) == -ECHILD && evl_dispatch(evl, 0) == -ECHILD &&
			    evl_run(evl) == -ECHILD && evl_roundtrip(evl) == -ECHILD && evl_flush(evl) == -ECHILD &&
			    evl_fd(evl) == -ECHILD && evl_time(evl) == -ECHILD && evl_reconnect(evl) == -ECHILD;

		evl_source_unref(source);
		evl_close(evl);
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* The parent's connection is as it was. */
	assert_true(peer_is_quiet(&peer));
	evl_flush(evl);
	peer_fire_last(&peer, peer_expect_arm(&peer, NULL), 1);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	evl_source_unref(source);
}

static pid_t child;

static void fork_and_return(struct evl_source *source _unused_, const struct evl_event *event _unused_,
			    void *userdata _unused_) {
	child = fork();
	assert_true(child >= 0);
}

/* A child that simply returns from the callback it was made in. */
static void test_fork_in_callback(void **state _unused_) {
	int status, r;

	assert_int_equal(evl_call_soon(evl, NULL, fork_and_return, NULL), 0);
	assert_int_equal(evl_call_soon(evl, NULL, count, NULL), 0);
	r = evl_dispatch(evl, 0);
	if (child == 0)
		_exit(n_called == 0 && evl_dispatch(evl, 0) == -ECHILD ? 0 : 1);
	assert_int_equal(r, 2);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static char logged[256];

static void take_line(const char *line, void *userdata _unused_) {
	(void)snprintf(logged, sizeof(logged), "%s", line);
}

/* With a threshold that every callback is above. */
static int setup_slow(void **state) {
	int r;

	(void)setenv("EVLOOP_SLOW_MS", "0", 1);
	r = setup(state);
	(void)unsetenv("EVLOOP_SLOW_MS");
	return r;
}

static void test_log(void **state _unused_) {
	evl_set_log(evl, take_line, NULL);
	assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), 0);
	assert_int_equal(evl_flush(evl), 0);
	assert_non_null(strstr(logged, "oneway Arm"));
	assert_int_equal(evl_call_soon(evl, NULL, count, NULL), 0);
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_non_null(strstr(logged, "slow callback"));
}

static void test_names(void **state _unused_) {
	assert_string_equal(evl_socket_path(evl), peer.path);
	assert_string_equal(evl_daemon_version(evl), "played");
	assert_string_equal(evl_version(), PACKAGE_VERSION);
	assert_int_equal(evl_set_timeout(evl, -2), -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_soon_in_order),
		TEST(test_soon_cancelled),
		TEST(test_soon_dropped_by_close),
		TEST(test_one_queue),
		TEST(test_thread_wakes_dispatch),
		TEST(test_threads),
		TEST(test_threads_by_descriptor),
		TEST(test_fd_for_output),
		TEST(test_fd_for_output_before),
		TEST(test_fd_for_local_work),
		TEST(test_fd_for_held_events),
		TEST(test_fd_for_deadline),
		TEST(test_fd_for_blocked_output),
		TEST(test_no_nesting),
		TEST(test_roundtrip_in_callback),
		TEST(test_late_reply),
		TEST(test_dispatch_times_out),
		TEST(test_signal_ends_waiting),
		TEST(test_run),
		TEST(test_fork),
		TEST(test_fork_in_callback),
		cmocka_unit_test_setup_teardown(test_log, setup_slow, teardown),
		TEST(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
