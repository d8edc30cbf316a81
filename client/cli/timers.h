/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* How the state of a timer reads: "in 59m59s", "status=0 2m ago". */

#include "client/call.h"
#include "proto/base.h"

#define TIMER_TEXT_MAX 128

/* Has it fired, and its job must wait until another one of the uid ends? */
bool timer_waits(const Evloop__TimerInfo *info);

/* What the timer does next, or how it ended; "-": nothing. */
const char *timer_next(const Evloop__TimerInfo *info, const Evloop__TimeReply *now, char buffer[TIMER_TEXT_MAX]);

/* What it did last, and how long ago; "-": nothing yet. */
const char *timer_last(const Evloop__TimerInfo *info, const Evloop__TimeReply *now, char buffer[TIMER_TEXT_MAX]);

/* What it is there for: the command, or whose session it belongs to.  Allocated; NULL: no memory. */
char *timer_command(const Evloop__TimerInfo *info);

/* The daemon's reading of the timer's clock. */
int64_t timer_clock(const Evloop__TimerInfo *info, const Evloop__TimeReply *now);
