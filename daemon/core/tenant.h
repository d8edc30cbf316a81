/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A tenant: one uid's share of the core.  It has a queue of timers per clock, so that another one's
 * million costs it nothing, its names, the detached timers and those kept after their end; and it
 * counts what it uses, for peer/quota to judge.
 */

#include "daemon/core/source.h"

/* The tenant that is no uid's: it has the limiters that configuration gives to all.  No process has this uid. */
#define TENANT_OF_ALL ((uid_t)-1)

struct scheduler;
struct timer;

/* What a uid uses at this moment: each member is a size_t. */
struct tenant_use {
	size_t timers; /* live ones, attachments included; finished ones not */
	size_t command_bytes; /* commands, environments and kept output, finished ones included */
	size_t jobs; /* running */
	size_t limiters;
	size_t keys; /* that its keyed limiters may have */
	size_t claims; /* who waits for a limiter, and held permits */
	size_t descriptors; /* that are watched */
	size_t paths; /* that are watched */
	size_t subscriptions; /* to topics */
	size_t message_bytes; /* of topics, that its subscriptions have not taken */
};

/* The same of all uids together; what configuration defines is not among it. */
struct shared_use {
	struct tenant_use sum; /* but for command_bytes and jobs */
	struct tenant_use users; /* how many uids use any of it */
};

/*
 * Where `users` uids use `sum` of a pool together, may one of them use `used`, which is in that sum?  As dbus-broker has it: what one
 * uses must be left once more for each that uses anything, itself among them.  The first one gets half of the pool, the second a
 * sixth, the k-th 1/(k·(k+1)); whoever comes later still finds something.  UINT64_MAX: there is no pool.
 */
static inline bool is_fair_share(uint64_t used, uint64_t users, uint64_t sum, uint64_t pool) {
	uint64_t needed;

	return pool == UINT64_MAX ||
	       (sum <= pool && !__builtin_mul_overflow(users, used, &needed) && needed <= pool - sum);
}

/* How much more, of which each is used by that uid and counts into the sum, it may use, as is_fair_share() has it. */
static inline uint64_t fair_share_left(uint64_t used, uint64_t users, uint64_t sum, uint64_t pool) {
	if (pool == UINT64_MAX)
		return UINT64_MAX;
	return is_fair_share(used, users, sum, pool) ? (pool - sum - users * used) / (users + 1) : 0;
}

const struct tenant_use *tenant_use(const struct tenant *tenant);
uid_t tenant_uid(const struct tenant *tenant);

/* The owner of its detached timers. */
struct owner *tenant_owner(struct tenant *tenant);

/* Return: the timer of that id or name, finished ones included; NULL: none of this tenant. */
struct timer *tenant_find_id(struct tenant *tenant, uint64_t id);
struct timer *tenant_find_name(struct tenant *tenant, const char *name);

/* The tenant's first timer with an id above `after`, finished ones included; NULL: no more. */
struct timer *tenant_next(struct tenant *tenant, uint64_t after);
