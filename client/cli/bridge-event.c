/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how an event reads, and which one is the last of its source. */

#include <string.h>

#include "client/cli/bridge.h"
#include "client/cli/event.h"
#include "client/cli/json.h"
#include "client/cli/text.h"
#include "proto/status.h"

/* What is told with each event of a type, also where it is zero.  Everything else is told where it is not. */
static const char *const always[][8] = {
	[EVLOOP__EVENT_TYPE__EVENT_FIRED] = { "fires", "fire_seq", "missed", "scheduled_ns", "fired_ns", "lateness_ns",
					      "more" },
	[EVLOOP__EVENT_TYPE__EVENT_OUTPUT] = { "output_end" },
	[EVLOOP__EVENT_TYPE__EVENT_EXITED] = { NULL },
	[EVLOOP__EVENT_TYPE__EVENT_ENDED] = { "end" },
	[EVLOOP__EVENT_TYPE__EVENT_GRANTED] = { "claim", "more" },
	[EVLOOP__EVENT_TYPE__EVENT_READY] = { "readiness", "fires", "more" },
	[EVLOOP__EVENT_TYPE__EVENT_PROCESS] = { "pid", "status_known", "status" },
	[EVLOOP__EVENT_TYPE__EVENT_CHANGED] = { "changes", "rescan", "error", "more" },
	[EVLOOP__EVENT_TYPE__EVENT_MESSAGE] = { "data", "fires", "fire_seq", "more" },
	[EVLOOP__EVENT_TYPE__EVENT_TIMEOUT] = { "more" },
};

static bool is_always_told(const Evloop__Event *event, const char *name) {
	if ((size_t)event->type >= ARRAY_SIZE(always))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(always[0]) && always[event->type][i]; i++)
		if (strcmp(always[event->type][i], name) == 0)
			return true;
	return false;
}

static bool is_zero(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
	const void *p = (const char *)message + field->offset;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)((const char *)message + field->quantifier_offset) == 0;
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return !**(char *const *)p;
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)p)->len == 0;
	case PROTOBUF_C_TYPE_MESSAGE:
		return !*(void *const *)p;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return *(const uint64_t *)p == 0;
	default:
		return *(const uint32_t *)p == 0;
	}
}

/* Those that the line says in another way. */
static bool is_said_otherwise(const char *name) {
	return strcmp(name, "type") == 0 || strcmp(name, "handle") == 0 || strcmp(name, "id") == 0;
}

static int add_fields(json_t *line, const Evloop__Event *event) {
	json_t *all = json_of_message(&event->base);
	int r = all ? 0 : -1;

	for (unsigned i = 0; i < event->base.descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &event->base.descriptor->fields[i];

		if (is_said_otherwise(field->name) ||
		    (is_zero(&event->base, field) && !is_always_told(event, field->name)))
			(void)json_object_del(all, field->name);
	}
	if (r == 0)
		r = json_object_update(line, all);
	json_decref(all);
	return r;
}

/* NULL: no memory. */
static json_t *begin_line(const struct bridge_source *source, const char *event) {
	json_t *line = json_object();
	int r = line ? 0 : -1;

	if (r == 0 && source->id)
		r = json_object_set_new(line, "source", json_integer((json_int_t)source->id));
	if (r == 0 && source->request)
		r = json_object_set(line, "request", source->request);
	if (r == 0)
		r = json_object_set_new(line, "event", json_string(event));
	if (r == 0)
		return line;
	json_decref(line);
	return NULL;
}

static json_t *line_of(const struct bridge_source *source, const Evloop__Event *event) {
	char word[WORD_MAX];
	const Evloop__Event whole = event_of_process(event, source->pid);
	json_t *line = begin_line(source, text_enum(&evloop__event_type__descriptor, (int)event->type, word));

	if (line && add_fields(line, &whole) == 0)
		return line;
	json_decref(line);
	return NULL;
}

/* With no event of the daemon's behind it, but words for people. */
static json_t *line_of_words(const struct bridge_source *source, const char *event, const char *error,
			     const char *message) {
	json_t *line = begin_line(source, event);
	int r = line ? json_object_set_new(line, "message", json_of_bytes(message, strlen(message))) : -1;

	if (r == 0)
		r = error ? json_object_set_new(line, "error", json_string(error))
			  : json_object_set_new(line, "more", json_true());
	if (r == 0)
		return line;
	json_decref(line);
	return NULL;
}

/* The status that has that errno; a word of our own for what no daemon says. */
static const char *word_of_error(int error) {
	if (error == -EOWNERDEAD)
		return "DIED";
	for (unsigned i = 0; i < evloop__status__descriptor.n_values; i++)
		if (status_info((int)i)->error == -error)
			return status_info((int)i)->name;
	return "INTERNAL";
}

static bool is_last(const struct bridge_source *source, const Evloop__Event *event) {
	switch (event->type) {
	case EVLOOP__EVENT_TYPE__EVENT_ENDED:
	case EVLOOP__EVENT_TYPE__EVENT_PROCESS:
		return true;
	case EVLOOP__EVENT_TYPE__EVENT_OUTPUT:
	case EVLOOP__EVENT_TYPE__EVENT_EXITED:
		return false;
	case EVLOOP__EVENT_TYPE__EVENT_FIRED:
		return !event->more && !source->follows;
	default:
		return !event->more;
	}
}

void bridge_event(struct evl *evl _unused_, const Evloop__Event *event, void *userdata) {
	struct bridge_source *source = userdata;

	if (event->id)
		source->id = event->id;
	if (event_is_gap(event))
		bridge_write(source->bridge, line_of_words(source, "lost", NULL, EVENT_GAP_TEXT));
	else
		bridge_write(source->bridge, line_of(source, event));
	if (is_last(source, event))
		bridge_source_free(source);
}

void bridge_ended_with_error(struct bridge_source *source, int error, const char *message) {
	bridge_write(source->bridge, line_of_words(source, "error", word_of_error(error), message));
	bridge_source_free(source);
}

void bridge_disconnected(struct bridge *bridge) {
	bridge_write(bridge, json_pack("{ss}", "event", "disconnected"));
}
