/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The daemon as the verbs need it: a connection, and the timers that their operands name. */

#include "client/call.h"
#include "client/cli/verb.h"

/*
 * Connect as the options of `inv` say, starting a private daemon where there is none and none was asked for.
 * Return: 0, or the exit status after a complaint.
 */
int daemon_connect(const struct invocation *inv, struct evl **ret);

static inline void evl_closep(struct evl **evl) {
	*evl = evl_close(*evl);
}

static inline void message_freep(ProtobufCMessage **message) {
	if (*message)
		protobuf_c_message_free_unpacked(*message, NULL);
}

#define _cleanup_evl_ _cleanup_(evl_closep)
#define _cleanup_message_ _cleanup_(message_freep)

/* Is it a pattern, and not an id or a name? */
bool target_is_glob(const char *operand);

/* Fill in what `operand` names; borrows it.  Return: false: an id that no timer can have. */
bool target_init(Evloop__Target *target, const char *operand);

/* What is done for each timer of a list.  `info` is valid during the call.  Return: 0: go on; else the exit status. */
typedef int (*timer_visitor)(const Evloop__TimerInfo *info, void *userdata);

/*
 * Ask for the timers that `operand` names (NULL: all), page by page.  `request` says what else, its target and place are filled in.
 * A complaint is made where `operand` names none.
 * Return: 0, or the exit status.
 */
int daemon_list(struct evl *evl, Evloop__ListRequest *request, const char *operand, timer_visitor visitor,
		void *userdata);

/*
 * The same for every operand of `inv`; without one for all timers.  Who is named by id or name is found whatever became of it.
 * One that names none is complained of, and the others are visited all the same.
 * Return: 0, EX_NOINPUT, or the exit status that has ended it.
 */
int daemon_list_operands(const struct invocation *inv, struct evl *evl, const Evloop__ListRequest *request,
			 timer_visitor visitor, void *userdata);

/* The daemon's clocks; free with message_freep().  Return: 0, or the exit status after a complaint. */
int daemon_time(struct evl *evl, ProtobufCMessage **ret);
