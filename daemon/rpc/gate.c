/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns which gate a request means, and whether the session may have it. */

#include "daemon/rpc/gate.h"

#include <inttypes.h>

#include "daemon/core/loop.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/check-limiter.h"
#include "daemon/rpc/check.h"
#include "daemon/rpc/target-limiter.h"

bool make_gate(struct call *call, const Evloop__Gate *wish, struct gate **ret, int *ret_error) {
	struct owner *owner = &call->session->owner;
	struct limiter *limiter;
	struct limiter_key key;
	uint64_t cost;
	int r;

	*ret = NULL;
	*ret_error = 0;
	if (!wish)
		return true;
	cost = wish->cost > 0 ? wish->cost : 1;
	limiter = target_limiter(call, wish->limiter, LIMITER_TAKE);
	if (!limiter || !check_limiter_key(call, &wish->key, &key) || !call_allows(call, QUOTA_CLAIMS, 0, 1))
		return false;
	(void)loop_refresh(call->rpc->loop);
	r = gate_new(ret, owner, limiter, key, cost);
	if (r == 0)
		return true;
	if (r == LIMITER_E_CROWDED)
		return REFUSE(call, QUOTA, "the limiter '%s' has %" PRIu64 " gates, as many as may wait for it",
			      limiter_spec(limiter)->name, limiter_spec(limiter)->max_waiters);
	*ret_error = refuse_limiter(call, r, limiter, cost);
	return false;
}

int set_gate(struct call *call, struct gate *gate, uint64_t handle) {
	struct owner *owner = &call->session->owner;
	int r = gate_set(gate, owner, handle);

	if (r < 0)
		(void)owner_cancel(owner, handle);
	return r;
}
