/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bucket under made-up time, against the definition of the algorithm, and in a line of random people. */

#include "tests/unit/test.h"

#include <string.h>

#include "daemon/core/bucket.h"

#define SEC NSEC_PER_SEC
#define START (1000 * SEC) /* boottime when a test begins */

struct fixture {
	struct bucket_rules rules;
	_Atomic uint64_t words[BUCKET_RULES_MAX];
	struct bucket bucket;
	uint64_t reference[BUCKET_RULES_MAX]; /* TATs of a bucket that sees nothing but the grants */
};

static void add_rule(struct fixture *f, uint64_t tokens, int64_t period_ns, uint64_t burst) {
	assert_int_equal(gcra_rule_init(&f->rules.rule[f->rules.n++], tokens, period_ns, burst), 0);
}

static void begin(struct fixture *f) {
	bucket_init(&f->bucket, &f->rules, f->words);
}

static void one_rule(struct fixture *f, uint64_t tokens, int64_t period_ns, uint64_t burst) {
	*f = (struct fixture){ 0 };
	add_rule(f, tokens, period_ns, burst);
	begin(f);
}

/* Every grant must fit the definition, as if it were the only kind of thing that happens to the bucket. */
static void check_grant(struct fixture *f, int64_t now_ns, uint64_t cost) {
	for (unsigned i = 0; i < f->rules.n; i++) {
		const struct gcra_rule *rule = &f->rules.rule[i];
		uint64_t now = (uint64_t)now_ns * GCRA_TICKS_PER_NSEC;
		uint64_t after = MAX(f->reference[i], now) + cost * rule->interval;

		assert_true(after - rule->tolerance <= now || after < rule->tolerance);
		f->reference[i] = after;
	}
}

static bool try_take(struct fixture *f, int64_t now_ns, uint64_t cost, struct grant *ret) {
	assert_int_equal(bucket_try(&f->bucket, &f->rules, now_ns, cost, ret), 0);
	return ret->allowed;
}

static void test_burst_then_rate(void **state _unused_) {
	struct fixture f;
	struct grant grant;

	one_rule(&f, 10, SEC, 10);
	for (unsigned i = 0; i < 10; i++) {
		assert_true(try_take(&f, START, 1, &grant));
		assert_int_equal(grant.remaining, 9 - i);
		assert_int_equal(grant.limit, 10);
		assert_int_equal(grant.retry_after_ns, 0);
	}
	assert_false(try_take(&f, START, 1, &grant));
	assert_int_equal(grant.retry_after_ns, SEC / 10);
	assert_int_equal(grant.reset_after_ns, SEC);
	assert_false(try_take(&f, START + SEC / 10 - 1, 1, &grant));
	assert_int_equal(grant.retry_after_ns, 1);
	assert_true(try_take(&f, START + SEC / 10, 1, &grant));
	bucket_deinit(&f.bucket);
}

static void test_cost(void **state _unused_) {
	struct fixture f;
	struct grant grant;
	uint64_t taken;

	one_rule(&f, 10, SEC, 10);
	assert_int_equal(bucket_try(&f.bucket, &f.rules, START, 11, &grant), BUCKET_E_COST);
	assert_true(try_take(&f, START, 0, &grant));
	assert_int_equal(grant.remaining, 10);
	assert_true(try_take(&f, START, 7, &grant));
	assert_int_equal(bucket_take_up_to(&f.bucket, &f.rules, START, 5, &taken, &grant), 0);
	assert_int_equal(taken, 3);
	assert_false(try_take(&f, START, 0, &grant));
	assert_int_equal(bucket_take_up_to(&f.bucket, &f.rules, START, 5, &taken, &grant), 0);
	assert_int_equal(taken, 0);
	assert_int_equal(bucket_try(&f.bucket, &f.rules, -1, 1, &grant), BUCKET_E_RANGE);
	assert_int_equal(bucket_try(&f.bucket, &f.rules, INT64_MAX, 1, &grant), BUCKET_E_RANGE);
	bucket_deinit(&f.bucket);
}

static void test_all_rules_or_none(void **state _unused_) {
	struct fixture f = { 0 };
	struct grant grant;

	add_rule(&f, 10, SEC, 10);
	add_rule(&f, 100, 60 * SEC, 12);
	begin(&f);
	assert_true(try_take(&f, START, 10, &grant));
	assert_int_equal(grant.remaining, 0);
	assert_false(try_take(&f, START, 1, &grant));
	assert_int_equal(grant.denied_by, 0);
	/* The first has 10 again after a second, the second one 2 and 1.67 more: it denies, and the first keeps its tokens. */
	assert_false(try_take(&f, START + SEC, 5, &grant));
	assert_int_equal(grant.denied_by, 1);
	assert_int_equal(grant.remaining, 3);
	assert_int_equal(grant.limit, 10);
	assert_true(try_take(&f, START + SEC, 3, &grant));
	bucket_deinit(&f.bucket);
}

static void test_refund_charge_reset_hold(void **state _unused_) {
	struct fixture f;
	struct grant grant;

	one_rule(&f, 10, SEC, 10);
	f.rules.max_debt = 5;
	assert_true(try_take(&f, START, 6, &grant));
	bucket_refund(&f.bucket, &f.rules, START, 2);
	assert_true(try_take(&f, START, 6, &grant));
	bucket_refund(&f.bucket, &f.rules, START, 1000);
	assert_int_equal(bucket_peek(&f.bucket, &f.rules, START, 1, NULL, &grant), 0);
	assert_int_equal(grant.remaining, 10);

	assert_int_equal(bucket_charge(&f.bucket, &f.rules, START, 15), 0);
	assert_int_equal(bucket_charge(&f.bucket, &f.rules, START, 1), BUCKET_E_COST);
	assert_false(try_take(&f, START, 1, &grant));
	assert_int_equal(grant.retry_after_ns, 6 * SEC / 10);

	bucket_reset(&f.bucket, &f.rules, START);
	bucket_hold(&f.bucket, &f.rules, START + 3 * SEC);
	bucket_hold(&f.bucket, &f.rules, START + SEC);
	assert_false(try_take(&f, START, 1, &grant));
	assert_int_equal(grant.retry_after_ns, 3 * SEC);
	assert_int_equal(grant.remaining, 0);
	assert_false(try_take(&f, START + 3 * SEC - 1, 1, &grant));
	assert_true(try_take(&f, START + 3 * SEC, 10, &grant));
	bucket_deinit(&f.bucket);
}

/* ---- the line ---- */

static void join(struct fixture *f, struct waiter *waiter, int64_t now_ns, uint64_t cost, int expected) {
	struct grant grant;

	*waiter = (struct waiter){ .cost = cost, .latest_ns = INT64_MAX };
	assert_int_equal(bucket_wait(&f->bucket, &f->rules, now_ns, waiter, &grant), expected);
}

/* Wake up exactly when the bucket says so. */
static struct waiter *next_granted(struct fixture *f, int64_t *now_ns) {
	struct waiter *waiter;
	struct grant grant;

	if (bucket_next(&f->bucket, &f->rules) == INT64_MAX)
		return NULL;
	*now_ns = MAX(*now_ns, bucket_next(&f->bucket, &f->rules));
	assert_null(bucket_grant(&f->bucket, &f->rules, MIN(*now_ns, bucket_next(&f->bucket, &f->rules)) - 1, &grant));
	waiter = bucket_grant(&f->bucket, &f->rules, *now_ns, &grant);
	assert_non_null(waiter);
	assert_true(grant.allowed);
	return waiter;
}

static void test_six_takers(void **state _unused_) {
	struct waiter waiters[6];
	struct fixture f;
	int64_t now = START;

	one_rule(&f, 2, SEC, 2);
	for (unsigned i = 0; i < 6; i++)
		join(&f, &waiters[i], START, 1, i < 2 ? 0 : BUCKET_E_QUEUED);
	for (unsigned i = 2; i < 6; i++) {
		assert_ptr_equal(next_granted(&f, &now), &waiters[i]);
		assert_int_equal(now, START + (i - 1) * (SEC / 2));
	}
	assert_null(next_granted(&f, &now));
	bucket_deinit(&f.bucket);
}

static void test_too_long_a_wait_changes_nothing(void **state _unused_) {
	struct waiter first, late = { .cost = 1, .latest_ns = START + SEC - 1 };
	struct fixture f;
	struct grant grant;

	one_rule(&f, 1, SEC, 1);
	assert_true(try_take(&f, START, 1, &grant));
	assert_int_equal(bucket_wait(&f.bucket, &f.rules, START, &late, &grant), BUCKET_E_DENIED);
	assert_int_equal(grant.retry_after_ns, SEC);
	late.latest_ns++;
	assert_int_equal(bucket_wait(&f.bucket, &f.rules, START, &late, &grant), BUCKET_E_QUEUED);
	bucket_leave(&f.bucket, &f.rules, &late);
	join(&f, &first, START, 1, BUCKET_E_QUEUED);
	assert_int_equal(bucket_next(&f.bucket, &f.rules), START + SEC);
	assert_false(try_take(&f, START + SEC, 1, &grant));
	assert_int_equal(grant.retry_after_ns, SEC);
	bucket_leave(&f.bucket, &f.rules, &first);
	bucket_deinit(&f.bucket);
}

/* Half of a line goes away before anybody was granted: the others are granted as if only they had come. */
static void line_with_leavers(unsigned n_rules) {
	struct waiter all[100], some[100];
	struct fixture f = { 0 }, g = { 0 };
	int64_t now_f = START, now_g = START;
	struct grant grant;

	add_rule(&f, 7, SEC, 5);
	if (n_rules == 2)
		add_rule(&f, 100, 60 * SEC, 20);
	g = f;
	begin(&f);
	begin(&g);
	assert_true(try_take(&f, START, 5, &grant));
	assert_true(try_take(&g, START, 5, &grant));
	for (unsigned i = 0; i < 100; i++) {
		join(&f, &all[i], START + i, 1 + i % 5, BUCKET_E_QUEUED);
		if (i * 7 % 13 < 6)
			join(&g, &some[i], START + i, 1 + i % 5, BUCKET_E_QUEUED);
	}
	for (unsigned i = 0; i < 100; i++)
		if (i * 7 % 13 >= 6)
			bucket_leave(&f.bucket, &f.rules, &all[i]);
	for (;;) {
		struct waiter *a = next_granted(&f, &now_f), *b = next_granted(&g, &now_g);

		assert_int_equal(!a, !b);
		if (!a)
			break;
		assert_int_equal(a - all, b - some);
		assert_int_equal(now_f, now_g);
	}
	bucket_deinit(&f.bucket);
	bucket_deinit(&g.bucket);
}

static void test_leavers_give_back_exactly(void **state _unused_) {
	line_with_leavers(1);
	line_with_leavers(2);
}

static void test_hold_and_reset_with_a_line(void **state _unused_) {
	struct waiter waiters[4];
	struct fixture f;
	int64_t now = START;

	one_rule(&f, 1, SEC, 1);
	for (unsigned i = 0; i < 4; i++)
		join(&f, &waiters[i], START, 1, i == 0 ? 0 : BUCKET_E_QUEUED);
	bucket_hold(&f.bucket, &f.rules, START + 10 * SEC);
	for (unsigned i = 1; i < 3; i++) {
		assert_ptr_equal(next_granted(&f, &now), &waiters[i]);
		assert_int_equal(now, START + (9 + i) * SEC);
	}
	bucket_reset(&f.bucket, &f.rules, now);
	assert_int_equal(bucket_next(&f.bucket, &f.rules), now);
	assert_ptr_equal(next_granted(&f, &now), &waiters[3]);
	bucket_deinit(&f.bucket);
}

static void test_expire(void **state _unused_) {
	struct waiter_list list = TAILQ_HEAD_INITIALIZER(list);
	struct waiter waiters[4];
	struct fixture f;
	struct grant grant;

	one_rule(&f, 1, SEC, 1);
	f.rules.max_debt = 100;
	assert_true(try_take(&f, START, 1, &grant));
	for (unsigned i = 0; i < 4; i++) {
		waiters[i] = (struct waiter){ .cost = 1, .latest_ns = START + (i == 2 ? 3 : 6) * SEC };
		assert_int_equal(bucket_wait(&f.bucket, &f.rules, START, &waiters[i], &grant), BUCKET_E_QUEUED);
	}
	bucket_expire(&f.bucket, &f.rules, START, &list);
	assert_true(TAILQ_EMPTY(&list));
	/* Two seconds later for all: the third would come at 5 s, which is too late, and the fourth moves up in his place. */
	assert_int_equal(bucket_charge(&f.bucket, &f.rules, START, 2), 0);
	bucket_expire(&f.bucket, &f.rules, START, &list);
	assert_ptr_equal(TAILQ_FIRST(&list), &waiters[2]);
	assert_null(TAILQ_NEXT(&waiters[2], link));
	assert_int_equal(bucket_next(&f.bucket, &f.rules), START + 3 * SEC);
	for (unsigned i = 0; i < 4; i++)
		if (i != 2)
			bucket_leave(&f.bucket, &f.rules, &waiters[i]);
	bucket_deinit(&f.bucket);
}

static void test_convert(void **state _unused_) {
	struct waiter_list list = TAILQ_HEAD_INITIALIZER(list);
	struct waiter small, large;
	struct bucket_rules to = { .n = 1 };
	struct fixture f;
	struct grant grant;
	int64_t now = START;

	one_rule(&f, 1, SEC, 10);
	assert_true(try_take(&f, START, 6, &grant));
	join(&f, &large, START, 8, BUCKET_E_QUEUED); /* in 4 s */
	join(&f, &small, START, 1, BUCKET_E_QUEUED);
	assert_int_equal(gcra_rule_init(&to.rule[0], 10, SEC, 5), 0);
	assert_true(bucket_can_convert(&f.bucket, &f.rules, &to, START));
	bucket_convert(&f.bucket, &f.rules, &to, f.words, START, &list);
	f.rules = to;
	assert_ptr_equal(TAILQ_FIRST(&list), &large);
	/* Four tokens were kept. */
	assert_ptr_equal(next_granted(&f, &now), &small);
	assert_int_equal(now, START);
	assert_true(try_take(&f, START, 3, &grant));
	assert_false(try_take(&f, START, 1, &grant));
	assert_int_equal(grant.retry_after_ns, SEC / 10);
	bucket_deinit(&f.bucket);
}

/* What nobody honest has written, or owes: it is as if all had been taken, under each of the new rules. */
static void test_convert_nonsense(void **state _unused_) {
	struct waiter_list list = TAILQ_HEAD_INITIALIZER(list);
	struct bucket_rules to = { .n = 2 };
	struct fixture f;
	struct grant grant;

	assert_int_equal(gcra_rule_init(&to.rule[0], 1, 3600 * SEC, 5), 0);
	assert_int_equal(gcra_rule_init(&to.rule[1], 2, SEC, 5), 0);
	one_rule(&f, 1000, SEC, 10);
	atomic_store(&f.words[0], UINT64_MAX);
	assert_false(bucket_can_convert(&f.bucket, &f.rules, &to, START));
	bucket_convert(&f.bucket, &f.rules, &to, f.words, START, &list);
	f.rules = to;
	assert_false(try_take(&f, START, 1, &grant));
	assert_int_equal(grant.retry_after_ns, 3600 * SEC);
	assert_true(try_take(&f, START + 3600 * SEC, 1, &grant));
	bucket_deinit(&f.bucket);
}

/* ---- at random ---- */

static struct random chance;

static uint64_t below(uint64_t n) {
	return random_below(&chance, n);
}

#define PEOPLE 40

struct crowd {
	struct fixture f;
	bool changes; /* not only by those who take, so that f.reference says nothing */
	struct waiter people[PEOPLE];
	bool waiting[PEOPLE];
	unsigned n_waiting;
	int64_t now;
	unsigned granted, left, expired;
};

/* Hand out what is due, in order, sometimes late; then look who gave up. */
static void crowd_advance(struct crowd *c, int64_t late_ns) {
	struct waiter_list list = TAILQ_HEAD_INITIALIZER(list);
	struct waiter *waiter;
	struct grant grant;

	c->now += late_ns;
	while ((waiter = bucket_grant(&c->f.bucket, &c->f.rules, c->now, &grant))) {
		assert_true(c->waiting[waiter - c->people]);
		c->waiting[waiter - c->people] = false;
		c->n_waiting--;
		c->granted++;
		if (!c->changes)
			check_grant(&c->f, c->now, waiter->cost);
	}
	bucket_expire(&c->f.bucket, &c->f.rules, c->now, &list);
	TAILQ_FOREACH(waiter, &list, link) {
		c->waiting[waiter - c->people] = false;
		c->n_waiting--;
		c->expired++;
	}
	for (unsigned i = 0; i < PEOPLE; i++) {
		size_t position;

		if (c->waiting[i])
			assert_true(bucket_expected(&c->f.bucket, &c->f.rules, c->now, &c->people[i], &position) <=
				    c->people[i].latest_ns);
	}
}

/* What is known of the places in line is what a walk along it would find. */
static void crowd_check_places(struct crowd *c) {
	struct line *line = c->f.bucket.line;
	struct waiter known[PEOPLE];
	struct outlook end;
	size_t position;

	if (!line || line->length == 0 || !line->end_is_known)
		return;
	memcpy(known, c->people, sizeof(known));
	end = line->end;
	line->end_is_known = false;
	(void)bucket_expected(&c->f.bucket, &c->f.rules, c->now, TAILQ_FIRST(&line->waiters), &position);
	assert_int_equal(position, 0);
	for (unsigned i = 0; i < PEOPLE; i++)
		if (c->waiting[i]) {
			assert_int_equal(c->people[i].time, known[i].time);
			assert_int_equal(c->people[i].position, known[i].position);
		}
	assert_memory_equal(line->end.words, end.words, c->f.rules.n * sizeof(end.words[0]));
	assert_int_equal(line->end.time, end.time);
}

static void crowd_join(struct crowd *c, unsigned i) {
	struct waiter *waiter = &c->people[i];
	uint64_t before = atomic_load(&c->f.words[0]);
	struct grant grant;
	size_t position;
	int r;

	*waiter = (struct waiter){ .cost = 1 + below(3), .latest_ns = INT64_MAX };
	if (below(2))
		waiter->latest_ns = c->now + (int64_t)below(4 * SEC);
	r = bucket_wait(&c->f.bucket, &c->f.rules, c->now, waiter, &grant);
	if (r == 0) {
		assert_int_equal(c->n_waiting, 0); /* nobody passes a line */
		if (!c->changes)
			check_grant(&c->f, c->now, waiter->cost);
	} else if (r == BUCKET_E_QUEUED) {
		int64_t expected = bucket_expected(&c->f.bucket, &c->f.rules, c->now, waiter, &position);

		c->waiting[i] = true;
		assert_int_equal(position, c->n_waiting++);
		assert_int_equal(expected, c->now + grant.retry_after_ns);
		assert_true(expected <= waiter->latest_ns);
	} else {
		assert_int_equal(r, BUCKET_E_DENIED);
		assert_int_equal(atomic_load(&c->f.words[0]), before);
	}
}

/* As an administrator does, or who gives back what he did not need. */
static void crowd_change(struct crowd *c) {
	struct waiter_list unfit = TAILQ_HEAD_INITIALIZER(unfit);
	struct bucket_rules to = c->f.rules;
	uint64_t cost = 1 + below(5), tokens = 1 + below(20), burst = 3 + below(5);

	switch (below(5)) {
	case 0:
	case 1:
		bucket_refund(&c->f.bucket, &c->f.rules, c->now, cost);
		break;
	case 2:
		(void)bucket_charge(&c->f.bucket, &c->f.rules, c->now, cost);
		break;
	case 3:
		bucket_reset(&c->f.bucket, &c->f.rules, c->now);
		break;
	case 4:
		assert_int_equal(gcra_rule_init(&to.rule[0], tokens, SEC, burst), 0);
		bucket_convert(&c->f.bucket, &c->f.rules, &to, c->f.words, c->now, &unfit);
		assert_true(TAILQ_EMPTY(&unfit));
		c->f.rules = to;
		break;
	}
	crowd_advance(c, 0);
}

static void crowd_step(struct crowd *c) {
	unsigned i = (unsigned)below(PEOPLE);
	uint64_t cost = 1 + below(3);
	struct grant grant;

	if (c->changes && below(20) == 0)
		crowd_change(c);
	switch (below(8)) {
	case 0:
	case 1:
		if (!c->waiting[i])
			crowd_join(c, i);
		break;
	case 2:
		if (!c->waiting[i])
			break;
		bucket_leave(&c->f.bucket, &c->f.rules, &c->people[i]);
		c->waiting[i] = false;
		c->n_waiting--;
		c->left++;
		crowd_advance(c, 0);
		break;
	case 3:
		if (try_take(&c->f, c->now, cost, &grant)) {
			assert_int_equal(c->n_waiting, 0);
			if (!c->changes)
				check_grant(&c->f, c->now, cost);
		}
		break;
	case 4:
		crowd_advance(c, (int64_t)below(SEC / 4));
		break;
	case 5:
		if (below(50) == 0) {
			bucket_hold(&c->f.bucket, &c->f.rules, c->now + (int64_t)below(2 * SEC));
			crowd_advance(c, 0);
		}
		break;
	case 6: {
		int64_t next = bucket_next(&c->f.bucket, &c->f.rules);

		crowd_advance(c, next == INT64_MAX || next < c->now ? 0 : next - c->now + (int64_t)below(3));
		break;
	}
	case 7:
		(void)bucket_look_ahead(&c->f.bucket, &c->f.rules, c->now, below(10));
		crowd_check_places(c);
		break;
	}
}

static void crowd(unsigned n_rules, uint64_t seed, bool changes) {
	struct crowd c = { .changes = changes, .now = START };

	chance = (struct random){ seed };
	add_rule(&c.f, 7, SEC, 3 + below(5));
	if (n_rules == 2)
		add_rule(&c.f, 40, 10 * SEC, 20);
	c.f.rules.max_debt = changes ? 30 : 0;
	begin(&c.f);
	for (unsigned i = 0; i < 20000; i++)
		crowd_step(&c);
	assert_true(c.granted > 500 && c.left > 100 && c.expired > 0);
	/* In the end everybody who still waits is served, and the bucket fills up again. */
	for (unsigned i = 0; i < PEOPLE; i++)
		c.people[i].latest_ns = INT64_MAX;
	while (c.n_waiting > 0)
		crowd_advance(&c, bucket_next(&c.f.bucket, &c.f.rules) - c.now);
	if (!changes)
		assert_true(bucket_full_at(&c.f.bucket, &c.f.rules) > c.now);
	assert_true(bucket_full_at(&c.f.bucket, &c.f.rules) <= c.now + 100 * SEC);
	bucket_deinit(&c.f.bucket);
}

static void test_crowd(void **state _unused_) {
	for (uint64_t seed = 1; seed <= 10; seed++) {
		crowd(1, seed, false);
		crowd(2, seed, false);
		crowd(1, seed, true);
		crowd(2, seed, true);
	}
}

/* ---- a long line ---- */

#define LONG 600
#define REST_NS (LONG * 10 * NSEC_PER_USEC) /* before all of it is looked at again, at most */

/* Whoever comes too late by what happens to the line hears it, some in each turn; nobody is granted anything that is of no use any more. */
static void test_long_line(void **state _unused_) {
	static struct waiter people[LONG];
	static bool waiting[LONG];
	struct fixture f;
	struct grant grant;
	int64_t now = START;
	size_t n = 0, n_late = 0;

	one_rule(&f, 1000, SEC, 1);
	f.rules.max_debt = 100000;
	assert_true(try_take(&f, now, 1, &grant));
	chance = (struct random)RANDOM_INIT;
	for (; n < LONG; n++) {
		people[n] =
			(struct waiter){ .cost = 1, .latest_ns = now + (int64_t)(n + 1 + below(200)) * NSEC_PER_MSEC };
		assert_int_equal(bucket_wait(&f.bucket, &f.rules, now, &people[n], &grant), BUCKET_E_QUEUED);
		waiting[n] = true;
	}
	for (unsigned turn = 0; n > 0; turn++) {
		struct waiter_list late = TAILQ_HEAD_INITIALIZER(late);
		struct waiter *waiter;
		size_t n_now = 0, position;

		now += 200 * NSEC_PER_USEC;
		if (turn % 10 == 0)
			(void)bucket_charge(&f.bucket, &f.rules, now, below(4));
		if (turn % 10 == 0 || bucket_looks_again(&f.bucket, now))
			bucket_expire(&f.bucket, &f.rules, now, &late);
		TAILQ_FOREACH(waiter, &late, link) {
			waiting[waiter - people] = false;
			n_now++;
		}
		assert_in_range(n_now, 0, 128);
		while ((waiter = bucket_late(&f.bucket, &f.rules, now))) {
			waiting[waiter - people] = false;
			n_now++;
		}
		n -= n_now;
		n_late += n_now;
		while ((waiter = bucket_grant(&f.bucket, &f.rules, now, &grant))) {
			assert_true(waiting[waiter - people]);
			assert_true(now - 200 * NSEC_PER_USEC < waiter->latest_ns);
			waiting[waiter - people] = false;
			n--;
		}
		/* Of whom nobody knows yet, somebody will know soon. */
		for (size_t i = turn % 23; i < LONG; i += 23) {
			if (!waiting[i] ||
			    bucket_expected(&f.bucket, &f.rules, now, &people[i], &position) <= people[i].latest_ns)
				continue;
			assert_true(f.bucket.line->looks_again);
			assert_true(bucket_next(&f.bucket, &f.rules) <= now + REST_NS);
		}
	}
	assert_in_range(n_late, 50, LONG - 50);
	assert_int_equal(bucket_next(&f.bucket, &f.rules), INT64_MAX);
	bucket_deinit(&f.bucket);
}

/* To look ahead in parts finds what a walk along the line finds; whoever joins meanwhile is found, too. */
static void test_look_ahead(void **state _unused_) {
	static struct waiter people[LONG];
	struct grant before, after;
	struct fixture f = { 0 };
	size_t position;

	add_rule(&f, 7, SEC, 3);
	add_rule(&f, 40, 10 * SEC, 20);
	f.rules.max_debt = 100;
	begin(&f);
	assert_true(bucket_look_ahead(&f.bucket, &f.rules, START, 0));
	assert_true(try_take(&f, START, 3, &before));
	for (size_t i = 0; i < LONG; i++) {
		people[i] = (struct waiter){ .cost = 1 + i % 3, .latest_ns = INT64_MAX };
		assert_int_equal(bucket_join(&f.bucket, &f.rules, START, &people[i]), 0);
	}
	assert_false(bucket_look_ahead(&f.bucket, &f.rules, START, 0));
	assert_false(try_take(&f, START, 1, &before));
	assert_int_equal(bucket_charge(&f.bucket, &f.rules, START, 4), 0);
	for (size_t i = 1; i < LONG / 100; i++)
		assert_false(bucket_look_ahead(&f.bucket, &f.rules, START, 100));
	assert_true(bucket_look_ahead(&f.bucket, &f.rules, START, 100));
	assert_false(try_take(&f, START, 1, &after));
	assert_int_equal(after.retry_after_ns - before.retry_after_ns, SEC); /* 4 at 4 a second, the slower rule */
	assert_true(START + after.retry_after_ns >
		    bucket_expected(&f.bucket, &f.rules, START, &people[LONG - 1], &position));

	/* What changes nothing disturbs nobody. */
	bucket_refund(&f.bucket, &f.rules, START, 0);
	assert_int_equal(bucket_charge(&f.bucket, &f.rules, START, 0), 0);
	assert_int_equal(bucket_charge(&f.bucket, &f.rules, START, 1000), BUCKET_E_COST);
	bucket_hold(&f.bucket, &f.rules, 0);
	assert_true(bucket_look_ahead(&f.bucket, &f.rules, START, 0));
	bucket_leave(&f.bucket, &f.rules, &people[0]);
	assert_false(bucket_look_ahead(&f.bucket, &f.rules, START, 100));
	assert_int_equal(bucket_join(&f.bucket, &f.rules, START, &people[0]), 0);
	for (size_t i = 1; i < LONG / 100; i++)
		(void)bucket_look_ahead(&f.bucket, &f.rules, START, 100);
	assert_true(bucket_look_ahead(&f.bucket, &f.rules, START, 0));
	(void)bucket_expected(&f.bucket, &f.rules, START, &people[0], &position);
	assert_int_equal(position, LONG - 1);
	for (size_t i = 0; i < LONG; i++)
		bucket_leave(&f.bucket, &f.rules, &people[i]);
	bucket_deinit(&f.bucket);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_then_rate),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_all_rules_or_none),
		cmocka_unit_test(test_refund_charge_reset_hold),
		cmocka_unit_test(test_six_takers),
		cmocka_unit_test(test_too_long_a_wait_changes_nothing),
		cmocka_unit_test(test_leavers_give_back_exactly),
		cmocka_unit_test(test_hold_and_reset_with_a_line),
		cmocka_unit_test(test_expire),
		cmocka_unit_test(test_convert),
		cmocka_unit_test(test_convert_nonsense),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_look_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
