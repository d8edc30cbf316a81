/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb list: a table of timers and jobs, a line each. */

#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/daemon.h"
#include "client/cli/error.h"
#include "client/cli/json.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "client/cli/timers.h"

enum {
	OPTION_ALL = 1,
	OPTION_FAILED,
};

struct listing {
	const Evloop__TimeReply *now;
	struct libscols_table *table; /* one of these two */
	json_t *array;
};

enum column {
	COLUMN_ID,
	COLUMN_NAME,
	COLUMN_KIND,
	COLUMN_NEXT,
	COLUMN_LAST,
	COLUMN_COMMAND,
};

static const struct table_column columns[] = {
	[COLUMN_ID] = { "ID", 0 },
	[COLUMN_NAME] = { "NAME", 0 },
	[COLUMN_KIND] = { "KIND", 0 },
	[COLUMN_NEXT] = { "NEXT", 0 },
	[COLUMN_LAST] = { "LAST", 0 },
	/* On a terminal the command gets what room is left. */
	[COLUMN_COMMAND] = { "COMMAND", SCOLS_FL_TRUNC },
};

static int add_line(const Evloop__TimerInfo *info, const struct listing *listing) {
	char id[24], kind[WORD_MAX], next[TIMER_TEXT_MAX], last[TIMER_TEXT_MAX];
	_cleanup_free_ char *command = timer_command(info);
	const char *cells[] = {
		[COLUMN_ID] = id,
		[COLUMN_NAME] = text_name(info->name),
		[COLUMN_KIND] = text_enum(&evloop__kind__descriptor, (int)info->kind, kind),
		[COLUMN_NEXT] = timer_next(info, listing->now, next),
		[COLUMN_LAST] = timer_last(info, listing->now, last),
		[COLUMN_COMMAND] = command,
	};

	if (!command)
		return -ENOMEM;
	snprintf(id, sizeof(id), "%" PRIu64, info->id);
	return table_add(listing->table, cells, ARRAY_SIZE(cells));
}

/* Without what was not asked for, see `show`. */
static json_t *json_of_summary(const Evloop__TimerInfo *info) {
	json_t *object = json_of_message(&info->base);

	(void)json_object_del(object, "directory");
	(void)json_object_del(object, "umask");
	(void)json_object_del(object, "environment_names");
	return object;
}

static int add(const Evloop__TimerInfo *info, void *userdata) {
	struct listing *listing = userdata;
	int r;

	if (listing->table)
		r = add_line(info, listing);
	else
		r = json_array_append_new(listing->array, json_of_summary(info));
	if (r == 0)
		return 0;
	complain("%s", strerror(ENOMEM));
	return EX_OSERR;
}

static int print(struct listing *listing) {
	if (!listing->table)
		return json_print(TAKE_PTR(listing->array)) ? 0 : 1;
	return table_print(listing->table);
}

static int run_listing(const struct invocation *inv, struct evl *evl, Evloop__ListRequest *request) {
	_cleanup_message_ ProtobufCMessage *now = NULL;
	struct listing listing = {};
	int status, r = daemon_time(evl, &now);

	if (r != 0)
		return r;
	listing.now = (const Evloop__TimeReply *)now;
	if (inv->json)
		listing.array = json_array();
	else
		listing.table = table_new(columns, ARRAY_SIZE(columns));
	status = daemon_list_operands(inv, evl, request, add, &listing);
	if (status == 0 || status == EX_NOINPUT) {
		r = print(&listing);
		status = status != 0 ? status : r;
	}
	json_decref(listing.array);
	scols_unref_table(listing.table);
	return status;
}

static int run(struct invocation *inv) {
	static const struct option options[] = {
		{ "all", no_argument, NULL, OPTION_ALL },
		{ "failed", no_argument, NULL, OPTION_FAILED },
		OPTIONS_COMMON,
	};
	Evloop__ListRequest request = EVLOOP__LIST_REQUEST__INIT;
	_cleanup_evl_ struct evl *evl = NULL;
	int option, r;

	while ((option = options_next(inv, "", options)) > 0) {
		if (option == OPTION_ALL)
			request.finished = request.anonymous = true;
		else
			request.failed = true;
	}
	if (option < 0)
		return inv->status;
	/* How wide a name is, and which letters print. */
	(void)setlocale(LC_CTYPE, "");
	r = daemon_connect(inv, &evl);
	return r == 0 ? run_listing(inv, evl, &request) : r;
}

const struct verb verb_list = {
	.name = "list",
	.summary = "list timers and jobs",
	.usage = "[--all] [--failed] [ID|NAME|'GLOB*']...",
	.help = "A line for each timer that is armed or paused and each job that runs; without\n"
		"operands all of them.  With --json an array of objects.\n"
		"\n"
		"  --all                also finished ones, and those of sessions that have\n"
		"                       neither a name nor a command\n"
		"  --failed             only jobs whose last run had another status than 0\n",
	.run = run,
};
