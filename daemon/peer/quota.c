/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the limits of a uid, their names and their shipped values.  Judges, and never counts what the core counts. */

#include "daemon/peer/quota.h"

#include <string.h>

#include "daemon/core/tenant.h"
#include "proto/limits.h"

static const struct {
	const char *name;
	uint64_t system, user;
} table[QUOTA_MAX] = {
	[QUOTA_SESSIONS] = { "sessions", LIMIT_SESSIONS, LIMIT_SESSIONS_USER },
	[QUOTA_TIMERS] = { "timers", LIMIT_TIMERS, LIMIT_TIMERS_USER },
	[QUOTA_COMMAND_BYTES] = { "command-bytes", LIMIT_COMMAND_BYTES, LIMIT_COMMAND_BYTES_USER },
	[QUOTA_JOBS] = { "jobs", LIMIT_JOBS, LIMIT_JOBS_USER },
	[QUOTA_LIMITERS] = { "limiters", LIMIT_LIMITERS, LIMIT_LIMITERS_USER },
	[QUOTA_KEYS] = { "keys", LIMIT_KEYS, LIMIT_KEYS_USER },
	[QUOTA_CLAIMS] = { "claims", LIMIT_CLAIMS, LIMIT_CLAIMS_USER },
	[QUOTA_DESCRIPTORS] = { "descriptors", LIMIT_DESCRIPTORS, LIMIT_DESCRIPTORS_USER },
	[QUOTA_PATHS] = { "paths", LIMIT_PATHS, LIMIT_PATHS_USER },
	[QUOTA_SUBSCRIPTIONS] = { "subscriptions", LIMIT_SUBSCRIPTIONS, LIMIT_SUBSCRIPTIONS_USER },
	[QUOTA_MESSAGE_BYTES] = { "message-bytes", LIMIT_MESSAGE_BYTES, LIMIT_MESSAGE_BYTES_USER },
};

void quota_init(struct quota *quota, bool system) {
	LIST_INIT(&quota->accounts);
	for (unsigned i = 0; i < QUOTA_MAX; i++)
		quota->limits[i] = system ? table[i].system : table[i].user;
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
		if (equals[1] < '0' || equals[1] > '9' || *end || errno)
			return "the value must be a whole number";
		quota->limits[i] = value;
		return NULL;
	}
	return "there is no such limit: sessions, timers, command-bytes, jobs, limiters, keys, claims, descriptors, "
	       "paths, subscriptions and message-bytes are";
}

const char *quota_name(enum quota_limit limit) {
	return table[limit].name;
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

uint64_t quota_used(enum quota_limit limit, const struct account *account, const struct tenant_use *use) {
	switch (limit) {
	case QUOTA_SESSIONS:
		return account->sessions;
	case QUOTA_TIMERS:
		return use->timers;
	case QUOTA_COMMAND_BYTES:
		return use->command_bytes;
	case QUOTA_JOBS:
		return use->jobs;
	case QUOTA_LIMITERS:
		return use->limiters;
	case QUOTA_KEYS:
		return use->keys;
	case QUOTA_CLAIMS:
		return use->claims;
	case QUOTA_DESCRIPTORS:
		return use->descriptors + closer_load(&account->closer);
	case QUOTA_PATHS:
		return use->paths;
	case QUOTA_SUBSCRIPTIONS:
		return use->subscriptions;
	case QUOTA_MESSAGE_BYTES:
		return use->message_bytes;
	case QUOTA_MAX:
		break;
	}
	return 0;
}

bool quota_allows(const struct quota *quota, enum quota_limit limit, uint64_t used, uint64_t asked) {
	return used <= quota->limits[limit] && asked <= quota->limits[limit] - used;
}
