/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Durations: what is read, what is refused and why, and that what is written reads back. */

#undef NDEBUG

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "proto/duration.h"
#include "proto/limits.h"

#define MINUTE (60 * NSEC_PER_SEC)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static void test_good(void **state _unused_) {
	static const struct {
		const char *text;
		int64_t ns;
	} table[] = {
		{ "0", 0 },
		{ "0s", 0 },
		{ "00", 0 },
		{ "5", 5 * NSEC_PER_SEC },
		{ "1.5", 1500 * NSEC_PER_MSEC },
		{ ".25", 250 * NSEC_PER_MSEC },
		{ "1ns", 1 },
		{ "2us", 2 * NSEC_PER_USEC },
		{ "3ms", 3 * NSEC_PER_MSEC },
		{ "4s", 4 * NSEC_PER_SEC },
		{ "5m", 5 * MINUTE },
		{ "5min", 5 * MINUTE },
		{ "6h", 6 * HOUR },
		{ "7d", 7 * DAY },
		{ "8w", 56 * DAY },
		{ "1h30m", 90 * MINUTE },
		{ "1h30min5s", 90 * MINUTE + 5 * NSEC_PER_SEC },
		{ "30m1h", 90 * MINUTE },
		{ "1w1d1h1m1s1ms1us1ns", 8 * DAY + HOUR + MINUTE + NSEC_PER_SEC + 1001001 },
		{ "1h0.5s", HOUR + 500 * NSEC_PER_MSEC },
		{ "1m.5s", MINUTE + 500 * NSEC_PER_MSEC },
		{ "0.5h", 30 * MINUTE },
		{ "0.1w", 60480 * NSEC_PER_SEC },
		{ "0.000000001", 1 },
		{ "0.0000000001", 1 }, /* rounded up */
		{ "1.00000000000000000000000000001s", NSEC_PER_SEC + 1 },
		{ "1.00000000000000000000000000000s", NSEC_PER_SEC },
		{ "0.3ns", 1 },
		{ "1.000000001w", INT64_C(604800000604800) },
		{ "4611686018427387903ns", TIME_NS_MAX },
		{ "4611686018.427387903", TIME_NS_MAX },
		{ "4611686018s427387903ns", TIME_NS_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int64_t ns = -1;
		if (duration_parse(table[i].text, &ns) != 0 || ns != table[i].ns)
			fail_msg("%s: %lld ns", table[i].text, (long long)ns);
	}
}

static void test_bad(void **state _unused_) {
	static const struct {
		const char *text;
		int error;
	} table[] = {
		{ "", DURATION_E_SYNTAX },
		{ " ", DURATION_E_SYNTAX },
		{ " 5s", DURATION_E_SYNTAX },
		{ "s", DURATION_E_SYNTAX },
		{ "soon", DURATION_E_SYNTAX },
		{ "+5s", DURATION_E_SYNTAX },
		{ ".", DURATION_E_SYNTAX },
		{ ".s", DURATION_E_SYNTAX },
		{ "5.", DURATION_E_SYNTAX },
		{ "5.s", DURATION_E_SYNTAX },
		{ "1.5h30m", DURATION_E_SYNTAX },
		{ "0x10", DURATION_E_UNIT },
		{ "1e3", DURATION_E_UNIT },
		{ "inf", DURATION_E_SYNTAX },
		{ "5 s", DURATION_E_UNIT },
		{ "5s ", DURATION_E_UNIT },
		{ "1h 30m", DURATION_E_UNIT },
		{ "5x", DURATION_E_UNIT },
		{ "5M", DURATION_E_UNIT },
		{ "5sec", DURATION_E_UNIT },
		{ "5mi", DURATION_E_UNIT },
		{ "1h30", DURATION_E_UNIT },
		{ "1.2.3", DURATION_E_UNIT },
		{ "5,5s", DURATION_E_UNIT },
		{ "5\xc2\xb5s", DURATION_E_UNIT },
		{ "-5s", DURATION_E_NEGATIVE },
		{ "-.5", DURATION_E_NEGATIVE },
		{ "-0", DURATION_E_NEGATIVE },
		{ "--5", DURATION_E_SYNTAX },
		{ "4611686018427387904ns", DURATION_E_RANGE },
		{ "4611686018.427387904", DURATION_E_RANGE },
		{ "4611686018s427387904ns", DURATION_E_RANGE },
		{ "4611686018427387903ns1ns", DURATION_E_RANGE },
		{ "4611686018427387902.1ns1ns", DURATION_E_SYNTAX },
		{ "4611686018427387903.1ns", DURATION_E_RANGE },
		{ "7626w", DURATION_E_RANGE },
		{ "9223372036854775807s", DURATION_E_RANGE },
		{ "18446744073709551616ns", DURATION_E_RANGE },
		{ "18446744073709551617w", DURATION_E_RANGE },
		{ "99999999999999999999999999999999999999999", DURATION_E_RANGE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int64_t ns = -1;
		int r = duration_parse(table[i].text, &ns);
		if (r != table[i].error || ns != -1)
			fail_msg("'%s': %d, %lld ns", table[i].text, r, (long long)ns);
		assert_true(duration_error(r)[0] != '\0');
	}
}

static void test_format(void **state _unused_) {
	static const struct {
		int64_t ns;
		const char *exact, *brief;
	} table[] = {
		{ 0, "0s", "0s" },
		{ 1, "1ns", "1ns" },
		{ -1, "-1ns", "-1ns" },
		{ 999, "999ns", "999ns" },
		{ 1500, "1.5us", "1us" },
		{ 71000, "71us", "71us" },
		{ 250 * NSEC_PER_MSEC, "250ms", "250ms" },
		{ NSEC_PER_SEC - 1, "999.999999ms", "999ms" },
		{ NSEC_PER_SEC, "1s", "1s" },
		{ NSEC_PER_SEC + 1, "1.000000001s", "1s" },
		{ 59 * MINUTE + 59 * NSEC_PER_SEC + 999, "59m59.000000999s", "59m59s" },
		{ MINUTE, "1m", "1m" },
		{ HOUR, "1h", "1h" },
		{ HOUR + 1, "1h0.000000001s", "1h" },
		{ HOUR + 59 * NSEC_PER_SEC, "1h59s", "1h" },
		{ 90 * MINUTE, "1h30m", "1h30m" },
		{ 26 * HOUR, "1d2h", "1d2h" },
		{ 7 * DAY, "1w", "1w" },
		{ 15 * DAY + 23 * HOUR, "2w1d23h", "2w1d" },
		{ -90 * MINUTE, "-1h30m", "-1h30m" },
		{ INT64_MAX, "15250w1d23h47m16.854775807s", "15250w1d" },
		{ INT64_MIN, "-15250w1d23h47m16.854775808s", "-15250w1d" },
	};
	char buffer[DURATION_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		assert_string_equal(duration_format(table[i].ns, buffer), table[i].exact);
		assert_string_equal(duration_brief(table[i].ns, buffer), table[i].brief);
	}
}

/* Numbers of every size, by a fixed walk. */
static void test_reads_back(void **state _unused_) {
	uint64_t x = 88172645463325252;

	for (unsigned i = 0; i < 200000; i++) {
		char buffer[DURATION_TEXT_MAX];
		int64_t ns, again = -1;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		ns = (int64_t)(x >> 2 >> (i % 62));
		if (duration_parse(duration_format(ns, buffer), &again) != 0 || again != ns)
			fail_msg("%lld became %s", (long long)ns, buffer);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_reads_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
