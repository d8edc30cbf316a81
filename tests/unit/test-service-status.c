/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the service manager is told, and how often. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/svc/service-status.h"

static char heard[1024];

static void hear(const char *state) {
	strncat(heard, state, sizeof(heard) - strlen(heard) - 2);
	strcat(heard, ";");
}

static int prepare(void **state _unused_) {
	heard[0] = '\0';
	return 0;
}

#define SECOND NSEC_PER_SEC

static void test_first_words(void **state _unused_) {
	struct service_status status;

	service_status_init(&status, hear, 0, 5 * SECOND);
	service_status_count(&status, &(struct status_counts){ .sessions = 1, .timers = 2, .jobs = 1 });
	assert_true(service_status_next(&status) <= 5 * SECOND);
	service_status_tick(&status, 5 * SECOND);
	assert_string_equal(heard, "STATUS=1 client, 2 timers, 1 job running, 0 limiters;");
	assert_int_equal(service_status_next(&status), INT64_MAX);
}

static void test_once_a_second(void **state _unused_) {
	struct service_status status;

	service_status_init(&status, hear, 0, 0);
	service_status_count(&status, &(struct status_counts){ 0 });
	service_status_tick(&status, 0);
	heard[0] = '\0';
	for (size_t i = 1; i <= 1000; i++) {
		service_status_count(&status, &(struct status_counts){ .timers = i });
		assert_int_equal(service_status_next(&status), SECOND);
		service_status_tick(&status, (int64_t)i * NSEC_PER_MSEC - 1);
	}
	assert_string_equal(heard, "");
	service_status_tick(&status, SECOND);
	assert_string_equal(heard, "STATUS=0 clients, 1000 timers, 0 jobs running, 0 limiters;");
	assert_int_equal(service_status_next(&status), INT64_MAX);
}

/* After a reload somebody looks: it is told at once, and what comes then in its time. */
static void test_at_once(void **state _unused_) {
	struct service_status status;

	service_status_init(&status, hear, 0, 0);
	service_status_count(&status, &(struct status_counts){ .sessions = 1 });
	service_status_tick(&status, 0);
	heard[0] = '\0';
	service_status_count(&status, &(struct status_counts){ .sessions = 1, .limiters = 1 });
	service_status_tell(&status, 1);
	assert_string_equal(heard, "STATUS=1 client, 0 timers, 0 jobs running, 1 limiter;");
	service_status_count(&status, &(struct status_counts){ .limiters = 1 });
	assert_int_equal(service_status_next(&status), SECOND + 1);
	service_status_tick(&status, SECOND);
	assert_string_equal(heard, "STATUS=1 client, 0 timers, 0 jobs running, 1 limiter;");

	/* Where nothing has changed, there is nothing to tell. */
	service_status_tick(&status, SECOND + 1);
	heard[0] = '\0';
	service_status_tell(&status, SECOND + 2);
	assert_string_equal(heard, "");
	service_status_count(&status, &(struct status_counts){ .limiters = 2 });
	assert_int_equal(service_status_next(&status), 2 * SECOND + 1);
}

/* What changes and changes back is no news. */
static void test_no_news(void **state _unused_) {
	struct service_status status;

	service_status_init(&status, hear, 0, 0);
	service_status_count(&status, &(struct status_counts){ .limiters = 1 });
	service_status_tick(&status, 0);
	heard[0] = '\0';
	service_status_count(&status, &(struct status_counts){ .limiters = 2 });
	service_status_count(&status, &(struct status_counts){ .limiters = 1 });
	assert_int_equal(service_status_next(&status), INT64_MAX);
	service_status_tick(&status, 9 * SECOND);
	assert_string_equal(heard, "");
}

static void test_watchdog(void **state _unused_) {
	struct service_status status;

	service_status_init(&status, hear, 4 * SECOND, 10 * SECOND);
	service_status_count(&status, &(struct status_counts){ 0 });
	service_status_tick(&status, 10 * SECOND);
	heard[0] = '\0';
	assert_int_equal(service_status_next(&status), 12 * SECOND);
	service_status_tick(&status, 12 * SECOND - 1);
	assert_string_equal(heard, "");
	service_status_tick(&status, 12 * SECOND);
	assert_string_equal(heard, "WATCHDOG=1;");
	/* Late: the next one counts from then. */
	service_status_tick(&status, 15 * SECOND);
	assert_string_equal(heard, "WATCHDOG=1;WATCHDOG=1;");
	assert_int_equal(service_status_next(&status), 17 * SECOND);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_first_words, prepare), cmocka_unit_test_setup(test_once_a_second, prepare),
		cmocka_unit_test_setup(test_at_once, prepare),     cmocka_unit_test_setup(test_no_news, prepare),
		cmocka_unit_test_setup(test_watchdog, prepare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
