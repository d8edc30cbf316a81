/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What a uid may use, what all may use together, and what the sessions of a uid have used of this turn.  How much of most things is
 * used is counted by the core (core/tenant.h); sessions, their bytes and time are counted here.
 */

#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/peer/closer.h"
#include "proto/base.h"
#include "proto/evloop.pb-c.h"

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
	QUOTA_BYTES, /* of socket buffers, and of what has been received or is to be sent and waits in memory */
	QUOTA_MAX,
};

/* Of all uids together. */
struct quota_sum {
	uint64_t sum;
	uint64_t users; /* uids that have any of it */
};

/* What a uid has had of a turn of the loop. */
struct turn_share {
	uint64_t turn; /* that `spent_ns` belongs to */
	int64_t spent_ns;
};

struct account {
	struct quota *quota;
	LIST_ENTRY(account) link; /* quota::accounts */
	uid_t uid;
	size_t refs;
	uint64_t sessions, bytes;
	size_t n_stored; /* of the sessions, by session-store.c */
	struct turn_share heard, told, dropped; /* requests; events; what its sessions have left behind */
	int64_t charged_ns; /* up to that time */
	struct closer closer; /* of what its sessions sent; holds a reference while it is busy */
};

struct quota {
	uint64_t limits[QUOTA_MAX]; /* of each uid */
	uint64_t pools[QUOTA_MAX]; /* of all together; UINT64_MAX: there is no pool */
	struct quota_sum sessions, bytes;
	LIST_HEAD(, account) accounts; /* of the uids that are connected */
};

/* The shipped limits; `system`: of an instance that serves many uids. */
void quota_init(struct quota *quota, bool system);

/* "timers=5000".  Return: NULL, or what is wrong with it. */
const char *quota_set(struct quota *quota, const char *assignment);

/* As quota_set() and the answer to a request know it: "command-bytes". */
const char *quota_name(enum quota_limit limit);

/* The limit that a file of the configuration calls so: "CommandBytes".  Return: QUOTA_MAX: there is none. */
enum quota_limit quota_find_key(const char *key);

/* The account of that uid, with a reference.  Return: 0, -ENOMEM. */
int quota_account(struct quota *quota, uid_t uid, struct account **ret);
struct account *account_unref(struct account *account);

/* Let go of the accounts whose closers are still busy; no session is left. */
void quota_deinit(struct quota *quota);

/* Can others than the daemon's own uid have any of it, so that it is shared? */
bool quota_has_pool(enum quota_limit limit);

/* These limits and pools from now on; what is used stays used. */
void quota_change(struct quota *quota, const struct quota *to);

/* A session more or less, and so many bytes. */
void account_count_sessions(struct account *account, int64_t n);
void account_count_bytes(struct account *account, int64_t n);

struct tenant_use; /* core/tenant.h */
struct shared_use;

/* What is used of one thing. */
struct quota_use {
	uint64_t used; /* by the uid */
	uint64_t sum; /* by all */
	uint64_t users; /* how many uids use any */
};

/* `use` and `shared` are what the core has counted of the uid and of all. */
struct quota_use quota_used(enum quota_limit limit, const struct account *account, const struct tenant_use *use,
			    const struct shared_use *shared);

/* Why a uid may not have what it asks for. */
struct quota_refusal {
	uid_t uid;
	Evloop__Error error; /* status, message and the fields of a limit */
	char message[192];
	char fields[192]; /* for the log */
};

/* How much more may a uid use? */
uint64_t quota_left(const struct quota *quota, enum quota_limit limit, const struct quota_use *use);

/* May the uid use `asked` more?  Where not, *ret says why, and points at itself. */
bool quota_allows(const struct quota *quota, uid_t uid, enum quota_limit limit, const struct quota_use *use,
		  uint64_t asked, struct quota_refusal *ret);
