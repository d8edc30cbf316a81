/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The executor of the library: results come back on the loop's thread, what is cancelled in time never runs, userdata lives as long as a
 * thread uses it, and closing waits.  Threads wait for each other by semaphores, never for time to pass.
 */

#include "tests/unit/test.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "tests/unit/client-peer.h"

static struct peer peer;
static struct evl *evl;
static pthread_t loop_thread;
static int n_called, n_destroyed;
static struct evl_event last;

static int setup(void **state _unused_) {
	peer_init(&peer);
	loop_thread = pthread_self();
	n_called = n_destroyed = 0;
	return peer_connect(&peer, &evl);
}

static int teardown(void **state _unused_) {
	evl = evl_close(evl);
	peer_deinit(&peer);
	return 0;
}

static void done(struct evl_source *source _unused_, const struct evl_event *event, void *userdata _unused_) {
	assert_true(pthread_equal(pthread_self(), loop_thread));
	last = *event;
	n_called++;
}

static void destroyed(void *userdata _unused_) {
	assert_true(pthread_equal(pthread_self(), loop_thread));
	n_destroyed++;
}

/* A function that says that it has begun, and goes on when it is told to. */
struct gate {
	sem_t begun, go;
	atomic_int n_runs;
};

/* Not on a stack: what was cancelled may outlive the test that did it, until the connection is closed. */
static struct gate gate;

static void gate_init(void) {
	assert_int_equal(sem_init(&gate.begun, 0, 0), 0);
	assert_int_equal(sem_init(&gate.go, 0, 0), 0);
	atomic_init(&gate.n_runs, 0);
}

static void await(sem_t *semaphore) {
	while (sem_wait(semaphore) < 0)
		assert_int_equal(errno, EINTR);
}

static void *pass(void *userdata) {
	(void)sem_post(&gate.begun);
	await(&gate.go);
	atomic_fetch_add(&gate.n_runs, 1);
	return userdata;
}

static void *add_one(void *userdata) {
	int *n = userdata;

	++*n;
	return n;
}

/* Without atomics: what the thread wrote is there when the callback runs. */
static void test_result(void **state _unused_) {
	struct evl_source *source;
	int n = 41;
	uint64_t id;

	assert_int_equal(evl_run_in_executor(evl, &source, add_one, done, &n), 0);
	evl_source_set_destroy(source, destroyed);
	assert_int_equal(evl_source_id(source, &id), -EINVAL);
	assert_int_equal(evl_source_restart(source, 0), -EINVAL);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 1);
	assert_int_equal(last.type, EVL_EVENT_EXECUTED);
	assert_ptr_equal(last.result, &n);
	assert_int_equal(n, 42);
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(evl_cancel(source), 0);
	evl_source_unref(source);
	evl_flush(evl);
	assert_true(peer_is_quiet(&peer)); /* the daemon has nothing to do with it */
}

static void *count_up(void *userdata) {
	atomic_fetch_add((atomic_int *)userdata, 1);
	return NULL;
}

static void test_many(void **state _unused_) {
	atomic_int n = 0;

	for (int i = 0; i < 5000; i++)
		assert_int_equal(evl_run_in_executor(evl, NULL, count_up, done, &n), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 5000);
	assert_int_equal(atomic_load(&n), 5000);
}

static void post_done(struct evl_source *source _unused_, const struct evl_event *event _unused_,
		      void *userdata _unused_) {
	n_called++;
}

static void *post(void *userdata) {
	return evl_call_soon_threadsafe(userdata, post_done, NULL) == 0 ? userdata : NULL;
}

/* One at a time, and two: the thread is done while the loop makes up its mind to wait. */
static void test_no_wake_is_lost(void **state _unused_) {
	atomic_int n = 0;

	for (int i = 0; i < 20000; i++) {
		assert_int_equal(evl_run_in_executor(evl, NULL, count_up, done, &n), 0);
		if (i % 2)
			assert_int_equal(evl_run_in_executor(evl, NULL, post, done, evl), 0);
		assert_int_equal(evl_run(evl), 0);
	}
	assert_int_equal(n_called, 40000);
}

/* In somebody else's loop: the descriptor becomes readable by what a thread has done. */
static void test_in_other_loops(void **state _unused_) {
	struct pollfd poll_fd = { .fd = evl_fd(evl), .events = POLLIN };

	gate_init();
	assert_int_equal(evl_run_in_executor(evl, NULL, pass, done, NULL), 0);
	await(&gate.begun);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	(void)sem_post(&gate.go);
	assert_int_equal(poll(&poll_fd, 1, 5000), 1);
	/* Posting fetches what other threads have posted; it must not lose this. */
	assert_int_equal(evl_call_soon(evl, NULL, done, NULL), 0);
	assert_int_equal(evl_dispatch(evl, 0), 2);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
}

/* As many at once as there are threads, and one more that waits, so that it can be cancelled. */
static size_t fill(void) {
	size_t n = (size_t)MIN(sysconf(_SC_NPROCESSORS_ONLN) + 4, 32);

	for (size_t i = 0; i < n; i++)
		assert_int_equal(evl_run_in_executor(evl, NULL, pass, done, NULL), 0);
	for (size_t i = 0; i < n; i++)
		await(&gate.begun);
	return n;
}

static void open_gate(size_t n) {
	for (size_t i = 0; i < n; i++)
		(void)sem_post(&gate.go);
}

static void test_cancel_before(void **state _unused_) {
	int outcome, value;
	struct evl_source *source;
	size_t n;

	gate_init();
	n = fill();
	assert_int_equal(evl_run_in_executor(evl, &source, pass, done, NULL), 0);
	evl_source_set_destroy(source, destroyed);
	assert_int_equal(evl_cancel_sync(source, &outcome), 0);
	assert_int_equal(outcome, EVL_OUTCOME_CANCELLED);
	assert_int_equal(n_destroyed, 1);
	assert_true(evl_cancelled(source));
	evl_source_unref(source);
	open_gate(n + 1);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, n);
	assert_int_equal(atomic_load(&gate.n_runs), n);
	assert_int_equal(sem_getvalue(&gate.begun, &value), 0);
	assert_int_equal(value, 0);
}

/* It runs: its callback does not, and its userdata stays until it has returned. */
static void test_cancel_while(void **state _unused_) {
	struct evl_source *source;
	int outcome;

	gate_init();
	assert_int_equal(evl_run_in_executor(evl, &source, pass, done, NULL), 0);
	evl_source_set_destroy(source, destroyed);
	await(&gate.begun);
	assert_int_equal(evl_cancel_sync(source, &outcome), 0);
	assert_int_equal(outcome, EVL_OUTCOME_TOO_LATE);
	evl_source_unref(source);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(n_destroyed, 0);
	(void)sem_post(&gate.go);
	while (n_destroyed == 0)
		assert_int_equal(evl_dispatch(evl, EVL_MSEC(1)), 0);
	assert_int_equal(n_called, 0);
	assert_int_equal(atomic_load(&gate.n_runs), 1);
}

static void test_cancel_after(void **state _unused_) {
	struct pollfd poll_fd = { .fd = evl_fd(evl), .events = POLLIN };
	struct evl_source *source;
	int n = 0;

	assert_int_equal(evl_run_in_executor(evl, &source, add_one, done, &n), 0);
	evl_source_set_destroy(source, destroyed);
	assert_int_equal(poll(&poll_fd, 1, 5000), 1);
	assert_int_equal(evl_cancel(source), 1);
	evl_source_unref(source);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(n_called, 0);
}

static void *open_later(void *userdata) {
	/* So that evl_close() is likely to be waiting. */
	(void)usleep(20000);
	(void)sem_post(&gate.go);
	return userdata;
}

static void test_close_waits(void **state _unused_) {
	struct evl_source *sources[2];
	pthread_t thread;

	gate_init();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(evl_run_in_executor(evl, &sources[i], pass, done, NULL), 0);
		evl_source_set_destroy(sources[i], destroyed);
		await(&gate.begun);
	}
	(void)sem_post(&gate.go);
	evl_cancel(sources[0]);
	assert_int_equal(pthread_create(&thread, NULL, open_later, NULL), 0);
	evl = evl_close(evl);
	assert_int_equal(atomic_load(&gate.n_runs), 2);
	assert_int_equal(n_destroyed, 2);
	assert_int_equal(n_called, 0);
	assert_int_equal(evl_cancel(sources[1]), 0);
	evl_source_unref(sources[0]);
	evl_source_unref(sources[1]);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static struct evl_source *timer;

static void cancel_timer(void *userdata _unused_) {
	n_destroyed++;
	timer = evl_source_unref(timer);
}

/* The destructor of what was cancelled ends the last source: evl_run() does not wait for what cannot come. */
static void test_last_ends_in_destructor(void **state _unused_) {
	struct evl_source *source;

	gate_init();
	assert_int_equal(evl_call_later(evl, &timer, EVL_SEC(60), done, NULL), 0);
	assert_int_equal(evl_run_in_executor(evl, &source, pass, done, NULL), 0);
	evl_source_set_destroy(source, cancel_timer);
	await(&gate.begun);
	evl_source_unref(source);
	(void)sem_post(&gate.go);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(n_called, 0);
}

/* The same of what was posted and cancelled before it ran. */
static void test_nothing_left(void **state _unused_) {
	struct evl_source *source;

	assert_int_equal(evl_call_soon(evl, &source, done, NULL), 0);
	evl_source_unref(source);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(evl_call_soon_threadsafe(evl, post_done, NULL), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 1);
}

static void close_all(void *userdata _unused_) {
	n_destroyed++;
	evl = evl_close(evl);
}

/* The destructor of what was cancelled runs in dispatch, and closes everything. */
static void test_close_in_destructor(void **state _unused_) {
	struct evl *dispatched = evl;
	struct evl_source *source;

	gate_init();
	assert_int_equal(evl_run_in_executor(evl, &source, pass, done, NULL), 0);
	evl_source_set_destroy(source, close_all);
	await(&gate.begun);
	evl_source_unref(source);
	(void)sem_post(&gate.go);
	while (n_destroyed == 0)
		assert_int_equal(evl_dispatch(dispatched, EVL_MSEC(1)), 0);
	assert_null(evl);
}

static void test_post_from_thread(void **state _unused_) {
	assert_int_equal(evl_run_in_executor(evl, NULL, post, done, evl), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 2);
	assert_ptr_equal(last.result, evl);
}

static volatile sig_atomic_t signalled_elsewhere;

static void on_signal(int number _unused_) {
	signalled_elsewhere |= !pthread_equal(pthread_self(), loop_thread);
}

/* A signal for the process goes to the program's own thread, also while that one is not waiting. */
static void test_signals(void **state _unused_) {
	struct sigaction action = { .sa_handler = on_signal }, before;
	sigset_t mask, old;

	gate_init();
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	assert_int_equal(evl_run_in_executor(evl, NULL, pass, done, NULL), 0);
	await(&gate.begun);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &mask, &old), 0);
	assert_false(sigismember(&old, SIGUSR1)); /* making threads has left it alone */
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	(void)sem_post(&gate.go);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
	assert_false(signalled_elsewhere);
	assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

static void test_refused(void **state _unused_) {
	assert_int_equal(evl_run_in_executor(evl, NULL, NULL, done, NULL), -EINVAL);
	assert_int_equal(evl_run_in_executor(evl, NULL, add_one, NULL, NULL), -EINVAL);
}

static void test_loss(void **state _unused_) {

	gate_init();
	assert_int_equal(evl_run_in_executor(evl, NULL, pass, done, NULL), 0);
	peer_hang_up(&peer);
	assert_int_equal(evl_run(evl), -ECONNRESET);
	(void)sem_post(&gate.go);
	assert_int_equal(peer_reconnect(&peer, evl), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 1);
}

/* In a child after fork there is no thread to wait for. */
static void test_child(void **state _unused_) {
	struct evl_source *sources[2];
	int status;
	pid_t pid;

	gate_init();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(evl_run_in_executor(evl, &sources[i], pass, done, NULL), 0);
		await(&gate.begun);
	}
	evl_cancel(sources[0]);
	pid = fork();
	if (pid == 0) {
		bool good = evl_run_in_executor(evl, NULL, add_one, done, NULL) == -ECHILD &&
			    evl_cancel(sources[1]) == -ECHILD;

		evl_close(evl);
		evl_source_unref(sources[0]);
		evl_source_unref(sources[1]);
		_exit(!good);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	open_gate(2);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 1);
	evl_source_unref(sources[0]);
	evl_source_unref(sources[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_result),
		TEST(test_many),
		TEST(test_no_wake_is_lost),
		TEST(test_in_other_loops),
		TEST(test_cancel_before),
		TEST(test_cancel_while),
		TEST(test_cancel_after),
		TEST(test_close_waits),
		TEST(test_close_in_destructor),
		TEST(test_post_from_thread),
		TEST(test_last_ends_in_destructor),
		TEST(test_nothing_left),
		TEST(test_signals),
		TEST(test_refused),
		TEST(test_loss),
		TEST(test_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
