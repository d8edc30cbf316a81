/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the correspondence of the core's terms and the protocol's, in both directions.  Decides nothing. */

#include "daemon/rpc/convert.h"

#include <string.h>

static const Evloop__EventType event_types[] = {
	[EVENT_TYPE_FIRED] = EVLOOP__EVENT_TYPE__EVENT_FIRED,
	[EVENT_TYPE_OUTPUT] = EVLOOP__EVENT_TYPE__EVENT_OUTPUT,
	[EVENT_TYPE_EXITED] = EVLOOP__EVENT_TYPE__EVENT_EXITED,
	[EVENT_TYPE_ENDED] = EVLOOP__EVENT_TYPE__EVENT_ENDED,
	[EVENT_TYPE_GRANTED] = EVLOOP__EVENT_TYPE__EVENT_GRANTED,
	[EVENT_TYPE_MESSAGE] = EVLOOP__EVENT_TYPE__EVENT_MESSAGE,
	[EVENT_TYPE_READY] = EVLOOP__EVENT_TYPE__EVENT_READY,
	[EVENT_TYPE_CHANGED] = EVLOOP__EVENT_TYPE__EVENT_CHANGED,
};

static const Evloop__End ends[] = {
	[SOURCE_END_NONE] = EVLOOP__END__END_NONE,
	[SOURCE_END_DONE] = EVLOOP__END__END_DONE,
	[SOURCE_END_CANCELLED] = EVLOOP__END__END_CANCELLED,
	[SOURCE_END_REPLACED] = EVLOOP__END__END_REPLACED,
};

static const Evloop__Clock clocks[] = {
	[TIMER_CLOCK_BOOTTIME] = EVLOOP__CLOCK__CLOCK_BOOTTIME,
	[TIMER_CLOCK_MONOTONIC] = EVLOOP__CLOCK__CLOCK_MONOTONIC,
	[TIMER_CLOCK_REALTIME] = EVLOOP__CLOCK__CLOCK_REALTIME,
};

static const Evloop__Kind kinds[] = {
	[TIMER_KIND_AFTER] = EVLOOP__KIND__KIND_AFTER,
	[TIMER_KIND_AT] = EVLOOP__KIND__KIND_AT,
	[TIMER_KIND_EVERY] = EVLOOP__KIND__KIND_EVERY,
	[TIMER_KIND_SOON] = EVLOOP__KIND__KIND_SOON,
};

static const Evloop__NameMode name_modes[] = {
	[NAME_MODE_CREATE] = EVLOOP__NAME_MODE__NAME_CREATE,
	[NAME_MODE_REPLACE] = EVLOOP__NAME_MODE__NAME_REPLACE,
	[NAME_MODE_ENSURE] = EVLOOP__NAME_MODE__NAME_ENSURE,
};

static const Evloop__Overlap overlaps[] = {
	[OVERLAP_MODE_SKIP] = EVLOOP__OVERLAP__OVERLAP_SKIP,
	[OVERLAP_MODE_QUEUE] = EVLOOP__OVERLAP__OVERLAP_QUEUE,
	[OVERLAP_MODE_RESTART] = EVLOOP__OVERLAP__OVERLAP_RESTART,
	[OVERLAP_MODE_ALLOW] = EVLOOP__OVERLAP__OVERLAP_ALLOW,
};

static const Evloop__TimerState states[] = {
	[TIMER_STATE_ARMED] = EVLOOP__TIMER_STATE__TIMER_ARMED,
	[TIMER_STATE_PAUSED] = EVLOOP__TIMER_STATE__TIMER_PAUSED,
	[TIMER_STATE_RUNNING] = EVLOOP__TIMER_STATE__TIMER_RUNNING,
	[TIMER_STATE_FINISHED] = EVLOOP__TIMER_STATE__TIMER_FINISHED,
};

static const Evloop__RunResult results[] = {
	[RUN_RESULT_NONE] = EVLOOP__RUN_RESULT__RUN_NONE,
	[RUN_RESULT_ACTIVE] = EVLOOP__RUN_RESULT__RUN_ACTIVE,
	[RUN_RESULT_EXITED] = EVLOOP__RUN_RESULT__RUN_EXITED,
	[RUN_RESULT_TIMED_OUT] = EVLOOP__RUN_RESULT__RUN_TIMED_OUT,
	[RUN_RESULT_KILLED] = EVLOOP__RUN_RESULT__RUN_KILLED,
	[RUN_RESULT_NOT_STARTED] = EVLOOP__RUN_RESULT__RUN_NOT_STARTED,
};

static const Evloop__ClaimState claim_states[] = {
	[CLAIM_WAITING] = EVLOOP__CLAIM_STATE__CLAIM_WAITING, [CLAIM_HELD] = EVLOOP__CLAIM_STATE__CLAIM_HELD,
	[CLAIM_GRANTED] = EVLOOP__CLAIM_STATE__CLAIM_GRANTED, [CLAIM_TIMED_OUT] = EVLOOP__CLAIM_STATE__CLAIM_TIMED_OUT,
	[CLAIM_REMOVED] = EVLOOP__CLAIM_STATE__CLAIM_REMOVED,
};

Evloop__ClaimState convert_claim_state(enum claim_state state) {
	return claim_states[state];
}

void convert_grant(const struct grant *grant, Evloop__Grant *ret) {
	evloop__grant__init(ret);
	ret->allowed = grant->allowed;
	ret->remaining = grant->remaining;
	ret->limit = grant->limit;
	ret->retry_after_ns = grant->retry_after_ns;
	ret->reset_after_ns = grant->reset_after_ns;
	ret->now_ns = grant->now_ns;
	ret->denied_by = grant->denied_by;
}

Evloop__EventType convert_event_type(const struct event *event) {
	if (event->timed_out)
		return EVLOOP__EVENT_TYPE__EVENT_TIMEOUT;
	if (event->process)
		return EVLOOP__EVENT_TYPE__EVENT_PROCESS;
	return event_types[event->type];
}

static const struct {
	unsigned ours, theirs;
} readiness_bits[] = {
	{ READINESS_READABLE, EVLOOP__READINESS__READINESS_READABLE },
	{ READINESS_WRITABLE, EVLOOP__READINESS__READINESS_WRITABLE },
	{ READINESS_HANGUP, EVLOOP__READINESS__READINESS_HANGUP },
	{ READINESS_ERROR, EVLOOP__READINESS__READINESS_ERROR },
};

uint32_t convert_readiness(unsigned readiness) {
	uint32_t r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(readiness_bits); i++)
		r |= readiness & readiness_bits[i].ours ? readiness_bits[i].theirs : 0;
	return r;
}

Evloop__End convert_end(enum source_end end) {
	return ends[end];
}

Evloop__Clock convert_clock(enum timer_clock clock) {
	return clocks[clock];
}

Evloop__Kind convert_kind(enum timer_kind kind) {
	return kinds[kind];
}

Evloop__Overlap convert_overlap(enum overlap overlap) {
	return overlaps[overlap];
}

Evloop__Outcome convert_cancel(enum cancel_outcome outcome) {
	switch (outcome) {
	case CANCEL_CANCELLED:
		return EVLOOP__OUTCOME__OUTCOME_CANCELLED;
	case CANCEL_WITHDRAWN:
		return EVLOOP__OUTCOME__OUTCOME_WITHDRAWN;
	case CANCEL_GONE:
		break;
	}
	return EVLOOP__OUTCOME__OUTCOME_GONE;
}

Evloop__Armed__Change convert_change(enum timer_change change) {
	switch (change) {
	case TIMER_CHANGE_CREATED:
		break;
	case TIMER_CHANGE_REPLACED:
		return EVLOOP__ARMED__CHANGE__REPLACED;
	case TIMER_CHANGE_UPDATED:
		return EVLOOP__ARMED__CHANGE__UPDATED;
	case TIMER_CHANGE_UNCHANGED:
		return EVLOOP__ARMED__CHANGE__UNCHANGED;
	}
	return EVLOOP__ARMED__CHANGE__CREATED;
}

void convert_run(const struct run_info *run, Evloop__RunInfo *ret) {
	evloop__run_info__init(ret);
	ret->run = run->run;
	ret->result = results[run->result];
	ret->status = run->status;
	ret->pid = run->result == RUN_RESULT_ACTIVE ? (uint64_t)run->pid : 0;
	ret->fire_seq = run->fire_seq;
	ret->started_ns = run->started_ns;
	ret->ended_ns = run->ended_ns;
	ret->lateness_ns = run->lateness_ns;
	if (run->unit[0] != '\0')
		ret->unit = (char *)run->unit;
}

/* The index of `value` in a table of `n`; n: it has none. */
#define FIND(table, value)                                                                                             \
	({                                                                                                             \
		size_t found_ = 0;                                                                                     \
		while (found_ < ARRAY_SIZE(table) && table[found_] != (value))                                         \
			found_++;                                                                                      \
		found_;                                                                                                \
	})

#define CONVERT_TO(name, wire_type, core_type, table)                                                                  \
	bool convert_to_##name(wire_type value, core_type *ret) {                                                      \
		size_t i = FIND(table, value);                                                                         \
                                                                                                                       \
		*ret = (core_type)i;                                                                                   \
		return i < ARRAY_SIZE(table);                                                                          \
	}

CONVERT_TO(clock, Evloop__Clock, enum timer_clock, clocks)
CONVERT_TO(kind, Evloop__Kind, enum timer_kind, kinds)
CONVERT_TO(name_mode, Evloop__NameMode, enum name_mode, name_modes)
CONVERT_TO(overlap, Evloop__Overlap, enum overlap, overlaps)
CONVERT_TO(end, Evloop__End, enum source_end, ends)
CONVERT_TO(run_result, Evloop__RunResult, enum run_result, results)
CONVERT_TO(claim_state, Evloop__ClaimState, enum claim_state, claim_states)

/* ---- timers ---- */

/* Words that are all told take no more than that; else the first of them are. */
#define WORDS_SIZE_MAX 16384

/* How many of them are told, up to that character of each (0: to its end), and how many there are. */
static size_t count_told(char *const *words, char end, size_t *ret_n) {
	const char stop[] = { end, '\0' };
	size_t n = 0, told = 0, size = 0;

	for (; words[n]; n++) {
		size += strcspn(words[n], stop) + 5; /* with tag and length */
		if (size <= WORDS_SIZE_MAX)
			told = n + 1;
	}
	*ret_n = n;
	return told;
}

static bool copy_argv(struct arena *arena, char *const *argv, Evloop__TimerInfo *ret) {
	size_t all, n = count_told(argv, '\0', &all);

	ret->words = (uint32_t)all;
	ret->argv = arena_alloc(arena, n * sizeof(*ret->argv));
	if (!ret->argv)
		return false;
	for (size_t i = 0; i < n; i++)
		ret->argv[i] = (ProtobufCBinaryData){ .data = (uint8_t *)argv[i], .len = strlen(argv[i]) };
	ret->n_argv = n;
	return true;
}

/* Names only, for the values may be secrets; those that are not UTF-8 cannot be told. */
static bool copy_environment_names(struct arena *arena, char *const *environment, Evloop__TimerInfo *ret) {
	size_t all, n = count_told(environment, '=', &all);

	ret->environment_names = arena_alloc(arena, n * sizeof(*ret->environment_names));
	if (!ret->environment_names)
		return false;
	for (size_t i = 0; i < n; i++) {
		size_t size = strcspn(environment[i], "=");
		char *name;

		if (!text_is_valid((const uint8_t *)environment[i], size))
			continue;
		name = arena_copy(arena, environment[i], size);
		if (!name)
			return false;
		ret->environment_names[ret->n_environment_names++] = name;
	}
	return true;
}

static bool fill_command(struct arena *arena, const struct command *command, bool details, Evloop__TimerInfo *ret) {
	if (!copy_argv(arena, command->argv, ret))
		return false;
	ret->overlap = overlaps[command->overlap];
	ret->timeout_ns = command->timeout_ns;
	if (!details)
		return true;
	ret->umask = command->umask;
	ret->directory =
		(ProtobufCBinaryData){ .data = (uint8_t *)command->directory, .len = strlen(command->directory) };
	return copy_environment_names(arena, command->environment, ret);
}

/* The next deadline as civil time, as things stand. */
static int64_t next_realtime(const struct instant *now, const struct timer_info *info) {
	if (info->next_ns == 0 || info->state != TIMER_STATE_ARMED)
		return 0;
	return info->next_ns - now->ns[info->clock] + now->ns[TIMER_CLOCK_REALTIME];
}

static void fill_schedule(const struct timer_info *info, Evloop__TimerInfo *ret) {
	ret->id = info->id;
	if (info->name)
		ret->name = (char *)info->name;
	ret->kind = kinds[info->kind];
	ret->state = states[info->state];
	ret->clock = clocks[info->clock];
	ret->next_ns = info->next_ns;
	ret->period_ns = info->period_ns;
	ret->count = info->count;
	ret->until_ns = info->until_ns;
	ret->slack_ns = info->slack_ns;
	ret->generation = info->generation;
	ret->fire_seq = info->fire_seq;
	ret->missed = info->missed;
	ret->last_fired_ns = info->last_fired_ns;
	ret->last_lateness_ns = info->last_lateness_ns;
	ret->detached = info->detached;
	ret->attached = info->attached;
	ret->end = ends[info->end];
	ret->created_realtime_ns = info->created_realtime_ns;
	ret->finished_realtime_ns = info->finished_realtime_ns;
}

Evloop__TimerInfo *convert_timer(struct arena *arena, const struct instant *now, const struct timer *timer,
				 bool details) {
	Evloop__TimerInfo *ret = arena_alloc(arena, sizeof(*ret));
	struct timer_info info;

	if (!ret)
		return NULL;
	timer_describe(timer, &info);
	evloop__timer_info__init(ret);
	fill_schedule(&info, ret);
	ret->next_realtime_ns = next_realtime(now, &info);
	ret->owner_pid = info.owner->pid;
	if (info.owner->name)
		ret->owner_name = (char *)info.owner->name;
	ret->runs = info.runs;
	ret->skipped = info.skipped;
	ret->active = info.active;
	ret->output_bytes = info.output_bytes;
	if (info.command && !fill_command(arena, info.command, details, ret))
		return NULL;
	if (info.last_run.run > 0) {
		ret->last_run = arena_alloc(arena, sizeof(*ret->last_run));
		if (!ret->last_run)
			return NULL;
		convert_run(&info.last_run, ret->last_run);
		ret->last_run->unit = arena_copy(arena, info.last_run.unit, strlen(info.last_run.unit));
		if (!ret->last_run->unit)
			return NULL;
	}
	return ret;
}
