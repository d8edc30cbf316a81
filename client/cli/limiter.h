/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the verbs limit and limiter share: a limiter's definition as options, and how a limiter and its answers read. */

#include "client/call.h"
#include "client/cli/verb.h"
#include "proto/limits.h"

/* The options that define a limiter: to be put into a verb's table of options. */
#define DEFINITION_OPTIONS                                                                                             \
	{ "rate", required_argument, NULL, OPTION_RATE }, { "burst", required_argument, NULL, OPTION_BURST },          \
		{ "concurrency", required_argument, NULL, OPTION_CONCURRENCY },                                        \
		{ "max-keys", required_argument, NULL, OPTION_MAX_KEYS },                                              \
		{ "on-full", required_argument, NULL, OPTION_ON_FULL },                                                \
		{ "max-waiters", required_argument, NULL, OPTION_MAX_WAITERS }, {                                      \
		"max-debt", required_argument, NULL, OPTION_MAX_DEBT                                                   \
	}

/* Lines of --help. */
#define DEFINITION_HELP                                                                                                \
	"  --rate RATE          10/s, 500/15min, 5k/h or unlimited; of several all hold\n"                             \
	"  --burst N            how many at one instant, of the --rate before it; else as\n"                           \
	"                       many as come in a second, at least 1\n"                                                \
	"  --concurrency N      places in place of a rate: held until the command ends\n"                              \
	"  --max-keys N         keys that are in use at one time (10000)\n"                                            \
	"  --on-full HOW        shared: keys beyond them have one bucket; deny: none\n"                                \
	"  --max-waiters N      who may wait at one time (10000)\n"                                                    \
	"  --max-debt N         how far below empty a charge may go (0)\n"

enum {
	OPTION_RATE = 0x100,
	OPTION_BURST,
	OPTION_CONCURRENCY,
	OPTION_MAX_KEYS,
	OPTION_ON_FULL,
	OPTION_MAX_WAITERS,
	OPTION_MAX_DEBT,
};

struct definition {
	Evloop__LimiterSpec spec;
	Evloop__LimiterRule rules[LIMITER_RULES_MAX], *pointers[LIMITER_RULES_MAX];
	const char *rates[LIMITER_RULES_MAX]; /* as they were given */
	bool given; /* a rate or a concurrency */
	bool unlimited;
	bool refined; /* something that says nothing without them */
};

void definition_init(struct definition *definition);

/* An option of DEFINITION_OPTIONS, with its value.  Return: 0, or the exit status after a complaint. */
int definition_take(const struct invocation *inv, struct definition *definition, int option, const char *value);

/* Do they fit together?  Return: 0, or the exit status after a complaint. */
int definition_check(const struct invocation *inv, const struct definition *definition);

/* Could one that is so defined ever grant -n so many?  Return: 0, or the exit status after a complaint. */
int definition_check_cost(const struct invocation *inv, const struct definition *definition, uint64_t cost);

/* The value of --key.  Return: 0, or the exit status after a complaint. */
int key_check(const struct invocation *inv, const char *key);

/* "10/s burst 10, 500/15min burst 1", "4 places". */
#define DEFINITION_TEXT_MAX 512
const char *definition_text(const Evloop__LimiterSpec *spec, char buffer[DEFINITION_TEXT_MAX]);

/*
 * Print "allowed remaining=9 retry_after=0.000000000", or JSON.  `done`: the word for what has been done whether
 * anything is allowed or not, "": nothing has.  Return: 0, or 1 after a complaint.
 */
int grant_print(const struct invocation *inv, const char *done, const Evloop__Grant *grant);

/* The limiter of that name, to be freed with message_freep() (a LimiterListReply of one).  Return: 0, or the exit status after a complaint. */
int limiter_get(struct evl *evl, const char *name, ProtobufCMessage **ret);
