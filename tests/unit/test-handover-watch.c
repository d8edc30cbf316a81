/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two daemons in one process: what clients watch and have subscribed to goes over to the second. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/core/path-watch.h"
#include "daemon/core/tenant.h"
#include "daemon/core/topic.h"
#include "tests/unit/fake-watcher.h"
#include "tests/unit/handover-world.h"

#define METHOD(name) EVLOOP__METHOD__METHOD_##name
#define HOUR (3600 * NSEC_PER_SEC)

static void watch_for(uint64_t handle, int fd, int64_t timeout_ns) {
	Evloop__WatchFdRequest request = EVLOOP__WATCH_FD_REQUEST__INIT;

	request.handle = handle;
	request.events = EVLOOP__READINESS__READINESS_READABLE;
	request.timeout_ns = timeout_ns;
	assert_non_null(peer_call_with_fd(&peer, METHOD(WATCH_FD), &request, fd, NULL));
}

static void test_watches(void **state _unused_) {
	int armed[2], unacked[2];
	char byte;

	assert_int_equal(pipe2(armed, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(unacked, O_CLOEXEC | O_NONBLOCK), 0);
	watch_for(1, armed[0], 0);
	watch_for(2, unacked[0], 0);
	assert_int_equal(write(unacked[1], "x", 1), 1);
	(void)expect(2, EVLOOP__EVENT_TYPE__EVENT_READY);
	hand_over();

	/* One was told and is not acknowledged: nothing until then, although it is readable. */
	expect_none();
	assert_int_equal(write(armed[1], "x", 1), 1);
	(void)expect(1, EVLOOP__EVENT_TYPE__EVENT_READY);
	ack(2);
	assert_int_equal(expect(2, EVLOOP__EVENT_TYPE__EVENT_READY)->fire_seq, 2);
	assert_int_equal(read(unacked[0], &byte, 1), 1);
	ack(2);
	expect_none();
	(void)close(unacked[1]);
	assert_int_equal(expect(2, EVLOOP__EVENT_TYPE__EVENT_READY)->readiness, EVLOOP__READINESS__READINESS_HANGUP);
	assert_int_equal(tenant_use(peer_world_newest(&after)->owner.tenant)->descriptors, 1);
	(void)close(unacked[0]);
	(void)close(armed[0]);
	(void)close(armed[1]);
}

/* The daemon's own number for the socket `fd`. */
static int number_in_daemon(int fd) {
	struct stat st, other;
	int i = 3;

	assert_int_equal(fstat(fd, &st), 0);
	while (i == fd || fstat(i, &other) < 0 || other.st_ino != st.st_ino || other.st_dev != st.st_dev)
		assert_true(++i < 256);
	return i;
}

/* A descriptor that cannot go along: its watch ends with an error; but not before what was told is acknowledged. */
static void test_descriptor_lost(void **state _unused_) {
	const Evloop__Event *event;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(write(pair[1], "x", 1), 1);
	watch_for(1, pair[0], 0);
	(void)expect(1, EVLOOP__EVENT_TYPE__EVENT_READY);
	lost_fd = number_in_daemon(pair[0]);
	hand_over();
	expect_none();
	ack(1);
	event = expect(1, EVLOOP__EVENT_TYPE__EVENT_READY);
	assert_int_equal(event->readiness, EVLOOP__READINESS__READINESS_ERROR);
	assert_int_equal(event->fire_seq, 2);
	assert_false(event->more);
	expect_none();
	assert_int_equal(tenant_use(peer_world_newest(&after)->owner.tenant)->descriptors, 0);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

/* An Ack of which a part was done: the rest of it is, and only that. */
static void test_ack_in_parts(void **state _unused_) {
	Evloop__AckRequest request = EVLOOP__ACK_REQUEST__INIT;
	uint64_t handles[300];
	size_t progress;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	for (size_t i = 0; i < ARRAY_SIZE(handles); i++) {
		handles[i] = i + 1;
		watch_for(i + 1, fds[0], 0);
	}
	assert_int_equal(write(fds[1], "x", 1), 1);
	for (size_t i = 0; i < ARRAY_SIZE(handles); i++) {
		Evloop__Event *event;

		assert_true(next_event(&event));
	}
	peer_world_slow(5 * NSEC_PER_USEC);
	request.handles = handles;
	request.n_handles = ARRAY_SIZE(handles);
	(void)peer_put(&peer, FRAME_ONEWAY, METHOD(ACK), &request);
	assert_true(peer_flush(&peer));
	peer_world_turn(&before);
	progress = peer_world_newest(&before)->frame_progress;
	assert_in_range(progress, 1, ARRAY_SIZE(handles) - 1);
	hand_over();
	assert_int_equal(peer_world_newest(&after)->frame_progress, progress);
	for (size_t i = 0; i < ARRAY_SIZE(handles); i++) {
		Evloop__Event *event;

		assert_true(next_event(&event));
		assert_int_equal(event->fire_seq, 2);
	}
	expect_none();
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* A timeout counts from where it began, not from the restart; and one that was not told yet is told. */
static void test_timeouts(void **state _unused_) {
	struct session *session = peer_world_newest(&before);
	int64_t armed_ns;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	watch_for(1, fds[0], 300 * NSEC_PER_MSEC);
	armed_ns = peer_world_now();
	watch_for(2, fds[0], NSEC_PER_MSEC);
	session->outbox.kept_bytes = 1;
	peer_world_pass(10 * NSEC_PER_MSEC);
	peer_world_turn(&before);
	session->outbox.kept_bytes = 0;
	watch_for(3, fds[0], HOUR);
	(void)expect(2, EVLOOP__EVENT_TYPE__EVENT_TIMEOUT);
	ack(2);
	session->outbox.kept_bytes = 1;
	peer_world_pass(10 * NSEC_PER_MSEC);
	peer_world_turn(&before);
	session->outbox.kept_bytes = 0;
	hand_over();
	(void)expect(2, EVLOOP__EVENT_TYPE__EVENT_TIMEOUT);
	expect_none();
	peer_world_pass(armed_ns + 299 * NSEC_PER_MSEC - peer_world_now());
	expect_none();
	peer_world_pass(NSEC_PER_MSEC);
	(void)expect(1, EVLOOP__EVENT_TYPE__EVENT_TIMEOUT);
	expect_none();
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* A path that cannot be watched any more: the session has not heard of it before the restart, and hears of it afterwards. */
static void test_path_that_failed(void **state _unused_) {
	Evloop__WatchPathRequest request = EVLOOP__WATCH_PATH_REQUEST__INIT;
	struct session *session = peer_world_newest(&before);
	struct fake_watcher watcher;
	const Evloop__Event *event;

	fake_watcher_init(&watcher);
	scheduler_set_path_watcher(before.scheduler, &watcher.watcher);
	request.handle = 1;
	request.path = (ProtobufCBinaryData){ .data = (uint8_t *)"/x", .len = 2 };
	assert_non_null(peer_call(&peer, METHOD(WATCH_PATH), &request, NULL));
	path_watch_changed(watcher.watch, "y", 1, PATH_CREATED);
	(void)expect(1, EVLOOP__EVENT_TYPE__EVENT_CHANGED);
	ack(1);
	session->outbox.kept_bytes = 1;
	path_watch_failed(watcher.watch, EACCES);
	session->outbox.kept_bytes = 0;
	hand_over();
	event = expect(1, EVLOOP__EVENT_TYPE__EVENT_CHANGED);
	assert_int_equal(event->error, EACCES);
	assert_int_equal(event->fire_seq, 2);
	assert_false(event->more);
	expect_none();
	assert_int_equal(tenant_use(peer_world_newest(&after)->owner.tenant)->paths, 0);
}

static void test_messages(void **state _unused_) {
	Evloop__SubscribeRequest subscribe = EVLOOP__SUBSCRIBE_REQUEST__INIT;
	Evloop__EmitRequest emit = EVLOOP__EMIT_REQUEST__INIT;
	struct session *session = peer_world_newest(&before);
	const Evloop__Event *event;

	subscribe.handle = 1;
	subscribe.topic = (char *)"news";
	subscribe.queue = 3;
	(void)peer_call(&peer, METHOD(SUBSCRIBE), &subscribe, NULL);
	subscribe.handle = 2;
	subscribe.queue = 0;
	(void)peer_call(&peer, METHOD(SUBSCRIBE), &subscribe, NULL);
	session->outbox.kept_bytes = 1;
	emit.topic = (char *)"news";
	for (unsigned char i = 1; i <= 5; i++) {
		emit.data = (ProtobufCBinaryData){ .data = &i, .len = 1 };
		peer_put(&peer, FRAME_ONEWAY, METHOD(EMIT), &emit);
		assert_true(peer_flush(&peer));
		peer_world_settle(&before);
	}
	session->outbox.kept_bytes = 0;
	hand_over();
	for (unsigned i = 0; i < 4; i++) {
		Evloop__Event *next;

		assert_true(next_event(&next));
		if (next->handle == 2) {
			assert_int_equal(next->fires, 5);
			assert_int_equal(next->fire_seq, 5);
			assert_int_equal(next->data.data[0], 5);
		} else {
			assert_int_equal(next->data.data[0], next->fire_seq);
			assert_int_equal(next->gap != NULL, next->fire_seq == 3);
			if (next->gap)
				assert_int_equal(next->gap->count, 2);
		}
	}
	expect_none();
	emit.data = (ProtobufCBinaryData){ .data = (uint8_t *)"!", .len = 1 };
	peer_put(&peer, FRAME_ONEWAY, METHOD(EMIT), &emit);
	assert_true(peer_flush(&peer));
	event = expect(1, EVLOOP__EVENT_TYPE__EVENT_MESSAGE);
	assert_int_equal(event->fire_seq, 6);
}

/* Messages that a gate holds back: each comes, and when the limiter lets it. */
static void test_messages_behind_a_gate(void **state _unused_) {
	Evloop__SubscribeRequest subscribe = EVLOOP__SUBSCRIBE_REQUEST__INIT;
	Evloop__EmitRequest emit = EVLOOP__EMIT_REQUEST__INIT;
	Evloop__Gate gate = EVLOOP__GATE__INIT;

	make_limiter("narrow", 50, 1, 0);
	gate.limiter = (char *)"narrow";
	subscribe.handle = 1;
	subscribe.topic = (char *)"news";
	subscribe.queue = 10;
	subscribe.gate = &gate;
	(void)peer_call(&peer, METHOD(SUBSCRIBE), &subscribe, NULL);
	emit.topic = (char *)"news";
	for (unsigned char i = 1; i <= 4; i++) {
		emit.data = (ProtobufCBinaryData){ .data = &i, .len = 1 };
		peer_put(&peer, FRAME_ONEWAY, METHOD(EMIT), &emit);
	}
	assert_true(peer_flush(&peer));
	assert_int_equal(expect(1, EVLOOP__EVENT_TYPE__EVENT_MESSAGE)->data.data[0], 1);
	hand_over();
	for (unsigned i = 2; i <= 4; i++) {
		const Evloop__Event *event;

		expect_none();
		peer_world_pass(20 * NSEC_PER_MSEC);
		event = expect(1, EVLOOP__EVENT_TYPE__EVENT_MESSAGE);
		assert_int_equal(event->fire_seq, i);
		assert_int_equal(event->data.data[0], i);
		assert_null(event->gap);
	}
	expect_none();
}

/* A topic that ended before its last messages were taken: they come, and that it has ended is told. */
static void test_topic_that_ended(void **state _unused_) {
	const struct access access = { .mode = 0666 };
	struct event event;
	Evloop__Event *told;
	size_t n;
	Evloop__SubscribeRequest subscribe = EVLOOP__SUBSCRIBE_REQUEST__INIT;
	struct session *session = peer_world_newest(&before);

	assert_int_equal(topic_define(before.scheduler, "news", &access), 0);
	subscribe.topic = (char *)"news";
	subscribe.handle = 1;
	subscribe.queue = 3;
	(void)peer_call(&peer, METHOD(SUBSCRIBE), &subscribe, NULL);
	subscribe.handle = 2;
	(void)peer_call(&peer, METHOD(SUBSCRIBE), &subscribe, NULL);
	session->outbox.kept_bytes = 1;
	assert_int_equal(topic_emit(scheduler_next_tenant(before.scheduler, (uid_t)-1), "news", "!", 1, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(owner_peek_event(&session->owner, &event), true);
	owner_took_event(&session->owner);
	topic_undefine(topic_of_all(before.scheduler, "news"));
	session->outbox.kept_bytes = 0;
	hand_over();
	/* One of them has had its message, and hears only of the end. */
	for (unsigned i = 0; i < 2; i++) {
		assert_true(next_event(&told));
		assert_int_equal(told->type, EVLOOP__EVENT_TYPE__EVENT_MESSAGE);
		assert_int_equal(told->data.len, told->handle == 2);
		assert_false(told->more);
	}
	expect_none();
	assert_int_equal(tenant_use(peer_world_newest(&after)->owner.tenant)->subscriptions, 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, handover_setup, handover_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		test(test_watches),          test(test_descriptor_lost), test(test_timeouts),
		test(test_path_that_failed), test(test_messages),        test(test_messages_behind_a_gate),
		test(test_topic_that_ended), test(test_ack_in_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
