/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the arithmetic of rate limits, and nothing else: no clock, no bucket, no queue.  Every sum that input could
 * drive beyond 64 bits is checked; with tat, now <= 2^63, tolerance <= 2^61 and cost <= burst, what is not checked
 * cannot overflow.
 */

#include "proto/gcra.h"

typedef unsigned __int128 wide;

static uint64_t ceil_div(wide a, wide b) {
	return (uint64_t)((a + b - 1) / b);
}

int gcra_rule_init(struct gcra_rule *ret, uint64_t tokens, int64_t period_ns, uint64_t burst) {
	uint64_t interval, tolerance;

	if (tokens == 0 || period_ns <= 0 || burst == 0)
		return GCRA_E_RATE;
	if ((wide)period_ns * GCRA_TICKS_PER_NSEC > (wide)GCRA_TOLERANCE_MAX * tokens)
		return GCRA_E_TOO_SLOW;
	interval = ceil_div((wide)period_ns * GCRA_TICKS_PER_NSEC, tokens);
	if (__builtin_mul_overflow(interval, burst, &tolerance) || tolerance > GCRA_TOLERANCE_MAX)
		return GCRA_E_TOO_SLOW;
	*ret = (struct gcra_rule){ .interval = interval, .burst = burst, .tolerance = tolerance };
	return 0;
}

uint64_t gcra_default_burst(uint64_t tokens, int64_t period_ns) {
	if (tokens == 0 || period_ns <= 0)
		return 1;
	if ((wide)tokens * NSEC_PER_SEC > (wide)UINT64_MAX * (uint64_t)period_ns)
		return UINT64_MAX;
	return ceil_div((wide)tokens * NSEC_PER_SEC, (wide)period_ns);
}

bool gcra_rule_equal(const struct gcra_rule *a, const struct gcra_rule *b) {
	return a->interval == b->interval && a->burst == b->burst;
}

int gcra_ticks(int64_t time_ns, uint64_t *ret) {
	if (time_ns < 0 || (uint64_t)time_ns > GCRA_TICKS_MAX / GCRA_TICKS_PER_NSEC)
		return GCRA_E_RANGE;
	*ret = (uint64_t)time_ns * GCRA_TICKS_PER_NSEC;
	return 0;
}

uint64_t gcra_ticks_saturated(int64_t time_ns) {
	uint64_t ticks;

	if (time_ns < 0)
		return 0;
	return gcra_ticks(time_ns, &ticks) == 0 ? ticks : GCRA_TICKS_MAX;
}

int64_t gcra_nsec(uint64_t ticks) {
	return (int64_t)(ticks / GCRA_TICKS_PER_NSEC + (ticks % GCRA_TICKS_PER_NSEC != 0));
}

/* How much of the bucket is taken, in ticks; 0: it is full. */
static uint64_t taken(uint64_t tat, uint64_t now) {
	return tat > now ? tat - now : 0;
}

static uint64_t whole_tokens(const struct gcra_rule *rule, uint64_t ticks_taken) {
	return ticks_taken >= rule->tolerance ? 0 : (rule->tolerance - ticks_taken) / rule->interval;
}

int gcra_decide(const struct gcra_rule *rule, uint64_t tat, uint64_t now, uint64_t not_before, uint64_t cost,
		struct gcra_decision *ret) {
	uint64_t asked = MAX(cost, 1), after, earliest;
	struct gcra_decision decision = { .tat = tat };

	if (cost > rule->burst)
		return GCRA_E_COST;
	if (tat > GCRA_TICKS_MAX || now > GCRA_TICKS_MAX)
		return GCRA_E_RANGE;
	after = MAX(tat, now) + asked * rule->interval;
	earliest = after > rule->tolerance ? after - rule->tolerance : 0;
	earliest = MAX(earliest, not_before);
	decision.allowed = earliest <= now;
	if (decision.allowed && cost > 0) {
		if (after > GCRA_TICKS_MAX)
			return GCRA_E_RANGE;
		decision.tat = after;
	}
	if (!decision.allowed)
		decision.retry_after_ns = gcra_nsec(earliest - now);
	if (not_before <= now)
		decision.remaining = whole_tokens(rule, taken(decision.tat, now));
	decision.reset_after_ns = gcra_nsec(taken(decision.tat, now));
	*ret = decision;
	return 0;
}

uint64_t gcra_available(const struct gcra_rule *rule, uint64_t tat, uint64_t now, uint64_t not_before, uint64_t limit) {
	return not_before > now ? 0 : MIN(whole_tokens(rule, taken(tat, now)), limit);
}

uint64_t gcra_refund(const struct gcra_rule *rule, uint64_t tat, uint64_t now, uint64_t cost) {
	uint64_t ticks;

	if (tat <= now)
		return tat;
	if (__builtin_mul_overflow(cost, rule->interval, &ticks) || ticks > tat - now)
		return now;
	return tat - ticks;
}

int gcra_charge(const struct gcra_rule *rule, uint64_t tat, uint64_t now, uint64_t cost, uint64_t max_debt,
		uint64_t *ret_tat) {
	wide after, bound;

	if (tat > GCRA_TICKS_MAX || now > GCRA_TICKS_MAX)
		return GCRA_E_RANGE;
	after = (wide)MAX(tat, now) + (wide)cost * rule->interval;
	bound = (wide)now + rule->tolerance + (wide)max_debt * rule->interval;
	if (after > bound)
		return GCRA_E_COST;
	if (after > GCRA_TICKS_MAX)
		return GCRA_E_RANGE;
	*ret_tat = (uint64_t)after;
	return 0;
}

int gcra_convert(const struct gcra_rule *from, const struct gcra_rule *to, uint64_t tat, uint64_t now,
		 uint64_t *ret_tat) {
	uint64_t used = taken(tat, now);
	wide after = now;

	if (used > from->tolerance) {
		/* In debt: rounded up. */
		wide debt = ((wide)(used - from->tolerance) * to->interval + from->interval - 1) / from->interval;

		after += to->tolerance + debt;
	} else {
		/* What is there: rounded down, and no more than fits. */
		wide there = (wide)(from->tolerance - used) * to->interval / from->interval;

		after += there >= to->tolerance ? 0 : to->tolerance - there;
	}
	if (after > GCRA_TICKS_MAX)
		return GCRA_E_RANGE;
	*ret_tat = (uint64_t)after;
	return 0;
}

uint64_t gcra_grant_time(const struct gcra_rule *rule, uint64_t tat, uint64_t behind) {
	wide later = (wide)rule->tolerance + (wide)behind * rule->interval;

	return tat > later ? tat - (uint64_t)later : 0;
}
