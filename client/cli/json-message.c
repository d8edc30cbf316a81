/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the way from JSON to messages.  Knows fields by their types and the endings of their names, and two messages that people abbreviate. */

#include "client/cli/json-message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/cli/json.h"
#include "client/cli/text.h"
#include "client/cli/when.h"
#include "proto/base.h"
#include "proto/duration.h"
#include "proto/limits.h"
#include "proto/rate.h"

#define DOUBLE_EXACT 9007199254740992.0 /* whole numbers up to here are exact */

static int wrong(char *problem, const char *format, ...) _printf_(2, 3);
static int wrong(char *problem, const char *format, ...) {
	va_list args;

	va_start(args, format);
	(void)vsnprintf(problem, JSON_PROBLEM_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

static void *member(ProtobufCMessage *message, unsigned offset) {
	return (char *)message + offset;
}

/* ---- numbers ---- */

/* Languages without integers write 5.0, too. */
static int take_integer(const json_t *value, int64_t low, int64_t high, int64_t *ret, char *problem) {
	double real = json_real_value(value);
	int64_t n;

	if (json_is_integer(value))
		n = json_integer_value(value);
	else if (json_is_real(value) && real >= -DOUBLE_EXACT && real <= DOUBLE_EXACT && real == (double)(int64_t)real)
		n = (int64_t)real;
	else
		return wrong(problem, "is not a whole number");
	if (n < low || n > high)
		return wrong(problem, "is out of range: %lld", (long long)n);
	*ret = n;
	return 0;
}

static int take_time(const json_t *value, int64_t *ret, char *problem) {
	const char *text = json_string_value(value);
	char *end;

	if (!text)
		return take_integer(value, INT64_MIN, INT64_MAX, ret, problem);
	errno = 0;
	*ret = strtoll(text, &end, 10);
	/* strtoll() skips blanks. */
	if (text[strspn(text, "-0123456789")] || *end || end == text)
		return wrong(problem, "is not a decimal number of nanoseconds");
	return errno == 0 ? 0 : wrong(problem, "is out of range");
}

/* What stands under the name without _ns. */
static int take_text_time(const ProtobufCFieldDescriptor *field, const json_t *value, int64_t *ret, char *problem) {
	const char *text = json_string_value(value);
	struct timespec now;
	int r;

	if (!text)
		return wrong(problem, "is not a string; the number of nanoseconds is called %s", field->name);
	if (field->type != PROTOBUF_C_TYPE_SFIXED64) {
		r = duration_parse(text, ret);
		return r == 0 ? 0 : wrong(problem, "'%.64s' is not a duration: %s", text, duration_error(r));
	}
	(void)clock_gettime(CLOCK_REALTIME, &now);
	r = when_parse(text, now.tv_sec * NSEC_PER_SEC + now.tv_nsec, ret);
	return r == 0 ? 0 : wrong(problem, "'%.64s' is not a time: %s", text, when_error(r));
}

static int take_enum(const ProtobufCEnumDescriptor *type, const json_t *value, int *ret, char *problem) {
	const char *text = json_string_value(value);
	char given[WORD_MAX] = "", word[WORD_MAX];

	for (size_t i = 0; text && text[i] && i < WORD_MAX - 1; i++)
		given[i] = text[i] == '_' ? '-' : text[i];
	for (unsigned i = 0; i < type->n_values; i++) {
		if (strcmp(given, text_enum(type, type->values[i].value, word)) == 0) {
			*ret = type->values[i].value;
			return 0;
		}
	}
	return text ? wrong(problem, "has no value '%.64s'", text) : wrong(problem, "is not a string");
}

/* Bits: a word, words in an array, or the number. */
static int take_flags(const ProtobufCEnumDescriptor *type, json_t *value, uint32_t *ret, char *problem) {
	size_t n = json_is_array(value) ? json_array_size(value) : 1;
	int64_t number = 0;
	int r = 0;

	if (json_is_integer(value)) {
		r = take_integer(value, 0, UINT32_MAX, &number, problem);
		*ret = (uint32_t)number;
		return r;
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		int bit = 0;

		r = take_enum(type, json_is_array(value) ? json_array_get(value, i) : value, &bit, problem);
		*ret |= (uint32_t)bit;
	}
	return r;
}

/* ---- bytes ---- */

static int take_string(const json_t *value, char **ret, char *problem) {
	const char *text = json_string_value(value);

	if (!text)
		return wrong(problem, "is not a string");
	if (strlen(text) != json_string_length(value))
		return wrong(problem, "holds a NUL");
	if (!text[0])
		return 0; /* as it is initialised */
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int take_numbers(const json_t *array, ProtobufCBinaryData *ret, char *problem) {
	size_t n = json_array_size(array);
	int64_t byte = 0;

	ret->data = malloc(n + 1);
	if (!ret->data)
		return -ENOMEM;
	ret->data[n] = '\0';
	ret->len = n;
	for (size_t i = 0; i < n; i++) {
		int r = take_integer(json_array_get(array, i), 0, UINT8_MAX, &byte, problem);

		if (r < 0)
			return r;
		ret->data[i] = (uint8_t)byte;
	}
	return 0;
}

static int take_bytes(const json_t *value, ProtobufCBinaryData *ret, char *problem) {
	size_t n = json_string_length(value);

	if (json_is_array(value))
		return take_numbers(value, ret, problem);
	if (!json_is_string(value))
		return wrong(problem, "is neither a string nor an array of bytes");
	ret->data = malloc(n + 1);
	if (!ret->data)
		return -ENOMEM;
	memcpy(ret->data, json_string_value(value), n + 1);
	ret->len = n;
	return 0;
}

/* ---- messages ---- */

/* 42, "42", "sync", "sync*" */
static int take_target(const json_t *value, Evloop__Target *target, char *problem) {
	const char *text = json_string_value(value);
	int64_t id = 0;
	int r;

	if (!text || (text[0] && text[strspn(text, "0123456789")] == '\0')) {
		r = text ? take_time(value, &id, problem) : take_integer(value, 1, ID_MAX, &id, problem);
		target->id = (uint64_t)id;
		return r;
	}
	return take_string(value, strpbrk(text, "*?[") ? &target->glob : &target->name, problem);
}

static int take_rule(const json_t *value, Evloop__LimiterRule *rule, char *problem) {
	struct rate rate = { 0 };
	const char *why = rate_parse(json_string_value(value), &rate);

	if (why || rate.tokens == 0)
		return wrong(problem, "has '%.64s': %s", json_string_value(value), why ? why : "no rule is unlimited");
	rule->tokens = rate.tokens;
	rule->period_ns = rate.period_ns;
	return 0;
}

/* `prefix` goes before what is wrong. */
static int fill(json_t *object, ProtobufCMessage *message, const char *prefix, char *problem);

static int take_message(const ProtobufCFieldDescriptor *field, json_t *value, ProtobufCMessage **ret, char *problem) {
	const ProtobufCMessageDescriptor *type = field->descriptor;
	ProtobufCMessage *message = malloc(type->sizeof_message);

	if (!message)
		return -ENOMEM;
	type->message_init(message);
	*ret = message;
	if (type == &evloop__target__descriptor && !json_is_object(value))
		return take_target(value, (Evloop__Target *)message, problem);
	if (type == &evloop__limiter_rule__descriptor && json_is_string(value))
		return take_rule(value, (Evloop__LimiterRule *)message, problem);
	return fill(value, message, ": ", problem);
}

static int take_value(const ProtobufCFieldDescriptor *field, json_t *value, void *p, char *problem) {
	int64_t n = 0;
	int r;

	switch (field->type) {
	case PROTOBUF_C_TYPE_SFIXED64:
		return take_time(value, p, problem);
	case PROTOBUF_C_TYPE_INT64:
		return take_integer(value, INT64_MIN, INT64_MAX, p, problem);
	case PROTOBUF_C_TYPE_UINT64:
		return take_integer(value, 0, INT64_MAX, p, problem);
	case PROTOBUF_C_TYPE_INT32:
		r = take_integer(value, INT32_MIN, INT32_MAX, &n, problem);
		*(int32_t *)p = (int32_t)n;
		return r;
	case PROTOBUF_C_TYPE_UINT32:
		r = take_integer(value, 0, UINT32_MAX, &n, problem);
		*(uint32_t *)p = (uint32_t)n;
		return r;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)p = json_is_true(value);
		return json_is_boolean(value) ? 0 : wrong(problem, "is neither true nor false");
	case PROTOBUF_C_TYPE_ENUM:
		return take_enum(field->descriptor, value, p, problem);
	case PROTOBUF_C_TYPE_STRING:
		return take_string(value, p, problem);
	case PROTOBUF_C_TYPE_BYTES:
		return take_bytes(value, p, problem);
	case PROTOBUF_C_TYPE_MESSAGE:
		return take_message(field, value, p, problem);
	default:
		/* evloop.proto has no fields of other types. */
		return wrong(problem, "cannot be given");
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

/* The count goes along, so that what is there when one is refused is freed with the message. */
static int take_array(const ProtobufCFieldDescriptor *field, json_t *array, ProtobufCMessage *message, char *problem) {
	size_t *n = member(message, field->quantifier_offset), size = json_array_size(array);
	char **items = member(message, field->offset);
	int r = 0;

	if (!json_is_array(array))
		return wrong(problem, "is not an array");
	*items = size > 0 ? calloc(size, size_of(field)) : NULL;
	if (size > 0 && !*items)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < size; i++) {
		if (field->type == PROTOBUF_C_TYPE_STRING)
			((char **)*items)[i] = (char *)protobuf_c_empty_string;
		*n = i + 1;
		r = take_value(field, json_array_get(array, i), *items + i * size_of(field), problem);
	}
	return r;
}

/* The field of that key; *ret_text: it is given as text, under the name without _ns. */
static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessage *message, const char *key, bool *ret_text) {
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(message->descriptor, key);
	char name[64];

	*ret_text = false;
	if (field || (size_t)snprintf(name, sizeof(name), "%s_ns", key) >= sizeof(name))
		return field;
	field = protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
	*ret_text = field != NULL;
	return field && field->label != PROTOBUF_C_LABEL_REPEATED ? field : NULL;
}

static int fill_field(json_t *object, const char *key, json_t *value, ProtobufCMessage *message, char *problem) {
	bool text;
	const ProtobufCFieldDescriptor *field = find_field(message, key, &text);
	const ProtobufCEnumDescriptor *flags;

	if (!field)
		return wrong(problem, "is not known here");
	if (text && json_object_get(object, field->name))
		return wrong(problem, "and %s exclude each other", field->name);
	if (text)
		return take_text_time(field, value, member(message, field->offset), problem);
	flags = json_flags(message->descriptor, field->name);
	if (flags)
		return take_flags(flags, value, member(message, field->offset), problem);
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return take_array(field, value, message, problem);
	return take_value(field, value, member(message, field->offset), problem);
}

static int fill(json_t *object, ProtobufCMessage *message, const char *prefix, char *problem) {
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return wrong(problem, "is not an object");
	json_object_foreach(object, key, value) {
		char inner[JSON_PROBLEM_MAX];
		int r = fill_field(object, key, value, message, inner);

		/* "command: argv is not an array": of what is in a message its key goes before. */
		if (r == -EINVAL)
			return wrong(problem, "%s%.64s%s%.160s", prefix, key, inner[0] == ':' ? "" : " ", inner);
		if (r < 0)
			return r;
	}
	return 0;
}

int json_to_message(json_t *object, const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret,
		    char problem[JSON_PROBLEM_MAX]) {
	ProtobufCMessage *message = malloc(type->sizeof_message);
	int r;

	if (!message)
		return -ENOMEM;
	type->message_init(message);
	r = fill(object, message, "", problem);
	if (r < 0) {
		protobuf_c_message_free_unpacked(message, NULL);
		return r;
	}
	*ret = message;
	return 0;
}
