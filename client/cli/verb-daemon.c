/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs that are about the daemon as a whole: quota, reload. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/daemon.h"
#include "client/cli/error.h"
#include "client/cli/json.h"
#include "client/cli/table.h"
#include "client/cli/text.h"

/* A call without operands.  Return: 0, and *ret_reply is to be freed with message_freep(); else the exit status. */
static int ask(struct invocation *inv, Evloop__Method method, const ProtobufCMessage *request,
	       ProtobufCMessage **ret_reply) {
	_cleanup_evl_ struct evl *evl = NULL;
	int r;

	if (inv->argc > 1)
		return complain_extra(inv, inv->argv[1]);
	r = daemon_connect(inv, &evl);
	if (r != 0)
		return r;
	r = evl_call(evl, method, request, ret_reply);
	return r < 0 ? complain_call(evl, r, NULL) : 0;
}

static void put_amount(uint64_t n, char text[24]) {
	if (n == UINT64_MAX)
		strcpy(text, "infinity");
	else
		snprintf(text, 24, "%" PRIu64, n);
}

static int add_line(struct libscols_table *table, const Evloop__QuotaReply__Quota *quota) {
	char used[24], left[24], limit[24], pool_used[24] = "-", pool[24] = "-";

	put_amount(quota->used, used);
	put_amount(quota->left, left);
	put_amount(quota->limit, limit);
	if (quota->pool > 0) {
		put_amount(quota->pool_used, pool_used);
		put_amount(quota->pool, pool);
	}
	return table_add(table, (const char *const[]){ quota->name, used, left, limit, pool_used, pool }, 6);
}

static int print_quotas(const Evloop__QuotaReply *reply) {
	static const struct table_column columns[] = {
		{ "WHAT", 0 },
		{ "USED", SCOLS_FL_RIGHT },
		{ "LEFT", SCOLS_FL_RIGHT },
		{ "LIMIT", SCOLS_FL_RIGHT },
		{ "ALL USE", SCOLS_FL_RIGHT },
		{ "POOL", SCOLS_FL_RIGHT },
	};
	struct libscols_table *table = table_new(columns, ARRAY_SIZE(columns));
	int r = table ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < reply->n_quotas; i++)
		r = add_line(table, reply->quotas[i]);
	if (r < 0)
		complain("%s", strerror(-r));
	r = r < 0 ? EX_OSERR : table_print(table);
	scols_unref_table(table);
	return r;
}

static int run_quota(struct invocation *inv) {
	static const Evloop__QuotaRequest request = EVLOOP__QUOTA_REQUEST__INIT;
	_cleanup_message_ ProtobufCMessage *reply = NULL;
	int r;

	if (options_next(inv, "", options_none) < 0)
		return inv->status;
	r = ask(inv, EVLOOP__METHOD__METHOD_QUOTA, &request.base, &reply);
	if (r != 0)
		return r;
	return inv->json ? !json_print_message(reply) : print_quotas((const Evloop__QuotaReply *)reply);
}

static int run_reload(struct invocation *inv) {
	static const Evloop__ReloadRequest request = EVLOOP__RELOAD_REQUEST__INIT;
	_cleanup_message_ ProtobufCMessage *reply = NULL;

	if (options_next(inv, "", options_none) < 0)
		return inv->status;
	return ask(inv, EVLOOP__METHOD__METHOD_RELOAD, &request.base, &reply);
}

const struct verb verb_quota = {
	.name = "quota",
	.summary = "show what this user may use, and uses",
	.usage = "",
	.help = "Each limit by its name in evloopd(8), how much of it all sessions of this user\n"
		"use now, how much more they may as things stand, and the limit; in the system's\n"
		"instance also what all users use together, and the pool that they share: nobody\n"
		"gets more of it than leaves as much once more for each who uses any.\n",
	.run = run_quota,
};

const struct verb verb_reload = {
	.name = "reload",
	.summary = "let the daemon read its configuration again",
	.usage = "",
	.help = "Returns when it is in force.  A mistake is named by file and line, and leaves\n"
		"everything as it was.  For root and the user that the daemon runs as.\n",
	.run = run_reload,
};
