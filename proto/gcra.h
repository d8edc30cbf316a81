/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The arithmetic of a token bucket: the generic cell rate algorithm (ITU-T I.371, annex A) in one 64-bit word, the
 * theoretical arrival time (TAT): the moment at which the bucket will be full again.  Pure: time is an argument, and
 * the daemon and a client that shares the word with it decide alike because they share this code.
 *
 * Times are ticks of 1/16 ns of boottime, so that rates up to a few hundred million a second are met closely: one token
 * takes T = ceil(16 · period / tokens) ticks, rounded up, so that no rate is ever exceeded.
 *
 *     base = max(TAT, now)     new = base + cost · T     allowed  ⇔  new − B · T <= now
 */

#include "proto/base.h"

#define GCRA_TICKS_PER_NSEC 16
#define GCRA_TOLERANCE_MAX (UINT64_C(1) << 61) /* ticks: 4.5 years to fill an empty bucket */
#define GCRA_TICKS_MAX (UINT64_C(1) << 63) /* no TAT lies beyond: 18 years of uptime */

struct gcra_rule {
	uint64_t interval; /* T: ticks per token, > 0 */
	uint64_t burst; /* B: how many fit at one instant, > 0 */
	uint64_t tolerance; /* B · T */
};

struct gcra_decision {
	bool allowed;
	uint64_t tat; /* the word afterwards; unchanged where denied */
	uint64_t remaining; /* tokens that could be taken at once afterwards */
	int64_t retry_after_ns; /* denied: sleep exactly that, alone, and it is allowed; one less and it is not.  Else 0 */
	int64_t reset_after_ns; /* until the bucket is full */
};

enum {
	GCRA_E_RATE = 1, /* no tokens, no period, no burst: nothing could ever be granted */
	GCRA_E_TOO_SLOW, /* B · T is beyond GCRA_TOLERANCE_MAX */
	GCRA_E_COST, /* the cost is above the burst: it could never be granted at once */
	GCRA_E_RANGE, /* a time or a debt beyond GCRA_TICKS_MAX */
};

/* `tokens` every `period_ns`, `burst` of them at one instant.  Return: 0, GCRA_E_RATE, GCRA_E_TOO_SLOW. */
int gcra_rule_init(struct gcra_rule *ret, uint64_t tokens, int64_t period_ns, uint64_t burst);

/* The burst that goes with a rate where none was given: tokens per second, rounded up; at least 1. */
uint64_t gcra_default_burst(uint64_t tokens, int64_t period_ns);

/* Do they grant alike?  600 a minute are 10 a second. */
bool gcra_rule_equal(const struct gcra_rule *a, const struct gcra_rule *b);

/* Boottime as ticks.  Return: 0, GCRA_E_RANGE. */
int gcra_ticks(int64_t time_ns, uint64_t *ret);
/* The same at the ends of what can be counted, where it lies beyond them. */
uint64_t gcra_ticks_saturated(int64_t time_ns);

/* The first nanosecond that is not before `ticks`. */
int64_t gcra_nsec(uint64_t ticks);

/*
 * May `cost` tokens be taken at `now`?  Nothing is granted before `not_before` (a hold; 0: none).  A cost of 0 takes
 * nothing and tells whether 1 would be allowed.  Changes nothing itself: the caller stores ret->tat.
 * Return: 0, GCRA_E_COST, GCRA_E_RANGE.
 */
int gcra_decide(const struct gcra_rule *rule, uint64_t tat, uint64_t now, uint64_t not_before, uint64_t cost,
		struct gcra_decision *ret);

/* How many tokens could be taken at `now`, at most `limit`: what take-up-to takes. */
uint64_t gcra_available(const struct gcra_rule *rule, uint64_t tat, uint64_t now, uint64_t not_before, uint64_t limit);

/* The word after `cost` tokens were given back; never more than full. */
uint64_t gcra_refund(const struct gcra_rule *rule, uint64_t tat, uint64_t now, uint64_t cost);

/*
 * The word after `cost` tokens were taken whether they are there or not.  The debt may grow to `max_debt` tokens below
 * empty.  Return: 0, GCRA_E_COST (it would grow beyond), GCRA_E_RANGE.
 */
int gcra_charge(const struct gcra_rule *rule, uint64_t tat, uint64_t now, uint64_t cost, uint64_t max_debt,
		uint64_t *ret_tat);

/*
 * The word that holds as many tokens (or as much debt) of `to` as `tat` does of `from`, not above a full bucket, and never
 * the fraction of a token more.  Return: 0, GCRA_E_RANGE.
 */
int gcra_convert(const struct gcra_rule *from, const struct gcra_rule *to, uint64_t tat, uint64_t now,
		 uint64_t *ret_tat);

/*
 * When the first of the queue will be granted, where the cost of all who wait is inside the TAT: `behind` is the sum of
 * the costs after the first one.
 */
uint64_t gcra_grant_time(const struct gcra_rule *rule, uint64_t tat, uint64_t behind);
