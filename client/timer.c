/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns arming: from the user's words to a TimerSpec, again after a restart and after a reconnect.  The deadline is taken here,
 * at the call, so that no time is added on the way; it is made relative only for a daemon in another time namespace.
 */

#include "client/internal.h"

#include <string.h>

#define TIMER_FIRST_SIZE offsetof(struct evl_timer, limiter) /* of structures that know no limiter */

bool timer_is_behind(const struct evl_source *source) {
	return source->kind == SOURCE_TIMER ||
	       (source->kind == SOURCE_RAW && source->arming && source->arming->method == EVLOOP__METHOD__METHOD_ARM);
}

/* How it was armed; NULL: once, on source::clock. */
static Evloop__TimerSpec *spec_of(const struct evl_source *source) {
	return source->arming ? (Evloop__TimerSpec *)source->arming->message : NULL;
}

static clockid_t clock_of(uint8_t clock) {
	switch (clock) {
	case EVLOOP__CLOCK__CLOCK_MONOTONIC:
		return CLOCK_MONOTONIC;
	case EVLOOP__CLOCK__CLOCK_REALTIME:
		return CLOCK_REALTIME;
	default:
		return CLOCK_BOOTTIME;
	}
}

static int clock_from(clockid_t clock, Evloop__Clock *ret) {
	switch (clock) {
	case CLOCK_BOOTTIME:
		*ret = EVLOOP__CLOCK__CLOCK_BOOTTIME;
		return 0;
	case CLOCK_MONOTONIC:
		*ret = EVLOOP__CLOCK__CLOCK_MONOTONIC;
		return 0;
	case CLOCK_REALTIME:
		*ret = EVLOOP__CLOCK__CLOCK_REALTIME;
		return 0;
	default:
		return -EINVAL;
	}
}

int64_t evl_call_deadline(const struct evl *evl, Evloop__Clock clock, int64_t deadline_ns,
			  protobuf_c_boolean *ret_relative) {
	*ret_relative = evl->relative && clock != EVLOOP__CLOCK__CLOCK_REALTIME;
	return *ret_relative ? MAX(deadline_ns - clock_ns(clock_of((uint8_t)clock)), 0) : deadline_ns;
}

static int send_spec(struct evl *evl, Evloop__TimerSpec *spec, uint64_t handle, int64_t deadline_ns) {
	spec->handle = handle;
	spec->deadline_ns = evl_call_deadline(evl, spec->clock, deadline_ns, &spec->relative);
	return call_oneway(evl, EVLOOP__METHOD__METHOD_ARM, &spec->base);
}

/* Arm a live source. */
static int arm(struct evl_source *source, int64_t deadline_ns) {
	Evloop__TimerSpec plain = EVLOOP__TIMER_SPEC__INIT, *spec = spec_of(source);

	if (spec) {
		source->arming->next_ns = deadline_ns;
		source->arming->fires = source->arming->fires_before = 0;
	} else {
		source->deadline_ns = deadline_ns;
		plain.kind = source->at ? EVLOOP__KIND__KIND_AT : EVLOOP__KIND__KIND_AFTER;
		plain.clock = (Evloop__Clock)source->clock;
	}
	return send_spec(source->evl, spec ? spec : &plain, source->handle, deadline_ns);
}

/* `spec` is kept where it is more than evl_call_later() arms. */
static int add(struct evl *evl, struct evl_source **ret, const Evloop__TimerSpec *spec, bool kept, int64_t deadline_ns,
	       bool rearm, evl_callback callback, void *userdata) {
	struct evl_source *source;
	int r = source_new(evl, SOURCE_TIMER, callback, userdata, &source);

	if (r < 0)
		return r;
	source->rearm = rearm;
	source->at = spec->kind == EVLOOP__KIND__KIND_AT;
	source->clock = (uint8_t)spec->clock;
	source->follows = spec->detached || spec->command;
	if (kept)
		r = arming_keep(source, EVLOOP__METHOD__METHOD_ARM, &spec->base, -1);
	if (r >= 0)
		r = arm(source, deadline_ns);
	if (r < 0) {
		source_discard(source);
		return r;
	}
	source_publish(source, ret);
	return 0;
}

static int check(struct evl *evl, evl_callback callback) {
	int r = connection_begin(evl);

	if (r < 0)
		return r;
	return callback ? 0 : error_set(evl, -EINVAL, "no callback");
}

/* now + delay on that clock. */
static int deadline_in(struct evl *evl, clockid_t clock, int64_t delay_ns, int64_t *ret) {
	int64_t now = clock_ns(clock);

	if (delay_ns < 0 || delay_ns > TIME_NS_MAX - now)
		return error_set(evl, -ERANGE, "a delay of %lld ns", (long long)delay_ns);
	*ret = now + delay_ns;
	return 0;
}

int evl_call_later(struct evl *evl, struct evl_source **ret, int64_t delay_ns, evl_callback callback, void *userdata) {
	Evloop__TimerSpec plain = EVLOOP__TIMER_SPEC__INIT;
	int64_t deadline_ns = 0;
	int r = check(evl, callback);

	if (r >= 0)
		r = deadline_in(evl, CLOCK_BOOTTIME, delay_ns, &deadline_ns);
	if (r < 0)
		return r;
	return add(evl, ret, &plain, false, deadline_ns, false, callback, userdata);
}

int evl_call_at(struct evl *evl, struct evl_source **ret, clockid_t clock, int64_t deadline_ns, evl_callback callback,
		void *userdata) {
	struct evl_timer timer = EVL_TIMER_INIT;
	int r = check(evl, callback);

	if (r < 0)
		return r;
	timer.clock = clock;
	timer.absolute = true;
	timer.deadline_ns = deadline_ns;
	return evl_timer_add(evl, ret, &timer, callback, userdata);
}

int evl_call_every(struct evl *evl, struct evl_source **ret, int64_t period_ns, evl_callback callback, void *userdata) {
	struct evl_timer timer = EVL_TIMER_INIT;
	int r = check(evl, callback);

	if (r < 0)
		return r;
	if (period_ns <= 0)
		return error_set(evl, -ERANGE, "a period of %lld ns", (long long)period_ns);
	timer.period_ns = timer.deadline_ns = period_ns;
	return evl_timer_add(evl, ret, &timer, callback, userdata);
}

static int check_timer(struct evl *evl, const struct evl_timer *timer) {
	bool repeats = timer->period_ns > 0;

	if (timer->limiter && (timer->detached || timer->argv))
		return error_set(evl, -EINVAL, "a limiter is for a timer that belongs to the connection");

	if (timer->period_ns < 0 || timer->period_ns > TIME_NS_MAX)
		return error_set(evl, -ERANGE, "a period of %lld ns", (long long)timer->period_ns);
	if (!repeats && (timer->count || timer->until_ns))
		return error_set(evl, -EINVAL, "count and until_ns are for timers with a period");
	if (timer->until_ns < 0 || timer->until_ns > TIME_NS_MAX)
		return error_set(evl, -ERANGE, "until_ns is %lld", (long long)timer->until_ns);
	if (timer->slack_ns < 0 || timer->slack_ns > TIME_NS_MAX)
		return error_set(evl, -ERANGE, "a slack of %lld ns", (long long)timer->slack_ns);
	if (timer->timeout_ns < 0 || timer->timeout_ns > TIME_NS_MAX)
		return error_set(evl, -ERANGE, "a timeout of %lld ns", (long long)timer->timeout_ns);
	if ((unsigned)timer->name_mode > EVL_NAME_ENSURE || (unsigned)timer->overlap > EVL_OVERLAP_ALLOW)
		return error_set(evl, -EINVAL, "no such name_mode or overlap");
	if (timer->absolute && timer->deadline_ns > TIME_NS_MAX)
		return error_set(evl, -ERANGE, "a deadline of %lld ns", (long long)timer->deadline_ns);
	return 0;
}

/* Fill in `spec`, which borrows from `timer`. */
static void fill_spec(const struct evl_timer *timer, Evloop__Clock clock, Evloop__TimerSpec *spec) {
	if (timer->period_ns > 0)
		spec->kind = EVLOOP__KIND__KIND_EVERY;
	else if (timer->absolute)
		spec->kind = EVLOOP__KIND__KIND_AT;
	else
		spec->delay_ns = timer->deadline_ns;
	spec->clock = clock;
	spec->period_ns = timer->period_ns;
	spec->count = timer->count;
	spec->until_ns = timer->until_ns;
	spec->slack_ns = timer->slack_ns;
	spec->if_past = timer->refuse_past ? EVLOOP__IF_PAST__PAST_ERROR : EVLOOP__IF_PAST__PAST_FIRE;
	if (timer->name)
		spec->name = (char *)timer->name;
	spec->name_mode = (Evloop__NameMode)timer->name_mode;
	spec->detached = timer->detached;
}

/* Is it no more than evl_call_later() arms? */
static bool is_plain(const Evloop__TimerSpec *spec) {
	return spec->period_ns == 0 && spec->slack_ns == 0 && spec->if_past == EVLOOP__IF_PAST__PAST_FIRE &&
	       !spec->name[0] && !spec->detached && !spec->command && !spec->gate;
}

static int add_spec(struct evl *evl, struct evl_source **ret, Evloop__TimerSpec *spec, int64_t deadline_ns, bool rearm,
		    evl_callback callback, void *userdata) {
	if (!callback && !ret && !rearm)
		return send_spec(evl, spec, 0, deadline_ns); /* nobody is told of it */
	return add(evl, ret, spec, !is_plain(spec), deadline_ns, rearm, callback, userdata);
}

int evl_timer_add(struct evl *evl, struct evl_source **ret, const struct evl_timer *given, evl_callback callback,
		  void *userdata) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	Evloop__Gate gate = EVLOOP__GATE__INIT;
	int64_t deadline_ns = 0;
	struct evl_timer timer;
	Evloop__Clock clock;
	int r = connection_begin(evl);

	if (r >= 0)
		r = structure_read(evl, "evl_timer", given, TIMER_FIRST_SIZE, &timer, sizeof(timer));
	if (r >= 0)
		r = check_timer(evl, &timer);
	if (r >= 0)
		r = gate_fill(evl, timer.limiter, timer.limiter_key, &gate, &spec.gate);
	if (r < 0)
		return r;
	if (clock_from(timer.clock, &clock) < 0)
		return error_set(evl, -EINVAL, "no such clock");
	if (!callback && !timer.detached && !timer.argv)
		return error_set(evl, -EINVAL, "no callback");
	if (timer.absolute)
		deadline_ns = timer.deadline_ns;
	else
		r = deadline_in(evl, timer.clock, timer.deadline_ns, &deadline_ns);
	if (r < 0)
		return r;
	fill_spec(&timer, clock, &spec);
	if (timer.argv) {
		r = command_new(&timer, &spec.command);
		if (r < 0)
			return error_set(evl, r, "no usable command");
	}
	r = add_spec(evl, ret, &spec, deadline_ns, timer.rearm, callback, userdata);
	command_free(spec.command);
	return r;
}

int evl_attach(struct evl *evl, struct evl_source **ret, const char *name, evl_callback callback, void *userdata) {
	Evloop__AttachRequest request = EVLOOP__ATTACH_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	struct evl_source *source;
	int r = check(evl, callback);

	if (r < 0)
		return r;
	if (name[0] && name[strspn(name, "0123456789")] == '\0')
		target.id = strtoull(name, NULL, 10);
	else
		target.name = (char *)name;
	r = source_new(evl, SOURCE_ATTACHED, callback, userdata, &source);
	if (r < 0)
		return r;
	source->follows = true;
	request.handle = source->handle;
	request.target = &target;
	return arming_begin(source, ret, EVLOOP__METHOD__METHOD_ATTACH, &request.base, -1);
}

/* Has the daemon a clock of its own for this timer? */
static bool has_other_clock(const struct evl_source *source, const Evloop__TimerSpec *spec) {
	return source->evl->relative && spec->clock != EVLOOP__CLOCK__CLOCK_REALTIME;
}

void timer_note_fire(struct evl_source *source, Evloop__Event *e) {
	const Evloop__TimerSpec *spec = spec_of(source);
	struct arming *arming = source->arming;
	int64_t period, behind;

	if (!spec || spec->period_ns == 0)
		return;
	period = spec->period_ns;
	behind = MIN(MAX(e->scheduled_ns, INT64_C(0)), TIME_NS_MAX) - arming->next_ns;
	if (has_other_clock(source, spec))
		behind = (int64_t)MIN(e->fires, (uint64_t)(TIME_NS_MAX / period)) * period - period;
	/* One that was triggered is no nominal time: the anchor stays. */
	if (behind >= 0)
		arming->next_ns += (behind / period + 1) * period;
	e->fire_seq += arming->fires_before;
	arming->fires = e->fire_seq;
}

/* What somebody has written himself may be any number; the daemon will say so. */
static int64_t nominal_time(const struct evl_source *source, int64_t deadline_ns, bool relative) {
	int64_t now_ns = relative ? clock_ns(clock_of(source->clock)) : 0;

	return now_ns + MIN(MAX(deadline_ns, INT64_C(0)), TIME_NS_MAX - now_ns);
}

void timer_note_spec(struct evl_source *source) {
	const Evloop__TimerSpec *spec = spec_of(source);

	source->clock = (uint8_t)spec->clock;
	source->follows = spec->detached || spec->command;
	source->arming->next_ns = nominal_time(source, spec->deadline_ns, spec->relative);
}

void timer_note_restart(struct evl_source *source, const Evloop__RestartRequest *request) {
	if (timer_is_behind(source) && source->arming)
		source->arming->next_ns = nominal_time(source, request->deadline_ns, request->relative);
}

/* Nothing is left where the last fire has been told of; 0 would be no end. */
static uint64_t count_left(const struct arming *arming, uint64_t count) {
	return count == 0 ? 0 : count - MIN(arming->fires, count - 1);
}

void timer_count_anew(struct evl_source *source) {
	Evloop__TimerSpec *spec = spec_of(source);

	if (!spec)
		return;
	spec->count = count_left(source->arming, spec->count);
	source->arming->fires = 0;
}

int timer_rearm(struct evl_source *source) {
	struct arming *arming = source->arming;
	Evloop__TimerSpec rest;

	if (!arming)
		return arm(source, source->deadline_ns);
	rest = *spec_of(source);
	rest.count = count_left(arming, rest.count);
	/* It was not gone by when it was asked for. */
	rest.if_past = EVLOOP__IF_PAST__PAST_FIRE;
	arming->fires_before = arming->fires;
	return send_spec(source->evl, &rest, source->handle, arming->next_ns);
}

/* A detached timer keeps its id: it is the daemon that moves it. */
static int restart_in_place(struct evl_source *source, int64_t deadline_ns) {
	Evloop__RestartRequest request = EVLOOP__RESTART_REQUEST__INIT;

	source->arming->next_ns = deadline_ns;
	if (source_is_stale(source))
		return 0; /* it will be armed with that */
	request.handle = source->handle;
	request.deadline_ns =
		evl_call_deadline(source->evl, (Evloop__Clock)source->clock, deadline_ns, &request.relative);
	return call_oneway(source->evl, EVLOOP__METHOD__METHOD_RESTART_HANDLE, &request.base);
}

/*
 * Any other one is cancelled and armed under a new handle: an event of the old deadline that is on its way finds nobody, which
 * no message could arrange.
 */
static int restart_anew(struct evl_source *source, int64_t delay_ns, int64_t deadline_ns) {
	Evloop__HandleRequest cancel = EVLOOP__HANDLE_REQUEST__INIT;
	Evloop__TimerSpec *spec = spec_of(source);
	int r;

	if (!source_is_stale(source))
		cancel.handle = source->handle;
	source->at = false;
	if (spec && spec->period_ns == 0) {
		spec->kind = EVLOOP__KIND__KIND_AFTER;
		spec->delay_ns = delay_ns;
	}
	r = source_revive(source);
	if (r >= 0 && cancel.handle)
		r = call_oneway(source->evl, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, &cancel.base);
	if (r >= 0)
		r = arm(source, deadline_ns);
	if (r < 0) {
		source_retire(source);
		source_settle(source);
	}
	return r;
}

int evl_source_restart(struct evl_source *source, int64_t delay_ns) {
	struct evl *evl = source->evl;
	int64_t deadline_ns = 0;
	int r = connection_begin(evl);

	if (r < 0)
		return r;
	if (source->kind != SOURCE_TIMER)
		return error_set(evl, -EINVAL, "not a timer");
	if (source->destroyed)
		return error_set(evl, -ECANCELED, "its destructor has run");
	r = deadline_in(evl, clock_of(source->clock), delay_ns, &deadline_ns);
	if (r < 0)
		return r;
	return source->live && source->follows ? restart_in_place(source, deadline_ns)
					       : restart_anew(source, delay_ns, deadline_ns);
}
