/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The library when its daemon dies and another one goes on with the socket: what is armed again and how, in which order that happens,
 * what becomes of calls that are under way, and what is said to be lost.
 */

#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "client/call.h"
#include "tests/unit/client-peer.h"

static struct peer peer;
static struct evl *evl;
static int pipe_fds[2];
static int n_called, n_destroyed, n_errors, last_error;
static struct evl_event last;
static struct evl_source *last_source;
static char last_message[128];

static int setup(void **state _unused_) {
	peer_init(&peer);
	n_called = n_destroyed = n_errors = last_error = 0;
	last_source = NULL;
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
	n_called++;
}

static void destroyed(void *userdata _unused_) {
	n_destroyed++;
}

static void note_error(struct evl *from _unused_, struct evl_source *source, int error, const char *message,
		       void *userdata _unused_) {
	n_errors++;
	last_error = error;
	last_source = source;
	(void)snprintf(last_message, sizeof(last_message), "%s", message);
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

static Evloop__TimerSpec *expect_spec(void) {
	Evloop__TimerSpec *spec;

	evl_flush(evl);
	peer_expect_arm(&peer, &spec);
	return spec;
}

static void *expect(Evloop__Method method) {
	evl_flush(evl);
	return peer_expect_message(&peer, method, NULL);
}

static void free_message(void *message) {
	protobuf_c_message_free_unpacked(message, NULL);
}

/* ---- timers ------------------------------------------------------------------------------------------------- */

static void test_once(void **state _unused_) {
	Evloop__TimerSpec *before, *after;
	struct evl_source *source;

	assert_int_equal(evl_call_later(evl, &source, EVL_SEC(60), count, NULL), 0);
	before = expect_spec();
	assert_int_equal(peer_succeed(&peer, evl), 0);
	assert_string_equal(evl_daemon_version(evl), "played anew");
	after = expect_spec();
	assert_int_equal(after->handle, before->handle);
	assert_int_equal(after->deadline_ns, before->deadline_ns);
	assert_int_equal(after->kind, EVLOOP__KIND__KIND_AFTER);
	assert_true(peer_is_quiet(&peer));
	peer_fire_last(&peer, after->handle, 1);
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_int_equal(n_called, 1);
	free_message(before);
	free_message(after);
	evl_source_unref(source);
}

static void test_at(void **state _unused_) {
	Evloop__TimerSpec *spec;

	assert_int_equal(evl_call_at(evl, NULL, CLOCK_REALTIME, 12345, count, NULL), 0);
	free_message(expect_spec());
	peer_succeed(&peer, evl);
	spec = expect_spec();
	assert_int_equal(spec->kind, EVLOOP__KIND__KIND_AT);
	assert_int_equal(spec->clock, EVLOOP__CLOCK__CLOCK_REALTIME);
	assert_int_equal(spec->deadline_ns, 12345);
	free_message(spec);
}

/* What is left of it, and its fires are counted on, however often daemons die. */
static void test_repeating(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;
	struct evl_source *source;
	Evloop__TimerSpec *spec;
	uint64_t handle;

	timer.absolute = timer.refuse_past = true;
	timer.deadline_ns = 4000;
	timer.period_ns = 1000;
	timer.count = 5;
	assert_int_equal(evl_timer_add(evl, &source, &timer, count, NULL), 0);
	evl_flush(evl);
	peer_fire(&peer, peer_expect_arm(&peer, NULL), 2); /* two of five, the last one at 5000 */
	assert_int_equal(peer_succeed(&peer, evl), 1);
	spec = expect_spec();
	assert_int_equal(spec->deadline_ns, 6000);
	assert_int_equal(spec->count, 3);
	assert_int_equal(spec->if_past, EVLOOP__IF_PAST__PAST_FIRE);
	handle = spec->handle;
	free_message(spec);

	peer_fire(&peer, handle, 1);
	assert_int_equal(peer_succeed(&peer, evl), 1);
	assert_int_equal(last.fire_seq, 3);
	spec = expect_spec();
	assert_int_equal(spec->count, 2);
	free_message(spec);
	peer_fire(&peer, handle, 1);
	assert_int_equal(evl_dispatch(evl, 0), 1);
	assert_int_equal(last.fire_seq, 4);

	/* Restarted, it begins anew. */
	assert_int_equal(evl_source_restart(source, EVL_SEC(1)), 0);
	evl_flush(evl);
	assert_int_equal(peer_expect_cancel(&peer), handle);
	spec = expect_spec();
	assert_int_equal(spec->count, 5);
	assert_int_equal(spec->if_past, EVLOOP__IF_PAST__PAST_ERROR);
	free_message(spec);
	evl_source_unref(source);
}

static void test_other_time_namespace(void **state _unused_) {
	Evloop__TimerSpec *spec;

	assert_int_equal(evl_call_every(evl, NULL, EVL_SEC(60), count, NULL), 0);
	free_message(expect_spec());
	peer.time_namespace = 1;
	peer_succeed(&peer, evl);
	spec = expect_spec();
	assert_true(spec->relative);
	assert_in_range(spec->deadline_ns, EVL_SEC(50), EVL_SEC(60));
	peer_fire(&peer, spec->handle, 1); /* at a time that is none of ours */
	free_message(spec);
	assert_int_equal(peer_succeed(&peer, evl), 1);
	spec = expect_spec();
	assert_in_range(spec->deadline_ns, EVL_SEC(110), EVL_SEC(120));
	free_message(spec);
}

static void test_detached(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;
	struct evl_source *source;
	Evloop__TimerSpec *spec;

	timer.deadline_ns = timer.period_ns = EVL_SEC(60);
	timer.detached = true;
	timer.name = "name";
	assert_int_equal(evl_timer_add(evl, &source, &timer, count, NULL), 0);
	free_message(expect_spec());
	peer_take_over(&peer);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	/* Stale: it will be armed with that. */
	assert_int_equal(evl_source_restart(source, EVL_SEC(600)), 0);
	peer_greet(&peer, peer_expect_hello(&peer));
	assert_int_equal(evl_dispatch(evl, 0), 0);
	spec = expect_spec();
	assert_true(spec->detached);
	assert_string_equal(spec->name, "name");
	assert_in_range(spec->deadline_ns, evl_time(evl) + EVL_SEC(590), evl_time(evl) + EVL_SEC(600));
	assert_true(peer_is_quiet(&peer));
	free_message(spec);
	evl_source_unref(source);
}

/* It could run twice. */
static void test_command(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;
	struct evl_source *source;

	evl_set_error_handler(evl, note_error, NULL);
	timer.argv = (const char *const[]){ "true", NULL };
	timer.rearm = true;
	assert_int_equal(evl_timer_add(evl, &source, &timer, count, NULL), 0);
	evl_source_set_destroy(source, destroyed);
	free_message(expect_spec());
	assert_int_equal(peer_succeed(&peer, evl), 0);
	assert_int_equal(peer_confirm(&peer, evl), 1);
	assert_int_equal(last_error, -EOWNERDEAD);
	assert_ptr_equal(last_source, source);
	assert_int_equal(n_destroyed, 1);
	assert_true(peer_is_quiet(&peer));
	evl_source_unref(source);
}

static void test_attached(void **state _unused_) {
	Evloop__AttachRequest *request;

	assert_int_equal(evl_attach(evl, NULL, "name", count, NULL), 0);
	free_message(expect(EVLOOP__METHOD__METHOD_ATTACH));
	peer_succeed(&peer, evl);
	request = expect(EVLOOP__METHOD__METHOD_ATTACH);
	assert_string_equal(request->target->name, "name");
	free_message(request);
}

/* ---- watches ------------------------------------------------------------------------------------------------ */

static uint64_t expect_reader(void) {
	Evloop__WatchFdRequest *request;
	uint64_t handle;
	int fd;

	evl_flush(evl);
	request = (Evloop__WatchFdRequest *)peer_expect_message(&peer, EVLOOP__METHOD__METHOD_WATCH_FD, &fd);
	assert_true(same_file(fd, pipe_fds[0]));
	close_fd(fd);
	handle = request->handle;
	free_message(request);
	return handle;
}

static void tell_ready(uint64_t handle) {
	Evloop__Event event = EVLOOP__EVENT__INIT;

	event.type = EVLOOP__EVENT_TYPE__EVENT_READY;
	event.handle = handle;
	event.readiness = EVLOOP__READINESS__READINESS_READABLE;
	event.more = true;
	peer_tell(&peer, &event);
}

static void die_over_time(struct peer *p, const struct frame *frame) {
	if (frame->method == EVLOOP__METHOD__METHOD_HELLO)
		peer_greet(p, frame->serial);
	else
		peer_take_over(p);
}

/* No copy is kept, and what the dead daemon waited to hear of is of no interest to the next. */
static void test_descriptor(void **state _unused_) {
	Evloop__TimeRequest request = EVLOOP__TIME_REQUEST__INIT;
	size_t before = count_fds();
	struct evl_source *source;
	uint64_t handle;

	assert_int_equal(evl_add_reader(evl, &source, pipe_fds[0], count, NULL), 0);
	handle = expect_reader();
	assert_int_equal(count_fds(), before);
	tell_ready(handle);
	peer_serve(&peer, 2, die_over_time);
	assert_int_equal(evl_call(evl, EVLOOP__METHOD__METHOD_TIME, &request.base, NULL), -EOWNERDEAD);
	peer_join(&peer);
	assert_int_equal(evl_dispatch(evl, 0), 1); /* what the dead one had told */
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(expect_reader(), handle);
	assert_true(peer_is_quiet(&peer));
	assert_int_equal(count_fds(), before);
	evl_source_unref(source);
}

static void test_descriptor_closed(void **state _unused_) {
	struct evl_watch watch = EVL_WATCH_INIT;
	struct evl_source *kept, *closed, *other;
	/* Numbers that no copy of anything gets meanwhile. */
	int fd = fcntl(pipe_fds[0], F_DUPFD_CLOEXEC, 200), replaced = fcntl(pipe_fds[0], F_DUPFD_CLOEXEC, 200);

	evl_set_error_handler(evl, note_error, NULL);
	watch.fd = fd;
	watch.rearm = true;
	assert_int_equal(evl_watch_add(evl, &kept, &watch, count, NULL), 0);
	expect_reader();
	assert_int_equal(evl_add_reader(evl, &closed, fd, count, NULL), 0);
	expect_reader();
	assert_int_equal(evl_add_reader(evl, &other, replaced, count, NULL), 0);
	expect_reader();
	close(fd);
	assert_int_equal(dup2(peer.listen_fd, replaced), replaced);
	assert_int_equal(peer_succeed(&peer, evl), 0);
	expect_reader();
	assert_int_equal(peer_confirm(&peer, evl), 2);
	assert_int_equal(n_errors, 2);
	assert_int_equal(last_error, -EBADF);
	assert_ptr_equal(last_source, other);
	assert_int_equal(evl_cancel(closed), 0);
	assert_int_equal(evl_cancel(kept), 1);
	evl_source_unref(kept);
	evl_source_unref(closed);
	evl_source_unref(other);
	close(replaced);
}

static void test_process(void **state _unused_) {
	size_t before = count_fds();
	Evloop__WatchPidRequest *request;
	struct evl_source *source;

	skip_in_valgrind();
	assert_int_equal(evl_watch_pid(evl, &source, getpid(), count, NULL), 0);
	for (int i = 0; i < 2; i++) {
		int fd;

		evl_flush(evl);
		request = (Evloop__WatchPidRequest *)peer_expect_message(&peer, EVLOOP__METHOD__METHOD_WATCH_PID, &fd);
		free_message(request);
		close(fd);
		if (i == 0)
			peer_succeed(&peer, evl);
	}
	assert_int_equal(evl_cancel(source), 1);
	assert_int_equal(count_fds(), before);
	evl_source_unref(source);
}

/* Told only when the next daemon watches, so that nobody looks too early. */
static void test_path(void **state _unused_) {
	Evloop__WatchPathRequest *request;
	struct evl_source *source;

	assert_int_equal(evl_watch_path(evl, &source, "/tmp", count, NULL), 0);
	free_message(expect(EVLOOP__METHOD__METHOD_WATCH_PATH));
	assert_int_equal(peer_succeed(&peer, evl), 0);
	request = expect(EVLOOP__METHOD__METHOD_WATCH_PATH);
	assert_memory_equal(request->path.data, "/tmp", 4);
	free_message(request);
	assert_int_equal(n_called, 0);
	assert_int_equal(peer_confirm(&peer, evl), 1);
	assert_int_equal(last.type, EVL_EVENT_CHANGED);
	assert_true(last.rescan && last.more);
	assert_int_equal(last.n_changes, 0);
	assert_true(peer_is_quiet(&peer)); /* nobody waits for an acknowledgement */
	evl_source_unref(source);
}

/* ---- topics ------------------------------------------------------------------------------------------------- */

static void test_topic(void **state _unused_) {
	struct evl_source *sources[2];

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(evl_subscribe(evl, &sources[i], "news", count, NULL), 0);
		free_message(expect(EVLOOP__METHOD__METHOD_SUBSCRIBE));
	}
	assert_int_equal(peer_succeed(&peer, evl), 0);
	free_message(expect(EVLOOP__METHOD__METHOD_SUBSCRIBE));
	free_message(expect(EVLOOP__METHOD__METHOD_SUBSCRIBE));
	/* Without a handler each is returned. */
	assert_int_equal(peer_confirm(&peer, evl), -ENOBUFS);
	assert_non_null(strstr(evl_error_message(evl), "may have been lost"));
	assert_int_equal(evl_dispatch(evl, 0), -ENOBUFS);
	assert_int_equal(evl_dispatch(evl, 0), 0);

	evl_set_error_handler(evl, note_error, NULL);
	assert_int_equal(peer_succeed(&peer, evl), 0);
	free_message(expect(EVLOOP__METHOD__METHOD_SUBSCRIBE));
	free_message(expect(EVLOOP__METHOD__METHOD_SUBSCRIBE));
	assert_int_equal(peer_confirm(&peer, evl), 2);
	assert_int_equal(last_error, -ENOBUFS);
	assert_ptr_equal(last_source, sources[1]);
	assert_int_equal(n_called, 0);
	assert_int_equal(evl_cancel(sources[1]), 1);
	evl_source_unref(sources[0]);
	evl_source_unref(sources[1]);
}

/* ---- limiters ----------------------------------------------------------------------------------------------- */

static void answer_limiter(struct peer *p, const struct frame *frame) {
	Evloop__LimiterSetReply set = EVLOOP__LIMITER_SET_REPLY__INIT;
	Evloop__LimiterShareReply share = EVLOOP__LIMITER_SHARE_REPLY__INIT;

	if (frame->method == EVLOOP__METHOD__METHOD_LIMITER_SET)
		peer_send(p, FRAME_REPLY, frame->method, frame->serial, &set.base);
	else if (frame->method == EVLOOP__METHOD__METHOD_LIMITER_SHARE)
		peer_send(p, FRAME_REPLY, frame->method, frame->serial, &share.base);
}

static struct evl_limiter *open_limiter(const struct evl_limit *limit) {
	struct evl_limiter *limiter;

	peer_serve(&peer, limit->concurrency > 0 ? 1 : 2, answer_limiter);
	assert_int_equal(evl_limiter_open(evl, &limiter, "name", limit), 0);
	peer_join(&peer);
	return limiter;
}

static Evloop__LimiterWaitRequest *expect_wait(struct peer *p) {
	return (Evloop__LimiterWaitRequest *)peer_expect_message(p, EVLOOP__METHOD__METHOD_LIMITER_WAIT, NULL);
}

static void grant(struct peer *p, uint64_t handle, bool more) {
	Evloop__Event event = EVLOOP__EVENT__INIT;
	Evloop__Grant granted = EVLOOP__GRANT__INIT;

	granted.allowed = true;
	event.type = EVLOOP__EVENT_TYPE__EVENT_GRANTED;
	event.handle = handle;
	event.claim = more ? EVLOOP__CLAIM_STATE__CLAIM_HELD : EVLOOP__CLAIM_STATE__CLAIM_GRANTED;
	event.grant = &granted;
	event.more = more;
	peer_tell(p, &event);
}

/* In line again, with what is left of the patience; what is held is not asked for, but said. */
static void test_claim(void **state _unused_) {
	struct evl_limit limit = EVL_CONCURRENCY(2);
	struct evl_limiter *limiter = open_limiter(&limit);
	Evloop__LimiterWaitRequest *request;
	struct evl_source *source;
	uint64_t handle;

	assert_int_equal(evl_limiter_acquire(limiter, &source, NULL, 1, EVL_SEC(60), count, NULL), 0);
	evl_flush(evl);
	free_message(expect_wait(&peer));
	peer_succeed(&peer, evl);
	request = expect_wait(&peer);
	assert_false(request->held);
	assert_in_range(request->max_wait_ns, EVL_SEC(50), EVL_SEC(60) - 1);
	handle = request->handle;
	free_message(request);

	grant(&peer, handle, true);
	assert_int_equal(peer_succeed(&peer, evl), 1);
	assert_int_equal(last.type, EVL_EVENT_GRANTED);
	request = expect_wait(&peer);
	assert_true(request->held);
	assert_int_equal(request->cost, 1);
	free_message(request);
	assert_true(peer_is_quiet(&peer));
	assert_int_equal(evl_limiter_release(source), 1);
	evl_flush(evl);
	assert_int_equal(peer_expect_cancel(&peer), handle);
	evl_source_unref(source);
	evl_limiter_close(limiter);
}

/* The daemon of a connection beside the user's dies, first over the question and then while it is waited for. */
static void *play_line(void *userdata) {
	struct peer *other = userdata;
	Evloop__LimiterWaitRequest *request;
	Evloop__Grant queued = EVLOOP__GRANT__INIT;
	struct frame frame;

	other->fd = accept4(peer.listen_fd, NULL, NULL, SOCK_CLOEXEC);
	peer_greet(other, peer_expect_hello(other));
	free_message(expect_wait(other));
	peer_take_over(other);
	peer_greet(other, peer_expect_hello(other));
	peer_expect(other, &frame); /* asked once more */
	assert_int_equal(frame.method, EVLOOP__METHOD__METHOD_LIMITER_WAIT);
	queued.queued = true;
	peer_send(other, FRAME_REPLY, EVLOOP__METHOD__METHOD_LIMITER_WAIT, frame.serial, &queued.base);
	peer_take_over(other);
	peer_greet(other, peer_expect_hello(other));
	request = expect_wait(other);
	grant(other, request->handle, false);
	free_message(request);
	return NULL;
}

static void test_limiter_wait(void **state _unused_) {
	struct evl_limit limit = EVL_RATE(10, EVL_SEC(1));
	struct evl_limiter *limiter = open_limiter(&limit);
	struct peer *other = calloc(1, sizeof(*other));
	pthread_t thread;

	packet_init(&other->in, other->buffer, sizeof(other->buffer));
	assert_int_equal(pthread_create(&thread, NULL, play_line, other), 0);
	assert_int_equal(evl_limiter_wait(limiter, NULL, 1, -1, NULL), 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	evl_limiter_close(limiter);
	close_fd(other->fd);
	free(other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_once),
		TEST(test_at),
		TEST(test_repeating),
		TEST(test_other_time_namespace),
		TEST(test_detached),
		TEST(test_command),
		TEST(test_attached),
		TEST(test_descriptor),
		TEST(test_descriptor_closed),
		TEST(test_process),
		TEST(test_path),
		TEST(test_topic),
		TEST(test_claim),
		TEST(test_limiter_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
