/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the grammar of times and the way from local time to seconds.  Reads no clock: the caller says what time it is. */

#include "client/cli/when.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "proto/limits.h"

#define DAY_SEC (24 * 3600)
#define SEC_MAX (TIME_NS_MAX / NSEC_PER_SEC)
#define YEAR_MAX 2200 /* beyond what fits, and small enough for every sum of seconds */

/* What has been read so far. */
struct moment {
	struct tm tm; /* date and time of day, tm_isdst and below unused */
	int64_t nsec;
	bool has_offset;
	long offset; /* seconds east of UTC */
};

static bool is_digit(char c) {
	return c >= '0' && c <= '9';
}

/* Read `min` to `max` digits and step over them. */
static bool read_number(const char **text, int min, int max, int *ret) {
	const char *p = *text;
	int value = 0;

	while (p - *text < max && is_digit(*p))
		value = value * 10 + (*p++ - '0');
	if (p - *text < min)
		return false;
	*text = p;
	*ret = value;
	return true;
}

static bool read_char(const char **text, char c) {
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

/* Read a point and one to nine digits, as nanoseconds; nothing there is fine. */
static bool read_fraction(const char **text, int64_t *ret_nsec) {
	int64_t nsec = 0, scale = NSEC_PER_SEC;

	if (!read_char(text, '.'))
		return true;
	if (!is_digit(**text))
		return false;
	for (; is_digit(**text) && scale > 1; (*text)++) {
		scale /= 10;
		nsec += (**text - '0') * scale;
	}
	*ret_nsec = nsec;
	return true;
}

/* HH:MM[:SS[.fraction]].  Return: 0, WHEN_E_SYNTAX, WHEN_E_NO_SUCH. */
static int read_clock(const char **text, struct moment *m) {
	m->tm.tm_sec = 0;
	if (!read_number(text, 1, 2, &m->tm.tm_hour) || !read_char(text, ':') ||
	    !read_number(text, 2, 2, &m->tm.tm_min))
		return WHEN_E_SYNTAX;
	if (read_char(text, ':') && (!read_number(text, 2, 2, &m->tm.tm_sec) || !read_fraction(text, &m->nsec)))
		return WHEN_E_SYNTAX;
	/* RFC 3339 knows leap seconds; here they are the second that follows. */
	if (m->tm.tm_hour > 23 || m->tm.tm_min > 59 || m->tm.tm_sec > 60)
		return WHEN_E_NO_SUCH;
	return 0;
}

/* YYYY-MM-DD.  Return: 0, WHEN_E_SYNTAX, WHEN_E_NO_SUCH, WHEN_E_RANGE. */
static int read_date(const char **text, struct moment *m) {
	static const char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year, month, day, leap;

	if (!read_number(text, 4, 4, &year) || !read_char(text, '-') || !read_number(text, 2, 2, &month) ||
	    !read_char(text, '-') || !read_number(text, 2, 2, &day))
		return WHEN_E_SYNTAX;
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (month < 1 || month > 12 || day < 1 || day > days[month - 1] + (month == 2 ? leap : 0))
		return WHEN_E_NO_SUCH;
	if (year < 1969 || year > YEAR_MAX)
		return WHEN_E_RANGE;
	m->tm.tm_year = year - 1900;
	m->tm.tm_mon = month - 1;
	m->tm.tm_mday = day;
	return 0;
}

/* Z, +HH:MM or +HHMM; nothing there is fine.  Return: 0, WHEN_E_SYNTAX, WHEN_E_NO_SUCH. */
static int read_offset(const char **text, struct moment *m) {
	int hours, minutes, sign = **text == '-' ? -1 : 1;

	if (read_char(text, 'Z') || read_char(text, 'z')) {
		m->has_offset = true;
		return 0;
	}
	if (!read_char(text, '+') && !read_char(text, '-'))
		return 0;
	if (!read_number(text, 2, 2, &hours))
		return WHEN_E_SYNTAX;
	(void)read_char(text, ':');
	if (!read_number(text, 2, 2, &minutes))
		return WHEN_E_SYNTAX;
	if (hours > 23 || minutes > 59)
		return WHEN_E_NO_SUCH;
	m->has_offset = true;
	m->offset = sign * (hours * 3600L + minutes * 60L);
	return 0;
}

/* The name of a day, or a beginning of at least three letters.  Return: 0 Sunday to 6, or -1. */
static int read_weekday(const char **text) {
	static const char *const names[] = { "sunday",   "monday", "tuesday", "wednesday",
					     "thursday", "friday", "saturday" };
	size_t n = strcspn(*text, " ");

	for (int i = 0; i < (int)ARRAY_SIZE(names); i++)
		if (n >= 3 && n <= strlen(names[i]) && strncasecmp(*text, names[i], n) == 0) {
			*text += n;
			return i;
		}
	return -1;
}

static bool read_word(const char **text, const char *word) {
	size_t n = strlen(word);

	if (strncasecmp(*text, word, n) != 0 || ((*text)[n] != '\0' && (*text)[n] != ' '))
		return false;
	*text += n;
	return true;
}

static time_t offset_at(time_t t) {
	struct tm tm;

	return localtime_r(&t, &tm) == NULL ? 0 : tm.tm_gmtoff;
}

/*
 * The second at which local clocks show `tm`; of two the first after `after`, else the first.  mktime() leaves it open
 * which one it takes and what it does with a time that is skipped, so the two offsets around it are tried.
 */
static time_t local_to_epoch(const struct tm *local, time_t after) {
	struct tm tm = *local;
	time_t utc = timegm(&tm);
	time_t before_offset = offset_at(utc - DAY_SEC), after_offset = offset_at(utc + DAY_SEC);
	time_t a = utc - before_offset, b = utc - after_offset;
	time_t first = MIN(a, b), second = MAX(a, b);
	bool a_shown = offset_at(a) == before_offset, b_shown = offset_at(b) == after_offset;

	if (a_shown && b_shown)
		return first > after || second <= after ? first : second;
	/* A skipped time is shown with neither: then the offset before the change counts. */
	return b_shown ? b : a;
}

/* Return: 0, WHEN_E_RANGE. */
static int combine(time_t sec, int64_t nsec, int64_t *ret_ns) {
	if (sec < 0 || sec >= SEC_MAX)
		return WHEN_E_RANGE;
	*ret_ns = sec * NSEC_PER_SEC + nsec;
	return 0;
}

/* @SECONDS[.fraction], the @ already read. */
static int parse_epoch(const char *p, int64_t *ret_ns) {
	int64_t sec = 0, nsec = 0;

	if (!is_digit(*p))
		return WHEN_E_SYNTAX;
	for (; is_digit(*p); p++)
		sec = MIN(sec * 10 + (*p - '0'), SEC_MAX);
	if (!read_fraction(&p, &nsec) || *p != '\0')
		return WHEN_E_SYNTAX;
	return combine(sec, nsec, ret_ns);
}

/* A date, with or without a time of day and an offset. */
static int parse_date(const char *p, int64_t *ret_ns) {
	struct moment m = {};
	time_t sec;
	int r;

	r = read_date(&p, &m);
	if (r > 0)
		return r;
	if (read_char(&p, 'T') || read_char(&p, 't') || read_char(&p, ' ')) {
		r = read_clock(&p, &m);
		if (r == 0)
			r = read_offset(&p, &m);
		if (r > 0)
			return r;
	}
	if (*p != '\0')
		return WHEN_E_SYNTAX;
	if (m.has_offset)
		sec = timegm(&m.tm) - m.offset;
	else
		sec = local_to_epoch(&m.tm, LONG_MIN);
	return combine(sec, m.nsec, ret_ns);
}

/*
 * A time of day, alone or with a blank behind the name of a day, or nothing: midnight.  `days` from today on; `step`: how
 * many more where that has gone by, 0: it may have.
 */
static int parse_clock(const char *p, int64_t now_ns, int days, int step, int64_t *ret_ns) {
	time_t gone, sec, now = now_ns / NSEC_PER_SEC;
	bool blank = read_char(&p, ' ');
	struct moment m = {};
	int r = 0;

	if (localtime_r(&now, &m.tm) == NULL)
		return WHEN_E_RANGE;
	m.tm.tm_mday += days; /* timegm() carries over into the month and the year */
	m.tm.tm_hour = m.tm.tm_min = m.tm.tm_sec = 0;
	if (*p != '\0' || blank)
		r = read_clock(&p, &m);
	if (r > 0)
		return r;
	if (*p != '\0')
		return WHEN_E_SYNTAX;
	gone = (now_ns - m.nsec) / NSEC_PER_SEC;
	sec = local_to_epoch(&m.tm, gone);
	if (step > 0 && sec <= gone) {
		m.tm.tm_mday += step;
		sec = local_to_epoch(&m.tm, gone);
	}
	return combine(sec, m.nsec, ret_ns);
}

int when_parse(const char *text, int64_t now_ns, int64_t *ret_ns) {
	time_t now = now_ns / NSEC_PER_SEC;
	const char *p = text;
	struct tm today;
	int weekday;

	tzset();
	if (read_char(&p, '@'))
		return parse_epoch(p, ret_ns);
	if (read_word(&p, "today"))
		return parse_clock(p, now_ns, 0, 0, ret_ns);
	if (read_word(&p, "tomorrow"))
		return parse_clock(p, now_ns, 1, 0, ret_ns);
	weekday = read_weekday(&p);
	if (weekday >= 0) {
		if (localtime_r(&now, &today) == NULL)
			return WHEN_E_RANGE;
		return parse_clock(p, now_ns, (weekday - today.tm_wday + 7) % 7, 7, ret_ns);
	}
	if (is_digit(p[0]) && p[strspn(p, "0123456789")] == ':')
		return parse_clock(p, now_ns, 0, 1, ret_ns);
	return parse_date(p, ret_ns);
}

int when_parse_words(char *const *words, size_t n_words, int64_t now_ns, int64_t *ret_ns, size_t *ret_used) {
	char joined[WHEN_TEXT_MAX];

	*ret_used = 1;
	if (n_words >= 2 && (size_t)snprintf(joined, sizeof joined, "%s %s", words[0], words[1]) < sizeof joined) {
		int r = when_parse(joined, now_ns, ret_ns);

		/* What looks like a time and is none is complained of; what does not is left for the command. */
		if (r == 0 || (r != WHEN_E_SYNTAX && when_parse(words[0], now_ns, ret_ns) != r)) {
			*ret_used = 2;
			return r;
		}
	}
	return when_parse(words[0], now_ns, ret_ns);
}

const char *when_error(int error) {
	switch (error) {
	case WHEN_E_NO_SUCH:
		return "there is no such day or time of day";
	case WHEN_E_RANGE:
		return "it must lie between 1970 and 2116";
	default:
		return "it is written like 18:00, 'tomorrow 09:00', 'monday 8:30', '2030-12-24 18:00', "
		       "2030-12-24T18:00:00Z or @1924365600";
	}
}

const char *when_format_utc(int64_t ns, char buffer[WHEN_TEXT_MAX]) {
	time_t sec = ns / NSEC_PER_SEC;
	int64_t nsec = ns % NSEC_PER_SEC;
	struct tm tm;
	size_t n;

	if (nsec < 0) {
		nsec += NSEC_PER_SEC;
		sec--;
	}
	(void)gmtime_r(&sec, &tm);
	n = strftime(buffer, WHEN_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buffer + n, WHEN_TEXT_MAX - n, ".%09" PRId64 "Z", nsec);
	return buffer;
}

const char *when_format_local(int64_t ns, char buffer[WHEN_TEXT_MAX]) {
	time_t sec = ns / NSEC_PER_SEC;
	struct tm tm;

	tzset();
	(void)localtime_r(&sec, &tm);
	if (strftime(buffer, WHEN_TEXT_MAX, "%Y-%m-%d %H:%M:%S %Z", &tm) == 0)
		strcpy(buffer, "?");
	return buffer;
}
