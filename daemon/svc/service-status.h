/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What the service manager hears while the daemon lives: how much there is to do (STATUS=), once a second at most and only when it
 * has changed, or at once after a reload, and that the loop turns (WATCHDOG=), where it wants to hear that.
 */

#include "proto/base.h"

/* How much there is. */
struct status_counts {
	size_t sessions, timers, jobs, limiters;
};

struct service_status {
	void (*notify)(const char *state); /* systemd_notify(), or a test's */
	int64_t watchdog_ns; /* how often it is to be fed; 0: not at all */
	int64_t fed_ns; /* boottime of the last time */
	struct status_counts told, counted;
	bool has_told; /* `told` is something */
	int64_t told_ns;
};

/* `timeout_ns`: how long the service manager waits for a WATCHDOG=; 0: it does not. */
void service_status_init(struct service_status *status, void (*notify)(const char *state), int64_t timeout_ns,
			 int64_t now_ns);

/* So much there is now.  Tells nobody yet. */
void service_status_count(struct service_status *status, const struct status_counts *counts);

/* When there will be something to tell; INT64_MAX: never, as things stand. */
int64_t service_status_next(const struct service_status *status);

/* Tell what was counted, however short a time ago it was told what there was before: somebody is about to look. */
void service_status_tell(struct service_status *status, int64_t now_ns);

/* Tell what is due.  To be called from the loop and nowhere else, so that a loop that hangs does not say it turns. */
void service_status_tick(struct service_status *status, int64_t now_ns);
