/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors that the library watches by itself: level, several on one, hangup and error, and that nobody is kept waiting by them. */

#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/unit/client-peer.h"

static struct peer peer;
static struct evl *evl;
static int pipe_fds[2];
static int n_called, n_destroyed;
static struct evl_event last;

static int setup(void **state _unused_) {
	peer_init(&peer);
	n_called = n_destroyed = 0;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	return peer_connect(&peer, &evl);
}

static int teardown(void **state _unused_) {
	evl = evl_close(evl);
	peer_deinit(&peer);
	pipe_fds[0] = close_fd(pipe_fds[0]);
	pipe_fds[1] = close_fd(pipe_fds[1]);
	return 0;
}

static void count(struct evl_source *source _unused_, const struct evl_event *event, void *userdata _unused_) {
	last = *event;
	n_called++;
}

static void destroyed(void *userdata _unused_) {
	n_destroyed++;
}

static size_t count_fds(void) {
	DIR *directory = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static void put_byte(int fd) {
	assert_int_equal(write(fd, "x", 1), 1);
}

static void take_byte(int fd) {
	char byte;

	assert_int_equal(read(fd, &byte, 1), 1);
}

static bool is_readable(int fd) {
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

static void test_level(void **state _unused_) {
	struct evl_source *source;
	uint64_t id;

	assert_int_equal(evl_add_local(evl, &source, pipe_fds[0], EVL_READABLE, count, NULL), 0);
	evl_source_set_destroy(source, destroyed);
	assert_int_equal(evl_dispatch(evl, EVL_MSEC(1)), 0);
	put_byte(pipe_fds[1]);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(evl_dispatch(evl, -1), 1); /* it was not read */
	assert_int_equal(last.type, EVL_EVENT_READY);
	assert_int_equal(last.revents, EVL_READABLE);
	assert_int_equal(last.size, sizeof(last));
	assert_true(last.more);
	assert_in_range(last.fired_ns, evl_time(evl) - EVL_SEC(5), evl_time(evl));
	take_byte(pipe_fds[0]);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(evl_source_id(source, &id), -EINVAL);
	assert_int_equal(evl_source_restart(source, 0), -EINVAL);

	put_byte(pipe_fds[1]);
	assert_int_equal(evl_cancel(source), 1);
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(evl_cancel_sync(source, NULL), 0);
	evl_source_unref(source);
	evl_flush(evl);
	assert_true(peer_is_quiet(&peer)); /* the daemon never heard of it */
}

static void test_hangup(void **state _unused_) {
	struct evl_source *source;

	assert_int_equal(evl_add_local(evl, &source, pipe_fds[0], EVL_READABLE, count, NULL), 0);
	evl_source_set_destroy(source, destroyed);
	put_byte(pipe_fds[1]);
	pipe_fds[1] = close_fd(pipe_fds[1]);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(last.revents, EVL_READABLE | EVL_HANGUP);
	assert_true(last.more);
	take_byte(pipe_fds[0]);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(last.revents, EVL_HANGUP);
	assert_false(last.more);
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(evl_run(evl), 0); /* nothing is left: no spin */
	assert_int_equal(n_called, 2);
	evl_source_unref(source);
}

static void test_error(void **state _unused_) {
	assert_int_equal(evl_add_local(evl, NULL, pipe_fds[1], EVL_WRITABLE, count, NULL), 0);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(last.revents, EVL_WRITABLE);
	pipe_fds[0] = close_fd(pipe_fds[0]);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_true(last.revents & EVL_ERROR);
	assert_false(last.more);
	assert_int_equal(evl_dispatch(evl, 0), 0);
}

/* Reader and writer of one socket, and one more reader: each has its own callback. */
static void test_several_on_one(void **state _unused_) {
	size_t before = count_fds() + 2;
	struct evl_source *sources[3];
	int calls[3] = { 0 }, fds[2];

	assert_int_equal(evl_add_local(evl, NULL, pipe_fds[0], EVL_READABLE, count, NULL), 0); /* the epoll */
	before++;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			evl_add_local(evl, &sources[i], fds[0], i == 1 ? EVL_WRITABLE : EVL_READABLE, count, &calls[i]),
			0);
	assert_int_equal(count_fds(), before + 2);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(last.revents, EVL_WRITABLE);
	put_byte(fds[1]);
	assert_int_equal(evl_dispatch(evl, -1), 3);
	sources[1] = evl_source_unref(sources[1]);
	assert_int_equal(evl_dispatch(evl, -1), 2);
	sources[0] = evl_source_unref(sources[0]);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	sources[2] = evl_source_unref(sources[2]);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(count_fds(), before);
	close_fd(fds[0]);
	close_fd(fds[1]);
}

static void test_refused(void **state _unused_) {
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(evl_add_local(evl, NULL, -1, EVL_READABLE, count, NULL), -EBADF);
	assert_int_equal(evl_add_local(evl, NULL, 999, EVL_READABLE, count, NULL), -EBADF);
	assert_int_equal(evl_add_local(evl, NULL, file, EVL_READABLE, count, NULL), -EPERM);
	assert_int_equal(evl_add_local(evl, NULL, pipe_fds[0], 0, count, NULL), -EINVAL);
	assert_int_equal(evl_add_local(evl, NULL, pipe_fds[0], EVL_HANGUP, count, NULL), -EINVAL);
	assert_int_equal(evl_add_local(evl, NULL, pipe_fds[0], EVL_READABLE, NULL, NULL), -EINVAL);
	close_fd(file);
	assert_int_equal(evl_run(evl), 0); /* none was left behind */
}

/* The one descriptor stands for them, too, whichever came first. */
static void test_in_other_loops(void **state _unused_) {
	struct evl_source *source;
	struct evl *other;
	int fd;

	put_byte(pipe_fds[1]);
	assert_int_equal(evl_add_local(evl, &source, pipe_fds[0], EVL_READABLE, count, NULL), 0);
	fd = evl_fd(evl);
	assert_true(is_readable(fd));
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_true(is_readable(fd));
	take_byte(pipe_fds[0]);
	assert_false(is_readable(fd));
	evl_source_unref(source);

	assert_int_equal(peer_connect(&peer, &other), 0);
	fd = evl_fd(other);
	assert_false(is_readable(fd));
	assert_int_equal(evl_add_local(other, NULL, pipe_fds[0], EVL_READABLE, count, NULL), 0);
	assert_false(is_readable(fd));
	put_byte(pipe_fds[1]);
	assert_true(is_readable(fd));
	evl_close(other);
}

struct trio {
	struct evl_source *sources[3];
};

static void cancel_others(struct evl_source *source, const struct evl_event *event, void *userdata) {
	struct trio *trio = userdata;

	count(source, event, NULL);
	for (int i = 0; i < 3; i++)
		if (trio->sources[i] != source)
			trio->sources[i] = evl_source_unref(trio->sources[i]);
}

/* All are ready in one batch; the first cancels and frees the others. */
static void test_cancel_in_callback(void **state _unused_) {
	struct trio trio;

	put_byte(pipe_fds[1]);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(evl_add_local(evl, &trio.sources[i], pipe_fds[0], EVL_READABLE, cancel_others, &trio),
				 0);
		evl_source_set_destroy(trio.sources[i], destroyed);
	}
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(n_destroyed, 2);
	for (int i = 0; i < 3; i++)
		evl_source_unref(trio.sources[i]);
	assert_int_equal(n_destroyed, 3);
}

static void close_all(struct evl_source *source, const struct evl_event *event, void *userdata _unused_) {
	count(source, event, NULL);
	evl = evl_close(evl);
}

static void test_close_in_callback(void **state _unused_) {
	put_byte(pipe_fds[1]);
	for (int i = 0; i < 3; i++)
		assert_int_equal(evl_add_local(evl, NULL, pipe_fds[0], EVL_READABLE, close_all, NULL), 0);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_null(evl);
}

static void stop_at(struct evl_source *source, const struct evl_event *event, void *userdata) {
	count(source, event, NULL);
	if (n_called == 1000)
		evl_stop(userdata);
}

static int n_fired;

static void fired(struct evl_source *source _unused_, const struct evl_event *event _unused_, void *userdata _unused_) {
	n_fired++;
}

/* A descriptor that is always ready, and events that come all the time: both go on. */
static void test_fairness(void **state _unused_) {
	uint64_t handle;

	n_fired = 0;
	put_byte(pipe_fds[1]);
	assert_int_equal(evl_add_local(evl, NULL, pipe_fds[0], EVL_READABLE, stop_at, evl), 0);
	assert_int_equal(evl_call_every(evl, NULL, EVL_SEC(1), fired, NULL), 0);
	evl_flush(evl);
	handle = peer_expect_arm(&peer, NULL);
	for (uint64_t i = 1; i <= 100; i++)
		peer_fire(&peer, handle, i);
	for (int i = 1; i <= 100; i++) {
		assert_int_equal(evl_dispatch(evl, -1), 2);
		assert_int_equal(n_fired, i);
		assert_int_equal(n_called, i);
	}
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 1000);
}

/* It goes on where the daemon is lost, and does not hide the loss. */
static void test_loss(void **state _unused_) {
	put_byte(pipe_fds[1]);
	assert_int_equal(evl_add_local(evl, NULL, pipe_fds[0], EVL_READABLE, count, NULL), 0);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	peer_hang_up(&peer);
	assert_int_equal(evl_run(evl), -ECONNRESET);
	assert_int_equal(evl_dispatch(evl, -1), -ENOTCONN);
	assert_int_equal(peer_reconnect(&peer, evl), 0);
	n_called = 0;
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(n_called, 1);
}

/* The child has the parent's epoll, and must not touch it. */
static void test_child(void **state _unused_) {
	struct evl_source *source;
	int status;
	pid_t pid;

	assert_int_equal(evl_add_local(evl, &source, pipe_fds[0], EVL_READABLE, count, NULL), 0);
	pid = fork();
	if (pid == 0) {
		bool good = evl_add_local(evl, NULL, pipe_fds[0], EVL_READABLE, count, NULL) == -ECHILD &&
			    evl_cancel(source) == -ECHILD;

		evl_source_unref(source);
		evl_close(evl);
		_exit(!good);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	put_byte(pipe_fds[1]);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	evl_source_unref(source);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_level),
		TEST(test_hangup),
		TEST(test_error),
		TEST(test_several_on_one),
		TEST(test_refused),
		TEST(test_in_other_loops),
		TEST(test_cancel_in_callback),
		TEST(test_close_in_callback),
		TEST(test_fairness),
		TEST(test_loss),
		TEST(test_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
