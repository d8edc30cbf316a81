/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Rates as people write them: 10/s, 3/10ms, 500/15min, 5k/h, unlimited.
 *
 *     RATE   = "unlimited" | COUNT "/" [NUMBER] UNIT
 *     COUNT  = NUMBER ["k" | "M" | "G"]           thousands, millions, thousand millions
 *     UNIT   = ns us ms s m min h d
 *
 * Whole numbers only: 1.5/s is 3/2s.
 */

#include "proto/base.h"

struct rate {
	uint64_t tokens; /* 0: unlimited */
	int64_t period_ns; /* of the clock, for as many tokens */
};

/* Return: NULL, or a sentence that says what is wrong with it, which goes behind "bad rate '…': ". */
const char *rate_parse(const char *text, struct rate *ret);

/* The shortest way to write it; `buffer` holds at least RATE_TEXT_MAX bytes. */
#define RATE_TEXT_MAX 48
void rate_format(const struct rate *rate, char *buffer);
