/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the table of handlers and the rules that hold for every request: hello first, kinds and methods that exist, a body
 * that can be unpacked within its budget, one answer.  Must not know what any request does.
 */

#include "daemon/rpc/dispatch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/notify.h"
#include "daemon/svc/log.h"
#include "proto/method.h"
#include "proto/status.h"

static const rpc_handler handlers[] = {
	[EVLOOP__METHOD__METHOD_HELLO] = rpc_hello,
	[EVLOOP__METHOD__METHOD_PING] = rpc_ping,
	[EVLOOP__METHOD__METHOD_TIME] = rpc_time,
	[EVLOOP__METHOD__METHOD_QUOTA] = rpc_quota,
	[EVLOOP__METHOD__METHOD_RELOAD] = rpc_reload,
	[EVLOOP__METHOD__METHOD_ARM] = rpc_arm,
	[EVLOOP__METHOD__METHOD_CANCEL_HANDLE] = rpc_cancel_handle,
	[EVLOOP__METHOD__METHOD_RESTART_HANDLE] = rpc_restart_handle,
	[EVLOOP__METHOD__METHOD_IDENTIFY] = rpc_identify,
	[EVLOOP__METHOD__METHOD_ATTACH] = rpc_attach,
	[EVLOOP__METHOD__METHOD_SUBSCRIBE] = rpc_subscribe,
	[EVLOOP__METHOD__METHOD_EMIT] = rpc_emit,
	[EVLOOP__METHOD__METHOD_WATCH_FD] = rpc_watch_fd,
	[EVLOOP__METHOD__METHOD_WATCH_PID] = rpc_watch_pid,
	[EVLOOP__METHOD__METHOD_ACK] = rpc_ack,
	[EVLOOP__METHOD__METHOD_WATCH_PATH] = rpc_watch_path,
	[EVLOOP__METHOD__METHOD_LIST] = rpc_list,
	[EVLOOP__METHOD__METHOD_CANCEL] = rpc_cancel,
	[EVLOOP__METHOD__METHOD_PAUSE] = rpc_pause,
	[EVLOOP__METHOD__METHOD_RESUME] = rpc_resume,
	[EVLOOP__METHOD__METHOD_TRIGGER] = rpc_trigger,
	[EVLOOP__METHOD__METHOD_POKE] = rpc_poke,
	[EVLOOP__METHOD__METHOD_KILL] = rpc_kill,
	[EVLOOP__METHOD__METHOD_LOG] = rpc_log,
	[EVLOOP__METHOD__METHOD_LIMITER_SET] = rpc_limiter_set,
	[EVLOOP__METHOD__METHOD_LIMITER_TRY] = rpc_limiter_try,
	[EVLOOP__METHOD__METHOD_LIMITER_PEEK] = rpc_limiter_peek,
	[EVLOOP__METHOD__METHOD_LIMITER_TAKE_UP_TO] = rpc_limiter_take_up_to,
	[EVLOOP__METHOD__METHOD_LIMITER_WAIT] = rpc_limiter_wait,
	[EVLOOP__METHOD__METHOD_LIMITER_REFUND] = rpc_limiter_refund,
	[EVLOOP__METHOD__METHOD_LIMITER_CHARGE] = rpc_limiter_charge,
	[EVLOOP__METHOD__METHOD_LIMITER_HOLD] = rpc_limiter_hold,
	[EVLOOP__METHOD__METHOD_LIMITER_RESET] = rpc_limiter_reset,
	[EVLOOP__METHOD__METHOD_LIMITER_MULTI] = rpc_limiter_multi,
	[EVLOOP__METHOD__METHOD_LIMITER_LIST] = rpc_limiter_list,
	[EVLOOP__METHOD__METHOD_LIMITER_CLAIMS] = rpc_limiter_claims,
	[EVLOOP__METHOD__METHOD_LIMITER_REMOVE] = rpc_limiter_remove,
	[EVLOOP__METHOD__METHOD_LIMITER_SHARE] = rpc_limiter_share,
};

static const char *const kinds[] = {
	[FRAME_REQUEST] = "request", [FRAME_REPLY] = "reply",   [FRAME_ERROR] = "error",
	[FRAME_EVENT] = "event",     [FRAME_ONEWAY] = "oneway",
};

/* EVLOOP_DEBUG: every frame, as the client library prints it on its side. */
static void debug_frame(const struct session *session, char direction, unsigned kind, uint16_t number,
			uint64_t serial) {
	const struct method *method = method_find(number);

	if (log_shows(LOG_DEBUG))
		log_line(LOG_DEBUG, "session %llu %c %s %s %llu", (unsigned long long)session->id, direction,
			 kind < ARRAY_SIZE(kinds) && kinds[kind] ? kinds[kind] : "frame", method ? method->name : "-",
			 (unsigned long long)serial);
}

/* ---- answers ---- */

static void call_put(struct call *call, enum frame_kind kind, uint16_t method, uint64_t serial,
		     const ProtobufCMessage *message) {
	int r = outbox_put(&call->session->outbox, kind, method, serial, message);

	call->answered = true;
	debug_frame(call->session, '>', kind, method, serial);
	if (r == PACKET_E_TOO_LARGE)
		call_refuse(call, EVLOOP__STATUS__STATUS_INTERNAL, "the answer is too large for a packet");
	else if (r < 0)
		call->result = r;
}

void call_reply(struct call *call, const ProtobufCMessage *reply) {
	call->answered = true;
	if (call->frame->kind == FRAME_REQUEST)
		call_put(call, FRAME_REPLY, call->frame->method, call->frame->serial, reply);
}

bool call_reply_with_fds(struct call *call, const ProtobufCMessage *reply, const int *fds, size_t n_fds) {
	const struct frame *frame = call->frame;
	int r;

	if (frame->kind != FRAME_REQUEST)
		return false;
	r = outbox_put_now(&call->session->outbox, FRAME_REPLY, frame->method, frame->serial, reply, fds, n_fds);
	if (r < 0)
		call->result = r;
	if (r > 0)
		return false;
	call->answered = true;
	debug_frame(call->session, '>', FRAME_REPLY, frame->method, frame->serial);
	return true;
}

#define HANDLE_TAG (1 << 3) /* of a varint in field 1 */
#define DEAR_BODY_SIZE 512

/* The handle that a request names is its field 1, where it has one: every message with a handle begins with it. */
static uint64_t named_handle(const struct call *call) {
	const struct method *method = method_find(call->frame->method);
	const ProtobufCFieldDescriptor *field =
		method && method->input ? protobuf_c_message_descriptor_get_field(method->input, 1) : NULL;
	const uint8_t *body = call->frame->body;
	Evloop__HandleRequest *request;
	size_t n = 0;

	if (!field || strcmp(field->name, "handle") != 0)
		return 0;
	/* Whatever is wrong with the others, which are unknown to this message anyway. */
	if (call->frame->body_size > 0 && body[n++] == HANDLE_TAG)
		while (n < call->frame->body_size && body[n++] & 0x80)
			;
	request = message_unpack(&call->rpc->arena, &evloop__handle_request__descriptor, body, n);
	return request ? request->handle : 0;
}

void call_refuse_with(struct call *call, Evloop__Error *error) {
	if (call->frame->kind == FRAME_REQUEST) {
		call_put(call, FRAME_ERROR, call->frame->method, call->frame->serial, &error->base);
		return;
	}
	error->handle = named_handle(call);
	error->serial = call->frame->serial;
	error->method = call->frame->method;
	call_put(call, FRAME_EVENT, EVLOOP__METHOD__METHOD_REFUSED, session_next_sequence(call->session), &error->base);
}

void call_refuse(struct call *call, Evloop__Status status, const char *format, ...) {
	Evloop__Error error = EVLOOP__ERROR__INIT;
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	error.status = status;
	error.message = message;
	call_refuse_with(call, &error);
}

static int notify(void *userdata, struct session *session, const struct event *event);

void call_event(struct call *call, const struct event *event) {
	int r = notify(call->rpc, call->session, event);

	call->answered = true;
	if (r < 0)
		call->result = r;
}

bool call_allows(struct call *call, enum quota_limit limit, uint64_t returned, uint64_t asked) {
	struct session *session = call->session;
	struct quota_use use = quota_used(limit, session->account, tenant_use(session->owner.tenant),
					  scheduler_shared_use(call->rpc->scheduler));
	struct quota_refusal refusal;

	use.used -= returned;
	use.sum -= returned;
	if (quota_allows(call->rpc->quota, session->uid, limit, &use, asked, &refusal))
		return true;
	session_warn(session, MESSAGE_LIMIT_REACHED, refusal.fields, "%s", refusal.message);
	call_refuse_with(call, &refusal.error);
	return false;
}

/* ---- requests ---- */

/* Is the frame one that may come now?  Where not, the session has failed or the call is refused. */
static bool frame_is_welcome(struct call *call, const struct method *method) {
	const struct frame *frame = call->frame;
	struct session *session = call->session;

	if (frame->kind != FRAME_REQUEST && frame->kind != FRAME_ONEWAY) {
		session_fail(session, EVLOOP__STATUS__STATUS_PROTOCOL, "a client does not send frames of kind %u",
			     frame->kind);
		return false;
	}
	if (session->state == SESSION_GREETING &&
	    (frame->method != EVLOOP__METHOD__METHOD_HELLO || frame->kind != FRAME_REQUEST)) {
		session_fail(session, EVLOOP__STATUS__STATUS_PROTOCOL, "the first frame must be the request Hello");
		return false;
	}
	if (!method || !method->input || frame->method >= ARRAY_SIZE(handlers) || !handlers[frame->method]) {
		call_refuse(call, EVLOOP__STATUS__STATUS_UNSUPPORTED, "there is no method %u", frame->method);
		return false;
	}
	if (frame->n_fds > method->max_fds) {
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID, "%s takes no descriptors", method->name);
		return false;
	}
	return true;
}

static void serve(struct call *call) {
	const struct frame *frame = call->frame;
	const struct method *method = method_find(frame->method);
	void *request;
	int r;

	if (call->session->frame_progress == 0)
		debug_frame(call->session, '<', frame->kind, frame->method, frame->serial);
	if (!frame_is_welcome(call, method))
		return;
	request = message_unpack(&call->rpc->arena, method->input, frame->body, frame->body_size);
	if (!request) {
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID,
			    "the body is no %s, or has more than %d values, or takes too much memory, or has text that "
			    "is not UTF-8",
			    method->input->short_name, MESSAGE_VALUES_MAX);
		return;
	}
	r = handlers[frame->method](call, request);
	if (r < 0 && !call->answered)
		call_refuse(call, (Evloop__Status)status_of_error(r), "%s",
			    r == -ENOMEM ? "the daemon is out of memory" : strerror(-r));
}

/* Does it look at many things, copy much, or have many values? */
static bool is_dear(const struct frame *frame) {
	return (frame->method >= EVLOOP__METHOD__METHOD_LIST && frame->method <= EVLOOP__METHOD__METHOD_LOG) ||
	       frame->method == EVLOOP__METHOD__METHOD_LIMITER_SET ||
	       frame->method >= EVLOOP__METHOD__METHOD_LIMITER_LIST || frame->body_size > DEAR_BODY_SIZE;
}

static int dispatch(void *userdata, struct session *session, struct packet *packet) {
	struct rpc *rpc = userdata;
	struct frame frame;

	for (;;) {
		struct call call = { .rpc = rpc, .session = session, .frame = &frame };
		size_t position = packet->position, fd_position = packet->fd_position;

		if (!packet_next(packet, &frame, &call.fds))
			break;
		serve(&call);
		arena_reset(&rpc->arena);
		if (call.result < 0)
			return call.result;
		if (call.again) {
			packet->position = position;
			packet->fd_position = fd_position;
			break;
		}
		session->frame_progress = 0;
		if (!session_goes_on(session, call.dear || is_dear(&frame)))
			break;
	}
	return 0;
}

static int notify(void *userdata _unused_, struct session *session, const struct event *event) {
	int r = notify_event(session, event);

	debug_frame(session, '>', FRAME_EVENT, EVLOOP__METHOD__METHOD_EVENT, session->sequence);
	return r;
}

const struct session_ops rpc_session_ops = {
	.dispatch = dispatch,
	.notify = notify,
};

int rpc_init(struct rpc *rpc, struct loop *loop, struct scheduler *scheduler, const struct quota *quota,
	     bool executes) {
	struct stat st;
	int r;

	*rpc = (struct rpc){
		.loop = loop, .scheduler = scheduler, .quota = quota, .executes = executes, .uid = geteuid()
	};
	rpc->pid_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (stat("/proc/self/ns/time", &st) == 0)
		rpc->time_namespace = st.st_ino;
	holder_store_init(&rpc->holders, loop);
	r = arena_init(&rpc->arena);
	rpc->arena.values_max = MESSAGE_VALUES_MAX;
	return r;
}

void rpc_deinit(struct rpc *rpc) {
	if (rpc->loop) /* else it has never been there */
		rpc->pid_fd = close_fd(rpc->pid_fd);
	arena_deinit(&rpc->arena);
}
