/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the table of verbs, the options before the verb, and help.  What a verb does is in its own file. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/error.h"
#include "client/cli/text.h"

enum {
	OPTION_VERSION = 1,
};

static int run_help(struct invocation *inv);

static const struct verb verb_help = {
	.name = "help",
	.summary = "show how a verb is used",
	.usage = "[VERB]",
	.help = "The same as 'evloop VERB --help'.\n",
	.run = run_help,
};

/* In the order of the list that people see. */
static const struct verb *const verbs[] = {
	&verb_after, &verb_at,    &verb_every,  &verb_soon,      &verb_sleep,   &verb_wait,    &verb_list,
	&verb_show,  &verb_log,   &verb_cancel, &verb_kill,      &verb_pause,   &verb_resume,  &verb_trigger,
	&verb_poke,  &verb_watch, &verb_emit,   &verb_subscribe, &verb_limit,   &verb_limiter, &verb_bridge,
	&verb_ping,  &verb_time,  &verb_quota,  &verb_reload,    &verb_version, &verb_help,
};

static const struct verb *find_verb(const char *name) {
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i]->name, name) == 0 || (verbs[i]->alias && strcmp(verbs[i]->alias, name) == 0))
			return verbs[i];
	return NULL;
}

/* How many letters must be changed, added, left out or swapped to make `a` of `b`; words beyond 15 letters are far away. */
static unsigned distance(const char *a, const char *b) {
	size_t n = strlen(a), m = strlen(b);
	unsigned d[16][16];

	if (n >= ARRAY_SIZE(d) || m >= ARRAY_SIZE(d))
		return UINT32_MAX;
	for (size_t i = 0; i <= n; i++) {
		for (size_t j = 0; j <= m; j++) {
			if (i == 0 || j == 0) {
				d[i][j] = (unsigned)(i + j);
				continue;
			}
			d[i][j] = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			d[i][j] = MIN(d[i][j], d[i - 1][j] + 1);
			d[i][j] = MIN(d[i][j], d[i][j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = MIN(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[n][m];
}

/* The verb whose name begins so, or is at most two slips and less than half the word away; NULL: none. */
static const char *suggest_verb(const char *word) {
	unsigned best = 3, length = (unsigned)strlen(word);
	const char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		const char *names[] = { verbs[i]->name, verbs[i]->alias };
		for (size_t j = 0; j < ARRAY_SIZE(names) && names[j]; j++) {
			unsigned d = length >= 2 && strncmp(names[j], word, length) == 0 ? 0 : distance(word, names[j]);
			if (d < best && d * 2 < length) {
				best = d;
				found = names[j];
			}
		}
	}
	return found;
}

static int complain_verb(const char *word) {
	const char *suggestion = suggest_verb(word);

	if (suggestion)
		complain("unknown verb '%s'; did you mean '%s'?", word, suggestion);
	else
		complain("unknown verb '%s'; see 'evloop --help'", word);
	return EX_USAGE;
}

static void print_overview(void) {
	puts("Usage: evloop [OPTION]... VERB [WORD]...\n"
	     "\n"
	     "Timers and jobs on the event loop that the machine shares, run by evloopd.\n"
	     "\n"
	     "Verbs:");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-9s %s\n", verbs[i]->name, verbs[i]->summary);
	puts("\n"
	     "Options, before or behind the verb:\n"
	     "  --socket PATH  the daemon that listens there; else $EVLOOP_SOCKET, else the\n"
	     "                 user's own, which is started where there is none\n"
	     "  --system       the system's daemon\n"
	     "  --json         JSON instead of text\n"
	     "  --help         this, or the help of the verb\n"
	     "  --version      the version of this command\n"
	     "\n"
	     "A duration is 90s, 1h30m, 2.5s or 250ms; a bare number is seconds.\n"
	     "A time is 18:00, tomorrow 09:00, monday 8:30, 2030-12-24 18:00,\n"
	     "2030-12-24T18:00:00Z or @1924365600.\n"
	     "\n"
	     "See 'evloop VERB --help' and evloop(1).");
}

void help_print(const struct invocation *inv) {
	const struct verb *verb = inv->verb;

	if (!verb) {
		print_overview();
		return;
	}
	printf("Usage: evloop %s%s%s\n\n", verb->name, verb->usage[0] ? " " : "", verb->usage);
	fputs(verb->help, stdout);
	if (verb->alias)
		printf("\n'%s' is the same verb.\n", verb->alias);
	puts("\nAlso --json, --socket PATH, --system and --help; see 'evloop --help'.");
}

static int run_help(struct invocation *inv) {
	struct invocation about = {};

	if (options_next(inv, "", options_none) < 0)
		return inv->status;
	if (inv->argc > 2)
		return complain_extra(inv, inv->argv[2]);
	if (inv->argc > 1) {
		about.verb = find_verb(inv->argv[1]);
		if (!about.verb)
			return complain_verb(inv->argv[1]);
	}
	help_print(&about);
	return 0;
}

static int run_verb(struct invocation *inv) {
	static const struct option options[] = { { "version", no_argument, NULL, OPTION_VERSION }, OPTIONS_COMMON };
	int option = options_next(inv, "+", options);

	if (option == OPTION_VERSION) {
		printf("evloop %s\n", evl_version());
		return 0;
	}
	if (option < 0)
		return inv->status;
	if (inv->argc < 2)
		return complain_usage(inv, "no verb; see 'evloop --help'");
	inv->verb = find_verb(inv->argv[1]);
	if (!inv->verb)
		return complain_verb(inv->argv[1]);
	options_skip(inv, 1);
	inv->ended = false;
	return inv->verb->run(inv);
}

/* Where a standard descriptor is closed the next one opened would take its place, and be written to. */
static void hold_standard_descriptors(void) {
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		/* Of no use but to be there: what is printed is an error, as it would have been. */
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_WRONLY);
}

int main(int argc, char **argv) {
	struct invocation inv = { .argc = argc, .argv = argv };
	int status;

	hold_standard_descriptors();
	status = run_verb(&inv);

	/* What could not be written has not been done. */
	return text_flush() ? status : MAX(status, 1);
}
