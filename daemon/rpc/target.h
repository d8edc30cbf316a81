/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Which of the uid's timers a request means: an id, a name, or a pattern over names. */

#include "daemon/core/timer.h"
#include "daemon/rpc/dispatch.h"

/* Return: the one timer that is meant, finished ones included; NULL: the call has been refused. */
struct timer *target_timer(struct call *call, const Evloop__Target *target);

/* Is it well-formed?  Return: false: the call has been refused. */
bool target_check(struct call *call, const Evloop__Target *target);

/* Does the timer belong to what is meant?  For patterns; a target that has passed target_check(). */
bool target_matches(const Evloop__Target *target, const struct timer_info *info);
