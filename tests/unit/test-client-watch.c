/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watches of the library: what is sent for them and with which descriptor, what their events say, when they are acknowledged, and that
 * arming never waits.
 */

#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "client/call.h"
#include "proto/limits.h"
#include "tests/unit/client-peer.h"

static struct peer peer;
static struct evl *evl;
static int pipe_fds[2];
static int n_called, n_destroyed;
static struct evl_event last;
static char last_paths[256];

static int setup(void **state _unused_) {
	peer_init(&peer);
	n_called = n_destroyed = 0;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	return peer_connect(&peer, &evl);
}

static int teardown(void **state _unused_) {
	evl = evl_close(evl);
	peer_deinit(&peer);
	close_fd(pipe_fds[0]);
	close_fd(pipe_fds[1]);
	return 0;
}

static void count(struct evl_source *source _unused_, const struct evl_event *event, void *userdata _unused_) {
	last = *event;
	last_paths[0] = '\0';
	for (size_t i = 0; i < event->n_changes; i++)
		(void)snprintf(last_paths + strlen(last_paths), sizeof(last_paths) - strlen(last_paths), "%u:%s ",
			       event->changes[i].changes, event->changes[i].path);
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

static bool same_file(int a, int b) {
	struct stat st_a, st_b;

	return fstat(a, &st_a) == 0 && fstat(b, &st_b) == 0 && st_a.st_ino == st_b.st_ino && st_a.st_dev == st_b.st_dev;
}

/* The next frame must be a WATCH_FD of `pipe_fds[0]`.  Return: its handle. */
static uint64_t expect_reader(Evloop__WatchFdRequest **ret) {
	Evloop__WatchFdRequest *request;
	uint64_t handle;
	int fd;

	evl_flush(evl);
	request = (Evloop__WatchFdRequest *)peer_expect_message(&peer, EVLOOP__METHOD__METHOD_WATCH_FD, &fd);
	assert_true(same_file(fd, pipe_fds[0]));
	close_fd(fd);
	handle = request->handle;
	if (ret)
		*ret = request;
	else
		evloop__watch_fd_request__free_unpacked(request, NULL);
	return handle;
}

static uint64_t add_reader(struct evl_source **ret, evl_callback callback, void *userdata) {
	assert_int_equal(evl_add_reader(evl, ret, pipe_fds[0], callback, userdata), 0);
	return expect_reader(NULL);
}

static void tell_ready(uint64_t handle, uint32_t readiness, bool more) {
	Evloop__Event event = EVLOOP__EVENT__INIT;

	event.type = EVLOOP__EVENT_TYPE__EVENT_READY;
	event.handle = handle;
	event.id = 7;
	event.fires = 1;
	event.fire_seq = 1;
	event.fired_ns = 5000;
	event.readiness = readiness;
	event.more = more;
	peer_tell(&peer, &event);
}

/* The next frame must be an ACK of exactly these. */
static void expect_ack(const uint64_t *handles, size_t n) {
	Evloop__AckRequest *request =
		(Evloop__AckRequest *)peer_expect_message(&peer, EVLOOP__METHOD__METHOD_ACK, NULL);

	assert_int_equal(request->n_handles, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(request->handles[i], handles[i]);
	evloop__ack_request__free_unpacked(request, NULL);
}

/* ---- descriptors -------------------------------------------------------------------------------------------- */

static void test_reader(void **state _unused_) {
	size_t before = count_fds();
	Evloop__WatchFdRequest *request;
	struct evl_source *source;
	uint64_t handle, id;

	assert_int_equal(evl_add_reader(evl, &source, pipe_fds[0], count, NULL), 0);
	handle = expect_reader(&request);
	assert_int_equal(request->events, EVLOOP__READINESS__READINESS_READABLE);
	assert_int_equal(request->timeout_ns, 0);
	assert_null(request->gate);
	evloop__watch_fd_request__free_unpacked(request, NULL);
	assert_int_equal(count_fds(), before); /* the copy has gone with the packet */

	tell_ready(handle, EVLOOP__READINESS__READINESS_READABLE | EVLOOP__READINESS__READINESS_HANGUP, true);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(last.type, EVL_EVENT_READY);
	assert_int_equal(last.revents, EVL_READABLE | EVL_HANGUP);
	assert_int_equal(last.fired_ns, 5000);
	assert_int_equal(last.fires, 1);
	assert_true(last.more);
	expect_ack(&handle, 1);
	assert_int_equal(evl_source_id(source, &id), 0);
	assert_int_equal(id, 7);
	assert_int_equal(evl_source_restart(source, 0), -EINVAL);

	evl_source_set_destroy(source, destroyed);
	tell_ready(handle, EVLOOP__READINESS__READINESS_HANGUP, false);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_false(last.more);
	assert_int_equal(n_destroyed, 1);
	evl_flush(evl);
	assert_true(peer_is_quiet(&peer)); /* nothing to acknowledge */
	assert_int_equal(evl_cancel(source), 0);
	evl_source_unref(source);
}

static void test_writer(void **state _unused_) {
	Evloop__WatchFdRequest *request;

	assert_int_equal(evl_add_writer(evl, NULL, pipe_fds[0], count, NULL), 0);
	expect_reader(&request);
	assert_int_equal(request->events, EVLOOP__READINESS__READINESS_WRITABLE);
	evloop__watch_fd_request__free_unpacked(request, NULL);
}

static void test_all_of_a_descriptor(void **state _unused_) {
	struct evl_watch watch = EVL_WATCH_INIT;
	Evloop__WatchFdRequest *request;

	watch.fd = pipe_fds[0];
	watch.events = EVL_READABLE | EVL_WRITABLE;
	watch.timeout_ns = EVL_SEC(3);
	watch.limiter = "rate";
	watch.limiter_key = "key";
	assert_int_equal(evl_watch_add(evl, NULL, &watch, count, NULL), 0);
	expect_reader(&request);
	assert_int_equal(request->events, 3);
	assert_int_equal(request->timeout_ns, EVL_SEC(3));
	assert_string_equal(request->gate->limiter, "rate");
	assert_int_equal(request->gate->key.len, 3);
	assert_int_equal(request->gate->cost, 0);
	evloop__watch_fd_request__free_unpacked(request, NULL);
}

static void test_timeout(void **state _unused_) {
	Evloop__Event event = EVLOOP__EVENT__INIT;
	uint64_t handle = add_reader(NULL, count, NULL);

	event.type = EVLOOP__EVENT_TYPE__EVENT_TIMEOUT;
	event.handle = handle;
	event.more = true;
	peer_tell(&peer, &event);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(last.type, EVL_EVENT_TIMEOUT);
	expect_ack(&handle, 1);
}

static void test_closed_at_once(void **state _unused_) {
	int copy = dup(pipe_fds[0]), fd;
	Evloop__WatchFdRequest *request;

	assert_int_equal(evl_add_reader(evl, NULL, copy, count, NULL), 0);
	close_fd(copy);
	evl_flush(evl);
	request = (Evloop__WatchFdRequest *)peer_expect_message(&peer, EVLOOP__METHOD__METHOD_WATCH_FD, &fd);
	evloop__watch_fd_request__free_unpacked(request, NULL);
	assert_true(same_file(fd, pipe_fds[0]));
	close_fd(fd);
}

static void test_refused(void **state _unused_) {
	struct evl_source *source;
	uint64_t handle = add_reader(&source, count, NULL);

	evl_source_set_destroy(source, destroyed);
	peer_refuse(&peer, handle, EVLOOP__STATUS__STATUS_INVALID, "a regular file");
	assert_int_equal(evl_dispatch(evl, -1), -EINVAL);
	assert_string_equal(evl_error_message(evl), "a regular file");
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(n_called, 0);
	evl_source_unref(source);
}

static void test_bad_watches(void **state _unused_) {
	static const char *const too_many[PATH_EXCLUDES_MAX + 2] = { [0 ... PATH_EXCLUDES_MAX] = "x" };
	const struct {
		struct evl_watch watch;
		int error;
	} bad[] = {
		{ EVL_WATCH_INIT, -EINVAL },
		{ { .size = sizeof(struct evl_watch), .fd = 0, .pid = 1, .pid_fd = -1 }, -EINVAL },
		{ { .size = sizeof(struct evl_watch), .fd = 0, .pid_fd = -1, .path = "x" }, -EINVAL },
		{ { .size = sizeof(struct evl_watch), .fd = 0, .pid_fd = -1, .events = EVL_HANGUP }, -EINVAL },
		{ { .size = sizeof(struct evl_watch), .fd = 0, .pid_fd = -1, .recursive = true }, -EINVAL },
		{ { .size = sizeof(struct evl_watch), .fd = 0, .pid_fd = -1, .settle_ns = 1 }, -EINVAL },
		{ { .size = sizeof(struct evl_watch), .fd = 0, .pid_fd = -1, .timeout_ns = -1 }, -ERANGE },
		{ { .size = sizeof(struct evl_watch), .fd = 0, .pid_fd = -1, .limiter_key = "k" }, -EINVAL },
		{ { .size = sizeof(struct evl_watch), .fd = -1, .pid = 1, .pid_fd = -1, .limiter = "l" }, -EINVAL },
		{ { .size = sizeof(struct evl_watch), .fd = -1, .pid = 1, .pid_fd = -1, .events = 1 }, -EINVAL },
		{ { .size = sizeof(struct evl_watch), .fd = -1, .pid_fd = -1, .path = "x", .settle_ns = -1 }, -ERANGE },
		{ { .size = sizeof(struct evl_watch), .fd = -1, .pid_fd = -1, .path = "x", .exclude = too_many },
		  -EINVAL },
		{ { .size = sizeof(struct evl_watch), .fd = -1, .pid_fd = -1, .path = "" }, -EINVAL },
		{ { .size = 4, .fd = 0, .pid_fd = -1 }, -EINVAL },
		{ { .size = sizeof(struct evl_watch), .fd = 999, .pid_fd = -1 }, -EBADF },
		{ { .size = sizeof(struct evl_watch), .fd = 999, .pid_fd = -1, .rearm = true }, -EBADF },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(evl_watch_add(evl, NULL, &bad[i].watch, count, NULL), bad[i].error);
	assert_int_equal(evl_add_reader(evl, NULL, -1, count, NULL), -EBADF);
	assert_int_equal(evl_add_writer(evl, NULL, 999, count, NULL), -EBADF);
	assert_int_equal(evl_add_reader(evl, NULL, 0, NULL, NULL), -EINVAL);
	evl_flush(evl);
	assert_true(peer_is_quiet(&peer));
}

/* Where this process may open no more, those that wait to be sent make room. */
static void test_no_more_descriptors(void **state _unused_) {
	struct rlimit all, few;
	int probe = dup(0), r;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = all;
	few.rlim_cur = (rlim_t)probe + 1; /* one can be open beside those that are */
	close_fd(probe);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	r = evl_add_reader(evl, NULL, pipe_fds[0], count, NULL);
	for (int i = 0; i < 20 && r == 0; i++)
		r = evl_add_reader(evl, NULL, pipe_fds[0], count, NULL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	assert_int_equal(r, 0);
	for (int i = 0; i < 21; i++)
		expect_reader(NULL);
}

/* A daemon that does not read: thousands are armed all the same, each with its descriptor, and none is mixed up. */
static void test_never_waits(void **state _unused_) {
	size_t before = count_fds(), n = 0;
	struct pollfd poll_fd = { .fd = peer.fd, .events = POLLIN };
	int other_fds[2];

	assert_int_equal(pipe2(other_fds, O_CLOEXEC), 0);
	for (; n < 600; n++)
		assert_int_equal(evl_add_reader(evl, NULL, n % 3 ? other_fds[0] : pipe_fds[0], count, NULL), 0);
	assert_int_equal(poll(&poll_fd, 1, 0), 1);
	for (size_t i = 0; i < n; i++) {
		ProtobufCMessage *request;
		int fd;

		evl_flush(evl);
		request = peer_expect_message(&peer, EVLOOP__METHOD__METHOD_WATCH_FD, &fd);
		protobuf_c_message_free_unpacked(request, NULL);
		assert_true(same_file(fd, i % 3 ? other_fds[0] : pipe_fds[0]));
		close_fd(fd);
	}
	close_fd(other_fds[0]);
	close_fd(other_fds[1]);
	assert_int_equal(count_fds(), before);
}

static void test_close_with_unsent(void **state _unused_) {
	size_t before = count_fds();

	evl_set_timeout(evl, 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(evl_add_reader(evl, NULL, pipe_fds[0], count, NULL), 0);
	peer_hang_up(&peer);
	evl = evl_close(evl);
	assert_in_range(count_fds(), 0, before - 1);
}

/* ---- acknowledging ------------------------------------------------------------------------------------------ */

static void put_ready(struct packet *packet, uint64_t handle) {
	Evloop__Event event = EVLOOP__EVENT__INIT;

	event.type = EVLOOP__EVENT_TYPE__EVENT_READY;
	event.handle = handle;
	event.readiness = EVLOOP__READINESS__READINESS_READABLE;
	event.more = true;
	assert_int_equal(
		packet_put(packet, FRAME_EVENT, EVLOOP__METHOD__METHOD_EVENT, ++peer.sequence, &event.base, NULL, 0),
		0);
}

static void cancel_other(struct evl_source *source _unused_, const struct evl_event *event, void *userdata) {
	struct evl_source **other = userdata;

	count(NULL, event, NULL);
	if (*other)
		*other = evl_source_unref(*other);
}

/* One frame for the batch; what is cancelled meanwhile, by its own callback or an earlier or a later one, is not in it. */
static void test_one_ack_for_all(void **state _unused_) {
	struct evl_source *sources[4] = { NULL };
	uint64_t handles[4];
	uint8_t buffer[4096];
	struct packet packet;

	packet_init(&packet, buffer, sizeof(buffer));
	handles[0] = add_reader(&sources[0], count, NULL);
	handles[1] = add_reader(&sources[1], cancel_other, &sources[1]); /* itself */
	handles[2] = add_reader(&sources[2], cancel_other, &sources[0]);
	handles[3] = add_reader(&sources[3], count, NULL);
	for (size_t i = 0; i < 4; i++)
		put_ready(&packet, handles[i]);
	assert_int_equal(packet_send(peer.fd, &packet), 0);
	assert_int_equal(evl_dispatch(evl, -1), 4);
	assert_int_equal(peer_expect_cancel(&peer), handles[1]);
	assert_int_equal(peer_expect_cancel(&peer), handles[0]);
	expect_ack(&handles[2], 2);
	evl_flush(evl);
	assert_true(peer_is_quiet(&peer));
	evl_source_unref(sources[2]);
	evl_source_unref(sources[3]);
}

static void close_all(struct evl_source *source, const struct evl_event *event, void *userdata _unused_) {
	count(source, event, NULL);
	evl = evl_close(evl);
}

static void test_close_in_callback(void **state _unused_) {
	uint64_t first = add_reader(NULL, count, NULL), second = add_reader(NULL, close_all, NULL);
	struct packet packet;
	uint8_t buffer[4096];

	packet_init(&packet, buffer, sizeof(buffer));
	put_ready(&packet, first);
	put_ready(&packet, second);
	put_ready(&packet, first);
	assert_int_equal(packet_send(peer.fd, &packet), 0);
	assert_int_equal(evl_dispatch(evl, -1), 2);
	assert_null(evl);
	assert_int_equal(n_called, 2);
}

/* An event of a type that this library does not know is acknowledged, too, or the watch would be silent for ever. */
static void test_unknown_event(void **state _unused_) {
	Evloop__Event event = EVLOOP__EVENT__INIT;
	uint64_t handle = add_reader(NULL, count, NULL);

	event.type = (Evloop__EventType)99;
	event.handle = handle;
	event.more = true;
	peer_tell(&peer, &event);
	assert_int_equal(evl_dispatch(evl, EVL_MSEC(10)), 0);
	expect_ack(&handle, 1);
	assert_int_equal(n_called, 0);
}

static uint64_t raw_handle;
static bool ack_inside;

static void raw(struct evl *connection, const Evloop__Event *event, void *userdata _unused_) {
	assert_int_equal(event->readiness, EVLOOP__READINESS__READINESS_READABLE);
	if (ack_inside)
		assert_int_equal(evl_call_ack(connection, raw_handle), 0);
	n_called++;
}

/* As the command has it: its own message, its own handle, its own time to acknowledge. */
static void test_raw(void **state _unused_) {
	Evloop__WatchFdRequest request = EVLOOP__WATCH_FD_REQUEST__INIT;

	assert_int_equal(evl_call_handle(evl, &raw_handle, raw, NULL), 0);
	request.handle = raw_handle;
	request.events = EVLOOP__READINESS__READINESS_READABLE;
	assert_int_equal(evl_call_oneway(evl, EVLOOP__METHOD__METHOD_WATCH_FD, &request.base, pipe_fds[0]), 0);
	assert_int_equal(expect_reader(NULL), raw_handle);
	for (int i = 0; i < 2; i++) {
		ack_inside = i == 1;
		tell_ready(raw_handle, EVLOOP__READINESS__READINESS_READABLE, true);
		assert_int_equal(evl_dispatch(evl, -1), 1);
		if (!ack_inside) {
			assert_true(peer_is_quiet(&peer));
			assert_int_equal(evl_call_ack(evl, raw_handle), 0);
			evl_flush(evl);
		}
		expect_ack(&raw_handle, 1);
	}
	evl_call_drop(evl, raw_handle);
	assert_int_equal(evl_call_ack(evl, raw_handle), -ENOENT);
	assert_int_equal(n_called, 2);
}

/* ---- processes ---------------------------------------------------------------------------------------------- */

static void tell_ended(uint64_t handle, bool known) {
	Evloop__Event event = EVLOOP__EVENT__INIT;

	event.type = EVLOOP__EVENT_TYPE__EVENT_PROCESS;
	event.handle = handle;
	event.pid = 4711;
	event.status_known = known;
	event.status = known ? 137 : 0;
	peer_tell(&peer, &event);
}

static uint64_t expect_pid(void) {
	Evloop__WatchPidRequest *request;
	uint64_t handle;
	int fd;

	evl_flush(evl);
	request = (Evloop__WatchPidRequest *)peer_expect_message(&peer, EVLOOP__METHOD__METHOD_WATCH_PID, &fd);
	handle = request->handle;
	evloop__watch_pid_request__free_unpacked(request, NULL);
	assert_true(fd >= 0);
	close_fd(fd);
	return handle;
}

static void test_pid(void **state _unused_) {
	struct evl_watch watch = EVL_WATCH_INIT;
	struct evl_source *source;
	uint64_t handle;

	skip_in_valgrind();
	assert_int_equal(evl_watch_pid(evl, &source, getpid(), count, NULL), 0);
	handle = expect_pid();
	tell_ended(handle, true);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(last.type, EVL_EVENT_PROCESS);
	assert_int_equal(last.pid, getpid()); /* as the caller knows it, whatever the daemon calls it */
	assert_int_equal(last.status, 137);
	assert_int_equal(evl_cancel(source), 0); /* over */
	evl_source_unref(source);

	watch.pid_fd = pidfd_open(getpid(), 0);
	assert_int_equal(evl_watch_add(evl, NULL, &watch, count, NULL), 0);
	close_fd(watch.pid_fd);
	tell_ended(expect_pid(), false);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(last.pid, 4711);
	assert_int_equal(last.status, -1);
	evl_flush(evl);
	assert_true(peer_is_quiet(&peer));
	assert_int_equal(evl_watch_pid(evl, NULL, 0, count, NULL), -ESRCH);
	assert_int_equal(evl_watch_pid(evl, NULL, INT_MAX, count, NULL), -ESRCH);
}

/* The kernel has not told the daemon, but a child's status can be looked at, and is not taken from whoever waits for it. */
static void test_status_of_child(void **state _unused_) {
	const int wanted[] = { 7, 128 + SIGTERM };

	skip_in_valgrind();
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();
		siginfo_t info;
		int status;

		if (pid == 0) {
			if (i == 1)
				raise(SIGTERM);
			_exit(7);
		}
		assert_int_equal(evl_watch_pid(evl, NULL, pid, count, NULL), 0);
		assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
		tell_ended(expect_pid(), false);
		assert_int_equal(evl_dispatch(evl, -1), 1);
		assert_int_equal(last.status, wanted[i]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
}

/* ---- paths -------------------------------------------------------------------------------------------------- */

static Evloop__WatchPathRequest *expect_path(const char *path) {
	Evloop__WatchPathRequest *request;

	evl_flush(evl);
	request = (Evloop__WatchPathRequest *)peer_expect_message(&peer, EVLOOP__METHOD__METHOD_WATCH_PATH, NULL);
	assert_int_equal(request->path.len, strlen(path));
	assert_memory_equal(request->path.data, path, strlen(path));
	return request;
}

static void test_path_names(void **state _unused_) {
	char directory[PATH_MAX - 16], expected[PATH_MAX], long_path[PATH_MAX + 2];
	const struct {
		const char *given, *sent;
	} names[] = {
		{ "/a/b", "/a/b" }, { "/a/b/", "/a/b" }, { "//a/./b/.", "/a/b" },
		{ "/", "/" },       { "/..", "/.." },    { "/a/../b", "/a/../b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(evl_watch_path(evl, NULL, names[i].given, count, NULL), 0);
		evloop__watch_path_request__free_unpacked(expect_path(names[i].sent), NULL);
	}
	assert_non_null(getcwd(directory, sizeof(directory)));
	assert_int_equal(evl_watch_path(evl, NULL, "./x//y", count, NULL), 0);
	(void)snprintf(expected, sizeof(expected), "%s/x/y", directory);
	evloop__watch_path_request__free_unpacked(expect_path(expected), NULL);
	assert_int_equal(evl_watch_path(evl, NULL, ".", count, NULL), 0);
	evloop__watch_path_request__free_unpacked(expect_path(directory), NULL);
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(evl_watch_path(evl, NULL, long_path, count, NULL), -ENAMETOOLONG);
	assert_int_equal(evl_watch_path(evl, NULL, NULL, count, NULL), -EINVAL);
}

static void test_path(void **state _unused_) {
	const char *const exclude[] = { "*.o", ".git", NULL };
	struct evl_watch watch = EVL_WATCH_INIT;
	Evloop__PathChange changes[2] = { EVLOOP__PATH_CHANGE__INIT, EVLOOP__PATH_CHANGE__INIT },
			   *pointers[2] = { &changes[0], &changes[1] };
	Evloop__Event event = EVLOOP__EVENT__INIT;
	Evloop__WatchPathRequest *request;
	struct evl_source *source;

	watch.path = "/src";
	watch.recursive = true;
	watch.exclude = exclude;
	watch.settle_ns = EVL_MSEC(300);
	watch.timeout_ns = EVL_SEC(1);
	assert_int_equal(evl_watch_add(evl, &source, &watch, count, NULL), 0);
	request = expect_path("/src");
	assert_true(request->recursive);
	assert_int_equal(request->n_exclude, 2);
	assert_memory_equal(request->exclude[1].data, ".git", 4);
	assert_int_equal(request->settle_ns, EVL_MSEC(300));
	assert_int_equal(request->timeout_ns, EVL_SEC(1));
	event.type = EVLOOP__EVENT_TYPE__EVENT_CHANGED;
	event.handle = request->handle;
	event.more = true;
	changes[0].path = (ProtobufCBinaryData){ .data = (uint8_t *)"a/b.c", .len = 5 };
	changes[0].changes = EVLOOP__CHANGE__CHANGE_CREATED | EVLOOP__CHANGE__CHANGE_MODIFIED;
	changes[1].changes = EVLOOP__CHANGE__CHANGE_DELETED;
	event.changes = pointers;
	event.n_changes = 2;
	peer_tell(&peer, &event);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(last.type, EVL_EVENT_CHANGED);
	assert_string_equal(last_paths, "3:a/b.c 8: ");
	assert_false(last.rescan);
	expect_ack(&request->handle, 1);

	event.n_changes = 0;
	event.rescan = true;
	peer_tell(&peer, &event);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_true(last.rescan);
	expect_ack(&request->handle, 1);

	event.rescan = event.more = false;
	event.error = ENOENT;
	peer_tell(&peer, &event);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(last.error, -ENOENT);
	assert_int_equal(evl_cancel(source), 0);
	evl_source_unref(source);
	evloop__watch_path_request__free_unpacked(request, NULL);
}

/* ---- losing the connection ---------------------------------------------------------------------------------- */

static void test_rearm(void **state _unused_) {
	struct evl_watch watch = EVL_WATCH_INIT;
	struct evl_source *kept, *other;
	size_t before = count_fds();
	uint64_t handle;

	watch.fd = pipe_fds[0];
	watch.rearm = true;
	assert_int_equal(evl_watch_add(evl, &kept, &watch, count, NULL), 0);
	handle = expect_reader(NULL);
	add_reader(&other, count, NULL);
	evl_source_set_destroy(other, destroyed);
	/* Received and not dispatched when it is lost: it is told, and not acknowledged in a session that never sent it. */
	tell_ready(handle, EVLOOP__READINESS__READINESS_READABLE, true);
	peer_hang_up(&peer);
	assert_int_equal(evl_roundtrip(evl), -ECONNRESET);
	assert_int_equal(peer_reconnect(&peer, evl), 0);
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_true(peer_is_quiet(&peer)); /* what was received before the loss comes first */
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(expect_reader(NULL), handle);
	assert_true(peer_is_quiet(&peer));

	tell_ready(handle, EVLOOP__READINESS__READINESS_READABLE, true);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	expect_ack(&handle, 1);
	/* Its last event is received and not dispatched: it is not armed again. */
	tell_ready(handle, EVLOOP__READINESS__READINESS_HANGUP, false);
	peer_hang_up(&peer);
	assert_int_equal(evl_roundtrip(evl), -ECONNRESET);
	assert_int_equal(peer_reconnect(&peer, evl), 0);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_true(peer_is_quiet(&peer));
	evl_source_unref(kept);
	evl_source_unref(other);
	assert_int_equal(count_fds(), before);
}

static void test_child(void **state _unused_) {
	struct evl_source *source;
	int status;
	pid_t pid;

	add_reader(&source, count, NULL);
	pid = fork();
	if (pid == 0) {
		bool good = evl_add_reader(evl, NULL, pipe_fds[0], count, NULL) == -ECHILD &&
			    evl_watch_pid(evl, NULL, getpid(), count, NULL) == -ECHILD &&
			    evl_watch_path(evl, NULL, "/", count, NULL) == -ECHILD &&
			    evl_emit(evl, "t", "", 0) == -ECHILD && evl_emit_async(evl, "t", "", 0) == -ECHILD &&
			    evl_subscribe(evl, NULL, "t", count, NULL) == -ECHILD && evl_cancel(source) == -ECHILD;

		evl_close(evl);
		evl_source_unref(source);
		_exit(!good);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(evl_cancel(source), 1);
	evl_source_unref(source);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_reader),
		TEST(test_writer),
		TEST(test_all_of_a_descriptor),
		TEST(test_timeout),
		TEST(test_closed_at_once),
		TEST(test_refused),
		TEST(test_bad_watches),
		TEST(test_no_more_descriptors),
		TEST(test_never_waits),
		TEST(test_close_with_unsent),
		TEST(test_one_ack_for_all),
		TEST(test_close_in_callback),
		TEST(test_unknown_event),
		TEST(test_raw),
		TEST(test_pid),
		TEST(test_status_of_child),
		TEST(test_path_names),
		TEST(test_path),
		TEST(test_rearm),
		TEST(test_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
