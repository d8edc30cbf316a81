/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the calls about limiters: their definition in short words, and what a grant leaves behind. */

#include <inttypes.h>
#include <string.h>
#include <sys/pidfd.h>

#include "client/cli/bridge.h"
#include "client/cli/daemon.h"
#include "client/cli/json.h"
#include "client/cli/spec.h"
#include "proto/rate.h"

/* ---- definitions ---- */

/* What defines a limiter, beside its name.  "rate" and "burst" are short for one rule. */
static const char *const definition_keys[] = { "rate",        "burst",    "rules",    "kind",
					       "concurrency", "keyed",    "max_keys", "deny_when_full",
					       "max_waiters", "max_debt", "mode" };

/* "rate":"10/s","burst":20 is "rules":[{"tokens":10,"period_ns":1000000000,"burst":20}]. */
static int expand_rate(struct bridge_call *call, json_t *fields) {
	json_t *rate = json_object_get(fields, "rate"), *burst = json_object_get(fields, "burst"), *rule;
	const char *text = json_string_value(rate), *why;
	struct rate parsed = { 0 };

	if (!rate)
		return burst ? bridge_refuse(call, "INVALID", "burst goes with rate") : 0;
	if (json_object_get(fields, "rules") || json_object_get(fields, "concurrency"))
		return bridge_refuse(call, "INVALID", "rate, rules and concurrency exclude each other");
	why = text ? rate_parse(text, &parsed) : "it is not a string";
	if (why)
		return bridge_refuse(call, "INVALID", "bad rate '%.64s': %s", text ? text : "", why);
	rule = json_pack("{sIsI}", "tokens", (json_int_t)parsed.tokens, "period_ns", (json_int_t)parsed.period_ns);
	if (burst && rule && json_object_set(rule, "burst", burst) < 0)
		return -ENOMEM;
	/* An unlimited one has no rule. */
	if (json_object_set_new(fields, "rules", parsed.tokens ? json_pack("[o]", rule) : json_array()) < 0)
		return -ENOMEM;
	if (parsed.tokens == 0)
		json_decref(rule);
	(void)json_object_del(fields, "rate");
	(void)json_object_del(fields, "burst");
	return 0;
}

static int expand_definition(struct bridge_call *call, json_t *fields, const char *mode) {
	int r = expand_rate(call, fields);

	if (r == 0 && !json_object_get(fields, "mode") && json_object_set_new(fields, "mode", json_string(mode)) < 0)
		r = -ENOMEM;
	if (r == 0 && json_object_get(fields, "concurrency") && !json_object_get(fields, "kind") &&
	    json_object_set_new(fields, "kind", json_string("concurrency")) < 0)
		r = -ENOMEM;
	return r;
}

int bridge_prepare_limiter_set(struct bridge_call *call) {
	return expand_definition(call, call->fields, "put");
}

int bridge_complete_limiter_set(struct bridge_call *call, ProtobufCMessage *request) {
	const Evloop__LimiterSpec *spec = (const Evloop__LimiterSpec *)request;
	static const char *const what[] = { "rules", "concurrency" };
	int r = bridge_complete_named(call, request);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(what); i++)
		if (json_object_get(call->fields, what[i]))
			return 0;
	return bridge_refuse(call, "INVALID", "%s: no rate, rules or concurrency", spec->name);
}

/* ---- taking ---- */

/* Move what defines the limiter out of `fields`.  Return: it, NULL: nothing does, or no memory. */
static json_t *split_definition(json_t *fields) {
	json_t *definition = json_object();
	bool defined = false;

	for (size_t i = 0; definition && i < ARRAY_SIZE(definition_keys); i++) {
		json_t *value = json_object_get(fields, definition_keys[i]);

		if (!value)
			continue;
		defined = true;
		(void)json_object_set(definition, definition_keys[i], value);
		(void)json_object_del(fields, definition_keys[i]);
	}
	if (defined)
		return definition;
	json_decref(definition);
	return NULL;
}

static int check_cost(struct bridge_call *call, const Evloop__LimiterSpec *spec, uint64_t cost) {
	size_t rule;

	if (cost == 0)
		return bridge_refuse(call, "OUT_OF_RANGE", "the cost is 0");
	if (spec_fits(spec, cost, &rule))
		return 0;
	return bridge_refuse(call, "COST_EXCEEDS_BURST",
			     "a cost of %" PRIu64 " is more than %s ever grants at one instant", cost,
			     spec->n_rules > 0 ? "that rate" : "that concurrency");
}

/* As the command line has it: made if there is none, and an error where it is defined otherwise, or could never grant the cost. */
static int define(struct bridge_call *call, json_t *definition, uint64_t cost) {
	json_t *name = json_object_get(call->fields, "name");
	bool keyed = json_object_get(call->fields, "key") != NULL;
	ProtobufCMessage *spec = NULL, *reply = NULL;
	char problem[JSON_PROBLEM_MAX];
	int r = expand_definition(call, definition, "create");

	if (r == 0 && name && json_object_set(definition, "name", name) < 0)
		r = -ENOMEM;
	if (r == 0 && keyed && !json_object_get(definition, "keyed"))
		r = json_object_set_new(definition, "keyed", json_true()) < 0 ? -ENOMEM : 0;
	if (r == 0) {
		r = json_to_message(definition, &evloop__limiter_spec__descriptor, &spec, problem);
		if (r == -EINVAL)
			r = bridge_refuse(call, "INVALID", "%s", problem);
	}
	if (r == 0)
		r = check_cost(call, (const Evloop__LimiterSpec *)spec, cost);
	if (r == 0)
		r = bridge_ask(call, EVLOOP__METHOD__METHOD_LIMITER_SET, spec, -1, &reply);
	if (spec)
		protobuf_c_message_free_unpacked(spec, NULL);
	if (reply)
		protobuf_c_message_free_unpacked(reply, NULL);
	return r;
}

/* The process that permits shall belong to. */
static int take_process(struct bridge_call *call) {
	json_t *pid = json_object_get(call->fields, "pid");

	if (!pid)
		return 0;
	if (!json_is_integer(pid) || json_integer_value(pid) <= 0 || json_integer_value(pid) > INT32_MAX)
		return bridge_refuse(call, "INVALID", "pid is not the number of a process");
	call->fd = call->bridge->ops->open_process((pid_t)json_integer_value(pid));
	if (call->fd < 0) {
		int error = call->fd;

		call->fd = -1;
		return bridge_refuse(call, error == -ESRCH ? "NOT_FOUND" : "INTERNAL", "process %lld: %s",
				     (long long)json_integer_value(pid), strerror(-error));
	}
	call->fd_is_ours = true;
	(void)json_object_del(call->fields, "pid");
	return 0;
}

int bridge_prepare_limit(struct bridge_call *call) {
	json_t *id = json_object_get(call->given, "id");
	int r = 0;

	call->definition = split_definition(call->fields);
	/* What would be refused anyway shall not define anything. */
	if (id && bridge_source_find(call->bridge, id))
		r = bridge_refuse(call, "EXISTS", "the id is that of a request that is not over");
	if (r == 0)
		r = take_process(call);
	return r;
}

int bridge_complete_named(struct bridge_call *call, ProtobufCMessage *request _unused_) {
	const char *name = json_string_value(json_object_get(call->fields, "name"));

	return name && name[0] ? 0 : bridge_refuse(call, "INVALID", "no name: which limiter is meant?");
}

int bridge_complete_limit(struct bridge_call *call, ProtobufCMessage *request) {
	Evloop__LimiterWaitRequest *wait = (Evloop__LimiterWaitRequest *)request;
	int r = bridge_complete_named(call, request);

	if (!json_object_get(call->given, "cost"))
		wait->cost = 1;
	if (!bridge_given(call, "max_wait_ns"))
		wait->max_wait_ns = -1;
	return r == 0 && call->definition ? define(call, call->definition, wait->cost) : r;
}

/* All that is known of the limiter that the call is about.  *ret is freed with message_freep().  Return: it is there. */
static bool look_at(struct bridge_call *call, ProtobufCMessage **ret) {
	Evloop__LimiterListRequest request = EVLOOP__LIMITER_LIST_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;

	target.name = (char *)json_string_value(json_object_get(call->fields, "name"));
	request.target = &target;
	return bridge_ask(call, EVLOOP__METHOD__METHOD_LIMITER_LIST, &request.base, -1, ret) == 0 &&
	       ((const Evloop__LimiterListReply *)*ret)->n_limiters > 0;
}

/* Is it places that the limiter has?  They are held; tokens are gone. */
static bool has_places(struct bridge_call *call) {
	_cleanup_message_ ProtobufCMessage *reply = NULL;
	const Evloop__LimiterInfo *info;

	if (!look_at(call, &reply))
		return false;
	info = ((const Evloop__LimiterListReply *)reply)->limiters[0];
	return info->spec && info->spec->kind == EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY;
}

/* "more", as in events: an event follows, or what can be given back. */
int bridge_finish_limit(struct bridge_call *call, const ProtobufCMessage *reply) {
	const Evloop__Grant *grant = (const Evloop__Grant *)reply;
	bool more = grant->queued;

	if (!more && grant->allowed) {
		more = has_places(call);
		/* It was granted all the same: of a limiter that has been removed since nothing is held. */
		if (!call->bridge->lost)
			call->error = NULL;
	}
	if (!more)
		bridge_source_free(TAKE_PTR(call->source));
	return json_object_set_new(call->reply, "more", json_boolean(more)) < 0 ? -ENOMEM : 0;
}

int bridge_finish_explain(struct bridge_call *call, const ProtobufCMessage *grant _unused_) {
	_cleanup_message_ ProtobufCMessage *reply = NULL;
	json_t *limiter;

	if (!look_at(call, &reply))
		return bridge_refuse(call, "NOT_FOUND", "the limiter has gone");
	limiter = json_of_message(&((const Evloop__LimiterListReply *)reply)->limiters[0]->base);
	return json_object_set_new(call->reply, "limiter", limiter) < 0 ? -ENOMEM : 0;
}

int bridge_complete_cost(struct bridge_call *call, ProtobufCMessage *request) {
	if (!json_object_get(call->given, "cost"))
		((Evloop__LimiterRequest *)request)->cost = 1;
	return bridge_complete_named(call, request);
}

int bridge_complete_items(struct bridge_call *call, ProtobufCMessage *request) {
	Evloop__LimiterMultiRequest *multi = (Evloop__LimiterMultiRequest *)request;
	json_t *items = json_object_get(call->given, "items");

	for (size_t i = 0; i < multi->n_items; i++)
		if (!json_object_get(json_array_get(items, i), "cost"))
			multi->items[i]->cost = 1;
	return 0;
}
