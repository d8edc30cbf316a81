/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Closing by another process: what it has closed is closed here, what it hangs at keeps it and the next ones, and nothing else. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/peer/closer.h"

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static struct loop *loop;
static struct closer closer;
static unsigned n_done;
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
	return __real_syscall(number, a, b, c, d, e);
}

static void done(void *userdata, struct closer *which) {
	assert_ptr_equal(userdata, &closer);
	assert_ptr_equal(which, &closer);
	n_done++;
	loop_stop(loop);
}

static bool add(const int *fds, size_t n) {
	return closer_add(&closer, loop, fds, n, done, &closer);
}

static int setup(void **state) {
	(void)state;
	closer = (struct closer){ .n_waiting = 0 };
	n_done = 0;
	no_process = no_pidfd = false;
	return loop_new(&loop);
}

static int teardown(void **state) {
	(void)state;
	closer_deinit(&closer);
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

/* What comes while a process runs waits for the next one. */
static void test_next_process(void **state) {
	int a[2], b[2];

	(void)state;
	make_pair(a);
	make_pair(b);
	assert_true(add(a, 2));
	assert_false(add(b, 2));
	assert_int_equal(closer_load(&closer), 4);
	while (closer_is_busy(&closer))
		assert_int_equal(loop_run(loop), 0);
	assert_int_equal(n_done, 2);
	assert_false(is_open(a[0]) || is_open(a[1]) || is_open(b[0]) || is_open(b[1]));
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
	const struct CMUnitTest tests[] = { TEST(test_closed),  TEST(test_next_process), TEST(test_stalled),
					    TEST(test_emptied), TEST(test_no_pidfd),     TEST(test_end) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
