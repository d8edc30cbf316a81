/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns who gets tokens from a bucket, and when.  Knows nothing of names, keys, sessions or clocks, nor whether its
 * first word lies in memory that clients can write: it reads each word once per decision and changes it by
 * compare-and-swap only.
 */

#include "daemon/core/bucket.h"

#define EXPIRED_AT_ONCE 128 /* of those in line */
#define REST_LENGTH 64 /* shorter lines are looked at as often as need be */
#define REST_NS (10 * NSEC_PER_USEC) /* for each in line: some two hundred times as long as a look at him takes */

typedef unsigned __int128 wide;

static uint64_t saturate(wide ticks) {
	return ticks > GCRA_TICKS_MAX ? GCRA_TICKS_MAX : (uint64_t)ticks;
}

static uint64_t read_word(const struct bucket *bucket, unsigned i) {
	return atomic_load_explicit(&bucket->words[i], memory_order_acquire);
}

static bool swap_word(struct bucket *bucket, unsigned i, uint64_t before, uint64_t after) {
	return atomic_compare_exchange_strong_explicit(&bucket->words[i], &before, after, memory_order_acq_rel,
						       memory_order_acquire);
}

bool bucket_has_line(const struct bucket *bucket) {
	return bucket->line && bucket->line->length > 0;
}

/* The line, or what it stands on, has changed. */
static void forget_outlook(struct bucket *bucket) {
	if (!bucket->line)
		return;
	bucket->line->unlooked = NULL;
	bucket->line->end_is_known = false;
}

/* What the line has put into the word, in ticks. */
static uint64_t queued_ticks(const struct bucket *bucket, const struct bucket_rules *rules) {
	if (rules->n != 1 || !bucket_has_line(bucket))
		return 0;
	return saturate((wide)bucket->line->cost * rules->rule[0].interval);
}

/* The word as it would be if nobody were in line. */
static uint64_t without_line(uint64_t word, uint64_t queued) {
	return word > queued ? word - queued : 0;
}

static uint64_t hold_ticks(const struct bucket *bucket) {
	return gcra_ticks_saturated(bucket->hold_until_ns);
}

void bucket_init(struct bucket *bucket, const struct bucket_rules *rules, _Atomic uint64_t *words) {
	*bucket = (struct bucket){ .words = words };
	for (unsigned i = 0; i < rules->n; i++)
		atomic_init(&words[i], 0);
}

void bucket_deinit(struct bucket *bucket) {
	free(bucket->line);
	bucket->line = NULL;
}

bool bucket_fits(const struct bucket_rules *rules, uint64_t cost) {
	for (unsigned i = 0; i < rules->n; i++)
		if (cost > rules->rule[i].burst)
			return false;
	return true;
}

/* ---- decisions ---- */

/* What is said beside yes and no, for a bucket whose words are `words`. */
static void describe(const struct bucket *bucket, const struct bucket_rules *rules, const uint64_t *words, uint64_t now,
		     struct grant *grant) {
	grant->remaining = UINT64_MAX;
	grant->limit = UINT64_MAX;
	grant->reset_after_ns = 0;
	for (unsigned i = 0; i < rules->n; i++) {
		const struct gcra_rule *rule = &rules->rule[i];
		uint64_t available = gcra_available(rule, words[i], now, hold_ticks(bucket), UINT64_MAX);
		int64_t reset = words[i] > now ? gcra_nsec(words[i] - now) : 0;

		grant->remaining = MIN(grant->remaining, bucket_has_line(bucket) ? 0 : available);
		grant->limit = MIN(grant->limit, rule->burst);
		grant->reset_after_ns = MAX(grant->reset_after_ns, reset);
	}
}

static int64_t expected_at_end(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, uint64_t cost,
			       unsigned *ret_last);

/* Ask all rules, whoever is in line; `after` are the words if it is allowed.  Nothing is changed. */
static int ask_rules(const struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, uint64_t cost,
		     uint64_t *before, uint64_t *after, struct grant *ret) {
	struct grant grant = { .allowed = true, .now_ns = now_ns };
	uint64_t now;

	if (gcra_ticks(now_ns, &now) != 0)
		return BUCKET_E_RANGE;
	for (unsigned i = 0; i < rules->n; i++) {
		struct gcra_decision decision;
		int r;

		before[i] = read_word(bucket, i);
		r = gcra_decide(&rules->rule[i], before[i], now, hold_ticks(bucket), cost, &decision);
		if (r != 0)
			return r == GCRA_E_COST ? BUCKET_E_COST : BUCKET_E_RANGE;
		after[i] = decision.tat;
		grant.allowed = grant.allowed && decision.allowed;
		if (decision.retry_after_ns > grant.retry_after_ns) {
			grant.retry_after_ns = decision.retry_after_ns;
			grant.denied_by = i;
		}
	}
	*ret = grant;
	return 0;
}

/* The same behind those in line. */
static int evaluate(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, uint64_t cost,
		    uint64_t *before, uint64_t *after, struct grant *ret) {
	int r = ask_rules(bucket, rules, now_ns, cost, before, after, ret);
	int64_t expected_ns;

	if (r != 0)
		return r;
	if (bucket_has_line(bucket)) {
		/* No earlier than the last of them. */
		ret->allowed = false;
		expected_ns = expected_at_end(bucket, rules, now_ns, MAX(cost, 1), &ret->denied_by);
		ret->retry_after_ns = MAX(expected_ns - now_ns, 1); /* not all that is due may have been handed out */
	}
	describe(bucket, rules, ret->allowed ? after : before, gcra_ticks_saturated(now_ns), ret);
	return 0;
}

/* Store what was evaluated.  Return: false: somebody else was faster, in shared memory. */
static bool commit(struct bucket *bucket, const struct bucket_rules *rules, const uint64_t *before,
		   const uint64_t *after) {
	/* Only the first word can be shared, and only where it is the only one. */
	if (rules->n == 1)
		return before[0] == after[0] || swap_word(bucket, 0, before[0], after[0]);
	for (unsigned i = 0; i < rules->n; i++)
		atomic_store_explicit(&bucket->words[i], after[i], memory_order_release);
	return true;
}

int bucket_try(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, uint64_t cost,
	       struct grant *ret) {
	uint64_t before[BUCKET_RULES_MAX], after[BUCKET_RULES_MAX];
	int r;

	do {
		r = evaluate(bucket, rules, now_ns, cost, before, after, ret);
		if (r != 0)
			return r;
	} while (ret->allowed && !commit(bucket, rules, before, after));
	return 0;
}

int bucket_peek(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, uint64_t cost,
		uint64_t *ret_words, struct grant *ret) {
	uint64_t before[BUCKET_RULES_MAX], after[BUCKET_RULES_MAX], now;
	int r;

	r = evaluate(bucket, rules, now_ns, cost, before, after, ret);
	if (r != 0)
		return r;
	/* What is there, not what would be left. */
	(void)gcra_ticks(now_ns, &now);
	describe(bucket, rules, before, now, ret);
	for (unsigned i = 0; ret_words && i < rules->n; i++)
		ret_words[i] = before[i];
	return 0;
}

int bucket_take_up_to(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, uint64_t cost,
		      uint64_t *ret_taken, struct grant *ret) {
	uint64_t before[BUCKET_RULES_MAX], after[BUCKET_RULES_MAX], now, available;
	int r;

	if (gcra_ticks(now_ns, &now) != 0)
		return BUCKET_E_RANGE;
	do {
		available = bucket_has_line(bucket) ? 0 : cost;
		for (unsigned i = 0; i < rules->n; i++)
			available = gcra_available(&rules->rule[i], read_word(bucket, i), now, hold_ticks(bucket),
						   available);
		r = evaluate(bucket, rules, now_ns, available, before, after, ret);
		if (r != 0)
			return r;
		/* In shared memory it may have become less meanwhile: look again. */
	} while (available > 0 && (!ret->allowed || !commit(bucket, rules, before, after)));
	*ret_taken = available;
	return 0;
}

/* ---- the line ---- */

/*
 * A walk along the line.  A grant lifts the words to its own time (a bucket cannot be more than full), as bucket_grant() does, and
 * comes at a whole nanosecond, as all answers do.
 */
static void walk_begin(const struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns,
		       struct outlook *walk) {
	*walk = (struct outlook){ .time = MAX(gcra_ticks_saturated(now_ns), hold_ticks(bucket)) };
	for (unsigned i = 0; i < rules->n; i++)
		walk->words[i] = read_word(bucket, i);
	walk->words[0] = without_line(walk->words[0], queued_ticks(bucket, rules));
}

static uint64_t at_whole_ns(uint64_t ticks) {
	return (ticks + GCRA_TICKS_PER_NSEC - 1) / GCRA_TICKS_PER_NSEC * GCRA_TICKS_PER_NSEC;
}

/*
 * Grant `cost` in thought.  It fits below each burst, so that its ticks are below GCRA_TOLERANCE_MAX and no sum is
 * above 64 bits: of a long line each has to be looked at in a few nanoseconds.
 */
static void walk_grant(const struct bucket_rules *rules, uint64_t cost, struct outlook *walk) {
	uint64_t time = walk->time;

	for (unsigned i = 0; i < rules->n; i++) {
		const struct gcra_rule *rule = &rules->rule[i];
		uint64_t after = walk->words[i] + cost * rule->interval;

		if (after - rule->tolerance > time && after > rule->tolerance) {
			time = after - rule->tolerance;
			walk->last = i;
		}
	}
	walk->time = time = MIN(at_whole_ns(time), GCRA_TICKS_MAX);
	for (unsigned i = 0; i < rules->n; i++)
		walk->words[i] = MIN(MAX(walk->words[i], time) + cost * rules->rule[i].interval, GCRA_TICKS_MAX);
}

/*
 * Can a grant not move the ones behind it?  Then each comes at its place in the word: what it takes is in there since it joined.
 *
 * A grant does move them where it lifts the word, for that is when it finds the bucket full for longer than it takes.  With one rule, with
 * the word beyond the hold, it does not: granted when word + cost · interval − tolerance is reached, at the next whole nanosecond, that
 * is not above the word if cost · interval + 1 ns is not above the tolerance, nor if all of them are whole nanoseconds.
 */
static bool is_smooth(const struct bucket *bucket, const struct bucket_rules *rules) {
	uint64_t word;

	if (rules->n != 1)
		return false;
	word = read_word(bucket, 0);
	if (without_line(word, queued_ticks(bucket, rules)) < hold_ticks(bucket))
		return false;
	return bucket->line->n_tight == 0 ||
	       (rules->rule[0].interval % GCRA_TICKS_PER_NSEC == 0 && word % GCRA_TICKS_PER_NSEC == 0);
}

/* As a walk along the line would find it, without one. */
static void look_at_end(const struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns,
			struct outlook *ret) {
	uint64_t word = read_word(bucket, 0), tolerance = rules->rule[0].tolerance;

	*ret = (struct outlook){ .words = { word }, .time = MAX(gcra_ticks_saturated(now_ns), hold_ticks(bucket)) };
	if (word > tolerance)
		ret->time = MAX(ret->time, at_whole_ns(word - tolerance));
}

static void walk_past(const struct bucket_rules *rules, struct waiter *waiter, struct outlook *walk) {
	walk_grant(rules, waiter->cost, walk);
	waiter->time = walk->time;
	waiter->position = walk->n_past++;
}

/* Go on with the walk to the end.  It is valid as long as nobody in line is due, for then it does not depend on the present time. */
static void walk_on(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, size_t n) {
	struct line *line = bucket->line;
	struct waiter *waiter = line->unlooked;

	if (!waiter) {
		walk_begin(bucket, rules, now_ns, &line->end);
		waiter = TAILQ_FIRST(&line->waiters);
	}
	for (; waiter && n > 0; n--) {
		walk_past(rules, waiter, &line->end);
		waiter = TAILQ_NEXT(waiter, link);
	}
	line->unlooked = waiter;
	line->end_is_known = !waiter;
}

bool bucket_look_along(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, size_t n) {
	if (!bucket_has_line(bucket))
		return true;
	if (!bucket->line->end_is_known)
		walk_on(bucket, rules, now_ns, n);
	return bucket->line->end_is_known;
}

bool bucket_look_ahead(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, size_t n) {
	return !bucket_has_line(bucket) || is_smooth(bucket, rules) || bucket_look_along(bucket, rules, now_ns, n);
}

static struct outlook outlook_at_end(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns) {
	struct outlook end;

	if (!is_smooth(bucket, rules)) {
		(void)bucket_look_along(bucket, rules, now_ns, SIZE_MAX);
		return bucket->line->end;
	}
	look_at_end(bucket, rules, now_ns, &end);
	return end;
}

static int64_t expected_at_end(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, uint64_t cost,
			       unsigned *ret_last) {
	struct outlook walk = outlook_at_end(bucket, rules, now_ns);

	walk_grant(rules, cost, &walk);
	*ret_last = walk.last;
	return gcra_nsec(walk.time);
}

int64_t bucket_expected(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns,
			const struct waiter *waiter, size_t *ret_position) {
	(void)bucket_look_along(bucket, rules, now_ns, SIZE_MAX);
	*ret_position = waiter->position;
	return gcra_nsec(waiter->time);
}

/* Change the first word by what the line has in it. */
static void account(struct bucket *bucket, const struct bucket_rules *rules, int64_t direction, uint64_t cost) {
	uint64_t before, after, ticks;

	if (rules->n != 1)
		return;
	ticks = saturate((wide)cost * rules->rule[0].interval);
	do {
		before = read_word(bucket, 0);
		after = direction > 0 ? saturate((wide)before + ticks) : without_line(before, ticks);
	} while (!swap_word(bucket, 0, before, after));
}

/* Nothing in the word may be older than `ticks`: what is before it has filled the bucket, and a bucket is full only once.
 * Return: it was. */
static bool lift(struct bucket *bucket, const struct bucket_rules *rules, uint64_t ticks) {
	uint64_t queued = queued_ticks(bucket, rules), before, after;

	if (rules->n != 1)
		return false;
	do {
		before = read_word(bucket, 0);
		if (without_line(before, queued) >= ticks)
			return false;
		after = saturate((wide)ticks + queued);
	} while (!swap_word(bucket, 0, before, after));
	return true;
}

/* The same for those who stand behind a hold. */
static void lift_to_hold(struct bucket *bucket, const struct bucket_rules *rules, uint64_t now) {
	uint64_t ticks = MAX(now, hold_ticks(bucket));

	if (lift(bucket, rules, ticks))
		bucket->line->lifted = ticks;
}

/* Nobody is in it. */
static void reset_line(struct line *line) {
	line->earliest_ns = INT64_MAX;
	line->looks_again = false;
}

static void unlink_waiter(struct bucket *bucket, struct waiter *waiter) {
	TAILQ_REMOVE(&bucket->line->waiters, waiter, link);
	bucket->line->cost -= waiter->cost;
	bucket->line->length--;
	bucket->line->n_tight -= waiter->tight;
	forget_outlook(bucket);
	if (!bucket_has_line(bucket))
		reset_line(bucket->line);
}

int bucket_make_line(struct bucket *bucket) {
	if (bucket->line)
		return 0;
	bucket->line = malloc(sizeof(*bucket->line));
	if (!bucket->line)
		return -ENOMEM;
	*bucket->line = (struct line){ 0 };
	reset_line(bucket->line);
	TAILQ_INIT(&bucket->line->waiters);
	return 0;
}

static bool is_tight(const struct bucket_rules *rules, uint64_t cost) {
	const struct gcra_rule *rule = &rules->rule[0];

	return rules->n == 1 && (wide)cost * rule->interval + GCRA_TICKS_PER_NSEC > rule->tolerance;
}

/* Whom no rule refuses for ever.  Return: 0, -ENOMEM. */
static int join(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, struct waiter *waiter) {
	uint64_t now = 0;
	int r = bucket_make_line(bucket);

	if (r < 0)
		return r;
	(void)gcra_ticks(now_ns, &now);
	if (bucket->line->end_is_known)
		walk_past(rules, waiter, &bucket->line->end);
	waiter->tight = is_tight(rules, waiter->cost);
	lift_to_hold(bucket, rules, now);
	account(bucket, rules, +1, waiter->cost);
	TAILQ_INSERT_TAIL(&bucket->line->waiters, waiter, link);
	bucket->line->cost += waiter->cost;
	bucket->line->length++;
	bucket->line->n_tight += waiter->tight;
	bucket->line->earliest_ns = MIN(bucket->line->earliest_ns, waiter->latest_ns);
	return 0;
}

int bucket_join(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, struct waiter *waiter) {
	uint64_t before[BUCKET_RULES_MAX], after[BUCKET_RULES_MAX];
	struct grant grant;
	int r = ask_rules(bucket, rules, now_ns, waiter->cost, before, after, &grant);

	return r == 0 ? join(bucket, rules, now_ns, waiter) : r;
}

int bucket_wait(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, struct waiter *waiter,
		struct grant *ret) {
	struct grant grant;
	int r;

	r = bucket_try(bucket, rules, now_ns, waiter->cost, &grant);
	if (r != 0)
		return r;
	if (!grant.allowed && grant.retry_after_ns > waiter->latest_ns - now_ns) {
		*ret = grant;
		return BUCKET_E_DENIED;
	}
	if (!grant.allowed) {
		r = join(bucket, rules, now_ns, waiter);
		if (r < 0)
			return r;
	}
	*ret = grant;
	return grant.allowed ? 0 : BUCKET_E_QUEUED;
}

void bucket_leave(struct bucket *bucket, const struct bucket_rules *rules, struct waiter *waiter) {
	unlink_waiter(bucket, waiter);
	account(bucket, rules, -1, waiter->cost);
}

/* When the first in line will be granted. */
static int64_t first_time(const struct bucket *bucket, const struct bucket_rules *rules) {
	struct outlook walk;

	walk_begin(bucket, rules, 0, &walk);
	walk_grant(rules, TAILQ_FIRST(&bucket->line->waiters)->cost, &walk);
	return gcra_nsec(walk.time);
}

/* When all of the line may be looked at again. */
static int64_t rested_at(const struct bucket *bucket) {
	const struct line *line = bucket->line;

	return line->looked_ns + (line->length >= REST_LENGTH ? (int64_t)line->length * REST_NS : 0);
}

int64_t bucket_next(const struct bucket *bucket, const struct bucket_rules *rules) {
	int64_t first_ns;

	if (!bucket_has_line(bucket))
		return INT64_MAX;
	first_ns = first_time(bucket, rules);
	return bucket->line->looks_again ? MIN(first_ns, rested_at(bucket)) : first_ns;
}

struct waiter *bucket_late(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns) {
	struct waiter *waiter;
	int64_t first_ns;

	if (!bucket_has_line(bucket) || !bucket->line->looks_again)
		return NULL;
	waiter = TAILQ_FIRST(&bucket->line->waiters);
	first_ns = first_time(bucket, rules);
	if (first_ns > now_ns || first_ns <= waiter->latest_ns)
		return NULL;
	bucket_leave(bucket, rules, waiter);
	return waiter;
}

struct waiter *bucket_grant(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns,
			    struct grant *ret) {
	uint64_t words[BUCKET_RULES_MAX], now;
	struct waiter *waiter;

	if (!bucket_has_line(bucket) || first_time(bucket, rules) > now_ns || gcra_ticks(now_ns, &now) != 0)
		return NULL;
	waiter = TAILQ_FIRST(&bucket->line->waiters);
	(void)lift(bucket, rules, now);
	unlink_waiter(bucket, waiter);
	for (unsigned i = 0; i < rules->n; i++) {
		words[i] = read_word(bucket, i);
		if (rules->n == 1)
			continue; /* paid when he joined */
		words[i] = saturate((wide)MAX(words[i], now) + (wide)waiter->cost * rules->rule[i].interval);
		atomic_store_explicit(&bucket->words[i], words[i], memory_order_release);
	}
	*ret = (struct grant){ .allowed = true, .now_ns = now_ns };
	describe(bucket, rules, words, now, ret);
	return waiter;
}

bool bucket_looks_again(const struct bucket *bucket, int64_t now_ns) {
	return bucket_has_line(bucket) && bucket->line->looks_again && rested_at(bucket) <= now_ns;
}

/* Without looking at each of them; false: somebody may be. */
static bool nobody_is_late(const struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns) {
	struct outlook end;

	if (bucket->line->earliest_ns == INT64_MAX)
		return true;
	if (!is_smooth(bucket, rules))
		return false;
	look_at_end(bucket, rules, now_ns, &end);
	return gcra_nsec(end.time) <= bucket->line->earliest_ns;
}

void bucket_expire(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, struct waiter_list *list) {
	struct waiter *waiter, *next;
	struct line *line = bucket->line;
	int64_t earliest_ns = INT64_MAX;
	struct outlook walk;
	size_t n = 0;

	if (!bucket_has_line(bucket))
		return;
	line->looks_again = false;
	if (nobody_is_late(bucket, rules, now_ns))
		return;
	line->looks_again = now_ns < rested_at(bucket);
	if (line->looks_again)
		return;
	walk_begin(bucket, rules, now_ns, &walk);
	for (waiter = TAILQ_FIRST(&line->waiters); waiter && n < EXPIRED_AT_ONCE; waiter = next) {
		struct outlook before = walk;

		next = TAILQ_NEXT(waiter, link);
		walk_grant(rules, waiter->cost, &walk);
		if (gcra_nsec(walk.time) <= waiter->latest_ns) {
			earliest_ns = MIN(earliest_ns, waiter->latest_ns);
			continue;
		}
		walk = before; /* those behind him move up */
		bucket_leave(bucket, rules, waiter);
		TAILQ_INSERT_TAIL(list, waiter, link);
		n++;
	}
	line->looks_again = waiter; /* and at once */
	if (!waiter) {
		line->looked_ns = now_ns;
		line->earliest_ns = earliest_ns;
	}
}

/* ---- changes ---- */

void bucket_refund(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, uint64_t cost) {
	uint64_t queued = queued_ticks(bucket, rules), before, after, now;

	if (cost == 0 || gcra_ticks(now_ns, &now) != 0)
		return;
	forget_outlook(bucket);
	for (unsigned i = 0; i < rules->n; i++)
		do {
			before = read_word(bucket, i);
			after = gcra_refund(&rules->rule[i], without_line(before, queued), now, cost);
			after = saturate((wide)after + queued);
		} while (!swap_word(bucket, i, before, after));
}

int bucket_charge(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, uint64_t cost) {
	uint64_t queued = queued_ticks(bucket, rules), before[BUCKET_RULES_MAX], after[BUCKET_RULES_MAX], now;

	if (gcra_ticks(now_ns, &now) != 0)
		return BUCKET_E_RANGE;
	do {
		for (unsigned i = 0; i < rules->n; i++) {
			int r;

			before[i] = read_word(bucket, i);
			r = gcra_charge(&rules->rule[i], without_line(before[i], queued), now, cost, rules->max_debt,
					&after[i]);
			if (r != 0 || after[i] > GCRA_TICKS_MAX - queued)
				return r == GCRA_E_COST ? BUCKET_E_COST : BUCKET_E_RANGE;
			after[i] += queued;
		}
	} while (!commit(bucket, rules, before, after));
	if (cost > 0)
		forget_outlook(bucket);
	return 0;
}

void bucket_hold(struct bucket *bucket, const struct bucket_rules *rules, int64_t until_ns) {
	if (until_ns <= bucket->hold_until_ns)
		return;
	bucket->hold_until_ns = until_ns;
	forget_outlook(bucket);
	if (bucket_has_line(bucket))
		lift_to_hold(bucket, rules, 0);
}

void bucket_reset(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns) {
	uint64_t now = 0;

	(void)gcra_ticks(now_ns, &now);
	bucket->hold_until_ns = 0;
	forget_outlook(bucket);
	if (bucket->line)
		bucket->line->lifted = 0;
	for (unsigned i = 0; i < rules->n; i++)
		atomic_store_explicit(&bucket->words[i], saturate((wide)now + queued_ticks(bucket, rules)),
				      memory_order_release);
}

void bucket_rewrite(struct bucket *bucket, const struct bucket_rules *rules, int64_t at_ns) {
	uint64_t emptied = saturate((wide)gcra_ticks_saturated(at_ns) + rules->rule[0].tolerance);

	forget_outlook(bucket);
	atomic_store(&bucket->words[0], saturate((wide)emptied + queued_ticks(bucket, rules)));
}

void bucket_drain(struct bucket *bucket, const struct bucket_rules *rules, unsigned first, int64_t at_ns) {
	uint64_t at = gcra_ticks_saturated(at_ns);

	forget_outlook(bucket);
	for (unsigned i = first; i < rules->n; i++) {
		uint64_t drained = saturate((wide)at + rules->rule[i].tolerance);

		if (rules->n == 1)
			(void)lift(bucket, rules, drained);
		else if (read_word(bucket, i) < drained)
			atomic_store_explicit(&bucket->words[i], drained, memory_order_release);
	}
}

void bucket_read(const struct bucket *bucket, const struct bucket_rules *rules, uint64_t *ret_words) {
	uint64_t queued = queued_ticks(bucket, rules);

	for (unsigned i = 0; i < rules->n; i++)
		ret_words[i] = without_line(read_word(bucket, i), queued);
}

/*
 * A word, in which the line has `queued`, under another rule and without that.  What would be owed for too long to be counted is as if all had been taken.
 * Return: false: it would.
 */
static bool convert_word(const struct bucket *bucket, const struct bucket_rules *from, const struct bucket_rules *to,
			 unsigned i, uint64_t word, uint64_t queued, uint64_t now, uint64_t *ret) {
	const struct gcra_rule *rule = &to->rule[i];

	*ret = now;
	if (i >= from->n)
		return true;
	/* Those in line stood, or stand, on what will be there at the end of the hold. */
	if (i == 0 && bucket->line)
		now = MAX(now, bucket->line->lifted);
	if (gcra_convert(&from->rule[i], rule, without_line(word, queued), now, ret) == 0)
		return true;
	*ret = saturate((wide)now + rule->tolerance);
	return false;
}

bool bucket_can_convert(const struct bucket *bucket, const struct bucket_rules *from, const struct bucket_rules *to,
			int64_t now_ns) {
	uint64_t now = gcra_ticks_saturated(now_ns), queued = queued_ticks(bucket, from), converted;

	for (unsigned i = 0; i < MIN(from->n, to->n); i++)
		if (!convert_word(bucket, from, to, i, read_word(bucket, i), queued, now, &converted))
			return false;
	return now < GCRA_TICKS_MAX;
}

/* Those whose cost fits no more leave; the others have theirs in the word by the new rules. */
static void refit_line(struct bucket *bucket, const struct bucket_rules *to, struct waiter_list *unfit) {
	struct waiter *waiter, *next;

	for (waiter = TAILQ_FIRST(&bucket->line->waiters); waiter; waiter = next) {
		next = TAILQ_NEXT(waiter, link);
		bucket->line->n_tight -= waiter->tight;
		waiter->tight = is_tight(to, waiter->cost);
		bucket->line->n_tight += waiter->tight;
		if (bucket_fits(to, waiter->cost))
			continue;
		unlink_waiter(bucket, waiter);
		TAILQ_INSERT_TAIL(unfit, waiter, link);
	}
	bucket->line->looks_again = bucket_has_line(bucket);
}

void bucket_convert(struct bucket *bucket, const struct bucket_rules *from, const struct bucket_rules *to,
		    _Atomic uint64_t *words, int64_t now_ns, struct waiter_list *list) {
	uint64_t now = gcra_ticks_saturated(now_ns), queued = queued_ticks(bucket, from), before, after;
	_Atomic uint64_t *former = bucket->words;

	if (bucket_has_line(bucket))
		refit_line(bucket, to, list);
	forget_outlook(bucket);
	for (unsigned i = 0; i < to->n; i++)
		do {
			before = i < from->n || words == former ? atomic_load_explicit(&former[i], memory_order_acquire)
								: 0;
			(void)convert_word(bucket, from, to, i, before, queued, now, &after);
			after = saturate((wide)after + queued_ticks(bucket, to));
			if (words != former) {
				atomic_store_explicit(&words[i], after, memory_order_release);
				break;
			}
			/* Of a word that stays where it is clients may take meanwhile. */
		} while (!swap_word(bucket, i, before, after));
	bucket->words = words;
}

int64_t bucket_full_at(const struct bucket *bucket, const struct bucket_rules *rules) {
	int64_t full_at = bucket->hold_until_ns;

	if (bucket_has_line(bucket))
		return INT64_MAX;
	for (unsigned i = 0; i < rules->n; i++)
		full_at = MAX(full_at, gcra_nsec(read_word(bucket, i)));
	return full_at;
}
