/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the grammar of durations.  Knows nothing of clocks or of who asks. */

#include "proto/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/limits.h"

#define FRACTION_DIGITS_MAX 18 /* what fits into 64 bits; those behind only decide whether to round up */

/* From the largest to the smallest. */
static const struct unit {
	const char *name;
	uint64_t ns;
} units[] = {
	{ "w", 7 * 24 * 3600 * NSEC_PER_SEC },
	{ "d", 24 * 3600 * NSEC_PER_SEC },
	{ "h", 3600 * NSEC_PER_SEC },
	{ "m", 60 * NSEC_PER_SEC },
	{ "s", NSEC_PER_SEC },
	{ "ms", NSEC_PER_MSEC },
	{ "us", NSEC_PER_USEC },
	{ "ns", 1 },
};

/* The digits before and behind the point, and whether more than FRACTION_DIGITS_MAX of them say anything. */
struct number {
	uint64_t whole;
	uint64_t fraction, scale; /* fraction / scale; scale is 1 where there is no point */
	bool rest;
};

static bool is_digit(char c) {
	return c >= '0' && c <= '9';
}

/* Read a number and step over it.  Return: 0, DURATION_E_SYNTAX, DURATION_E_RANGE. */
static int parse_number(const char **text, struct number *ret) {
	const char *p = *text;
	struct number number = { .scale = 1 };

	if (!is_digit(p[0]) && !(p[0] == '.' && is_digit(p[1])))
		return DURATION_E_SYNTAX;
	for (; is_digit(*p); p++) {
		if (number.whole > (uint64_t)TIME_NS_MAX / 10)
			return DURATION_E_RANGE;
		number.whole = number.whole * 10 + (uint64_t)(*p - '0');
	}
	if (*p == '.') {
		unsigned n = 0;
		if (!is_digit(*++p))
			return DURATION_E_SYNTAX;
		for (; is_digit(*p); p++) {
			if (n++ < FRACTION_DIGITS_MAX) {
				number.fraction = number.fraction * 10 + (uint64_t)(*p - '0');
				number.scale *= 10;
			} else if (*p != '0') {
				number.rest = true;
			}
		}
	}
	*text = p;
	*ret = number;
	return 0;
}

/* Read the letters and step over them.  Return: the unit's length; 0: there is no such unit. */
static uint64_t parse_unit(const char **text) {
	const char *word = *text;
	size_t n = strcspn(word, "0123456789.");

	*text += n;
	if (n == 3 && memcmp(word, "min", n) == 0)
		n = 1;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strlen(units[i].name) == n && memcmp(units[i].name, word, n) == 0)
			return units[i].ns;
	return 0;
}

/* number * unit, rounded up.  Return: 0, DURATION_E_RANGE. */
static int multiply(const struct number *number, uint64_t unit, int64_t *ret) {
	unsigned __int128 part = (unsigned __int128)number->fraction * unit;
	unsigned __int128 sum = (unsigned __int128)number->whole * unit + part / number->scale;

	if (part % number->scale != 0 || number->rest)
		sum++;
	if (sum > (unsigned __int128)TIME_NS_MAX)
		return DURATION_E_RANGE;
	*ret = (int64_t)sum;
	return 0;
}

/* One number with its unit; `first`: it may stand alone.  Return: 0, or why not. */
static int parse_part(const char **text, bool first, int64_t *ret_ns) {
	struct number number;
	uint64_t unit = NSEC_PER_SEC;
	int r;

	r = parse_number(text, &number);
	if (r > 0)
		return r;
	if (!first || **text != '\0')
		unit = parse_unit(text);
	if (unit == 0)
		return DURATION_E_UNIT;
	if (number.scale != 1 && **text != '\0')
		return DURATION_E_SYNTAX;
	return multiply(&number, unit, ret_ns);
}

int duration_parse(const char *text, int64_t *ret_ns) {
	const char *p = text;
	int64_t total = 0;

	if (text[0] == '-' && (is_digit(text[1]) || text[1] == '.'))
		return DURATION_E_NEGATIVE;
	do {
		int64_t part;
		int r = parse_part(&p, p == text, &part);

		if (r > 0)
			return r;
		if (part > TIME_NS_MAX - total)
			return DURATION_E_RANGE;
		total += part;
	} while (*p != '\0');
	*ret_ns = total;
	return 0;
}

const char *duration_error(int error) {
	switch (error) {
	case DURATION_E_UNIT:
		return "a number alone is seconds, else each has its unit: ns us ms s m min h d w";
	case DURATION_E_NEGATIVE:
		return "it must not be negative";
	case DURATION_E_RANGE:
		return "146 years are the most";
	default:
		return "it is written like 90s, 1h30m or 2.5s";
	}
}

/* Append `left` in this unit; `decimals`: all of it, else whole ones. */
static void append(char buffer[DURATION_TEXT_MAX], uint64_t left, const struct unit *unit, bool decimals) {
	size_t at = strlen(buffer);
	char text[24] = "";

	if (decimals && left % unit->ns > 0) {
		snprintf(text, sizeof text, ".%09" PRIu64, left % unit->ns * (NSEC_PER_SEC / unit->ns));
		while (text[strlen(text) - 1] == '0')
			text[strlen(text) - 1] = '\0';
	}
	snprintf(buffer + at, DURATION_TEXT_MAX - at, "%" PRIu64 "%s%s", left / unit->ns, text, unit->name);
}

/* The sign goes to the buffer, the rest is returned. */
static uint64_t magnitude(int64_t ns, char buffer[DURATION_TEXT_MAX]) {
	strcpy(buffer, ns < 0 ? "-" : "");
	return ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
}

const char *duration_format(int64_t ns, char buffer[DURATION_TEXT_MAX]) {
	uint64_t left = magnitude(ns, buffer);
	bool composed = false;

	if (ns == 0)
		return strcpy(buffer, "0s");
	for (size_t i = 0; left > 0; i++) {
		bool last = units[i].ns <= NSEC_PER_SEC;

		if (left < units[i].ns && !(last && composed))
			continue;
		append(buffer, left, &units[i], last);
		left = last ? 0 : left % units[i].ns;
		composed = true;
	}
	return buffer;
}

const char *duration_brief(int64_t ns, char buffer[DURATION_TEXT_MAX]) {
	uint64_t left = magnitude(ns, buffer);
	size_t i = 0;

	if (ns == 0)
		return strcpy(buffer, "0s");
	while (left < units[i].ns)
		i++;
	append(buffer, left, &units[i], false);
	/* Below a minute one unit says enough. */
	left %= units[i].ns;
	if (units[i].ns > NSEC_PER_SEC && left >= units[i + 1].ns)
		append(buffer, left, &units[i + 1], false);
	return buffer;
}
