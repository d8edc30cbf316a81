/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how an object is written: as JSON, or as words that a shell can eval.  Knows no key. */

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "client/cli/bridge.h"
#include "client/cli/text.h"

#define NAME_MAX_LENGTH 256

/* ---- words of a shell ---- */

struct words {
	const struct bridge *bridge;
	char name[NAME_MAX_LENGTH]; /* of the present value; the names that it is in, joined by _ */
	bool first;
};

/* NAME=, in front of the value. */
static void put_name(struct words *words) {
	const struct bridge *bridge = words->bridge;

	if (!words->first)
		fputc(' ', bridge->out);
	words->first = false;
	if (bridge->prefix)
		fputs(bridge->prefix, bridge->out);
	for (const char *p = words->name; *p; p++)
		fputc(bridge->prefix ? toupper((unsigned char)*p) : *p, bridge->out);
	fputc('=', bridge->out);
}

static void put_bytes(struct words *words, const void *data, size_t size) {
	ProtobufCBinaryData word = { .data = (uint8_t *)data, .len = size };
	_cleanup_free_ char *text = text_command(&word, 1);

	put_name(words);
	if (text)
		fputs(text, words->bridge->out);
}

static void put_value(struct words *words, json_t *value);

/* The same with one more part of the name. */
static void put_inner(struct words *words, const char *key, json_t *value) {
	size_t n = strlen(words->name);

	(void)snprintf(words->name + n, sizeof(words->name) - n, "%s%s", n > 0 ? "_" : "", key);
	put_value(words, value);
	words->name[n] = '\0';
}

static void put_object(struct words *words, json_t *object) {
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) put_inner(words, key, value);
}

/* Of the whole protocol only bytes that are not UTF-8 are numbers in an array. */
static bool is_bytes(const json_t *array) {
	return json_is_integer(json_array_get(array, 0));
}

static void put_numbers(struct words *words, const json_t *array) {
	size_t n = json_array_size(array);
	_cleanup_free_ uint8_t *bytes = malloc(n + 1);

	for (size_t i = 0; bytes && i < n; i++)
		bytes[i] = (uint8_t)json_integer_value(json_array_get(array, i));
	put_bytes(words, bytes, bytes ? n : 0);
}

/* NAME_n=2 NAME_0=… NAME_1=… */
static void put_array(struct words *words, json_t *array) {
	size_t n = json_array_size(array);
	json_t *count = json_integer((json_int_t)n);

	put_inner(words, "n", count);
	json_decref(count);
	for (size_t i = 0; i < n; i++) {
		char number[24];

		(void)snprintf(number, sizeof(number), "%zu", i);
		put_inner(words, number, json_array_get(array, i));
	}
}

static void put_value(struct words *words, json_t *value) {
	FILE *out = words->bridge->out;

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		put_object(words, value);
		break;
	case JSON_ARRAY:
		if (is_bytes(value))
			put_numbers(words, value);
		else
			put_array(words, value);
		break;
	case JSON_STRING:
		put_bytes(words, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		put_name(words);
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		put_name(words);
		fprintf(out, "%.17g", json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		put_name(words);
		fputc(json_is_true(value) ? '1' : '0', out);
		break;
	case JSON_NULL:
		put_name(words);
		break;
	}
}

/* ---- both ---- */

void bridge_write(struct bridge *bridge, json_t *object) {
	/* A failed write is seen when it is flushed. */
	if (!object)
		fputs(bridge->shell ? "error=INTERNAL" : "{\"error\":\"INTERNAL\"}", bridge->out);
	else if (bridge->shell)
		put_value(&(struct words){ .bridge = bridge, .first = true }, object);
	else
		(void)json_dumpf(object, bridge->out, JSON_COMPACT);
	fputc('\n', bridge->out);
	json_decref(object);
}
