/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the requests that concern the session itself: Hello, Ping, Time. */

#include "daemon/rpc/dispatch.h"

#include <string.h>

#include "daemon/core/loop.h"

int rpc_hello(struct call *call, const void *data) {
	const Evloop__HelloRequest *request = data;
	Evloop__HelloReply reply = EVLOOP__HELLO_REPLY__INIT;
	struct session *session = call->session;
	uint32_t floor = request->floor > 0 ? request->floor : request->version;

	if (call->frame->kind != FRAME_REQUEST) {
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID, "hello is a request");
		return 0;
	}
	if (session->state != SESSION_GREETING && !session->taken_over) {
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID, "hello was said before");
		return 0;
	}
	if (floor > PROTOCOL_VERSION || request->version < PROTOCOL_FLOOR || floor > request->version) {
		session_fail(session, EVLOOP__STATUS__STATUS_PROTOCOL,
			     "the client speaks protocol versions %u to %u, the daemon %d to %d", floor,
			     request->version, PROTOCOL_FLOOR, PROTOCOL_VERSION);
		return 0;
	}
	if (strlen(request->client_name) > CLIENT_NAME_LENGTH_MAX) {
		session_fail(session, EVLOOP__STATUS__STATUS_INVALID, "client_name is longer than %d bytes",
			     CLIENT_NAME_LENGTH_MAX);
		return 0;
	}
	if (session->state != SESSION_GREETING)
		session_resume(session, request->client_name, request->resumes);
	else
		session_open(session, request->client_name, request->resumes);

	reply.version = MIN(request->version, PROTOCOL_VERSION);
	reply.floor = PROTOCOL_FLOOR;
	reply.daemon_version = (char *)PACKAGE_VERSION;
	reply.daemon_pid = (uint64_t)getpid();
	reply.session_id = session->id;
	reply.time_namespace = call->rpc->time_namespace;
	reply.boottime_ns = loop_refresh(call->rpc->loop)->ns[TIMER_CLOCK_BOOTTIME];
	reply.uid = session->uid;
	reply.executes = call->rpc->executes && session->uid == call->rpc->uid;
	reply.max_packet = PACKET_SIZE_MAX;
	call_reply(call, &reply.base);
	return 0;
}

int rpc_ping(struct call *call, const void *data _unused_) {
	static const Evloop__PingReply reply = EVLOOP__PING_REPLY__INIT;

	call_reply(call, &reply.base);
	return 0;
}

int rpc_time(struct call *call, const void *data _unused_) {
	Evloop__TimeReply reply = EVLOOP__TIME_REPLY__INIT;
	const struct instant *now;

	reply.loop_ns = loop_now(call->rpc->loop)->ns[TIMER_CLOCK_BOOTTIME];
	now = loop_refresh(call->rpc->loop);
	reply.boottime_ns = now->ns[TIMER_CLOCK_BOOTTIME];
	reply.monotonic_ns = now->ns[TIMER_CLOCK_MONOTONIC];
	reply.realtime_ns = now->ns[TIMER_CLOCK_REALTIME];
	call_reply(call, &reply.base);
	return 0;
}
