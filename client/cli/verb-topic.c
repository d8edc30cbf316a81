/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs emit and subscribe: to wake other processes, and to be woken. */

#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/daemon.h"
#include "client/cli/error.h"
#include "client/cli/follow.h"
#include "client/cli/json.h"
#include "client/cli/text.h"
#include "proto/limits.h"

#define QUEUE_DEFAULT 64

/* ---- emit ---- */

struct message {
	char buffer[TOPIC_DATA_MAX + 1]; /* one byte more than there may be */
	size_t size;
};

static int complain_size(const struct invocation *inv) {
	return complain_value(inv, "the data are longer than %d bytes", TOPIC_DATA_MAX);
}

static int read_data(const struct invocation *inv, struct message *message) {
	while (message->size < sizeof(message->buffer)) {
		ssize_t n =
			read(STDIN_FILENO, message->buffer + message->size, sizeof(message->buffer) - message->size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			complain("%s: standard input: %s", inv->verb->name, strerror(errno));
			return 1;
		}
		if (n == 0)
			return 0;
		message->size += (size_t)n;
	}
	return complain_size(inv);
}

static int take_data(const struct invocation *inv, const char *word, struct message *message) {
	if (strcmp(word, "-") == 0)
		return read_data(inv, message);
	message->size = strlen(word);
	if (message->size > TOPIC_DATA_MAX)
		return complain_size(inv);
	memcpy(message->buffer, word, message->size);
	return 0;
}

static int emit(const struct invocation *inv, const char *topic, struct message *message) {
	Evloop__EmitRequest request = EVLOOP__EMIT_REQUEST__INIT;
	_cleanup_message_ ProtobufCMessage *reply = NULL;
	_cleanup_evl_ struct evl *evl = NULL;
	int r = daemon_connect(inv, &evl);

	if (r != 0)
		return r;
	request.topic = (char *)topic;
	request.data = (ProtobufCBinaryData){ .data = (uint8_t *)message->buffer, .len = message->size };
	r = evl_call(evl, EVLOOP__METHOD__METHOD_EMIT, &request.base, &reply);
	if (r < 0)
		return complain_call(evl, r, inv->verb->name);
	if (inv->json)
		return json_print_message(reply) ? 0 : 1;
	printf("receivers=%" PRIu64 "\n", ((const Evloop__EmitReply *)reply)->receivers);
	return text_flush() ? 0 : 1;
}

static int run_emit(struct invocation *inv) {
	struct message message = {};
	int r;

	if (options_next(inv, "", options_none) < 0)
		return inv->status;
	if (inv->argc < 2 || inv->argv[1][0] == '\0')
		return complain_usage(inv, "no topic; see 'evloop emit --help'");
	if (inv->argc > 3)
		return complain_usage(inv, "'%s' is one word too many; quote the data", inv->argv[3]);
	r = inv->argc > 2 ? take_data(inv, inv->argv[2], &message) : 0;
	return r == 0 ? emit(inv, inv->argv[1], &message) : r;
}

/* ---- subscribe ---- */

enum {
	OPTION_LATEST = 1,
	OPTION_QUEUE,
};

struct subscription {
	struct follow follow;
	const char *shell; /* -c */
	uint64_t queue; /* --queue; 0: it was not given */
};

static int take_option(const struct invocation *inv, struct subscription *subscription, int option) {
	int r;

	switch (option) {
	case OPTION_LATEST:
		subscription->follow.latest = true;
		return 0;
	case OPTION_QUEUE:
		r = option_number(inv, "--queue", optarg, &subscription->queue);
		if (r == 0 && subscription->queue > SUBSCRIPTION_QUEUE_MAX)
			return complain_value(inv, "--queue '%s': %d is the most", optarg, SUBSCRIPTION_QUEUE_MAX);
		return r;
	default:
		return follow_take_option(inv, &subscription->follow, option, &subscription->shell);
	}
}

/* Return: 0, or the exit status; < 0: inv->status is it. */
static int take_options(struct invocation *inv, struct subscription *subscription) {
	static const struct option options[] = {
		{ "latest", no_argument, NULL, OPTION_LATEST },
		{ "queue", required_argument, NULL, OPTION_QUEUE },
		FOLLOW_OPTIONS,
		OPTIONS_COMMON,
	};
	int option, r = 0;

	while (r == 0 && (option = options_next(inv, "+c:", options)) > 0)
		r = take_option(inv, subscription, option);
	return r != 0 ? r : MIN(option, 0);
}

static int parse(struct invocation *inv, struct subscription *subscription) {
	struct follow *follow = &subscription->follow;
	int r = take_options(inv, subscription);

	if (r == 0 && inv->argc < 2)
		return complain_usage(inv, "no topic; see 'evloop subscribe --help'");
	if (r == 0) {
		r = follow_add(follow, WATCHED_TOPIC, inv->argv[1]);
		options_skip(inv, 1);
	}
	if (r == 0)
		r = take_options(inv, subscription);
	if (r != 0)
		return r;
	if (follow->latest && subscription->queue > 0)
		return complain_usage(inv, "--latest and --queue contradict each other");
	follow->queue = follow->latest ? 0 : subscription->queue > 0 ? subscription->queue : QUEUE_DEFAULT;
	follow->options.queue = (uint32_t)follow->queue;
	return child_init(inv, subscription->shell, &follow->child);
}

static int run_subscribe(struct invocation *inv) {
	struct subscription subscription = {};
	int r;

	(void)setlocale(LC_CTYPE, "");
	follow_init(&subscription.follow, inv);
	r = parse(inv, &subscription);
	if (r == 0)
		r = follow_run(&subscription.follow);
	follow_deinit(&subscription.follow);
	return r < 0 ? inv->status : r;
}

/* ---- the verbs ---- */

const struct verb verb_emit = {
	.name = "emit",
	.summary = "tell all who have subscribed to a topic",
	.usage = "TOPIC [DATA | -]",
	.help = "Sends DATA, or with '-' what standard input holds, to every subscription of\n"
		"TOPIC, and prints how many there are: receivers=2.  At most 4096 bytes, of any\n"
		"kind.  Who subscribes later does not hear of it.\n",
	.run = run_emit,
};

const struct verb verb_subscribe = {
	.name = "subscribe",
	.summary = "print, or run a command for, what is emitted on a topic",
	.usage = "TOPIC [OPTION]... [CMD [ARG]...]",
	.help = "Stays in the foreground and prints the data of each message, and a newline; or\n"
		"runs CMD for it, one run at a time, with the data on its standard input.\n"
		"\n"
		"  --queue N            so many messages wait for their turn (64); of more the\n"
		"                       oldest is lost, and that is said\n"
		"  --latest             only the last one waits\n"
		"  --once               end after one message, with the status of CMD\n"
		"  --timeout DUR        end when nothing comes for that time, with status 124\n"
		"  -c STRING            sh -c STRING in place of CMD\n"
		"\n"
		"CMD finds in its environment: EVLOOP_TOPIC, EVLOOP_DATA (where it is text),\n"
		"EVLOOP_FIRES (how many messages it stands for), EVLOOP_LOST (how many were lost\n"
		"before it).\n",
	.run = run_subscribe,
};
