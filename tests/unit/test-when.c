/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times: what is read, what is refused and why, and what local time means where the clock is changed. */

#undef NDEBUG

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/cli/when.h"
#include "proto/limits.h"

/* Rules instead of names, so that no data base of zones is needed. */
#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
#define NEW_YORK "EST5EDT,M3.2.0,M11.1.0"
#define LORD_HOWE "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"

/* Seconds since 1970 of a time in UTC, computed apart from the code under test. */
static int64_t utc(int year, int month, int day, int hour, int minute, int second) {
	int64_t days = 0;
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };

	for (int y = 1970; y < year; y++)
		days += 365 + (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
	days += before[month - 1] + day - 1;
	if (month > 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		days++;
	return ((days * 24 + hour) * 60 + minute) * 60 + second;
}

static void set_zone(const char *zone) {
	assert_int_equal(setenv("TZ", zone, 1), 0);
}

static void check(const char *text, int64_t now_sec, int64_t sec, int64_t nsec) {
	int64_t ns = -1;
	int r = when_parse(text, now_sec * NSEC_PER_SEC + 123456789, &ns);

	if (r != 0 || ns != sec * NSEC_PER_SEC + nsec)
		fail_msg("'%s': %d, %lld s, not %lld s", text, r, (long long)(ns / NSEC_PER_SEC), (long long)sec);
}

static void refuse(const char *text, int error) {
	int64_t ns = -1;
	int r = when_parse(text, utc(2030, 6, 12, 12, 0, 0) * NSEC_PER_SEC, &ns);

	if (r != error || ns != -1)
		fail_msg("'%s': %d, not %d", text, r, error);
	assert_true(when_error(r)[0] != '\0');
}

static void test_absolute(void **state _unused_) {
	set_zone(NEW_YORK); /* of no consequence where the offset is given */
	check("2030-12-24T18:00:00Z", 0, utc(2030, 12, 24, 18, 0, 0), 0);
	check("2030-12-24t18:00:00z", 0, utc(2030, 12, 24, 18, 0, 0), 0);
	check("2030-12-24 18:00:00Z", 0, utc(2030, 12, 24, 18, 0, 0), 0);
	check("2030-12-24T18:00Z", 0, utc(2030, 12, 24, 18, 0, 0), 0);
	check("2030-12-24T18:00:00+01:00", 0, utc(2030, 12, 24, 17, 0, 0), 0);
	check("2030-12-24T18:00:00+0100", 0, utc(2030, 12, 24, 17, 0, 0), 0);
	check("2030-12-24T18:00:00-03:30", 0, utc(2030, 12, 24, 21, 30, 0), 0);
	check("2030-01-01T00:30:00+14:00", 0, utc(2029, 12, 31, 10, 30, 0), 0);
	check("2030-12-24T18:00:00.5Z", 0, utc(2030, 12, 24, 18, 0, 0), 500000000);
	check("2030-12-24T18:00:00.000000001Z", 0, utc(2030, 12, 24, 18, 0, 0), 1);
	check("2030-12-24T18:00:00.123456789+00:00", 0, utc(2030, 12, 24, 18, 0, 0), 123456789);
	check("2016-12-31T23:59:60Z", 0, utc(2017, 1, 1, 0, 0, 0), 0);
	check("2028-02-29T00:00:00Z", 0, utc(2028, 2, 29, 0, 0, 0), 0);
	check("2000-02-29T00:00:00Z", 0, utc(2000, 2, 29, 0, 0, 0), 0);
	check("1970-01-01T00:00:00Z", 0, 0, 0);
	check("1969-12-31T23:00:00-01:00", 0, 0, 0);
	check("@0", 0, 0, 0);
	check("@1924365600", 0, 1924365600, 0);
	check("@1924365600.25", 0, 1924365600, 250000000);
	check("@4611686017.999999999", 0, 4611686017, 999999999);
}

static void test_local(void **state _unused_) {
	int64_t noon = utc(2030, 6, 12, 10, 0, 0); /* 12:00 in Berlin, a Wednesday */

	set_zone(BERLIN);
	check("2030-12-24 18:00", noon, utc(2030, 12, 24, 17, 0, 0), 0);
	check("2030-12-24T18:00:30", noon, utc(2030, 12, 24, 17, 0, 30), 0);
	check("2030-06-12 18:00:00.75", noon, utc(2030, 6, 12, 16, 0, 0), 750000000);
	check("2030-12-24", noon, utc(2030, 12, 23, 23, 0, 0), 0);
	check("18:00", noon, utc(2030, 6, 12, 16, 0, 0), 0);
	check("18:00:30", noon, utc(2030, 6, 12, 16, 0, 30), 0);
	check("9:00", noon, utc(2030, 6, 13, 7, 0, 0), 0);
	check("00:00", noon, utc(2030, 6, 12, 22, 0, 0), 0);
	check("23:59:59", noon, utc(2030, 6, 12, 21, 59, 59), 0);
	/* 12:00 is now, and has begun; so it means tomorrow's.  The fraction decides within the second. */
	check("12:00", noon, utc(2030, 6, 13, 10, 0, 0), 0);
	check("12:00:00.1", noon, utc(2030, 6, 13, 10, 0, 0), 100000000);
	check("12:00:00.2", noon, noon, 200000000);
	check("12:00:00.123456789", noon, utc(2030, 6, 13, 10, 0, 0), 123456789);
	check("12:00:00.123456790", noon, noon, 123456790);
	check("12:00:01", noon, noon + 1, 0);
	check("today", noon, utc(2030, 6, 11, 22, 0, 0), 0);
	check("today 18:00", noon, utc(2030, 6, 12, 16, 0, 0), 0);
	check("today 09:00", noon, utc(2030, 6, 12, 7, 0, 0), 0); /* gone by; the caller decides */
	check("tomorrow", noon, utc(2030, 6, 12, 22, 0, 0), 0);
	check("tomorrow 09:00", noon, utc(2030, 6, 13, 7, 0, 0), 0);
	check("Tomorrow 9:00:01", noon, utc(2030, 6, 13, 7, 0, 1), 0);
	check("wednesday", noon, utc(2030, 6, 18, 22, 0, 0), 0);
	check("wednesday 13:00", noon, utc(2030, 6, 12, 11, 0, 0), 0);
	check("wednesday 12:00", noon, utc(2030, 6, 19, 10, 0, 0), 0);
	check("Wed 11:00", noon, utc(2030, 6, 19, 9, 0, 0), 0);
	check("thu", noon, utc(2030, 6, 12, 22, 0, 0), 0);
	check("tuesday 12:00", noon, utc(2030, 6, 18, 10, 0, 0), 0);
	check("tues 12:00", noon, utc(2030, 6, 18, 10, 0, 0), 0);
	check("sun 00:00", noon, utc(2030, 6, 15, 22, 0, 0), 0);
	check("Monday 08:30", noon, utc(2030, 6, 17, 6, 30, 0), 0);
	/* Over the end of a month and of a year. */
	check("00:30", utc(2031, 12, 31, 22, 0, 0), utc(2031, 12, 31, 23, 30, 0), 0);
	check("tomorrow 12:00", utc(2028, 2, 28, 12, 0, 0), utc(2028, 2, 29, 11, 0, 0), 0);
	check("tomorrow 12:00", utc(2030, 2, 28, 12, 0, 0), utc(2030, 3, 1, 11, 0, 0), 0);
}

/* New York: 2030-03-10 02:00 EST becomes 03:00 EDT, 2030-11-03 02:00 EDT becomes 01:00 EST. */
static void test_clock_change(void **state _unused_) {
	int64_t before = utc(2030, 3, 10, 6, 0, 0); /* 01:00 EST */

	set_zone(NEW_YORK);
	check("2030-03-10 01:59:59", 0, utc(2030, 3, 10, 6, 59, 59), 0);
	check("2030-03-10 03:00", 0, utc(2030, 3, 10, 7, 0, 0), 0);
	check("2030-03-10 02:00", 0, utc(2030, 3, 10, 7, 0, 0), 0); /* skipped: 03:00 EDT */
	check("2030-03-10 02:30", 0, utc(2030, 3, 10, 7, 30, 0), 0); /* skipped: 03:30 EDT */
	check("2030-03-10 02:59:59", 0, utc(2030, 3, 10, 7, 59, 59), 0);
	check("02:30", before, utc(2030, 3, 10, 7, 30, 0), 0);
	check("02:30", utc(2030, 3, 10, 7, 30, 0), utc(2030, 3, 11, 6, 30, 0), 0);
	check("tomorrow 02:30", utc(2030, 3, 9, 17, 0, 0), utc(2030, 3, 10, 7, 30, 0), 0);
	check("sunday 12:00", utc(2030, 3, 9, 17, 0, 0), utc(2030, 3, 10, 16, 0, 0), 0);

	check("2030-11-03 00:59:59", 0, utc(2030, 11, 3, 4, 59, 59), 0);
	check("2030-11-03 01:30", 0, utc(2030, 11, 3, 5, 30, 0), 0); /* shown twice: the first */
	check("2030-11-03 02:00", 0, utc(2030, 11, 3, 7, 0, 0), 0);
	check("01:30", utc(2030, 11, 3, 5, 0, 0), utc(2030, 11, 3, 5, 30, 0), 0);
	check("01:30", utc(2030, 11, 3, 5, 45, 0), utc(2030, 11, 3, 6, 30, 0), 0); /* the second is to come */
	check("01:30", utc(2030, 11, 3, 6, 45, 0), utc(2030, 11, 4, 6, 30, 0), 0);
	check("23:30", utc(2030, 11, 3, 5, 0, 0), utc(2030, 11, 4, 4, 30, 0), 0);

	/* Half an hour of daylight saving: 2030-10-06 02:00 becomes 02:30. */
	set_zone(LORD_HOWE);
	check("2030-10-06 02:15", 0, utc(2030, 10, 5, 15, 45, 0), 0);
	check("2030-10-06 01:59", 0, utc(2030, 10, 5, 15, 29, 0), 0);
	check("2030-10-06 02:30", 0, utc(2030, 10, 5, 15, 30, 0), 0);
}

/* What no rule can say: days and midnights that there never were. */
static void test_missing_days(void **state _unused_) {
	if (access("/usr/share/zoneinfo/Pacific/Apia", R_OK) < 0) {
		print_message("tzdata is not installed\n");
		skip();
	}

	/* 2011-12-30 is missing. */
	set_zone("Pacific/Apia");
	check("2011-12-29 12:00", 0, utc(2011, 12, 29, 22, 0, 0), 0);
	check("2011-12-30 12:00", 0, utc(2011, 12, 30, 22, 0, 0), 0);
	check("2011-12-31 05:00", 0, utc(2011, 12, 30, 15, 0, 0), 0);

	/* 2017-10-15 00:00 became 01:00. */
	set_zone("America/Sao_Paulo");
	check("2017-10-15", 0, utc(2017, 10, 15, 3, 0, 0), 0);
	check("tomorrow", utc(2017, 10, 14, 15, 0, 0), utc(2017, 10, 15, 3, 0, 0), 0);
}

static void test_bad(void **state _unused_) {
	static const char *const syntax[] = {
		"",
		" ",
		"soon",
		"now",
		"@",
		"@-5",
		"@5s",
		"@5.",
		"@1.1234567890",
		"18",
		"1800",
		":30",
		"18:",
		"18:5",
		"018:00",
		"18:00:",
		"18:00:5",
		"18:00:00.",
		"18:00 ",
		" 18:00",
		"18:00x",
		"18:00Z",
		"18:00 09:00",
		"2030-12-24T",
		"2030-12-24 ",
		"2030-12-24T18",
		"2030-12-24T18:00:00+",
		"2030-12-24T18:00:00+1:00",
		"2030-12-24T18:00:00 +01:00",
		"2030-12-24T18:00:00ZZ",
		"2030-12-24x",
		"2030-1-1",
		"30-12-24",
		"12/24/2030",
		"tomorrow ",
		"tomorrow 9",
		"tomorrow  09:00",
		"tomorrow09:00",
		"tomorrows",
		"yesterday",
		"mo",
		"mondays",
		"monday ",
		"monday noon",
		"5s",
		"-5",
	};
	static const char *const no_such[] = {
		"24:00",
		"18:60",
		"18:00:61",
		"99:99",
		"tomorrow 24:00",
		"mon 25:00",
		"2030-02-29",
		"2100-02-29",
		"2030-04-31",
		"2030-13-01",
		"2030-00-01",
		"2030-01-00",
		"2030-12-24T18:00:00+24:00",
		"2030-12-24T18:00:00+01:60",
	};
	static const char *const range[] = {
		"1969-12-31T23:59:59Z", "1960-01-01", "0000-01-01",  "2117-01-01",
		"2199-12-31 23:59:59",  "9999-12-31", "@4611686018", "@99999999999999999999999999",
	};

	set_zone("UTC");
	for (size_t i = 0; i < ARRAY_SIZE(syntax); i++)
		refuse(syntax[i], WHEN_E_SYNTAX);
	for (size_t i = 0; i < ARRAY_SIZE(no_such); i++)
		refuse(no_such[i], WHEN_E_NO_SUCH);
	for (size_t i = 0; i < ARRAY_SIZE(range); i++)
		refuse(range[i], WHEN_E_RANGE);
}

static void test_words(void **state _unused_) {
	int64_t now_ns = utc(2030, 6, 12, 12, 0, 0) * NSEC_PER_SEC, ns;
	static const struct {
		const char *words[3];
		size_t n;
		int r;
		size_t used;
	} table[] = {
		{ { "18:00" }, 1, 0, 1 },
		{ { "18:00", "make" }, 2, 0, 1 },
		{ { "18:00", "19:00" }, 2, 0, 1 },
		{ { "tomorrow" }, 1, 0, 1 },
		{ { "tomorrow", "make", "09:00" }, 3, 0, 1 },
		{ { "tomorrow", "09:00", "make" }, 3, 0, 2 },
		{ { "tomorrow 09:00", "make" }, 2, 0, 1 },
		{ { "monday", "9:00", "9:00" }, 3, 0, 2 },
		{ { "2030-12-24", "18:00" }, 2, 0, 2 },
		{ { "2030-12-24", "18:00Z" }, 2, 0, 2 },
		{ { "2030-12-24", "make" }, 2, 0, 1 },
		{ { "@5", "6" }, 2, 0, 1 },
		{ { "tomorrow", "25:00" }, 2, WHEN_E_NO_SUCH, 2 },
		{ { "2030-02-30", "make" }, 2, WHEN_E_NO_SUCH, 1 },
		{ { "noon", "make" }, 2, WHEN_E_SYNTAX, 1 },
	};

	set_zone("UTC");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t used = 0;
		int r = when_parse_words((char *const *)table[i].words, table[i].n, now_ns, &ns, &used);
		if (r != table[i].r || used != table[i].used)
			fail_msg("%s %s: %d, %zu words", table[i].words[0], table[i].words[1], r, used);
	}
}

static void test_format(void **state _unused_) {
	char buffer[WHEN_TEXT_MAX];
	int64_t ns = utc(2030, 12, 24, 17, 0, 0) * NSEC_PER_SEC;

	set_zone(BERLIN);
	assert_string_equal(when_format_utc(ns, buffer), "2030-12-24T17:00:00.000000000Z");
	assert_string_equal(when_format_utc(ns + 1, buffer), "2030-12-24T17:00:00.000000001Z");
	assert_string_equal(when_format_utc(-1, buffer), "1969-12-31T23:59:59.999999999Z");
	assert_string_equal(when_format_local(ns, buffer), "2030-12-24 18:00:00 CET");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_absolute),     cmocka_unit_test(test_local), cmocka_unit_test(test_clock_change),
		cmocka_unit_test(test_missing_days), cmocka_unit_test(test_bad),   cmocka_unit_test(test_words),
		cmocka_unit_test(test_format),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
