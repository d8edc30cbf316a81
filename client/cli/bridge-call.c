/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the names of the calls, and what each of them is in the protocol.  What a kind of them has in common is in its own file. */

#include <string.h>

#include "client/cli/bridge.h"
#include "client/cli/daemon.h"
#include "client/cli/json.h"

/* ---- answered here, and small ones ---- */

/* Its answer stands behind everything that was caused before. */
static int prepare_ping(struct bridge_call *call) {
	call->bridge->ops->dispatch(call->bridge);
	return 0;
}

static int add_text(struct bridge_call *call, const char *key, const char *text) {
	return json_object_set_new(call->reply, key, json_of_bytes(text, strlen(text))) < 0 ? -ENOMEM : 0;
}

static int prepare_version(struct bridge_call *call) {
	struct evl *evl = call->bridge->evl;
	int r = json_object_size(call->fields) == 0 ? 0 : bridge_refuse(call, "INVALID", "version has no fields");

	if (r == 0)
		r = add_text(call, "version", evl_version());
	if (r == 0 && evl)
		r = add_text(call, "daemon_version", evl_daemon_version(evl));
	if (r == 0 && evl)
		r = add_text(call, "socket", evl_socket_path(evl));
	return r;
}

/* All that is known of what was asked for. */
static int complete_show(struct bridge_call *call, ProtobufCMessage *request) {
	Evloop__ListRequest *list = (Evloop__ListRequest *)request;

	if (!list->target)
		return bridge_refuse(call, "INVALID", "no target");
	list->finished = list->anonymous = list->details = true;
	return 0;
}

/* "name" says it as well as "target". */
static int prepare_by_name(struct bridge_call *call) {
	json_t *name = json_object_get(call->fields, "name");

	if (!name)
		return 0;
	if (json_object_get(call->fields, "target"))
		return bridge_refuse(call, "INVALID", "name and target exclude each other");
	if (json_object_set(call->fields, "target", name) < 0)
		return -ENOMEM;
	(void)json_object_del(call->fields, "name");
	return 0;
}

/* ---- the table ---- */

static const struct bridge_verb verbs[] = {
	{ "ping", EVLOOP__METHOD__METHOD_PING, .prepare = prepare_ping },
	{ "time", EVLOOP__METHOD__METHOD_TIME },
	{ "quota", EVLOOP__METHOD__METHOD_QUOTA },
	{ "reload", EVLOOP__METHOD__METHOD_RELOAD },
	{ "version", EVLOOP__METHOD__METHOD_NONE, .prepare = prepare_version },

	{ "soon", EVLOOP__METHOD__METHOD_ARM, true, bridge_prepare_timer, bridge_complete_soon },
	{ "after", EVLOOP__METHOD__METHOD_ARM, true, bridge_prepare_timer, bridge_complete_after },
	{ "at", EVLOOP__METHOD__METHOD_ARM, true, bridge_prepare_timer, bridge_complete_at },
	{ "every", EVLOOP__METHOD__METHOD_ARM, true, bridge_prepare_timer, bridge_complete_every },
	{ "sleep", EVLOOP__METHOD__METHOD_ARM, true, bridge_prepare_timer, bridge_complete_sleep },
	{ "restart", EVLOOP__METHOD__METHOD_RESTART_HANDLE, false, bridge_prepare_restart, bridge_complete_restart },
	{ "wait", EVLOOP__METHOD__METHOD_ATTACH, true, prepare_by_name, bridge_complete_wait },

	{ "cancel", EVLOOP__METHOD__METHOD_CANCEL, false, bridge_prepare_cancel, bridge_complete_cancel,
	  bridge_finish_cancel },
	{ "pause", EVLOOP__METHOD__METHOD_PAUSE, .prepare = bridge_prepare_manage },
	{ "resume", EVLOOP__METHOD__METHOD_RESUME, .prepare = bridge_prepare_manage },
	{ "trigger", EVLOOP__METHOD__METHOD_TRIGGER, .prepare = bridge_prepare_manage },
	{ "poke", EVLOOP__METHOD__METHOD_POKE, .prepare = bridge_prepare_manage },
	{ "kill", EVLOOP__METHOD__METHOD_KILL, .prepare = bridge_prepare_manage },
	{ "list", EVLOOP__METHOD__METHOD_LIST, .prepare = prepare_by_name },
	{ "show", EVLOOP__METHOD__METHOD_LIST, .prepare = bridge_prepare_manage, .complete = complete_show },
	{ "log", EVLOOP__METHOD__METHOD_LOG, .prepare = bridge_prepare_manage },

	{ "limit", EVLOOP__METHOD__METHOD_LIMITER_WAIT, true, bridge_prepare_limit, bridge_complete_limit,
	  bridge_finish_limit },
	{ "limiter try", EVLOOP__METHOD__METHOD_LIMITER_TRY, .complete = bridge_complete_cost },
	{ "limiter peek", EVLOOP__METHOD__METHOD_LIMITER_PEEK, .complete = bridge_complete_cost },
	{ "limiter explain", EVLOOP__METHOD__METHOD_LIMITER_PEEK, .complete = bridge_complete_cost,
	  .finish = bridge_finish_explain },
	{ "limiter take up to", EVLOOP__METHOD__METHOD_LIMITER_TAKE_UP_TO, .complete = bridge_complete_cost },
	{ "limiter refund", EVLOOP__METHOD__METHOD_LIMITER_REFUND, .complete = bridge_complete_cost },
	{ "limiter charge", EVLOOP__METHOD__METHOD_LIMITER_CHARGE, .complete = bridge_complete_cost },
	{ "limiter hold", EVLOOP__METHOD__METHOD_LIMITER_HOLD, .complete = bridge_complete_named },
	{ "limiter reset", EVLOOP__METHOD__METHOD_LIMITER_RESET, .complete = bridge_complete_named },
	{ "limiter multi", EVLOOP__METHOD__METHOD_LIMITER_MULTI, .complete = bridge_complete_items },
	{ "limiter set", EVLOOP__METHOD__METHOD_LIMITER_SET, .prepare = bridge_prepare_limiter_set,
	  .complete = bridge_complete_limiter_set },
	{ "limiter list", EVLOOP__METHOD__METHOD_LIMITER_LIST, .prepare = prepare_by_name },
	{ "limiter holders", EVLOOP__METHOD__METHOD_LIMITER_CLAIMS, .complete = bridge_complete_named },
	{ "limiter remove", EVLOOP__METHOD__METHOD_LIMITER_REMOVE, .complete = bridge_complete_named },

	{ "watch", EVLOOP__METHOD__METHOD_WATCH_FD, true, bridge_prepare_watch, bridge_complete_watch },
	{ "ack", EVLOOP__METHOD__METHOD_ACK, false, bridge_prepare_ack, bridge_complete_ack },
	{ "emit", EVLOOP__METHOD__METHOD_EMIT },
	{ "subscribe", EVLOOP__METHOD__METHOD_SUBSCRIBE, true, NULL, bridge_complete_subscribe },
};

/* Other words for the same. */
static const char *const aliases[][2] = {
	{ "run", "soon" },
	{ "attach", "wait" },
	{ "release", "cancel" },
	{ "acquire", "limit" },
	{ "try", "limiter try" },
	{ "multi", "limiter multi" },
	{ "limiter get", "limiter list" },
	{ "limiter show", "limiter list" },
};

const struct bridge_verb *bridge_verb_find(const char *name) {
	char words[32] = "";
	const char *wanted = words;

	if (strlen(name) >= sizeof(words))
		return NULL;
	for (size_t i = 0; name[i]; i++)
		words[i] = name[i] == '_' || name[i] == '-' ? ' ' : name[i];
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (strcmp(aliases[i][0], words) == 0)
			wanted = aliases[i][1];
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, wanted) == 0)
			return &verbs[i];
	return NULL;
}
