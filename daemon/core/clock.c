/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the reading of the machine's clocks.  None of them is a system call: the kernel maps them.
 */

#include "daemon/core/clock.h"

#include <time.h>

static int64_t clock_read(clockid_t id) {
	struct timespec ts = { 0 };

	(void)clock_gettime(id, &ts); /* cannot fail for clocks that every Linux has */
	return (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

void instant_now(struct instant *ret) {
	ret->ns[TIMER_CLOCK_BOOTTIME] = clock_read(CLOCK_BOOTTIME);
	ret->ns[TIMER_CLOCK_MONOTONIC] = clock_read(CLOCK_MONOTONIC);
	ret->ns[TIMER_CLOCK_REALTIME] = clock_read(CLOCK_REALTIME);
}
