/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limiters of the library against a real daemon: from one thread, from many, from many processes, and from callbacks. */

#include "tests/unit/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "client/evloop.h"
#include "proto/gcra.h"
#include "tests/e2e/daemon-fixture.h"

static struct daemon *server;
static struct evl *evl;

static int setup_group(void **state _unused_) {
	return daemon_start(&server, NULL);
}

static int teardown_group(void **state _unused_) {
	return daemon_stop(server);
}

static int setup(void **state _unused_) {
	return evl_connect(&evl, daemon_socket(server));
}

static int teardown(void **state _unused_) {
	evl = evl_close(evl);
	return 0;
}

static int64_t boottime(void) {
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &ts), 0);
	return EVL_SEC(ts.tv_sec) + ts.tv_nsec;
}

static struct evl_limiter *open_rate(const char *name, uint64_t tokens, int64_t period_ns, uint64_t burst) {
	struct evl_limit limit = EVL_RATE_BURST(tokens, period_ns, burst);
	struct evl_limiter *limiter;

	limit.max_debt = 10;
	assert_int_equal(evl_limiter_open(evl, &limiter, name, &limit), 0);
	return limiter;
}

static void test_open(void **state _unused_) {
	struct evl_limit ten = EVL_RATE(10, EVL_SEC(1)), other = EVL_RATE(11, EVL_SEC(1)),
			 none = EVL_RATE(0, EVL_SEC(1)), places = EVL_CONCURRENCY(2), old = EVL_RATE(1, 1);
	struct evl_limiter *limiter, *second;

	assert_int_equal(evl_limiter_open(evl, &limiter, "open", NULL), -ENOENT);
	assert_int_equal(evl_limiter_open(evl, &limiter, "open", &ten), 0);
	assert_int_equal(evl_limiter_open(evl, &second, "open", &ten), 0);
	second = evl_limiter_close(second);
	assert_int_equal(evl_limiter_open(evl, &second, "open", NULL), 0);
	second = evl_limiter_close(second);
	assert_int_equal(evl_limiter_open(evl, &second, "open", &other), -EEXIST);
	assert_non_null(strstr(evl_error_message(evl), "10/s with a burst of 10"));
	other.update = true;
	assert_int_equal(evl_limiter_open(evl, &second, "open", &other), 0);
	second = evl_limiter_close(second);
	assert_int_equal(evl_limiter_open(evl, &second, "open", &places), -EEXIST);
	assert_int_equal(evl_limiter_open(evl, &second, "bad", &none), -ERANGE);
	assert_int_equal(evl_limiter_open(evl, &second, "1st", &ten), -EINVAL);
	assert_int_equal(evl_limiter_open(evl, &second, "", &ten), -EINVAL);
	old.size = 4;
	assert_int_equal(evl_limiter_open(evl, &second, "old", &old), -EINVAL);
	assert_null(evl_limiter_close(limiter));
	assert_null(evl_limiter_close(NULL));
}

static void test_verbs(void **state _unused_) {
	struct evl_limiter *limiter = open_rate("verbs", 10, EVL_SEC(3600), 10);
	struct evl_grant grant = EVL_GRANT_INIT;
	struct {
		uint32_t size;
		bool allowed;
		uint8_t beyond[64];
	} small = { .size = 5 };

	assert_int_equal(evl_limiter_try(limiter, NULL, 4, &grant), 1);
	assert_true(grant.allowed);
	assert_int_equal(grant.remaining, 6);
	assert_int_equal(grant.limit, 10);
	assert_in_range(grant.now_ns, boottime() - EVL_SEC(5), boottime());
	assert_int_equal(evl_limiter_try(limiter, NULL, 11, &grant), -E2BIG);
	assert_string_equal(evl_error_message(evl),
			    "11 is more than the limiter 'verbs' could ever grant: a burst of 10");
	assert_int_equal(evl_limiter_try(limiter, "key", 1, &grant), -EINVAL);
	assert_string_equal(evl_error_message(evl), "the limiter 'verbs' has no keys");
	assert_int_equal(evl_limiter_wait(limiter, NULL, 12, -1, &grant), -E2BIG);
	assert_non_null(strstr(evl_error_message(evl), "12 is more than the limiter 'verbs' could ever grant"));
	/* As much as an older program knows. */
	memset(small.beyond, 0xee, sizeof(small.beyond));
	assert_int_equal(evl_limiter_try(limiter, NULL, 6, (struct evl_grant *)&small), 1);
	assert_true(small.allowed);
	assert_int_equal(small.beyond[0], 0xee);
	assert_int_equal(evl_limiter_try(limiter, NULL, 0, NULL), 0);
	assert_int_equal(evl_limiter_peek(limiter, NULL, 1, &grant), 0);
	assert_in_range(grant.retry_after_ns, EVL_SEC(300), EVL_SEC(360));
	assert_int_equal(evl_limiter_refund(limiter, NULL, 3, &grant), 1);
	assert_int_equal(grant.remaining, 3);
	assert_int_equal(evl_limiter_charge(limiter, NULL, 13, &grant), 0);
	assert_int_equal(evl_limiter_charge(limiter, NULL, 1, NULL), -E2BIG);
	assert_int_equal(evl_limiter_reset(limiter, NULL, NULL), 1);
	assert_int_equal(evl_limiter_hold(limiter, NULL, EVL_SEC(100), &grant), 0);
	assert_int_equal(evl_limiter_wait(limiter, NULL, 1, EVL_SEC(99), &grant), 0);
	assert_false(grant.allowed);
	assert_int_equal(evl_limiter_wait(limiter, NULL, 0, 0, NULL), -EINVAL);
	evl_limiter_close(limiter);
}

static void test_keys(void **state _unused_) {
	struct evl_limit limit = EVL_RATE_BURST(1, EVL_SEC(3600), 1);
	struct evl_limiter *limiter;
	char long_key[300] = "";

	limit.keyed = true;
	assert_int_equal(evl_limiter_open(evl, &limiter, "keys", &limit), 0);
	assert_int_equal(evl_limiter_try(limiter, "a", 1, NULL), 1);
	assert_int_equal(evl_limiter_try(limiter, "a", 1, NULL), 0);
	assert_int_equal(evl_limiter_try(limiter, "b", 1, NULL), 1);
	assert_int_equal(evl_limiter_try(limiter, NULL, 1, NULL), -EINVAL);
	memset(long_key, 'k', sizeof(long_key) - 1);
	assert_int_equal(evl_limiter_try(limiter, long_key, 1, NULL), -EINVAL);
	evl_limiter_close(limiter);
}

static void note_denial(struct evl_source *source _unused_, const struct evl_event *event, void *userdata) {
	assert_int_equal(event->type, EVL_EVENT_GRANTED);
	assert_false(event->grant->allowed);
	*(bool *)userdata = true;
}

/* Who comes with a key beyond those that the limiter may have is told so, too. */
static void test_key_beyond_the_table(void **state _unused_) {
	struct evl_limit limit = EVL_RATE_BURST(1, EVL_SEC(3600), 1);
	struct evl_limiter *limiter;
	bool told = false;

	limit.keyed = limit.deny_when_full = true;
	limit.max_keys = 1;
	assert_int_equal(evl_limiter_open(evl, &limiter, "full", &limit), 0);
	assert_int_equal(evl_limiter_try(limiter, "a", 1, NULL), 1);
	assert_int_equal(evl_limiter_acquire(limiter, NULL, "b", 1, -1, note_denial, &told), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_true(told);
	evl_limiter_close(limiter);
}

/* ---- many threads, many processes -------------------------------------------------------------------------- */

static int wait_for_one(struct evl_grant *ret) {
	struct evl_limiter *limiter = NULL;
	struct evl *own = NULL;
	int r = evl_connect(&own, daemon_socket(server));

	if (r >= 0)
		r = evl_limiter_open(own, &limiter, "six", NULL);
	*ret = (struct evl_grant)EVL_GRANT_INIT;
	if (r >= 0)
		r = evl_limiter_wait(limiter, NULL, 1, -1, ret);
	evl_close(own); /* and then the limiter: either order is fine */
	evl_limiter_close(limiter);
	return r;
}

static void *wait_thread(void *userdata) {
	assert_int_equal(wait_for_one(userdata), 1);
	return NULL;
}

static int compare(const void *a, const void *b) {
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Grants at these times are what a bucket could have granted: in no window are there more than burst + rate * window.
 * Return: the bucket after them. */
static uint64_t check_times(int64_t *times, size_t n, const struct gcra_rule *rule) {
	uint64_t tat = 0, now;

	qsort(times, n, sizeof(*times), compare);
	for (size_t i = 0; i < n; i++) {
		struct gcra_decision decision;

		assert_int_equal(gcra_ticks(times[i], &now), 0);
		assert_int_equal(gcra_decide(rule, tat, now, 0, 1, &decision), 0);
		assert_true(decision.allowed);
		tat = decision.tat;
	}
	return tat;
}

/* 2/s with a burst of 2, and six at once: 0, 0, 0.5, 1.0, 1.5 and 2.0 s. */
static void check_six(const struct evl_grant grants[6]) {
	struct gcra_rule rule;
	int64_t times[6];

	for (unsigned i = 0; i < 6; i++)
		times[i] = grants[i].now_ns;
	assert_int_equal(gcra_rule_init(&rule, 2, EVL_SEC(1), 2), 0);
	(void)check_times(times, 6, &rule);
	for (unsigned i = 2; i < 6; i++)
		assert_true(times[i] - times[0] >= (int64_t)(i - 1) * EVL_MSEC(500));
}

static void test_six_threads(void **state _unused_) {
	struct evl_limiter *limiter = open_rate("six", 2, EVL_SEC(1), 2);
	struct evl_grant grants[6];
	pthread_t threads[6];

	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, wait_thread, &grants[i]), 0);
	for (unsigned i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
	check_six(grants);
	assert_int_equal(evl_limiter_reset(limiter, NULL, NULL), 1);
	evl_limiter_close(limiter);
}

static void *share_memory(size_t size) {
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	return memory;
}

static void test_six_processes(void **state _unused_) {
	struct evl_limiter *limiter = open_rate("six", 2, EVL_SEC(1), 2);
	struct evl_grant *grants = share_memory(6 * sizeof(*grants));
	int status;

	for (unsigned i = 0; i < 6; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(wait_for_one(&grants[i]) != 1);
	}
	for (unsigned i = 0; i < 6; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	check_six(grants);
	munmap(grants, 6 * sizeof(*grants));
	evl_limiter_close(limiter);
}

#define THREADS 8

static void *try_often(void *userdata) {
	struct evl_limiter *limiter = userdata;
	uintptr_t allowed = 0;

	for (unsigned i = 0; i < 200; i++) {
		int r = evl_limiter_try(limiter, NULL, 1, NULL);

		assert_true(r >= 0);
		allowed += (uintptr_t)r;
	}
	return (void *)allowed;
}

/* One limiter of one connection, used by all: exactly what there is. */
static void test_try_from_threads(void **state _unused_) {
	struct evl_limiter *limiter = open_rate("threads", 1, EVL_SEC(3600), 1000);
	pthread_t threads[THREADS];
	uintptr_t all = 0;
	void *allowed;

	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, try_often, limiter), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &allowed);
		all += (uintptr_t)allowed;
	}
	assert_int_equal(all, 1000);
	evl_limiter_close(limiter);
}

#define PROCESSES 16
#define SECONDS 5
#define TIMES_MAX 8000

struct board {
	_Atomic unsigned ready; /* processes that wait for the beginning */
	_Atomic int64_t begin_ns; /* 0: not yet */
	_Atomic size_t n;
	int64_t times[TIMES_MAX]; /* of the decisions */
	int64_t seen[TIMES_MAX]; /* when who had taken it looked at the clock */
};

/* Tries for SECONDS; every grant goes onto the board at once, so that nothing is lost with who is killed. */
static _Noreturn void take_often(struct board *board, bool asks) {
	struct evl_limiter *limiter;
	struct evl *own;

	if (evl_connect(&own, daemon_socket(server)) < 0 || evl_limiter_open(own, &limiter, "shared", NULL) < 0)
		_exit(1);
	board->ready++;
	while (board->begin_ns == 0)
		(void)usleep(100);
	while (boottime() < board->begin_ns + EVL_SEC(SECONDS)) {
		struct evl_grant grant = EVL_GRANT_INIT;
		/* One waits at the daemon, which is what memory cannot do; the other takes from memory. */
		int r = asks ? evl_limiter_wait(limiter, NULL, 1, 0, &grant)
			     : evl_limiter_try(limiter, NULL, 1, &grant);
		size_t i;

		if (r < 0)
			_exit(1);
		if (r == 0) {
			(void)usleep((useconds_t)(grant.retry_after_ns / 1000) + 1);
			continue;
		}
		i = atomic_fetch_add(&board->n, 1);
		if (i < TIMES_MAX) {
			board->times[i] = grant.now_ns;
			board->seen[i] = boottime();
		}
	}
	_exit(0);
}

static void kill_every_other(const pid_t pids[PROCESSES]) {
	int status;

	(void)usleep(SECONDS * 1000000 / 2);
	for (unsigned i = 0; i < PROCESSES; i += 2)
		assert_int_equal(kill(pids[i], SIGKILL), 0);
	for (unsigned i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(i % 2 ? WEXITSTATUS(status) : WTERMSIG(status), i % 2 ? 0 : SIGKILL);
	}
}

/* By the decisions never above burst + rate * t in any window; by the observer's clock not more than one for each process
 * above, and not one in a hundred less; and in the bucket is what the grants left, but for one that each of the killed had
 * taken and not yet noted. */
static void check_board(struct board *board, struct evl_limiter *limiter) {
	const size_t expected = 100 + 1000 * SECONDS;
	struct evl_grant grant = EVL_GRANT_INIT;
	struct gcra_decision decision;
	size_t in_time = 0, n = board->n;
	struct gcra_rule rule;
	uint64_t tat, now;

	assert_in_range(n, 100, TIMES_MAX);
	for (size_t i = 0; i < n; i++)
		in_time += board->seen[i] && board->seen[i] <= board->begin_ns + EVL_SEC(SECONDS);
	print_message("%zu grants in %d s of 1000/s with a burst of 100\n", in_time, SECONDS);
	assert_in_range(in_time, expected - expected / 100, expected + PROCESSES);

	assert_int_equal(gcra_rule_init(&rule, 1000, EVL_SEC(1), 100), 0);
	tat = check_times(board->times, n, &rule);
	(void)evl_limiter_peek(limiter, NULL, 1, &grant);
	assert_int_equal(gcra_ticks(grant.now_ns, &now), 0);
	assert_int_equal(gcra_decide(&rule, tat, now, 0, 0, &decision), 0);
	assert_in_range(grant.remaining + PROCESSES / 2, decision.remaining, decision.remaining + PROCESSES / 2);
}

/* Sixteen processes at one limiter, half of each kind killed on the way; those that do not ask take from memory. */
static void take_together(bool all_ask) {
	struct evl_limiter *limiter = open_rate("shared", 1000, EVL_SEC(1), 100);
	struct board *board = share_memory(sizeof(*board));
	pid_t pids[PROCESSES];

	for (unsigned i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			take_often(board, all_ask || i % 4 < 2);
	}
	while (board->ready < PROCESSES)
		(void)usleep(1000);
	assert_int_equal(evl_limiter_reset(limiter, NULL, NULL), 1);
	board->begin_ns = boottime();
	kill_every_other(pids);
	check_board(board, limiter);
	munmap(board, sizeof(*board));
	evl_limiter_close(limiter);
}

static void test_processes(void **state _unused_) {
	take_together(false);
}

static void test_processes_that_ask(void **state _unused_) {
	take_together(true);
}

/* ---- those who are killed ------------------------------------------------------------------------------------ */

#define WAITERS 100

struct place_in_line {
	_Atomic bool waits;
	_Atomic int64_t granted_ns;
};

static void note_grant(struct evl_source *source _unused_, const struct evl_event *event, void *userdata) {
	struct place_in_line *place = userdata;

	if (event->grant->allowed)
		place->granted_ns = event->grant->now_ns;
}

static _Noreturn void wait_in_line(struct place_in_line *place) {
	struct evl_limiter *limiter;
	struct evl *own;

	if (evl_connect(&own, daemon_socket(server)) < 0 || evl_limiter_open(own, &limiter, "line", NULL) < 0 ||
	    evl_limiter_acquire(limiter, NULL, NULL, 1, -1, note_grant, place) < 0 || evl_roundtrip(own) < 0)
		_exit(1);
	place->waits = true;
	_exit(evl_run(own) < 0);
}

/* Half of them, whichever. */
static void kill_half(pid_t pids[WAITERS]) {
	struct random random = RANDOM_INIT;

	for (unsigned killed = 0; killed < WAITERS / 2;) {
		pid_t *victim = &pids[random_below(&random, WAITERS)];
		int status;

		if (*victim == 0)
			continue;
		assert_int_equal(kill(*victim, SIGKILL), 0);
		assert_int_equal(waitpid(*victim, &status, 0), *victim);
		*victim = 0;
		killed++;
	}
}

/* A hundred processes in line, and half of them killed before the first grant: the others are granted in their order and at the times
 * that there would have been without those. */
static void test_killed_in_line(void **state _unused_) {
	struct evl_limiter *limiter = open_rate("line", 50, EVL_SEC(1), 1);
	struct place_in_line *places = share_memory(WAITERS * sizeof(*places));
	struct evl_grant grant = EVL_GRANT_INIT;
	int64_t times[WAITERS / 2];
	pid_t pids[WAITERS];
	struct gcra_rule rule;
	unsigned n = 0;
	int status;

	assert_int_equal(evl_limiter_hold(limiter, NULL, EVL_SEC(3600), NULL), 0);
	for (unsigned i = 0; i < WAITERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			wait_in_line(&places[i]);
		while (!places[i].waits)
			(void)usleep(100);
	}
	kill_half(pids);
	assert_true(evl_limiter_reset(limiter, NULL, &grant) >= 0); /* now it begins */
	for (unsigned i = 0; i < WAITERS; i++) {
		if (pids[i] == 0)
			continue;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
		times[n++] = places[i].granted_ns;
	}
	/* In their order, none before its time, and not behind who is gone. */
	for (unsigned i = 0; i < n; i++) {
		assert_true(times[i] >= grant.now_ns + (int64_t)i * EVL_MSEC(20));
		assert_true(i == 0 || times[i] > times[i - 1]);
	}
	print_message("the last of %u was granted %.3f ms late\n", n,
		      (double)(times[n - 1] - grant.now_ns - (int64_t)(n - 1) * EVL_MSEC(20)) / 1e6);
	assert_true(times[n - 1] < grant.now_ns + WAITERS * EVL_MSEC(20));
	assert_int_equal(gcra_rule_init(&rule, 50, EVL_SEC(1), 1), 0);
	(void)check_times(times, n, &rule);
	munmap(places, WAITERS * sizeof(*places));
	evl_limiter_close(limiter);
}

static void test_fork(void **state _unused_) {
	struct evl_limiter *limiter = open_rate("fork", 1, EVL_SEC(1), 1);
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(evl_limiter_try(limiter, NULL, 1, NULL) == 1 && /* in memory */
				      evl_limiter_try(limiter, "key", 1, NULL) == -ECHILD &&
				      evl_limiter_wait(limiter, NULL, 1, 0, NULL) == -ECHILD &&
				      evl_limiter_peek(limiter, NULL, 1, NULL) == -ECHILD && !evl_limiter_close(limiter)
			      ? 0
			      : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(evl_limiter_try(limiter, NULL, 1, NULL), 0); /* the child has it */
	evl_limiter_close(limiter);
}

/* In memory it goes on without a connection. */
static void test_after_close(void **state _unused_) {
	struct evl_limit limit = EVL_RATE_BURST(1, EVL_SEC(3600), 2);
	struct evl_limiter *limiter;
	struct evl *own;

	assert_int_equal(evl_connect(&own, daemon_socket(server)), 0);
	assert_int_equal(evl_limiter_open(own, &limiter, "closed", &limit), 0);
	own = evl_close(own);
	assert_int_equal(evl_limiter_try(limiter, NULL, 1, NULL), 1);
	assert_int_equal(evl_limiter_try(limiter, NULL, 3, NULL), -E2BIG);
	assert_int_equal(evl_limiter_try(limiter, "key", 1, NULL), -ENOTCONN);
	assert_int_equal(evl_limiter_peek(limiter, NULL, 1, NULL), -ENOTCONN);
	evl_limiter_close(limiter);
}

/* ---- callbacks ------------------------------------------------------------------------------------------- */

struct heard {
	unsigned n;
	bool allowed, removed;
	int64_t now_ns;
};

static void hear(struct evl_source *source _unused_, const struct evl_event *event, void *userdata) {
	struct heard *heard = userdata;

	assert_int_equal(event->type, EVL_EVENT_GRANTED);
	heard->n++;
	heard->allowed = event->grant->allowed;
	heard->removed = event->grant->removed;
	heard->now_ns = event->grant->now_ns;
}

static void test_acquire_tokens(void **state _unused_) {
	struct evl_limiter *limiter = open_rate("acquire", 10, EVL_SEC(1), 1);
	struct heard heard[5] = { 0 };
	struct evl_source *third;

	/* Known at once, later, cancelled, later, never. */
	assert_int_equal(evl_limiter_acquire(limiter, NULL, NULL, 1, -1, hear, &heard[0]), 0);
	assert_int_equal(evl_limiter_acquire(limiter, NULL, NULL, 1, -1, hear, &heard[1]), 0);
	assert_int_equal(evl_limiter_acquire(limiter, &third, NULL, 1, -1, hear, &heard[2]), 0);
	assert_int_equal(evl_limiter_acquire(limiter, NULL, NULL, 1, -1, hear, &heard[3]), 0);
	assert_int_equal(evl_limiter_acquire(limiter, NULL, NULL, 1, 0, hear, &heard[4]), 0);
	assert_int_equal(heard[0].n, 0);
	assert_int_equal(evl_limiter_release(third), 1);
	third = evl_source_unref(third);
	assert_int_equal(evl_run(evl), 0);
	assert_true(heard[0].allowed && heard[1].allowed && heard[3].allowed);
	assert_int_equal(heard[2].n, 0);
	assert_int_equal(heard[4].n, 1);
	assert_false(heard[4].allowed);
	/* As if the third had never come. */
	assert_true(heard[1].now_ns - heard[0].now_ns >= EVL_MSEC(100));
	assert_true(heard[3].now_ns - heard[1].now_ns >= EVL_MSEC(99));
	evl_limiter_close(limiter);
}

static int last_error;

static void note_error(struct evl *connection _unused_, struct evl_source *source _unused_, int error,
		       const char *message _unused_, void *userdata _unused_) {
	last_error = error;
}

static void test_acquire_refused(void **state _unused_) {
	struct evl_limiter *limiter = open_rate("refused", 1, EVL_SEC(1), 1);
	struct heard heard = { 0 };

	evl_set_error_handler(evl, note_error, NULL);
	assert_int_equal(evl_limiter_acquire(limiter, NULL, NULL, 2, -1, hear, &heard), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(last_error, -E2BIG);
	assert_int_equal(heard.n, 0);
	assert_int_equal(evl_limiter_acquire(limiter, NULL, NULL, 1, -2, hear, &heard), -EINVAL);
	assert_int_equal(evl_limiter_acquire(limiter, NULL, NULL, 1, -1, NULL, NULL), -EINVAL);
	evl_limiter_close(limiter);
}

static void test_permits(void **state _unused_) {
	struct evl_limit two = EVL_CONCURRENCY(2);
	struct evl_source *sources[4];
	struct evl_limiter *limiter;
	struct heard heard[4] = { 0 };

	assert_int_equal(evl_limiter_open(evl, &limiter, "permits", &two), 0);
	assert_int_equal(evl_limiter_try(limiter, NULL, 1, NULL), -EINVAL);
	assert_int_equal(evl_limiter_wait(limiter, NULL, 1, 0, NULL), -EINVAL);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(
			evl_limiter_acquire(limiter, &sources[i], NULL, 1, i < 3 ? -1 : EVL_MSEC(20), hear, &heard[i]),
			0);
	while (heard[3].n == 0)
		assert_true(evl_dispatch(evl, -1) >= 0);
	assert_true(heard[0].allowed && heard[1].allowed);
	assert_int_equal(heard[2].n, 0);
	assert_false(heard[3].allowed);
	/* Given back, and the next has it. */
	assert_int_equal(evl_limiter_release(sources[0]), 1);
	while (heard[2].n == 0)
		assert_true(evl_dispatch(evl, -1) >= 0);
	assert_true(heard[2].allowed);
	assert_int_equal(evl_limiter_peek(limiter, NULL, 1, NULL), 0);
	for (unsigned i = 0; i < 4; i++)
		evl_source_unref(sources[i]);
	assert_int_equal(evl_limiter_peek(limiter, NULL, 2, NULL), 1);
	evl_limiter_close(limiter);
}

#define KILLS 11

static pid_t start_holder(const char *name) {
	const char *const argv[] = { getenv("EVLOOP"), "--socket", daemon_socket(server), "limit", name, "--", "sleep",
				     "1000",           NULL };
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)execv(argv[0], (char *const *)argv);
		_exit(99);
	}
	return pid;
}

/* A command that holds a place is killed: how long until the next one has it?  At best, for a machine may be busy. */
static void test_killed_holder(void **state _unused_) {
	struct evl_limit one = EVL_CONCURRENCY(1);
	struct evl_limiter *limiter;
	int64_t took_ns[KILLS];
	int status;

	assert_int_equal(evl_limiter_open(evl, &limiter, "killed", &one), 0);
	for (unsigned i = 0; i < KILLS; i++) {
		struct heard heard = { 0 };
		struct evl_source *source;
		pid_t pid = start_holder("killed");
		int64_t killed_ns;

		while (evl_limiter_peek(limiter, NULL, 1, NULL) != 0)
			(void)usleep(1000);
		assert_int_equal(evl_limiter_acquire(limiter, &source, NULL, 1, -1, hear, &heard), 0);
		assert_int_equal(evl_roundtrip(evl), 0);
		killed_ns = boottime();
		assert_int_equal(kill(pid, SIGKILL), 0);
		while (heard.n == 0)
			assert_true(evl_dispatch(evl, -1) >= 0);
		assert_true(heard.allowed);
		took_ns[i] = heard.now_ns - killed_ns;
		evl_source_unref(source);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	qsort(took_ns, KILLS, sizeof(*took_ns), compare);
	print_message("a place is free %.3f ms after its holder is killed, at best %.3f ms\n",
		      (double)took_ns[KILLS / 2] / 1e6, (double)took_ns[0] / 1e6);
	assert_in_range(took_ns[0], 0, EVL_MSEC(10));
	evl_limiter_close(limiter);
}

/* Time passes; nothing is asked of the daemon. */
static void let_pass(int64_t duration_ns) {
	int64_t until = boottime() + duration_ns;

	while (boottime() < until)
		continue;
}

static void take_all(struct evl_limiter *limiter, int burst) {
	for (int i = 0; i < burst; i++)
		assert_int_equal(evl_limiter_try(limiter, NULL, 1, NULL), 1);
	assert_int_equal(evl_limiter_try(limiter, NULL, 1, NULL), 0);
}

/* A daemon that is killed cannot say that its memory is left: with the next one it is one bucket for all all the same. */
static void test_daemon_killed(void **state _unused_) {
	struct evl_limiter *old = open_rate("left", 1, EVL_SEC(3600), 3), *new;

	take_all(old, 3);
	daemon_kill(server);
	let_pass(EVL_MSEC(150));
	assert_int_equal(evl_limiter_try(old, NULL, 1, NULL), 0); /* there is no other daemon yet */
	evl = evl_close(evl);
	assert_int_equal(daemon_again(server), 0);
	assert_int_equal(evl_connect(&evl, daemon_socket(server)), 0);
	new = open_rate("left", 1, EVL_SEC(3600), 3);
	assert_int_equal(evl_limiter_try(new, NULL, 1, NULL), 1);
	evl_limiter_close(new);
	evl_limiter_close(old);
}

static void test_daemon_killed_and_shared(void **state _unused_) {
	struct evl_limiter *old = open_rate("left-shared", 1, EVL_SEC(3600), 3), *new;
	struct evl *other;
	int taken = 0;

	take_all(old, 3);
	daemon_kill(server);
	assert_int_equal(daemon_again(server), 0);
	let_pass(EVL_MSEC(150));
	assert_int_equal(evl_limiter_try(old, NULL, 1, NULL),
			 1); /* the limiter is there again, as it was defined here */
	assert_int_equal(evl_connect(&other, daemon_socket(server)), 0);
	assert_int_equal(evl_limiter_open(other, &new, "left-shared", NULL), 0);
	while (evl_limiter_try(new, NULL, 1, NULL) == 1)
		taken++;
	assert_int_equal(taken, 2);
	assert_int_equal(evl_limiter_try(old, NULL, 1, NULL), 0);
	evl_limiter_close(new);
	evl_close(other);
	evl_limiter_close(old);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_open),
		TEST(test_verbs),
		TEST(test_keys),
		TEST(test_key_beyond_the_table),
		TEST(test_six_threads),
		TEST(test_six_processes),
		TEST(test_try_from_threads),
		TEST(test_processes),
		TEST(test_processes_that_ask),
		TEST(test_fork),
		TEST(test_after_close),
		TEST(test_acquire_tokens),
		TEST(test_acquire_refused),
		TEST(test_permits),
		TEST(test_killed_in_line),
		TEST(test_killed_holder),
		TEST(test_daemon_killed),
		TEST(test_daemon_killed_and_shared),
	};

	return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
