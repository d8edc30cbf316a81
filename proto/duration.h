/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A duration as people write it, in options of the daemon and in words of the command:
 *
 *     NUMBER UNIT [NUMBER UNIT]…   units ns us ms s m (or min) h d w; decimals on the last number: 1h30m, 2.5s, .5h
 *     NUMBER                       seconds, decimals allowed
 *
 * What is finer than a nanosecond is rounded up, so that nothing that is asked to wait waits less.
 */

#include "proto/base.h"

enum {
	DURATION_E_SYNTAX = 1, /* not as above */
	DURATION_E_UNIT, /* a number without a unit in front of others, or a unit that there is none of */
	DURATION_E_NEGATIVE,
	DURATION_E_RANGE, /* above TIME_NS_MAX */
};

#define DURATION_TEXT_MAX 64 /* holds whatever the two functions below write */

/* Return: 0, or one of DURATION_E_…; *ret_ns is at least 0 and at most TIME_NS_MAX. */
int duration_parse(const char *text, int64_t *ret_ns);

/* Why it was refused, for a message: "it must not be negative".  `error` is one of DURATION_E_…. */
const char *duration_error(int error);

/* All of it, in words that duration_parse() reads back: "1h30m", "1.5ms", "0s", with a sign in front where it is negative. */
const char *duration_format(int64_t ns, char buffer[DURATION_TEXT_MAX]);

/* The two largest units, rounded down, for a glance: "59m59s", "3d4h", "12s", "250ms", "71us". */
const char *duration_brief(int64_t ns, char buffer[DURATION_TEXT_MAX]);
