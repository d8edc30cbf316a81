/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns who may use which limiter, and under which name, and how much of a turn goes into foresight.  Takes nothing from any. */

#include "daemon/rpc/target-limiter.h"

#include "daemon/core/claim.h"
#include "daemon/core/loop.h"
#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/access.h"
#include "proto/limits.h"

#define WAITERS_UNLOOKED 256 /* between two looks at the clock */

static struct tenant *tenant_of_all(struct call *call) {
	return scheduler_next_tenant(call->rpc->scheduler, TENANT_OF_ALL);
}

struct limiter *target_limiter_of_all(struct call *call, const char *name) {
	struct tenant *all = tenant_of_all(call);

	return all ? limiter_find(all, name) : NULL;
}

static bool may(struct session *session, const struct limiter *limiter, enum limiter_need need) {
	const struct access *access = limiter_access(limiter);

	if (!access)
		return true;
	return need == LIMITER_RULE ? access_owns(access, session) : access_allows(access, session, need);
}

bool target_may(struct call *call, const struct limiter *limiter, enum limiter_need need) {
	const struct access *access = limiter_access(limiter);

	if (may(call->session, limiter, need))
		return true;
	call_refuse(call, EVLOOP__STATUS__STATUS_PERM,
		    "uid %u may not %s the limiter '%s', which is of uid %u and gid %u with mode %04o",
		    (unsigned)call->session->uid,
		    need == LIMITER_LOOK   ? "look at"
		    : need == LIMITER_TAKE ? "take from"
					   : "reset",
		    limiter_spec(limiter)->name, (unsigned)access->owner, (unsigned)access->group,
		    (unsigned)access->mode);
	return false;
}

struct limiter *target_limiter(struct call *call, const char *name, enum limiter_need need) {
	struct limiter *limiter = target_limiter_of_all(call, name);

	if (!limiter)
		limiter = limiter_find(call->session->owner.tenant, name);
	if (!limiter) {
		call_refuse(call, EVLOOP__STATUS__STATUS_NOT_FOUND, "there is no limiter named '%.*s'", NAME_LENGTH_MAX,
			    name);
		return NULL;
	}
	return target_may(call, limiter, need) ? limiter : NULL;
}

struct limiter *target_limiter_now(struct call *call, const char *name, enum limiter_need need) {
	struct limiter *limiter = target_limiter(call, name, need);

	if (!limiter)
		return NULL;
	(void)loop_refresh(call->rpc->loop);
	call->dear = call->dear || limiter_is_crowded(limiter);
	return limiter;
}

/* ---- foresight ---- */

bool target_is_foreseen(struct call *call, struct limiter *limiter, struct limiter_key key) {
	/* A short line is looked along as fast as its bucket is found. */
	if (!limiter_is_crowded(limiter))
		return true;
	while (!limiter_look_ahead(limiter, key, WAITERS_UNLOOKED))
		if (!session_has_time(call->session, 0))
			return false;
	return true;
}

bool target_place_is_foreseen(struct call *call, struct claim *claim) {
	while (!claim_look_ahead(claim, WAITERS_UNLOOKED))
		if (!session_has_time(call->session, 0))
			return false;
	return true;
}

/* Twice as many turns as it takes whom nobody disturbs. */
static size_t turns_for(const struct limiter *limiter) {
	struct limiter_info info;

	limiter_describe(limiter, &info);
	return 2 * (info.waiting / WAITERS_UNLOOKED + 1);
}

static bool has_turns(const struct call *call, size_t most) {
	return call->session->frame_progress / LOOK_AHEAD_TURN < most;
}

static bool put_off(struct call *call) {
	call->session->frame_progress += LOOK_AHEAD_TURN;
	call->again = true;
	return false;
}

bool target_look_ahead(struct call *call, struct limiter *limiter, struct limiter_key key) {
	return !has_turns(call, turns_for(limiter)) || target_is_foreseen(call, limiter, key) || put_off(call);
}

bool target_look_ahead_to(struct call *call, const struct limiter *limiter, struct claim *claim) {
	return !has_turns(call, turns_for(limiter)) || target_place_is_foreseen(call, claim) || put_off(call);
}

bool target_look_ahead_of_all(struct call *call, const struct limiter_item *items, size_t n) {
	size_t most = 0;

	for (size_t i = 0; i < n; i++) {
		most += turns_for(items[i].limiter);
		if (has_turns(call, most) && !target_is_foreseen(call, items[i].limiter, items[i].key))
			return put_off(call);
	}
	return true;
}

/* ---- the next one ---- */

/* An own one that has been there before the one of all came is hidden by that. */
static bool is_found(struct call *call, const struct limiter *limiter) {
	return limiter_access(limiter) ? may(call->session, limiter, LIMITER_LOOK)
				       : !target_limiter_of_all(call, limiter_spec(limiter)->name);
}

struct limiter *target_next_limiter(struct call *call, uint64_t after) {
	struct tenant *all = tenant_of_all(call);
	struct limiter *limiter, *common;

	do {
		limiter = limiter_next(call->session->owner.tenant, after);
		common = all ? limiter_next(all, after) : NULL;
		if (!limiter || (common && limiter_id(common) < limiter_id(limiter)))
			limiter = common;
		if (limiter)
			after = limiter_id(limiter);
	} while (limiter && !is_found(call, limiter));
	return limiter;
}
