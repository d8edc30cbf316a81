/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the words of the statistics.  Counts nothing itself. */

#include "daemon/statistics.h"

#include <stdarg.h>
#include <stdio.h>

#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/svc/log.h"

/* Text that is put together; what does not fit is left out. */
struct text {
	char data[768];
	size_t size;
};

static void append(struct text *text, const char *format, ...) _printf_(2, 3);
static void append(struct text *text, const char *format, ...) {
	size_t room = sizeof(text->data) - text->size;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->data + text->size, room, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < room)
		text->size += (size_t)n;
	else
		text->data[text->size] = '\0';
}

/* EVLOOPD_COMMAND_BYTES=5 */
static void append_field(struct text *fields, const char *name, uint64_t n) {
	size_t begin = fields->size;

	append(fields, "EVLOOPD_%s=%llu\n", name, (unsigned long long)n);
	for (size_t i = begin; i < fields->size && fields->data[i] != '='; i++) {
		char *c = &fields->data[i];

		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
		else if (*c == '-')
			*c = '_';
	}
}

static const struct account *find_account(const struct quota *quota, uid_t uid) {
	const struct account *account;

	LIST_FOREACH(account, &quota->accounts, link)
	if (account->uid == uid)
		return account;
	return NULL;
}

static void log_uid(const struct sessions *sessions, const struct tenant *tenant) {
	const struct account nobody = { .quota = sessions->quota, .closer = { 0 } },
			     *account = find_account(sessions->quota, tenant_uid(tenant));
	struct text line = { 0 }, fields = { 0 };

	append(&fields, "EVLOOPD_UID=%u\n", (unsigned)tenant_uid(tenant));
	for (unsigned i = 0; i < QUOTA_MAX; i++) {
		uint64_t used =
			quota_used(i, account ?: &nobody, tenant_use(tenant), scheduler_shared_use(sessions->scheduler))
				.used;

		if (used == 0)
			continue;
		append(&line, "%s%s %llu", line.size > 0 ? ", " : "", quota_name(i), (unsigned long long)used);
		append_field(&fields, quota_name(i), used);
	}
	log_event(LOG_NOTICE, MESSAGE_STATISTICS, fields.data, "uid %u: %s", (unsigned)tenant_uid(tenant),
		  line.size > 0 ? line.data : "nothing");
}

static void log_all(const struct sessions *sessions) {
	const struct tenant_use *sum = &scheduler_shared_use(sessions->scheduler)->sum;
	struct scheduler_stats stats;
	struct text fields = { 0 };

	scheduler_stats(sessions->scheduler, &stats);
	append_field(&fields, "sessions", sessions->n);
	append_field(&fields, "timers", stats.timers);
	append_field(&fields, "jobs", stats.jobs);
	append_field(&fields, "limiters", stats.limiters);
	append_field(&fields, "fires", stats.fires);
	log_event(LOG_NOTICE, MESSAGE_STATISTICS, fields.data,
		  "statistics: %zu sessions, %zu timers, %zu jobs running, %zu results kept, %zu limiters, "
		  "%zu waiting or holding, %zu descriptors and %zu paths watched, %zu subscriptions, "
		  "%zu bytes of messages, %llu of sessions; %llu fires so far",
		  sessions->n, stats.timers, stats.jobs, stats.finished, stats.limiters, sum->claims, sum->descriptors,
		  sum->paths, sum->subscriptions, sum->message_bytes, (unsigned long long)sessions->quota->bytes.sum,
		  (unsigned long long)stats.fires);
}

void statistics_log(const struct sessions *sessions) {
	struct tenant *tenant;
	uint64_t uid = 0;
	size_t n = 0, more = 0;

	log_all(sessions);
	for (; (tenant = scheduler_next_tenant(sessions->scheduler, uid)); uid = (uint64_t)tenant_uid(tenant) + 1)
		if (tenant_uid(tenant) == TENANT_OF_ALL)
			break;
		else if (n++ < STATISTICS_UIDS)
			log_uid(sessions, tenant);
		else
			more++;
	if (more > 0)
		log_event(LOG_NOTICE, MESSAGE_STATISTICS, NULL, "and %zu more uids", more);
}
