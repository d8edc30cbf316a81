/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the requests that define limiters, remove them and look at them.  A definition is checked here, field by field, before the core
 * hears of it; each refusal names the field, its value and what would have been allowed.
 */

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemon/core/claim.h"
#include "daemon/core/limiter.h"
#include "daemon/core/loop.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/check-limiter.h"
#include "daemon/rpc/check.h"
#include "daemon/rpc/convert-limiter.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/dispatch.h"
#include "daemon/rpc/page.h"
#include "daemon/rpc/target-limiter.h"
#include "daemon/rpc/target.h"

#define KEYS_UNLOOKED 32 /* between two looks at the clock */

/* ---- definitions ---- */

static bool check_rules(struct call *call, const Evloop__LimiterSpec *request) {
	if (request->n_rules > LIMITER_RULES_MAX)
		return REFUSE(call, OUT_OF_RANGE, "%zu rules are more than %d", request->n_rules, LIMITER_RULES_MAX);
	for (size_t i = 0; i < request->n_rules; i++) {
		const Evloop__LimiterRule *given = request->rules[i];

		if (given->tokens == 0)
			return REFUSE(call, OUT_OF_RANGE, "rules[%zu].tokens is 0", i);
		if (given->period_ns < 1 || given->period_ns > TIME_NS_MAX)
			return REFUSE(call, OUT_OF_RANGE,
				      "rules[%zu].period_ns is %" PRId64 ", not between 1 and %" PRId64, i,
				      given->period_ns, TIME_NS_MAX);
	}
	return true;
}

static bool check_kind(struct call *call, const Evloop__LimiterSpec *request) {
	switch (request->kind) {
	case EVLOOP__LIMITER_KIND__LIMITER_RATE:
		if (request->concurrency != 0)
			return REFUSE(call, INVALID, "a rate has no concurrency");
		return check_rules(call, request);
	case EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY:
		if (request->n_rules > 0 || request->max_debt > 0)
			return REFUSE(call, INVALID, "permits have neither rules nor debt");
		if (request->concurrency == 0)
			return REFUSE(call, OUT_OF_RANGE, "concurrency is 0");
		return true;
	default:
		return REFUSE(call, INVALID, "kind has no value %d", (int)request->kind);
	}
}

static bool check_mode(struct call *call, Evloop__LimiterMode mode, enum limiter_mode *ret) {
	switch (mode) {
	case EVLOOP__LIMITER_MODE__LIMITER_CREATE:
		*ret = LIMITER_MODE_CREATE;
		return true;
	case EVLOOP__LIMITER_MODE__LIMITER_UPDATE:
		*ret = LIMITER_MODE_UPDATE;
		return true;
	case EVLOOP__LIMITER_MODE__LIMITER_PUT:
		*ret = LIMITER_MODE_PUT;
		return true;
	default:
		return REFUSE(call, INVALID, "mode has no value %d", (int)mode);
	}
}

static bool check_spec(struct call *call, const Evloop__LimiterSpec *request, struct limiter_spec *spec) {
	unsigned rule;

	if (!request->name[0])
		return REFUSE(call, INVALID, "the limiter has no name");
	if (!request->keyed && (request->max_keys > 0 || request->deny_when_full))
		return REFUSE(call, INVALID, "max_keys and deny_when_full are for keyed limiters");
	if (request->max_keys > LIMITER_KEYS_MAX)
		return REFUSE(call, OUT_OF_RANGE, "max_keys is %" PRIu64 ", above %d", request->max_keys,
			      LIMITER_KEYS_MAX);
	if (!check_name(call, request->name) || !check_kind(call, request))
		return false;
	if (!convert_to_limiter_spec(request, spec, &rule))
		return REFUSE(call, OUT_OF_RANGE,
			      "rules[%u]: a burst of %" PRIu64 " at that rate takes more than 4.5 years to come", rule,
			      spec->rates[rule].burst);
	return true;
}

/* Does the uid have room for it, in place of the one that has the name? */
static bool check_room(struct call *call, const struct limiter_spec *spec) {
	struct tenant *tenant = call->session->owner.tenant;
	const struct limiter *holder = limiter_find(tenant, spec->name);
	uint64_t keys = limiter_keys(spec), had = holder ? limiter_keys(limiter_spec(holder)) : 0;

	if (!holder && !call_allows(call, QUOTA_LIMITERS, 0, 1))
		return false;
	return keys <= had || call_allows(call, QUOTA_KEYS, had, keys);
}

static Evloop__LimiterSpec *message_of_spec(struct call *call, const struct limiter_spec *spec) {
	struct limiter_message *message = arena_alloc(&call->rpc->arena, sizeof(*message));

	if (!message)
		return NULL;
	convert_limiter_spec(spec, message);
	return &message->spec;
}

/* Where else than in its rates it differs from what was wanted. */
static void describe_refinements(const struct limiter_spec *spec, const struct limiter_spec *wanted, char text[128]) {
	size_t n = 0;

	text[0] = '\0';
	if (spec->max_waiters != wanted->max_waiters)
		n += (size_t)snprintf(text + n, 128 - n, ", max_waiters %" PRIu64, spec->max_waiters);
	if (spec->rules.max_debt != wanted->rules.max_debt && spec->kind == wanted->kind)
		n += (size_t)snprintf(text + n, 128 - n, ", max_debt %" PRIu64, spec->rules.max_debt);
	if (!spec->keyed || !wanted->keyed)
		return;
	if (spec->max_keys != wanted->max_keys)
		n += (size_t)snprintf(text + n, 128 - n, ", max_keys %" PRIu64, spec->max_keys);
	if (spec->deny_when_full != wanted->deny_when_full)
		(void)snprintf(text + n, 128 - n, ", %s when full", spec->deny_when_full ? "denied" : "shared");
}

/* `wanted`: the definition that was to be it. */
static int refuse_exists(struct call *call, const struct limiter *holder, const struct limiter_spec *wanted) {
	Evloop__Error error = EVLOOP__ERROR__INIT;
	const struct limiter_spec *spec = limiter_spec(holder);
	char definition[256], differs[128], message[512];

	describe_limiter(spec, definition, sizeof(definition));
	describe_refinements(spec, wanted, differs);
	(void)snprintf(message, sizeof(message), "the limiter '%s' is %s otherwise: %s%s%s", spec->name,
		       limiter_access(holder) ? "configured" : "defined", definition,
		       wanted->keyed && !spec->keyed ? ", without keys" : "", differs);
	error.status = EVLOOP__STATUS__STATUS_EXISTS;
	error.message = message;
	error.existing_configured = limiter_access(holder) != NULL;
	error.existing_limiter = message_of_spec(call, limiter_spec(holder));
	if (!error.existing_limiter)
		return -ENOMEM;
	call_refuse_with(call, &error);
	return 0;
}

/* What a change cannot do. */
static int refuse_kind(struct call *call, const struct limiter *limiter, const struct limiter_spec *wanted) {
	const struct limiter_spec *spec = limiter_spec(limiter);
	const char *why;

	if (spec->kind != wanted->kind)
		why = spec->kind == LIMITER_KIND_RATE ? "has a rate, which cannot become a number of places"
						      : "has places, which cannot become a rate";
	else
		why = spec->keyed ? "has keys, which cannot be taken from it" : "has no keys, and cannot get any";
	call_refuse(call, EVLOOP__STATUS__STATUS_INVALID, "the limiter '%s' %s: remove it first", spec->name, why);
	return 0;
}

static Evloop__LimiterSetReply__Change change_of(enum limiter_change change) {
	switch (change) {
	case LIMITER_CHANGE_CREATED:
		return EVLOOP__LIMITER_SET_REPLY__CHANGE__CREATED;
	case LIMITER_CHANGE_UPDATED:
		return EVLOOP__LIMITER_SET_REPLY__CHANGE__UPDATED;
	case LIMITER_CHANGE_NONE:
		break;
	}
	return EVLOOP__LIMITER_SET_REPLY__CHANGE__UNCHANGED;
}

/* Nobody but configuration changes it.  To wish for what is there already is no mistake: scripts do so each time they run. */
static int set_configured(struct call *call, const struct limiter_spec *spec, enum limiter_mode mode,
			  struct limiter *limiter) {
	Evloop__LimiterSetReply reply = EVLOOP__LIMITER_SET_REPLY__INIT;

	if (mode != LIMITER_MODE_CREATE) {
		call_refuse(call, EVLOOP__STATUS__STATUS_PERM, "the limiter '%s' comes from configuration", spec->name);
		return 0;
	}
	if (!limiter_is_alike(limiter, spec))
		return refuse_exists(call, limiter, spec);
	if (!target_may(call, limiter, LIMITER_TAKE))
		return 0;
	reply.id = limiter_id(limiter);
	reply.change = EVLOOP__LIMITER_SET_REPLY__CHANGE__UNCHANGED;
	call_reply(call, &reply.base);
	return 0;
}

int rpc_limiter_set(struct call *call, const void *data) {
	const Evloop__LimiterSpec *request = data;
	Evloop__LimiterSetReply reply = EVLOOP__LIMITER_SET_REPLY__INIT;
	enum limiter_change change;
	struct limiter_spec spec;
	struct limiter *limiter;
	enum limiter_mode mode;
	int r;

	if (!check_mode(call, request->mode, &mode) || !check_spec(call, request, &spec))
		return 0;
	limiter = target_limiter_of_all(call, spec.name);
	if (limiter)
		return set_configured(call, &spec, mode, limiter);
	if (!check_room(call, &spec))
		return 0;
	(void)loop_refresh(call->rpc->loop);
	r = limiter_set(call->session->owner.tenant, &spec, mode, &limiter, &change);
	switch (r) {
	case 0:
		reply.id = limiter_id(limiter);
		reply.change = change_of(change);
		call_reply(call, &reply.base);
		return 0;
	case LIMITER_E_BUSY:
		/* First what is left of the last change, as far as there is time. */
		do
			r = limiter_go_on(limiter, KEYS_UNLOOKED);
		while (r == 1 && session_has_time(call->session, 0));
		call->again = r >= 0;
		return MIN(r, 0);
	case LIMITER_E_EXISTS:
		return refuse_exists(call, limiter, &spec);
	case LIMITER_E_KIND:
		return refuse_kind(call, limiter, &spec);
	case LIMITER_E_RANGE:
		call_refuse(call, EVLOOP__STATUS__STATUS_OUT_OF_RANGE,
			    "what is taken of the limiter '%s' would be owed for more than 4.5 years", spec.name);
		return 0;
	case -ENOENT:
		call_refuse(call, EVLOOP__STATUS__STATUS_NOT_FOUND, "there is no limiter named '%s'", spec.name);
		return 0;
	default:
		return r;
	}
}

/* ---- looking ---- */

static Evloop__LimiterInfo *message_of(struct call *call, struct limiter *limiter) {
	Evloop__LimiterInfo *message = arena_alloc(&call->rpc->arena, sizeof(*message));
	Evloop__Grant *peeked = arena_alloc(&call->rpc->arena, sizeof(*peeked));
	const struct access *access;
	struct limiter_bucket bucket;
	struct limiter_info info;
	struct grant grant;

	if (!message || !peeked)
		return NULL;
	evloop__limiter_info__init(message);
	message->spec = message_of_spec(call, limiter_spec(limiter));
	if (!message->spec)
		return NULL;
	if (limiter_explain(limiter, (struct limiter_key){ 0 }, 1, &bucket, &grant) == 0) {
		convert_grant(&grant, peeked);
		message->grant = peeked;
		message->hold_ns = MAX(bucket.hold_until_ns - grant.now_ns, 0);
	}
	limiter_describe(limiter, &info);
	message->id = limiter_id(limiter);
	message->allowed = info.allowed;
	message->denied = info.denied;
	message->keys = info.keys;
	message->waiting = info.waiting;
	message->held = info.held;
	message->created_realtime_ns = info.created_realtime_ns;
	message->shared = info.shared;
	message->repaired = info.repaired;
	access = limiter_access(limiter);
	if (access) {
		message->configured = true;
		message->owner = (uint32_t)access->owner;
		message->group = (uint32_t)access->group;
		message->mode = (uint32_t)access->mode;
	}
	return message;
}

static int list_one(struct call *call, const char *name) {
	Evloop__LimiterListReply reply = EVLOOP__LIMITER_LIST_REPLY__INIT;
	struct limiter *limiter = target_limiter_now(call, name, LIMITER_LOOK);
	Evloop__LimiterInfo *info;

	if (!limiter || !target_look_ahead(call, limiter, (struct limiter_key){ 0 }))
		return 0;
	info = message_of(call, limiter);
	if (!info)
		return -ENOMEM;
	reply.limiters = &info;
	reply.n_limiters = 1;
	reply.next = info->id;
	call_reply(call, &reply.base);
	return 0;
}

int rpc_limiter_list(struct call *call, const void *data) {
	const Evloop__LimiterListRequest *request = data;
	Evloop__LimiterListReply reply = EVLOOP__LIMITER_LIST_REPLY__INIT;
	const char *glob = request->target ? request->target->glob : "";
	struct limiter *limiter;
	struct page page;

	if (request->target && !target_check(call, request->target))
		return 0;
	if (request->target && request->target->id != 0) {
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID, "limiters are asked for by name");
		return 0;
	}
	if (request->target && !glob[0])
		return list_one(call, request->target->name);
	page_begin(&page, call, 0);
	reply.limiters = arena_alloc(&call->rpc->arena, page.most * sizeof(*reply.limiters));
	if (!reply.limiters)
		return -ENOMEM;
	reply.next = request->after;
	for (limiter = target_next_limiter(call, request->after); limiter;
	     limiter = target_next_limiter(call, reply.next)) {
		Evloop__LimiterInfo *info = NULL;

		if (!page_goes_on(&page))
			break;
		if (!glob[0] || fnmatch(glob, limiter_spec(limiter)->name, 0) == 0) {
			/* The first of a page, whatever it takes. */
			if (reply.n_limiters == 0 && !target_look_ahead(call, limiter, (struct limiter_key){ 0 }))
				return 0;
			if (reply.n_limiters > 0 && !target_is_foreseen(call, limiter, (struct limiter_key){ 0 }))
				break;
			info = message_of(call, limiter);
			if (!info && reply.n_limiters == 0)
				return -ENOMEM;
			if (!info || !page_takes(&page, &info->base))
				break;
			reply.limiters[reply.n_limiters++] = info;
		}
		reply.next = limiter_id(limiter);
	}
	reply.more = limiter != NULL;
	call_reply(call, &reply.base);
	return 0;
}

static Evloop__ClaimInfo *message_of_claim(struct call *call, struct claim *claim) {
	Evloop__ClaimInfo *message = arena_alloc(&call->rpc->arena, sizeof(*message));
	struct claim_info info;

	if (!message)
		return NULL;
	evloop__claim_info__init(message);
	claim_describe(claim, &info);
	message->id = info.id;
	message->state = convert_claim_state(info.state);
	message->key = (ProtobufCBinaryData){ .data = (uint8_t *)info.key, .len = info.key_size };
	message->cost = info.cost;
	message->pid = info.pid;
	message->uid = (uint32_t)info.uid;
	message->since_ns = info.since_ns;
	message->expected_ns = info.expected_ns < INT64_MAX ? info.expected_ns : 0;
	message->position = info.position;
	return message;
}

int rpc_limiter_claims(struct call *call, const void *data) {
	const Evloop__LimiterClaimsRequest *request = data;
	Evloop__LimiterClaimsReply reply = EVLOOP__LIMITER_CLAIMS_REPLY__INIT;
	struct limiter *limiter = target_limiter_now(call, request->name, LIMITER_LOOK);
	uint64_t after = request->after;
	struct claim *claim;
	struct page page;

	if (!limiter)
		return 0;
	page_begin(&page, call, 0);
	reply.claims = arena_alloc(&call->rpc->arena, page.most * sizeof(*reply.claims));
	if (!reply.claims)
		return -ENOMEM;
	for (claim = limiter_next_claim(limiter, after); claim; claim = limiter_next_claim(limiter, after)) {
		Evloop__ClaimInfo *info;

		if (!page_goes_on(&page))
			break;
		if (reply.n_claims == 0 && !target_look_ahead_to(call, limiter, claim))
			return 0;
		if (reply.n_claims > 0 && !target_place_is_foreseen(call, claim))
			break;
		info = message_of_claim(call, claim);
		if (!info && reply.n_claims == 0)
			return -ENOMEM;
		if (!info || !page_takes(&page, &info->base))
			break;
		reply.claims[reply.n_claims++] = info;
		after = info->id;
	}
	reply.more = claim != NULL;
	call_reply(call, &reply.base);
	return 0;
}

int rpc_limiter_remove(struct call *call, const void *data) {
	const Evloop__LimiterRemoveRequest *request = data;
	Evloop__LimiterRemoveReply reply = EVLOOP__LIMITER_REMOVE_REPLY__INIT;
	struct limiter *limiter = limiter_find(call->session->owner.tenant, request->name);

	if (!limiter && target_limiter_of_all(call, request->name)) {
		call_refuse(call, EVLOOP__STATUS__STATUS_PERM, "the limiter '%s' comes from configuration",
			    request->name);
		return 0;
	}
	if (!limiter) /* there is none: say so */
		return target_limiter_now(call, request->name, LIMITER_LOOK), 0;
	limiter_remove(limiter);
	call_reply(call, &reply.base);
	return 0;
}
