/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A limiter: a name under which processes share a rate or a number of permits, and the buckets that it has, one or one per
 * key.  What a bucket grants, and to whom, is core/bucket.h's and core/permits.h's business; who waits or holds
 * is a claim (core/claim.h).
 */

#include "daemon/core/bucket.h"
#include "daemon/core/source.h"

struct limiter;
struct claim;
struct scheduler;

enum limiter_kind {
	LIMITER_KIND_RATE,
	LIMITER_KIND_CONCURRENCY,
};

/* A definition whose ranges have been checked. */
struct limiter_spec {
	const char *name;
	enum limiter_kind kind;
	struct bucket_rules rules; /* RATE; none: unlimited */
	uint64_t concurrency; /* CONCURRENCY: how many permits there are */
	bool keyed; /* one bucket per key */
	size_t max_keys; /* keyed: buckets that are in use at the same time */
	bool deny_when_full; /* keyed: a key beyond max_keys is denied; else all such keys share one bucket */
	size_t max_waiters; /* in one line */
};

enum limiter_mode {
	LIMITER_MODE_CREATE, /* one that exists must be defined alike */
	LIMITER_MODE_UPDATE, /* one that exists is changed: tokens are kept, who waits is moved */
};

enum {
	LIMITER_E_EXISTS = 1, /* another definition, or a shared limiter, has the name */
	LIMITER_E_KEY, /* a key where there are none, or none where there are */
	LIMITER_E_COST, /* above the burst or the number of permits; or the debt would grow too large */
	LIMITER_E_RANGE,
	LIMITER_E_DENIED, /* wait: not within max_wait; nothing has changed */
	LIMITER_E_QUEUED, /* wait: the claim is in line */
	LIMITER_E_CROWDED, /* wait: the line has max_waiters already */
	LIMITER_E_KIND, /* this verb is for the other kind */
	LIMITER_E_HANDLE_EXISTS,
};

/* The key of a request; size 0: none. */
struct limiter_key {
	const void *data;
	size_t size; /* <= LIMITER_KEY_MAX */
};

/*
 * Make or change the limiter of that name.  `tenant` NULL: a shared one.
 * Return: 0, LIMITER_E_EXISTS (*ret is the one that exists), LIMITER_E_KIND (an update cannot change the kind, or whether there are
 * keys), LIMITER_E_RANGE, -ENOMEM.
 */
int limiter_set(struct scheduler *scheduler, struct tenant *tenant, const struct limiter_spec *spec,
		enum limiter_mode mode, struct limiter **ret, bool *ret_created);

/* The limiter that `name` means to this tenant: a shared one first.  NULL: none. */
struct limiter *limiter_find(struct scheduler *scheduler, struct tenant *tenant, const char *name);

/* The first limiter with an id above `after` that is shared or this tenant's; NULL: no more. */
struct limiter *limiter_next(struct scheduler *scheduler, struct tenant *tenant, uint64_t after);

/* Forget it: who waits is told, permits that are out count for nothing. */
void limiter_remove(struct limiter *limiter);

/*
 * The verbs.  All give due grants to those who wait first.  `ret` is filled in where the result is 0.
 * Return: 0 (see ret->allowed), LIMITER_E_KEY, _COST, _RANGE, _KIND (take_up_to, refund, charge of permits), -ENOMEM.
 */
int limiter_try(struct limiter *limiter, struct limiter_key key, uint64_t cost, struct grant *ret);
int limiter_peek(struct limiter *limiter, struct limiter_key key, uint64_t cost, struct grant *ret);
int limiter_take_up_to(struct limiter *limiter, struct limiter_key key, uint64_t cost, uint64_t *ret_taken,
		       struct grant *ret);
int limiter_refund(struct limiter *limiter, struct limiter_key key, uint64_t cost, struct grant *ret);
int limiter_charge(struct limiter *limiter, struct limiter_key key, uint64_t cost, struct grant *ret);
int limiter_hold(struct limiter *limiter, struct limiter_key key, int64_t duration_ns, struct grant *ret);
int limiter_reset(struct limiter *limiter, struct limiter_key key, struct grant *ret);

/* One of several that are taken together. */
struct limiter_item {
	struct limiter *limiter;
	struct limiter_key key;
	uint64_t cost;
	struct grant grant; /* out */
};

/* Take from all of them or from none; does not wait.  *ret_denied: index of the one that denies longest, or n.
 * Return: as limiter_try(); *ret_denied then is the one concerned. */
int limiter_try_all(struct limiter_item *items, size_t n, size_t *ret_denied);

/*
 * Take, or join the line for at most `max_wait_ns` (-1: for ever).  `owner` gets a claim under `handle` where the result is
 * LIMITER_E_QUEUED, and for permits also where it is 0; its event GRANTED tells of the grant, or why there will be none.
 * Return: 0, LIMITER_E_QUEUED, LIMITER_E_DENIED, _KEY, _COST, _RANGE, _CROWDED, _HANDLE_EXISTS, -ENOMEM.
 */
int limiter_wait(struct limiter *limiter, struct owner *owner, uint64_t handle, struct limiter_key key, uint64_t cost,
		 int64_t max_wait_ns, struct claim **ret_claim, struct grant *ret);
