/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs soon, after, at and every: a command for later, or ticks in the foreground. */

#include <inttypes.h>
#include <stdio.h>

#include "client/cli/arm.h"
#include "client/cli/daemon.h"
#include "client/cli/error.h"
#include "client/cli/event.h"
#include "client/cli/json.h"
#include "client/cli/linger.h"
#include "client/cli/text.h"

/* ---- a command for later ---- */

static int arm_command(const struct invocation *inv, struct evl *evl, const struct arm *arm, Evloop__Command *command) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	Evloop__Armed *armed;
	bool written;
	int r = arm_spec(inv, evl, arm, &spec);

	spec.command = command;
	if (r == 0)
		r = arm_send(inv, evl, &spec, &armed);
	if (r != 0)
		return r;
	if (inv->json) {
		written = json_print_message(&armed->base);
	} else {
		printf("%" PRIu64 "\n", armed->id);
		written = text_flush();
	}
	evloop__armed__free_unpacked(armed, NULL);
	linger_hint(evl, arm);
	return written ? 0 : 1;
}

static int run_command(const struct invocation *inv, const struct arm *arm) {
	Evloop__Command *command = NULL;
	_cleanup_evl_ struct evl *evl = NULL;
	int r = command_capture(inv, &arm->command, &command);

	if (r == 0)
		r = daemon_connect(inv, &evl);
	if (r == 0)
		r = arm_command(inv, evl, arm, command);
	command_free(command);
	return r;
}

/* ---- ticks in the foreground ---- */

struct ticker {
	const struct invocation *inv;
	bool over;
	int status;
};

static void stop(struct ticker *ticker, int status) {
	ticker->over = true;
	ticker->status = status;
}

static bool print_tick(const struct ticker *ticker, const Evloop__Event *event) {
	char lateness[SECONDS_MAX];

	if (ticker->inv->json)
		return event_print_json(event);
	printf("%" PRIu64 " fires=%" PRIu64 " lateness=%s\n", event->fire_seq, event->fires,
	       text_seconds(event->lateness_ns, lateness));
	return text_flush();
}

static void on_tick(struct evl *evl _unused_, const Evloop__Event *event, void *userdata) {
	struct ticker *ticker = userdata;

	if (ticker->over)
		return;
	if (event->type == EVLOOP__EVENT_TYPE__EVENT_ENDED) {
		complain("%s: %s", ticker->inv->verb->name,
			 event->end == EVLOOP__END__END_REPLACED ? "replaced by another timer of that name"
								 : "cancelled by somebody else");
		stop(ticker, 1);
	} else if (event->type == EVLOOP__EVENT_TYPE__EVENT_FIRED) {
		if (!print_tick(ticker, event))
			stop(ticker, 1);
		else if (!event->more)
			stop(ticker, 0);
	}
}

static int run_ticker(const struct invocation *inv, const struct arm *arm) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	struct ticker ticker = { .inv = inv };
	_cleanup_evl_ struct evl *evl = NULL;
	Evloop__Armed *armed;
	int r = daemon_connect(inv, &evl);

	if (r != 0)
		return r;
	r = arm_spec(inv, evl, arm, &spec);
	if (r != 0)
		return r;
	r = evl_call_handle(evl, &spec.handle, on_tick, &ticker);
	if (r < 0)
		return complain_call(evl, r, inv->verb->name);
	r = arm_send(inv, evl, &spec, &armed);
	if (r != 0)
		return r;
	evloop__armed__free_unpacked(armed, NULL);
	while (!ticker.over && r >= 0)
		r = evl_dispatch(evl, -1);
	return ticker.over ? ticker.status : complain_call(evl, r, inv->verb->name);
}

/* ---- the verbs ---- */

static int run_parsed(const struct invocation *inv, const struct arm *arm) {
	if (inv->argc > 1 || arm->command.shell)
		return run_command(inv, arm);
	if (arm->kind != EVLOOP__KIND__KIND_EVERY)
		return complain_usage(inv, "no command; see 'evloop %s --help'", inv->verb->name);
	if (arm->command_option)
		return complain_usage(inv, "--%s needs a command", arm->command_option);
	return run_ticker(inv, arm);
}

static int run(struct invocation *inv, Evloop__Kind kind) {
	struct arm arm = { .kind = kind };
	int r = arm_parse(inv, &arm);

	if (r == 0)
		r = run_parsed(inv, &arm);
	free(arm.command.set);
	return r < 0 ? inv->status : r;
}

static int run_soon(struct invocation *inv) {
	return run(inv, EVLOOP__KIND__KIND_SOON);
}

static int run_after(struct invocation *inv) {
	return run(inv, EVLOOP__KIND__KIND_AFTER);
}

static int run_at(struct invocation *inv) {
	return run(inv, EVLOOP__KIND__KIND_AT);
}

static int run_every(struct invocation *inv) {
	return run(inv, EVLOOP__KIND__KIND_EVERY);
}

#define HELP_WORDS "Options end at the first word of CMD; '--' before it is optional.\n\n"

#define HELP_COMMAND                                                                                                   \
	"  -c STRING            instead of CMD: sh -c STRING; words behind it are $0, $1\n"                            \
	"  --timeout DUR        end a run after this time: TERM, KILL 10 s later\n"                                    \
	"  --overlap HOW        when it fires while CMD still runs: skip (the default),\n"                             \
	"                       queue, restart or allow\n"                                                             \
	"  --clean-env          take only PATH HOME USER LOGNAME SHELL LANG LC_* TZ XDG_*\n"                           \
	"                       along of the environment\n"                                                            \
	"  --setenv NAME=VALUE  set a variable for CMD\n"

#define HELP_NAME                                                                                                      \
	"  --name NAME          to manage it by; a name that exists is refused (73)\n"                                 \
	"  --replace            cancel the timer that has the name\n"                                                  \
	"  --ensure             keep it if it is defined alike, else change it\n"

#define HELP_TIME                                                                                                      \
	"  --slack DUR          may fire this much later, to share a wake-up\n"                                        \
	"  --clock CLOCK        boottime, monotonic (stands still in suspend) or realtime\n"                           \
	"                       (follows every step of the clock); the default: "

const struct verb verb_soon = {
	.name = "soon",
	.alias = "run",
	.summary = "run a command now, in the background",
	.usage = "[OPTION]... CMD [ARG]...",
	.help = "The daemon runs CMD in the next turn of its loop.  Prints the id, by which\n"
		"'evloop wait' and 'evloop log' know it, and returns at once.\n"
		"\n" HELP_WORDS HELP_COMMAND HELP_NAME,
	.run = run_soon,
};

const struct verb verb_after = {
	.name = "after",
	.summary = "run a command once, after a delay",
	.usage = "DUR [OPTION]... CMD [ARG]...",
	.help = "The daemon runs CMD when DUR has passed (90s, 1h30m, 2.5s; a bare number is\n"
		"seconds).  Prints the id and returns at once.\n"
		"\n" HELP_WORDS HELP_COMMAND HELP_NAME HELP_TIME "boottime\n",
	.takes_duration = true,
	.run = run_after,
};

const struct verb verb_at = {
	.name = "at",
	.summary = "run a command once, at a time",
	.usage = "TIME [OPTION]... CMD [ARG]...",
	.help = "The daemon runs CMD at TIME: 18:00 (the next one), tomorrow 09:00,\n"
		"monday 8:30, 2030-12-24 18:00, 2030-12-24T18:00:00Z, @1924365600; a day alone\n"
		"is its midnight.  A time in the past is refused (65).  A local time that the\n"
		"clock skips is taken as if it had not been put forward; of one that it shows\n"
		"twice the first is meant.  Prints the id and returns at once.\n"
		"\n" HELP_WORDS HELP_COMMAND HELP_NAME HELP_TIME "realtime\n",
	.run = run_at,
};

const struct verb verb_every = {
	.name = "every",
	.summary = "run a command again and again, or print a line each time",
	.usage = "DUR [OPTION]... [CMD [ARG]...]",
	.help = "The daemon runs CMD every DUR, for the first time one DUR from now, without\n"
		"drifting.  Prints the id and returns at once.\n"
		"\n"
		"Without CMD it stays in the foreground and prints a line each time: the number,\n"
		"how many times fell together because nobody read, and how late the last was.\n"
		"\n" HELP_WORDS "  --count N            end after N times\n"
		"  --until TIME         not after TIME\n"
		"  --start TIME         at TIME and every DUR before and after it\n"
		"  --now                for the first time at once\n" HELP_COMMAND HELP_NAME HELP_TIME "boottime,\n"
		"                       or realtime with --start\n",
	.takes_duration = true,
	.run = run_every,
};
