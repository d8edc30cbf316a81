/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the calls about timers: which deadline is meant, what a command takes along, and which timer a request's id names. */

#include <string.h>
#include <time.h>

#include "client/cli/bridge.h"
#include "proto/duration.h"
#include "proto/limits.h"

/* ---- arming ---- */

/* ["make", "-s"] is {"argv": ["make", "-s"]}. */
int bridge_prepare_timer(struct bridge_call *call) {
	json_t *command = json_object_get(call->fields, "command");

	if (json_object_get(call->fields, "kind"))
		return bridge_refuse(call, "INVALID", "kind is not known here: the name of the call says it");
	if (command && !json_is_array(command) && !json_is_object(command))
		return bridge_refuse(call, "INVALID", "command is neither an array of words nor an object");
	if (!json_is_array(command))
		return 0;
	return json_object_set_new(call->fields, "command", json_pack("{sO}", "argv", command)) < 0 ? -ENOMEM : 0;
}

static int64_t now_on(Evloop__Clock clock) {
	static const clockid_t clocks[] = { CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME };
	struct timespec now;

	(void)clock_gettime(clocks[clock], &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/* So long from now, taken here: what the request is on its way for is not added. */
static int set_delay(struct bridge_call *call, Evloop__TimerSpec *spec, int64_t delay_ns) {
	int64_t now_ns = now_on(spec->clock);

	if (delay_ns < 0 || delay_ns > TIME_NS_MAX - now_ns)
		return bridge_refuse(call, "OUT_OF_RANGE", "a delay of %lld ns", (long long)delay_ns);
	spec->deadline_ns =
		call->bridge->ops->deadline(call->bridge->evl, spec->clock, now_ns + delay_ns, &spec->relative);
	return 0;
}

/* One that was given, as a time or, with `relative`, as a delay. */
static int set_deadline(struct bridge_call *call, Evloop__TimerSpec *spec) {
	if (spec->relative)
		return 0;
	if (spec->deadline_ns > TIME_NS_MAX)
		return bridge_refuse(call, "OUT_OF_RANGE", "deadline_ns is %lld", (long long)spec->deadline_ns);
	spec->deadline_ns =
		call->bridge->ops->deadline(call->bridge->evl, spec->clock, spec->deadline_ns, &spec->relative);
	return 0;
}

/* A time of the day is one of the realtime clock. */
static int check_text_times(struct bridge_call *call, const Evloop__TimerSpec *spec) {
	static const char *const names[] = { "deadline", "until" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (json_object_get(call->given, names[i]) && spec->clock != EVLOOP__CLOCK__CLOCK_REALTIME)
			return bridge_refuse(call, "INVALID",
					     "%s is a time of the day: \"clock\":\"realtime\" goes with it", names[i]);
	return 0;
}

static int copy_bytes(const ProtobufCBinaryData *from, ProtobufCBinaryData *to) {
	to->data = malloc(from->len + 1);
	if (!to->data)
		return -ENOMEM;
	memcpy(to->data, from->data, from->len);
	to->data[from->len] = '\0';
	to->len = from->len;
	return 0;
}

static int copy_environment(const Evloop__Command *from, Evloop__Command *to) {
	to->environment = calloc(MAX(from->n_environment, (size_t)1), sizeof(*to->environment));
	if (!to->environment)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_environment; i++) {
		int r = copy_bytes(&from->environment[i], &to->environment[i]);

		if (r < 0)
			return r;
		to->n_environment = i + 1;
	}
	return 0;
}

/* What was not given of `command` is as it is here. */
static int take_along(Evloop__Command *command, const json_t *given) {
	const char *const words[] = { "-", NULL };
	struct evl_timer timer = EVL_TIMER_INIT;
	Evloop__Command *here;
	int r;

	timer.argv = words;
	r = command_new(&timer, &here);
	if (r < 0)
		return r;
	if (command->directory.len == 0) {
		free(command->directory.data);
		r = copy_bytes(&here->directory, &command->directory);
	}
	if (r == 0 && !json_object_get(given, "environment"))
		r = copy_environment(here, command);
	if (!json_object_get(given, "umask"))
		command->umask = here->umask;
	command_free(here);
	return r;
}

static int complete_command(struct bridge_call *call, Evloop__TimerSpec *spec) {
	Evloop__Command *command = spec->command;
	int r;

	if (!command)
		return 0;
	if (command->n_argv == 0)
		return bridge_refuse(call, "INVALID", "command: argv has no word");
	for (size_t i = 0; i < command->n_argv; i++)
		if (memchr(command->argv[i].data, '\0', command->argv[i].len))
			return bridge_refuse(call, "INVALID", "command: a word holds a NUL");
	r = take_along(command, json_object_get(call->fields, "command"));
	return r == -E2BIG ? bridge_refuse(call, "INVALID", "command and environment have more than %d bytes",
					   COMMAND_SIZE_MAX)
			   : r;
}

static int complete_rest(struct bridge_call *call, Evloop__TimerSpec *spec) {
	int r = check_text_times(call, spec);

	call->follows = spec->command || spec->detached;
	return r == 0 ? complete_command(call, spec) : r;
}

int bridge_complete_soon(struct bridge_call *call, ProtobufCMessage *request) {
	Evloop__TimerSpec *spec = (Evloop__TimerSpec *)request;

	spec->kind = EVLOOP__KIND__KIND_SOON;
	return complete_rest(call, spec);
}

int bridge_complete_after(struct bridge_call *call, ProtobufCMessage *request) {
	Evloop__TimerSpec *spec = (Evloop__TimerSpec *)request;
	bool has_delay = bridge_given(call, "delay_ns") != NULL;
	int r;

	spec->kind = EVLOOP__KIND__KIND_AFTER;
	if (has_delay == (bridge_given(call, "deadline_ns") != NULL))
		return bridge_refuse(call, "INVALID",
				     has_delay ? "delay_ns and deadline_ns exclude each other" : "no delay_ns");
	r = complete_rest(call, spec);
	if (r < 0)
		return r;
	return has_delay ? set_delay(call, spec, spec->delay_ns) : set_deadline(call, spec);
}

int bridge_complete_at(struct bridge_call *call, ProtobufCMessage *request) {
	Evloop__TimerSpec *spec = (Evloop__TimerSpec *)request;
	int r;

	spec->kind = EVLOOP__KIND__KIND_AT;
	if (!json_object_get(call->given, "clock"))
		spec->clock = EVLOOP__CLOCK__CLOCK_REALTIME;
	if (!bridge_given(call, "deadline_ns"))
		return bridge_refuse(call, "INVALID", "no deadline_ns");
	r = complete_rest(call, spec);
	return r == 0 ? set_deadline(call, spec) : r;
}

int bridge_complete_every(struct bridge_call *call, ProtobufCMessage *request) {
	Evloop__TimerSpec *spec = (Evloop__TimerSpec *)request;
	int r;

	spec->kind = EVLOOP__KIND__KIND_EVERY;
	if (!bridge_given(call, "period_ns"))
		return bridge_refuse(call, "INVALID", "no period_ns");
	r = complete_rest(call, spec);
	if (r < 0)
		return r;
	return bridge_given(call, "deadline_ns") ? set_deadline(call, spec) : set_delay(call, spec, spec->period_ns);
}

int bridge_complete_sleep(struct bridge_call *call, ProtobufCMessage *request) {
	return bridge_given(call, "deadline_ns") ? bridge_complete_at(call, request)
						 : bridge_complete_after(call, request);
}

int bridge_complete_wait(struct bridge_call *call, ProtobufCMessage *request) {
	call->follows = true;
	if (!((Evloop__AttachRequest *)request)->target)
		return bridge_refuse(call, "INVALID", "no target");
	return 0;
}

/* ---- naming them by the request ---- */

/* Take "request" out; *ret_found: it was there.  call::subject is its source, NULL: it is over, or never was. */
static void take_request(struct bridge_call *call, bool *ret_found) {
	json_t *request = json_object_get(call->fields, "request");

	*ret_found = request != NULL;
	if (request) {
		call->subject = bridge_source_find(call->bridge, request);
		(void)json_object_del(call->fields, "request");
	}
}

/* The message has no delay, but a deadline that counts from when it arrives. */
static int move_delay(struct bridge_call *call, const char *key, json_t *delay) {
	int64_t ns = json_integer_value(delay);
	int r = 0;

	if (json_object_get(call->fields, "deadline_ns"))
		return bridge_refuse(call, "INVALID", "%s and deadline_ns exclude each other", key);
	if (json_is_string(delay))
		r = duration_parse(json_string_value(delay), &ns);
	else if (!json_is_integer(delay))
		return bridge_refuse(call, "INVALID", "%s is not a whole number", key);
	if (r != 0)
		return bridge_refuse(call, "INVALID", "%s '%.64s' is not a duration: %s", key, json_string_value(delay),
				     duration_error(r));
	if (json_object_set_new(call->fields, "deadline_ns", json_integer(ns)) < 0 ||
	    json_object_set_new(call->fields, "relative", json_true()) < 0)
		return -ENOMEM;
	(void)json_object_del(call->fields, key);
	return 0;
}

int bridge_prepare_restart(struct bridge_call *call) {
	static const char *const keys[] = { "delay_ns", "delay" };
	bool found;
	int r = 0;

	take_request(call, &found);
	if (!found)
		return bridge_refuse(call, "INVALID", "no request whose timer is meant");
	if (!call->subject)
		return bridge_refuse(call, "NOT_FOUND", "the request is over, or never was");
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(keys); i++) {
		json_t *delay = json_object_get(call->fields, keys[i]);

		r = delay ? move_delay(call, keys[i], delay) : 0;
	}
	if (r == 0 && !json_object_get(call->fields, "deadline_ns"))
		return bridge_refuse(call, "INVALID", "no delay_ns");
	return r;
}

int bridge_complete_restart(struct bridge_call *call, ProtobufCMessage *request) {
	((Evloop__RestartRequest *)request)->handle = call->subject->handle;
	return 0;
}

int bridge_prepare_manage(struct bridge_call *call) {
	json_t *target = json_object_get(call->fields, "target"), *name = json_object_get(call->fields, "name");
	bool found;

	take_request(call, &found);
	if (found + (target != NULL) + (name != NULL) != 1)
		return bridge_refuse(call, "INVALID", "one of target, name and request says which timer is meant");
	if (found && !call->subject)
		return bridge_refuse(call, "NOT_FOUND", "the request is over, or never was");
	if (found)
		target = json_integer((json_int_t)call->subject->id);
	else if (name)
		target = json_incref(name);
	else
		return 0;
	(void)json_object_del(call->fields, "name");
	return json_object_set_new(call->fields, "target", target) < 0 ? -ENOMEM : 0;
}

int bridge_prepare_cancel(struct bridge_call *call) {
	bool found;

	if (!json_object_get(call->fields, "request"))
		return bridge_prepare_manage(call);
	take_request(call, &found);
	if (json_object_size(call->fields) > 0)
		return bridge_refuse(call, "INVALID", "beside request nothing is known here");
	if (call->subject) {
		call->method = EVLOOP__METHOD__METHOD_CANCEL_HANDLE;
		return 0;
	}
	call->method = EVLOOP__METHOD__METHOD_NONE;
	return json_object_set_new(call->reply, "outcome", json_string("gone")) < 0 ? -ENOMEM : 0;
}

int bridge_complete_cancel(struct bridge_call *call, ProtobufCMessage *request) {
	if (call->method == EVLOOP__METHOD__METHOD_CANCEL_HANDLE)
		((Evloop__HandleRequest *)request)->handle = call->subject->handle;
	return 0;
}

/* No event of it is written from now on: one that is on its way here has been withdrawn as well. */
int bridge_finish_cancel(struct bridge_call *call, const ProtobufCMessage *reply) {
	if (call->method != EVLOOP__METHOD__METHOD_CANCEL_HANDLE)
		return 0;
	bridge_source_free(TAKE_PTR(call->subject));
	if (((const Evloop__CancelReply *)reply)->outcome != EVLOOP__OUTCOME__OUTCOME_GONE)
		return 0;
	return json_object_set_new(call->reply, "outcome", json_string("withdrawn")) < 0 ? -ENOMEM : 0;
}
