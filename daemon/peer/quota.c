/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the limits of a uid and of all, their names and their shipped values.  Judges, and never counts what the core counts. */

#include "daemon/peer/quota.h"

#include <stdio.h>
#include <string.h>

#include "daemon/core/tenant.h"
#include "proto/limits.h"

#define KEY_MAX 24
#define NO_POOL UINT64_MAX /* only the daemon's own uid can have any */

static const struct {
	const char *name;
	uint64_t system, user, pool;
} table[QUOTA_MAX] = {
	[QUOTA_SESSIONS] = { "sessions", LIMIT_SESSIONS, LIMIT_SESSIONS_USER, POOL_SESSIONS },
	[QUOTA_TIMERS] = { "timers", LIMIT_TIMERS, LIMIT_TIMERS_USER, POOL_TIMERS },
	[QUOTA_COMMAND_BYTES] = { "command-bytes", LIMIT_COMMAND_BYTES, LIMIT_COMMAND_BYTES_USER, NO_POOL },
	[QUOTA_JOBS] = { "jobs", LIMIT_JOBS, LIMIT_JOBS_USER, NO_POOL },
	[QUOTA_LIMITERS] = { "limiters", LIMIT_LIMITERS, LIMIT_LIMITERS_USER, POOL_LIMITERS },
	[QUOTA_KEYS] = { "keys", LIMIT_KEYS, LIMIT_KEYS_USER, POOL_KEYS },
	[QUOTA_CLAIMS] = { "claims", LIMIT_CLAIMS, LIMIT_CLAIMS_USER, POOL_CLAIMS },
	[QUOTA_DESCRIPTORS] = { "descriptors", LIMIT_DESCRIPTORS, LIMIT_DESCRIPTORS_USER, POOL_DESCRIPTORS },
	[QUOTA_PATHS] = { "paths", LIMIT_PATHS, LIMIT_PATHS_USER, NO_POOL },
	[QUOTA_SUBSCRIPTIONS] = { "subscriptions", LIMIT_SUBSCRIPTIONS, LIMIT_SUBSCRIPTIONS_USER, POOL_SUBSCRIPTIONS },
	[QUOTA_MESSAGE_BYTES] = { "message-bytes", LIMIT_MESSAGE_BYTES, LIMIT_MESSAGE_BYTES_USER, POOL_MESSAGE_BYTES },
	[QUOTA_BYTES] = { "bytes", LIMIT_BYTES, LIMIT_BYTES_USER, POOL_BYTES },
};

/* A user's own instance serves one uid, which shares with nobody. */
void quota_init(struct quota *quota, bool system) {
	*quota = (struct quota){ .accounts = LIST_HEAD_INITIALIZER(quota->accounts) };
	for (unsigned i = 0; i < QUOTA_MAX; i++) {
		quota->limits[i] = system ? table[i].system : table[i].user;
		quota->pools[i] = system ? table[i].pool : NO_POOL;
	}
}

const char *quota_set(struct quota *quota, const char *assignment) {
	const char *equals = strchr(assignment, '=');
	unsigned long long value;
	char *end;

	if (!equals)
		return "NAME=VALUE is expected";
	for (unsigned i = 0; i < QUOTA_MAX; i++) {
		size_t n = strlen(table[i].name);

		if ((size_t)(equals - assignment) != n || memcmp(assignment, table[i].name, n) != 0)
			continue;
		errno = 0;
		value = strtoull(equals + 1, &end, 10);
		if (equals[1] < '0' || equals[1] > '9' || *end)
			return "the value must be a whole number";
		if (errno)
			return "the value is too large";
		if (i == QUOTA_SESSIONS && value == 0)
			return "nobody could connect";
		quota->limits[i] = value;
		return NULL;
	}
	return "there is no such limit: sessions, timers, command-bytes, jobs, limiters, keys, claims, descriptors, "
	       "paths, subscriptions, message-bytes and bytes are";
}

const char *quota_name(enum quota_limit limit) {
	return table[limit].name;
}

/* What files have for a name: "CommandBytes" for "command-bytes". */
static const char *key_of(const char *name, char key[KEY_MAX]) {
	size_t n = 0;
	bool begins = true;

	for (; *name && n + 1 < KEY_MAX; name++) {
		if (*name != '-')
			key[n++] = (char)(begins ? *name - 'a' + 'A' : *name);
		begins = *name == '-';
	}
	key[n] = '\0';
	return key;
}

enum quota_limit quota_find_key(const char *key) {
	char buffer[KEY_MAX];
	unsigned i = 0;

	while (i < QUOTA_MAX && strcmp(key, key_of(table[i].name, buffer)) != 0)
		i++;
	return i;
}

bool quota_has_pool(enum quota_limit limit) {
	return table[limit].pool != NO_POOL;
}

void quota_change(struct quota *quota, const struct quota *to) {
	memcpy(quota->limits, to->limits, sizeof(quota->limits));
	memcpy(quota->pools, to->pools, sizeof(quota->pools));
}

int quota_account(struct quota *quota, uid_t uid, struct account **ret) {
	struct account *account;

	LIST_FOREACH(account, &quota->accounts, link)
	if (account->uid == uid)
		break;
	if (!account) {
		account = calloc(1, sizeof(*account));
		if (!account)
			return -ENOMEM;
		account->quota = quota;
		account->uid = uid;
		LIST_INSERT_HEAD(&quota->accounts, account, link);
	}
	account->refs++;
	*ret = account;
	return 0;
}

struct account *account_unref(struct account *account) {
	if (account && --account->refs == 0) {
		LIST_REMOVE(account, link);
		free(account);
	}
	return NULL;
}

void quota_deinit(struct quota *quota) {
	struct account *account;

	while ((account = LIST_FIRST(&quota->accounts))) {
		closer_deinit(&account->closer);
		account_unref(account);
	}
}

static void count(uint64_t *used, struct quota_sum *all, int64_t n) {
	bool before = *used > 0;

	*used += (uint64_t)n;
	all->sum += (uint64_t)n;
	all->users += (uint64_t)(*used > 0) - (uint64_t)before;
}

void account_count_sessions(struct account *account, int64_t n) {
	count(&account->sessions, &account->quota->sessions, n);
}

void account_count_bytes(struct account *account, int64_t n) {
	count(&account->bytes, &account->quota->bytes, n);
}

#define COUNTED(what) ((struct quota_use){ use->what, shared->sum.what, shared->users.what })

struct quota_use quota_used(enum quota_limit limit, const struct account *account, const struct tenant_use *use,
			    const struct shared_use *shared) {
	const struct quota *quota = account->quota;
	uint64_t closing;

	switch (limit) {
	case QUOTA_SESSIONS:
		return (struct quota_use){ account->sessions, quota->sessions.sum, quota->sessions.users };
	case QUOTA_TIMERS:
		return COUNTED(timers);
	case QUOTA_COMMAND_BYTES:
		return COUNTED(command_bytes);
	case QUOTA_JOBS:
		return COUNTED(jobs);
	case QUOTA_LIMITERS:
		return COUNTED(limiters);
	case QUOTA_KEYS:
		return COUNTED(keys);
	case QUOTA_CLAIMS:
		return COUNTED(claims);
	case QUOTA_DESCRIPTORS:
		/* Those of others that are being closed are soon, or few. */
		closing = closer_load(&account->closer);
		return (struct quota_use){ use->descriptors + closing, shared->sum.descriptors + closing,
					   shared->users.descriptors + (use->descriptors == 0 && closing > 0) };
	case QUOTA_PATHS:
		return COUNTED(paths);
	case QUOTA_SUBSCRIPTIONS:
		return COUNTED(subscriptions);
	case QUOTA_MESSAGE_BYTES:
		return COUNTED(message_bytes);
	case QUOTA_BYTES:
		return (struct quota_use){ account->bytes, quota->bytes.sum, quota->bytes.users };
	case QUOTA_MAX:
		break;
	}
	return (struct quota_use){ 0 };
}

static uint64_t left_of_pool(const struct quota *quota, enum quota_limit limit, const struct quota_use *use) {
	return fair_share_left(use->used, use->users + (use->used == 0), use->sum, quota->pools[limit]);
}

uint64_t quota_left(const struct quota *quota, enum quota_limit limit, const struct quota_use *use) {
	uint64_t most = quota->limits[limit];

	if (most == UINT64_MAX && quota->pools[limit] == NO_POOL)
		return UINT64_MAX;
	return use->used > most ? 0 : MIN(most - use->used, left_of_pool(quota, limit, use));
}

static void explain(const struct quota *quota, enum quota_limit limit, const struct quota_use *use, uint64_t asked,
		    bool of_uid, struct quota_refusal *ret) {
	const char *name = quota_name(limit);
	char key[KEY_MAX];
	int n = snprintf(ret->message, sizeof(ret->message), "uid %u uses %llu of %llu %s and asks for %llu more",
			 (unsigned)ret->uid, (unsigned long long)use->used, (unsigned long long)quota->limits[limit],
			 name, (unsigned long long)asked);

	if (!of_uid)
		(void)snprintf(ret->message + n, sizeof(ret->message) - (size_t)n,
			       ", but all uids together use %llu of %llu, and what is left is for others, too",
			       (unsigned long long)use->sum, (unsigned long long)quota->pools[limit]);
	(void)snprintf(ret->fields, sizeof(ret->fields),
		       "EVLOOPD_UID=%u\nEVLOOPD_LIMIT=%s\nEVLOOPD_SCOPE=%s\n"
		       "EVLOOPD_SECTION=%s\nEVLOOPD_KEY=%s\nEVLOOPD_VALUE=%llu\n",
		       (unsigned)ret->uid, name, of_uid ? "uid" : "pool", of_uid ? "Limits" : "Pool", key_of(name, key),
		       (unsigned long long)(of_uid ? quota->limits[limit] : quota->pools[limit]));
	evloop__error__init(&ret->error);
	ret->error.status = EVLOOP__STATUS__STATUS_QUOTA;
	ret->error.message = ret->message;
	ret->error.limit_name = (char *)name;
	ret->error.scope = of_uid ? EVLOOP__QUOTA_SCOPE__QUOTA_SCOPE_UID : EVLOOP__QUOTA_SCOPE__QUOTA_SCOPE_POOL;
	ret->error.limit = of_uid ? quota->limits[limit] : quota->pools[limit];
	ret->error.used = of_uid ? use->used : use->sum;
	ret->error.asked = asked;
}

bool quota_allows(const struct quota *quota, uid_t uid, enum quota_limit limit, const struct quota_use *use,
		  uint64_t asked, struct quota_refusal *ret) {
	uint64_t most = quota->limits[limit];
	bool of_uid = use->used > most || asked > most - use->used;

	if (!of_uid && asked <= left_of_pool(quota, limit, use))
		return true;
	ret->uid = uid;
	explain(quota, limit, use, asked, of_uid, ret);
	return false;
}
