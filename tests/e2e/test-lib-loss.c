/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library against a real daemon that is killed, stopped, or short of room; and in threads and after fork. */

#include "tests/unit/test.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "client/evloop.h"
#include "tests/e2e/daemon-fixture.h"

static struct daemon *server;
static struct evl *evl;
static int n_called, n_destroyed, n_errors, last_error;

static int setup(void **state _unused_) {
	static const char *const options[] = { "--limit", "timers=10", NULL };

	n_called = n_destroyed = n_errors = last_error = 0;
	assert_int_equal(daemon_start(&server, options), 0);
	return evl_connect(&evl, daemon_socket(server));
}

static int teardown(void **state _unused_) {
	evl = evl_close(evl);
	return daemon_stop(server);
}

static void count(struct evl_source *source _unused_, const struct evl_event *event _unused_, void *userdata _unused_) {
	n_called++;
}

static void destroyed(void *userdata _unused_) {
	n_destroyed++;
}

static void note_error(struct evl *from, struct evl_source *source _unused_, int error, const char *message,
		       void *userdata _unused_) {
	assert_ptr_equal(from, evl);
	assert_true(message[0]);
	n_errors++;
	last_error = error;
}

/* ---- no room ---------------------------------------------------------------------------------------------- */

static void test_quota(void **state _unused_) {
	evl_set_error_handler(evl, note_error, NULL);
	for (int i = 0; i < 15; i++)
		assert_int_equal(evl_call_later(evl, NULL, EVL_MSEC(50), count, NULL), 0);
	assert_int_equal(evl_roundtrip(evl), -EDQUOT);
	assert_non_null(strstr(evl_error_message(evl), "10")); /* it says how many */
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 10);
	assert_int_equal(n_errors, 5);
	assert_int_equal(last_error, -EDQUOT);
	/* There is room again. */
	assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 11);
}

/* ---- a daemon that goes ------------------------------------------------------------------------------------ */

static void test_killed(void **state _unused_) {
	struct evl_source *source;

	assert_int_equal(evl_call_later(evl, &source, EVL_SEC(60), count, NULL), 0);
	evl_source_set_destroy(source, destroyed);
	assert_int_equal(evl_flush(evl), 0);
	daemon_kill(server);
	assert_int_equal(evl_run(evl), -ECONNRESET);
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(evl_run(evl), -ENOTCONN);
	assert_int_equal(evl_dispatch(evl, -1), -ENOTCONN);
	assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), -ENOTCONN);
	assert_int_equal(evl_reconnect(evl), -ENOTCONN);
	evl_source_unref(source);
}

static void test_killed_and_back(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;
	struct evl_source *repeating;
	int64_t armed = evl_time(evl);

	timer.rearm = true;
	timer.deadline_ns = EVL_MSEC(300);
	assert_int_equal(evl_timer_add(evl, NULL, &timer, count, NULL), 0);
	timer.deadline_ns = EVL_SEC(60);
	timer.period_ns = EVL_SEC(60);
	assert_int_equal(evl_timer_add(evl, &repeating, &timer, count, NULL), 0);
	assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), 0);
	assert_int_equal(evl_dispatch(evl, EVL_SEC(5)), 1);
	daemon_kill(server);
	assert_int_equal(evl_dispatch(evl, -1), -ECONNRESET);
	assert_int_equal(daemon_again(server), 0);
	assert_int_equal(evl_reconnect(evl), 0);
	assert_int_equal(evl_dispatch(evl, EVL_SEC(5)), 1);
	assert_true(evl_time(evl) - armed >= EVL_MSEC(300)); /* with what was left of its time */
	assert_true(evl_time(evl) - armed < EVL_SEC(5));
	evl_source_unref(repeating);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 2);
}

static void come_back(struct evl *from, struct evl_source *source _unused_, int error, const char *message _unused_,
		      void *userdata _unused_) {
	assert_int_equal(error, -ECONNRESET);
	assert_int_equal(daemon_again(server), 0);
	assert_int_equal(evl_reconnect(from), 0);
	n_errors++;
}

/* A program that lives through restarts: all it needs is a handler. */
static void test_run_through_restart(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;

	timer.rearm = true;
	timer.deadline_ns = timer.period_ns = EVL_MSEC(20);
	timer.count = 5;
	assert_int_equal(evl_timer_add(evl, NULL, &timer, count, NULL), 0);
	evl_set_error_handler(evl, come_back, NULL);
	assert_int_equal(evl_dispatch(evl, EVL_SEC(5)), 1);
	daemon_kill(server);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_errors, 1);
	assert_in_range(n_called, 2, 5);
}

static void test_lost_while_sending(void **state _unused_) {
	int r = 0;

	daemon_kill(server);
	for (int i = 0; r == 0 && i < 100000; i++)
		r = evl_call_later(evl, NULL, EVL_SEC(60), count, NULL);
	assert_int_equal(r, -ENOTCONN);
	assert_int_equal(evl_flush(evl), -ECONNRESET);
	assert_int_equal(evl_flush(evl), -ENOTCONN);
}

/* ---- a daemon that stands still ---------------------------------------------------------------------------- */

static void test_stopped(void **state _unused_) {
	int64_t before = evl_time(evl);
	struct evl_source *source;
	int outcome = -1;

	assert_int_equal(evl_call_later(evl, &source, EVL_MSEC(1), count, NULL), 0);
	assert_int_equal(evl_roundtrip(evl), 0);
	assert_int_equal(kill(daemon_pid(server), SIGSTOP), 0);
	assert_int_equal(evl_set_timeout(evl, EVL_MSEC(100)), 0);
	assert_int_equal(evl_roundtrip(evl), -ETIMEDOUT);
	assert_true(evl_time(evl) - before >= EVL_MSEC(100));
	assert_int_equal(kill(daemon_pid(server), SIGCONT), 0);
	assert_int_equal(evl_set_timeout(evl, EVL_SEC(5)), 0);
	assert_int_equal(evl_roundtrip(evl), 0);
	assert_int_equal(evl_cancel_sync(source, &outcome), 0);
	assert_in_range(outcome, EVL_OUTCOME_CANCELLED, EVL_OUTCOME_TOO_LATE);
	evl_source_unref(source);
}

#define UNSENT 100000

/* Arming does not wait for a daemon that does not read. */
static void test_arming_does_not_wait(void **state _unused_) {
	assert_int_equal(kill(daemon_pid(server), SIGSTOP), 0);
	evl_set_error_handler(evl, note_error, NULL);
	for (int i = 0; i < UNSENT; i++)
		assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), 0);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(kill(daemon_pid(server), SIGCONT), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called + n_errors, UNSENT); /* each fired or was refused */
	assert_true(n_called >= 10);
}

/* ---- threads, fork, signals -------------------------------------------------------------------------------- */

#define THREADS 4
#define POSTS 10000

static int next_number[THREADS];

struct post {
	int thread, number;
};
static struct post posts[THREADS][POSTS];

static void in_thread_order(struct evl_source *source, const struct evl_event *event _unused_, void *userdata) {
	struct post *post = userdata;

	assert_null(source);
	assert_int_equal(post->number, next_number[post->thread]++);
	if (++n_called == THREADS * POSTS)
		evl_stop(evl);
}

static void *post_many(void *userdata) {
	struct post *first = userdata;

	for (struct post *post = first; post < first + POSTS; post++)
		assert_int_equal(evl_call_soon_threadsafe(evl, in_thread_order, post), 0);
	return NULL;
}

static void test_threads(void **state _unused_) {
	pthread_t threads[THREADS];

	/* Something to wait for, so that only evl_stop() ends the loop. */
	assert_int_equal(evl_call_every(evl, NULL, EVL_SEC(60), count, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		for (int j = 0; j < POSTS; j++)
			posts[i][j] = (struct post){ .thread = i, .number = j };
		assert_int_equal(pthread_create(&threads[i], NULL, post_many, posts[i]), 0);
	}
	assert_int_equal(evl_run(evl), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(n_called, THREADS * POSTS);
}

static void test_fork(void **state _unused_) {
	int status;
	pid_t pid;

	assert_int_equal(evl_call_later(evl, NULL, EVL_MSEC(50), count, NULL), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		bool good = evl_call_later(evl, NULL, 0, count, NULL) == -ECHILD && evl_roundtrip(evl) == -ECHILD &&
			    evl_dispatch(evl, 0) == -ECHILD;

		evl_close(evl);
		/* One of its own works. */
		good = good && evl_connect(&evl, daemon_socket(server)) == 0 && evl_roundtrip(evl) == 0;
		evl_close(evl);
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 1);
}

static void test_signals_untouched(void **state _unused_) {
	struct sigaction before[NSIG], after;

	for (int i = 1; i < NSIG; i++)
		if (sigaction(i, NULL, &before[i]) < 0)
			before[i].sa_handler = SIG_ERR;
	assert_ptr_equal(before[SIGPIPE].sa_handler, SIG_DFL);
	assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), 0);
	assert_int_equal(evl_run(evl), 0);
	daemon_kill(server);
	assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), 0);
	assert_int_equal(evl_run(evl), -ECONNRESET); /* and no SIGPIPE */
	for (int i = 1; i < NSIG; i++)
		if (before[i].sa_handler != SIG_ERR) {
			assert_int_equal(sigaction(i, NULL, &after), 0);
			assert_ptr_equal(before[i].sa_handler, after.sa_handler);
		}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_quota),
		TEST(test_killed),
		TEST(test_killed_and_back),
		TEST(test_run_through_restart),
		TEST(test_lost_while_sending),
		TEST(test_stopped),
		TEST(test_arming_does_not_wait),
		TEST(test_threads),
		TEST(test_fork),
		TEST(test_signals_untouched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
