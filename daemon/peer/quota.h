/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What a uid may use, and what its sessions have used of this turn.  How much of most things it uses is counted by the core
 * (core/tenant.h); sessions and time are counted here.
 */

#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/peer/closer.h"
#include "proto/base.h"

enum quota_limit {
	QUOTA_SESSIONS, /* connections */
	QUOTA_TIMERS, /* armed timers, and attachments to them */
	QUOTA_COMMAND_BYTES, /* of commands and their environments, and of kept output */
	QUOTA_JOBS, /* runs at the same time */
	QUOTA_LIMITERS,
	QUOTA_KEYS, /* that keyed limiters may have */
	QUOTA_CLAIMS, /* who waits for limiters, and held permits */
	QUOTA_DESCRIPTORS, /* that are watched, or wait to be closed */
	QUOTA_PATHS, /* that are watched */
	QUOTA_SUBSCRIPTIONS, /* to topics */
	QUOTA_MESSAGE_BYTES, /* of topics, not taken yet */
	QUOTA_MAX,
};

struct account {
	LIST_ENTRY(account) link; /* quota::accounts */
	uid_t uid;
	size_t refs;
	uint64_t sessions;
	uint64_t turn; /* that `spent_ns` belongs to */
	int64_t spent_ns, charged_ns; /* in this turn; up to that time */
	struct closer closer; /* of what its sessions sent; holds a reference while it is busy */
	bool warned; /* the log knows that it has reached a limit */
};

struct quota {
	uint64_t limits[QUOTA_MAX];
	LIST_HEAD(, account) accounts; /* of the uids that are connected */
};

/* The shipped limits; `system`: of an instance that serves many uids. */
void quota_init(struct quota *quota, bool system);

/* "timers=5000".  Return: NULL, or what is wrong with it. */
const char *quota_set(struct quota *quota, const char *assignment);

/* As quota_set() and the answer to a request know it. */
const char *quota_name(enum quota_limit limit);

/* The account of that uid, with a reference.  Return: 0, -ENOMEM. */
int quota_account(struct quota *quota, uid_t uid, struct account **ret);
struct account *account_unref(struct account *account);

/* Let go of the accounts whose closers are still busy; no session is left. */
void quota_deinit(struct quota *quota);

struct tenant_use; /* core/tenant.h */

/* What a uid uses of it: `use` is what the core has counted, `account` the rest. */
uint64_t quota_used(enum quota_limit limit, const struct account *account, const struct tenant_use *use);

/* May `asked` more be used where `used` are? */
bool quota_allows(const struct quota *quota, enum quota_limit limit, uint64_t used, uint64_t asked);
