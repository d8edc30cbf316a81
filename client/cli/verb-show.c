/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb show: everything that is known of a timer, a line for each thing. */

#include <inttypes.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/daemon.h"
#include "client/cli/error.h"
#include "client/cli/json.h"
#include "client/cli/text.h"
#include "client/cli/timers.h"
#include "client/cli/when.h"
#include "proto/duration.h"

#define LINE_WIDTH 80

struct showing {
	bool json;
	bool more; /* one has been shown before */
	Evloop__TimeReply *now;
};

static void line(const char *name, const char *format, ...) _printf_(2, 3);
static void line(const char *name, const char *format, ...) {
	va_list args;

	printf("%-12s ", name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static void line_duration(const char *name, int64_t ns, const char *none) {
	char text[DURATION_TEXT_MAX];

	if (ns != 0 || none)
		line(name, "%s", ns != 0 ? duration_format(ns, text) : none);
}

/* A time of the timer's clock, also as civil time. */
static void line_time(const char *name, const struct showing *showing, const Evloop__TimerInfo *info, int64_t ns) {
	char when[WHEN_TEXT_MAX], text[DURATION_TEXT_MAX];
	int64_t away = ns - timer_clock(info, showing->now);

	if (ns != 0)
		line(name, "%s (%s%s%s)", when_format_local(showing->now->realtime_ns + away, when),
		     away > 0 ? "in " : "", duration_brief(away > 0 ? away : -away, text), away > 0 ? "" : " ago");
}

static void line_boottime(const char *name, const struct showing *showing, int64_t ns) {
	Evloop__TimerInfo info = EVLOOP__TIMER_INFO__INIT;

	line_time(name, showing, &info, ns);
}

static void line_realtime(const char *name, int64_t ns) {
	char when[WHEN_TEXT_MAX];

	if (ns != 0)
		line(name, "%s", when_format_local(ns, when));
}

static void show_schedule(const struct showing *showing, const Evloop__TimerInfo *info) {
	char word[WORD_MAX], seconds[SECONDS_MAX];

	line("kind", "%s", text_enum(&evloop__kind__descriptor, (int)info->kind, word));
	if (info->period_ns != 0)
		line_duration("period", info->period_ns, NULL);
	line("clock", "%s", text_enum(&evloop__clock__descriptor, (int)info->clock, word));
	line("state", "%s%s", text_enum(&evloop__timer_state__descriptor, (int)info->state, word),
	     timer_waits(info) ? ", waits for a place among the jobs of this user" : "");
	if (info->state == EVLOOP__TIMER_STATE__TIMER_ARMED)
		line_time("next", showing, info, info->next_ns);
	else if (info->state == EVLOOP__TIMER_STATE__TIMER_PAUSED && info->kind != EVLOOP__KIND__KIND_EVERY)
		line_duration("left", info->next_ns, NULL);
	if (info->count != 0)
		line("count", "%" PRIu64, info->count);
	line_time("until", showing, info, info->until_ns);
	line_duration("slack", info->slack_ns, "0s");
	line("fires", "%" PRIu64, info->fire_seq);
	line("missed", "%" PRIu64, info->missed);
	if (info->last_fired_ns != 0) {
		line_time("last fired", showing, info, info->last_fired_ns);
		line("lateness", "%s", text_seconds(info->last_lateness_ns, seconds));
	}
}

static void show_run(const struct showing *showing, const Evloop__RunInfo *run) {
	char word[WORD_MAX], text[DURATION_TEXT_MAX], seconds[SECONDS_MAX];

	line("run", "%" PRIu64 ", %s", run->run, text_enum(&evloop__run_result__descriptor, (int)run->result, word));
	if (run->result == EVLOOP__RUN_RESULT__RUN_ACTIVE)
		line("  pid", "%" PRIu64, run->pid);
	else
		line("  status", "%d", run->status);
	if (run->unit[0] != '\0')
		line("  unit", "%s", run->unit);
	line("  fire", "%" PRIu64, run->fire_seq);
	line("  lateness", "%s", text_seconds(run->lateness_ns, seconds));
	line_boottime("  started", showing, run->started_ns);
	if (run->ended_ns != 0) {
		line_boottime("  ended", showing, run->ended_ns);
		line("  took", "%s", duration_brief(run->ended_ns - run->started_ns, text));
	}
}

/* As many names on a line as fit. */
static void show_environment(const Evloop__TimerInfo *info) {
	int column = printf("%-12s", "environment");

	for (size_t i = 0; i < info->n_environment_names; i++) {
		ProtobufCBinaryData name = { .data = (uint8_t *)info->environment_names[i],
					     .len = strlen(info->environment_names[i]) };
		_cleanup_free_ char *text = text_command(&name, 1);

		if (column + (int)name.len >= LINE_WIDTH)
			column = printf("\n%12s", "") - 1;
		column += printf(" %s", text ? text : "?");
	}
	putchar('\n');
}

static void show_command(const struct showing *showing, const Evloop__TimerInfo *info) {
	_cleanup_free_ char *command = text_command(info->argv, info->n_argv);
	_cleanup_free_ char *directory = text_command(&info->directory, 1);
	char word[WORD_MAX];

	line("command", "%s", command ? command : "");
	line("directory", "%s", directory ? directory : "");
	line("umask", "%04o", info->umask);
	line("overlap", "%s", text_enum(&evloop__overlap__descriptor, (int)info->overlap, word));
	line_duration("timeout", info->timeout_ns, "none");
	line("runs", "%" PRIu64 ", active %" PRIu32 ", skipped %" PRIu64, info->runs, info->active, info->skipped);
	line("output", "%" PRIu64 " bytes", info->output_bytes);
	if (info->last_run && info->last_run->result != EVLOOP__RUN_RESULT__RUN_NONE)
		show_run(showing, info->last_run);
	show_environment(info);
}

static int show(const Evloop__TimerInfo *info, void *userdata) {
	_cleanup_free_ char *owner = timer_command(info);
	struct showing *showing = userdata;
	char word[WORD_MAX];

	if (showing->json)
		return json_print_message(&info->base) ? 0 : 1;
	if (showing->more)
		putchar('\n');
	showing->more = true;
	line("id", "%" PRIu64, info->id);
	line("name", "%s", text_name(info->name));
	show_schedule(showing, info);
	line("generation", "%" PRIu64, info->generation);
	line_realtime("created", info->created_realtime_ns);
	line_realtime("finished", info->finished_realtime_ns);
	if (info->end != EVLOOP__END__END_NONE)
		line("end", "%s", text_enum(&evloop__end__descriptor, (int)info->end, word));
	line("detached", "%s", info->detached ? "yes" : "no");
	line("attached", "%s", info->attached ? "yes" : "no");
	if (info->n_argv == 0)
		line("owner", "%s", info->owner_pid != 0 && owner ? owner : "the user");
	else
		show_command(showing, info);
	return text_flush() ? 0 : 1;
}

static int run_showing(const struct invocation *inv, struct evl *evl) {
	Evloop__ListRequest request = EVLOOP__LIST_REQUEST__INIT;
	struct showing showing = { .json = inv->json };
	_cleanup_message_ ProtobufCMessage *now = NULL;
	int r = daemon_time(evl, &now);

	if (r != 0)
		return r;
	showing.now = (Evloop__TimeReply *)now;
	request.finished = request.anonymous = request.details = true;
	return daemon_list_operands(inv, evl, &request, show, &showing);
}

static int run(struct invocation *inv) {
	_cleanup_evl_ struct evl *evl = NULL;
	int r;

	if (options_next(inv, "", options_none) < 0)
		return inv->status;
	if (inv->argc < 2)
		return complain_usage(inv, "no id or name; see 'evloop show --help'");
	/* Which letters print. */
	(void)setlocale(LC_CTYPE, "");
	r = daemon_connect(inv, &evl);
	return r == 0 ? run_showing(inv, evl) : r;
}

const struct verb verb_show = {
	.name = "show",
	.summary = "show everything that is known of a timer or job",
	.usage = "ID|NAME|'GLOB*'...",
	.help = "Of the environment only the names are shown, never the values.\n",
	.run = run,
};
