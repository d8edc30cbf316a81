/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watches, topics and the executor of the library against a real daemon. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "client/evloop.h"
#include "tests/e2e/daemon-fixture.h"

static struct daemon *server;
static struct evl *evl;
static int pipe_fds[2];
static int n_called, n_errors, last_error;
static struct evl_event last;
static char last_message[256], last_data[64], last_paths[512];

static int setup_group(void **state _unused_) {
	return daemon_start(&server, NULL);
}

static int teardown_group(void **state _unused_) {
	return daemon_stop(server);
}

static int setup(void **state _unused_) {
	n_called = n_errors = last_error = 0;
	last = (struct evl_event){ 0 };
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	return evl_connect(&evl, daemon_socket(server));
}

static int teardown(void **state _unused_) {
	evl = evl_close(evl);
	pipe_fds[0] = close_fd(pipe_fds[0]);
	pipe_fds[1] = close_fd(pipe_fds[1]);
	return 0;
}

static void count(struct evl_source *source _unused_, const struct evl_event *event, void *userdata _unused_) {
	last = *event;
	last_paths[0] = last_data[0] = '\0';
	for (size_t i = 0; i < event->n_changes; i++)
		for (uint32_t bit = EVL_CREATED; bit <= EVL_DELETED; bit <<= 1)
			if (event->changes[i].changes & bit)
				(void)snprintf(last_paths + strlen(last_paths), sizeof(last_paths) - strlen(last_paths),
					       "%u:%s;", bit, event->changes[i].path);
	if (event->data)
		(void)snprintf(last_data, sizeof(last_data), "%s", (const char *)event->data);
	n_called++;
}

static void failed(struct evl *connection _unused_, struct evl_source *source _unused_, int error, const char *message,
		   void *userdata _unused_) {
	last_error = error;
	(void)snprintf(last_message, sizeof(last_message), "%s", message);
	n_errors++;
}

static void put_byte(int fd) {
	assert_int_equal(write(fd, "x", 1), 1);
}

static void take_byte(int fd) {
	char byte;

	assert_int_equal(read(fd, &byte, 1), 1);
}

/* One event, and not one more. */
static void expect_one(void) {
	int before = n_called;

	assert_int_equal(evl_dispatch(evl, EVL_SEC(10)), 1);
	assert_int_equal(n_called, before + 1);
}

/* All that was sent has been handled, and nothing came of it. */
static void expect_none(void) {
	int before = n_called;

	assert_int_equal(evl_roundtrip(evl), 0);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(n_called, before);
}

/* ---- descriptors -------------------------------------------------------------------------------------------- */

static void test_reader(void **state _unused_) {
	struct evl_source *source;

	assert_int_equal(evl_add_reader(evl, &source, pipe_fds[0], count, NULL), 0);
	expect_none();
	put_byte(pipe_fds[1]);
	expect_one();
	assert_int_equal(last.type, EVL_EVENT_READY);
	assert_int_equal(last.revents, EVL_READABLE);
	assert_int_equal(last.fire_seq, 1);
	expect_one(); /* it was left unread */
	assert_int_equal(last.fire_seq, 2);
	take_byte(pipe_fds[0]);
	/* The last acknowledgement may have come before it was read, so there may be one more event. */
	while (evl_roundtrip(evl) == 0 && evl_dispatch(evl, 0) > 0)
		;
	expect_none();

	put_byte(pipe_fds[1]);
	pipe_fds[1] = close_fd(pipe_fds[1]);
	while (!(last.revents & EVL_HANGUP))
		expect_one();
	assert_int_equal(last.revents, EVL_READABLE | EVL_HANGUP);
	assert_true(last.more);
	take_byte(pipe_fds[0]);
	while (last.more)
		expect_one();
	assert_int_equal(last.revents, EVL_HANGUP);
	assert_int_equal(evl_cancel(source), 0);
	evl_source_unref(source);
}

/* What is always ready is told once for each acknowledgement, and not at all after cancelling. */
static void test_always_ready(void **state _unused_) {
	struct evl_source *source;

	assert_int_equal(evl_add_writer(evl, &source, pipe_fds[1], count, NULL), 0);
	for (int i = 1; i <= 100; i++) {
		expect_one();
		assert_int_equal(last.revents, EVL_WRITABLE);
		assert_int_equal(last.fires, 1);
		assert_int_equal(last.fire_seq, i);
	}
	evl_source_unref(source);
	expect_none();
}

static void test_full_socket(void **state _unused_) {
	char data[4096] = "";
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	while (write(fds[0], data, sizeof(data)) > 0)
		;
	assert_int_equal(evl_add_writer(evl, NULL, fds[0], count, NULL), 0);
	expect_none();
	while (read(fds[1], data, sizeof(data)) > 0)
		;
	expect_one();
	assert_int_equal(last.revents, EVL_WRITABLE);
	close_fd(fds[0]);
	close_fd(fds[1]);
}

static void test_several_on_one(void **state _unused_) {
	int calls = 0;

	put_byte(pipe_fds[1]);
	for (int i = 0; i < 5; i++)
		assert_int_equal(evl_add_reader(evl, NULL, pipe_fds[0], count, NULL), 0);
	while (calls < 5) {
		int r = evl_dispatch(evl, EVL_SEC(10));

		assert_in_range(r, 1, 5);
		calls += r;
	}
}

static void test_refused(void **state _unused_) {
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	evl_set_error_handler(evl, failed, NULL);
	assert_int_equal(evl_add_reader(evl, NULL, file, count, NULL), 0);
	assert_int_equal(evl_dispatch(evl, EVL_SEC(10)), 1);
	assert_int_equal(last_error, -EINVAL);
	assert_non_null(strstr(last_message, "regular file"));
	assert_int_equal(n_called, 0);
	close_fd(file);
}

static void test_timeout(void **state _unused_) {
	struct evl_watch watch = EVL_WATCH_INIT;

	watch.fd = pipe_fds[0];
	watch.timeout_ns = EVL_MSEC(20);
	assert_int_equal(evl_watch_add(evl, NULL, &watch, count, NULL), 0);
	expect_one();
	assert_int_equal(last.type, EVL_EVENT_TIMEOUT);
	expect_one(); /* again from the acknowledgement on */
	assert_int_equal(last.type, EVL_EVENT_TIMEOUT);
	put_byte(pipe_fds[1]);
	while (last.type == EVL_EVENT_TIMEOUT)
		expect_one();
	assert_int_equal(last.type, EVL_EVENT_READY);
}

/* Three events in a row of what is always ready, and of a timer, through a rate of one an hour: one each. */
static void test_limiter(void **state _unused_) {
	struct evl_limit limit = EVL_RATE_BURST(1, EVL_SEC(3600), 1);
	struct evl_watch watch = EVL_WATCH_INIT;
	struct evl_timer timer = EVL_TIMER_INIT;
	struct evl_limiter *limiter;

	limit.keyed = true;
	assert_int_equal(evl_limiter_open(evl, &limiter, "gate", &limit), 0);
	evl_limiter_close(limiter);
	watch.fd = pipe_fds[1];
	watch.events = EVL_WRITABLE;
	watch.limiter = "gate";
	watch.limiter_key = "watch";
	assert_int_equal(evl_watch_add(evl, NULL, &watch, count, NULL), 0);
	expect_one();
	expect_none();
	timer.period_ns = EVL_MSEC(1);
	timer.limiter = "gate";
	timer.limiter_key = "timer";
	assert_int_equal(evl_timer_add(evl, NULL, &timer, count, NULL), 0);
	expect_one();
	assert_int_equal(last.type, EVL_EVENT_FIRED);
	assert_int_equal(evl_dispatch(evl, EVL_MSEC(30)), 0);
	timer.detached = true;
	assert_int_equal(evl_timer_add(evl, NULL, &timer, count, NULL), -EINVAL);
	watch.limiter = "no-such-limiter";
	assert_int_equal(evl_watch_add(evl, NULL, &watch, count, NULL), 0);
	assert_int_equal(evl_roundtrip(evl), -ENOENT);
}

/* ---- in callbacks ------------------------------------------------------------------------------------------- */

static struct evl_source *sources[10];

static void cancel_all(struct evl_source *source, const struct evl_event *event, void *userdata) {
	count(source, event, userdata);
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		sources[i] = evl_source_unref(sources[i]);
}

static void test_cancel_in_callback(void **state _unused_) {
	put_byte(pipe_fds[1]);
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		assert_int_equal(evl_add_reader(evl, &sources[i], pipe_fds[0], cancel_all, NULL), 0);
	expect_one();
	expect_none();
	assert_int_equal(evl_run(evl), 0); /* no source is left */
}

static void close_all(struct evl_source *source, const struct evl_event *event, void *userdata) {
	count(source, event, userdata);
	evl = evl_close(evl);
}

static void test_close_in_callback(void **state _unused_) {
	put_byte(pipe_fds[1]);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(evl_add_reader(evl, NULL, pipe_fds[0], close_all, NULL), 0);
	assert_int_equal(evl_dispatch(evl, EVL_SEC(10)), 1);
	assert_null(evl);
	assert_int_equal(n_called, 1);
}

/* ---- processes ---------------------------------------------------------------------------------------------- */

static void test_child(void **state _unused_) {
	struct evl_source *source;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		char byte;

		(void)fcntl(pipe_fds[0], F_SETFL, 0);
		_exit(read(pipe_fds[0], &byte, 1) == 1 && evl_watch_pid(evl, NULL, 1, count, NULL) == -ECHILD ? 7 : 1);
	}
	assert_int_equal(evl_watch_pid(evl, &source, pid, count, NULL), 0);
	expect_none();
	put_byte(pipe_fds[1]);
	expect_one();
	assert_int_equal(last.type, EVL_EVENT_PROCESS);
	assert_int_equal(last.pid, pid);
	assert_int_equal(last.status, 7);
	assert_false(last.more);
	assert_int_equal(waitpid(pid, &status, 0), pid); /* it was left to us */
	assert_int_equal(evl_watch_pid(evl, NULL, pid, count, NULL), -ESRCH);
	evl_source_unref(source);
}

/* Somebody else's child, which the kernel says something of, or does not. */
static void test_grandchild(void **state _unused_) {
	pid_t grandchild = 0, child = fork();

	if (child == 0) {
		grandchild = fork();
		if (grandchild == 0) {
			(void)pause();
			_exit(0);
		}
		assert_int_equal(write(pipe_fds[1], &grandchild, sizeof(grandchild)), sizeof(grandchild));
		_exit(0);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(read(pipe_fds[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	assert_int_equal(evl_watch_pid(evl, NULL, grandchild, count, NULL), 0);
	expect_none();
	assert_int_equal(kill(grandchild, SIGKILL), 0);
	expect_one();
	assert_int_equal(last.pid, grandchild);
	assert_true(last.status == 128 + SIGKILL || last.status == -1);
}

/* ---- paths -------------------------------------------------------------------------------------------------- */

static char directory[64];

static void write_file(const char *name) {
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	put_byte(fd);
	close_fd(fd);
}

/* Dispatch until that path has been told with that change. */
static void expect_change(const char *path, uint32_t change) {
	char wanted[64];

	(void)snprintf(wanted, sizeof(wanted), "%u:%s;", change, path);
	do {
		assert_int_equal(evl_dispatch(evl, EVL_SEC(10)), 1);
		assert_int_equal(last.type, EVL_EVENT_CHANGED);
		assert_int_equal(last.error, 0);
		assert_null(strstr(last_paths, "not.o"));
	} while (!strstr(last_paths, wanted));
}

static void test_path(void **state _unused_) {
	struct evl_watch watch = EVL_WATCH_INIT;
	const char *const exclude[] = { "*.o", NULL };
	char before[PATH_MAX], name[PATH_MAX], other[PATH_MAX];

	strcpy(directory, "/tmp/test-watch-XXXXXX");
	assert_non_null(mkdtemp(directory));
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(directory), 0);
	watch.path = ".";
	watch.recursive = true;
	watch.exclude = exclude;
	assert_int_equal(evl_watch_add(evl, NULL, &watch, count, NULL), 0);
	assert_int_equal(chdir(before), 0);
	assert_int_equal(evl_roundtrip(evl), 0);
	/* It is set up by another process; whoever must know waits for the first change. */
	do
		write_file("first");
	while (evl_dispatch(evl, EVL_MSEC(50)) == 0);
	write_file("not.o");
	write_file("a");
	expect_change("a", EVL_CREATED);
	(void)snprintf(name, sizeof(name), "%s/a", directory);
	(void)snprintf(other, sizeof(other), "%s/b", directory);
	assert_int_equal(rename(name, other), 0);
	expect_change("b", EVL_MOVED);
	assert_int_equal(unlink(other), 0);
	expect_change("b", EVL_DELETED);
	assert_int_equal(mkdir(name, 0700), 0);
	expect_change("a", EVL_CREATED);
	write_file("a/deep");
	expect_change("a/deep", EVL_CREATED);
	(void)snprintf(name, sizeof(name), "rm -rf %s", directory);
	assert_int_equal(system(name), 0);
}

static void test_no_path(void **state _unused_) {
	assert_int_equal(evl_watch_path(evl, NULL, "/no/such/folder/file", count, NULL), 0);
	expect_one();
	assert_int_equal(last.type, EVL_EVENT_CHANGED);
	assert_int_equal(last.error, -ENOENT);
	assert_false(last.more);
}

/* ---- topics ------------------------------------------------------------------------------------------------- */

static void test_topic(void **state _unused_) {
	struct evl *other;

	assert_int_equal(evl_connect(&other, daemon_socket(server)), 0);
	assert_int_equal(evl_emit(other, "news", "nobody", 6), 0);
	assert_int_equal(evl_subscribe(evl, NULL, "news", count, NULL), 0);
	assert_int_equal(evl_roundtrip(evl), 0);
	for (int i = 1; i <= 1000; i++) {
		char number[16];
		int n = snprintf(number, sizeof(number), "%d", i);

		if (i % 2)
			assert_int_equal(evl_emit(other, "news", number, (size_t)n), 1);
		else
			assert_int_equal(evl_emit_async(other, "news", number, (size_t)n), 0);
		assert_int_equal(evl_flush(other), 0);
		expect_one();
		assert_int_equal(last.type, EVL_EVENT_MESSAGE);
		assert_string_equal(last_data, number);
		assert_int_equal(last.fire_seq, i);
		assert_int_equal(last.gap_first, 0);
	}
	evl_close(other);
	assert_int_equal(evl_emit_async(evl, "1st", "", 0), 0);
	assert_int_equal(evl_roundtrip(evl), -EINVAL);
}

static void sum(struct evl_source *source, const struct evl_event *event, void *userdata) {
	uint64_t *lost = userdata;

	count(source, event, NULL);
	if (event->gap_first)
		*lost += event->gap_last - event->gap_first + 1;
}

/* Who does not take them keeps the last 64, and is told how many are lacking; who merges has the last one. */
static void test_gap(void **state _unused_) {
	struct evl_subscription subscription = EVL_SUBSCRIPTION_INIT;
	struct evl *merging, *emitting;
	uint64_t lost = 0, n = 20000;

	subscription.topic = "flood";
	subscription.queue = 0;
	assert_int_equal(evl_connect(&merging, daemon_socket(server)), 0);
	assert_int_equal(evl_connect(&emitting, daemon_socket(server)), 0);
	assert_int_equal(evl_subscribe(evl, NULL, "flood", sum, &lost), 0);
	assert_int_equal(evl_roundtrip(evl), 0);
	assert_int_equal(evl_subscription_add(merging, NULL, &subscription, count, NULL), 0);
	assert_int_equal(evl_roundtrip(merging), 0);
	for (uint64_t i = 1; i <= n; i++)
		assert_int_equal(evl_emit_async(emitting, "flood", &i, sizeof(i)), 0);
	assert_int_equal(evl_roundtrip(emitting), 0);
	while (last.fire_seq < n)
		assert_in_range(evl_dispatch(evl, EVL_SEC(10)), 1, n);
	assert_true(lost > 0);
	assert_int_equal((uint64_t)n_called + lost, n);

	n_called = 0;
	last.fire_seq = 0;
	for (uint64_t fires = 0; fires < n; fires += last.fires)
		assert_int_equal(evl_dispatch(merging, EVL_SEC(10)) > 0, 1);
	assert_int_equal(last.fire_seq, n);
	evl_close(merging);
	evl_close(emitting);
}

/* ---- all together ------------------------------------------------------------------------------------------- */

static void *copy_byte(void *userdata) {
	put_byte(*(int *)userdata);
	return userdata;
}

/* Which comes last is open. */
static void count_to_three(struct evl_source *source, const struct evl_event *event, void *userdata _unused_) {
	count(source, event, NULL);
	if (event->type == EVL_EVENT_MESSAGE)
		assert_string_equal(last_data, "work");
	if (n_called == 3)
		evl_stop(evl);
}

static void take_and_emit(struct evl_source *source, const struct evl_event *event, void *userdata) {
	take_byte(*(int *)userdata);
	assert_int_equal(evl_emit_async(evl, "done", "work", 4), 0);
	count_to_three(source, event, NULL);
}

/* A thread writes to a pipe that is read here, what was read is told as a message, and that ends the loop. */
static void test_together(void **state _unused_) {
	assert_int_equal(evl_subscribe(evl, NULL, "done", count_to_three, NULL), 0);
	assert_int_equal(evl_add_local(evl, NULL, pipe_fds[0], EVL_READABLE, take_and_emit, &pipe_fds[0]), 0);
	assert_int_equal(evl_run_in_executor(evl, NULL, copy_byte, count_to_three, &pipe_fds[1]), 0);
	assert_int_equal(evl_run(evl), 0);
	assert_int_equal(n_called, 3);
}

static void test_reconnect(void **state _unused_) {
	struct evl_subscription subscription = EVL_SUBSCRIPTION_INIT;
	struct evl_watch watch = EVL_WATCH_INIT;

	watch.fd = pipe_fds[0];
	watch.rearm = true;
	subscription.topic = "again";
	subscription.rearm = true;
	assert_int_equal(evl_watch_add(evl, NULL, &watch, count, NULL), 0);
	assert_int_equal(evl_subscription_add(evl, NULL, &subscription, count, NULL), 0);
	assert_int_equal(evl_add_writer(evl, NULL, pipe_fds[1], close_all, NULL), 0); /* not armed again */
	assert_int_equal(evl_flush(evl), 0);
	daemon_kill(server);
	assert_int_equal(evl_roundtrip(evl), -ECONNRESET);
	assert_int_equal(daemon_again(server), 0);
	assert_int_equal(evl_reconnect(evl), 0);
	put_byte(pipe_fds[1]);
	assert_int_equal(evl_dispatch(evl, EVL_SEC(10)), 1);
	assert_int_equal(last.type, EVL_EVENT_READY);
	assert_int_equal(last.revents, EVL_READABLE);
	take_byte(pipe_fds[0]);
	assert_int_equal(evl_emit(evl, "again", "hello", 5), 1);
	while (last.type != EVL_EVENT_MESSAGE)
		assert_int_equal(evl_dispatch(evl, EVL_SEC(10)), 1);
	assert_string_equal(last_data, "hello");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_reader),
		TEST(test_always_ready),
		TEST(test_full_socket),
		TEST(test_several_on_one),
		TEST(test_refused),
		TEST(test_timeout),
		TEST(test_limiter),
		TEST(test_cancel_in_callback),
		TEST(test_close_in_callback),
		TEST(test_child),
		TEST(test_grandchild),
		TEST(test_path),
		TEST(test_no_path),
		TEST(test_topic),
		TEST(test_gap),
		TEST(test_together),
		TEST(test_reconnect),
	};

	return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
