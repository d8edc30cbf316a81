/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* An event of something watched that waits to be told; and how it reads: as a line, as JSON, in the environment of a command. */

#include <sys/queue.h>

#include "client/cli/watched.h"

struct notice {
	STAILQ_ENTRY(notice) link;
	struct watched *watched;
	Evloop__Event *event; /* a copy */
	uint64_t lost; /* messages that were lost before it */
};

STAILQ_HEAD(notice_list, notice);

/* Keep a copy of the event.  NULL: no memory. */
struct notice *notice_new(struct watched *watched, const Evloop__Event *event);
struct notice *notice_free(struct notice *notice);

static inline void notice_list_clear(struct notice_list *list) {
	struct notice *notice;

	while ((notice = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, link);
		notice_free(notice);
	}
}

/* Did it begin to happen before that time? */
bool notice_is_before(const struct notice *notice, int64_t boottime_ns);

/* A path of the event as the user would write it: the operand and what is behind it.  Allocated; NULL: no memory. */
char *notice_path(const struct watched *watched, const Evloop__PathChange *change);

/* A line for each thing that happened, or one object.  Return: false, after a complaint: it could not be written. */
bool notice_print(const struct notice *notice, bool json);

/*
 * Set the variables that tell a command of all of `list` and remove the others of that kind, which an outer command may have left.
 * To be called in the process that becomes the command.  Return: 0, -ENOMEM.
 */
int notice_export(const struct notice_list *list);
