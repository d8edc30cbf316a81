/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs that do something to timers that are there: cancel, kill, pause, resume, trigger, poke. */

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/daemon.h"
#include "client/cli/error.h"
#include "client/cli/json.h"
#include "client/cli/text.h"

/* What is the same for each operand. */
struct order {
	bool json;
	Evloop__Method method;
	uint32_t signal; /* KILL; 0: TERM, then KILL */
};

/* Is it what was asked for? */
static bool is_success(Evloop__Outcome outcome) {
	return outcome != EVLOOP__OUTCOME__OUTCOME_GONE && outcome != EVLOOP__OUTCOME__OUTCOME_NOT_RUNNING;
}

/* Return: the exit status; EX_IOERR: not written. */
static int print_result(const struct order *order, const Evloop__ManageReply__Result *result) {
	char buffer[WORD_MAX];
	bool written;
	/* What is gone for a program is done for who scheduled it. */
	const char *outcome = result->outcome == EVLOOP__OUTCOME__OUTCOME_GONE
				      ? "done"
				      : text_enum(&evloop__outcome__descriptor, (int)result->outcome, buffer);

	if (order->json) {
		json_t *object = json_of_message(&result->base);

		if (object)
			(void)json_object_set_new(object, "outcome", json_string(outcome));
		written = json_print(object);
	} else {
		printf("%" PRIu64 " %s\n", result->id, outcome);
		written = text_flush();
	}
	if (!written)
		return EX_IOERR;
	return is_success(result->outcome) ? 0 : 1;
}

/* One operand, page by page.  Return: the exit status. */
static int manage(struct evl *evl, const struct order *order, const char *operand) {
	Evloop__ManageRequest request = EVLOOP__MANAGE_REQUEST__INIT;
	Evloop__Target target;
	bool found = false, more = true;
	int status = 0;

	if (!target_init(&target, operand))
		return complain_no_timer(operand);
	request.target = &target;
	request.signal = order->signal;
	while (more) {
		_cleanup_message_ ProtobufCMessage *message = NULL;
		const Evloop__ManageReply *reply;
		int r = evl_call(evl, order->method, &request.base, &message);

		if (r == -ENOENT)
			break;
		if (r < 0)
			return complain_call(evl, r, operand);
		reply = (const Evloop__ManageReply *)message;
		for (size_t i = 0; i < reply->n_results; i++) {
			r = print_result(order, reply->results[i]);
			if (r == EX_IOERR)
				return 1;
			status = status != 0 ? status : r;
		}
		found |= reply->n_results > 0;
		more = reply->more;
		request.after = reply->next;
	}
	return found ? status : complain_no_timer(operand);
}

static int manage_all(const struct invocation *inv, struct order *order) {
	_cleanup_evl_ struct evl *evl = NULL;
	int status;

	if (inv->argc < 2)
		return complain_usage(inv, "no id or name; see 'evloop %s --help'", inv->verb->name);
	status = daemon_connect(inv, &evl);
	if (status != 0)
		return status;
	order->json = inv->json;
	for (int i = 1; i < inv->argc; i++) {
		int r = manage(evl, order, inv->argv[i]);

		/* The first that fails decides; the others are done all the same. */
		status = status != 0 ? status : r;
	}
	return status;
}

static int run(struct invocation *inv, Evloop__Method method) {
	struct order order = { .method = method };

	if (options_next(inv, "", options_none) < 0)
		return inv->status;
	return manage_all(inv, &order);
}

static int run_cancel(struct invocation *inv) {
	return run(inv, EVLOOP__METHOD__METHOD_CANCEL);
}

static int run_pause(struct invocation *inv) {
	return run(inv, EVLOOP__METHOD__METHOD_PAUSE);
}

static int run_resume(struct invocation *inv) {
	return run(inv, EVLOOP__METHOD__METHOD_RESUME);
}

static int run_trigger(struct invocation *inv) {
	return run(inv, EVLOOP__METHOD__METHOD_TRIGGER);
}

static int run_poke(struct invocation *inv) {
	return run(inv, EVLOOP__METHOD__METHOD_POKE);
}

/* A number, or a name with or without SIG.  Return: 0: no such signal. */
static uint32_t parse_signal(const char *text) {
	if (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0') {
		unsigned long number = strtoul(text, NULL, 10);

		return number < NSIG ? (uint32_t)number : 0;
	}
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (int i = 1; i < NSIG; i++) {
		const char *name = sigabbrev_np(i);

		if (name && strcasecmp(name, text) == 0)
			return (uint32_t)i;
	}
	return 0;
}

static int run_kill(struct invocation *inv) {
	static const struct option options[] = { { "signal", required_argument, NULL, 's' }, OPTIONS_COMMON };
	struct order order = { .method = EVLOOP__METHOD__METHOD_KILL };
	int option;

	while ((option = options_next(inv, "s:", options)) > 0) {
		order.signal = parse_signal(optarg);
		if (order.signal == 0)
			return complain_usage(inv, "-s '%s' is not a signal", optarg);
	}
	return option < 0 ? inv->status : manage_all(inv, &order);
}

#define USAGE "ID|NAME|'GLOB*'..."
#define HELP_OUTCOME "Prints the id and the outcome of each:\n\n"
#define HELP_DONE "  done                 it was over before (status 1)\n"

const struct verb verb_cancel = {
	.name = "cancel",
	.summary = "cancel timers; a running job goes on",
	.usage = USAGE,
	.help = HELP_OUTCOME "  cancelled            it will not fire\n"
			     "  withdrawn            it had fired, and nobody had been told yet\n" HELP_DONE,
	.run = run_cancel,
};

const struct verb verb_kill = {
	.name = "kill",
	.summary = "signal running jobs",
	.usage = "[-s SIGNAL] " USAGE,
	.help = "Signals the process group of the job: TERM, and KILL 10 s later.\n" HELP_OUTCOME
		"  signalled            it runs, and was sent the signal\n"
		"  not-running          it does not run (status 1)\n"
		"\n"
		"  -s, --signal SIGNAL  this signal and no other, a name or a number\n",
	.run = run_kill,
};

const struct verb verb_pause = {
	.name = "pause",
	.summary = "stop the clock of timers",
	.usage = USAGE,
	.help = "Nothing fires until the timer is resumed.\n" HELP_OUTCOME "  paused\n"
		"  unchanged            it was paused before\n" HELP_DONE,
	.run = run_pause,
};

const struct verb verb_resume = {
	.name = "resume",
	.summary = "let paused timers go on",
	.usage = USAGE,
	.help = "A timer for once goes on with the time that was left, a repeating one with its\n"
		"next nominal time.\n" HELP_OUTCOME "  resumed\n"
		"  unchanged            it was not paused\n" HELP_DONE,
	.run = run_resume,
};

const struct verb verb_trigger = {
	.name = "trigger",
	.summary = "fire timers now; their schedule stays",
	.usage = USAGE,
	.help = HELP_OUTCOME "  triggered\n" HELP_DONE,
	.run = run_trigger,
};

const struct verb verb_poke = {
	.name = "poke",
	.summary = "restart the delay of timers",
	.usage = USAGE,
	.help = "The delay begins anew: what should fire after some silence (debounce) or when\n"
		"nobody came in time (dead man's switch).  A repeating one comes a period from\n"
		"now.  What keeps to a time of the day, as at and every --start do, has no\n"
		"delay.\n" HELP_OUTCOME "  poked\n" HELP_DONE,
	.run = run_poke,
};
