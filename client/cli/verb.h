/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A verb of the command line, and one use of it.  Each verb-*.c defines one or a family of them; main.c has the
 * table.  A verb returns the exit status of the command and has said on standard error why, where it is not 0.
 */

#include <getopt.h>
#include <sysexits.h>

#include "proto/base.h"

/* Beside those of <sysexits.h> and the shell's. */
#define EXIT_TIMED_OUT 124
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

struct verb;

/* One use of a verb. */
struct invocation {
	const struct verb *verb; /* NULL: the options before it are being read */
	int argc; /* words not yet taken; argv[0] is none of them */
	char **argv;
	const char *socket; /* --socket, or what --system stands for; NULL: by the rule of libevloop(3) */
	bool json; /* --json */
	bool ended; /* "--" has ended the options */
	int status; /* once options_next() has returned a negative value */
};

struct verb {
	const char *name;
	const char *alias; /* NULL: none */
	const char *summary; /* for the list of verbs, a phrase without a full stop */
	const char *usage; /* what follows the name: "[OPTION]... DUR CMD [ARG]..." */
	const char *help; /* the rest of --help, lines of at most 80 columns */
	bool takes_duration; /* "-5s" is a bad value, not an unknown option */
	int (*run)(struct invocation *inv); /* returns the exit status */
};

extern const struct verb verb_after, verb_at, verb_every, verb_soon; /* verb-arm.c */
extern const struct verb verb_bridge; /* verb-bridge.c */
extern const struct verb verb_sleep; /* verb-sleep.c */
extern const struct verb verb_wait; /* verb-wait.c */
extern const struct verb verb_list; /* verb-list.c */
extern const struct verb verb_show; /* verb-show.c */
extern const struct verb verb_cancel, verb_kill, verb_pause, verb_resume, verb_trigger, verb_poke; /* verb-manage.c */
extern const struct verb verb_watch; /* verb-watch.c */
extern const struct verb verb_emit, verb_subscribe; /* verb-topic.c */
extern const struct verb verb_limit; /* verb-limit.c */
extern const struct verb verb_limiter; /* verb-limiter.c */
extern const struct verb verb_log; /* verb-log.c */
extern const struct verb verb_quota, verb_reload; /* verb-daemon.c */
extern const struct verb verb_ping, verb_time, verb_version; /* verb-ping.c */

/* ---- options.c ---- */

/* What every verb understands: to be put last into its table of options. */
#define OPTIONS_COMMON                                                                                                 \
	{ "socket", required_argument, NULL, OPTION_SOCKET }, { "system", no_argument, NULL, OPTION_SYSTEM },          \
		{ "json", no_argument, NULL, OPTION_JSON }, { "help", no_argument, NULL, 'h' }, {                      \
	}

enum {
	OPTION_SOCKET = 0x1000,
	OPTION_SYSTEM,
	OPTION_JSON,
};

/* The options of a verb that takes none of its own. */
extern const struct option options_none[];

/*
 * The next option that is the verb's own, with its value in `optarg`; those of OPTIONS_COMMON are dealt with here.
 * `letters` as for getopt(3), without the common ones; beginning with "+": options end at the first other word.
 * Return: the option (> 0); 0: no more, and argv[1] is the first other word; < 0: return inv->status.
 */
int options_next(struct invocation *inv, const char *letters, const struct option *options);

/* Take `n` words away, so that options are read behind them. */
void options_skip(struct invocation *inv, int n);

/*
 * Values.  `what` stands before the value in a complaint: "--timeout", or NULL for an operand.
 * Return: 0, or the exit status after a complaint that names option and value.
 */
int option_duration(const struct invocation *inv, const char *what, const char *text, int64_t *ret_ns);
int option_time(const struct invocation *inv, const char *what, const char *text, int64_t now_ns, int64_t *ret_ns);
int option_number(const struct invocation *inv, const char *what, const char *text, uint64_t *ret); /* at least 1 */
/* One of `words`, which end in NULL; *ret: its index. */
int option_word(const struct invocation *inv, const char *what, const char *text, const char *const *words, int *ret);

/* ---- main.c ---- */

/* Write the help of inv->verb, or of the whole. */
void help_print(const struct invocation *inv);
