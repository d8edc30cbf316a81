/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON to messages: the way back from what json.h writes, and what is refused. */

#include "tests/unit/test.h"

#include <string.h>

#include "client/cli/json-message.h"
#include "client/cli/json.h"
#include "proto/method.h"

/* ---- there and back ---- */

static void fill(struct random *random, ProtobufCMessage *message);

static void fill_value(struct random *random, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
		       void *p) {
	static const char *const texts[] = { "", "a", "it's \"q\" \\", "\xc3\xa9" };
	static const int64_t numbers[] = { 0, 1, 255, INT32_MAX, INT64_C(1) << 53, INT64_MAX };
	static const char bytes[] = "\xff\0text";
	const ProtobufCEnumDescriptor *type = field->descriptor;
	ProtobufCBinaryData *data = p;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)p = strdup(texts[random_below(random, ARRAY_SIZE(texts))]);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		data->len = random_below(random, sizeof(bytes));
		data->data = malloc(sizeof(bytes));
		memcpy(data->data, bytes, sizeof(bytes));
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)p =
			malloc(((const ProtobufCMessageDescriptor *)field->descriptor)->sizeof_message);
		((const ProtobufCMessageDescriptor *)field->descriptor)->message_init(*(ProtobufCMessage **)p);
		fill(random, *(ProtobufCMessage **)p);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)p = (protobuf_c_boolean)random_below(random, 2);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		*(int *)p = type->values[random_below(random, type->n_values)].value;
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
		*(uint32_t *)p = (uint32_t)random_below(random, 4);
		if (json_flags(message->descriptor, field->name))
			*(uint32_t *)p = 1U << random_below(random, 4);
		break;
	default:
		*(int64_t *)p = numbers[random_below(random, ARRAY_SIZE(numbers))];
		break;
	}
}

static size_t size_of(const ProtobufCFieldDescriptor *field) {
	return field->type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData) : sizeof(uint64_t);
}

static void fill(struct random *random, ProtobufCMessage *message) {
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		char *p = (char *)message + field->offset;
		size_t n = random_below(random, 3);

		/* Of civil time there is a second key, which is not read beside the first. */
		if (strcmp(field->name, "clock") == 0)
			continue;
		if (field->label != PROTOBUF_C_LABEL_REPEATED) {
			fill_value(random, message, field, p);
			continue;
		}
		*(void **)p = n > 0 ? calloc(n, size_of(field)) : NULL;
		*(size_t *)((char *)message + field->quantifier_offset) = n;
		for (size_t j = 0; j < n; j++)
			fill_value(random, message, field, *(char **)p + j * size_of(field));
	}
}

static void assert_same(const ProtobufCMessage *a, const ProtobufCMessage *b) {
	size_t n = protobuf_c_message_get_packed_size(a);
	uint8_t *packed_a = malloc(n + 1), *packed_b = malloc(n + 1);

	assert_int_equal(protobuf_c_message_get_packed_size(b), n);
	protobuf_c_message_pack(a, packed_a);
	protobuf_c_message_pack(b, packed_b);
	assert_memory_equal(packed_a, packed_b, n);
	free(packed_a);
	free(packed_b);
}

static void check_round_trip(struct random *random, const ProtobufCMessageDescriptor *type) {
	ProtobufCMessage *message = malloc(type->sizeof_message), *back = NULL;
	char problem[JSON_PROBLEM_MAX] = "";
	json_t *object;
	int r;

	type->message_init(message);
	fill(random, message);
	object = json_of_message(message);
	assert_non_null(object);
	r = json_to_message(object, type, &back, problem);
	if (r < 0)
		print_error("%s: %s\n", type->name, problem);
	assert_int_equal(r, 0);
	assert_same(message, back);
	json_decref(object);
	protobuf_c_message_free_unpacked(back, NULL);
	protobuf_c_message_free_unpacked(message, NULL);
}

/* Whatever a call can hold, in whatever message: new fields, too. */
static void test_round_trip(void **state _unused_) {
	struct random random = RANDOM_INIT;
	size_t n;
	const struct method *methods = method_all(&n);

	for (size_t i = 0; i < n; i++)
		for (unsigned round = 0; methods[i].input && round < 200; round++)
			check_round_trip(&random, methods[i].input);
}

/* ---- by hand ---- */

static int convert(const char *text, const ProtobufCMessageDescriptor *type, void *ret, char *problem) {
	json_t *object = json_loads(text, JSON_ALLOW_NUL, NULL);
	int r;

	assert_non_null(object);
	r = json_to_message(object, type, ret, problem);
	json_decref(object);
	return r;
}

static void test_values(void **state _unused_) {
	char problem[JSON_PROBLEM_MAX] = "";
	Evloop__TimerSpec *spec;

	assert_int_equal(
		convert("{\"delay\":\"1h30m\",\"deadline_ns\":\"-5\",\"until_ns\":7,\"period_ns\":2e3,\"slack\":\"0\","
			"\"clock\":\"realtime\",\"name_mode\":\"ensure\",\"command\":{\"argv\":[\"a\\u0000\",[255]]}}",
			&evloop__timer_spec__descriptor, &spec, problem),
		0);
	assert_int_equal(spec->delay_ns, 5400 * NSEC_PER_SEC);
	assert_int_equal(spec->deadline_ns, -5);
	assert_int_equal(spec->until_ns, 7);
	assert_int_equal(spec->period_ns, 2000);
	assert_int_equal(spec->clock, EVLOOP__CLOCK__CLOCK_REALTIME);
	assert_int_equal(spec->name_mode, EVLOOP__NAME_MODE__NAME_ENSURE);
	assert_int_equal(spec->command->argv[0].len, 2);
	assert_int_equal(spec->command->argv[1].data[0], 255);
	assert_string_equal(spec->name, "");
	evloop__timer_spec__free_unpacked(spec, NULL);
	assert_int_equal(convert("{\"deadline\":\"@5.5\"}", &evloop__timer_spec__descriptor, &spec, problem), 0);
	assert_int_equal(spec->deadline_ns, 5500 * NSEC_PER_MSEC);
	evloop__timer_spec__free_unpacked(spec, NULL);
}

static void check_target(const char *text, uint64_t id, const char *name, const char *glob) {
	char problem[JSON_PROBLEM_MAX] = "";
	Evloop__ManageRequest *request;

	assert_int_equal(convert(text, &evloop__manage_request__descriptor, &request, problem), 0);
	assert_int_equal(request->target->id, id);
	assert_string_equal(request->target->name, name);
	assert_string_equal(request->target->glob, glob);
	evloop__manage_request__free_unpacked(request, NULL);
}

static void test_short_forms(void **state _unused_) {
	char problem[JSON_PROBLEM_MAX] = "";
	Evloop__LimiterSpec *spec;
	Evloop__WatchFdRequest *watch;

	check_target("{\"target\":42}", 42, "", "");
	check_target("{\"target\":\"42\"}", 42, "", "");
	check_target("{\"target\":\"sync\"}", 0, "sync", "");
	check_target("{\"target\":\"sy[nm]c\"}", 0, "", "sy[nm]c");
	check_target("{\"target\":{\"glob\":\"*\"}}", 0, "", "*");
	check_target("{\"target\":\"\"}", 0, "", "");
	assert_int_equal(convert("{\"rules\":[\"500/15min\",{\"tokens\":1}]}", &evloop__limiter_spec__descriptor, &spec,
				 problem),
			 0);
	assert_int_equal(spec->rules[0]->tokens, 500);
	assert_int_equal(spec->rules[0]->period_ns, 900 * NSEC_PER_SEC);
	evloop__limiter_spec__free_unpacked(spec, NULL);
	assert_int_equal(convert("{\"events\":\"writable\"}", &evloop__watch_fd_request__descriptor, &watch, problem),
			 0);
	assert_int_equal(watch->events, 2);
	evloop__watch_fd_request__free_unpacked(watch, NULL);
	assert_int_equal(convert("{\"events\":[\"readable\",\"writable\"]}", &evloop__watch_fd_request__descriptor,
				 &watch, problem),
			 0);
	assert_int_equal(watch->events, 3);
	evloop__watch_fd_request__free_unpacked(watch, NULL);
}

static void test_problems(void **state _unused_) {
	static const struct {
		const char *json, *problem;
	} table[] = {
		{ "{\"nonsense\":1}", "nonsense is not known here" },
		{ "{\"delay_ns\":\"5\"}", "delay_ns is not a whole number" },
		{ "{\"delay_ns\":0.5}", "delay_ns is not a whole number" },
		{ "{\"delay_ns\":1e30}", "delay_ns is not a whole number" },
		{ "{\"delay_ns\":null}", "delay_ns is not a whole number" },
		{ "{\"count\":-1}", "count is out of range: -1" },
		{ "{\"deadline_ns\":\"x\"}", "deadline_ns is not a decimal number of nanoseconds" },
		{ "{\"deadline_ns\":\"5-\"}", "deadline_ns is not a decimal number of nanoseconds" },
		{ "{\"deadline_ns\":\"9223372036854775808\"}", "deadline_ns is out of range" },
		{ "{\"delay\":5}", "delay is not a string; the number of nanoseconds is called delay_ns" },
		{ "{\"delay\":\"5s\",\"delay_ns\":5}", "delay and delay_ns exclude each other" },
		{ "{\"delay\":\"5x\"}", "delay '5x' is not a duration: a number alone is seconds, else each has its "
					"unit: ns us ms s m min h d w" },
		{ "{\"name\":5}", "name is not a string" },
		{ "{\"name\":\"a\\u0000b\"}", "name holds a NUL" },
		{ "{\"relative\":1}", "relative is neither true nor false" },
		{ "{\"clock\":\"sundial\"}", "clock has no value 'sundial'" },
		{ "{\"clock\":2}", "clock is not a string" },
		{ "{\"command\":5}", "command is not an object" },
		{ "{\"command\":{\"argv\":5}}", "command: argv is not an array" },
		{ "{\"command\":{\"argv\":[5]}}", "command: argv is neither a string nor an array of bytes" },
		{ "{\"command\":{\"argv\":[[256]]}}", "command: argv is out of range: 256" },
		{ "{\"command\":{\"argv\":[\"a\",[\"b\"]]}}", "command: argv is not a whole number" },
		{ "{\"command\":{\"cwd\":\"/\"}}", "command: cwd is not known here" },
		{ "{\"command\":{\"umask\":4294967296}}", "command: umask is out of range: 4294967296" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char problem[JSON_PROBLEM_MAX] = "";
		Evloop__TimerSpec *spec = NULL;

		assert_int_equal(convert(table[i].json, &evloop__timer_spec__descriptor, &spec, problem), -EINVAL);
		assert_string_equal(problem, table[i].problem);
		assert_null(spec);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_short_forms),
		cmocka_unit_test(test_problems),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
