/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the requests that take from a limiter, and those that wait for it.  Everything is checked here, field by field, before the core
 * hears of it; each refusal names the field, its value and what would have been allowed.
 */

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/core/claim.h"
#include "daemon/core/limiter.h"
#include "daemon/core/loop.h"
#include "daemon/core/shared-memory.h"
#include "daemon/rpc/check-limiter.h"
#include "daemon/rpc/check.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/dispatch.h"
#include "daemon/rpc/holder.h"
#include "daemon/rpc/target-limiter.h"

/* ---- verbs ---- */

static int answer(struct call *call, int r, const struct limiter *limiter, uint64_t cost, const struct grant *grant) {
	Evloop__Grant reply;

	if (r != 0)
		return refuse_limiter(call, r, limiter, cost);
	convert_grant(grant, &reply);
	call_reply(call, &reply.base);
	return 0;
}

int rpc_limiter_try(struct call *call, const void *data) {
	const Evloop__LimiterRequest *request = data;
	struct limiter *limiter = target_limiter_now(call, request->name, LIMITER_TAKE);
	struct limiter_key key;
	struct grant grant;

	if (!limiter || !check_limiter_key(call, &request->key, &key) || !target_look_ahead(call, limiter, key))
		return 0;
	return answer(call, limiter_try(limiter, key, request->cost, &grant), limiter, request->cost, &grant);
}

int rpc_limiter_peek(struct call *call, const void *data) {
	const Evloop__LimiterRequest *request = data;
	struct limiter *limiter = target_limiter_now(call, request->name, LIMITER_LOOK);
	Evloop__LimiterBasis basis = EVLOOP__LIMITER_BASIS__INIT;
	int64_t tat[BUCKET_RULES_MAX];
	struct limiter_bucket bucket;
	struct limiter_key key;
	Evloop__Grant reply;
	struct grant grant;
	int r;

	if (!limiter || !check_limiter_key(call, &request->key, &key) || !target_look_ahead(call, limiter, key))
		return 0;
	r = limiter_explain(limiter, key, request->cost, &bucket, &grant);
	if (r != 0)
		return refuse_limiter(call, r, limiter, request->cost);
	convert_grant(&grant, &reply);
	for (unsigned i = 0; i < bucket.n; i++)
		tat[i] = (int64_t)MIN(bucket.words[i], (uint64_t)INT64_MAX);
	basis.tat = tat;
	basis.n_tat = bucket.n;
	basis.hold_until_ns = bucket.hold_until_ns;
	reply.basis = &basis;
	call_reply(call, &reply.base);
	return 0;
}

/* A change is made once, however many turns it takes to say what there is then. */
#define CHANGED 1 /* of session::frame_progress */
static_assert(CHANGED < LOOK_AHEAD_TURN, "turns are counted above it");

static bool is_to_do(const struct call *call) {
	return !(call->session->frame_progress & CHANGED);
}

/* `r`: what has become of it. */
static int report(struct call *call, int r, struct limiter *limiter, struct limiter_key key, uint64_t cost) {
	struct grant grant;

	if (r != 0)
		return refuse_limiter(call, r, limiter, cost);
	if (call->frame->kind == FRAME_ONEWAY)
		return 0;
	call->session->frame_progress |= CHANGED;
	if (!target_look_ahead(call, limiter, key))
		return 0;
	return answer(call, limiter_peek(limiter, key, 0, &grant), limiter, cost, &grant);
}

typedef int (*limiter_verb)(struct limiter *limiter, struct limiter_key key, uint64_t cost);

static int change(struct call *call, const Evloop__LimiterRequest *request, limiter_verb verb, enum limiter_need need) {
	struct limiter *limiter = target_limiter_now(call, request->name, need);
	struct limiter_key key;
	int r = 0;

	if (!limiter || !check_limiter_key(call, &request->key, &key))
		return 0;
	if (is_to_do(call))
		r = verb(limiter, key, request->cost);
	if (r != LIMITER_E_COST) /* nobody else's than a charge's */
		return report(call, r, limiter, key, request->cost);
	call_refuse(call, EVLOOP__STATUS__STATUS_COST_EXCEEDS_BURST,
		    "%" PRIu64 " would take the limiter '%s' deeper into debt than %" PRIu64, request->cost,
		    limiter_spec(limiter)->name, limiter_spec(limiter)->rules.max_debt);
	return 0;
}

static int reset(struct limiter *limiter, struct limiter_key key, uint64_t cost _unused_) {
	return limiter_reset(limiter, key);
}

int rpc_limiter_refund(struct call *call, const void *request) {
	return change(call, request, limiter_refund, LIMITER_TAKE);
}

int rpc_limiter_charge(struct call *call, const void *request) {
	return change(call, request, limiter_charge, LIMITER_TAKE);
}

int rpc_limiter_reset(struct call *call, const void *request) {
	return change(call, request, reset, LIMITER_RULE);
}

int rpc_limiter_take_up_to(struct call *call, const void *data) {
	const Evloop__LimiterRequest *request = data;
	struct limiter *limiter = target_limiter_now(call, request->name, LIMITER_TAKE);
	struct limiter_key key;
	Evloop__Grant reply;
	struct grant grant;
	uint64_t taken;
	int r;

	if (!limiter || !check_limiter_key(call, &request->key, &key) || !target_look_ahead(call, limiter, key))
		return 0;
	r = limiter_take_up_to(limiter, key, request->cost, &taken, &grant);
	if (r != 0)
		return refuse_limiter(call, r, limiter, request->cost);
	convert_grant(&grant, &reply);
	reply.taken = taken;
	call_reply(call, &reply.base);
	return 0;
}

/* What has no rule asks nothing before it grants, a hold neither. */
static bool check_can_be_held(struct call *call, const struct limiter *limiter) {
	const struct limiter_spec *spec = limiter_spec(limiter);

	if (spec->kind == LIMITER_KIND_CONCURRENCY || spec->rules.n > 0)
		return true;
	return REFUSE(call, INVALID, "the limiter '%s' is unlimited, which cannot be held: give it a rate first",
		      spec->name);
}

int rpc_limiter_hold(struct call *call, const void *data) {
	const Evloop__LimiterHoldRequest *request = data;
	struct limiter *limiter = target_limiter_now(call, request->name, LIMITER_TAKE);
	struct limiter_key key;
	int r = 0;

	if (!limiter || !check_limiter_key(call, &request->key, &key) ||
	    !check_range(call, "duration_ns", request->duration_ns, 0) ||
	    (is_to_do(call) && !check_can_be_held(call, limiter)))
		return 0;
	if (is_to_do(call))
		r = limiter_hold(limiter, key, request->duration_ns);
	return report(call, r, limiter, key, 0);
}

/* The same bucket twice would be looked at as if it had not been taken from. */
static bool check_items(struct call *call, const Evloop__LimiterMultiRequest *request, struct limiter_item *items) {
	if (request->n_items == 0 || request->n_items > LIMITER_ITEMS_MAX)
		return REFUSE(call, OUT_OF_RANGE, "%zu items are not between 1 and %d", request->n_items,
			      LIMITER_ITEMS_MAX);
	for (size_t i = 0; i < request->n_items; i++) {
		items[i] = (struct limiter_item){ .limiter = target_limiter_now(call, request->items[i]->name,
										LIMITER_TAKE),
						  .cost = request->items[i]->cost };
		if (!items[i].limiter || !check_limiter_key(call, &request->items[i]->key, &items[i].key))
			return false;
		for (size_t j = 0; j < i; j++)
			if (items[i].limiter == items[j].limiter && items[i].key.size == items[j].key.size &&
			    (items[i].key.size == 0 ||
			     memcmp(items[i].key.data, items[j].key.data, items[i].key.size) == 0))
				return REFUSE(call, INVALID, "items[%zu] and items[%zu] are the same limiter", j, i);
	}
	return true;
}

int rpc_limiter_multi(struct call *call, const void *data) {
	const Evloop__LimiterMultiRequest *request = data;
	struct limiter_item items[LIMITER_ITEMS_MAX];
	Evloop__Grant grants[LIMITER_ITEMS_MAX], *pointers[LIMITER_ITEMS_MAX];
	Evloop__LimiterMultiReply reply = EVLOOP__LIMITER_MULTI_REPLY__INIT;
	bool allowed;
	size_t item;
	int r;

	if (!check_items(call, request, items))
		return 0;
	if (!target_look_ahead_of_all(call, items, request->n_items))
		return 0;
	r = limiter_try_all(items, request->n_items, &allowed, &item);
	if (r != 0)
		return refuse_limiter(call, r, items[item].limiter, items[item].cost);
	for (size_t i = 0; i < request->n_items; i++) {
		convert_grant(&items[i].grant, &grants[i]);
		pointers[i] = &grants[i];
	}
	reply.allowed = allowed;
	reply.denied_by = allowed ? 0 : (uint32_t)item;
	reply.grants = pointers;
	reply.n_grants = request->n_items;
	call_reply(call, &reply.base);
	return 0;
}

/* ---- waiting ---- */

static bool check_wait(struct call *call, const Evloop__LimiterWaitRequest *request) {
	if (request->handle == 0)
		return REFUSE(call, INVALID, "the handle must be above 0");
	if (request->cost == 0)
		return REFUSE(call, OUT_OF_RANGE, "the cost is 0");
	return check_range(call, "max_wait_ns", request->max_wait_ns, -1) && call_allows(call, QUOTA_CLAIMS, 0, 1);
}

/* The process that came with the call, if one did.  Return: false: the call has been refused, or *ret_error says why not. */
static bool take_holder(struct call *call, const struct limiter *limiter, struct holder **ret, int *ret_error) {
	*ret = NULL;
	*ret_error = 0;
	if (call->frame->n_fds == 0)
		return true;
	if (limiter_spec(limiter)->kind != LIMITER_KIND_CONCURRENCY)
		return REFUSE(call, INVALID, "tokens are nobody's: a pidfd goes with permits");
	*ret_error = holder_new(ret, &call->rpc->holders, call->fds[0]);
	switch (*ret_error) {
	case 0:
		call->fds[0] = -1;
		return true;
	case HOLDER_E_NO_PIDFD:
		*ret_error = 0;
		return REFUSE(call, INVALID, "the descriptor is no pidfd of a process that the daemon can see");
	case HOLDER_E_ENDED:
		*ret_error = 0;
		return REFUSE(call, INVALID, "the process has ended");
	default:
		return false;
	}
}

/* Either may be NULL. */
static void bind_claim(struct holder *holder, struct claim *claim) {
	if (claim && holder)
		holder_bind(holder, claim);
	else
		holder_free(holder);
}

static int refuse_wait(struct call *call, int r, const struct limiter *limiter,
		       const Evloop__LimiterWaitRequest *request) {
	if (r != LIMITER_E_HANDLE_EXISTS)
		return refuse_limiter(call, r, limiter, request->cost);
	call_refuse(call, EVLOOP__STATUS__STATUS_EXISTS, "handle %" PRIu64 " is in use", request->handle);
	return 0;
}

/* Who has not asked for a reply is told by the event that would come later, too. */
static void tell_at_once(struct call *call, uint64_t handle, bool granted, const struct grant *grant) {
	call_event(call, &(struct event){
				 .type = EVENT_TYPE_GRANTED,
				 .handle = handle,
				 .grant = grant,
				 .claim_state = granted ? CLAIM_GRANTED : CLAIM_TIMED_OUT,
			 });
}

/* Are they free?  For some time after the death of a daemon it does not matter: nobody else can have got them. */
static bool can_be_held(struct call *call, struct limiter *limiter, struct limiter_key key, uint64_t cost) {
	struct grant grant;

	if (loop_now(call->rpc->loop)->ns[TIMER_CLOCK_BOOTTIME] < scheduler_settled(call->rpc->scheduler))
		return true;
	return limiter_peek(limiter, key, 0, &grant) == 0 && grant.remaining >= cost;
}

/* Permits that the daemon before has granted, which has died. */
static bool check_held(struct call *call, const Evloop__LimiterWaitRequest *request, struct limiter *limiter,
		       struct limiter_key key) {
	const struct limiter_spec *spec = limiter_spec(limiter);

	if (!call->session->taken_over)
		return REFUSE(call, INVALID, "nothing can be held that was not granted in this session");
	if (spec->kind != LIMITER_KIND_CONCURRENCY)
		return REFUSE(call, INVALID, "tokens are nobody's: only permits are held");
	if (request->cost > spec->concurrency) {
		(void)refuse_limiter(call, LIMITER_E_COST, limiter, request->cost);
		return false;
	}
	if (!can_be_held(call, limiter, key, request->cost))
		return REFUSE(call, TIMEOUT, "what was held is no longer kept for who held it, and others have it now");
	return true;
}

static int hold_again(struct call *call, const Evloop__LimiterWaitRequest *request, struct limiter *limiter,
		      struct limiter_key key, struct claim **ret) {
	Evloop__Grant reply;
	struct grant grant;
	int r = limiter_hold_again(limiter, &call->session->owner, request->handle, key, request->cost, ret);

	if (r == 0)
		r = limiter_peek(limiter, key, 0, &grant);
	if (r != 0)
		return refuse_wait(call, r, limiter, request);
	grant.allowed = true;
	grant.retry_after_ns = 0;
	convert_grant(&grant, &reply);
	call_reply(call, &reply.base);
	return 0;
}

int rpc_limiter_wait(struct call *call, const void *data) {
	const Evloop__LimiterWaitRequest *request = data;
	struct limiter *limiter = target_limiter_now(call, request->name, LIMITER_TAKE);
	struct claim *claim = NULL;
	struct limiter_key key;
	struct holder *holder;
	Evloop__Grant reply;
	struct grant grant;
	bool tell = call->frame->kind == FRAME_ONEWAY;
	int r = 0;

	if (!limiter || !check_limiter_key(call, &request->key, &key) || !check_wait(call, request) ||
	    (request->held && !check_held(call, request, limiter, key)) || !target_look_ahead(call, limiter, key) ||
	    !take_holder(call, limiter, &holder, &r))
		return r;
	if (request->held) {
		r = hold_again(call, request, limiter, key, &claim);
		bind_claim(holder, claim);
		return r;
	}
	/* Of permits there is something to be held, which is told of in any case. */
	r = limiter_wait(limiter, &call->session->owner, request->handle, key, request->cost, request->max_wait_ns,
			 tell && limiter_spec(limiter)->kind == LIMITER_KIND_CONCURRENCY, &claim, &grant);
	bind_claim(holder, claim);
	if (r != 0 && r != LIMITER_E_QUEUED && r != LIMITER_E_DENIED)
		return refuse_wait(call, r, limiter, request);
	if (tell) {
		if (r != LIMITER_E_QUEUED && !claim)
			tell_at_once(call, request->handle, r == 0, &grant);
		return 0;
	}
	convert_grant(&grant, &reply);
	reply.queued = r == LIMITER_E_QUEUED;
	if (reply.queued) {
		reply.position = claim_line_length(claim) - 1;
		if (limiter_spec(limiter)->kind == LIMITER_KIND_RATE)
			reply.expected_ns = grant.now_ns + grant.retry_after_ns;
	}
	call_reply(call, &reply.base);
	return 0;
}

/* ---- memory ---- */

int rpc_limiter_share(struct call *call, const void *data) {
	const Evloop__LimiterShareRequest *request = data;
	Evloop__LimiterShareReply reply = EVLOOP__LIMITER_SHARE_REPLY__INIT;
	struct limiter *limiter = target_limiter_now(call, request->name, LIMITER_TAKE);
	const struct access *access;
	const struct shared_memory *memory;

	if (!limiter)
		return 0;
	/* Who writes to it could take what is not granted: that must be nobody's but the owner's loss. */
	access = limiter_access(limiter);
	memory = !access || access->owner == call->session->uid ? limiter_share(limiter) : NULL;
	if (memory) {
		const int fds[] = { memory->config_fd, memory->state_fd, call->rpc->pid_fd };

		reply.shared = true;
		if (call_reply_with_fds(call, &reply.base, fds, request->with_process && fds[2] >= 0 ? 3 : 2))
			return 0;
		reply.shared = false;
	}
	call_reply(call, &reply.base);
	return 0;
}
