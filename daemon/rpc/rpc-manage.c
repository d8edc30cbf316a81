/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the requests about the timers of a uid, whoever armed them: looking at them, and changing several at once.  Each is
 * answered in pages, so that no number of timers makes an answer large or a turn of the loop long.
 */

#include "daemon/rpc/dispatch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/core/loop.h"
#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/page.h"
#include "daemon/rpc/target.h"

/* ---- list ---- */

static bool is_listed(const Evloop__ListRequest *request, const struct timer_info *info) {
	bool finished = info->state == TIMER_STATE_FINISHED;

	if (request->target && !target_matches(request->target, info))
		return false;
	if (request->failed)
		return info->command && info->last_run.run > 0 && info->last_run.result != RUN_RESULT_ACTIVE &&
		       info->last_run.status != 0;
	if (finished && !request->finished)
		return false;
	return info->name || info->command || info->detached || request->anonymous;
}

static int list_one(struct call *call, const Evloop__ListRequest *request) {
	Evloop__ListReply reply = EVLOOP__LIST_REPLY__INIT;
	struct timer *timer = target_timer(call, request->target);
	Evloop__TimerInfo *info;

	if (!timer)
		return 0;
	info = convert_timer(&call->rpc->arena, scheduler_now(call->rpc->scheduler), timer, request->details);
	if (!info)
		return -ENOMEM;
	reply.timers = &info;
	reply.n_timers = 1;
	reply.next = info->id;
	call_reply(call, &reply.base);
	return 0;
}

int rpc_list(struct call *call, const void *data) {
	const Evloop__ListRequest *request = data;
	struct tenant *tenant = call->session->owner.tenant;
	Evloop__ListReply reply = EVLOOP__LIST_REPLY__INIT;
	struct timer *timer;
	struct page page;

	if (request->target && !target_check(call, request->target))
		return 0;
	if (request->target && !request->target->glob[0])
		return list_one(call, request);
	page_begin(&page, call, request->limit);
	reply.timers = arena_alloc(&call->rpc->arena, page.most * sizeof(*reply.timers));
	if (!reply.timers)
		return -ENOMEM;
	reply.next = request->after;
	for (timer = tenant_next(tenant, request->after); timer; timer = tenant_next(tenant, reply.next)) {
		Evloop__TimerInfo *info;
		struct timer_info description;

		if (!page_goes_on(&page))
			break;
		timer_describe(timer, &description);
		if (is_listed(request, &description)) {
			info = convert_timer(&call->rpc->arena, scheduler_now(call->rpc->scheduler), timer,
					     request->details);
			if (!info && reply.n_timers == 0)
				return -ENOMEM;
			if (!info || !page_takes(&page, &info->base))
				break;
			reply.timers[reply.n_timers++] = info;
		}
		reply.next = timer_id(timer);
	}
	reply.more = timer != NULL;
	call_reply(call, &reply.base);
	return 0;
}

/* ---- verbs ---- */

/* What one of the verbs does with one timer. */
typedef int (*timer_verb)(struct timer *timer, const Evloop__ManageRequest *request, Evloop__Outcome *ret);

static int outcome_of(int r, Evloop__Outcome done, Evloop__Outcome *ret) {
	if (r == TIMER_E_UNCHANGED)
		done = EVLOOP__OUTCOME__OUTCOME_UNCHANGED;
	else if (r != 0)
		return r;
	*ret = done;
	return 0;
}

static int cancel_one(struct timer *timer, const Evloop__ManageRequest *request _unused_, Evloop__Outcome *ret) {
	*ret = convert_cancel(timer_cancel(timer, SOURCE_END_CANCELLED));
	return 0;
}

static int pause_one(struct timer *timer, const Evloop__ManageRequest *request _unused_, Evloop__Outcome *ret) {
	return outcome_of(timer_pause(timer), EVLOOP__OUTCOME__OUTCOME_PAUSED, ret);
}

static int resume_one(struct timer *timer, const Evloop__ManageRequest *request _unused_, Evloop__Outcome *ret) {
	return outcome_of(timer_resume(timer), EVLOOP__OUTCOME__OUTCOME_RESUMED, ret);
}

static int trigger_one(struct timer *timer, const Evloop__ManageRequest *request _unused_, Evloop__Outcome *ret) {
	return outcome_of(timer_trigger(timer), EVLOOP__OUTCOME__OUTCOME_TRIGGERED, ret);
}

static int poke_one(struct timer *timer, const Evloop__ManageRequest *request _unused_, Evloop__Outcome *ret) {
	return outcome_of(timer_poke(timer), EVLOOP__OUTCOME__OUTCOME_POKED, ret);
}

static int kill_one(struct timer *timer, const Evloop__ManageRequest *request, Evloop__Outcome *ret) {
	int r = timer_kill(timer, (int)request->signal);

	if (r == TIMER_E_NOT_RUNNING || r == -ESRCH) {
		*ret = EVLOOP__OUTCOME__OUTCOME_NOT_RUNNING;
		return 0;
	}
	return outcome_of(r, EVLOOP__OUTCOME__OUTCOME_SIGNALLED, ret);
}

/* Why is there no delay, and what can be done instead? */
static const char *explain_no_delay(const struct timer_info *info, const char *name) {
	if (info->kind == TIMER_KIND_AFTER && !name[0])
		return "its delay is not kept, for it has no name: give it one, or restart it where it was armed";
	return name[0] ? "it was given as a time, and has no delay to restart: arm it anew under the same name, "
			 "replacing it"
		       : "it was given as a time, and has no delay to restart: cancel it, and arm it anew";
}

/* A verb that one timer, named on its own, does not allow; `info` and `name`, of it, are for TIMER_E_NOT_DELAYED.  Of several, such a one
 * is left out. */
static int refuse_verb(struct call *call, int r, const struct timer_info *info, const char *name) {
	switch (r) {
	case TIMER_E_NOT_DELAYED:
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID, "%s", explain_no_delay(info, name));
		return 0;
	case TIMER_E_PAST_UNTIL:
		call_refuse(call, EVLOOP__STATUS__STATUS_OUT_OF_RANGE,
			    "its next time would lie behind the time until which it repeats");
		return 0;
	case TIMER_E_NO_COMMAND:
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID, "the timer has no command");
		return 0;
	default:
		return r;
	}
}

/* `state` is what it was in: what does not change because the timer is over is gone. */
static int apply(struct timer *timer, const Evloop__ManageRequest *request, timer_verb verb, enum timer_state state,
		 Evloop__Outcome *ret) {
	int r = verb(timer, request, ret);

	if (r == 0 && *ret == EVLOOP__OUTCOME__OUTCOME_UNCHANGED && state != TIMER_STATE_ARMED &&
	    state != TIMER_STATE_PAUSED)
		*ret = EVLOOP__OUTCOME__OUTCOME_GONE;
	return r;
}

static int manage_one(struct call *call, const Evloop__ManageRequest *request, timer_verb verb) {
	Evloop__ManageReply reply = EVLOOP__MANAGE_REPLY__INIT;
	Evloop__ManageReply__Result result = EVLOOP__MANAGE_REPLY__RESULT__INIT, *results = &result;
	struct timer *timer = target_timer(call, request->target);
	char name[NAME_LENGTH_MAX + 1];
	struct timer_info info;
	int r;

	if (!timer)
		return 0;
	timer_describe(timer, &info);
	snprintf(name, sizeof(name), "%s", info.name ? info.name : ""); /* the verb may free the timer */
	result.id = info.id;
	result.name = name;
	r = apply(timer, request, verb, info.state, &result.outcome);
	if (r != 0)
		return refuse_verb(call, r, &info, name);
	reply.results = &results;
	reply.n_results = 1;
	reply.next = result.id;
	call_reply(call, &reply.base);
	return 0;
}

/* Room for one more result, with the name of its timer.  NULL: out of memory. */
static Evloop__ManageReply__Result *new_result(struct call *call, const struct timer_info *info) {
	Evloop__ManageReply__Result *result = arena_alloc(&call->rpc->arena, sizeof(*result));

	if (!result)
		return NULL;
	evloop__manage_reply__result__init(result);
	result->id = info->id;
	result->name = arena_copy(&call->rpc->arena, info->name, strlen(info->name));
	return result->name ? result : NULL;
}

static int manage_many(struct call *call, const Evloop__ManageRequest *request, timer_verb verb) {
	struct tenant *tenant = call->session->owner.tenant;
	Evloop__ManageReply reply = EVLOOP__MANAGE_REPLY__INIT;
	struct timer *timer;
	struct page page;

	page_begin(&page, call, 0);
	reply.results = arena_alloc(&call->rpc->arena, page.most * sizeof(*reply.results));
	if (!reply.results)
		return -ENOMEM;
	reply.next = request->after;
	for (timer = tenant_next(tenant, request->after); timer; timer = tenant_next(tenant, reply.next)) {
		Evloop__ManageReply__Result *result;
		struct timer_info info;
		uint64_t id = timer_id(timer);

		if (!page_goes_on(&page))
			break;
		timer_describe(timer, &info);
		if (info.state != TIMER_STATE_FINISHED && target_matches(request->target, &info)) {
			result = new_result(call, &info);
			if (!result || !page_takes(&page, &result->base))
				break;
			if (apply(timer, request, verb, info.state, &result->outcome) == 0)
				reply.results[reply.n_results++] = result;
		}
		reply.next = id;
	}
	reply.more = timer != NULL;
	call_reply(call, &reply.base);
	return 0;
}

static int manage(struct call *call, const Evloop__ManageRequest *request, timer_verb verb) {
	if (!target_check(call, request->target))
		return 0;
	(void)loop_refresh(call->rpc->loop); /* delays count from now */
	return request->target->glob[0] ? manage_many(call, request, verb) : manage_one(call, request, verb);
}

int rpc_cancel(struct call *call, const void *request) {
	return manage(call, request, cancel_one);
}

int rpc_pause(struct call *call, const void *request) {
	return manage(call, request, pause_one);
}

int rpc_resume(struct call *call, const void *request) {
	return manage(call, request, resume_one);
}

int rpc_trigger(struct call *call, const void *request) {
	return manage(call, request, trigger_one);
}

int rpc_poke(struct call *call, const void *request) {
	return manage(call, request, poke_one);
}

int rpc_kill(struct call *call, const void *data) {
	const Evloop__ManageRequest *request = data;

	if (request->signal > 64) {
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID, "there is no signal %u", request->signal);
		return 0;
	}
	return manage(call, request, kill_one);
}

/* ---- output ---- */

int rpc_log(struct call *call, const void *data) {
	const Evloop__LogRequest *request = data;
	Evloop__LogReply reply = EVLOOP__LOG_REPLY__INIT;
	uint32_t limit = request->limit > 0 ? MIN(request->limit, LOG_PAGE_MAX) : LOG_PAGE_MAX;
	struct timer *timer = target_timer(call, request->target);
	struct timer_info info;
	ssize_t n;

	if (!timer)
		return 0;
	reply.data.data = arena_alloc(&call->rpc->arena, limit);
	if (!reply.data.data)
		return -ENOMEM;
	n = timer_read_output(timer, request->offset, reply.data.data, limit, &reply.offset);
	if (n < 0)
		return refuse_verb(call, TIMER_E_NO_COMMAND, NULL, NULL);
	timer_describe(timer, &info);
	reply.data.len = (size_t)n;
	reply.output_end = info.output_bytes;
	reply.more = reply.offset + (uint64_t)n < info.output_bytes;
	reply.active = info.active > 0;
	call_reply(call, &reply.base);
	return 0;
}
