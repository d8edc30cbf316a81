/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the requests about topics.  Everything is checked here, field by field, before the core hears of it; each refusal names
 * the field, its value and what would have been allowed.
 */

#include "daemon/rpc/dispatch.h"

#include <inttypes.h>

#include "daemon/core/loop.h"
#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/core/topic.h"
#include "daemon/rpc/access.h"
#include "daemon/rpc/check.h"
#include "daemon/rpc/gate.h"

#define RECEIVERS_MANY 16 /* to tell so many takes longer than to look at the clock */

static bool check_topic(struct call *call, const char *name) {
	if (!name[0])
		return REFUSE(call, INVALID, "the topic has no name");
	return check_name(call, name);
}

/*
 * Whose topic it is that the session means: one that configuration gives to all, before one of its uid's own.
 * Return: NULL: it may not, and the call has been refused.
 */
static struct tenant *tenant_of_topic(struct call *call, const char *name, mode_t need) {
	const struct topic *topic = topic_of_all(call->rpc->scheduler, name);
	const struct access *access;

	if (!topic)
		return call->session->owner.tenant;
	access = topic_access(topic);
	if (access_allows(access, call->session, need))
		return scheduler_next_tenant(call->rpc->scheduler, TENANT_OF_ALL);
	call_refuse(call, EVLOOP__STATUS__STATUS_PERM,
		    "uid %u may not %s the topic '%s', which is of uid %u and gid %u with mode %04o",
		    (unsigned)call->session->uid, need == ACCESS_READ ? "subscribe to" : "emit on", name,
		    (unsigned)access->owner, (unsigned)access->group, (unsigned)access->mode);
	return NULL;
}

static bool check_subscribe(struct call *call, const Evloop__SubscribeRequest *request) {
	if (request->handle == 0)
		return REFUSE(call, INVALID, "the handle must be above 0");
	if (request->queue > SUBSCRIPTION_QUEUE_MAX)
		return REFUSE(call, OUT_OF_RANGE, "queue is %" PRIu32 ", above %d", request->queue,
			      SUBSCRIPTION_QUEUE_MAX);
	return check_topic(call, request->topic) && call_allows(call, QUOTA_SUBSCRIPTIONS, 0, 1);
}

int rpc_subscribe(struct call *call, const void *data) {
	const Evloop__SubscribeRequest *request = data;
	struct owner *owner = &call->session->owner;
	Evloop__Watched reply = EVLOOP__WATCHED__INIT;
	struct tenant *tenant;
	struct gate *gate;
	int r = 0;

	if (!check_subscribe(call, request))
		return 0;
	tenant = tenant_of_topic(call, request->topic, ACCESS_READ);
	if (!tenant || !make_gate(call, request->gate, &gate, &r))
		return r;
	r = topic_subscribe(tenant, request->topic, owner, request->handle, request->queue, &reply.id);
	if (r == 0)
		r = set_gate(call, gate, request->handle);
	else
		gate_free(gate);
	if (r == TOPIC_E_HANDLE_EXISTS) {
		call_refuse(call, EVLOOP__STATUS__STATUS_EXISTS, "handle %" PRIu64 " is in use", request->handle);
		return 0;
	}
	if (r < 0)
		return r;
	call_reply(call, &reply.base);
	return 0;
}

int rpc_emit(struct call *call, const void *data) {
	const Evloop__EmitRequest *request = data;
	Evloop__EmitReply reply = EVLOOP__EMIT_REPLY__INIT;
	struct tenant *tenant;
	size_t receivers;
	int r;

	if (request->data.len > TOPIC_DATA_MAX) {
		call_refuse(call, EVLOOP__STATUS__STATUS_OUT_OF_RANGE, "the data has %zu bytes, more than %d",
			    request->data.len, TOPIC_DATA_MAX);
		return 0;
	}
	if (!check_topic(call, request->topic))
		return 0;
	tenant = tenant_of_topic(call, request->topic, ACCESS_WRITE);
	if (!tenant)
		return 0;
	(void)loop_refresh(call->rpc->loop);
	r = topic_emit(tenant, request->topic, request->data.data, request->data.len, &receivers);
	if (r < 0)
		return r;
	call->dear = receivers >= RECEIVERS_MANY;
	reply.receivers = receivers;
	call_reply(call, &reply.base);
	return 0;
}
