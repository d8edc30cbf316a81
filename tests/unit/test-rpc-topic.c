/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Topics by messages: what is refused and in which words, what an event says, and what a reader loses who does not read. */

#include "tests/unit/test.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/core/tenant.h"
#include "daemon/core/topic.h"
#include "tests/unit/peer-world.h"

#define METHOD(name) EVLOOP__METHOD__METHOD_##name
#define STATUS(name) EVLOOP__STATUS__STATUS_##name

static struct peer_world world;
static struct peer a, b;

static int setup(void **state _unused_) {
	assert_int_equal(peer_world_init(&world, NULL, NULL), 0);
	peer_init(&a, &world);
	peer_open(&a);
	peer_init(&b, &world);
	peer_open(&b);
	return 0;
}

static int teardown(void **state _unused_) {
	peer_deinit(&b);
	peer_deinit(&a);
	peer_world_settle(&world);
	peer_world_deinit(&world);
	return 0;
}

static Evloop__SubscribeRequest subscription(uint64_t handle, const char *topic, uint32_t queue) {
	Evloop__SubscribeRequest request = EVLOOP__SUBSCRIBE_REQUEST__INIT;

	request.handle = handle;
	request.topic = (char *)topic;
	request.queue = queue;
	return request;
}

static Evloop__EmitRequest emission(const char *topic, const void *data, size_t size) {
	Evloop__EmitRequest request = EVLOOP__EMIT_REQUEST__INIT;

	request.topic = (char *)topic;
	request.data = (ProtobufCBinaryData){ .data = (uint8_t *)data, .len = size };
	return request;
}

static uint64_t subscribe(struct peer *peer, uint64_t handle, const char *topic, uint32_t queue) {
	Evloop__SubscribeRequest request = subscription(handle, topic, queue);
	const Evloop__Watched *reply = peer_call(peer, METHOD(SUBSCRIBE), &request, NULL);

	return reply->id;
}

static uint64_t emit(struct peer *peer, const char *topic, const void *data, size_t size) {
	Evloop__EmitRequest request = emission(topic, data, size);
	const Evloop__EmitReply *reply = peer_call(peer, METHOD(EMIT), &request, NULL);

	return reply->receivers;
}

/* The next frame must be an event. */
static const Evloop__Event *next_event(struct peer *peer) {
	struct frame frame;

	assert_true(peer_take(peer, &frame));
	assert_int_equal(frame.kind, FRAME_EVENT);
	assert_int_equal(frame.method, METHOD(EVENT));
	return peer_unpack(peer, &evloop__event__descriptor, &frame);
}

static void expect_refusal(unsigned method, const void *request, Evloop__Status status, const char *text) {
	const Evloop__Error *error;

	assert_null(peer_call(&a, method, request, &error));
	if (error->status != status || !strstr(error->message, text))
		fail_msg("'%s' in place of '%s', status %d", error->message, text, error->status);
}

static void test_refused(void **state _unused_) {
	static const struct {
		uint64_t handle;
		const char *topic;
		uint32_t queue;
		Evloop__Status status;
		const char *text;
	} table[] = {
		{ 0, "t", 1, STATUS(INVALID), "the handle must be above 0" },
		{ 1, "", 1, STATUS(INVALID), "the topic has no name" },
		{ 1, "9", 1, STATUS(INVALID), "the name '9' is not made of" },
		{ 1, "topic:t", 1, STATUS(INVALID), "begins with topic:" },
		{ 1, "t", SUBSCRIPTION_QUEUE_MAX + 1, STATUS(OUT_OF_RANGE), "queue is 1025, above 1024" },
	};
	Evloop__SubscribeRequest request;
	Evloop__EmitRequest emit_request;
	const Evloop__Error *error;
	char data[TOPIC_DATA_MAX + 1] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		request = subscription(table[i].handle, table[i].topic, table[i].queue);
		expect_refusal(METHOD(SUBSCRIBE), &request, table[i].status, table[i].text);
	}
	assert_true(subscribe(&a, 7, "t", SUBSCRIPTION_QUEUE_MAX) > 0);
	request = subscription(7, "u", 0);
	expect_refusal(METHOD(SUBSCRIBE), &request, STATUS(EXISTS), "handle 7 is in use");

	emit_request = emission("", "x", 1);
	expect_refusal(METHOD(EMIT), &emit_request, STATUS(INVALID), "the topic has no name");
	emit_request = emission("t u", "x", 1);
	expect_refusal(METHOD(EMIT), &emit_request, STATUS(INVALID), "the name 't u'");
	emit_request = emission("t", data, sizeof(data));
	expect_refusal(METHOD(EMIT), &emit_request, STATUS(OUT_OF_RANGE), "the data has 4097 bytes, more than 4096");
	assert_int_equal(emit(&b, "t", data, TOPIC_DATA_MAX), 1);

	world.quota.limits[QUOTA_SUBSCRIPTIONS] = 2;
	subscribe(&b, 1, "t", 0);
	request = subscription(8, "t", 0);
	assert_null(peer_call(&a, METHOD(SUBSCRIBE), &request, &error));
	assert_int_equal(error->status, STATUS(QUOTA));
	assert_string_equal(error->limit_name, "subscriptions");
	assert_int_equal(error->used, 2);
}

static void test_event(void **state _unused_) {
	const Evloop__Event *event;
	struct frame frame;
	uint64_t id = subscribe(&a, 3, "chat/room.1", 8);

	assert_int_equal(emit(&b, "chat/room.1", "a\0b", 3), 1);
	peer_world_settle(&world);
	event = next_event(&a);
	assert_int_equal(event->type, EVLOOP__EVENT_TYPE__EVENT_MESSAGE);
	assert_int_equal(event->handle, 3);
	assert_int_equal(event->id, id);
	assert_string_equal(event->name, "chat/room.1");
	assert_int_equal(event->fire_seq, 1);
	assert_int_equal(event->fires, 1);
	assert_true(event->fired_ns > 0);
	assert_true(event->more);
	assert_null(event->gap);
	assert_int_equal(event->data.len, 3);
	assert_memory_equal(event->data.data, "a\0b", 3);
	assert_false(peer_take(&a, &frame));
	assert_false(peer_take(&b, &frame));
}

/* The reply comes before the event that the request has caused, for who has subscribed to what he emits. */
static void test_to_oneself(void **state _unused_) {
	Evloop__EmitRequest request = emission("t", "x", 1);
	struct frame frame;

	subscribe(&a, 1, "t", 8);
	for (unsigned i = 0; i < 3; i++)
		(void)peer_put(&a, FRAME_REQUEST, METHOD(EMIT), &request);
	(void)peer_put(&a, FRAME_ONEWAY, METHOD(EMIT), &request);
	assert_true(peer_flush(&a));
	peer_world_settle(&world);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(peer_take(&a, &frame));
		assert_int_equal(frame.kind, FRAME_REPLY);
	}
	for (unsigned i = 1; i <= 4; i++)
		assert_int_equal(next_event(&a)->fire_seq, i);
	assert_false(peer_take(&a, &frame));
}

/* A reader that does not read loses the oldest, and is told which; a merged one never loses the last. */
static void test_slow_reader(void **state _unused_) {
	uint64_t queued = 0, merged = 0, lost = 0;
	char data[TOPIC_DATA_MAX] = { 0 };
	struct frame frame;

	subscribe(&a, 1, "t", 16);
	subscribe(&a, 2, "t", 0);
	for (uint64_t i = 1; i <= 1000; i++) {
		memcpy(data, &i, sizeof(i));
		assert_int_equal(emit(&b, "t", data, sizeof(data)), 2);
	}
	for (unsigned turn = 0; turn < 200; turn++) {
		peer_world_turn(&world);
		while (peer_take(&a, &frame)) {
			const Evloop__Event *event = peer_unpack(&a, &evloop__event__descriptor, &frame);
			uint64_t first = event->fire_seq - event->fires + 1, number;

			memcpy(&number, event->data.data, sizeof(number));
			assert_int_equal(number, event->fire_seq);
			if (event->gap) {
				assert_int_equal(event->handle, 1);
				assert_int_equal(event->gap->last, first - 1);
				assert_int_equal(event->gap->count, event->gap->last - event->gap->first + 1);
				lost += event->gap->count;
				first = event->gap->first;
			}
			assert_int_equal(first, (event->handle == 1 ? queued : merged) + 1);
			*(event->handle == 1 ? &queued : &merged) = event->fire_seq;
		}
	}
	assert_int_equal(queued, 1000);
	assert_int_equal(merged, 1000);
	assert_in_range(lost, 500, 1000 - 16);
}

/* Each tells many: the uid has spent its turn before the packet is through, and nothing is lost by that. */
static void test_many_receivers(void **state _unused_) {
	Evloop__EmitRequest emit_request = emission("t", "x", 1);
	Evloop__SubscribeRequest request;
	const struct tenant_use *use;
	struct tenant *tenant;

	for (uint64_t handle = 1; handle <= 2000; handle++) {
		request = subscription(handle, "t", 4);
		(void)peer_put(&a, FRAME_ONEWAY, METHOD(SUBSCRIBE), &request);
		if (handle % 100 == 0) {
			assert_true(peer_flush(&a));
			peer_world_settle(&world); /* a slow machine takes more than one turn */
		}
	}
	for (unsigned i = 0; i < 400; i++)
		(void)peer_put(&b, FRAME_ONEWAY, METHOD(EMIT), &emit_request);
	assert_true(peer_flush(&b));
	peer_world_turn(&world);
	assert_non_null(peer_world_newest(&world)->rest);
	for (unsigned i = 0; i < 1000 && peer_world_newest(&world)->rest; i++)
		peer_world_turn(&world);
	assert_null(peer_world_newest(&world)->rest);
	assert_int_equal(emit(&b, "t", "x", 1), 2000);
	assert_int_equal(scheduler_tenant(world.scheduler, getuid(), &tenant), 0);
	use = tenant_use(tenant);
	assert_int_equal(use->subscriptions, 2000);
	assert_true(use->message_bytes > 0);
	peer_hang_up(&a);
	peer_world_settle(&world);
	assert_int_equal(use->subscriptions, 0);
	assert_int_equal(use->message_bytes, 0);
	tenant_unref(tenant);
	assert_int_equal(emit(&b, "t", "x", 1), 0);
}

/* One of all uids, for whoever it allows; the sessions are told to be somebody else's, for root may do everything. */
static void test_access(void **state _unused_) {
	static const struct {
		uid_t uid;
		mode_t mode;
		bool subscribes, emits;
	} table[] = {
		{ 4711, 0600, true, true },  { 4711, 0400, true, false }, { 4711, 0277, false, true },
		{ 4712, 0604, true, false }, { 4712, 0602, false, true }, { 4712, 0660, false, false },
		{ 0, 0, true, true },
	};
	Evloop__SubscribeRequest subscribe_request = subscription(1, "t", 4);
	Evloop__HandleRequest cancel = EVLOOP__HANDLE_REQUEST__INIT;
	Evloop__EmitRequest emit_request = emission("t", "x", 1);
	struct session *session = peer_world_newest(&world);
	const Evloop__Error *error;
	uid_t former = session->uid;
	char expected[160];

	cancel.handle = 1;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct access access = { .owner = 4711, .group = 4711, .mode = table[i].mode };

		assert_int_equal(topic_define(world.scheduler, "t", &access), 0);
		session->uid = table[i].uid;
		if (table[i].subscribes) {
			assert_non_null(peer_call(&b, METHOD(SUBSCRIBE), &subscribe_request, NULL));
			assert_non_null(peer_call(&b, METHOD(CANCEL_HANDLE), &cancel, NULL));
		} else {
			assert_null(peer_call(&b, METHOD(SUBSCRIBE), &subscribe_request, &error));
			assert_int_equal(error->status, STATUS(PERM));
			snprintf(expected, sizeof(expected),
				 "uid %u may not subscribe to the topic 't', which is of uid 4711 and gid 4711 with "
				 "mode %04o",
				 (unsigned)table[i].uid, (unsigned)table[i].mode);
			assert_string_equal(error->message, expected);
		}
		if (table[i].emits) {
			assert_non_null(peer_call(&b, METHOD(EMIT), &emit_request, NULL));
		} else {
			assert_null(peer_call(&b, METHOD(EMIT), &emit_request, &error));
			assert_int_equal(error->status, STATUS(PERM));
			assert_non_null(strstr(error->message, "may not emit on the topic 't'"));
		}
	}
	session->uid = former;
	/* Others are whoever's they were. */
	subscribe(&a, 9, "own", 4);
	assert_int_equal(emit(&a, "own", "x", 1), 1);
}

/* The end of a topic is an event. */
static void test_end_of_a_topic(void **state _unused_) {
	static const struct access access = { .mode = 0666 };
	const Evloop__Event *event;
	struct frame frame;

	assert_int_equal(topic_define(world.scheduler, "t", &access), 0);
	subscribe(&a, 1, "t", 4);
	assert_int_equal(emit(&b, "t", "x", 1), 1);
	peer_world_settle(&world);
	assert_true(next_event(&a)->more);
	topic_undefine(topic_of_all(world.scheduler, "t"));
	peer_world_settle(&world);
	event = next_event(&a);
	assert_int_equal(event->type, EVLOOP__EVENT_TYPE__EVENT_MESSAGE);
	assert_int_equal(event->handle, 1);
	assert_int_equal(event->fires, 0);
	assert_int_equal(event->fire_seq, 1);
	assert_false(event->more);
	assert_false(peer_take(&a, &frame));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_refused),        TEST(test_event),  TEST(test_to_oneself),     TEST(test_slow_reader),
		TEST(test_many_receivers), TEST(test_access), TEST(test_end_of_a_topic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
