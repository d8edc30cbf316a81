/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Between the core's terms and the messages of evloop.proto. */

#include "daemon/core/claim.h"
#include "daemon/core/command.h"
#include "daemon/core/source.h"
#include "daemon/core/timer.h"
#include "daemon/core/watch.h"
#include "proto/evloop.pb-c.h"
#include "proto/message.h"

Evloop__EventType convert_event_type(const struct event *event);
uint32_t convert_readiness(unsigned readiness);
Evloop__End convert_end(enum source_end end);
Evloop__Clock convert_clock(enum timer_clock clock);
Evloop__Kind convert_kind(enum timer_kind kind);
Evloop__Overlap convert_overlap(enum overlap overlap);
Evloop__Outcome convert_cancel(enum cancel_outcome outcome);
Evloop__Armed__Change convert_change(enum timer_change change);
Evloop__ClaimState convert_claim_state(enum claim_state state);
void convert_grant(const struct grant *grant, Evloop__Grant *ret);
void convert_run(const struct run_info *run, Evloop__RunInfo *ret);

/* Of values from outside: false where the enum has no such value. */
bool convert_to_clock(Evloop__Clock clock, enum timer_clock *ret);
bool convert_to_kind(Evloop__Kind kind, enum timer_kind *ret);
bool convert_to_name_mode(Evloop__NameMode mode, enum name_mode *ret);
bool convert_to_overlap(Evloop__Overlap overlap, enum overlap *ret);
bool convert_to_end(Evloop__End end, enum source_end *ret);
bool convert_to_run_result(Evloop__RunResult result, enum run_result *ret);
bool convert_to_claim_state(Evloop__ClaimState state, enum claim_state *ret);

/*
 * What is to be said of a timer at `now`, in memory of the arena; `details`: directory and names of the environment too.
 * Return: the message, or NULL: out of memory.
 */
Evloop__TimerInfo *convert_timer(struct arena *arena, const struct instant *now, const struct timer *timer,
				 bool details);
