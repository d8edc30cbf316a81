/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns topics on the client's side: telling all who listen, and listening. */

#include "client/internal.h"

#include <limits.h>

#include "proto/limits.h"

static int fill_emit(struct evl *evl, const char *topic, const void *data, size_t len, Evloop__EmitRequest *ret) {
	if (!topic || (len > 0 && !data))
		return error_set(evl, -EINVAL, "no topic, or no data");
	if (len > TOPIC_DATA_MAX)
		return error_set(evl, -ERANGE, "%zu bytes are more than %d", len, TOPIC_DATA_MAX);
	ret->topic = (char *)topic;
	ret->data = (ProtobufCBinaryData){ .data = (uint8_t *)data, .len = len };
	return 0;
}

int evl_emit(struct evl *evl, const char *topic, const void *data, size_t len) {
	Evloop__EmitRequest request = EVLOOP__EMIT_REQUEST__INIT;
	ProtobufCMessage *reply;
	int r = fill_emit(evl, topic, data, len, &request);

	if (r >= 0)
		r = call_sync(evl, EVLOOP__METHOD__METHOD_EMIT, &request.base, &reply);
	if (r < 0)
		return r;
	r = (int)MIN(((const Evloop__EmitReply *)reply)->receivers, (uint64_t)INT_MAX);
	protobuf_c_message_free_unpacked(reply, NULL);
	return r;
}

int evl_emit_async(struct evl *evl, const char *topic, const void *data, size_t len) {
	Evloop__EmitRequest request = EVLOOP__EMIT_REQUEST__INIT;
	int r = connection_begin(evl);

	if (r >= 0)
		r = fill_emit(evl, topic, data, len, &request);
	return r < 0 ? r : call_oneway(evl, EVLOOP__METHOD__METHOD_EMIT, &request.base);
}

int evl_subscription_add(struct evl *evl, struct evl_source **ret, const struct evl_subscription *given,
			 evl_callback callback, void *userdata) {
	Evloop__SubscribeRequest request = EVLOOP__SUBSCRIBE_REQUEST__INIT;
	Evloop__Gate gate = EVLOOP__GATE__INIT;
	struct evl_subscription subscription;
	struct evl_source *source;
	int r = connection_begin(evl);

	if (r >= 0)
		r = structure_read(evl, "evl_subscription", given, sizeof(*given), &subscription, sizeof(subscription));
	if (r < 0)
		return r;
	if (!callback || !subscription.topic)
		return error_set(evl, -EINVAL, "no callback, or no topic");
	if (subscription.queue > SUBSCRIPTION_QUEUE_MAX)
		return error_set(evl, -ERANGE, "a queue of %u is more than %d", subscription.queue,
				 SUBSCRIPTION_QUEUE_MAX);
	r = gate_fill(evl, subscription.limiter, subscription.limiter_key, &gate, &request.gate);
	if (r >= 0)
		r = source_new(evl, SOURCE_SUBSCRIPTION, callback, userdata, &source);
	if (r < 0)
		return r;
	source->rearm = subscription.rearm;
	request.handle = source->handle;
	request.topic = (char *)subscription.topic;
	request.queue = subscription.queue;
	return arming_begin(source, ret, EVLOOP__METHOD__METHOD_SUBSCRIBE, &request.base, -1);
}

int evl_subscribe(struct evl *evl, struct evl_source **ret, const char *topic, evl_callback callback, void *userdata) {
	struct evl_subscription subscription = EVL_SUBSCRIPTION_INIT;

	subscription.topic = topic;
	return evl_subscription_add(evl, ret, &subscription, callback, userdata);
}
