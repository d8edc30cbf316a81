/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A time as people write it.
 *
 *     2030-12-24T18:00:00+01:00    RFC 3339; also with Z, a blank for the T, without seconds, with up to nine decimals
 *     2030-12-24 18:00[:SS]        local time; the date alone is its midnight
 *     18:00[:SS]                   the next time the clock shows it
 *     today|tomorrow [HH:MM[:SS]]  local; without a time, midnight
 *     monday [HH:MM[:SS]]          the next one, also mon; today if that is still to come
 *     @1234567890[.5]              seconds since 1970-01-01 UTC
 *
 * Local times follow $TZ.  One that the clock skips (daylight saving time begins) is read as if it had not yet
 * been put forward: 02:30 means 03:30.  Of one that it shows twice the first is meant, or the second where the
 * first has gone by and the next one is asked for.
 */

#include "proto/base.h"

enum {
	WHEN_E_SYNTAX = 1, /* not as above */
	WHEN_E_NO_SUCH, /* the calendar or the clock has no such day or time: 2030-02-30, 24:00 */
	WHEN_E_RANGE, /* before 1970 or after 2116 */
};

/* `now_ns` and *ret_ns: nanoseconds since 1970-01-01 UTC; the result may lie in the past.
 * Return: 0, or one of WHEN_E_…. */
int when_parse(const char *text, int64_t now_ns, int64_t *ret_ns);

/*
 * The same of the first words of a command line: as many as make a time, one or two, joined by a blank.
 * *ret_used: how many.  Return: as when_parse(); then *ret_used is what the complaint is about.
 */
int when_parse_words(char *const *words, size_t n_words, int64_t now_ns, int64_t *ret_ns, size_t *ret_used);

/* Why it was refused, for a message.  `error` is one of WHEN_E_…. */
const char *when_error(int error);

#define WHEN_TEXT_MAX 64

/* RFC 3339 in UTC with nine decimals: "2030-12-24T17:00:00.000000000Z". */
const char *when_format_utc(int64_t ns, char buffer[WHEN_TEXT_MAX]);

/* For people: local time to the second, "2030-12-24 18:00:00 CET". */
const char *when_format_local(int64_t ns, char buffer[WHEN_TEXT_MAX]);
