/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The clocks that timers run on, and one reading of all of them. */

#include "proto/base.h"

enum timer_clock {
	TIMER_CLOCK_BOOTTIME,
	TIMER_CLOCK_MONOTONIC,
	TIMER_CLOCK_REALTIME,
	TIMER_CLOCK_MAX,
};

/* The time at the start of a turn, on each clock, in nanoseconds.  Tests make it up. */
struct instant {
	int64_t ns[TIMER_CLOCK_MAX];
};

/* Read the clocks of the machine. */
void instant_now(struct instant *ret);
