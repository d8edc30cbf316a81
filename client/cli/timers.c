/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the words for what a timer does, for verbs that show timers.  The clocks are the daemon's. */

#include "client/cli/timers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/text.h"
#include "proto/duration.h"

int64_t timer_clock(const Evloop__TimerInfo *info, const Evloop__TimeReply *now) {
	switch (info->clock) {
	case EVLOOP__CLOCK__CLOCK_MONOTONIC:
		return now->monotonic_ns;
	case EVLOOP__CLOCK__CLOCK_REALTIME:
		return now->realtime_ns;
	default:
		return now->boottime_ns;
	}
}

bool timer_waits(const Evloop__TimerInfo *info) {
	return info->state == EVLOOP__TIMER_STATE__TIMER_RUNNING && info->active == 0;
}

const char *timer_next(const Evloop__TimerInfo *info, const Evloop__TimeReply *now, char buffer[TIMER_TEXT_MAX]) {
	char text[DURATION_TEXT_MAX], word[WORD_MAX];
	int64_t left = info->next_ns - timer_clock(info, now);

	switch (info->state) {
	case EVLOOP__TIMER_STATE__TIMER_ARMED:
		if (info->next_ns == 0 || left <= 0)
			return strcpy(buffer, "now");
		snprintf(buffer, TIMER_TEXT_MAX, "in %s", duration_brief(left, text));
		return buffer;
	case EVLOOP__TIMER_STATE__TIMER_PAUSED:
		return strcpy(buffer, "paused");
	case EVLOOP__TIMER_STATE__TIMER_FINISHED:
		snprintf(buffer, TIMER_TEXT_MAX, "%s", text_enum(&evloop__end__descriptor, (int)info->end, word));
		return buffer;
	default:
		return strcpy(buffer, "-");
	}
}

const char *timer_last(const Evloop__TimerInfo *info, const Evloop__TimeReply *now, char buffer[TIMER_TEXT_MAX]) {
	const Evloop__RunInfo *run = info->last_run;
	char text[DURATION_TEXT_MAX];

	if (timer_waits(info))
		return strcpy(buffer, "waits for a place");
	if (run && run->result == EVLOOP__RUN_RESULT__RUN_ACTIVE)
		snprintf(buffer, TIMER_TEXT_MAX, "running %s",
			 duration_brief(MAX(now->boottime_ns - run->started_ns, 0), text));
	else if (run && run->result != EVLOOP__RUN_RESULT__RUN_NONE)
		snprintf(buffer, TIMER_TEXT_MAX, "status=%d %s ago", run->status,
			 duration_brief(MAX(now->boottime_ns - run->ended_ns, 0), text));
	else if (info->last_fired_ns != 0)
		snprintf(buffer, TIMER_TEXT_MAX, "fired %s ago",
			 duration_brief(MAX(timer_clock(info, now) - info->last_fired_ns, 0), text));
	else
		return strcpy(buffer, "-");
	return buffer;
}

char *timer_command(const Evloop__TimerInfo *info) {
	ProtobufCBinaryData owner = { .data = (uint8_t *)info->owner_name, .len = strlen(info->owner_name) };
	_cleanup_free_ char *name = text_command(&owner, 1);
	char *text = NULL;

	if (info->n_argv > 0)
		return text_command(info->argv, info->n_argv);
	if (info->owner_pid == 0)
		return strdup("-");
	if (!name ||
	    asprintf(&text, "(%s, pid %" PRIu64 ")", info->owner_name[0] ? name : "a session", info->owner_pid) < 0)
		return NULL;
	return text;
}
