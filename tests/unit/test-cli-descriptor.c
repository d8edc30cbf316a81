/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors of other processes, in both ways. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "client/cli/descriptor.h"

/* A child that holds what was open when it was made. */
static pid_t fork_child(void) {
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	return pid;
}

static void end_child(pid_t pid) {
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static bool is_ready(int fd, short events) {
	struct pollfd poll_fd = { .fd = fd, .events = events };

	assert_true(poll(&poll_fd, 1, 0) >= 0);
	return poll_fd.revents & events;
}

/* What comes through `taken` is what the child's own end says. */
static void check_pipe(int (*take)(pid_t pid, int fd)) {
	int ends[2], read_end, write_end;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork_child();
	read_end = take(pid, ends[0]);
	write_end = take(pid, ends[1]);
	assert_true(read_end >= 0 && write_end >= 0);
	assert_true(fcntl(read_end, F_GETFD) & FD_CLOEXEC);
	assert_false(is_ready(read_end, POLLIN));
	assert_true(is_ready(write_end, POLLOUT));
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_true(is_ready(read_end, POLLIN));
	/* Each is open as the child has it. */
	assert_int_equal(write(read_end, "x", 1), -1);
	close(ends[0]);
	close(ends[1]);
	close(write_end);
	end_child(pid);
	assert_true(is_ready(read_end, POLLHUP));
	close(read_end);
}

static void test_take(void **state _unused_) {
	skip_in_valgrind();
	check_pipe(descriptor_take);
}

static void test_reopen(void **state _unused_) {
	check_pipe(descriptor_reopen);
}

/* What cannot be opened twice, or would be something else then. */
static void test_reopen_refuses(void **state _unused_) {
	int sockets[2], file, null;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(file >= 0 && null >= 0);
	pid = fork_child();
	assert_int_equal(descriptor_reopen(pid, sockets[0]), -EPERM);
	assert_int_equal(descriptor_reopen(pid, file), -EPERM);
	assert_int_equal(descriptor_reopen(pid, null), -EPERM);
	assert_int_equal(descriptor_reopen(pid, 4000), -EPERM);
	end_child(pid);
	close(sockets[0]);
	close(sockets[1]);
	close(file);
	close(null);
}

static void test_errors(void **state _unused_) {
	pid_t pid;

	skip_in_valgrind();
	pid = fork_child();
	assert_int_equal(descriptor_take(pid, 4000), -EBADF);
	end_child(pid);
	assert_int_equal(descriptor_take(pid, 0), -ESRCH);
	assert_int_equal(descriptor_take(0, 0), -ESRCH);
	assert_int_equal(descriptor_take(-5, 0), -ESRCH);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_reopen),
		cmocka_unit_test(test_reopen_refuses),
		cmocka_unit_test(test_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
