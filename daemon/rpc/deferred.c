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

static void drop(struct deferred *deferred) {
	session_wait_no_more(&deferred->waiter);
	free(deferred);
}

/* `reply` NULL: they are refused. */
static void answer_all(struct deferred_list *list, const ProtobufCMessage *reply, Evloop__Status status,
		       const char *message) {
	struct deferred *deferred;

	while ((deferred = STAILQ_FIRST(list))) {
		struct session *session = deferred->waiter.session;
		struct call call = { .rpc = deferred->rpc, .session = session, .frame = &deferred->frame };
		const struct deferred *next = STAILQ_NEXT(deferred, link);

		STAILQ_REMOVE_HEAD(list, link);
		if (session && reply)
			call_reply(&call, reply);
		else if (session)
			call_refuse(&call, status, "%s", message);
		/* Neighbours of one session share packets: a thousand of them are not to take a thousand calls of the kernel. */
		if (session && (call.result < 0 || !next || next->waiter.session != session))
			session_push(session, call.result);
		drop(deferred);
	}
}

void deferred_reply_all(struct deferred_list *list, const ProtobufCMessage *reply) {
	answer_all(list, reply, EVLOOP__STATUS__STATUS_OK, NULL);
}

void deferred_refuse_all(struct deferred_list *list, Evloop__Status status, const char *message) {
	answer_all(list, NULL, status, message);
}
