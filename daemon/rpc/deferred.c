/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what is left of a call when its turn is over: whom to answer, and what he asked.  Knows nothing of why it takes so long. */

#include "daemon/rpc/deferred.h"

struct deferred *call_defer(struct call *call) {
	struct deferred *deferred = calloc(1, sizeof(*deferred));

	if (!deferred)
		return NULL;
	deferred->rpc = call->rpc;
	deferred->frame = (struct frame){
		.kind = call->frame->kind,
		.method = call->frame->method,
		.serial = call->frame->serial,
	};
	session_wait(call->session, &deferred->waiter);
	call->answered = true;
	return deferred;
}

void deferred_reply(struct deferred *deferred, const ProtobufCMessage *reply) {
	struct call call = { .rpc = deferred->rpc, .session = deferred->waiter.session, .frame = &deferred->frame };

	if (call.session) {
		call_reply(&call, reply);
		session_push(call.session, call.result);
	}
	deferred_drop(deferred);
}

void deferred_refuse(struct deferred *deferred, Evloop__Status status, const char *message) {
	struct call call = { .rpc = deferred->rpc, .session = deferred->waiter.session, .frame = &deferred->frame };

	if (call.session) {
		call_refuse(&call, status, "%s", message);
		session_push(call.session, call.result);
	}
	deferred_drop(deferred);
}

void deferred_drop(struct deferred *deferred) {
	session_wait_no_more(&deferred->waiter);
	free(deferred);
}
