/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Closing by another process: what it has closed is closed here, what it hangs at keeps it and the next ones, and nothing else. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/peer/closer.h"

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static struct loop *loop;
static struct closers closers;
static struct closer closer;
static unsigned n_done;
static unsigned n_processes; /* that were made */
static pid_t last_pid;
static bool kills; /* each process, before it has done anything */
static bool turning;
static unsigned n_flushes;
static bool no_process; /* can be made */
static bool no_pidfd; /* is to be had, for so many descriptors are open */

/* Of all calls that are made in this way only clone is meant. */
long __wrap_syscall(long number, ...) {
	va_list args;
	long a, b, c, d, e;

	va_start(args, number);
	a = va_arg(args, long);
	b = va_arg(args, long);
	c = va_arg(args, long);
	d = va_arg(args, long);
	e = va_arg(args, long);
	va_end(args);
	if (number == SYS_clone && no_process) {
		errno = EAGAIN;
		return -1;
	}
	if (number == SYS_clone && no_pidfd && a & CLONE_PIDFD) {
		errno = EMFILE;
		return -1;
	}
	a = __real_syscall(number, a, b, c, d, e);
	if (number == SYS_clone && a > 0) {
		n_processes++;
		last_pid = (pid_t)a;
	}
	/* The process itself: whoever made it may come too late, and it has done its work. */
	while (number == SYS_clone && a == 0 && kills)
		(void)kill(getpid(), SIGKILL);
	return a;
}

/* In the first of two flushes there is more to do, so nothing waits; the second is the end. */
static bool flush(void *userdata _unused_) {
	if (turning && ++n_flushes % 2 == 0)
		loop_stop(loop);
	return turning;
}

static const struct loop_ops ops = { .flush = flush };

/* What has come until now. */
static void turn(void) {
	(void)poll(NULL, 0, 1);
	turning = true;
	assert_int_equal(loop_run(loop), 0);
	turning = false;
}

static void done_other(void *userdata, struct closer *which) {
	assert_ptr_equal(userdata, which);
}

static void done(void *userdata, struct closer *which) {
	assert_ptr_equal(userdata, &closer);
	assert_ptr_equal(which, &closer);
	n_done++;
	loop_stop(loop);
}

static bool add(const int *fds, size_t n) {
	return closer_add(&closer, &closers, fds, n, done, &closer);
}

static int setup(void **state) {
	(void)state;
	closer = (struct closer){ .n_waiting = 0 };
	n_done = 0;
	no_process = no_pidfd = false;
	n_processes = 0;
	if (loop_new(&loop) < 0)
		return -1;
	loop_set_ops(loop, &ops, NULL);
	closers_init(&closers, loop);
	return 0;
}

static int teardown(void **state) {
	(void)state;
	closer_deinit(&closer);
	closers_deinit(&closers);
	loop = loop_free(loop);
	return 0;
}

static bool is_open(int fd) {
	return fcntl(fd, F_GETFD) >= 0;
}

static void make_pair(int fds[2]) {
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void send_fd(int to, const char *data, size_t size, int fd) {
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (char *)data, .iov_len = size };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	assert_int_equal(sendmsg(to, &msg, MSG_NOSIGNAL), (ssize_t)size);
}

static void test_closed(void **state) {
	int fds[2];

	(void)state;
	make_pair(fds);
	assert_false(add(fds, 0));
	assert_true(add(fds, 2));
	assert_int_equal(closer_load(&closer), 2);
	assert_true(closer_is_busy(&closer));
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(n_done, 1);
	assert_int_equal(closer_load(&closer), 0);
	assert_false(closer_is_busy(&closer));
	assert_false(is_open(fds[0]) || is_open(fds[1]));
}

/* What comes while a process is busy waits until it has finished, and the same one closes it. */
static void test_same_process(void **state) {
	int a[2], b[2], c[2];

	(void)state;
	make_pair(a);
	make_pair(b);
	assert_true(add(a, 2));
	assert_false(add(b, 2));
	assert_int_equal(closer_load(&closer), 4);
	while (closer_is_busy(&closer))
		assert_int_equal(loop_run(loop), 0);
	assert_int_equal(n_done, 2);
	make_pair(c);
	assert_true(add(c, 2));
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(n_done, 3);
	assert_false(is_open(a[0]) || is_open(a[1]) || is_open(b[0]) || is_open(b[1]) || is_open(c[0]) ||
		     is_open(c[1]));
	assert_int_equal(n_processes, 1);
}

/* More than one may be given at once. */
static void test_many(void **state) {
	enum {
		N = 2 * CLOSERS_BATCH_MAX + 10
	};
	static int fds[N];
	struct rlimit limit, more;
	int pair[2];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	more = limit;
	more.rlim_cur = limit.rlim_max;
	if (limit.rlim_max < N + 100)
		skip();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &more), 0);
	make_pair(pair);
	for (size_t i = 0; i < N; i++) {
		fds[i] = fcntl(pair[0], F_DUPFD_CLOEXEC, 3);
		assert_true(fds[i] >= 0);
	}
	assert_true(add(&pair[0], 1));
	assert_false(add(fds, N));
	while (closer_is_busy(&closer))
		assert_int_equal(loop_run(loop), 0);
	assert_int_equal(n_done, 4);
	assert_int_equal(poll(&(struct pollfd){ .fd = pair[1], .events = POLLIN }, 1, 0), 1);
	for (size_t i = 0; i < N; i++)
		assert_false(is_open(fds[i]));
	close_fd(pair[1]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int count_fds(void) {
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += is_open(fd);
	return n;
}

/* With nothing to do for a while it ends, and nothing is left of it. */
static void test_idle(void **state) {
	int64_t until_ns;
	int fds[2], before;

	(void)state;
	before = count_fds();
	make_pair(fds);
	assert_true(closers_next(&closers) == INT64_MAX);
	assert_true(add(fds, 2));
	assert_int_equal(loop_run(loop), 0);
	until_ns = closers_next(&closers);
	assert_true(until_ns > loop_now(loop)->ns[TIMER_CLOCK_BOOTTIME]);
	closers_tick(&closers, until_ns - 1);
	assert_true(closers_next(&closers) == until_ns);
	closers_tick(&closers, until_ns);
	assert_true(closers_next(&closers) == INT64_MAX);
	while (!LIST_EMPTY(&closers.all))
		turn();
	assert_int_equal(count_fds(), before);
	make_pair(fds);
	assert_true(add(fds, 2));
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(n_processes, 2);
}

/* Two at a time, as of two uids: each has its process, and one of them is kept. */
static void test_two(void **state) {
	struct closer other = { .n_waiting = 0 };
	int a[2], b[2], before;

	(void)state;
	before = count_fds();
	make_pair(a);
	make_pair(b);
	assert_true(add(a, 2));
	assert_true(closer_add(&other, &closers, b, 2, done_other, &other));
	while (closer_is_busy(&closer) || closer_is_busy(&other))
		turn();
	/* A pair of sockets and a pidfd: those of one of them. */
	while (count_fds() != before + 3)
		turn();
	assert_int_equal(n_processes, 2);
	assert_true(closers_next(&closers) < INT64_MAX);
	assert_false(is_open(a[0]) || is_open(a[1]) || is_open(b[0]) || is_open(b[1]));
	closer_deinit(&other);
}

/* Somebody ends it at its work, or when it has none: the next one goes on. */
static void test_killed(void **state) {
	int a[2], b[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		unsigned before = n_processes;

		make_pair(a);
		make_pair(b);
		kills = true;
		assert_true(add(a, 2));
		kills = false;
		assert_false(add(b, 2));
		while (closer_is_busy(&closer))
			assert_int_equal(loop_run(loop), 0);
		assert_false(is_open(b[0]) || is_open(b[1]));
		for (size_t j = 0; j < 2; j++)
			assert_int_equal(close(a[j]), 0); /* what it had taken is nobody's */
		assert_int_equal(n_processes, before + 2);
		assert_int_equal(kill(last_pid, SIGKILL), 0);
		while (!LIST_EMPTY(&closers.all))
			turn();
	}
}

/* It has died without our knowing yet, when it is given more: another one closes that. */
static void test_dead_already(void **state) {
	siginfo_t info;
	int a[2], b[2];

	(void)state;
	make_pair(a);
	make_pair(b);
	assert_true(add(a, 2));
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(kill(last_pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)last_pid, &info, WEXITED | WNOWAIT | __WALL), 0);
	assert_true(add(b, 2));
	while (closer_is_busy(&closer))
		assert_int_equal(loop_run(loop), 0);
	assert_false(is_open(b[0]) || is_open(b[1]));
	assert_int_equal(n_processes, 2);
	assert_int_equal(n_done, 2);
}

/* Where none can be made nothing is closed, until one can. */
static void test_stalled(void **state) {
	int fds[2];

	(void)state;
	make_pair(fds);
	no_process = true;
	assert_true(add(&fds[0], 1));
	assert_true(closer_is_stalled(&closer));
	assert_false(add(&fds[1], 1));
	assert_int_equal(closer_load(&closer), 2);
	closer_retry(&closer);
	assert_true(closer_is_stalled(&closer));
	assert_true(is_open(fds[0]) && is_open(fds[1]));
	no_process = false;
	closer_retry(&closer);
	assert_false(closer_is_stalled(&closer));
	assert_true(closer_is_busy(&closer));
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(n_done, 1);
	assert_int_equal(closer_load(&closer), 0);
	assert_false(is_open(fds[0]) || is_open(fds[1]));
	closer_retry(&closer);
	assert_int_equal(n_done, 1);
}

/* A socket of ours, of which somebody else has a copy: what was in it is gone with our own. */
static void test_emptied(void **state) {
	struct pollfd end = { .events = POLLIN };
	int ours[2], theirs[2], copy;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ours), 0);
	make_pair(theirs);
	/* An empty packet, which could be the end, and one with something in it. */
	send_fd(ours[1], "", 0, theirs[0]);
	send_fd(ours[1], "data", 4, theirs[0]);
	(void)close(theirs[0]);
	copy = fcntl(ours[0], F_DUPFD_CLOEXEC, 3);
	assert_false(closer_is_safe(ours[0]));
	end.fd = theirs[1];
	assert_int_equal(poll(&end, 1, 0), 0);
	assert_true(add(&(int){ CLOSER_SOCKET(ours[0]) }, 1));
	assert_int_equal(loop_run(loop), 0);
	assert_false(is_open(ours[0]));
	assert_int_equal(poll(&end, 1, 0), 1);
	(void)close(copy);
	(void)close(ours[1]);
	(void)close(theirs[1]);
}

/* Nobody tells of its end, so it is looked for. */
static void test_no_pidfd(void **state) {
	int fds[2];

	(void)state;
	make_pair(fds);
	no_pidfd = true;
	assert_true(add(fds, 2));
	assert_true(closer_is_stalled(&closer));
	for (unsigned i = 0; i < 10000 && closer_is_busy(&closer); i++) {
		(void)poll(NULL, 0, 1);
		closer_retry(&closer);
	}
	assert_int_equal(n_done, 1);
	assert_int_equal(closer_load(&closer), 0);
	assert_false(is_open(fds[0]) || is_open(fds[1]));
}

/* At the end somebody else has what is open, and nobody waits for him. */
static void test_end(void **state) {
	struct pollfd poll_fds[2];
	int a[2], b[2];

	(void)state;
	make_pair(a);
	make_pair(b);
	assert_true(add(a, 1));
	assert_false(add(b, 1));
	closer_deinit(&closer);
	assert_false(closer_is_busy(&closer));
	poll_fds[0] = (struct pollfd){ .fd = a[1], .events = POLLIN };
	poll_fds[1] = (struct pollfd){ .fd = b[1], .events = POLLIN };
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(poll(&poll_fds[i], 1, 10000), 1);
	close_fd(a[1]);
	close_fd(b[1]);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { TEST(test_closed),       TEST(test_same_process), TEST(test_many),
					    TEST(test_idle),         TEST(test_two),          TEST(test_killed),
					    TEST(test_dead_already), TEST(test_stalled),      TEST(test_emptied),
					    TEST(test_no_pidfd),     TEST(test_end) };

	if (is_not_for_valgrind("valgrind knows no processes that share descriptors"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
