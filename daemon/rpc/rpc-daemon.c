/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the requests that concern the daemon as a whole: what a uid may use of it, and its configuration. */

#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/check.h"
#include "daemon/rpc/deferred.h"

int rpc_quota(struct call *call, const void *data _unused_) {
	const struct session *session = call->session;
	const struct tenant_use *own = tenant_use(session->owner.tenant);
	const struct shared_use *shared = scheduler_shared_use(call->rpc->scheduler);
	Evloop__QuotaReply reply = EVLOOP__QUOTA_REPLY__INIT;
	Evloop__QuotaReply__Quota quotas[QUOTA_MAX], *pointers[QUOTA_MAX];

	for (unsigned i = 0; i < QUOTA_MAX; i++) {
		struct quota_use use = quota_used(i, session->account, own, shared);
		uint64_t pool = call->rpc->quota->pools[i];

		evloop__quota_reply__quota__init(&quotas[i]);
		quotas[i].name = (char *)quota_name(i);
		quotas[i].limit = call->rpc->quota->limits[i];
		quotas[i].used = use.used;
		quotas[i].left = quota_left(call->rpc->quota, i, &use);
		if (pool < UINT64_MAX) {
			quotas[i].pool = pool;
			quotas[i].pool_used = use.sum;
		}
		pointers[i] = &quotas[i];
	}
	reply.quotas = pointers;
	reply.n_quotas = QUOTA_MAX;
	call_reply(call, &reply.base);
	return 0;
}

static bool may_reload(struct call *call) {
	uid_t uid = call->session->uid, own = call->rpc->uid;

	if (uid == 0 || uid == own)
		return true;
	if (own == 0)
		return REFUSE(call, PERM, "only root may have the configuration read again");
	return REFUSE(call, PERM, "only root and uid %u may have the configuration read again", (unsigned)own);
}

int rpc_reload(struct call *call, const void *data _unused_) {
	struct rpc *rpc = call->rpc;
	struct deferred *deferred;

	if (!may_reload(call))
		return 0;
	if (!rpc->ops || !rpc->ops->reload)
		return (void)REFUSE(call, UNSUPPORTED, "this daemon has no configuration"), 0;
	deferred = call_defer(call);
	if (!deferred)
		return -ENOMEM;
	rpc->ops->reload(rpc->userdata, deferred);
	return 0;
}
