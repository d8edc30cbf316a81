/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests to watch descriptors and processes: what is refused and in which words, what is counted, and what is told. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/core/tenant.h"
#include "tests/unit/peer-world.h"

#define METHOD(name) EVLOOP__METHOD__METHOD_##name
#define STATUS(name) EVLOOP__STATUS__STATUS_##name
#define READABLE EVLOOP__READINESS__READINESS_READABLE
#define WRITABLE EVLOOP__READINESS__READINESS_WRITABLE
#define HANGUP EVLOOP__READINESS__READINESS_HANGUP
#define PATIENCE_MS 10000 /* for another process */

static struct peer_world world;
static struct peer peer;

static int setup(void **state _unused_) {
	assert_int_equal(peer_world_init(&world, NULL, NULL), 0);
	peer_init(&peer, &world);
	peer_open(&peer);
	return 0;
}

static int teardown(void **state _unused_) {
	peer_deinit(&peer);
	peer_world_deinit(&world);
	return 0;
}

static Evloop__WatchFdRequest request_of(uint64_t handle, unsigned events) {
	Evloop__WatchFdRequest request = EVLOOP__WATCH_FD_REQUEST__INIT;

	request.handle = handle;
	request.events = events;
	return request;
}

static void watch(uint64_t handle, int fd, unsigned events) {
	Evloop__WatchFdRequest request = request_of(handle, events);
	const Evloop__Watched *reply = peer_call_with_fd(&peer, METHOD(WATCH_FD), &request, fd, NULL);

	assert_true(reply->id > 0);
}

static size_t watched(void) {
	return tenant_use(peer_world_newest(&world)->owner.tenant)->descriptors;
}

static void ack(uint64_t handle) {
	Evloop__AckRequest request = EVLOOP__ACK_REQUEST__INIT;

	request.handles = &handle;
	request.n_handles = 1;
	(void)peer_put(&peer, FRAME_ONEWAY, METHOD(ACK), &request);
	assert_true(peer_flush(&peer));
}

/* Return: the next event; NULL: there is none. */
static const Evloop__Event *next_event(void) {
	struct frame frame;

	for (unsigned i = 0; i < 8; i++) {
		peer_world_turn(&world);
		if (!peer_take(&peer, &frame))
			continue;
		assert_int_equal(frame.method, METHOD(EVENT));
		return peer_unpack(&peer, &evloop__event__descriptor, &frame);
	}
	return NULL;
}

static const Evloop__Event *expect(uint64_t handle, Evloop__EventType type) {
	const Evloop__Event *event = next_event();

	assert_non_null(event);
	assert_int_equal(event->handle, handle);
	assert_int_equal(event->type, type);
	assert_true(event->id > 0);
	assert_true(event->fired_ns > 0);
	return event;
}

static void expect_refusal(unsigned method, const void *request, int fd, Evloop__Status status, const char *words) {
	const Evloop__Error *error = NULL;

	if (fd >= 0)
		assert_null(peer_call_with_fd(&peer, method, request, fd, &error));
	else
		assert_null(peer_call(&peer, method, request, &error));
	assert_int_equal(error->status, status);
	if (!strstr(error->message, words))
		fail_msg("'%s' is not in '%s'", words, error->message);
}

static void make_pipe(int fds[2]) {
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
}

static void test_pipe(void **state _unused_) {
	const Evloop__Event *event;
	char bytes[8];
	int fds[2];

	make_pipe(fds);
	watch(5, fds[0], READABLE);
	assert_null(next_event());
	assert_int_equal(write(fds[1], "x", 1), 1);
	event = expect(5, EVLOOP__EVENT_TYPE__EVENT_READY);
	assert_int_equal(event->readiness, READABLE);
	assert_int_equal(event->fires, 1);
	assert_int_equal(event->fire_seq, 1);
	assert_true(event->more);
	assert_null(next_event());
	ack(5);
	event = expect(5, EVLOOP__EVENT_TYPE__EVENT_READY);
	assert_int_equal(event->fire_seq, 2);
	assert_int_equal(read(fds[0], bytes, sizeof(bytes)), 1);
	close_fd(fds[1]);
	ack(5);
	event = expect(5, EVLOOP__EVENT_TYPE__EVENT_READY);
	assert_int_equal(event->readiness, HANGUP);
	assert_false(event->more);
	assert_int_equal(watched(), 0);
	ack(5);
	assert_null(next_event());
	/* The handle is free again. */
	watch(5, fds[0], READABLE);
	close_fd(fds[0]);
}

static void test_timeout(void **state _unused_) {
	Evloop__WatchFdRequest request = request_of(5, READABLE);
	const Evloop__Event *event;
	int fds[2];

	make_pipe(fds);
	request.timeout_ns = 1;
	assert_non_null(peer_call_with_fd(&peer, METHOD(WATCH_FD), &request, fds[0], NULL));
	event = expect(5, EVLOOP__EVENT_TYPE__EVENT_TIMEOUT);
	assert_int_equal(event->readiness, 0);
	assert_int_equal(event->fires, 0);
	assert_true(event->more);
	assert_null(next_event());
	ack(5);
	(void)expect(5, EVLOOP__EVENT_TYPE__EVENT_TIMEOUT);
	close_fd(fds[0]);
	close_fd(fds[1]);
}

static void test_process(void **state _unused_) {
	Evloop__WatchPidRequest request = EVLOOP__WATCH_PID_REQUEST__INIT;
	const Evloop__Event *event = NULL;
	pid_t pid;
	int pid_fd;

	skip_in_valgrind();
	pid = fork();
	if (pid == 0)
		_exit(42);
	pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	request.handle = 9;
	assert_non_null(peer_call_with_fd(&peer, METHOD(WATCH_PID), &request, pid_fd, NULL));
	for (unsigned i = 0; i < PATIENCE_MS && !(event = next_event()); i++)
		(void)poll(NULL, 0, 1);
	assert_non_null(event);
	assert_int_equal(event->type, EVLOOP__EVENT_TYPE__EVENT_PROCESS);
	assert_int_equal(event->handle, 9);
	assert_int_equal(event->pid, pid);
	assert_true(event->status_known);
	assert_int_equal(event->status, 42);
	assert_int_equal(event->readiness, 0);
	assert_false(event->more);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close_fd(pid_fd);
}

static void test_cancel(void **state _unused_) {
	Evloop__HandleRequest request = EVLOOP__HANDLE_REQUEST__INIT;
	const Evloop__CancelReply *reply;
	int fd = eventfd(1, EFD_CLOEXEC), fds[2];

	request.handle = 1;
	watch(1, fd, READABLE);
	(void)expect(1, EVLOOP__EVENT_TYPE__EVENT_READY);
	reply = peer_call(&peer, METHOD(CANCEL_HANDLE), &request, NULL);
	assert_int_equal(reply->outcome, EVLOOP__OUTCOME__OUTCOME_CANCELLED);
	assert_int_equal(watched(), 0);
	reply = peer_call(&peer, METHOD(CANCEL_HANDLE), &request, NULL);
	assert_int_equal(reply->outcome, EVLOOP__OUTCOME__OUTCOME_GONE);

	/* The daemon's copy goes with the watch: the writer sees the end. */
	make_pipe(fds);
	watch(1, fds[0], READABLE);
	close_fd(fds[0]);
	assert_int_equal(write(fds[1], "x", 1), 1);
	(void)peer_call(&peer, METHOD(CANCEL_HANDLE), &request, NULL);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(write(fds[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close_fd(fds[1]);
	close_fd(fd);
}

static void test_refused(void **state _unused_) {
	Evloop__WatchFdRequest request = request_of(1, READABLE);
	Evloop__WatchPidRequest process = EVLOOP__WATCH_PID_REQUEST__INIT;
	int file, fd;

	skip_in_valgrind();
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	fd = eventfd(1, EFD_CLOEXEC);
	process.handle = 1;
	expect_refusal(METHOD(WATCH_FD), &request, file, STATUS(INVALID), "a regular file");
	expect_refusal(METHOD(WATCH_FD), &request, -1, STATUS(INVALID), "the descriptor is missing");
	expect_refusal(METHOD(WATCH_PID), &process, -1, STATUS(INVALID), "the descriptor is missing");
	expect_refusal(METHOD(WATCH_PID), &process, fd, STATUS(INVALID), "no pidfd");
	request.events = 0;
	expect_refusal(METHOD(WATCH_FD), &request, fd, STATUS(INVALID), "events is 0");
	request.events = HANGUP;
	expect_refusal(METHOD(WATCH_FD), &request, fd, STATUS(INVALID), "events is 4, not 1, 2 or 3");
	request = request_of(0, READABLE);
	expect_refusal(METHOD(WATCH_FD), &request, fd, STATUS(INVALID), "the handle must be above 0");
	request = request_of(1, READABLE);
	request.timeout_ns = -1;
	expect_refusal(METHOD(WATCH_FD), &request, fd, STATUS(OUT_OF_RANGE), "timeout_ns is -1");
	request.timeout_ns = INT64_MAX;
	expect_refusal(METHOD(WATCH_FD), &request, fd, STATUS(OUT_OF_RANGE), "timeout_ns");
	request.timeout_ns = 0;
	watch(1, fd, READABLE);
	expect_refusal(METHOD(WATCH_FD), &request, fd, STATUS(EXISTS), "handle 1 is in use");
	assert_int_equal(watched(), 1);
	close_fd(fd);
	close_fd(file);
}

/* A oneway that is refused is told of by an event with its handle. */
static void test_refused_oneway(void **state _unused_) {
	Evloop__WatchFdRequest request = request_of(77, READABLE);
	int file;
	const Evloop__Error *error;
	struct frame frame;

	skip_in_valgrind();
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	(void)peer_put_with_fds(&peer, FRAME_ONEWAY, METHOD(WATCH_FD), &request, &file, 1);
	assert_true(peer_flush(&peer));
	peer_world_turn(&world);
	assert_true(peer_take(&peer, &frame));
	assert_int_equal(frame.method, METHOD(REFUSED));
	error = peer_unpack(&peer, &evloop__error__descriptor, &frame);
	assert_int_equal(error->handle, 77);
	assert_int_equal(error->status, STATUS(INVALID));
	close_fd(file);
}

static void test_limit(void **state _unused_) {
	Evloop__WatchFdRequest request = request_of(3, READABLE);
	Evloop__HandleRequest cancel = EVLOOP__HANDLE_REQUEST__INIT;
	const Evloop__Error *error = NULL;
	int fd;

	skip_in_valgrind();
	fd = eventfd(0, EFD_CLOEXEC);
	assert_null(quota_set(&world.quota, "descriptors=2"));
	watch(1, fd, READABLE);
	watch(2, fd, READABLE);
	assert_null(peer_call_with_fd(&peer, METHOD(WATCH_FD), &request, fd, &error));
	assert_int_equal(error->status, STATUS(QUOTA));
	assert_string_equal(error->limit_name, "descriptors");
	assert_int_equal(error->used, 2);
	cancel.handle = 1;
	(void)peer_call(&peer, METHOD(CANCEL_HANDLE), &cancel, NULL);
	peer_world_settle(&world);
	/* What has been refused may have to be closed yet, and counts until it is. */
	for (unsigned i = 0; i < PATIENCE_MS && closer_load(&peer_world_newest(&world)->account->closer) > 0; i++) {
		(void)poll(NULL, 0, 1);
		peer_world_turn(&world);
	}
	watch(3, fd, READABLE);
	close_fd(fd);
}

/* Some are left for who connects. */
static void test_limit_of_the_process(void **state _unused_) {
	Evloop__WatchFdRequest request = request_of(1, READABLE);
	int fd;
	const Evloop__Error *error = NULL;
	struct rlimit limit, low;

	skip_in_valgrind();
	fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = (struct rlimit){ .rlim_cur = 66, .rlim_max = limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_null(peer_call_with_fd(&peer, METHOD(WATCH_FD), &request, fd, &error));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(error->status, STATUS(QUOTA));
	assert_non_null(strstr(error->message, "may have 66 descriptors open"));
	watch(1, fd, READABLE);
	close_fd(fd);
}

/* The kernel has a limit of its own: so often it lets one thing be waited for behind two epolls. */
static void test_watched_too_often(void **state _unused_) {
	Evloop__WatchFdRequest request = request_of(1, READABLE);
	int fd;
	const Evloop__Error *error = NULL;

	skip_in_valgrind();
	fd = eventfd(0, EFD_CLOEXEC);
	while (request.handle <= 1000 && peer_call_with_fd(&peer, METHOD(WATCH_FD), &request, fd, &error))
		request.handle++;
	assert_in_range(request.handle, 100, 1000);
	assert_int_equal(error->status, STATUS(QUOTA));
	assert_non_null(strstr(error->message, "as often as the kernel lets it"));
	close_fd(fd);
}

/* Several in one packet, one descriptor each, and one acknowledgement for all. */
static void test_batch(void **state _unused_) {
	Evloop__AckRequest request = EVLOOP__ACK_REQUEST__INIT;
	uint64_t handles[PACKET_FDS_MAX + 2] = { 0 };
	int fds[PACKET_FDS_MAX], fd = eventfd(1, EFD_CLOEXEC);

	for (size_t i = 0; i < PACKET_FDS_MAX; i++) {
		Evloop__WatchFdRequest watch_request = request_of(i + 1, READABLE);

		fds[i] = fd;
		handles[i] = i + 1;
		(void)peer_put_with_fds(&peer, FRAME_ONEWAY, METHOD(WATCH_FD), &watch_request, &fds[i], 1);
	}
	assert_true(peer_flush(&peer));
	for (unsigned round = 0; round < 3; round++) {
		uint64_t seen = 0;

		for (size_t i = 0; i < PACKET_FDS_MAX; i++) {
			const Evloop__Event *event = next_event();

			assert_non_null(event);
			seen |= UINT64_C(1) << event->handle;
		}
		assert_int_equal(seen, (UINT64_C(1) << (PACKET_FDS_MAX + 1)) - 2);
		assert_null(next_event());
		handles[PACKET_FDS_MAX] = 4711; /* is nobody's */
		handles[PACKET_FDS_MAX + 1] = 1; /* twice */
		request.handles = handles;
		request.n_handles = ARRAY_SIZE(handles);
		assert_non_null(peer_call(&peer, METHOD(ACK), &request, NULL));
	}
	close_fd(fd);
}

/* So many that they take more than one turn: what is behind them in the packet waits, and is handled once. */
static void test_ack_in_parts(void **state _unused_) {
	Evloop__AckRequest request = EVLOOP__ACK_REQUEST__INIT;
	uint64_t handles[400];
	int fd = eventfd(1, EFD_CLOEXEC);

	for (size_t i = 0; i < ARRAY_SIZE(handles); i++) {
		Evloop__WatchFdRequest watch_request = request_of(i + 1, READABLE);

		handles[i] = i + 1;
		(void)peer_put_with_fds(&peer, FRAME_ONEWAY, METHOD(WATCH_FD), &watch_request, &fd, 1);
		if (i % PACKET_FDS_MAX == PACKET_FDS_MAX - 1)
			assert_true(peer_flush(&peer));
	}
	for (unsigned round = 0; round < 3; round++) {
		bool seen[ARRAY_SIZE(handles)] = { false };
		size_t events = 0, answers = 0, turns = 0;
		struct frame frame;

		if (round > 0) {
			peer_world_slow(5 * NSEC_PER_USEC);
			request.handles = handles;
			request.n_handles = ARRAY_SIZE(handles);
			(void)peer_put(&peer, FRAME_ONEWAY, METHOD(ACK), &request);
			(void)peer_put(&peer, FRAME_REQUEST, METHOD(PING), NULL);
			assert_true(peer_flush(&peer));
		}
		while (events < ARRAY_SIZE(handles) || answers < (round > 0)) {
			peer_world_turn(&world);
			turns += answers == 0;
			while (peer_take(&peer, &frame)) {
				if (frame.method == METHOD(PING)) {
					answers++;
					continue;
				}
				const Evloop__Event *event = peer_unpack(&peer, &evloop__event__descriptor, &frame);

				assert_false(seen[event->handle - 1]);
				seen[event->handle - 1] = true;
				events++;
			}
		}
		assert_null(next_event());
		assert_true(round == 0 || turns > 1);
	}
	close_fd(fd);
}

static void test_ack_of_too_many(void **state _unused_) {
	Evloop__AckRequest request = EVLOOP__ACK_REQUEST__INIT;
	const Evloop__Error *error = NULL;
	uint64_t handles[ACK_HANDLES_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(handles); i++)
		handles[i] = i + 1;
	request.handles = handles;
	request.n_handles = ACK_HANDLES_MAX;
	assert_non_null(peer_call(&peer, METHOD(ACK), &request, NULL));
	request.n_handles++;
	assert_null(peer_call(&peer, METHOD(ACK), &request, &error));
	assert_int_equal(error->status, EVLOOP__STATUS__STATUS_OUT_OF_RANGE);
	assert_string_equal(error->message, "an Ack of 1025 handles, more than 1024");
}

/* What a session watches goes with it, pipes at once. */
static void test_end_of_session(void **state _unused_) {
	struct peer other;
	Evloop__WatchFdRequest request = request_of(1, READABLE);
	int fds[2];

	make_pipe(fds);
	peer_init(&other, &world);
	peer_open(&other);
	assert_non_null(peer_call_with_fd(&other, METHOD(WATCH_FD), &request, fds[0], NULL));
	close_fd(fds[0]);
	peer_deinit(&other);
	peer_world_settle(&world);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(write(fds[1], "x", 1), -1);
	close_fd(fds[1]);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_pipe),           TEST(test_timeout),           TEST(test_process),
		TEST(test_cancel),         TEST(test_refused),           TEST(test_refused_oneway),
		TEST(test_limit),          TEST(test_watched_too_often), TEST(test_limit_of_the_process),
		TEST(test_batch),          TEST(test_ack_of_too_many),   TEST(test_ack_in_parts),
		TEST(test_end_of_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
