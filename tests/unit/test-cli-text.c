/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the command shows values to people and as JSON. */

#undef NDEBUG

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "client/cli/event.h"
#include "client/cli/json.h"
#include "client/cli/text.h"
#include "client/cli/timers.h"

#define WORD(literal)                                                                                                  \
	{ .data = (uint8_t *)(literal), .len = sizeof(literal) - 1 }

static void test_enums(void **state _unused_) {
	static const struct {
		const ProtobufCEnumDescriptor *type;
		int value;
		const char *word;
	} table[] = {
		{ &evloop__kind__descriptor, EVLOOP__KIND__KIND_EVERY, "every" },
		{ &evloop__timer_state__descriptor, EVLOOP__TIMER_STATE__TIMER_ARMED, "armed" },
		{ &evloop__outcome__descriptor, EVLOOP__OUTCOME__OUTCOME_NOT_RUNNING, "not-running" },
		{ &evloop__run_result__descriptor, EVLOOP__RUN_RESULT__RUN_NOT_STARTED, "not-started" },
		{ &evloop__status__descriptor, EVLOOP__STATUS__STATUS_COST_EXCEEDS_BURST, "cost-exceeds-burst" },
		/* These have nothing in common to leave out. */
		{ &evloop__armed__change__descriptor, EVLOOP__ARMED__CHANGE__UNCHANGED, "unchanged" },
		/* Of a later protocol. */
		{ &evloop__kind__descriptor, 99, "99" },
	};
	char buffer[WORD_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_string_equal(text_enum(table[i].type, table[i].value, buffer), table[i].word);
}

static void check_command(const ProtobufCBinaryData *words, size_t n, const char *expected) {
	char *text = text_command(words, n);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

static void test_commands(void **state _unused_) {
	const ProtobufCBinaryData words[] = {
		WORD("./run"), WORD("-x"), WORD("a=b,c"),  WORD(""),        WORD("two words"),   WORD("it's"),
		WORD("$HOME"), WORD("*"),  WORD("a\nb\t"), WORD("\x1b[2J"), WORD("\xff'\\\x01"),
	};
	const ProtobufCBinaryData wide[] = { WORD("\xc3\xa9"), WORD("\xe2\x80\xae"), WORD("\xe2\x82") };

	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	check_command(words, ARRAY_SIZE(words),
		      "./run -x a=b,c '' 'two words' 'it'\\''s' '$HOME' '*' $'a\\nb\\t' $'\\033[2J' "
		      "$'\\377\\'\\\\\\001'");
	/* A letter; a mark that turns the direction of writing; half a character. */
	check_command(wide, ARRAY_SIZE(wide), "'\xc3\xa9' $'\\342\\200\\256' $'\\342\\202'");
	check_command(NULL, 0, "");
}

static void test_flags(void **state _unused_) {
	char buffer[FLAGS_MAX];

	assert_string_equal(text_flags(&evloop__readiness__descriptor, 0, buffer), "");
	assert_string_equal(text_flags(&evloop__readiness__descriptor, 1, buffer), "readable");
	assert_string_equal(text_flags(&evloop__readiness__descriptor, 1 | 4, buffer), "readable,hangup");
	assert_string_equal(text_flags(&evloop__change__descriptor, 15, buffer), "created,modified,moved,deleted");
	/* One of a later protocol has no name. */
	assert_string_equal(text_flags(&evloop__change__descriptor, UINT32_C(1) << 31 | 8, buffer), "deleted");
}

static void check_path(const char *path, const char *expected) {
	char *text = text_path(path);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

static void test_paths(void **state _unused_) {
	check_path("src/a b.c", "src/a b.c");
	check_path("it's $HOME", "it's $HOME");
	/* What is not a terminal gets the bytes, as long as they stay in a line. */
	check_path("\xff", "\xff");
	check_path("a\nb", "$'a\\nb'");
	check_path("\x1b[2J", "$'\\033[2J'");
}

static void test_seconds(void **state _unused_) {
	char buffer[SECONDS_MAX];

	assert_string_equal(text_seconds(0, buffer), "0.000000000");
	assert_string_equal(text_seconds(71000, buffer), "0.000071000");
	assert_string_equal(text_seconds(61 * NSEC_PER_SEC + 1, buffer), "61.000000001");
	assert_string_equal(text_seconds(-1, buffer), "-0.000000001");
	assert_string_equal(text_seconds(INT64_MIN, buffer), "-9223372036.854775808");
}

/* The text of one key, or "" where it is missing or no text. */
static const char *text_of(json_t *object, const char *key) {
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void test_json(void **state _unused_) {
	Evloop__TimerInfo info = EVLOOP__TIMER_INFO__INIT;
	Evloop__RunInfo run = EVLOOP__RUN_INFO__INIT;
	ProtobufCBinaryData argv[] = { WORD("\xc3\xa9"), WORD("\xff\x01"), WORD("") };
	char *names[] = { (char *)"PATH", (char *)"HOME" };
	json_t *object;

	info.id = (UINT64_C(1) << 53) - 1;
	info.kind = EVLOOP__KIND__KIND_EVERY;
	info.period_ns = 5;
	info.next_ns = INT64_C(1924365600000000001);
	info.created_realtime_ns = INT64_C(1924365600000000000);
	info.n_argv = ARRAY_SIZE(argv);
	info.argv = argv;
	info.n_environment_names = ARRAY_SIZE(names);
	info.environment_names = names;
	info.detached = true;

	object = json_of_message(&info.base);
	assert_non_null(object);
	assert_true(json_integer_value(json_object_get(object, "id")) == (INT64_C(1) << 53) - 1);
	assert_string_equal(text_of(object, "kind"), "every");
	assert_int_equal(json_integer_value(json_object_get(object, "period_ns")), 5);
	assert_string_equal(text_of(object, "next_ns"), "1924365600000000001");
	assert_null(json_object_get(object, "next")); /* boottime */
	assert_string_equal(text_of(object, "created_realtime"), "2030-12-24T18:00:00.000000000Z");
	assert_true(json_is_null(json_object_get(object, "finished_realtime")));
	assert_true(json_is_true(json_object_get(object, "detached")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(object, "argv"), 0)), "\xc3\xa9");
	assert_int_equal(json_integer_value(json_array_get(json_array_get(json_object_get(object, "argv"), 1), 0)),
			 255);
	assert_string_equal(json_string_value(json_array_get(json_object_get(object, "argv"), 2)), "");
	assert_int_equal(json_array_size(json_object_get(object, "environment_names")), 2);
	assert_null(json_object_get(object, "last_run"));
	/* All the others are there. */
	assert_int_equal(json_object_size(object), info.base.descriptor->n_fields - 1 + 3);
	json_decref(object);

	info.clock = EVLOOP__CLOCK__CLOCK_REALTIME;
	info.last_run = &run;
	run.status = 3;
	object = json_of_message(&info.base);
	assert_string_equal(text_of(object, "next"), "2030-12-24T18:00:00.000000001Z");
	assert_true(json_is_null(json_object_get(object, "until")));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "last_run"), "status")), 3);
	json_decref(object);

	/* What is left of a paused one is no time of day. */
	info.state = EVLOOP__TIMER_STATE__TIMER_PAUSED;
	object = json_of_message(&info.base);
	assert_null(json_object_get(object, "next"));
	json_decref(object);
}

/* Only what the type has, and nothing that only the protocol reads. */
static void test_events(void **state _unused_) {
	Evloop__Event event = EVLOOP__EVENT__INIT;
	Evloop__RunInfo run = EVLOOP__RUN_INFO__INIT;
	json_t *object;

	event.id = 7;
	event.fire_seq = event.fires = 1;
	event.scheduled_ns = 5;
	object = event_json(&event);
	assert_string_equal(text_of(object, "type"), "fired");
	assert_int_equal(json_integer_value(json_object_get(object, "id")), 7);
	assert_int_equal(json_integer_value(json_object_get(object, "generation")), 1);
	assert_string_equal(text_of(object, "first_scheduled_ns"), "5");
	assert_int_equal(json_object_size(object), 13);
	assert_null(json_object_get(object, "claim"));
	json_decref(object);

	event.generation = 3;
	event.first_scheduled_ns = 2;
	object = event_json(&event);
	assert_int_equal(json_integer_value(json_object_get(object, "generation")), 3);
	assert_string_equal(text_of(object, "first_scheduled_ns"), "2");
	json_decref(object);

	event.type = EVLOOP__EVENT_TYPE__EVENT_EXITED;
	event.run = &run;
	object = event_json(&event);
	assert_non_null(json_object_get(object, "run"));
	assert_int_equal(json_object_size(object), 5);
	json_decref(object);

	event.type = EVLOOP__EVENT_TYPE__EVENT_PROCESS;
	object = event_json(&event);
	assert_true(json_is_false(json_object_get(object, "status_known")));
	assert_null(json_object_get(object, "readiness"));
	assert_int_equal(json_object_size(object), 8);
	json_decref(object);

	/* Of a later protocol: all there is. */
	event.type = (Evloop__EventType)99;
	object = event_json(&event);
	assert_non_null(json_object_get(object, "run"));
	assert_non_null(json_object_get(object, "output_end"));
	json_decref(object);
}

static void test_timers(void **state _unused_) {
	Evloop__TimeReply now = EVLOOP__TIME_REPLY__INIT;
	Evloop__TimerInfo info = EVLOOP__TIMER_INFO__INIT;
	Evloop__RunInfo run = EVLOOP__RUN_INFO__INIT;
	char buffer[TIMER_TEXT_MAX];

	now.boottime_ns = 1000 * NSEC_PER_SEC;
	now.realtime_ns = INT64_C(1924365600) * NSEC_PER_SEC;
	info.next_ns = now.boottime_ns + 3599 * NSEC_PER_SEC;
	assert_string_equal(timer_next(&info, &now, buffer), "in 59m59s");
	assert_string_equal(timer_last(&info, &now, buffer), "-");
	info.next_ns = now.boottime_ns - 1;
	assert_string_equal(timer_next(&info, &now, buffer), "now");
	info.clock = EVLOOP__CLOCK__CLOCK_REALTIME;
	info.next_ns = now.realtime_ns + NSEC_PER_MSEC;
	assert_string_equal(timer_next(&info, &now, buffer), "in 1ms");
	info.last_fired_ns = now.realtime_ns - 120 * NSEC_PER_SEC;
	assert_string_equal(timer_last(&info, &now, buffer), "fired 2m ago");
	info.last_run = &run;
	run.result = EVLOOP__RUN_RESULT__RUN_ACTIVE;
	run.started_ns = now.boottime_ns - 3 * NSEC_PER_SEC;
	assert_string_equal(timer_last(&info, &now, buffer), "running 3s");
	run.result = EVLOOP__RUN_RESULT__RUN_EXITED;
	run.ended_ns = now.boottime_ns - 2 * NSEC_PER_SEC;
	run.status = 143;
	assert_string_equal(timer_last(&info, &now, buffer), "status=143 2s ago");
	info.state = EVLOOP__TIMER_STATE__TIMER_PAUSED;
	assert_string_equal(timer_next(&info, &now, buffer), "paused");
	info.state = EVLOOP__TIMER_STATE__TIMER_RUNNING;
	assert_string_equal(timer_next(&info, &now, buffer), "-");
	info.state = EVLOOP__TIMER_STATE__TIMER_FINISHED;
	info.end = EVLOOP__END__END_CANCELLED;
	assert_string_equal(timer_next(&info, &now, buffer), "cancelled");
}

static void test_json_flags(void **state _unused_) {
	Evloop__PathChange change = EVLOOP__PATH_CHANGE__INIT, *changes[] = { &change };
	Evloop__Event event = EVLOOP__EVENT__INIT;
	char *text;

	event.readiness = 1 | 4;
	change.path = (ProtobufCBinaryData)WORD("a.c");
	change.changes = 2;
	event.changes = changes;
	event.n_changes = 1;
	json_t *object = json_of_message(&event.base);
	text = json_dumps(json_object_get(object, "readiness"), JSON_COMPACT);
	assert_string_equal(text, "[\"readable\",\"hangup\"]");
	free(text);
	text = json_dumps(json_object_get(object, "changes"), JSON_COMPACT);
	assert_string_equal(text, "[{\"path\":\"a.c\",\"changes\":[\"modified\"]}]");
	free(text);
	json_decref(object);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_enums),      cmocka_unit_test(test_commands), cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_json),       cmocka_unit_test(test_flags),    cmocka_unit_test(test_paths),
		cmocka_unit_test(test_json_flags), cmocka_unit_test(test_events),   cmocka_unit_test(test_timers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
