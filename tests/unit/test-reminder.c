/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reminders: in time, once, and free to do anything. */

#include "daemon/core/reminder.h"

#include <string.h>

#include "tests/unit/core-world.h"
#include "tests/unit/test.h"

static char calls[16];

static void note(char what) {
	size_t n = strlen(calls);

	assert_true(n + 1 < sizeof(calls));
	calls[n] = what;
	calls[n + 1] = '\0';
}

struct noter {
	struct reminder reminder;
	struct noter *victim; /* not to be called any more */
	char name;
};

static void due(struct reminder *reminder) {
	struct noter *noter = container_of(reminder, struct noter, reminder);

	note(noter->name);
	if (noter->victim)
		reminder_clear(&noter->victim->reminder);
}

static void init(struct noter *noter, struct world *world, char name) {
	*noter = (struct noter){ .name = name };
	assert_int_equal(reminder_init(&noter->reminder, world->scheduler, due), 0);
}

static int setup(void **state) {
	static struct world world;

	calls[0] = '\0';
	world_init(&world);
	*state = &world;
	return 0;
}

static int teardown(void **state) {
	world_deinit(*state);
	return 0;
}

static void test_order(void **state) {
	struct world *world = *state;
	struct noter a, b, c;

	init(&a, world, 'a');
	init(&b, world, 'b');
	init(&c, world, 'c');
	assert_int_equal(scheduler_next(world->scheduler, TIMER_CLOCK_BOOTTIME), INT64_MAX);
	reminder_set(&a.reminder, WORLD_START + 20);
	reminder_set(&b.reminder, WORLD_START + 10);
	reminder_set(&c.reminder, WORLD_START + 10);
	assert_int_equal(scheduler_next(world->scheduler, TIMER_CLOCK_BOOTTIME), WORLD_START + 10);
	world_run(world, 9);
	assert_string_equal(calls, "");
	world_run(world, 1);
	assert_string_equal(calls, "bc");
	reminder_set(&a.reminder, WORLD_START + 30); /* in place of 20 */
	world_run(world, 19);
	assert_string_equal(calls, "bc");
	world_run(world, 100);
	assert_string_equal(calls, "bca");
	reminder_deinit(&a.reminder);
	reminder_deinit(&b.reminder);
	reminder_deinit(&c.reminder);
}

static void test_cleared(void **state) {
	struct world *world = *state;
	struct noter a, b;

	init(&a, world, 'a');
	init(&b, world, 'b');
	a.victim = &b; /* due at the same time */
	reminder_set(&a.reminder, WORLD_START + 10);
	reminder_set(&b.reminder, WORLD_START + 10);
	world_run(world, 10);
	assert_string_equal(calls, "a");
	reminder_set(&b.reminder, WORLD_START + 20);
	reminder_deinit(&a.reminder);
	reminder_deinit(&b.reminder); /* set */
	world_run(world, 10);
	assert_string_equal(calls, "a");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cleared, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
