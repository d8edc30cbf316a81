/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb sleep: wait in the foreground on the daemon's clock.  Interrupted, it leaves nothing: the timer goes with the session. */

#include "client/cli/daemon.h"
#include "client/cli/error.h"

enum {
	OPTION_UNTIL = 1,
	OPTION_CLOCK,
};

struct nap {
	const char *until;
	struct evl_timer timer;
};

static int take_until(const struct invocation *inv, struct nap *nap) {
	struct timespec now;
	int64_t now_ns;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	now_ns = now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
	nap->until = optarg;
	nap->timer.absolute = true;
	nap->timer.refuse_past = true;
	nap->timer.clock = CLOCK_REALTIME;
	if (option_time(inv, "--until", optarg, now_ns, &nap->timer.deadline_ns) != 0)
		return EX_DATAERR;
	if (nap->timer.deadline_ns <= now_ns)
		return complain_value(inv, "--until '%s' is in the past", optarg);
	return 0;
}

static int take_clock(const struct invocation *inv, struct nap *nap) {
	static const char *const words[] = { "boottime", "monotonic", NULL };
	int word = 0, r = option_word(inv, "--clock", optarg, words, &word);

	nap->timer.clock = word == 0 ? CLOCK_BOOTTIME : CLOCK_MONOTONIC;
	return r;
}

/* Return: 0, or the exit status; < 0: inv->status is it. */
static int parse(struct invocation *inv, struct nap *nap) {
	static const struct option options[] = {
		{ "until", required_argument, NULL, OPTION_UNTIL },
		{ "clock", required_argument, NULL, OPTION_CLOCK },
		OPTIONS_COMMON,
	};
	bool has_clock = false;
	int option, r = 0;

	while (r == 0 && (option = options_next(inv, "", options)) > 0) {
		has_clock |= option == OPTION_CLOCK;
		r = option == OPTION_UNTIL ? take_until(inv, nap) : take_clock(inv, nap);
	}
	if (r != 0 || option < 0)
		return r != 0 ? r : -1;
	if (nap->until && has_clock)
		return complain_usage(inv, "--clock says nothing beside --until");
	if (nap->until)
		return inv->argc > 1 ? complain_extra(inv, inv->argv[1]) : 0;
	if (inv->argc < 2)
		return complain_usage(inv, "no duration; see 'evloop sleep --help'");
	if (inv->argc > 2)
		return complain_extra(inv, inv->argv[2]);
	return option_duration(inv, NULL, inv->argv[1], &nap->timer.deadline_ns);
}

static void on_fire(struct evl_source *source _unused_, const struct evl_event *event _unused_, void *userdata) {
	*(bool *)userdata = true;
}

static int run(struct invocation *inv) {
	struct nap nap = { .timer = EVL_TIMER_INIT };
	_cleanup_evl_ struct evl *evl = NULL;
	bool fired = false;
	int r = parse(inv, &nap);

	if (r != 0)
		return r < 0 ? inv->status : r;
	r = daemon_connect(inv, &evl);
	if (r != 0)
		return r;
	r = evl_timer_add(evl, NULL, &nap.timer, on_fire, &fired);
	while (r >= 0 && !fired)
		r = evl_dispatch(evl, -1);
	return r < 0 ? complain_call(evl, r, inv->verb->name) : 0;
}

const struct verb verb_sleep = {
	.name = "sleep",
	.summary = "wait in the foreground",
	.usage = "DUR | --until TIME",
	.help = "Waits on the daemon's clock, never too short.\n"
		"\n"
		"  --until TIME         until that time, following every step of the clock\n"
		"  --clock CLOCK        boottime (the default) or monotonic, which stands still\n"
		"                       in suspend\n",
	.takes_duration = true,
	.run = run,
};
