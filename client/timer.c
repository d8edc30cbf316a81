/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns arming: from the user's words to a TimerSpec, again after a restart and after a reconnect.  The deadline is taken here,
 * at the call, so that no time is added on the way; it is made relative only for a daemon in another time namespace.
 */

#include "client/internal.h"

#include <string.h>

#define TIMER_FIRST_SIZE offsetof(struct evl_timer, limiter) /* of structures that know no limiter */

struct definition *definition_free(struct definition *definition) {
	if (definition) {
		evloop__timer_spec__free_unpacked(definition->spec, NULL);
		free(definition);
	}
	return NULL;
}

/* A copy of its own of everything that `spec` points to. */
static int definition_new(const Evloop__TimerSpec *spec, struct definition **ret) {
	struct definition *definition = calloc(1, sizeof(*definition));
	size_t size = evloop__timer_spec__get_packed_size(spec);
	_cleanup_free_ uint8_t *packed = malloc(MAX(size, 1));

	if (definition && packed) {
		evloop__timer_spec__pack(spec, packed);
		definition->spec = evloop__timer_spec__unpack(NULL, size, packed);
	}
	if (!definition || !definition->spec) {
		definition_free(definition);
		return -ENOMEM;
	}
	*ret = definition;
	return 0;
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
	struct definition *definition = source->definition;

	if (definition) {
		definition->next_ns = deadline_ns;
		definition->fires = 0;
		return send_spec(source->evl, definition->spec, source->handle, deadline_ns);
	} else {
		Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;

		spec.kind = source->at ? EVLOOP__KIND__KIND_AT : EVLOOP__KIND__KIND_AFTER;
		spec.clock = (Evloop__Clock)source->clock;
		return send_spec(source->evl, &spec, source->handle, deadline_ns);
	}
}

static int add(struct evl *evl, struct evl_source **ret, Evloop__Kind kind, Evloop__Clock clock, int64_t deadline_ns,
	       struct definition *definition, bool rearm, evl_callback callback, void *userdata) {
	struct evl_source *source;
	int r = source_new(evl, SOURCE_TIMER, callback, userdata, &source);

	if (r < 0) {
		definition_free(definition);
		return r;
	}
	source->definition = definition;
	source->rearm = rearm;
	source->at = kind == EVLOOP__KIND__KIND_AT;
	source->clock = (uint8_t)clock;
	source->follows = definition && (definition->spec->detached || definition->spec->command);
	r = arm(source, deadline_ns);
	if (r < 0) {
		source_discard(source);
		return r;
	}
	source_publish(source, ret);
	return 0;
}

static int check(struct evl *evl, evl_callback callback) {
	int r = connection_check(evl);

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
	int64_t deadline_ns = 0;
	int r = check(evl, callback);

	if (r >= 0)
		r = deadline_in(evl, CLOCK_BOOTTIME, delay_ns, &deadline_ns);
	if (r < 0)
		return r;
	return add(evl, ret, EVLOOP__KIND__KIND_AFTER, EVLOOP__CLOCK__CLOCK_BOOTTIME, deadline_ns, NULL, false,
		   callback, userdata);
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
	struct definition *definition = NULL;
	int r;

	if (!callback && !ret && !rearm)
		return send_spec(evl, spec, 0, deadline_ns); /* nobody is told of it */
	if (rearm || !is_plain(spec)) {
		r = definition_new(spec, &definition);
		if (r < 0)
			return r;
	}
	return add(evl, ret, spec->kind, spec->clock, deadline_ns, definition, rearm, callback, userdata);
}

int evl_timer_add(struct evl *evl, struct evl_source **ret, const struct evl_timer *given, evl_callback callback,
		  void *userdata) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	Evloop__Gate gate = EVLOOP__GATE__INIT;
	int64_t deadline_ns = 0;
	struct evl_timer timer;
	Evloop__Clock clock;
	int r = connection_check(evl);

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

bool timer_note_fire(struct evl_source *source, const Evloop__Event *e) {
	struct definition *definition = source->definition;

	if (definition && definition->spec->period_ns > 0) {
		int64_t period = definition->spec->period_ns, behind = e->scheduled_ns - definition->next_ns;

		/* One that was triggered is no nominal time: the anchor stays. */
		if (behind >= 0)
			definition->next_ns += (behind / period + 1) * period;
		definition->fires = e->fire_seq;
	}
	return !e->more;
}

int timer_rearm(struct evl_source *source) {
	struct definition *definition = source->definition;
	uint64_t count = definition->spec->count;
	uint64_t fires = definition->fires;
	int r;

	/* What is left of it, this once. */
	if (count)
		definition->spec->count = count - fires;
	r = arm(source, definition->next_ns);
	definition->spec->count = count;
	definition->fires = fires;
	return r;
}

/* A detached timer keeps its id: it is the daemon that moves it. */
static int restart_in_place(struct evl_source *source, int64_t deadline_ns) {
	Evloop__RestartRequest request = EVLOOP__RESTART_REQUEST__INIT;

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
	Evloop__TimerSpec *spec = source->definition ? source->definition->spec : NULL;
	Evloop__HandleRequest cancel = EVLOOP__HANDLE_REQUEST__INIT;
	int r;

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
	int r = connection_check(evl);

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
