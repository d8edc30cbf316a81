/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * To stay in the foreground for what is watched: each event is printed, or CMD is run for it, one run at a time.  What happens
 * during a run makes one more; a watch is acknowledged when its event has been dealt with, so the daemon merges until then.
 */

#include "client/cli/child.h"
#include "client/cli/notice.h"
#include "client/cli/pace.h"

struct follow {
	/* From the options of the verb. */
	const struct invocation *inv;
	bool once; /* one event, one run; its status is ours */
	bool now; /* a first run without an event */
	bool together; /* a run is for all that has happened, not for the first of it */
	bool latest; /* of messages that wait only the last is kept */
	size_t queue; /* so many of them are kept; 0: all */
	int64_t timeout_ns; /* end when nothing has happened for so long; 0: never */
	struct watch_options options;
	struct child child;

	struct evl *evl;
	struct followed *all; /* what is watched */
	size_t n;
	struct notice_list waiting; /* events that nobody has been told of */
	size_t n_waiting;
	struct notice_list taken; /* those that the present run is for */
	int64_t deadline_ns; /* INT64_MAX: none */
	int64_t look_ns; /* when a descriptor is looked at again; INT64_MAX: no need */
	struct pace pace; /* of that descriptor */
	int64_t ended_ns; /* the last run; 0: there was none */
	unsigned in_a_row; /* runs without a pause between them */
	bool warned; /* of that */
	bool over;
	int status; /* once it is over */
};

/* One of what is watched. */
struct followed {
	struct follow *follow;
	struct watched watched;
};

/* Options that all such verbs have; -c is a letter of theirs. */
enum {
	OPTION_ONCE = 0x100,
	OPTION_TIMEOUT,
};

#define FOLLOW_OPTIONS                                                                                                 \
	{ "once", no_argument, NULL, OPTION_ONCE }, {                                                                  \
		"timeout", required_argument, NULL, OPTION_TIMEOUT                                                     \
	}

/* Take --once, --timeout or -c, whose value goes to *ret_shell.  Return: 0, or the exit status after a complaint. */
int follow_take_option(const struct invocation *inv, struct follow *follow, int option, const char **ret_shell);

/* Begin with this; the options of the verb come then. */
void follow_init(struct follow *follow, const struct invocation *inv);
void follow_deinit(struct follow *follow);

/* One more to be followed; see watched_init(). */
int follow_add(struct follow *follow, enum watched_kind kind, const char *operand);

/* Connect, watch and stay until all is over.  Return: the exit status. */
int follow_run(struct follow *follow);
