/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns requests: each gets a serial and a deadline, and completes exactly once: by its reply, by its deadline,
 * or by the end of the connection.  A call that waits runs no callback; the events it meets stay in line.
 */

#include "client/internal.h"

#include "proto/method.h"

int64_t call_deadline(const struct evl *evl) {
	return evl->timeout_ns == INT64_MAX ? INT64_MAX : clock_ns(CLOCK_MONOTONIC) + evl->timeout_ns;
}

int64_t call_next_deadline(const struct evl *evl) {
	const struct request *first = TAILQ_FIRST(&evl->requests);

	return first ? first->deadline_ns : INT64_MAX;
}

/* By deadline; as the timeout seldom changes, that is at the end. */
static void enlist(struct evl *evl, struct request *request) {
	struct request *before = TAILQ_LAST(&evl->requests, request_list);

	while (before && before->deadline_ns > request->deadline_ns)
		before = TAILQ_PREV(before, request_list, link);
	if (before)
		TAILQ_INSERT_AFTER(&evl->requests, before, request, link);
	else
		TAILQ_INSERT_HEAD(&evl->requests, request, link);
}

/* Its deadline has been set.  `fd` -1: none goes along. */
static int start(struct evl *evl, struct request *request, Evloop__Method method, const ProtobufCMessage *message,
		 int fd) {
	int r;

	request->serial = ++evl->serial;
	r = output_put(evl, FRAME_REQUEST, method, request->serial, message, fd);
	if (r < 0)
		return r;
	enlist(evl, request);
	return 0;
}

static void finish(struct evl *evl, struct request *request, int error, const struct frame *frame) {
	TAILQ_REMOVE(&evl->requests, request, link);
	request->complete(evl, request, error, frame);
}

int call_async(struct evl *evl, struct request *request, int64_t deadline_ns, Evloop__Method method,
	       const ProtobufCMessage *message) {
	int r;

	request->deadline_ns = deadline_ns;
	r = start(evl, request, method, message, -1);
	loop_update(evl);
	return r;
}

int call_oneway_with_fd(struct evl *evl, Evloop__Method method, const ProtobufCMessage *message, int fd) {
	int r = connection_check(evl);

	if (r < 0)
		return r;
	r = output_put(evl, FRAME_ONEWAY, method, ++evl->serial, message, fd);
	loop_update(evl);
	return r;
}

int call_oneway(struct evl *evl, Evloop__Method method, const ProtobufCMessage *message) {
	return call_oneway_with_fd(evl, method, message, -1);
}

void call_complete(struct evl *evl, const struct frame *frame) {
	struct request *request;
	int error = 0;

	if (frame->kind == FRAME_ERROR) {
		error = error_take(evl, evloop__error__unpack(NULL, frame->body_size, frame->body));
		if (frame->method == EVLOOP__METHOD__METHOD_NONE)
			connection_note_last_words(evl);
	}
	/* Replies come in the order of the requests, so it is the first, or near it.  None: it has timed out. */
	TAILQ_FOREACH(request, &evl->requests, link) {
		if (request->serial == frame->serial) {
			finish(evl, request, error, error ? NULL : frame);
			return;
		}
	}
}

void call_expire(struct evl *evl) {
	struct request *request;
	int64_t now;

	if (TAILQ_EMPTY(&evl->requests))
		return;
	now = clock_ns(CLOCK_MONOTONIC);
	while ((request = TAILQ_FIRST(&evl->requests)) && now >= request->deadline_ns)
		finish(evl, request, -ETIMEDOUT, NULL);
}

void call_fail_all(struct evl *evl, int error) {
	struct request *request;

	while ((request = TAILQ_FIRST(&evl->requests)))
		finish(evl, request, error, NULL);
}

void call_fail_before(struct evl *evl, uint64_t serial) {
	struct request *next = TAILQ_FIRST(&evl->requests);

	while (next) {
		struct request *request = next;

		next = TAILQ_NEXT(request, link);
		if (request->serial < serial)
			finish(evl, request, -EOWNERDEAD, NULL);
	}
}

void call_forget(struct evl *evl, struct request *request) {
	TAILQ_REMOVE(&evl->requests, request, link);
}

/* A request that is waited for. */
struct waiter {
	struct request request;
	const ProtobufCMessageDescriptor *output;
	ProtobufCMessage *reply;
	int *fds; /* NULL: none are expected */
	size_t max_fds;
	int error;
	bool done;
};

static void take_fds(struct evl *evl, struct waiter *waiter, const struct frame *frame) {
	for (size_t i = 0; i < MIN(waiter->max_fds, (size_t)frame->n_fds); i++)
		waiter->fds[i] = TAKE_FD(evl->input.fds[i]);
}

static void complete_waiter(struct evl *evl, struct request *request, int error, const struct frame *frame) {
	struct waiter *waiter = container_of(request, struct waiter, request);

	if (frame) {
		waiter->reply = protobuf_c_message_unpack(waiter->output, NULL, frame->body_size, frame->body);
		if (!waiter->reply)
			error = -EPROTO;
		take_fds(evl, waiter, frame);
	}
	waiter->error = error;
	waiter->done = true;
}

static void wait_for(struct evl *evl, struct waiter *waiter) {
	while (!waiter->done) {
		int r;

		output_send(evl);
		/* The loss of the connection has completed it. */
		if (waiter->done)
			return;
		r = loop_wait_socket(evl, waiter->request.deadline_ns);
		if (r < 0)
			finish(evl, &waiter->request, r, NULL);
		else
			(void)input_receive(evl);
	}
}

static int wait_failed(struct evl *evl, int error) {
	if (evl->link != LINK_UP && (error == evl->loss || error == -ENOTCONN))
		return connection_error(evl);
	if (error == -EOWNERDEAD) {
		error_take(evl, NULL);
		return error_set(evl, error, "the daemon died before it answered: nobody knows whether it was done");
	}
	if (error == -ETIMEDOUT && !evl->error)
		return error_set(evl, error, "the daemon did not answer in time");
	return error;
}

/* `fd` goes along, −1: none does; up to `max_fds` come back. */
static int call_and_wait(struct evl *evl, Evloop__Method method, const ProtobufCMessage *message, int fd,
			 ProtobufCMessage **ret_reply, int *ret_fds, size_t max_fds) {
	const struct method *description = method_find((uint16_t)method);
	struct waiter waiter = { .request.complete = complete_waiter, .fds = ret_fds, .max_fds = max_fds };
	int r = connection_begin(evl);

	error_take(evl, NULL);
	if (r == -ENOTCONN && !evl->closed)
		return connection_error(evl);
	if (r < 0)
		return r;
	if (!description || !description->input)
		return -EINVAL;
	waiter.output = description->output;
	waiter.request.deadline_ns = call_deadline(evl);
	r = start(evl, &waiter.request, method, message, fd);
	if (r >= 0) {
		wait_for(evl, &waiter);
		r = waiter.error;
	}
	loop_update(evl);
	if (r < 0)
		return wait_failed(evl, r);
	if (ret_reply)
		*ret_reply = waiter.reply;
	else
		protobuf_c_message_free_unpacked(waiter.reply, NULL);
	return 0;
}

int call_sync(struct evl *evl, Evloop__Method method, const ProtobufCMessage *message, ProtobufCMessage **ret_reply) {
	return call_and_wait(evl, method, message, -1, ret_reply, NULL, 0);
}

int call_sync_for_fds(struct evl *evl, Evloop__Method method, const ProtobufCMessage *message,
		      ProtobufCMessage **ret_reply, int *ret_fds, size_t max_fds) {
	for (size_t i = 0; i < max_fds; i++)
		ret_fds[i] = -1;
	return call_and_wait(evl, method, message, -1, ret_reply, ret_fds, max_fds);
}

int call_sync_with_fd(struct evl *evl, Evloop__Method method, const ProtobufCMessage *message, int fd,
		      ProtobufCMessage **ret_reply) {
	return call_and_wait(evl, method, message, fd, ret_reply, NULL, 0);
}

int evl_roundtrip(struct evl *evl) {
	Evloop__PingRequest ping = EVLOOP__PING_REQUEST__INIT;
	int r = call_sync(evl, EVLOOP__METHOD__METHOD_PING, &ping.base, NULL);

	if (r < 0 || evl->first_refusal == 0)
		return r;
	r = error_set(evl, evl->first_refusal, "%s", evl->first_refusal_message);
	event_take_refusal(evl);
	return r;
}

int evl_set_timeout(struct evl *evl, int64_t timeout_ns) {
	if (timeout_ns < -1 || timeout_ns > TIME_NS_MAX)
		return error_begin(evl, -EINVAL);
	evl->timeout_ns = timeout_ns < 0 ? INT64_MAX : timeout_ns;
	return 0;
}
