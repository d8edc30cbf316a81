/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the grammar of rates, for the command line and for configuration.  Knows nothing of what a rate is used for. */

#include "proto/rate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/limits.h"

static const struct unit {
	const char *name;
	int64_t ns;
} units[] = {
	/* The first of each length is the one that is printed. */
	{ "d", 86400 * NSEC_PER_SEC }, { "h", 3600 * NSEC_PER_SEC },
	{ "min", 60 * NSEC_PER_SEC },  { "m", 60 * NSEC_PER_SEC },
	{ "s", NSEC_PER_SEC },         { "ms", NSEC_PER_MSEC },
	{ "us", NSEC_PER_USEC },       { "ns", 1 },
};

static const struct multiple {
	char letter;
	uint64_t factor;
} multiples[] = {
	{ 'G', 1000000000 },
	{ 'M', 1000000 },
	{ 'k', 1000 },
};

/* Digits at *p; no sign, no blank.  Return: 0, or what is wrong. */
static const char *read_number(const char **p, uint64_t *ret) {
	uint64_t value = 0;

	if (**p < '0' || **p > '9')
		return "a whole number is expected";
	for (; **p >= '0' && **p <= '9'; (*p)++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(**p - '0'), &value))
			return "the number is too large";
	*ret = value;
	return NULL;
}

static const struct unit *find_unit(const char *name) {
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strcmp(units[i].name, name) == 0)
			return &units[i];
	return NULL;
}

static const char *read_count(const char **p, uint64_t *ret) {
	const char *wrong = read_number(p, ret);

	if (wrong)
		return wrong;
	for (size_t i = 0; i < ARRAY_SIZE(multiples); i++) {
		if (**p != multiples[i].letter)
			continue;
		(*p)++;
		if (__builtin_mul_overflow(*ret, multiples[i].factor, ret))
			return "the number is too large";
		break;
	}
	if (**p == '.' || **p == ',')
		return "only whole numbers are allowed: write 3/2s for 1.5/s";
	return NULL;
}

const char *rate_parse(const char *text, struct rate *ret) {
	const char *p = text, *wrong;
	const struct unit *unit;
	uint64_t tokens, periods = 1;
	int64_t period_ns;

	if (strcmp(text, "unlimited") == 0) {
		*ret = (struct rate){ 0 };
		return NULL;
	}
	wrong = read_count(&p, &tokens);
	if (wrong)
		return wrong;
	if (*p != '/')
		return "'/' and a period are expected after the number, as in 10/s";
	p++;
	if (*p >= '0' && *p <= '9') {
		wrong = read_number(&p, &periods);
		if (wrong)
			return wrong;
	}
	if (*p == '.' || *p == ',')
		return "the period has decimals, and only whole numbers are allowed: write 20/3s for 10/1.5s";
	unit = find_unit(p);
	if (!unit)
		return *p ? "the period has to end in ns, us, ms, s, m, min, h or d"
			  : "the period has no unit, as in 10/s";
	if (tokens == 0 || periods == 0)
		return "it would never allow anything";
	if (periods > INT64_MAX || __builtin_mul_overflow((int64_t)periods, unit->ns, &period_ns) ||
	    period_ns > TIME_NS_MAX)
		return "the period is too long";
	*ret = (struct rate){ .tokens = tokens, .period_ns = period_ns };
	return NULL;
}

void rate_format(const struct rate *rate, char *buffer) {
	const struct unit *unit = units;
	uint64_t periods;

	if (rate->tokens == 0) {
		strcpy(buffer, "unlimited");
		return;
	}
	while (rate->period_ns % unit->ns != 0)
		unit++;
	periods = (uint64_t)(rate->period_ns / unit->ns);
	if (periods == 1)
		snprintf(buffer, RATE_TEXT_MAX, "%" PRIu64 "/%s", rate->tokens, unit->name);
	else
		snprintf(buffer, RATE_TEXT_MAX, "%" PRIu64 "/%" PRIu64 "%s", rate->tokens, periods, unit->name);
}
