/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A command as it is kept: every byte, in one allocation. */

#include "tests/unit/test.h"

#include <string.h>

#include "daemon/core/command.h"

#define WORD(text)                                                                                                     \
	{ .data = (text), .size = sizeof(text) - 1 }

static struct command *make(const struct word *argv, size_t n_argv, const struct word *environment,
			    size_t n_environment, const char *directory) {
	struct command *command;

	assert_int_equal(command_new(&command, argv, n_argv, environment, n_environment,
				     (struct word){ .data = directory, .size = strlen(directory) }),
			 0);
	return command;
}

static void test_bytes(void **state _unused_) {
	static const struct word argv[] = { WORD("-x"), WORD(""), WORD(" a b\n\t"), WORD("\xff\xfe'\"$"), WORD("") };
	static const struct word environment[] = { WORD("A=b=c"), WORD(""), WORD("EMPTY=") };
	struct command *command = make(argv, ARRAY_SIZE(argv), environment, ARRAY_SIZE(environment), "/a b");

	for (size_t i = 0; i < ARRAY_SIZE(argv); i++)
		assert_string_equal(command->argv[i], argv[i].data);
	assert_null(command->argv[ARRAY_SIZE(argv)]);
	for (size_t i = 0; i < ARRAY_SIZE(environment); i++)
		assert_string_equal(command->environment[i], environment[i].data);
	assert_null(command->environment[ARRAY_SIZE(environment)]);
	assert_string_equal(command->directory, "/a b");
	command_free(command);
}

/* Words need not end in NUL, and an empty one may be nowhere. */
static void test_borrowed(void **state _unused_) {
	char text[] = "onetwo";
	const struct word argv[] = { { .data = text, .size = 3 }, { .data = NULL, .size = 0 } };
	struct command *command = make(argv, 2, NULL, 0, "/");

	memset(text, '!', sizeof(text));
	assert_string_equal(command->argv[0], "one");
	assert_string_equal(command->argv[1], "");
	assert_null(command->argv[2]);
	assert_null(command->environment[0]);
	command_free(command);
}

static void test_many(void **state _unused_) {
	static struct word argv[4000];
	struct command *command;

	for (size_t i = 0; i < ARRAY_SIZE(argv); i++)
		argv[i] = (struct word){ .data = "0123456789", .size = i % 11 };
	command = make(argv, ARRAY_SIZE(argv), argv, ARRAY_SIZE(argv), "/");
	for (size_t i = 0; i < ARRAY_SIZE(argv); i++) {
		assert_int_equal(strlen(command->argv[i]), i % 11);
		assert_int_equal(strlen(command->environment[i]), i % 11);
	}
	/* What is counted is what it takes. */
	assert_true(command->size > 8000 * sizeof(char *) + 8000 * 5);
	command_free(command);
}

static void test_equal(void **state _unused_) {
	static const struct word one[] = { WORD("a"), WORD("b") }, two[] = { WORD("a"), WORD("c") };
	struct command *a = make(one, 2, one, 2, "/"), *b = make(one, 2, one, 2, "/");

	assert_true(command_equal(a, b));
	b->umask = 077;
	assert_false(command_equal(a, b));
	b->umask = 0;
	b->overlap = OVERLAP_MODE_QUEUE;
	assert_false(command_equal(a, b));
	b->overlap = OVERLAP_MODE_SKIP;
	b->timeout_ns = 1;
	assert_false(command_equal(a, b));
	command_free(b);

	for (unsigned i = 0; i < 5; i++) {
		b = make(i == 0 ? two : one, i == 1 ? 1 : 2, i == 2 ? two : one, i == 3 ? 1 : 2, i == 4 ? "/x" : "/");
		assert_false(command_equal(a, b));
		assert_false(command_equal(b, a));
		command_free(b);
	}
	command_free(a);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_borrowed),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_equal),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
