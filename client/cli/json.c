/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the way from messages to JSON.  Knows fields by their types and the endings of their names, no message by name but TimerInfo's clock and what is in flags_table. */

#include "client/cli/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/error.h"
#include "client/cli/text.h"
#include "client/cli/when.h"

/* Numbers that are bits of an enum. */
static const struct flags {
	const ProtobufCMessageDescriptor *message;
	const char *field;
	const ProtobufCEnumDescriptor *type;
} flags_table[] = {
	{ &evloop__event__descriptor, "readiness", &evloop__readiness__descriptor },
	{ &evloop__path_change__descriptor, "changes", &evloop__change__descriptor },
	{ &evloop__watch_fd_request__descriptor, "events", &evloop__readiness__descriptor },
};

static const void *member(const ProtobufCMessage *message, unsigned offset) {
	return (const char *)message + offset;
}

json_t *json_of_bytes(const void *data, size_t size) {
	json_t *value = json_stringn(data, size);

	if (value)
		return value;
	value = json_array();
	for (size_t i = 0; value && i < size; i++)
		json_array_append_new(value, json_integer(((const uint8_t *)data)[i]));
	return value;
}

static json_t *of_text(const char *text) {
	return text ? json_of_bytes(text, strlen(text)) : json_string("");
}

static json_t *of_value(const ProtobufCFieldDescriptor *field, const void *p) {
	const ProtobufCBinaryData *bytes = p;
	char buffer[WORD_MAX];

	switch (field->type) {
	case PROTOBUF_C_TYPE_SFIXED64:
		snprintf(buffer, sizeof(buffer), "%" PRId64, *(const int64_t *)p);
		return json_string(buffer);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		return json_integer(*(const int64_t *)p);
	case PROTOBUF_C_TYPE_INT32:
		return json_integer(*(const int32_t *)p);
	case PROTOBUF_C_TYPE_UINT32:
		return json_integer(*(const uint32_t *)p);
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(*(const protobuf_c_boolean *)p);
	case PROTOBUF_C_TYPE_ENUM:
		return json_string(text_enum(field->descriptor, *(const int *)p, buffer));
	case PROTOBUF_C_TYPE_STRING:
		return of_text(*(char *const *)p);
	case PROTOBUF_C_TYPE_BYTES:
		return json_of_bytes(bytes->data ? bytes->data : (const uint8_t *)"", bytes->len);
	case PROTOBUF_C_TYPE_MESSAGE:
		return json_of_message(*(ProtobufCMessage *const *)p);
	default:
		/* evloop.proto has no fields of other types. */
		return json_null();
	}
}

static size_t size_of(const ProtobufCFieldDescriptor *field) {
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return sizeof(uint64_t);
	}
}

const ProtobufCEnumDescriptor *json_flags(const ProtobufCMessageDescriptor *message, const char *field) {
	for (size_t i = 0; i < ARRAY_SIZE(flags_table); i++)
		if (flags_table[i].message == message && strcmp(flags_table[i].field, field) == 0)
			return flags_table[i].type;
	return NULL;
}

static json_t *of_flags(const ProtobufCEnumDescriptor *type, uint32_t flags) {
	json_t *array = json_array();
	char word[WORD_MAX];

	for (unsigned i = 0; array && i < 32; i++)
		if (flags & UINT32_C(1) << i)
			json_array_append_new(array, json_string(text_enum(type, (int)(UINT32_C(1) << i), word)));
	return array;
}

static json_t *of_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
	const ProtobufCEnumDescriptor *flags = json_flags(message->descriptor, field->name);
	size_t n;
	const char *items;
	json_t *array;

	if (flags)
		return of_flags(flags, *(const uint32_t *)member(message, field->offset));
	if (field->label != PROTOBUF_C_LABEL_REPEATED)
		return of_value(field, member(message, field->offset));
	n = *(const size_t *)member(message, field->quantifier_offset);
	items = *(const char *const *)member(message, field->offset);
	array = json_array();
	for (size_t i = 0; array && i < n; i++)
		json_array_append_new(array, of_value(field, items + i * size_of(field)));
	return array;
}

static int enum_field(const ProtobufCMessage *message, const char *name) {
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);

	return field && field->type == PROTOBUF_C_TYPE_ENUM ? *(const int *)member(message, field->offset) : -1;
}

/* Is the field a time of the realtime clock: by its name, or because the message is on that clock? */
static bool is_civil(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
	if (field->type != PROTOBUF_C_TYPE_SFIXED64)
		return false;
	if (strstr(field->name, "realtime"))
		return true;
	/* What a paused timer has left is no time. */
	return enum_field(message, "clock") == EVLOOP__CLOCK__CLOCK_REALTIME &&
	       !(enum_field(message, "state") == EVLOOP__TIMER_STATE__TIMER_PAUSED &&
		 strcmp(field->name, "next_ns") == 0);
}

/* The same value under the name without _ns. */
static int add_civil(json_t *object, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
	int64_t ns = *(const int64_t *)member(message, field->offset);
	char buffer[WHEN_TEXT_MAX], name[64];

	snprintf(name, sizeof(name), "%.*s", (int)strlen(field->name) - 3, field->name);
	return json_object_set_new(object, name, ns == 0 ? json_null() : json_string(when_format_utc(ns, buffer)));
}

json_t *json_of_message(const ProtobufCMessage *message) {
	json_t *object = json_object();
	int r = object ? 0 : -1;

	for (unsigned i = 0; r == 0 && i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];

		if (field->type == PROTOBUF_C_TYPE_MESSAGE && field->label != PROTOBUF_C_LABEL_REPEATED &&
		    !*(void *const *)member(message, field->offset))
			continue;
		r = json_object_set_new(object, field->name, of_field(message, field));
		if (r == 0 && is_civil(message, field))
			r = add_civil(object, message, field);
	}
	if (r == 0)
		return object;
	json_decref(object);
	return NULL;
}

bool json_print(json_t *value) {
	if (!value) {
		complain("%s", strerror(ENOMEM));
		return false;
	}
	/* A failed write is seen by text_flush(). */
	(void)json_dumpf(value, stdout, JSON_COMPACT);
	json_decref(value);
	putchar('\n');
	return text_flush();
}

bool json_print_message(const ProtobufCMessage *message) {
	return json_print(json_of_message(message));
}
