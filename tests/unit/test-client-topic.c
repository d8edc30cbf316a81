/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Topics of the library: what is sent for them, what their events say, and what is refused. */

#include "tests/unit/test.h"

#include <string.h>

#include "proto/limits.h"
#include "tests/unit/client-peer.h"

static struct peer peer;
static struct evl *evl;
static int n_called, n_errors;
static struct evl_event last;
static char last_data[64], last_name[64];

static int setup(void **state _unused_) {
	peer_init(&peer);
	n_called = n_errors = 0;
	return peer_connect(&peer, &evl);
}

static int teardown(void **state _unused_) {
	evl = evl_close(evl);
	peer_deinit(&peer);
	return 0;
}

static void heard(struct evl_source *source _unused_, const struct evl_event *event, void *userdata _unused_) {
	last = *event;
	assert_in_range(event->len, 0, sizeof(last_data) - 1);
	assert_int_equal(((const char *)event->data)[event->len], '\0');
	memcpy(last_data, event->data, event->len + 1);
	(void)snprintf(last_name, sizeof(last_name), "%s", event->name);
	n_called++;
}

static void failed(struct evl *connection _unused_, struct evl_source *source _unused_, int error, const char *message,
		   void *userdata _unused_) {
	assert_int_equal(error, -EACCES);
	assert_string_equal(message, "not yours");
	n_errors++;
}

/* The next frame must be a SUBSCRIBE. */
static Evloop__SubscribeRequest *expect_subscription(void) {
	evl_flush(evl);
	return (Evloop__SubscribeRequest *)peer_expect_message(&peer, EVLOOP__METHOD__METHOD_SUBSCRIBE, NULL);
}

static void emit(uint64_t handle, const char *data, size_t len, uint64_t fire_seq, Evloop__Gap *gap) {
	Evloop__Event event = EVLOOP__EVENT__INIT;

	event.type = EVLOOP__EVENT_TYPE__EVENT_MESSAGE;
	event.handle = handle;
	event.name = (char *)"news";
	event.fire_seq = fire_seq;
	event.fires = 1;
	event.more = true;
	event.data = (ProtobufCBinaryData){ .data = (uint8_t *)data, .len = len };
	event.gap = gap;
	peer_tell(&peer, &event);
}

static void test_subscribe(void **state _unused_) {
	Evloop__Gap gap = EVLOOP__GAP__INIT;
	Evloop__SubscribeRequest *request;
	struct evl_source *source;
	uint64_t handle;

	assert_int_equal(evl_subscribe(evl, &source, "news", heard, NULL), 0);
	request = expect_subscription();
	assert_string_equal(request->topic, "news");
	assert_int_equal(request->queue, 64);
	assert_null(request->gate);
	handle = request->handle;
	evloop__subscribe_request__free_unpacked(request, NULL);

	emit(handle, "a\0b", 3, 1, NULL);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(last.type, EVL_EVENT_MESSAGE);
	assert_int_equal(last.len, 3);
	assert_memory_equal(last_data, "a\0b", 4);
	assert_string_equal(last_name, "news");
	assert_int_equal(last.fire_seq, 1);
	assert_int_equal(last.gap_first, 0);
	assert_true(last.more);

	gap.first = 2;
	gap.last = 4;
	gap.count = 3;
	emit(handle, "", 0, 5, &gap);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(last.len, 0);
	assert_int_equal(last.gap_first, 2);
	assert_int_equal(last.gap_last, 4);

	/* It is not acknowledged. */
	evl_flush(evl);
	assert_true(peer_is_quiet(&peer));
	assert_int_equal(evl_cancel(source), 1);
	emit(handle, "late", 4, 6, NULL);
	assert_int_equal(evl_dispatch(evl, EVL_MSEC(1)), 0);
	assert_int_equal(n_called, 2);
	assert_int_equal(peer_expect_cancel(&peer), handle);
	evl_source_unref(source);
}

static void test_subscription(void **state _unused_) {
	struct evl_subscription subscription = EVL_SUBSCRIPTION_INIT;
	Evloop__SubscribeRequest *request;

	subscription.topic = "news";
	subscription.queue = 0;
	subscription.limiter = "rate";
	subscription.limiter_key = "k";
	subscription.rearm = true;
	assert_int_equal(evl_subscription_add(evl, NULL, &subscription, heard, NULL), 0);
	for (int i = 0; i < 2; i++) {
		request = expect_subscription();
		assert_string_equal(request->topic, "news");
		assert_int_equal(request->queue, 0);
		assert_string_equal(request->gate->limiter, "rate");
		assert_int_equal(request->gate->key.len, 1);
		emit(request->handle, "hello", 5, 1, NULL);
		evloop__subscribe_request__free_unpacked(request, NULL);
		assert_int_equal(evl_dispatch(evl, -1), 1);
		assert_string_equal(last_data, "hello");
		if (i == 0) {
			peer_hang_up(&peer);
			assert_int_equal(evl_dispatch(evl, -1), -ECONNRESET);
			assert_int_equal(peer_reconnect(&peer, evl), 0);
		}
	}
}

static void test_bad_subscriptions(void **state _unused_) {
	struct evl_subscription subscription = EVL_SUBSCRIPTION_INIT;

	assert_int_equal(evl_subscribe(evl, NULL, "news", NULL, NULL), -EINVAL);
	assert_int_equal(evl_subscribe(evl, NULL, NULL, heard, NULL), -EINVAL);
	subscription.topic = "news";
	subscription.queue = SUBSCRIPTION_QUEUE_MAX + 1;
	assert_int_equal(evl_subscription_add(evl, NULL, &subscription, heard, NULL), -ERANGE);
	subscription.queue = 1;
	subscription.limiter_key = "key of nothing";
	assert_int_equal(evl_subscription_add(evl, NULL, &subscription, heard, NULL), -EINVAL);
	subscription.size = 4;
	assert_int_equal(evl_subscription_add(evl, NULL, &subscription, heard, NULL), -EINVAL);
	evl_flush(evl);
	assert_true(peer_is_quiet(&peer));
}

static void answer_emit(struct peer *played, const struct frame *frame) {
	Evloop__EmitReply reply = EVLOOP__EMIT_REPLY__INIT;

	reply.receivers = 3;
	if (frame->method == EVLOOP__METHOD__METHOD_EMIT)
		peer_send(played, FRAME_REPLY, EVLOOP__METHOD__METHOD_EMIT, frame->serial, &reply.base);
}

static void test_emit(void **state _unused_) {
	char large[TOPIC_DATA_MAX + 1] = "";

	peer_serve(&peer, 2, answer_emit);
	assert_int_equal(evl_emit(evl, "news", "hello", 5), 3);
	assert_int_equal(evl_emit(evl, "news", NULL, 0), 3);
	peer_join(&peer);
	assert_int_equal(evl_emit(evl, "news", large, sizeof(large)), -ERANGE);
	assert_int_equal(evl_emit(evl, NULL, "", 0), -EINVAL);
	assert_int_equal(evl_emit(evl, "news", NULL, 1), -EINVAL);
	assert_int_equal(evl_emit_async(evl, "news", large, sizeof(large)), -ERANGE);
}

static void test_emit_async(void **state _unused_) {
	Evloop__Error error = EVLOOP__ERROR__INIT;
	Evloop__EmitRequest *request;

	evl_set_error_handler(evl, failed, NULL);
	assert_int_equal(evl_emit_async(evl, "news", "hello", 5), 0);
	evl_flush(evl);
	request = (Evloop__EmitRequest *)peer_expect_message(&peer, EVLOOP__METHOD__METHOD_EMIT, NULL);
	assert_string_equal(request->topic, "news");
	assert_int_equal(request->data.len, 5);
	assert_memory_equal(request->data.data, "hello", 5);
	evloop__emit_request__free_unpacked(request, NULL);
	error.method = EVLOOP__METHOD__METHOD_EMIT;
	error.status = EVLOOP__STATUS__STATUS_PERM;
	error.message = (char *)"not yours";
	peer_send(&peer, FRAME_EVENT, EVLOOP__METHOD__METHOD_REFUSED, 1, &error.base);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(n_errors, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_subscribe), TEST(test_subscription), TEST(test_bad_subscriptions),
		TEST(test_emit),      TEST(test_emit_async),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
