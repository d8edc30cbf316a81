/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What soon, after, at and every have in common: their options, and the timer that these describe. */

#include "client/call.h"
#include "client/cli/command.h"

/* The clocks when the verb began: what is asked for counts from there. */
struct arm_now {
	int64_t clock_ns[3]; /* by enum Clock of evloop.proto */
};

struct arm {
	Evloop__Kind kind;
	struct arm_now now;
	const char *operand; /* DUR or TIME, as it was given */
	int64_t duration_ns; /* AFTER, EVERY */
	int64_t time_ns; /* AT: since 1970 */
	const char *name;
	bool replace, ensure;
	uint64_t count;
	const char *until, *start; /* as given; NULL: none */
	int64_t until_ns, start_ns; /* since 1970 */
	bool start_now;
	int64_t slack_ns;
	int clock; /* enum Clock; -1: the kind's own */
	const char *command_option; /* name of an option that only makes sense with a command; NULL: none */
	struct command_options command;
};

/* Read operand and options of `inv`; what follows is left there.  Free command.set.  Return: 0, or the exit status;
 * < 0: inv->status is it. */
int arm_parse(struct invocation *inv, struct arm *arm);

/* Fill in everything but handle and command; borrows from `arm`.  Return: 0, or the exit status. */
int arm_spec(const struct invocation *inv, struct evl *evl, const struct arm *arm, Evloop__TimerSpec *spec);

/* Arm it.  Return: 0, or the exit status after a complaint. */
int arm_send(const struct invocation *inv, struct evl *evl, const Evloop__TimerSpec *spec, Evloop__Armed **ret);
