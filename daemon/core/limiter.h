/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A limiter: a name under which processes share a rate or a number of permits, and its cells, one or one per key.  What
 * a cell grants is the business of core/bucket.h and core/permits.h; who waits for it or holds it is a claim (core/claim.h).
 *
 * Everything counts from scheduler_now(): refresh it before a verb.
 */

#include "daemon/core/access.h"
#include "daemon/core/bucket.h"
#include "daemon/core/source.h"

struct limiter;
struct claim;
struct scheduler;
struct shared_memory; /* core/shared-memory.h */

enum limiter_kind {
	LIMITER_KIND_RATE,
	LIMITER_KIND_CONCURRENCY,
};

/* A rule as it was written. */
struct limiter_rate {
	uint64_t tokens;
	int64_t period_ns;
	uint64_t burst;
};

/* A definition.  limiter_spec_check() has seen it. */
struct limiter_spec {
	const char *name;
	enum limiter_kind kind;
	struct limiter_rate rates[BUCKET_RULES_MAX]; /* RATE */
	unsigned n_rates; /* 0: unlimited */
	struct bucket_rules rules; /* the same as they are obeyed: filled in by limiter_spec_check() */
	uint64_t concurrency; /* CONCURRENCY: how many permits there are */
	bool keyed; /* one cell per key */
	uint64_t max_keys; /* keyed: cells in use at the same time */
	bool deny_when_full; /* keyed: a key beyond max_keys is denied; else all such keys share one cell */
	uint64_t max_waiters; /* in one line */
};

enum {
	LIMITER_E_EXISTS = 1, /* another definition has the name */
	LIMITER_E_KIND, /* an update cannot change it, nor whether there are keys; or the verb is for the other kind */
	LIMITER_E_KEY, /* a key where there are none, or none where there are */
	LIMITER_E_COST, /* above the burst or the number of permits; or the debt would grow too large */
	LIMITER_E_RANGE, /* a time or a debt beyond what can be counted */
	LIMITER_E_DENIED, /* wait: not within max_wait; nothing has changed */
	LIMITER_E_QUEUED, /* wait: the claim is in line */
	LIMITER_E_CROWDED, /* wait: the line has max_waiters already */
	LIMITER_E_HANDLE_EXISTS,
	LIMITER_E_BUSY, /* set: not all of its keys obey its definition yet, see limiter_go_on() */
};

/* The key of a request; size 0: none. */
struct limiter_key {
	const void *data;
	size_t size; /* <= LIMITER_KEY_MAX */
};

/*
 * Check the rates, give those a burst that have none (gcra_default_burst()), and make `rules` of them.
 * Return: 0; GCRA_E_*, and in *ret_rule which of the rates it is.
 */
int limiter_spec_check(struct limiter_spec *spec, unsigned *ret_rule);

/* What it counts of tenant_use::keys. */
uint64_t limiter_keys(const struct limiter_spec *spec);

enum limiter_mode {
	LIMITER_MODE_CREATE, /* one that exists must be defined alike */
	LIMITER_MODE_UPDATE, /* one that exists is changed: tokens are kept, the line is moved; none is made */
	LIMITER_MODE_PUT, /* changed if it exists, else made */
};

enum limiter_change {
	LIMITER_CHANGE_NONE,
	LIMITER_CHANGE_CREATED,
	LIMITER_CHANGE_UPDATED,
};

/*
 * Make or change the tenant's limiter of that name.  Keys are converted in later turns, those that somebody waits for
 * first, as of now; so does everybody hear whose cost is not allowed any more.  A key that would owe more than can be
 * counted is as if all had been taken; a limiter without keys that would is not changed: LIMITER_E_RANGE.
 * Return: 0, LIMITER_E_EXISTS (*ret is the one that exists), LIMITER_E_KIND, LIMITER_E_RANGE, LIMITER_E_BUSY (again with *ret),
 * -ENOENT (UPDATE: there is none), -ENOMEM, −errno of getrandom(2).
 */
int limiter_set(struct tenant *tenant, const struct limiter_spec *spec, enum limiter_mode mode, struct limiter **ret,
		enum limiter_change *ret_change);

/* NULL: none.  Of this tenant; that all uids have another of that name is the caller's business. */
struct limiter *limiter_find(struct tenant *tenant, const char *name);

/* The tenant's first limiter with an id above `after`; NULL: no more. */
struct limiter *limiter_next(struct tenant *tenant, uint64_t after);

/* Forget it: who waits is told, permits that are out count for nothing. */
void limiter_remove(struct limiter *limiter);

/* Convert up to so many keys more.  Return: 0: none is left, and it can be changed again; 1: there are more; -ENOMEM. */
int limiter_go_on(struct limiter *limiter, size_t n);

uint64_t limiter_id(const struct limiter *limiter);
/* As it was given; borrowed. */
const struct limiter_spec *limiter_spec(const struct limiter *limiter);

/* For limiters of TENANT_OF_ALL; copied.  To look at it takes read, to take from it write. */
void limiter_set_access(struct limiter *limiter, const struct access *access);
/* Borrowed.  NULL: it is its uid's own. */
const struct access *limiter_access(const struct limiter *limiter);

/* Would that definition decide like its own, whatever it is written as? */
bool limiter_is_alike(const struct limiter *limiter, const struct limiter_spec *spec);

/* What it has done, and what it has now. */
struct limiter_info {
	uint64_t allowed, denied; /* tokens, requests */
	uint64_t keys; /* cells in use */
	uint64_t waiting, held; /* claims */
	int64_t created_realtime_ns;
	bool shared; /* clients take from it by themselves; what they count is in `allowed` and `denied` */
	uint64_t repaired; /* how often its memory was spoilt */
};
void limiter_describe(const struct limiter *limiter, struct limiter_info *ret);

/* Do so many wait for it that a verb may take long? */
bool limiter_is_crowded(const struct limiter *limiter);

/*
 * The verbs.  All hand out first what is due to those in line, as far as that is not too much for one turn.  `ret` is filled in where the result is 0.
 * Those without it only change something: limiter_peek() with a cost of 0 says what there is then.
 * Return: 0 (see ret->allowed), LIMITER_E_KEY, _COST, _RANGE, _KIND (what permits have not), -ENOMEM.
 */
int limiter_try(struct limiter *limiter, struct limiter_key key, uint64_t cost, struct grant *ret);
int limiter_peek(struct limiter *limiter, struct limiter_key key, uint64_t cost, struct grant *ret);
int limiter_take_up_to(struct limiter *limiter, struct limiter_key key, uint64_t cost, uint64_t *ret_taken,
		       struct grant *ret);
int limiter_refund(struct limiter *limiter, struct limiter_key key, uint64_t cost);
int limiter_charge(struct limiter *limiter, struct limiter_key key, uint64_t cost);
int limiter_hold(struct limiter *limiter, struct limiter_key key, int64_t duration_ns);
/* Full again, without a hold.  Permits that are out stay out. */
int limiter_reset(struct limiter *limiter, struct limiter_key key);

/* Of a long line a verb that has a grant may have to look at each; look at `n` of them now.  Return: false: there are more. */
bool limiter_look_ahead(struct limiter *limiter, struct limiter_key key, size_t n);

/* One of several from which is taken together. */
struct limiter_item {
	struct limiter *limiter;
	struct limiter_key key;
	uint64_t cost;
	struct grant grant; /* out */
};

/*
 * Take from all of them or from none; does not wait.  Rates only, and no cell twice.  *ret_item: the one that denies longest, or the
 * one that the error is about.  Return: 0: see *ret_allowed; as limiter_try().
 */
int limiter_try_all(struct limiter_item *items, size_t n, bool *ret_allowed, size_t *ret_item);

/*
 * Take, or join the line for at most `max_wait_ns` (−1: for ever).  `owner` gets a claim under `handle` where the result is
 * LIMITER_E_QUEUED, and for permits also where it is 0; its event GRANTED tells of the grant, or why there will be none.  With
 * `tell` there is such an event in any case, also of what is known at once.
 * Return: 0, LIMITER_E_QUEUED, _DENIED, _KEY, _COST, _RANGE, _CROWDED, _HANDLE_EXISTS, -ENOMEM.
 */
int limiter_wait(struct limiter *limiter, struct owner *owner, uint64_t handle, struct limiter_key key, uint64_t cost,
		 int64_t max_wait_ns, bool tell, struct claim **ret_claim, struct grant *ret);

/* Permits that somebody has already, even if the limiter would not grant them now.
 * Return: 0, LIMITER_E_KIND, _KEY, _DENIED: no room for the key; _HANDLE_EXISTS; -ENOMEM. */
int limiter_hold_again(struct limiter *limiter, struct owner *owner, uint64_t handle, struct limiter_key key,
		       uint64_t cost, struct claim **ret);

/*
 * The memory in which clients take from it by themselves; borrowed, and gone when the limiter is, or gets several rules.
 * Return: NULL: it has keys, several rules or permits, or its memory was spoilt once, or there is none.
 */
const struct shared_memory *limiter_share(struct limiter *limiter);

/* What a bucket is made of, to be kept for another daemon or to be shown.  Permits have a hold and no words. */
struct limiter_bucket {
	struct limiter_key key;
	uint64_t words[BUCKET_RULES_MAX]; /* as core/bucket.h has them */
	unsigned n;
	int64_t hold_until_ns; /* boottime */
	bool taken; /* to be restored: from it more may have been taken since, as limiter_set_drained() has it */
};

/* As limiter_peek(), and what it was decided by.  There is nothing in *ret_bucket of a key for which there is no room. */
int limiter_explain(struct limiter *limiter, struct limiter_key key, uint64_t cost, struct limiter_bucket *ret_bucket,
		    struct grant *ret);

/* The next bucket that is not full, as if nobody were in line.  *position is 0 at first; *ret borrows the key.  Return: false: no more. */
bool limiter_next_bucket(struct limiter *limiter, size_t *position, struct limiter_bucket *ret);

/* Make it so.  Return: 0; LIMITER_E_KEY, _KIND, _DENIED, _RANGE: it does not fit this limiter; -ENOMEM. */
int limiter_restore_bucket(struct limiter *limiter, const struct limiter_bucket *bucket);

/*
 * In each of its cells that is made from now on, and under each rule that is added, it is as if all had been taken at `boottime_ns`:
 * somebody may have.  0: they begin full.
 */
void limiter_set_drained(struct limiter *limiter, int64_t boottime_ns);

/* Its word of core/marks.h, where it gets one of its own, if it has none; between marks_begin() and marks_end(). */
uint32_t limiter_mark(struct limiter *limiter);

/* The limiter's first claim with an id above `after`, who waits and who holds; NULL: no more. */
struct claim *limiter_next_claim(struct limiter *limiter, uint64_t after);
