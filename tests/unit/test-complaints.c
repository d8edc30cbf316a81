/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How often the log hears of a uid; what it hears is read from standard error. */

#include "tests/unit/test.h"

#include <string.h>
#include <sys/mman.h>

#include "daemon/peer/complaints.h"
#include "daemon/svc/log.h"

static struct complaints complaints;
static int log_fd, stderr_fd;

static int setup(void **state _unused_) {
	complaints = (struct complaints){ 0 };
	log_fd = memfd_create("log", MFD_CLOEXEC);
	stderr_fd = dup(STDERR_FILENO);
	assert_true(log_fd >= 0 && stderr_fd >= 0);
	assert_int_equal(dup2(log_fd, STDERR_FILENO), STDERR_FILENO);
	log_open(LOG_NOTICE);
	return 0;
}

static int teardown(void **state _unused_) {
	assert_int_equal(dup2(stderr_fd, STDERR_FILENO), STDERR_FILENO);
	close_fd(stderr_fd);
	close_fd(log_fd);
	return 0;
}

/* What has been logged since. */
static const char *heard(void) {
	static char text[4096];
	ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(ftruncate(log_fd, 0), 0);
	assert_int_equal(lseek(log_fd, 0, SEEK_SET), 0);
	return text;
}

#define SECOND NSEC_PER_SEC

static void test_lines_of_one(void **state _unused_) {
	unsigned allowed = 0;

	for (unsigned i = 0; i < 1000000; i++)
		allowed += complaints_allow(&complaints, 1000, 5 * SECOND + i);
	assert_int_equal(allowed, COMPLAINTS_LINES);
	/* Another uid is heard. */
	assert_true(complaints_allow(&complaints, 1001, 6 * SECOND));
	assert_string_equal(heard(), "");
	/* When the time is over the log hears how many there were, though nobody does anything more. */
	assert_int_equal(complaints_next(&complaints), 35 * SECOND);
	complaints_tick(&complaints, 35 * SECOND - 1);
	assert_string_equal(heard(), "");
	complaints_tick(&complaints, 35 * SECOND);
	assert_string_equal(heard(), "evloopd: 999990 more lines about uid 1000 were suppressed within 30 s\n");
	assert_int_equal(complaints_next(&complaints), INT64_MAX);
	assert_true(complaints_allow(&complaints, 1000, 35 * SECOND));
}

static void test_nothing_suppressed(void **state _unused_) {
	for (unsigned i = 0; i < COMPLAINTS_LINES; i++)
		assert_true(complaints_allow(&complaints, 0, 0));
	assert_int_equal(complaints_next(&complaints), INT64_MAX);
	complaints_tick(&complaints, 100 * SECOND);
	for (unsigned i = 0; i < COMPLAINTS_LINES; i++)
		assert_true(complaints_allow(&complaints, 0, 100 * SECOND));
	assert_false(complaints_allow(&complaints, 0, 100 * SECOND));
	assert_string_equal(heard(), "");
}

/* Whoever comes again when the time is over makes room for himself, and the line is not lost. */
static void test_without_tick(void **state _unused_) {
	for (unsigned i = 0; i <= COMPLAINTS_LINES; i++)
		(void)complaints_allow(&complaints, 7, SECOND);
	assert_true(complaints_allow(&complaints, 7, 31 * SECOND));
	assert_string_equal(heard(), "evloopd: 1 more lines about uid 7 were suppressed within 30 s\n");
}

static void test_too_many_uids(void **state _unused_) {
	for (uid_t uid = 0; uid < COMPLAINTS_UIDS; uid++)
		assert_true(complaints_allow(&complaints, uid, SECOND + (int64_t)uid));
	assert_false(complaints_allow(&complaints, 1000, 2 * SECOND));
	assert_false(complaints_allow(&complaints, 1001, 3 * SECOND));
	assert_true(complaints_allow(&complaints, COMPLAINTS_UIDS - 1, 3 * SECOND)); /* it has its place */
	assert_int_equal(complaints_next(&complaints), 32 * SECOND);
	complaints_tick(&complaints, 32 * SECOND);
	assert_string_equal(heard(), "evloopd: 2 lines about more than 64 uids were suppressed within 30 s\n");
	assert_int_equal(complaints_next(&complaints), INT64_MAX);
	assert_true(complaints_allow(&complaints, 1000, 32 * SECOND));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines_of_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_suppressed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_tick, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_uids, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
