/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A bucket: what a rate limiter grants from.  One word of proto/gcra.h per rule, a hold, and the line of those who wait.
 *
 * With one rule the cost of everybody in line is inside the word, so that whoever tries, by request or in shared
 * memory, finds the bucket taken; the first in line is granted at TAT − tolerance − interval · (cost behind him), and
 * leaving the line gives back exactly what joining it took.  With several rules the first in line is charged when he is granted.
 *
 * A grant that comes later than it could have (nobody is woken in zero time) counts from when it really came: so the
 * grants in any window, by the times in their answers, never exceed burst + rate · window.
 *
 * Time is an argument, in ns of boottime.  A bucket reads no clock and never calls back.  Whoever uses it hands out what is
 * due, with bucket_grant(), before anything else, and looks with bucket_expire() after each call that may have moved grants.
 */

#include <stdatomic.h>
#include <sys/queue.h>

#include "proto/gcra.h"

#define BUCKET_RULES_MAX 8

/* What every bucket of a limiter obeys.  All rules must allow. */
struct bucket_rules {
	struct gcra_rule rule[BUCKET_RULES_MAX];
	unsigned n;
	uint64_t max_debt; /* tokens that bucket_charge() may go below empty */
};

/* Somebody in line; embedded in what waits. */
struct waiter {
	TAILQ_ENTRY(waiter) link; /* line::waiters */
	uint64_t cost;
	int64_t latest_ns; /* a later grant is of no use to him; INT64_MAX: any */
	uint64_t time; /* line::end_is_known: ticks: when he will be granted */
	size_t position; /* the same: so many are before him */
	bool tight; /* he needs all of a full bucket: how late he is granted may move those behind him */
};

TAILQ_HEAD(waiter_list, waiter);

/* How things will stand when everybody up to some place in the line has been granted. */
struct outlook {
	uint64_t words[BUCKET_RULES_MAX]; /* without what the line has in them */
	uint64_t time; /* of the last of those grants, ticks */
	unsigned last; /* the rule that it waited for */
	size_t n_past; /* who have been granted */
};

/* Those who wait; made when the first one comes, for few buckets ever have one. */
struct line {
	struct waiter_list waiters;
	uint64_t cost; /* of all of them */
	size_t length;
	size_t n_tight;
	uint64_t
		lifted; /* ticks: the first word has been lifted to the end of a hold, and counts from there; kept when nobody is in line */
	int64_t earliest_ns; /* nobody has a waiter::latest_ns before that */
	int64_t looked_ns; /* when bucket_expire() has looked at all of them */
	bool looks_again; /* and has been asked to, too soon after that */
	struct outlook end; /* behind everybody; kept, so that to ask and to join do not take a walk along the line */
	bool end_is_known;
	struct waiter *unlooked; /* the walk to the end has come as far as him; NULL: none is under way */
};

struct bucket {
	_Atomic uint64_t *words; /* one per rule; the first may lie in memory that clients share */
	struct line *line; /* NULL: nobody has ever waited */
	int64_t hold_until_ns; /* nothing is granted before; 0: no hold */
};

/* The answer to whoever asks. */
struct grant {
	bool allowed;
	uint64_t remaining, limit;
	int64_t retry_after_ns, reset_after_ns;
	int64_t now_ns; /* of the decision */
	unsigned denied_by; /* index of the rule that is the last to allow */
};

enum {
	BUCKET_E_COST = 1, /* above the burst of a rule, or the debt would grow beyond max_debt */
	BUCKET_E_RANGE, /* a time or a debt beyond what can be counted */
	BUCKET_E_DENIED, /* bucket_wait: the grant would come too late; nothing has changed */
	BUCKET_E_QUEUED, /* bucket_wait: in line now */
};

/* Can so many tokens ever be granted at once? */
bool bucket_fits(const struct bucket_rules *rules, uint64_t cost);

/* A full bucket; `words` is borrowed and has room for rules->n. */
void bucket_init(struct bucket *bucket, const struct bucket_rules *rules, _Atomic uint64_t *words);
void bucket_deinit(struct bucket *bucket); /* nobody may be in line */

/*
 * While somebody is in line, what is said of the bucket may take a walk along the line, of which the result is kept as long as nothing
 * changes.  Go on with it, past `n` of them at most.  Return: nothing that is asked now takes long.
 */
bool bucket_look_ahead(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, size_t n);

/* The same for bucket_expected(), for which it takes one in any line. */
bool bucket_look_along(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, size_t n);

/*
 * Take `cost` tokens, or none.  While somebody is in line, nothing is allowed.  A cost of 0 changes nothing and tells
 * whether 1 would be allowed.  Return: 0 (see ret->allowed), BUCKET_E_COST, BUCKET_E_RANGE.
 */
int bucket_try(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, uint64_t cost,
	       struct grant *ret);

/* The same without taking anything.  `ret_words`, unless NULL, gets the rules->n words by which it was decided. */
int bucket_peek(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, uint64_t cost,
		uint64_t *ret_words, struct grant *ret);

/* Take as many as there are, at most `cost`; *ret_taken may be 0. */
int bucket_take_up_to(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, uint64_t cost,
		      uint64_t *ret_taken, struct grant *ret);

/*
 * Take `cost` tokens now, or join the line, unless the grant would come later than waiter->latest_ns.  `waiter` has cost
 * and latest_ns filled in.  Return: 0: allowed, BUCKET_E_QUEUED, BUCKET_E_DENIED, BUCKET_E_COST, BUCKET_E_RANGE, -ENOMEM.
 */
int bucket_wait(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, struct waiter *waiter,
		struct grant *ret);

/* Join the line, whatever there is to take; `waiter` as above.  Return: 0, BUCKET_E_COST, BUCKET_E_RANGE, -ENOMEM. */
int bucket_join(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, struct waiter *waiter);

/* Does somebody wait? */
bool bucket_has_line(const struct bucket *bucket);

/* From now on joining the line needs no memory.  Return: 0, -ENOMEM. */
int bucket_make_line(struct bucket *bucket);

/* Leave the line; what joining it took is given back. */
void bucket_leave(struct bucket *bucket, const struct bucket_rules *rules, struct waiter *waiter);

/* When the first in line will be granted, or it is time for bucket_expire() again; INT64_MAX: nobody is in line. */
int64_t bucket_next(const struct bucket *bucket, const struct bucket_rules *rules);

/* Grant the first in line, if it is time.  Return: him, out of the line; NULL: nobody yet. */
struct waiter *bucket_grant(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, struct grant *ret);

/*
 * Take those out of the line whose grant has moved beyond their latest_ns, and append them to `list`.  What would take too long at once is
 * left, and to be done when bucket_looks_again(): more than so many of them; and to look at a long line that was looked at just now.
 */
void bucket_expire(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, struct waiter_list *list);

bool bucket_looks_again(const struct bucket *bucket, int64_t now_ns);

/* The first in line, where it is known before that that his grant comes too late; out of the line.  Return: NULL: it does not. */
struct waiter *bucket_late(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns);

/* When `waiter`, who is in line, will be granted, as things stand; *ret_position: 0: he is the first. */
int64_t bucket_expected(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns,
			const struct waiter *waiter, size_t *ret_position);

/* Give back, never beyond full. */
void bucket_refund(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, uint64_t cost);

/* Take whether it is there or not.  Return: 0, BUCKET_E_COST, BUCKET_E_RANGE. */
int bucket_charge(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns, uint64_t cost);

/* Grant nothing before `until_ns`; an earlier hold is not shortened. */
void bucket_hold(struct bucket *bucket, const struct bucket_rules *rules, int64_t until_ns);

/* Full again, no hold; those in line stay there and are granted from it. */
void bucket_reset(struct bucket *bucket, const struct bucket_rules *rules, int64_t now_ns);

/* As if all had been taken at `at_ns`, whatever was in the word of its one rule; what is in line stays in line. */
void bucket_rewrite(struct bucket *bucket, const struct bucket_rules *rules, int64_t at_ns);

/* From rule number `first` on, as if all had been taken at `at_ns`, or later; what is in line stays in line. */
void bucket_drain(struct bucket *bucket, const struct bucket_rules *rules, unsigned first, int64_t at_ns);

/* The rules->n words, without what the line has in them. */
void bucket_read(const struct bucket *bucket, const struct bucket_rules *rules, uint64_t *ret_words);

/* Would bucket_convert() keep all that is owed? */
bool bucket_can_convert(const struct bucket *bucket, const struct bucket_rules *from, const struct bucket_rules *to,
			int64_t now_ns);

/*
 * The rules change; tokens are kept as far as they fit, rules that are new begin full, and under a rule by which more is owed than can be
 * counted it is as if all had been taken.  `words` is borrowed from now on in place of the present ones (it may be the same) and has
 * room for to->n.  Those in line whose cost fits no more are appended to `list`; the others are due for
 * bucket_expire().
 */
void bucket_convert(struct bucket *bucket, const struct bucket_rules *from, const struct bucket_rules *to,
		    _Atomic uint64_t *words, int64_t now_ns, struct waiter_list *list);

/* From when on it can be forgotten: full and not held, a new one would be the same.  INT64_MAX: somebody is in line. */
int64_t bucket_full_at(const struct bucket *bucket, const struct bucket_rules *rules);
