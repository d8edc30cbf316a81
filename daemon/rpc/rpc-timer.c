/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the requests about a session's own sources, which it names by handle.  Everything is checked here, field by field,
 * before the core hears of it; each refusal names the field, its value and what would have been allowed.
 */

#include "daemon/rpc/dispatch.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "daemon/core/loop.h"
#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/check.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/gate.h"
#include "daemon/rpc/target.h"

/* ---- checks: false: the call has been refused ---- */

/*
 * When: absolute, on `clock`.  A client that reads our clocks sends deadlines; one that cannot sends delays, which count
 * from now.
 */
static bool resolve_deadline(struct call *call, enum timer_clock clock, bool relative, int64_t deadline_ns,
			     int64_t *ret_ns, int64_t *ret_delay_ns) {
	if (!check_range(call, "deadline_ns", deadline_ns, 0))
		return false;
	if (!relative) {
		*ret_ns = deadline_ns;
		return true;
	}
	*ret_delay_ns = deadline_ns;
	deadline_ns += loop_refresh(call->rpc->loop)->ns[clock];
	if (deadline_ns > TIME_NS_MAX)
		return REFUSE(call, OUT_OF_RANGE, "the delay of %" PRId64 " ns ends beyond the end of the clock",
			      *ret_delay_ns);
	*ret_ns = deadline_ns;
	return true;
}

static bool check_past(struct call *call, const Evloop__TimerSpec *request, const struct timer_spec *spec) {
	int64_t now;

	if (request->if_past == EVLOOP__IF_PAST__PAST_FIRE || spec->kind == TIMER_KIND_SOON)
		return true;
	if (request->if_past != EVLOOP__IF_PAST__PAST_ERROR)
		return REFUSE(call, INVALID, "if_past has no value %d", (int)request->if_past);
	now = loop_refresh(call->rpc->loop)->ns[spec->clock];
	if (spec->deadline_ns >= now)
		return true;
	return REFUSE(call, OUT_OF_RANGE, "the time is %" PRId64 " ms in the past",
		      (now - spec->deadline_ns) / NSEC_PER_MSEC);
}

static bool check_schedule(struct call *call, const Evloop__TimerSpec *request, struct timer_spec *ret) {
	if (!convert_to_kind(request->kind, &ret->kind))
		return REFUSE(call, INVALID, "kind has no value %d", (int)request->kind);
	if (!convert_to_clock(request->clock, &ret->clock))
		return REFUSE(call, INVALID, "clock has no value %d", (int)request->clock);
	if (!convert_to_name_mode(request->name_mode, &ret->name_mode))
		return REFUSE(call, INVALID, "name_mode has no value %d", (int)request->name_mode);
	ret->delay_ns = -1;
	if (ret->kind == TIMER_KIND_SOON)
		return true;
	if (!resolve_deadline(call, ret->clock, request->relative, request->deadline_ns, &ret->deadline_ns,
			      &ret->delay_ns))
		return false;
	if (!check_range(call, "slack_ns", request->slack_ns, 0) ||
	    !check_range(call, "delay_ns", request->delay_ns, 0))
		return false;
	ret->slack_ns = request->slack_ns;
	if (ret->kind == TIMER_KIND_AFTER && ret->delay_ns < 0)
		ret->delay_ns = request->delay_ns > 0
					? request->delay_ns
					: MAX(ret->deadline_ns - loop_now(call->rpc->loop)->ns[ret->clock], 0);
	if (ret->kind != TIMER_KIND_EVERY)
		return true;
	if (!check_range(call, "period_ns", request->period_ns, 1) ||
	    !check_range(call, "until_ns", request->until_ns, 0))
		return false;
	ret->period_ns = request->period_ns;
	ret->count = request->count;
	ret->until_ns = request->until_ns;
	/* Poked: one period from now; what keeps to times of the day has no delay. */
	ret->delay_ns = !request->relative && ret->clock == TIMER_CLOCK_REALTIME ? -1 : request->period_ns;
	return true;
}

/* ---- commands ---- */

static bool check_words(struct call *call, const char *field, const ProtobufCBinaryData *words, size_t n,
			size_t *size) {
	for (size_t i = 0; i < n; i++) {
		if (words[i].len > 0 && memchr(words[i].data, '\0', words[i].len))
			return REFUSE(call, INVALID, "%s[%zu] has a NUL in it", field, i);
		*size += words[i].len + COMMAND_WORD_COST;
	}
	return true;
}

static bool check_command(struct call *call, const Evloop__Command *request) {
	size_t size = 0;
	enum overlap overlap;

	if (!call->rpc->executes)
		return REFUSE(
			call, UNSUPPORTED,
			"the system's instance runs no commands: use your own (systemctl --user start evloopd.socket)");
	if (call->session->uid != call->rpc->uid)
		return REFUSE(call, PERM, "commands would run as uid %u, so nobody else may give them",
			      (unsigned)call->rpc->uid);
	if (request->n_argv == 0 || request->argv[0].len == 0)
		return REFUSE(call, INVALID, "the command has no first word");
	if (!check_words(call, "argv", request->argv, request->n_argv, &size) ||
	    !check_words(call, "environment", request->environment, request->n_environment, &size) ||
	    !check_words(call, "directory", &request->directory, 1, &size))
		return false;
	if (size > COMMAND_SIZE_MAX)
		return REFUSE(call, OUT_OF_RANGE, "the command and its environment have %zu bytes, more than %d", size,
			      COMMAND_SIZE_MAX);
	if (request->directory.len > 0 && request->directory.data[0] != '/')
		return REFUSE(call, INVALID, "the directory is not absolute");
	if (request->directory.len >= PATH_MAX)
		return REFUSE(call, OUT_OF_RANGE, "the directory has %zu bytes, more than %d", request->directory.len,
			      PATH_MAX - 1);
	if (request->umask > 0777)
		return REFUSE(call, OUT_OF_RANGE, "umask is 0%o, above 0777", request->umask);
	if (!convert_to_overlap(request->overlap, &overlap))
		return REFUSE(call, INVALID, "overlap has no value %d", (int)request->overlap);
	if (!check_range(call, "timeout_ns", request->timeout_ns, 0))
		return false;
	return call_allows(call, QUOTA_COMMAND_BYTES, 0, size);
}

static struct word *words_of(struct call *call, const ProtobufCBinaryData *data, size_t n) {
	struct word *words = arena_alloc(&call->rpc->arena, (n + 1) * sizeof(*words));

	for (size_t i = 0; words && i < n; i++)
		words[i] = (struct word){ .data = data[i].data, .size = data[i].len };
	return words;
}

static int make_command(struct call *call, const Evloop__Command *request, struct command **ret) {
	struct word *argv = words_of(call, request->argv, request->n_argv);
	struct word *environment = words_of(call, request->environment, request->n_environment);
	struct word directory = { .data = "/", .size = 1 };
	struct command *command;
	int r;

	if (!argv || !environment)
		return -ENOMEM;
	if (request->directory.len > 0)
		directory = (struct word){ .data = request->directory.data, .size = request->directory.len };
	r = command_new(&command, argv, request->n_argv, environment, request->n_environment, directory);
	if (r < 0)
		return r;
	command->umask = request->umask;
	command->timeout_ns = request->timeout_ns;
	(void)convert_to_overlap(request->overlap, &command->overlap);
	*ret = command;
	return 0;
}

/* ---- arming ---- */

static void reply_armed(struct call *call, const struct timer *timer, enum timer_change change) {
	Evloop__Armed reply = EVLOOP__ARMED__INIT;
	struct timer_info info;

	if (call->frame->kind == FRAME_ONEWAY)
		return; /* nobody waits to hear it */
	timer_describe(timer, &info);
	reply.id = info.id;
	reply.effective_ns = info.next_ns;
	reply.generation = info.generation;
	reply.change = convert_change(change);
	call_reply(call, &reply.base);
}

static int refuse_crowded(struct call *call) {
	call_refuse(call, EVLOOP__STATUS__STATUS_QUOTA, "%d are attached to that timer, which is the most",
		    ATTACHMENTS_MAX);
	return 0;
}

static int refuse_exists(struct call *call, const char *name, const struct timer *holder) {
	Evloop__Error error = EVLOOP__ERROR__INIT;
	char message[NAME_LENGTH_MAX + 96];

	snprintf(message, sizeof(message), "the name '%s' is taken by timer %" PRIu64, name, timer_id(holder));
	error.status = EVLOOP__STATUS__STATUS_EXISTS;
	error.message = message;
	error.existing = convert_timer(&call->rpc->arena, scheduler_now(call->rpc->scheduler), holder, true);
	if (!error.existing)
		return -ENOMEM;
	call_refuse_with(call, &error);
	return 0;
}

/* How many more timers there will be: one whose name is taken over goes. */
static uint64_t count_new(struct call *call, const struct timer_spec *spec) {
	struct tenant *tenant = call->session->owner.tenant;
	const struct timer *holder =
		spec->name && spec->name_mode != NAME_MODE_CREATE ? tenant_find_name(tenant, spec->name) : NULL;
	uint64_t n = spec->detached && spec->handle != 0 ? 2 : 1;
	struct timer_info info;

	if (!holder)
		return n;
	timer_describe(holder, &info);
	return info.state == TIMER_STATE_FINISHED ? n : n - 1;
}

static bool check_arm(struct call *call, const Evloop__TimerSpec *request, struct timer_spec *ret) {
	*ret = (struct timer_spec){
		.handle = request->handle,
		.name = request->name[0] ? request->name : NULL,
		.detached = request->detached || request->command,
	};
	if (ret->detached && request->gate)
		return REFUSE(call, INVALID,
			      "a gate is for a timer of a session, not for one with a command or detached");
	if (!ret->detached && request->handle == 0)
		return REFUSE(call, INVALID, "a timer of a session needs a handle above 0");
	if (!check_name(call, request->name) || !check_schedule(call, request, ret) || !check_past(call, request, ret))
		return false;
	if (!call_allows(call, QUOTA_TIMERS, 0, count_new(call, ret)))
		return false;
	return !request->command || check_command(call, request->command);
}

/* Arm it, and give it the gate, which is used up in any case.  Return: as timer_arm(). */
static int arm(struct call *call, struct timer_spec *spec, struct gate *gate, struct timer **ret_timer,
	       enum timer_change *ret_change) {
	int r = timer_arm(call->rpc->scheduler, &call->session->owner, spec, ret_timer, ret_change);

	if (r != 0)
		gate_free(gate);
	/* One that was there before may have had another gate. */
	else if (gate || (!spec->detached && spec->name_mode == NAME_MODE_ENSURE))
		r = set_gate(call, gate, spec->handle);
	return r;
}

int rpc_arm(struct call *call, const void *data) {
	const Evloop__TimerSpec *request = data;
	enum timer_change change;
	struct timer_spec spec;
	struct timer *timer;
	struct gate *gate;
	int r = 0;

	if (!check_arm(call, request, &spec) || !make_gate(call, request->gate, &gate, &r))
		return r;
	if (request->command) {
		r = make_command(call, request->command, &spec.command);
		if (r < 0)
			return r;
	}
	r = arm(call, &spec, gate, &timer, &change);
	command_free(spec.command); /* NULL where the timer has it */
	switch (r) {
	case 0:
		reply_armed(call, timer, change);
		return 0;
	case TIMER_E_HANDLE_EXISTS:
		call_refuse(call, EVLOOP__STATUS__STATUS_EXISTS, "handle %" PRIu64 " is in use", spec.handle);
		return 0;
	case TIMER_E_NAME_EXISTS:
		return refuse_exists(call, spec.name, timer);
	case TIMER_E_PAST_UNTIL:
		call_refuse(call, EVLOOP__STATUS__STATUS_OUT_OF_RANGE, "until_ns lies before the first time");
		return 0;
	case TIMER_E_CROWDED:
		return refuse_crowded(call);
	default:
		return r;
	}
}

/* ---- the session's own sources ---- */

int rpc_cancel_handle(struct call *call, const void *data) {
	const Evloop__HandleRequest *request = data;
	Evloop__CancelReply reply = EVLOOP__CANCEL_REPLY__INIT;

	reply.outcome = convert_cancel(owner_cancel(&call->session->owner, request->handle));
	call_reply(call, &reply.base);
	return 0;
}

/* Return: the timer behind that handle, or NULL: the call has been refused. */
static struct timer *timer_of_handle(struct call *call, uint64_t handle) {
	struct source *source = owner_find(&call->session->owner, handle);
	struct timer *timer = source ? timer_of_source(source) : NULL;

	if (!timer)
		call_refuse(call, EVLOOP__STATUS__STATUS_NOT_FOUND, "there is no timer with handle %" PRIu64, handle);
	return timer;
}

int rpc_restart_handle(struct call *call, const void *data) {
	const Evloop__RestartRequest *request = data;
	struct timer *timer = timer_of_handle(call, request->handle);
	int64_t deadline_ns, delay_ns = -1;
	struct timer_info info;
	int r;

	if (!timer)
		return 0;
	timer_describe(timer, &info);
	if (!resolve_deadline(call, info.clock, request->relative, request->deadline_ns, &deadline_ns, &delay_ns))
		return 0;
	if (delay_ns < 0)
		delay_ns = MAX(deadline_ns - loop_refresh(call->rpc->loop)->ns[info.clock], 0);
	r = timer_restart(timer, deadline_ns, delay_ns);
	switch (r) {
	case 0:
		reply_armed(call, timer, TIMER_CHANGE_UPDATED);
		return 0;
	case TIMER_E_PAST_UNTIL:
		call_refuse(call, EVLOOP__STATUS__STATUS_OUT_OF_RANGE, "deadline_ns lies behind until_ns of the timer");
		return 0;
	case TIMER_E_UNCHANGED:
		call_refuse(call, EVLOOP__STATUS__STATUS_NOT_FOUND, "the timer with handle %" PRIu64 " is over",
			    request->handle);
		return 0;
	default:
		return r;
	}
}

int rpc_identify(struct call *call, const void *data) {
	const Evloop__HandleRequest *request = data;
	struct timer *timer = timer_of_handle(call, request->handle);

	if (timer)
		reply_armed(call, timer, TIMER_CHANGE_UNCHANGED);
	return 0;
}

int rpc_attach(struct call *call, const void *data) {
	const Evloop__AttachRequest *request = data;
	struct owner *owner = &call->session->owner;
	Evloop__TimerInfo *reply;
	struct timer *timer;
	int r;

	if (request->handle == 0) {
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID, "the handle must be above 0");
		return 0;
	}
	timer = target_timer(call, request->target);
	if (!timer || !call_allows(call, QUOTA_TIMERS, 0, 1))
		return 0;
	r = timer_attach(timer, owner, request->handle, request->output);
	if (r == TIMER_E_HANDLE_EXISTS) {
		call_refuse(call, EVLOOP__STATUS__STATUS_EXISTS, "handle %" PRIu64 " is in use", request->handle);
		return 0;
	}
	if (r == TIMER_E_CROWDED)
		return refuse_crowded(call);
	if (r < 0)
		return r;
	reply = convert_timer(&call->rpc->arena, scheduler_now(call->rpc->scheduler), timer, false);
	if (!reply) {
		(void)owner_cancel(owner, request->handle);
		return -ENOMEM;
	}
	call_reply(call, &reply->base);
	return 0;
}
