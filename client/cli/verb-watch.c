/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb watch: descriptors, processes and paths.  Owns its options and which words are operands; what happens then is follow.c's. */

#include <ctype.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/command.h"
#include "client/cli/error.h"
#include "client/cli/follow.h"
#include "proto/limits.h"

#define SETTLE_COMMAND_NS (100 * NSEC_PER_MSEC) /* with CMD: an editor writes a file in several steps */

enum {
	OPTION_READ = 1,
	OPTION_WRITE,
	OPTION_EXCLUDE,
	OPTION_SETTLE,
	OPTION_NOW,
};

static const char *const nouns[] = { [WATCHED_FD] = "fd", [WATCHED_PID] = "pid", [WATCHED_PATH] = "path", NULL };

struct watch {
	struct follow follow;
	const char *shell; /* -c */
	const char *exclude[PATH_EXCLUDES_MAX];
	const char *fd_option, *path_option; /* one that only fd, or only path, understands; NULL: none was given */
	bool settles; /* --settle was given */
	int kind;
};

static int take_exclude(const struct invocation *inv, struct watch *watch, const char *pattern) {
	struct watch_options *options = &watch->follow.options;

	if (pattern[0] == '\0')
		return complain_value(inv, "--exclude '' is no pattern");
	if (strlen(pattern) > PATH_EXCLUDE_LENGTH_MAX)
		return complain_value(inv, "--exclude '%.40s...' is longer than %d bytes", pattern,
				      PATH_EXCLUDE_LENGTH_MAX);
	if (options->n_exclude == ARRAY_SIZE(watch->exclude))
		return complain_usage(inv, "--exclude may be given %zu times", ARRAY_SIZE(watch->exclude));
	watch->exclude[options->n_exclude++] = pattern;
	return 0;
}

/* Those of `watch path`. */
static int take_path_option(const struct invocation *inv, struct watch *watch, int option) {
	struct watch_options *options = &watch->follow.options;

	switch (option) {
	case 'r':
		options->recursive = true;
		watch->path_option = "-r";
		return 0;
	case OPTION_EXCLUDE:
		watch->path_option = "--exclude";
		return take_exclude(inv, watch, optarg);
	case OPTION_SETTLE:
		watch->path_option = "--settle";
		watch->settles = true;
		return option_duration(inv, "--settle", optarg, &options->settle_ns);
	default:
		watch->path_option = "--now";
		watch->follow.now = true;
		return 0;
	}
}

static int take_option(const struct invocation *inv, struct watch *watch, int option) {
	switch (option) {
	case OPTION_READ:
		watch->fd_option = "--read";
		watch->follow.options.events |= EVLOOP__READINESS__READINESS_READABLE;
		return 0;
	case OPTION_WRITE:
		watch->fd_option = "--write";
		watch->follow.options.events |= EVLOOP__READINESS__READINESS_WRITABLE;
		return 0;
	case 'r':
	case OPTION_EXCLUDE:
	case OPTION_SETTLE:
	case OPTION_NOW:
		return take_path_option(inv, watch, option);
	default:
		return follow_take_option(inv, &watch->follow, option, &watch->shell);
	}
}

/* Return: 0, or the exit status; < 0: inv->status is it. */
static int take_options(struct invocation *inv, struct watch *watch) {
	static const struct option options[] = {
		{ "read", no_argument, NULL, OPTION_READ },
		{ "write", no_argument, NULL, OPTION_WRITE },
		{ "recursive", no_argument, NULL, 'r' },
		{ "exclude", required_argument, NULL, OPTION_EXCLUDE },
		{ "settle", required_argument, NULL, OPTION_SETTLE },
		{ "now", no_argument, NULL, OPTION_NOW },
		FOLLOW_OPTIONS,
		OPTIONS_COMMON,
	};
	int option, r = 0;

	while (r == 0 && (option = options_next(inv, "+rc:", options)) > 0)
		r = take_option(inv, watch, option);
	return r != 0 ? r : MIN(option, 0);
}

static int take_noun(struct invocation *inv, struct watch *watch) {
	const char *word = inv->argc > 1 ? inv->argv[1] : "";
	struct stat st;

	if (inv->argc < 2)
		return complain_usage(inv, "watch what: fd, pid or path? see 'evloop watch --help'");
	for (watch->kind = 0; nouns[watch->kind]; watch->kind++) {
		if (strcmp(word, nouns[watch->kind]) == 0) {
			options_skip(inv, 1);
			return 0;
		}
	}
	if (stat(word, &st) == 0)
		return complain_usage(inv, "'%s' is not fd, pid or path; did you mean 'evloop watch path %s'?", word,
				      word);
	return complain_usage(inv, "'%s' is not fd, pid or path; see 'evloop watch --help'", word);
}

/* ---- operands ---- */

static bool is_digits(const char *word) {
	return word[0] != '\0' && word[strspn(word, "0123456789")] == '\0';
}

/* "watch path src make": a second path that is not there is rather a command that wants a "--". */
static int check_path_word(const struct invocation *inv, const char *word) {
	struct stat st;

	if (strchr(word, '/') || lstat(word, &st) == 0 || !command_exists(word))
		return 0;
	return complain_usage(inv, "there is no path '%s'; if it is the command, put '--' before it", word);
}

/* Is the word an operand, behind `n` others? */
static bool is_operand(const struct invocation *inv, const struct watch *watch, size_t n) {
	const char *word = inv->argv[1];

	switch (watch->kind) {
	case WATCHED_FD:
		return n == 0;
	case WATCHED_PID:
		return n == 0 || is_digits(word);
	default:
		/* Behind "--" nothing is an option; a path that begins with a dash may stand there, too. */
		return n == 0 || (inv->ended ? strcmp(word, "--") != 0 : word[0] != '-');
	}
}

static int take_operands(struct invocation *inv, struct watch *watch) {
	struct follow *follow = &watch->follow;
	int r = 0;

	while (r == 0 && inv->argc > 1 && is_operand(inv, watch, follow->n)) {
		if (watch->kind == WATCHED_PATH && follow->n > 0)
			r = check_path_word(inv, inv->argv[1]);
		if (r == 0)
			r = follow_add(follow, (enum watched_kind)watch->kind, inv->argv[1]);
		options_skip(inv, 1);
	}
	if (r == 0 && follow->n == 0)
		return complain_usage(inv, "which %s? see 'evloop watch --help'", nouns[watch->kind]);
	return r;
}

/* "watch path src ./build": the last of several paths looks like a command. */
static void note_program(const struct invocation *inv, const struct follow *follow) {
	const char *last = follow->all[follow->n - 1].watched.operand;
	struct stat st;

	if (follow->n > 1 && stat(last, &st) == 0 && S_ISREG(st.st_mode) && access(last, X_OK) == 0)
		complain("%s: %s is watched and not run; the command goes behind '--'", inv->verb->name, last);
}

/* What only makes sense together, or not at all.  Return: 0, or the exit status after a complaint. */
static int check(const struct invocation *inv, struct watch *watch) {
	struct follow *follow = &watch->follow;
	bool has_command = inv->argc > 1 || watch->shell;

	if (watch->fd_option && watch->kind != WATCHED_FD)
		return complain_usage(inv, "%s is for 'watch fd'", watch->fd_option);
	if (watch->path_option && watch->kind != WATCHED_PATH)
		return complain_usage(inv, "%s is for 'watch path'", watch->path_option);
	if (follow->now && !has_command)
		return complain_usage(inv, "--now runs a command; which one?");
	if (follow->options.events == 0)
		follow->options.events = EVLOOP__READINESS__READINESS_READABLE;
	if (has_command && !watch->settles)
		follow->options.settle_ns = SETTLE_COMMAND_NS;
	follow->options.exclude = watch->exclude;
	follow->together = watch->kind == WATCHED_PATH;
	if (follow->together && !has_command)
		note_program(inv, follow);
	return child_init(inv, watch->shell, &follow->child);
}

/* The noun comes first, then what is watched, with options between and behind; the first word that is none of them begins the command. */
static int parse(struct invocation *inv, struct watch *watch) {
	int r = take_options(inv, watch);

	if (r == 0)
		r = take_noun(inv, watch);
	if (r == 0)
		r = take_options(inv, watch);
	if (r == 0)
		r = take_operands(inv, watch);
	if (r == 0 && inv->ended && inv->argc > 1 && strcmp(inv->argv[1], "--") == 0)
		options_skip(inv, 1);
	if (r == 0)
		r = take_options(inv, watch);
	return r == 0 ? check(inv, watch) : r;
}

static int run(struct invocation *inv) {
	struct watch watch = {};
	int r;

	(void)setlocale(LC_CTYPE, "");
	follow_init(&watch.follow, inv);
	r = parse(inv, &watch);
	if (r == 0)
		r = follow_run(&watch.follow);
	follow_deinit(&watch.follow);
	return r < 0 ? inv->status : r;
}

const struct verb verb_watch = {
	.name = "watch",
	.summary = "print, or run a command, when something happens",
	.usage = "fd N | pid PID... | path P... [OPTION]... [CMD [ARG]...]",
	.help = "Stays in the foreground and prints a line for each event; or runs CMD for it,\n"
		"one run at a time.  What happens during a run makes one more.  A CMD that\n"
		"fails does not end the watch; INT and TERM end it, and end CMD first.\n"
		"Behind several paths CMD needs an option or '--' before it.\n"
		"\n"
		"  fd N                 the descriptor N of this process, 0 for its input: a\n"
		"                       pipe, socket, terminal, eventfd, timerfd, pidfd or\n"
		"                       inotify.  Ends when the other side is gone\n"
		"  --read               when it can be read (the default)\n"
		"  --write              when it can be written\n"
		"\n"
		"  pid PID...           processes, until they have ended\n"
		"\n"
		"  path P...            files and folders, by their names: a file may come later,\n"
		"                       go, or be replaced\n"
		"  -r, --recursive      folders with all that is below them\n"
		"  --exclude GLOB       not what has such a name, or such a path below P\n"
		"  --settle DUR         when nothing has changed for that time; 100ms with CMD,\n"
		"                       else at once\n"
		"  --now                run CMD for a first time at once\n"
		"\n"
		"  --once               end after one event, with the status of CMD\n"
		"  --timeout DUR        end when nothing happens for that time, with status 124\n"
		"  -c STRING            sh -c STRING in place of CMD\n"
		"\n"
		"CMD finds in its environment, as far as it applies: EVLOOP_PATH (the first path\n"
		"that changed), EVLOOP_PATHS (all, one a line), EVLOOP_CHANGES (created,\n"
		"modified, moved, deleted), EVLOOP_RESCAN (1: there were too many to tell),\n"
		"EVLOOP_FD, EVLOOP_REVENTS, EVLOOP_PID, EVLOOP_STATUS, EVLOOP_FIRES (how much\n"
		"happened).\n",
	.run = run,
};
