/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A call that is answered in a later turn, if its session is still there then. */

#include "daemon/rpc/dispatch.h"

struct deferred {
	STAILQ_ENTRY(deferred) link; /* of whoever is to answer it */
	struct session_waiter waiter;
	struct rpc *rpc;
	struct frame frame; /* without its body */
};

STAILQ_HEAD(deferred_list, deferred);

/* The call is answered from now on, as far as its handler is concerned.  NULL: no memory. */
struct deferred *call_defer(struct call *call);

/* Answer all of them, and free them; the list is empty then. */
void deferred_reply_all(struct deferred_list *list, const ProtobufCMessage *reply);
void deferred_refuse_all(struct deferred_list *list, Evloop__Status status, const char *message);
