/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the reading of options and of their values, and the complaints about them.  What an option means is the verb's. */

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/error.h"
#include "client/cli/verb.h"
#include "client/cli/when.h"
#include "proto/duration.h"

const struct option options_none[] = { OPTIONS_COMMON };

/* How to ask for the help of what is being used. */
static const char *help_command(const struct invocation *inv, char buffer[64]) {
	snprintf(buffer, 64, "evloop%s%s --help", inv->verb ? " " : "", inv->verb ? inv->verb->name : "");
	return buffer;
}

/* getopt has refused something in `word`. */
static int refuse(const struct invocation *inv, int reason, const char *word) {
	char help[64];

	if (strncmp(word, "--", 2) != 0 && optopt) {
		/* A negative number looks like an option. */
		if (reason == '?' && inv->verb && inv->verb->takes_duration && (isdigit(optopt) || optopt == '.'))
			return complain_value(inv, "'%s' is not a duration: %s", word,
					      duration_error(DURATION_E_NEGATIVE));
		if (reason == ':')
			return complain_usage(inv, "-%c needs a value", optopt);
		return complain_usage(inv, "unknown option '-%c'; see '%s'", optopt, help_command(inv, help));
	}
	if (reason == ':')
		return complain_usage(inv, "%s needs a value", word);
	if (optopt)
		return complain_usage(inv, "'%s': that option takes no value", word);
	return complain_usage(inv, "unknown option '%s'; see '%s'", word, help_command(inv, help));
}

/* Return: true: it was one of OPTIONS_COMMON; *ret as options_next(), 0: go on. */
static bool take_common(struct invocation *inv, int option, int *ret) {
	*ret = 0;
	switch (option) {
	case OPTION_SOCKET:
	case OPTION_SYSTEM:
		if (inv->socket) {
			inv->status = complain_usage(inv, "--socket and --system: only one socket can be meant");
			*ret = -1;
		}
		inv->socket = option == OPTION_SYSTEM ? EVL_SYSTEM : optarg;
		if (inv->socket[0] == '\0') {
			inv->status = complain_usage(inv, "--socket '' names no socket");
			*ret = -1;
		}
		return true;
	case OPTION_JSON:
		inv->json = true;
		return true;
	case 'h':
		help_print(inv);
		inv->status = 0;
		*ret = -1;
		return true;
	default:
		return false;
	}
}

/* getopt has looked from `at` on: behind it, while letters of the word are left at it; operands may have been passed over. */
static const char *word_at_fault(const struct invocation *inv, int at) {
	const char *word = inv->argv[optind > at ? optind - 1 : at];

	return word[0] != '-' && optind < inv->argc ? inv->argv[optind] : word;
}

int options_next(struct invocation *inv, const char *letters, const struct option *options) {
	char all[64];
	bool in_order = letters[0] == '+';

	if (inv->ended)
		return 0;
	/* Errors are told here; a missing value apart from an unknown option. */
	opterr = 0;
	snprintf(all, sizeof(all), "%s:h%s", in_order ? "+" : "", letters + in_order);
	for (;;) {
		int at = optind > 0 ? optind : 1, r, option;

		optopt = 0;
		option = getopt_long(inv->argc, inv->argv, all, options, NULL);
		if (option == -1) {
			inv->ended = in_order && optind == at + 1 && strcmp(inv->argv[at], "--") == 0;
			options_skip(inv, optind - 1);
			return 0;
		}
		if (option == '?' || option == ':') {
			/* The word stays at `optind` while letters of it are left. */
			inv->status = refuse(inv, option, word_at_fault(inv, at));
			return -1;
		}
		if (!take_common(inv, option, &r))
			return option;
		if (r < 0)
			return r;
	}
}

void options_skip(struct invocation *inv, int n) {
	inv->argc -= n;
	inv->argv += n;
	/* 0 and not 1: GNU's getopt forgets what it knew of the old words. */
	optind = 0;
}

/* "--timeout '5x'", or "'5x'". */
static const char *name_value(const char *what, const char *text, char buffer[256]) {
	snprintf(buffer, 256, "%s%s'%.200s'", what ? what : "", what ? " " : "", text);
	return buffer;
}

int option_duration(const struct invocation *inv, const char *what, const char *text, int64_t *ret_ns) {
	char name[256];
	int r = duration_parse(text, ret_ns);

	if (r == 0)
		return 0;
	return complain_value(inv, "%s is not a duration: %s", name_value(what, text, name), duration_error(r));
}

int option_time(const struct invocation *inv, const char *what, const char *text, int64_t now_ns, int64_t *ret_ns) {
	char name[256];
	int r = when_parse(text, now_ns, ret_ns);

	if (r == 0)
		return 0;
	return complain_value(inv, "%s is not a time: %s", name_value(what, text, name), when_error(r));
}

int option_number(const struct invocation *inv, const char *what, const char *text, uint64_t *ret) {
	char name[256];
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (errno == ERANGE && !*end && isdigit((unsigned char)text[0]))
		return complain_value(inv, "%s is above %llu", name_value(what, text, name), ULLONG_MAX);
	if (!isdigit((unsigned char)text[0]) || *end || errno || *ret == 0)
		return complain_usage(inv, "%s is not a number of at least 1", name_value(what, text, name));
	return 0;
}

int option_word(const struct invocation *inv, const char *what, const char *text, const char *const *words, int *ret) {
	char name[256], list[128] = "";

	for (int i = 0; words[i]; i++) {
		size_t n = strlen(list);

		if (strcmp(words[i], text) == 0) {
			*ret = i;
			return 0;
		}
		snprintf(list + n, sizeof(list) - n, "%s%s", i > 0 ? (words[i + 1] ? ", " : " or ") : "", words[i]);
	}
	return complain_usage(inv, "%s is not %s", name_value(what, text, name), list);
}
