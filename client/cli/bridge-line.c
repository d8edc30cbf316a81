/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the way of one line: read, checked whole, asked, answered.  A line that is refused has changed nothing. */

#include <stdarg.h>
#include <string.h>

#include "client/cli/bridge.h"
#include "client/cli/json.h"
#include "proto/method.h"
#include "proto/status.h"

int bridge_refuse(struct bridge_call *call, const char *error, const char *format, ...) {
	va_list args;

	/* What was said first is nearest to the cause. */
	if (call->error)
		return -EINVAL;
	call->error = error;
	va_start(args, format);
	(void)vsnprintf(call->message, sizeof(call->message), format, args);
	va_end(args);
	return -EINVAL;
}

json_t *bridge_given(const struct bridge_call *call, const char *key) {
	json_t *value = json_object_get(call->given, key);
	size_t n = strlen(key);
	char name[64];

	if (value || n < 4 || n >= sizeof(name) || strcmp(key + n - 3, "_ns") != 0)
		return value;
	memcpy(name, key, n - 3);
	name[n - 3] = '\0';
	return json_object_get(call->given, name);
}

/* ---- asking ---- */

static bool is_lost(int error) {
	return error == -ECONNRESET || error == -ENOTCONN || error == -EPIPE;
}

/* Everything that the daemon has said beside the status. */
static int add_details(struct bridge_call *call, const Evloop__Error *error) {
	json_t *all = json_of_message(&error->base);
	int r = all ? 0 : -ENOMEM;

	/* The handle, the serial and the method mean nothing outside. */
	for (const char *const *name = (const char *[]){ "status", "message", "handle", "serial", "method", NULL };
	     *name; name++)
		(void)json_object_del(all, *name);
	if (r == 0 && error->status != EVLOOP__STATUS__STATUS_QUOTA)
		for (const char *const *name = (const char *[]){ "limit_name", "limit", "used", "asked", NULL }; *name;
		     name++)
			(void)json_object_del(all, *name);
	if (r == 0 && !error->existing_limiter)
		(void)json_object_del(all, "existing_configured");
	if (r == 0 && json_object_update(call->reply, all) < 0)
		r = -ENOMEM;
	json_decref(all);
	return r;
}

static int note_error(struct bridge_call *call, int error) {
	struct bridge *bridge = call->bridge;
	const Evloop__Error *said = bridge->ops->error(bridge->evl);

	if (is_lost(error)) {
		bridge->lost = true;
		return bridge_refuse(call, "DISCONNECTED", "the daemon has gone");
	}
	if (said) {
		(void)add_details(call, said);
		return bridge_refuse(call, status_info((int)said->status)->name, "%s", said->message);
	}
	if (error == -EOWNERDEAD)
		return bridge_refuse(call, "DIED",
				     "the daemon died before it answered: nobody knows whether it was done");
	if (error == -EMSGSIZE)
		return bridge_refuse(call, "INVALID", "this is more than fits into a packet");
	return bridge_refuse(call, status_info(status_of_error(error))->name, "%s", strerror(-error));
}

int bridge_ask(struct bridge_call *call, Evloop__Method method, const ProtobufCMessage *request, int fd,
	       ProtobufCMessage **ret_reply) {
	struct bridge *bridge = call->bridge;
	int r = bridge->lost ? -ENOTCONN : bridge->ops->call(bridge->evl, method, request, fd, ret_reply);

	return r < 0 ? note_error(call, r) : 0;
}

/* ---- one call ---- */

/* "id" is the request's in what is answered, so the daemon's own is called "source". */
static int add_reply(struct bridge_call *call, const ProtobufCMessage *reply) {
	json_t *all = json_of_message(reply), *id = json_object_get(all, "id");
	int r = all ? 0 : -ENOMEM;

	if (r == 0 && id && json_object_set(call->reply, "source", id) < 0)
		r = -ENOMEM;
	(void)json_object_del(all, "id");
	if (r == 0 && call->source && json_is_integer(id))
		call->source->id = (uint64_t)json_integer_value(id);
	if (r == 0 && json_object_update(call->reply, all) < 0)
		r = -ENOMEM;
	json_decref(all);
	return r;
}

static void set_handle(ProtobufCMessage *request, uint64_t handle) {
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(request->descriptor, "handle");

	*(uint64_t *)((char *)request + field->offset) = handle;
}

static int make_source(struct bridge_call *call, ProtobufCMessage *request) {
	int r = bridge_source_new(call->bridge, json_object_get(call->given, "id"), &call->source);

	if (r == -EEXIST)
		return bridge_refuse(call, "EXISTS", "the id is that of a request that is not over");
	if (r < 0)
		return note_error(call, r);
	call->source->follows = call->follows;
	call->source->pid = call->pid;
	set_handle(request, call->source->handle);
	return 0;
}

static int ask(struct bridge_call *call, ProtobufCMessage *request) {
	const struct bridge_verb *verb = call->verb;
	ProtobufCMessage *reply = NULL;
	int r = verb->complete ? verb->complete(call, request) : 0;

	if (r == 0 && verb->makes_source)
		r = make_source(call, request);
	if (r == 0)
		r = bridge_ask(call, call->method, request, call->fd, &reply);
	if (r == 0)
		r = add_reply(call, reply);
	/* The number alone shall still mean that file when it is to be watched again. */
	if (r == 0 && call->source && call->fd_is_ours && call->method == EVLOOP__METHOD__METHOD_WATCH_FD)
		call->source->fd = TAKE_FD(call->fd);
	if (r == 0 && verb->finish)
		r = verb->finish(call, reply);
	if (reply)
		protobuf_c_message_free_unpacked(reply, NULL);
	if (r < 0 && call->source)
		bridge_source_free(TAKE_PTR(call->source));
	return r;
}

/* Handles are the bridge's business. */
static int check_fields(struct bridge_call *call) {
	static const char *const hidden[] = { "handle", "handles" };

	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (json_object_get(call->fields, hidden[i]))
			return bridge_refuse(call, "INVALID", "%s is not known here", hidden[i]);
	return 0;
}

static int convert_and_ask(struct bridge_call *call) {
	char problem[JSON_PROBLEM_MAX];
	ProtobufCMessage *request;
	int r = json_to_message(call->fields, method_find((uint16_t)call->method)->input, &request, problem);

	if (r == -EINVAL)
		return bridge_refuse(call, "INVALID", "%s", problem);
	if (r == 0) {
		r = ask(call, request);
		protobuf_c_message_free_unpacked(request, NULL);
	}
	return r;
}

static int perform(struct bridge_call *call) {
	int r = check_fields(call);

	if (r == 0 && call->verb->prepare)
		r = call->verb->prepare(call);
	/* What is answered here has been by now. */
	if (r == 0 && call->method != EVLOOP__METHOD__METHOD_NONE)
		r = convert_and_ask(call);
	return r;
}

/* ---- the line ---- */

static int find_verb(struct bridge_call *call) {
	const json_t *value = json_object_get(call->given, "call");
	const char *name = json_string_value(value);

	if (!name || strlen(name) != json_string_length(value))
		return bridge_refuse(call, "INVALID", "no \"call\" that says what to do");
	call->verb = bridge_verb_find(name);
	if (!call->verb)
		return bridge_refuse(call, "INVALID", "no call is named '%.64s'", name);
	call->method = call->verb->method;
	return 0;
}

static int check_id(struct bridge_call *call) {
	json_t *id = json_object_get(call->given, "id");

	if (!id || json_is_integer(id) || json_is_string(id))
		return 0;
	(void)json_object_del(call->given, "id");
	return bridge_refuse(call, "INVALID", "id is neither a whole number nor a string");
}

static void answer(struct bridge_call *call) {
	json_t *id = json_object_get(call->given, "id"), *line = json_object();
	int r = line ? 0 : -1;

	if (r == 0 && id)
		r = json_object_set(line, "id", id);
	if (r == 0 && call->error) {
		r = json_object_set_new(line, "error", json_string(call->error));
		if (r == 0)
			r = json_object_set_new(line, "message", json_of_bytes(call->message, strlen(call->message)));
		if (r == 0 && !id)
			r = json_object_set_new(line, "line", json_integer((json_int_t)call->bridge->line));
		call->bridge->n_refused++;
	} else if (r == 0) {
		r = json_object_set_new(line, "ok", json_true());
	}
	if (r == 0 && call->reply)
		r = json_object_update(line, call->reply);
	if (r < 0) {
		json_decref(line);
		line = NULL;
	}
	bridge_write(call->bridge, line);
}

static void do_call(struct bridge_call *call) {
	int r = check_id(call);

	call->fields = json_copy(call->given);
	call->reply = json_object();
	if (!call->fields || !call->reply)
		r = -ENOMEM;
	(void)json_object_del(call->fields, "id");
	(void)json_object_del(call->fields, "call");
	if (r == 0)
		r = find_verb(call);
	if (r == 0)
		r = perform(call);
	if (r < 0 && !call->error)
		(void)bridge_refuse(call, "INTERNAL", "%s", strerror(-r));
	answer(call);
	if (call->fd_is_ours)
		call->fd = close_fd(call->fd);
	json_decref(call->definition);
	json_decref(call->fields);
	json_decref(call->reply);
}

static void refuse_line(struct bridge *bridge, const char *why) {
	struct bridge_call call = { .bridge = bridge, .fd = -1 };

	(void)bridge_refuse(&call, "INVALID", "%s", why);
	answer(&call);
}

void bridge_line_too_long(struct bridge *bridge) {
	bridge->line++;
	refuse_line(bridge, "a line of more than 1 MiB");
}

static bool is_blank(const char *line, size_t size) {
	for (size_t i = 0; i < size; i++)
		if (!strchr(" \t\r", line[i]) || !line[i])
			return false;
	return true;
}

void bridge_line(struct bridge *bridge, const char *line, size_t size) {
	struct bridge_call call = { .bridge = bridge, .fd = -1 };
	json_error_t error;

	bridge->line++;
	if (is_blank(line, size))
		return;
	call.given = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (!call.given) {
		refuse_line(bridge, error.text[0] ? error.text : "this is not JSON");
	} else if (!json_is_object(call.given)) {
		refuse_line(bridge, "this is not an object");
	} else {
		do_call(&call);
	}
	json_decref(call.given);
}
