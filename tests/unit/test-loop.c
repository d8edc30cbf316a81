/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop on real clocks: never early, no turn without a reason, descriptors and signals.  Waits for about half a second. */

#include "tests/unit/test.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

#include "daemon/core/loop.h"
#include "tests/unit/core-world.h"

struct fixture {
	struct loop *loop;
	struct world world;
	struct client client;
	unsigned turns; /* how often flush was called */
	unsigned ticks;
	int64_t next_tick;
	size_t left; /* events to wait for */
	unsigned more; /* flush says so often that there is more to send */
	int64_t earliest, latest; /* lateness by a fresh reading */
	enum timer_clock clocks[64]; /* by handle */
	bool retimes; /* stop once the next realtime deadline is within ten seconds */
};

/* The linker gives the loop these, so that the realtime clock can be set without setting it. */
int __real_clock_gettime(clockid_t id, struct timespec *ret);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *when, struct itimerspec *old);
ssize_t __real_read(int fd, void *buffer, size_t size);
int __wrap_clock_gettime(clockid_t id, struct timespec *ret);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *when, struct itimerspec *old);
ssize_t __wrap_read(int fd, void *buffer, size_t size);

static struct {
	int64_t offset_s; /* of the realtime clock */
	bool cancelled; /* the kernel has something to tell of it */
	bool by_read; /* and does so by read(), else by timerfd_settime() */
	int fd; /* of the timerfd that is to be cancelled */
} step = { .fd = -1 };

static unsigned n_settimes; /* timerfd_settime() was called so often */

int __wrap_clock_gettime(clockid_t id, struct timespec *ret) {
	int r = __real_clock_gettime(id, ret);

	if (id == CLOCK_REALTIME)
		ret->tv_sec += step.offset_s;
	return r;
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *when, struct itimerspec *old) {
	struct itimerspec real = *when;
	int r;

	n_settimes++;
	if (flags & TFD_TIMER_CANCEL_ON_SET) {
		step.fd = fd;
		if (real.it_value.tv_sec > 0)
			real.it_value.tv_sec -= step.offset_s;
		if (step.cancelled && step.by_read) { /* a cancelled one is readable at once */
			real.it_value.tv_sec = 1;
			flags &= ~TFD_TIMER_CANCEL_ON_SET;
		}
	}
	r = __real_timerfd_settime(fd, flags, &real, old);
	if (fd == step.fd && step.cancelled && !step.by_read) {
		step.cancelled = false;
		errno = ECANCELED;
		return -1;
	}
	return r;
}

ssize_t __wrap_read(int fd, void *buffer, size_t size) {
	if (fd != step.fd || !step.cancelled || !step.by_read)
		return __real_read(fd, buffer, size);
	step.cancelled = false;
	errno = ECANCELED;
	return -1;
}

static const clockid_t clock_ids[TIMER_CLOCK_MAX] = { CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME };

static int64_t fresh(enum timer_clock clock) {
	struct timespec ts;

	clock_gettime(clock_ids[clock], &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static int64_t next_realtime(struct fixture *f) {
	return scheduler_next(f->world.scheduler, TIMER_CLOCK_REALTIME) - fresh(TIMER_CLOCK_REALTIME);
}

static bool flush(void *userdata) {
	struct fixture *f = userdata;
	struct event event;

	f->turns++;
	if (f->retimes && next_realtime(f) <= 10 * NSEC_PER_SEC)
		loop_stop(f->loop);
	while (client_take(&f->client, &event)) {
		int64_t lateness = fresh(f->clocks[event.handle]) - event.scheduled_ns;

		assert_true(event.fired_ns >= event.scheduled_ns);
		f->earliest = MIN(f->earliest, lateness);
		f->latest = MAX(f->latest, lateness);
		if (--f->left == 0)
			loop_stop(f->loop);
	}
	if (f->more == 0)
		return false;
	if (--f->more == 0)
		loop_stop(f->loop);
	return true;
}

static int64_t next(void *userdata) {
	return ((struct fixture *)userdata)->next_tick;
}

static void tick(void *userdata, int64_t boottime_ns) {
	struct fixture *f = userdata;

	f->ticks++;
	assert_true(boottime_ns >= f->next_tick);
	f->next_tick = INT64_MAX;
	loop_stop(f->loop);
}

static const struct loop_ops ops = { .flush = flush, .next = next, .tick = tick };

static int setup(void **state) {
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->next_tick = f->earliest = INT64_MAX;
	assert_int_equal(loop_new(&f->loop), 0);
	f->world.now = *loop_now(f->loop);
	assert_int_equal(scheduler_new(&f->world.scheduler, &f->world.now, NULL), 0);
	client_init(&f->client, &f->world, 1000);
	loop_set_scheduler(f->loop, f->world.scheduler);
	loop_set_ops(f->loop, &ops, f);
	*state = f;
	return 0;
}

static int teardown(void **state) {
	struct fixture *f = *state;

	client_deinit(&f->client);
	loop_free(f->loop);
	world_deinit(&f->world);
	free(f);
	return 0;
}

static void arm(struct fixture *f, uint64_t handle, enum timer_clock clock, int64_t delay_ns) {
	f->clocks[handle] = clock;
	f->left++;
	world_arm(&f->world, &f->client,
		  &(struct timer_spec){
			  .handle = handle,
			  .kind = TIMER_KIND_AFTER,
			  .clock = clock,
			  .deadline_ns = fresh(clock) + delay_ns,
			  .delay_ns = delay_ns,
		  });
}

/* Each deadline costs one turn: no wake-up before it, none after the last. */
static void test_deadlines(void **state) {
	struct fixture *f = *state;

	for (uint64_t i = 0; i < 30; i++)
		arm(f, i + 1, i % TIMER_CLOCK_MAX, (int64_t)(1 + i) * 7 * NSEC_PER_MSEC + 1);
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->left, 0);
	assert_true(f->earliest >= 0);
	assert_true(f->turns <= 1 + 30);
}

/* A cancelled deadline wakes nobody, nor does one that was moved. */
static void test_no_needless_turns(void **state) {
	struct fixture *f = *state;

	for (uint64_t handle = 1; handle <= 20; handle++)
		arm(f, handle, TIMER_CLOCK_BOOTTIME, (int64_t)handle * NSEC_PER_MSEC);
	for (uint64_t handle = 1; handle <= 20; handle++)
		assert_int_equal(owner_cancel(&f->client.owner, handle), CANCEL_CANCELLED);
	f->left = 0;
	arm(f, 21, TIMER_CLOCK_MONOTONIC, 60 * NSEC_PER_MSEC);
	assert_int_equal(loop_run(f->loop), 0);
	assert_true(f->earliest >= 0);
	assert_true(f->turns <= 2);
}

static void test_tick(void **state) {
	struct fixture *f = *state;

	f->next_tick = fresh(TIMER_CLOCK_BOOTTIME) + 20 * NSEC_PER_MSEC;
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->ticks, 1);
	assert_true(f->turns <= 2);
}

/* While there is more to send, nobody waits. */
static void test_more_to_send(void **state) {
	struct fixture *f = *state;

	f->more = 1000;
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->turns, 1000);
}

/* A deadline in the past and something posted are served at once. */
static void test_due_at_once(void **state) {
	struct fixture *f = *state;

	arm(f, 1, TIMER_CLOCK_REALTIME, -NSEC_PER_SEC);
	f->left++;
	world_arm(&f->world, &f->client, &(struct timer_spec){ .handle = 2, .kind = TIMER_KIND_SOON });
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->turns, 1);
}

struct pipe_end {
	struct fixture *f;
	struct loop_io *io, *other;
	unsigned reads, writes;
	struct instant seen;
};

static void on_io(void *userdata, int fd, int events) {
	struct pipe_end *end = userdata;
	char byte;

	end->seen = *loop_now(end->f->loop);
	if (events & LOOP_WRITE) {
		end->writes++;
		assert_int_equal(loop_io_set(end->io, LOOP_READ), 0);
		assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
	}
	if (events & LOOP_READ) {
		assert_int_equal(recv(fd, &byte, 1, 0), 1);
		end->reads++;
		loop_stop(end->f->loop);
	}
}

static void test_io(void **state) {
	struct fixture *f = *state;
	struct pipe_end a = { .f = f }, b = { .f = f };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(loop_add_io(f->loop, &a.io, fds[0], LOOP_READ | LOOP_WRITE, on_io, &a), 0);
	assert_int_equal(loop_add_io(f->loop, &b.io, fds[1], LOOP_READ, on_io, &b), 0);
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(a.writes, 1);
	assert_int_equal(b.reads, 1);
	assert_int_equal(a.reads, 0);

	/* With nothing to watch for, readiness is nobody's business. */
	assert_int_equal(loop_io_set(b.io, 0), 0);
	assert_int_equal(loop_io_set(b.io, 0), 0);
	assert_int_equal(send(fds[0], "y", 1, 0), 1);
	arm(f, 1, TIMER_CLOCK_BOOTTIME, 10 * NSEC_PER_MSEC);
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(b.reads, 1);
	assert_int_equal(loop_io_set(b.io, LOOP_READ), 0);
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(b.reads, 2);
	assert_true(b.seen.ns[TIMER_CLOCK_BOOTTIME] <= fresh(TIMER_CLOCK_BOOTTIME));
	assert_null(loop_io_remove(a.io));
	assert_null(loop_io_remove(b.io));
	assert_null(loop_io_remove(NULL));
	close(fds[0]);
	close(fds[1]);
}

/* Both are readable; the first one that is called removes both. */
static void on_remove(void *userdata, int fd _unused_, int events _unused_) {
	struct pipe_end *end = userdata;

	end->reads++;
	end->io = loop_io_remove(end->io);
	end->other = loop_io_remove(end->other);
	loop_stop(end->f->loop);
}

static void test_remove_within_callback(void **state) {
	struct fixture *f = *state;
	struct pipe_end end = { .f = f };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(send(fds[0], "x", 1, 0), 1);
	assert_int_equal(send(fds[1], "x", 1, 0), 1);
	assert_int_equal(loop_add_io(f->loop, &end.io, fds[0], LOOP_READ | LOOP_WRITE, on_remove, &end), 0);
	assert_int_equal(loop_add_io(f->loop, &end.other, fds[1], LOOP_READ | LOOP_WRITE, on_remove, &end), 0);
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(end.reads, 1);
	close(fds[0]);
	close(fds[1]);
}

/* Two are readable at once; the second one is not told of the time before the first one's work. */
static void on_busy(void *userdata, int fd, int events _unused_) {
	struct pipe_end *end = userdata;
	int64_t begin = fresh(TIMER_CLOCK_BOOTTIME);
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	assert_true(loop_now(end->f->loop)->ns[TIMER_CLOCK_BOOTTIME] >= end->seen.ns[TIMER_CLOCK_BOOTTIME]);
	assert_true(scheduler_now(end->f->world.scheduler)->ns[TIMER_CLOCK_BOOTTIME] >=
		    end->seen.ns[TIMER_CLOCK_BOOTTIME]);
	while (fresh(TIMER_CLOCK_BOOTTIME) < begin + NSEC_PER_MSEC)
		;
	end->seen.ns[TIMER_CLOCK_BOOTTIME] = fresh(TIMER_CLOCK_BOOTTIME);
	if (++end->reads == 2)
		loop_stop(end->f->loop);
}

static void test_io_has_the_time(void **state) {
	struct fixture *f = *state;
	struct pipe_end end = { .f = f };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(send(fds[0], "x", 1, 0), 1);
	assert_int_equal(send(fds[1], "x", 1, 0), 1);
	assert_int_equal(loop_add_io(f->loop, &end.io, fds[0], LOOP_READ, on_busy, &end), 0);
	assert_int_equal(loop_add_io(f->loop, &end.other, fds[1], LOOP_READ, on_busy, &end), 0);
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->turns, 1);
	loop_io_remove(end.io);
	loop_io_remove(end.other);
	close(fds[0]);
	close(fds[1]);
}

/* The descriptor stays readable: a hundred turns. */
static void on_ignored(void *userdata, int fd _unused_, int events _unused_) {
	struct pipe_end *end = userdata;

	if (++end->reads == 100)
		loop_stop(end->f->loop);
}

/* Turns that change no deadline do not tell the kernel of one. */
static void test_no_needless_calls(void **state) {
	struct fixture *f = *state;
	struct pipe_end end = { .f = f };
	int fds[2];

	for (uint64_t i = 0; i < TIMER_CLOCK_MAX; i++)
		arm(f, i + 1, i, 3600 * NSEC_PER_SEC);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(send(fds[0], "x", 1, 0), 1);
	assert_int_equal(loop_add_io(f->loop, &end.io, fds[1], LOOP_READ, on_ignored, &end), 0);
	n_settimes = 0;
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->turns, 100);
	assert_int_equal(n_settimes, TIMER_CLOCK_MAX);
	loop_io_remove(end.io);
	close(fds[0]);
	close(fds[1]);
}

static void on_signal(void *userdata, int signal_number) {
	struct fixture *f = userdata;

	f->ticks = (unsigned)signal_number;
	loop_stop(f->loop);
}

static void test_signal(void **state) {
	struct fixture *f = *state;

	assert_int_equal(loop_add_signal(f->loop, SIGUSR1, on_signal, f), 0);
	raise(SIGUSR1);
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->ticks, SIGUSR1);
}

/* The clock is set back while the loop waits: repeating timers on it are found again, whichever call tells of it. */
static void run_step(struct fixture *f, bool by_read) {
	struct timer_spec spec = {
		.handle = 1,
		.kind = TIMER_KIND_EVERY,
		.clock = TIMER_CLOCK_REALTIME,
		.deadline_ns = fresh(TIMER_CLOCK_REALTIME) - 1000 * NSEC_PER_SEC,
		.period_ns = 10 * NSEC_PER_SEC,
	};

	f->clocks[1] = TIMER_CLOCK_REALTIME;
	f->left = 1; /* one event for the hundred times that have gone by */
	world_arm(&f->world, &f->client, &spec);
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->left, 0);
	assert_true(next_realtime(f) > 0);

	step.offset_s = -500;
	step.cancelled = true;
	step.by_read = by_read;
	f->retimes = true;
	arm(f, 2, TIMER_CLOCK_BOOTTIME, 5 * NSEC_PER_SEC); /* lest it waits for ever */
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->left, 1);
	assert_false(step.cancelled);
	assert_true(next_realtime(f) > 0);
	assert_true(next_realtime(f) <= 10 * NSEC_PER_SEC);
	step.offset_s = 0;
	step.fd = -1;
}

static void test_step_told_by_read(void **state) {
	run_step(*state, true);
}

static void test_step_told_by_settime(void **state) {
	run_step(*state, false);
}

static void test_refresh(void **state) {
	struct fixture *f = *state;
	int64_t before = fresh(TIMER_CLOCK_MONOTONIC);

	assert_true(loop_refresh(f->loop)->ns[TIMER_CLOCK_MONOTONIC] >= before);
	assert_true(scheduler_now(f->world.scheduler)->ns[TIMER_CLOCK_MONOTONIC] >= before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_deadlines),
		TEST(test_no_needless_turns),
		TEST(test_tick),
		TEST(test_more_to_send),
		TEST(test_due_at_once),
		TEST(test_io),
		TEST(test_remove_within_callback),
		TEST(test_io_has_the_time),
		TEST(test_no_needless_calls),
		TEST(test_signal),
		TEST(test_step_told_by_read),
		TEST(test_step_told_by_settime),
		TEST(test_refresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
