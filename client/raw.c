/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the calls of whoever writes his messages himself (client/call.h), and the handles that he has for them.  Of his messages it is
 * known which ones arm something under such a handle: they are kept as those of the library's own sources are, for the next daemon.
 */

#include "client/internal.h"

#include "proto/method.h"

int evl_call_handle(struct evl *evl, uint64_t *ret_handle, evl_call_event callback, void *userdata) {
	struct evl_source *source;
	int r;

	error_begin(evl, 0);
	r = source_new(evl, SOURCE_RAW, NULL, userdata, &source);
	if (r < 0)
		return r;
	source->raw = callback;
	*ret_handle = source->handle;
	return 0;
}

void evl_call_drop(struct evl *evl, uint64_t handle) {
	struct evl_source *source = handle_find(&evl->handles, handle);

	if (!source)
		return;
	source_retire(source);
	source_settle(source);
}

/* ---- what is kept of a message ---- */

static bool arms(Evloop__Method method) {
	switch (method) {
	case EVLOOP__METHOD__METHOD_ARM:
	case EVLOOP__METHOD__METHOD_ATTACH:
	case EVLOOP__METHOD__METHOD_WATCH_FD:
	case EVLOOP__METHOD__METHOD_WATCH_PID:
	case EVLOOP__METHOD__METHOD_WATCH_PATH:
	case EVLOOP__METHOD__METHOD_SUBSCRIBE:
	case EVLOOP__METHOD__METHOD_LIMITER_WAIT:
		return true;
	default:
		return false;
	}
}

/* The raw source that the message is about; NULL: none. */
static struct evl_source *subject(struct evl *evl, Evloop__Method method, const ProtobufCMessage *message) {
	const ProtobufCFieldDescriptor *field;
	struct evl_source *source;

	if (!arms(method) && method != EVLOOP__METHOD__METHOD_CANCEL_HANDLE &&
	    method != EVLOOP__METHOD__METHOD_RESTART_HANDLE)
		return NULL;
	/* It is the first field of all of them. */
	field = protobuf_c_message_descriptor_get_field(message->descriptor, 1);
	source = handle_find(&evl->handles, *(const uint64_t *)((const char *)message + field->offset));
	return source && source->kind == SOURCE_RAW ? source : NULL;
}

/* Before it is sent.  Return: 0, as arming_keep(). */
static int note(struct evl_source *source, Evloop__Method method, const ProtobufCMessage *message, int fd) {
	int r;

	/* Whatever becomes of it, it shall not come back. */
	if (method == EVLOOP__METHOD__METHOD_CANCEL_HANDLE)
		arming_forget(source);
	if (!arms(method))
		return 0;
	r = arming_keep(source, method, message, fd);
	if (r < 0)
		return r;
	source->follows = method == EVLOOP__METHOD__METHOD_ATTACH;
	if (method == EVLOOP__METHOD__METHOD_ARM)
		timer_note_spec(source);
	return 0;
}

/* Tokens that were granted are as good as held: who has them drops the handle.  A denial is the end of it. */
static void note_grant(struct evl_source *source, const Evloop__Grant *grant) {
	if (grant->allowed)
		arming_note_held(source);
	else if (!grant->queued)
		arming_forget(source);
}

/* After it was sent; `reply` NULL: there is none. */
static void note_result(struct evl_source *source, Evloop__Method method, const ProtobufCMessage *message, int error,
			const ProtobufCMessage *reply) {
	if (error < 0 && arms(method))
		arming_forget(source);
	else if (error >= 0 && method == EVLOOP__METHOD__METHOD_RESTART_HANDLE)
		timer_note_restart(source, (const Evloop__RestartRequest *)message);
	else if (reply && method == EVLOOP__METHOD__METHOD_LIMITER_WAIT)
		note_grant(source, (const Evloop__Grant *)reply);
}

/* ---- the calls ---- */

int evl_call_with_fd(struct evl *evl, Evloop__Method method, const ProtobufCMessage *request, int fd,
		     ProtobufCMessage **ret_reply) {
	struct evl_source *source = subject(evl, method, request);
	ProtobufCMessage *reply = NULL;
	int r = error_begin(evl, 0);

	if (source)
		r = note(source, method, request, fd);
	if (r >= 0)
		r = call_sync_with_fd(evl, method, request, fd, &reply);
	if (source)
		note_result(source, method, request, r, reply);
	if (r < 0)
		return r;
	if (ret_reply)
		*ret_reply = reply;
	else
		protobuf_c_message_free_unpacked(reply, NULL);
	return 0;
}

int evl_call(struct evl *evl, Evloop__Method method, const ProtobufCMessage *request, ProtobufCMessage **ret_reply) {
	return evl_call_with_fd(evl, method, request, -1, ret_reply);
}

int evl_call_to_take(struct evl *evl, Evloop__Method method, const ProtobufCMessage *request, int fd,
		     ProtobufCMessage **ret_reply) {
	int r = evl_call_with_fd(evl, method, request, fd, ret_reply);

	return r == -EOWNERDEAD ? evl_call_with_fd(evl, method, request, fd, ret_reply) : r;
}

int evl_call_oneway(struct evl *evl, Evloop__Method method, const ProtobufCMessage *request, int fd) {
	struct evl_source *source = subject(evl, method, request);
	int r = error_begin(evl, 0);

	if (source)
		r = note(source, method, request, fd);
	if (r >= 0)
		r = call_oneway_with_fd(evl, method, request, fd);
	if (source)
		note_result(source, method, request, r, NULL);
	return r;
}

const Evloop__Error *evl_call_error(struct evl *evl) {
	return evl->error;
}

const Evloop__HelloReply *evl_call_hello(struct evl *evl) {
	return evl->hello;
}
