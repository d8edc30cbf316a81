/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs that ask for the daemon itself: ping, time, version. */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "client/cli/daemon.h"
#include "client/cli/error.h"
#include "client/cli/json.h"
#include "client/cli/text.h"
#include "client/cli/when.h"

/* No operands, and a connection.  Return: 0, or the exit status; < 0: inv->status is it. */
static int begin(struct invocation *inv, struct evl **ret) {
	if (options_next(inv, "", options_none) < 0)
		return -1;
	if (inv->argc > 1)
		return complain_extra(inv, inv->argv[1]);
	return daemon_connect(inv, ret);
}

static int64_t monotonic_ns(void) {
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static int run_ping(struct invocation *inv) {
	_cleanup_evl_ struct evl *evl = NULL;
	const Evloop__HelloReply *hello;
	char seconds[SECONDS_MAX];
	int64_t began, took;
	int r = begin(inv, &evl);

	if (r != 0)
		return r < 0 ? inv->status : r;
	began = monotonic_ns();
	r = evl_roundtrip(evl);
	took = monotonic_ns() - began;
	if (r < 0)
		return complain_call(evl, r, NULL);
	hello = evl_call_hello(evl);
	if (inv->json)
		return !json_print(json_pack("{s:s, s:I, s:I}", "socket", evl_socket_path(evl), "daemon_pid",
					     (json_int_t)hello->daemon_pid, "round_trip_ns", (json_int_t)took));
	printf("%s pid=%" PRIu64 " round_trip=%s\n", evl_socket_path(evl), hello->daemon_pid,
	       text_seconds(took, seconds));
	return 0;
}

static int run_time(struct invocation *inv) {
	_cleanup_message_ ProtobufCMessage *reply = NULL;
	_cleanup_evl_ struct evl *evl = NULL;
	const Evloop__TimeReply *now;
	char when[WHEN_TEXT_MAX], seconds[SECONDS_MAX];
	int r = begin(inv, &evl);

	if (r == 0)
		r = daemon_time(evl, &reply);
	if (r != 0)
		return r < 0 ? inv->status : r;
	if (inv->json)
		return !json_print_message(reply);
	now = (const Evloop__TimeReply *)reply;
	printf("realtime  %s\n", when_format_utc(now->realtime_ns, when));
	printf("boottime  %s\n", text_seconds(now->boottime_ns, seconds));
	printf("monotonic %s\n", text_seconds(now->monotonic_ns, seconds));
	printf("loop      %s\n", text_seconds(now->loop_ns, seconds));
	return 0;
}

static int run_version(struct invocation *inv) {
	_cleanup_evl_ struct evl *evl = NULL;
	const Evloop__HelloReply *hello;
	int r = begin(inv, &evl);

	if (r != 0)
		return r < 0 ? inv->status : r;
	hello = evl_call_hello(evl);
	if (inv->json)
		return !json_print(json_pack("{s:s, s:s, s:I}", "client_version", evl_version(), "daemon_version",
					     hello->daemon_version, "version", (json_int_t)hello->version));
	printf("evloop %s\nevloopd %s\nprotocol %" PRIu32 "\n", evl_version(), hello->daemon_version, hello->version);
	return 0;
}

const struct verb verb_ping = {
	.name = "ping",
	.summary = "see which daemon answers, and how fast",
	.usage = "",
	.help = "Prints its socket, its process and the time of one round trip in seconds.\n",
	.run = run_ping,
};

const struct verb verb_time = {
	.name = "time",
	.summary = "show the clocks of the loop",
	.usage = "",
	.help = "Seconds, read by the daemon when it was asked: the time of day in UTC, the time\n"
		"since the machine started with suspend (boottime) and without (monotonic), and\n"
		"the boottime at which the present turn of the loop began.\n",
	.run = run_time,
};

const struct verb verb_version = {
	.name = "version",
	.summary = "show the versions of command and daemon",
	.usage = "",
	.help = "'evloop --version' shows the command's alone and asks nobody.\n",
	.run = run_version,
};
