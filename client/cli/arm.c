/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the options of the verbs that arm timers, and the way from them to a TimerSpec. */

#include "client/cli/arm.h"

#include <string.h>
#include <time.h>

#include "client/cli/error.h"
#include "client/cli/text.h"
#include "client/cli/when.h"
#include "proto/duration.h"
#include "proto/limits.h"

enum {
	OPTION_NAME = 1,
	OPTION_COUNT,
	OPTION_UNTIL,
	OPTION_START,
	OPTION_NOW,
	OPTION_SLACK,
	OPTION_CLOCK,
	OPTION_REPLACE,
	OPTION_ENSURE,
	OPTION_OVERLAP,
	OPTION_TIMEOUT,
	OPTION_CLEAN_ENV,
	OPTION_SETENV,
};

static const struct option options[] = {
	{ "name", required_argument, NULL, OPTION_NAME },
	{ "count", required_argument, NULL, OPTION_COUNT },
	{ "until", required_argument, NULL, OPTION_UNTIL },
	{ "start", required_argument, NULL, OPTION_START },
	{ "now", no_argument, NULL, OPTION_NOW },
	{ "slack", required_argument, NULL, OPTION_SLACK },
	{ "clock", required_argument, NULL, OPTION_CLOCK },
	{ "replace", no_argument, NULL, OPTION_REPLACE },
	{ "ensure", no_argument, NULL, OPTION_ENSURE },
	{ "overlap", required_argument, NULL, OPTION_OVERLAP },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
	{ "clean-env", no_argument, NULL, OPTION_CLEAN_ENV },
	{ "setenv", required_argument, NULL, OPTION_SETENV },
	OPTIONS_COMMON,
};

/* In the order of the enums. */
static const char *const clock_words[] = { "boottime", "monotonic", "realtime", NULL };
static const char *const overlap_words[] = { "skip", "queue", "restart", "allow", NULL };

static int64_t realtime(const struct arm *arm) {
	return arm->now.clock_ns[EVLOOP__CLOCK__CLOCK_REALTIME];
}

static void read_clocks(struct arm_now *now) {
	static const clockid_t clocks[] = { CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME };

	for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
		struct timespec t;

		clock_gettime(clocks[i], &t);
		now->clock_ns[i] = t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
	}
}

/* Options of repeating timers, of all but `soon`, and of commands.  Return: 0, or the exit status. */
static int check_option(const struct invocation *inv, struct arm *arm, int option, const char *name) {
	switch (option) {
	case OPTION_COUNT:
	case OPTION_UNTIL:
	case OPTION_START:
	case OPTION_NOW:
		if (arm->kind != EVLOOP__KIND__KIND_EVERY)
			return complain_usage(inv, "--%s is for 'every'", name);
		return 0;
	case OPTION_SLACK:
	case OPTION_CLOCK:
		if (arm->kind == EVLOOP__KIND__KIND_SOON)
			return complain_usage(inv, "--%s says nothing where there is no time to wait for", name);
		return 0;
	case OPTION_OVERLAP:
	case OPTION_TIMEOUT:
	case OPTION_CLEAN_ENV:
	case OPTION_SETENV:
		arm->command_option = name;
		return 0;
	default:
		return 0;
	}
}

static int take_variable(const struct invocation *inv, struct arm *arm, const char *variable) {
	struct command_options *command = &arm->command;

	if (variable[0] == '=' || !strchr(variable, '='))
		return complain_usage(inv, "--setenv '%s' is not NAME=VALUE", variable);
	/* No more of them than words: argv shrinks only behind them. */
	if (!command->set)
		command->set = calloc((size_t)inv->argc, sizeof(*command->set));
	if (!command->set) {
		complain("%s", strerror(ENOMEM));
		return 1;
	}
	command->set[command->n_set++] = variable;
	return 0;
}

/* Return: 0, or the exit status. */
static int take_option(const struct invocation *inv, struct arm *arm, int option) {
	struct command_options *command = &arm->command;
	int word = 0, r = 0;

	switch (option) {
	case OPTION_NAME:
		arm->name = optarg;
		return optarg[0] ? 0 : complain_usage(inv, "--name '' is no name");
	case OPTION_COUNT:
		return option_number(inv, "--count", optarg, &arm->count);
	case OPTION_UNTIL:
		arm->until = optarg;
		return option_time(inv, "--until", optarg, realtime(arm), &arm->until_ns);
	case OPTION_START:
		arm->start = optarg;
		return option_time(inv, "--start", optarg, realtime(arm), &arm->start_ns);
	case OPTION_NOW:
		arm->start_now = true;
		return 0;
	case OPTION_SLACK:
		return option_duration(inv, "--slack", optarg, &arm->slack_ns);
	case OPTION_CLOCK:
		return option_word(inv, "--clock", optarg, clock_words, &arm->clock);
	case OPTION_REPLACE:
		arm->replace = true;
		return 0;
	case OPTION_ENSURE:
		arm->ensure = true;
		return 0;
	case OPTION_OVERLAP:
		r = option_word(inv, "--overlap", optarg, overlap_words, &word);
		command->overlap = (enum evl_overlap)word;
		return r;
	case OPTION_TIMEOUT:
		r = option_duration(inv, "--timeout", optarg, &command->timeout_ns);
		return r == 0 && command->timeout_ns == 0 ? complain_value(inv, "--timeout '%s' must not be 0", optarg)
							  : r;
	case OPTION_CLEAN_ENV:
		command->clean = true;
		return 0;
	case OPTION_SETENV:
		return take_variable(inv, arm, optarg);
	default:
		command->shell = optarg;
		return 0;
	}
}

static int take_options(struct invocation *inv, struct arm *arm) {
	int option, r;

	while ((option = options_next(inv, "+c:", options)) > 0) {
		const char *name = "c";

		for (size_t i = 0; options[i].name; i++)
			if (options[i].val == option)
				name = options[i].name;
		r = check_option(inv, arm, option, name);
		if (r == 0)
			r = take_option(inv, arm, option);
		if (r != 0)
			return r;
	}
	return option < 0 ? -1 : 0;
}

static int take_duration(const struct invocation *inv, struct arm *arm) {
	int r = option_duration(inv, NULL, arm->operand, &arm->duration_ns);

	if (r == 0 && arm->kind == EVLOOP__KIND__KIND_EVERY && arm->duration_ns == 0)
		return complain_value(inv, "'%s': a period must not be 0", arm->operand);
	return r;
}

static int take_time(struct invocation *inv, struct arm *arm, size_t *ret_used) {
	int r = when_parse_words(inv->argv + 1, (size_t)inv->argc - 1, realtime(arm), &arm->time_ns, ret_used);
	const char *more = *ret_used > 1 ? inv->argv[2] : "", *blank = *ret_used > 1 ? " " : "";

	if (r > 0)
		return complain_value(inv, "'%s%s%s' is not a time: %s", arm->operand, blank, more, when_error(r));
	if (arm->time_ns <= realtime(arm))
		return complain_value(inv, "'%s%s%s' is in the past", arm->operand, blank, more);
	return 0;
}

static int take_operand(struct invocation *inv, struct arm *arm) {
	size_t used = 1;
	int r;

	if (arm->kind == EVLOOP__KIND__KIND_SOON)
		return 0;
	if (inv->argc < 2)
		return complain_usage(inv, "no %s; see 'evloop %s --help'",
				      arm->kind == EVLOOP__KIND__KIND_AT ? "time" : "duration", inv->verb->name);
	arm->operand = inv->argv[1];
	r = arm->kind == EVLOOP__KIND__KIND_AT ? take_time(inv, arm, &used) : take_duration(inv, arm);
	if (r == 0)
		options_skip(inv, (int)used);
	return r;
}

static int check(const struct invocation *inv, const struct arm *arm) {
	if (arm->replace && arm->ensure)
		return complain_usage(inv, "--replace and --ensure exclude each other");
	if ((arm->replace || arm->ensure) && !arm->name)
		return complain_usage(inv, "%s needs --name", arm->replace ? "--replace" : "--ensure");
	if (arm->start && arm->start_now)
		return complain_usage(inv, "--start and --now exclude each other");
	if (arm->until && arm->until_ns <= realtime(arm))
		return complain_value(inv, "--until '%s' is in the past", arm->until);
	return 0;
}

int arm_parse(struct invocation *inv, struct arm *arm) {
	int r;

	read_clocks(&arm->now);
	arm->clock = -1;
	r = take_options(inv, arm);
	if (r == 0)
		r = take_operand(inv, arm);
	if (r == 0)
		r = take_options(inv, arm);
	return r == 0 ? check(inv, arm) : r;
}

/* A time since 1970 on another clock. */
static int64_t on_clock(const struct arm *arm, Evloop__Clock clock, int64_t realtime_ns) {
	return realtime_ns - realtime(arm) + arm->now.clock_ns[clock];
}

/* The first nominal time of a repeating timer, since 1970: the first of the row through --start that is to come. */
static int64_t first_start(const struct arm *arm) {
	int64_t gone = realtime(arm) - arm->start_ns;

	return gone < 0 ? arm->start_ns : arm->start_ns + (gone / arm->duration_ns + 1) * arm->duration_ns;
}

static Evloop__Clock clock_of(const struct arm *arm) {
	if (arm->clock >= 0)
		return (Evloop__Clock)arm->clock;
	return arm->kind == EVLOOP__KIND__KIND_AT || arm->start ? EVLOOP__CLOCK__CLOCK_REALTIME
								: EVLOOP__CLOCK__CLOCK_BOOTTIME;
}

/* When, on the timer's clock. */
static int64_t deadline_of(const struct arm *arm, Evloop__Clock clock) {
	if (arm->kind == EVLOOP__KIND__KIND_AT)
		return on_clock(arm, clock, arm->time_ns);
	if (arm->start)
		return on_clock(arm, clock, first_start(arm));
	return arm->now.clock_ns[clock] + (arm->start_now ? 0 : arm->duration_ns);
}

int arm_spec(const struct invocation *inv, struct evl *evl, const struct arm *arm, Evloop__TimerSpec *spec) {
	Evloop__Clock clock = clock_of(arm);
	int64_t deadline_ns;

	spec->kind = arm->kind;
	spec->name = (char *)(arm->name ? arm->name : "");
	if (arm->replace || arm->ensure)
		spec->name_mode = arm->replace ? EVLOOP__NAME_MODE__NAME_REPLACE : EVLOOP__NAME_MODE__NAME_ENSURE;
	if (arm->kind == EVLOOP__KIND__KIND_SOON)
		return 0;
	deadline_ns = deadline_of(arm, clock);
	if (deadline_ns > TIME_NS_MAX)
		return complain_value(inv, "'%s' lies beyond the year 2116", arm->operand);
	spec->clock = clock;
	spec->deadline_ns = evl_call_deadline(evl, clock, deadline_ns, &spec->relative);
	spec->slack_ns = arm->slack_ns;
	if (arm->kind == EVLOOP__KIND__KIND_AT)
		spec->if_past = EVLOOP__IF_PAST__PAST_ERROR;
	if (arm->kind == EVLOOP__KIND__KIND_AFTER)
		spec->delay_ns = arm->duration_ns;
	if (arm->kind == EVLOOP__KIND__KIND_EVERY)
		spec->period_ns = arm->duration_ns;
	spec->count = arm->count;
	if (arm->until) {
		spec->until_ns = on_clock(arm, clock, arm->until_ns);
		if (spec->until_ns < deadline_ns)
			return complain_value(inv, "--until '%s' lies before the first time", arm->until);
	}
	return 0;
}

/* "timer 2, every 1h: ./sync" */
static void complain_exists(const char *name, const Evloop__TimerInfo *existing) {
	_cleanup_free_ char *command = text_command(existing->argv, existing->n_argv);
	char kind[WORD_MAX], period[DURATION_TEXT_MAX];
	bool repeats = existing->kind == EVLOOP__KIND__KIND_EVERY;

	complain("%s: exists as timer %llu, %s%s%s%s%s; --replace or --ensure says what to do with it", name,
		 (unsigned long long)existing->id, text_enum(&evloop__kind__descriptor, (int)existing->kind, kind),
		 repeats ? " " : "", repeats ? duration_format(existing->period_ns, period) : "",
		 command && command[0] ? ": " : "", command ? command : "");
}

int arm_send(const struct invocation *inv, struct evl *evl, const Evloop__TimerSpec *spec, Evloop__Armed **ret) {
	ProtobufCMessage *reply;
	int r = evl_call(evl, EVLOOP__METHOD__METHOD_ARM, &spec->base, &reply);

	if (r < 0) {
		const Evloop__Error *error = evl_call_error(evl);

		if (r != -EEXIST || !error || !error->existing)
			return complain_call(evl, r, inv->verb->name);
		complain_exists(spec->name, error->existing);
		return EX_CANTCREAT;
	}
	*ret = (Evloop__Armed *)reply;
	return 0;
}
