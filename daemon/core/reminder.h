/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A reminder: a deadline on boottime that a part of the core sets for itself, and what is called then. */

#include "proto/base.h"

struct scheduler;

struct reminder {
	struct scheduler *scheduler;
	void (*due)(struct reminder *reminder); /* may do as it likes, with the reminder too */
	uint32_t place; /* in scheduler::reminders */
	bool is_set;
};

/* It is not set yet.  Return: 0, -ENOMEM: nothing is to be undone. */
int reminder_init(struct reminder *reminder, struct scheduler *scheduler, void (*due)(struct reminder *reminder));
void reminder_deinit(struct reminder *reminder);

/* Call `due` once, at that time or with the next dispatch after it; in place of what was set before.  Never fails. */
void reminder_set(struct reminder *reminder, int64_t boottime_ns);

/* No effect on one that is not set. */
void reminder_clear(struct reminder *reminder);

/* What it is set to; 0: it is not. */
int64_t reminder_time(const struct reminder *reminder);

/* Call those that are due; for the scheduler. */
void reminders_dispatch(struct scheduler *scheduler, int64_t boottime_ns);
