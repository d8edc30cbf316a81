/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watches of descriptors and processes: what is told, when it is told again, and what becomes of the descriptor. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/core/poller.h"
#include "daemon/core/process.h"
#include "daemon/core/watch.h"
#include "tests/unit/core-world.h"

static struct world world;
static struct client client;
static struct poller *poller;
static int discarded; /* the last one; -1: none */

static void discard(struct owner *owner, int fd) {
	(void)owner;
	assert_int_equal(discarded, -1);
	discarded = fd;
}

static int setup(void **state) {
	(void)state;
	world_init(&world);
	client_init(&client, &world, geteuid());
	assert_int_equal(poller_new(&poller), 0);
	discarded = -1;
	return 0;
}

static int teardown(void **state) {
	(void)state;
	client_deinit(&client);
	poller = poller_free(poller);
	world_deinit(&world);
	discarded = close_fd(discarded);
	return 0;
}

static bool is_open(int fd) {
	return fcntl(fd, F_GETFD) >= 0;
}

static size_t watched(void) {
	return tenant_use(client.owner.tenant)->descriptors;
}

static void watch(uint64_t handle, int fd, unsigned readiness) {
	struct watch_spec spec = { .handle = handle, .readiness = readiness, .closes_at_once = true };
	struct watch *ret;

	assert_int_equal(watch_new(&ret, poller, &client.owner, &spec, fd), 0);
	assert_ptr_equal(owner_find(&client.owner, handle), watch_source(ret));
	assert_true(watch_id(ret) > 0);
}

/* What epoll has is told, and what is due. */
static void turn(void) {
	scheduler_refresh(world.scheduler, &world.now);
	poller_dispatch(poller);
	(void)world_turn(&world);
}

static struct event expect(uint64_t handle, unsigned readiness, bool more) {
	struct event event;

	turn();
	event = client_expect(&client, handle, EVENT_TYPE_READY);
	assert_false(event.timed_out);
	assert_int_equal(event.readiness, readiness);
	assert_int_equal(event.more, more);
	assert_int_equal(event.fires, 1);
	return event;
}

static void expect_none(void) {
	turn();
	client_expect_none(&client);
}

static void make_pipe(int fds[2]) {
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
}

/* One event for each acknowledgement, as long as there is something to be read. */
static void test_acknowledged(void **state) {
	struct event event;
	int fds[2];

	(void)state;
	make_pipe(fds);
	watch(7, fds[0], READINESS_READABLE);
	assert_int_equal(watched(), 1);
	expect_none();
	assert_int_equal(write(fds[1], "x", 1), 1);
	event = expect(7, READINESS_READABLE, true);
	assert_int_equal(event.fire_seq, 1);
	assert_int_equal(event.fired_ns, WORLD_START);

	/* Nothing more before the acknowledgement, whatever comes. */
	assert_int_equal(write(fds[1], "x", 1), 1);
	expect_none();
	owner_ack(&client.owner, 7);
	world_pass(&world, 5);
	event = expect(7, READINESS_READABLE, true);
	assert_int_equal(event.fire_seq, 2);
	assert_int_equal(event.fired_ns, WORLD_START + 5);
	expect_none();

	/* Read before it is acknowledged: nothing to tell. */
	assert_int_equal(read(fds[0], &event, sizeof(event)), 2);
	owner_ack(&client.owner, 7);
	expect_none();
	assert_int_equal(write(fds[1], "x", 1), 1);
	(void)expect(7, READINESS_READABLE, true);
	close_fd(fds[1]);
}

/* Acknowledgements of what has no event change nothing. */
static void test_stale_acknowledgements(void **state) {
	int fds[2];

	(void)state;
	make_pipe(fds);
	owner_ack(&client.owner, 7);
	watch(7, fds[0], READINESS_READABLE);
	owner_ack(&client.owner, 7);
	assert_int_equal(write(fds[1], "x", 1), 1);
	turn();
	owner_ack(&client.owner, 7); /* it has not been taken yet */
	turn();
	(void)client_expect(&client, 7, EVENT_TYPE_READY);
	expect_none();
	owner_ack(&client.owner, 8);
	expect_none();
	owner_ack(&client.owner, 7);
	owner_ack(&client.owner, 7);
	(void)expect(7, READINESS_READABLE, true);
	expect_none();
	close_fd(fds[1]);
}

/* Several on one descriptor, each with its own copy, are told each for itself. */
static void test_same_descriptor(void **state) {
	int fds[2], copy;

	(void)state;
	make_pipe(fds);
	copy = fcntl(fds[1], F_DUPFD_CLOEXEC, 0);
	watch(1, fds[1], READINESS_WRITABLE);
	watch(2, copy, READINESS_WRITABLE);
	turn();
	(void)client_expect(&client, 1, EVENT_TYPE_READY);
	(void)client_expect(&client, 2, EVENT_TYPE_READY);
	owner_ack(&client.owner, 2);
	(void)expect(2, READINESS_WRITABLE, true);
	assert_int_equal(owner_cancel(&client.owner, 2), CANCEL_CANCELLED);
	assert_false(is_open(copy));
	owner_ack(&client.owner, 1);
	(void)expect(1, READINESS_WRITABLE, true);
	close_fd(fds[0]);
}

/* A hang-up is told as long as something is to be read, and then once more. */
static void test_hang_up(void **state) {
	int fds[2];
	char byte;

	(void)state;
	make_pipe(fds);
	watch(1, fds[0], READINESS_READABLE);
	assert_int_equal(write(fds[1], "x", 1), 1);
	close_fd(fds[1]);
	(void)expect(1, READINESS_READABLE | READINESS_HANGUP, true);
	owner_ack(&client.owner, 1);
	(void)expect(1, READINESS_READABLE | READINESS_HANGUP, true);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(watched(), 1);
	owner_ack(&client.owner, 1);
	(void)expect(1, READINESS_HANGUP, false);
	assert_int_equal(watched(), 0);
	assert_false(is_open(fds[0]));
	assert_null(owner_find(&client.owner, 1));
	expect_none();
}

static void test_error(void **state) {
	int fds[2];

	(void)state;
	make_pipe(fds);
	watch(1, fds[1], READINESS_WRITABLE);
	close_fd(fds[0]);
	turn();
	/* The descriptor does not wait for the event to be taken. */
	assert_false(is_open(fds[1]));
	assert_int_equal(watched(), 0);
	(void)expect(1, READINESS_WRITABLE | READINESS_ERROR, false);
	assert_null(owner_find(&client.owner, 1));
}

/* Both ways of a socket; and its end, which can be read for ever. */
static void test_socket(void **state) {
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	watch(1, fds[0], READINESS_READABLE | READINESS_WRITABLE);
	(void)expect(1, READINESS_WRITABLE, true);
	assert_int_equal(write(fds[1], "x", 1), 1);
	owner_ack(&client.owner, 1);
	(void)expect(1, READINESS_READABLE | READINESS_WRITABLE, true);
	close_fd(fds[1]);
	for (unsigned i = 0; i < 3; i++) {
		owner_ack(&client.owner, 1);
		(void)expect(1, READINESS_READABLE | READINESS_WRITABLE | READINESS_HANGUP, true);
	}
	/* Who only writes is told once. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	watch(2, fds[0], READINESS_WRITABLE);
	close_fd(fds[1]);
	(void)expect(2, READINESS_WRITABLE | READINESS_HANGUP, false);
	assert_false(is_open(fds[0]));
}

static void test_cancel(void **state) {
	int fds[2], n = eventfd(1, EFD_CLOEXEC);

	(void)state;
	make_pipe(fds);
	watch(1, fds[0], READINESS_READABLE);
	assert_int_equal(owner_cancel(&client.owner, 1), CANCEL_CANCELLED);
	assert_int_equal(owner_cancel(&client.owner, 1), CANCEL_GONE);
	assert_false(is_open(fds[0]));
	watch(1, n, READINESS_READABLE);
	turn();
	assert_int_equal(owner_cancel(&client.owner, 1), CANCEL_WITHDRAWN);
	expect_none();
	assert_false(is_open(n));
	watch(1, fds[1], READINESS_WRITABLE);
	turn();
	assert_int_equal(owner_cancel(&client.owner, 1), CANCEL_WITHDRAWN);
	assert_int_equal(watched(), 0);
	expect_none();
}

static void test_handle_in_use(void **state) {
	struct watch_spec spec = { .handle = 1, .readiness = READINESS_READABLE };
	struct watch *ret;
	int fds[2];

	(void)state;
	make_pipe(fds);
	(void)world_after(&world, &client, 1, 100);
	assert_int_equal(watch_new(&ret, poller, &client.owner, &spec, fds[0]), WATCH_E_HANDLE_EXISTS);
	assert_int_equal(watched(), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	expect_none();
	/* It is still the caller's. */
	assert_int_equal(close(fds[0]), 0);
	close_fd(fds[1]);
}

static void test_not_to_be_waited_for(void **state) {
	struct watch_spec spec = { .handle = 1, .readiness = READINESS_READABLE };
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct watch *ret;

	(void)state;
	assert_int_equal(watch_new(&ret, poller, &client.owner, &spec, fd), -EPERM);
	assert_null(owner_find(&client.owner, 1));
	assert_int_equal(close(fd), 0);
}

/* The owner closes what may take long, and has a timeout and a copy of the descriptor no event any more. */
static void test_discarded(void **state) {
	struct watch_spec spec = { .handle = 1, .readiness = READINESS_READABLE, .timeout_ns = 10 };
	struct watch *ret;
	int fds[2], copy;

	(void)state;
	client.owner.discard = discard;
	make_pipe(fds);
	assert_int_equal(watch_new(&ret, poller, &client.owner, &spec, fds[0]), 0);
	copy = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	assert_int_equal(owner_cancel(&client.owner, 1), CANCEL_CANCELLED);
	assert_int_equal(discarded, fds[0]);
	assert_true(is_open(fds[0]));
	assert_int_equal(watched(), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	world_pass(&world, 100);
	expect_none();
	close_fd(copy);
	close_fd(fds[1]);
}

/* The end of the owner ends all. */
static void test_disowned(void **state) {
	struct event event;
	int fds[2], copies[3];

	(void)state;
	make_pipe(fds);
	for (unsigned i = 0; i < 3; i++) {
		copies[i] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
		watch(i + 1, copies[i], READINESS_READABLE);
	}
	assert_int_equal(write(fds[1], "x", 1), 1);
	turn();
	assert_true(client_take(&client, &event));
	client.owner.ready = NULL;
	while (owner_reduce(&client.owner, 1))
		turn();
	assert_int_equal(watched(), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_false(is_open(copies[i]));
	close_fd(fds[0]);
	close_fd(fds[1]);
}

static void watch_with_timeout(int fd, int64_t timeout_ns) {
	struct watch_spec spec = {
		.handle = 1, .readiness = READINESS_READABLE, .timeout_ns = timeout_ns, .closes_at_once = true
	};
	struct watch *ret;

	assert_int_equal(watch_new(&ret, poller, &client.owner, &spec, fd), 0);
}

static void expect_timeout(void) {
	struct event event = client_expect(&client, 1, EVENT_TYPE_READY);

	assert_true(event.timed_out);
	assert_true(event.more);
	assert_int_equal(event.readiness, 0);
	assert_int_equal(event.fires, 0);
}

static void test_timeout(void **state) {
	int fds[2];
	char byte;

	(void)state;
	make_pipe(fds);
	watch_with_timeout(fds[0], 10);
	assert_int_equal(scheduler_next(world.scheduler, TIMER_CLOCK_BOOTTIME), WORLD_START + 10);
	world_pass(&world, 9);
	expect_none();
	world_pass(&world, 1);
	turn();
	expect_timeout();
	/* Not again before it is acknowledged, then from there on. */
	world_pass(&world, 100);
	expect_none();
	owner_ack(&client.owner, 1);
	world_pass(&world, 9);
	expect_none();
	/* Something happens in time: it begins anew with the acknowledgement. */
	assert_int_equal(write(fds[1], "x", 1), 1);
	(void)expect(1, READINESS_READABLE, true);
	world_pass(&world, 100);
	expect_none();
	assert_int_equal(read(fds[0], &byte, 1), 1);
	owner_ack(&client.owner, 1);
	world_pass(&world, 10);
	turn();
	expect_timeout();

	/* Ready between a timeout and its acknowledgement: nothing is lost. */
	assert_int_equal(write(fds[1], "x", 1), 1);
	expect_none();
	owner_ack(&client.owner, 1);
	(void)expect(1, READINESS_READABLE, true);
	close_fd(fds[1]);
}

/* What has not been taken yet is overtaken by what happens. */
static void test_timeout_overtaken(void **state) {
	int fds[2];

	(void)state;
	make_pipe(fds);
	watch_with_timeout(fds[0], 10);
	world_pass(&world, 10);
	turn();
	assert_int_equal(write(fds[1], "x", 1), 1);
	(void)expect(1, READINESS_READABLE, true);
	expect_none();
	close_fd(fds[1]);
}

/* ---- processes ---- */

/* A child that waits for a byte, and then ends with that status.  Return: its pidfd. */
static int make_child(pid_t *ret_pid, int status, int *ret_release) {
	int fds[2];
	char byte;

	make_pipe(fds);
	(void)fcntl(fds[0], F_SETFL, 0);
	*ret_pid = fork();
	if (*ret_pid == 0) {
		close_fd(fds[1]);
		(void)!read(fds[0], &byte, 1);
		_exit(status);
	}
	close_fd(fds[0]);
	*ret_release = fds[1];
	return (int)syscall(SYS_pidfd_open, *ret_pid, 0);
}

static void watch_process(int pid_fd, int64_t timeout_ns) {
	struct watch_spec spec = { .handle = 1,
				   .is_process = true,
				   .pid = MAX(process_of(pid_fd), 0),
				   .timeout_ns = timeout_ns,
				   .closes_at_once = true };
	struct watch *ret;

	assert_int_equal(watch_new(&ret, poller, &client.owner, &spec, pid_fd), 0);
}

static void wait_for_end(int pid_fd) {
	struct pollfd poll_fd = { .fd = pid_fd, .events = POLLIN };

	assert_int_equal(poll(&poll_fd, 1, 10000), 1);
}

static struct process_end expect_end(void) {
	struct event event;

	turn();
	event = client_expect(&client, 1, EVENT_TYPE_READY);
	assert_false(event.timed_out);
	assert_non_null(event.process);
	assert_false(event.more);
	assert_int_equal(watched(), 0);
	assert_null(owner_find(&client.owner, 1));
	return *event.process;
}

/* A zombie of our own: how it ended is known on every kernel. */
static void test_process(void **state) {
	struct process_end end;
	int release, pid_fd;
	pid_t pid;

	skip_in_valgrind();
	(void)state;
	pid_fd = make_child(&pid, 7, &release);
	watch_process(pid_fd, 0);
	expect_none();
	close_fd(release);
	wait_for_end(pid_fd);
	end = expect_end();
	assert_int_equal(end.pid, pid);
	assert_true(end.status_known);
	assert_int_equal(end.status, 7);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_process_killed(void **state) {
	struct process_end end;
	int release, pid_fd;
	pid_t pid;

	skip_in_valgrind();
	(void)state;
	pid_fd = make_child(&pid, 0, &release);
	watch_process(pid_fd, 0);
	assert_int_equal(kill(pid, SIGTERM), 0);
	wait_for_end(pid_fd);
	end = expect_end();
	assert_true(end.status_known);
	assert_int_equal(end.status, 128 + SIGTERM);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close_fd(release);
}

/* Over before it is watched: told all the same; how it ended only where the kernel remembers. */
static void test_process_that_has_ended(void **state) {
	struct process_end end;
	int release, pid_fd;
	pid_t pid;

	skip_in_valgrind();
	(void)state;
	pid_fd = make_child(&pid, 9, &release);
	close_fd(release);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	watch_process(pid_fd, 0);
	end = expect_end();
	assert_int_equal(end.pid, 0);
	assert_int_equal(end.status, end.status_known ? 9 : 0);
}

/* Somebody else's: only what the kernel tells everybody who has a pidfd. */
static void test_process_of_another_uid(void **state) {
	struct process_end end;
	int release, pid_fd;
	pid_t pid;

	skip_in_valgrind();
	(void)state;
	pid_fd = make_child(&pid, 7, &release);
	close_fd(release);
	wait_for_end(pid_fd);
	process_describe_end(pid_fd, pid, geteuid() + 1, &end);
	assert_false(end.status_known);
	process_describe_end(pid_fd, pid, geteuid(), &end);
	assert_true(end.status_known);
	/* Another process's number is not believed. */
	process_describe_end(pid_fd, getpid(), geteuid(), &end);
	assert_false(end.status_known);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close_fd(pid_fd);
}

static void test_process_timeout(void **state) {
	int release, pid_fd;
	pid_t pid;

	skip_in_valgrind();
	(void)state;
	pid_fd = make_child(&pid, 3, &release);
	watch_process(pid_fd, 10);
	world_pass(&world, 10);
	turn();
	expect_timeout();
	close_fd(release);
	wait_for_end(pid_fd);
	expect_none();
	owner_ack(&client.owner, 1);
	assert_int_equal(expect_end().status, 3);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_acknowledged),
		TEST(test_stale_acknowledgements),
		TEST(test_same_descriptor),
		TEST(test_hang_up),
		TEST(test_error),
		TEST(test_socket),
		TEST(test_cancel),
		TEST(test_handle_in_use),
		TEST(test_not_to_be_waited_for),
		TEST(test_discarded),
		TEST(test_disowned),
		TEST(test_timeout),
		TEST(test_timeout_overtaken),
		TEST(test_process),
		TEST(test_process_killed),
		TEST(test_process_that_has_ended),
		TEST(test_process_of_another_uid),
		TEST(test_process_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
