/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns when the service manager is told, and in which words.  Counts nothing itself, and reads no clock. */

#include "daemon/svc/service-status.h"

#include <stdio.h>

#define TELL_INTERVAL_NS NSEC_PER_SEC

void service_status_init(struct service_status *status, void (*notify)(const char *state), int64_t timeout_ns,
			 int64_t now_ns) {
	/* Twice as often as need be, as sd_watchdog_enabled(3) advises. */
	*status = (struct service_status){ .notify = notify, .watchdog_ns = timeout_ns / 2, .fed_ns = now_ns };
}

void service_status_count(struct service_status *status, const struct status_counts *counts) {
	status->counted = *counts;
}

static bool is_news(const struct service_status *status) {
	const struct status_counts *told = &status->told, *counted = &status->counted;

	return !status->has_told || told->sessions != counted->sessions || told->timers != counted->timers ||
	       told->jobs != counted->jobs || told->limiters != counted->limiters;
}

/* When it may be told how much there is. */
static int64_t next_telling(const struct service_status *status) {
	return status->has_told ? status->told_ns + TELL_INTERVAL_NS : 0;
}

int64_t service_status_next(const struct service_status *status) {
	int64_t next = status->watchdog_ns > 0 ? status->fed_ns + status->watchdog_ns : INT64_MAX;

	if (!is_news(status))
		return next;
	return MIN(next, next_telling(status));
}

static const char *plural(size_t n) {
	return n == 1 ? "" : "s";
}

static void tell(struct service_status *status, int64_t now_ns) {
	const struct status_counts *counts = &status->counted;
	char text[160];

	(void)snprintf(text, sizeof(text), "STATUS=%zu client%s, %zu timer%s, %zu job%s running, %zu limiter%s",
		       counts->sessions, plural(counts->sessions), counts->timers, plural(counts->timers), counts->jobs,
		       plural(counts->jobs), counts->limiters, plural(counts->limiters));
	status->notify(text);
	status->told = *counts;
	status->has_told = true;
	status->told_ns = now_ns;
}

void service_status_tell(struct service_status *status, int64_t now_ns) {
	if (is_news(status))
		tell(status, now_ns);
}

void service_status_tick(struct service_status *status, int64_t now_ns) {
	if (status->watchdog_ns > 0 && now_ns >= status->fed_ns + status->watchdog_ns) {
		status->notify("WATCHDOG=1");
		status->fed_ns = now_ns;
	}
	if (is_news(status) && now_ns >= next_telling(status))
		tell(status, now_ns);
}
