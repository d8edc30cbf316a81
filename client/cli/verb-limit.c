/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verb limit: take, waiting for it, then become the command.  Nothing stays behind: places are held by the process itself,
 * by its pidfd, so whatever it becomes and however it ends, they are free again when it does.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>

#include "client/cli/command.h"
#include "client/cli/daemon.h"
#include "client/cli/error.h"
#include "client/cli/limiter.h"
#include "client/cli/take.h"
#include "client/cli/text.h"
#include "proto/duration.h"
#include "proto/status.h"

#define EXIT_DENIED 75

enum {
	OPTION_KEY = 1,
	OPTION_ALSO,
	OPTION_TRY,
	OPTION_MAX_WAIT,
	OPTION_UPDATE,
	OPTION_DENY_EXIT_CODE,
	OPTION_FAIL_OPEN,
	OPTION_FAIL_CLOSED,
	OPTION_LINES,
};

enum on_failure {
	FAIL_BY_KIND, /* rates open, places closed */
	FAIL_OPEN,
	FAIL_CLOSED,
};

struct limit {
	struct definition definition;
	struct take take;
	Evloop__LimiterRequest also[LIMITER_ITEMS_MAX - 1];
	bool update, lines, places;
	bool try, has_max_wait; /* they were given */
	enum on_failure on_failure;
	int deny_status;
	const char *shell; /* -c: the command, for sh */
};

static int take_on_failure(const struct invocation *inv, struct limit *limit, enum on_failure on_failure) {
	if (limit->on_failure != FAIL_BY_KIND && limit->on_failure != on_failure)
		return complain_usage(inv, "--fail-open and --fail-closed: only one can be meant");
	limit->on_failure = on_failure;
	return 0;
}

/* NAME or NAME=KEY.  The words are split where they stand. */
static int take_also(const struct invocation *inv, struct limit *limit, char *value) {
	Evloop__LimiterRequest *request = &limit->also[limit->take.n_also];
	char *equals = strchr(value, '=');

	if (limit->take.n_also == ARRAY_SIZE(limit->also))
		return complain_usage(inv, "--also may be given %zu times", ARRAY_SIZE(limit->also));
	if (value[0] == '\0' || value[0] == '=')
		return complain_usage(inv, "--also '%s' names no limiter", value);
	if (equals && strlen(equals + 1) > LIMITER_KEY_MAX)
		return complain_value(inv, "--also '%.40s...': the key is longer than %d bytes", value,
				      LIMITER_KEY_MAX);
	evloop__limiter_request__init(request);
	request->name = value;
	request->cost = 1;
	if (equals) {
		*equals = '\0';
		request->key = (ProtobufCBinaryData){ .data = (uint8_t *)equals + 1, .len = strlen(equals + 1) };
	}
	limit->take.n_also++;
	return 0;
}

static int take_deny_status(const struct invocation *inv, struct limit *limit, const char *value) {
	char *end;
	long status = strtol(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end || status > 255)
		return complain_usage(inv, "--deny-exit-code '%s' is not a number from 0 to 255", value);
	limit->deny_status = (int)status;
	return 0;
}

static int take_option(const struct invocation *inv, struct limit *limit, int option) {
	switch (option) {
	case OPTION_KEY:
		limit->take.key = optarg;
		return key_check(inv, optarg);
	case 'n':
		return option_number(inv, "-n", optarg, &limit->take.cost);
	case 'c':
		limit->shell = optarg;
		return 0;
	case OPTION_ALSO:
		return take_also(inv, limit, optarg);
	case OPTION_TRY:
		limit->try = true;
		limit->take.max_wait_ns = 0;
		return 0;
	case OPTION_MAX_WAIT:
		limit->has_max_wait = true;
		return option_duration(inv, "--max-wait", optarg, &limit->take.max_wait_ns);
	case OPTION_UPDATE:
		limit->update = true;
		return 0;
	case OPTION_DENY_EXIT_CODE:
		return take_deny_status(inv, limit, optarg);
	case OPTION_FAIL_OPEN:
	case OPTION_FAIL_CLOSED:
		return take_on_failure(inv, limit, option == OPTION_FAIL_OPEN ? FAIL_OPEN : FAIL_CLOSED);
	case OPTION_LINES:
		limit->lines = true;
		return 0;
	default:
		return definition_take(inv, &limit->definition, option, optarg);
	}
}

/* Somebody looked for the other verb? */
static void hint(const char *name) {
	static const char *const words[][2] = {
		{ "list", "list" },      { "ls", "list" },       { "show", "show" }, { "set", "set" },
		{ "reset", "reset" },    { "peek", "peek" },     { "rm", "remove" }, { "remove", "remove" },
		{ "refund", "refund" },  { "charge", "charge" }, { "hold", "hold" }, { "holders", "holders" },
		{ "explain", "explain" }
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i][0], name) == 0)
			complain("did you mean 'evloop limiter %s'?", words[i][1]);
}

static bool is_same(const Evloop__LimiterRequest *also, const char *name, const void *key, size_t key_size) {
	return strcmp(also->name, name) == 0 && also->key.len == key_size &&
	       (key_size == 0 || memcmp(also->key.data, key, key_size) == 0);
}

/* The same one twice would be asked as if nothing had been taken of it. */
static int check_also(const struct invocation *inv, const struct take *take) {
	for (size_t i = 0; i < take->n_also; i++) {
		const Evloop__LimiterRequest *also = &take->also[i];
		bool twice = is_same(also, take->name, take->key, take->key ? strlen(take->key) : 0);

		for (size_t j = 0; j < i && !twice; j++)
			twice = is_same(also, take->also[j].name, take->also[j].key.data, take->also[j].key.len);
		if (twice)
			return complain_value(inv, "--also %s%s%.*s: that limiter is named twice; -n takes more of one",
					      also->name, also->key.len > 0 ? "=" : "", (int)also->key.len,
					      (const char *)also->key.data);
	}
	return 0;
}

/* What only makes sense together, or not at all.  Return: 0, or the exit status after a complaint. */
static int check(const struct invocation *inv, struct limit *limit) {
	bool has_command = inv->argc > 1 || limit->shell;
	int r = definition_check(inv, &limit->definition);

	/* What it could never grant is not made. */
	if (r == 0)
		r = definition_check_cost(inv, &limit->definition, limit->take.cost);
	if (r != 0)
		return r;
	if (limit->update && !limit->definition.given)
		return complain_usage(inv, "--update goes with --rate or --concurrency");
	if (limit->try && limit->has_max_wait)
		return complain_usage(inv, "--try and --max-wait contradict each other");
	if (limit->lines && has_command)
		return complain_usage(inv, "--lines passes lines on, and runs no command");
	if (limit->definition.spec.concurrency > 0 && limit->take.n_also > 0)
		return complain_usage(inv, "--also is for rates: places cannot be taken together");
	r = check_also(inv, &limit->take);
	if (r != 0)
		return r;
	limit->definition.spec.name = (char *)limit->take.name;
	limit->definition.spec.keyed = limit->take.key != NULL;
	if (!limit->definition.spec.keyed &&
	    (limit->definition.spec.max_keys > 0 || limit->definition.spec.deny_when_full))
		return complain_usage(inv, "--max-keys and --on-full go with --key");
	limit->definition.spec.mode =
		limit->update ? EVLOOP__LIMITER_MODE__LIMITER_PUT : EVLOOP__LIMITER_MODE__LIMITER_CREATE;
	limit->places = limit->definition.spec.concurrency > 0;
	if (limit->places && !has_command)
		return complain_usage(inv, "a place is held by a command; which one?");
	/* What cannot be run shall not cost anything. */
	r = has_command ? command_check(inv, limit->shell ? "sh" : inv->argv[1]) : 0;
	if (r != 0 && !limit->definition.given)
		hint(limit->take.name);
	return r;
}

/* The name comes first, its options behind it; the first word that is neither begins the command. */
static int parse(struct invocation *inv, struct limit *limit) {
	static const struct option options[] = {
		{ "key", required_argument, NULL, OPTION_KEY },
		{ "also", required_argument, NULL, OPTION_ALSO },
		{ "try", no_argument, NULL, OPTION_TRY },
		{ "max-wait", required_argument, NULL, OPTION_MAX_WAIT },
		{ "update", no_argument, NULL, OPTION_UPDATE },
		{ "deny-exit-code", required_argument, NULL, OPTION_DENY_EXIT_CODE },
		{ "fail-open", no_argument, NULL, OPTION_FAIL_OPEN },
		{ "fail-closed", no_argument, NULL, OPTION_FAIL_CLOSED },
		{ "lines", no_argument, NULL, OPTION_LINES },
		DEFINITION_OPTIONS,
		OPTIONS_COMMON,
	};
	int option, r = 0;

	for (unsigned round = 0; round < 2; round++) {
		while (r == 0 && (option = options_next(inv, "+n:c:", options)) > 0)
			r = take_option(inv, limit, option);
		if (r != 0)
			return r;
		if (option < 0)
			return -1;
		if (round > 0)
			break;
		if (inv->argc < 2 || inv->argv[1][0] == '\0')
			return complain_usage(inv, "no name of a limiter; see 'evloop limit --help'");
		limit->take.name = inv->argv[1];
		options_skip(inv, 1);
	}
	return check(inv, limit);
}

/* ---- asking ---- */

/* Another one has the name.  One of configuration nobody can change. */
static int complain_defined(struct evl *evl, const Evloop__LimiterSpec *wanted) {
	const Evloop__Error *error = evl_call_error(evl);
	const Evloop__LimiterSpec *existing = error ? error->existing_limiter : NULL;

	if (!existing || error->existing_configured)
		return complain_call(evl, -EEXIST, NULL);
	/* What --update cannot change. */
	if (existing->kind != wanted->kind || existing->keyed != wanted->keyed)
		complain("%s; 'evloop limiter remove %s' makes room for it", error->message, wanted->name);
	else
		complain("%s; --update changes it", error->message);
	return status_exit_of_error(-EEXIST);
}

/* The limiter is there, and as defined.  Return: 0, or the exit status after a complaint. */
static int establish(struct evl *evl, struct limit *limit) {
	_cleanup_message_ ProtobufCMessage *reply = NULL;
	const Evloop__LimiterListReply *list;
	int r;

	if (limit->definition.given) {
		r = evl_call(evl, EVLOOP__METHOD__METHOD_LIMITER_SET, &limit->definition.spec.base, &reply);
		if (r == -EEXIST)
			return complain_defined(evl, &limit->definition.spec);
		return r < 0 ? complain_call(evl, r, NULL) : 0;
	}
	r = limiter_get(evl, limit->take.name, &reply);
	if (r == EX_NOINPUT)
		hint(limit->take.name);
	if (r != 0)
		return r;
	list = (const Evloop__LimiterListReply *)reply;
	limit->places =
		list->n_limiters > 0 && list->limiters[0]->spec->kind == EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY;
	return 0;
}

static bool holds(const Evloop__ClaimInfo *claim, const struct take *take) {
	return claim->state == EVLOOP__CLAIM_STATE__CLAIM_HELD &&
	       (!take->key ||
		(claim->key.len == strlen(take->key) && memcmp(claim->key.data, take->key, claim->key.len) == 0));
}

/* Who has the places: the pid of the first, 0: nobody knows. */
static uint64_t find_holder(struct evl *evl, const struct take *take) {
	Evloop__LimiterClaimsRequest request = EVLOOP__LIMITER_CLAIMS_REQUEST__INIT;
	uint64_t pid = 0;
	bool more = true;

	request.name = (char *)take->name;
	while (pid == 0 && more) {
		_cleanup_message_ ProtobufCMessage *message = NULL;
		const Evloop__LimiterClaimsReply *reply;

		if (evl_call(evl, EVLOOP__METHOD__METHOD_LIMITER_CLAIMS, &request.base, &message) < 0)
			return 0;
		reply = (const Evloop__LimiterClaimsReply *)message;
		for (size_t i = 0; i < reply->n_claims && pid == 0; i++) {
			pid = holds(reply->claims[i], take) ? reply->claims[i]->pid : 0;
			request.after = reply->claims[i]->id;
		}
		more = reply->more && reply->n_claims > 0;
	}
	return pid;
}

static int deny(const struct invocation *inv, struct evl *evl, const struct limit *limit, const struct taken *taken,
		bool prose) {
	char text[DURATION_TEXT_MAX];
	uint64_t pid;

	if (!prose)
		return grant_print(inv, "", &taken->grant) == 0 ? limit->deny_status : 1;
	if (taken->removed) {
		complain("%s: the limiter was removed", limit->take.name);
		return EX_NOINPUT;
	}
	pid = limit->places ? find_holder(evl, &limit->take) : 0;
	if (pid != 0)
		complain("%s: denied, held by pid %" PRIu64, taken->denied_by, pid);
	else if (taken->grant.retry_after_ns > 0)
		complain("%s: denied, would be allowed in %s", taken->denied_by,
			 duration_format(taken->grant.retry_after_ns, text));
	else
		complain("%s: denied", taken->denied_by);
	return limit->deny_status;
}

/* ---- what comes then ---- */

static int set_variables(const struct limit *limit, const Evloop__Grant *grant) {
	char remaining[24], seconds[SECONDS_MAX];

	(void)snprintf(remaining, sizeof(remaining), "%" PRIu64, grant->remaining);
	return setenv("EVLOOP_LIMIT_NAME", limit->take.name, 1) < 0 ||
	       setenv("EVLOOP_LIMIT_REMAINING", grant->remaining == UINT64_MAX ? "unlimited" : remaining, 1) < 0 ||
	       setenv("EVLOOP_LIMIT_RESET_AFTER", text_seconds(grant->reset_after_ns, seconds), 1) < 0;
}

static int become_command(const struct invocation *inv, const struct limit *limit) {
	char *shell[] = { (char *)"sh", (char *)"-c", (char *)limit->shell, NULL };
	char **words = limit->shell ? calloc((size_t)inv->argc + 3, sizeof(*words)) : inv->argv + 1;

	if (limit->shell && words) {
		memcpy(words, shell, sizeof(shell));
		memcpy(words + 3, inv->argv + 1, ((size_t)inv->argc - 1) * sizeof(*words));
	}
	if (words)
		(void)execvp(words[0], words);
	complain("%s: %s", words ? words[0] : inv->verb->name, strerror(errno));
	if (limit->shell)
		free(words);
	return errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/* Nobody to ask.  Return: < 0: go on as if it were allowed; else the exit status. */
static int fail(struct limit *limit, int status) {
	bool open = limit->on_failure == FAIL_OPEN || (limit->on_failure == FAIL_BY_KIND && !limit->places);

	if (status != EX_UNAVAILABLE || !open)
		return status;
	complain("%s: not limited, for nobody can be asked", limit->take.name);
	return -1;
}

/* Pass each line on when it may.  The daemon may go meanwhile. */
static int pass_lines(const struct invocation *inv, struct evl *evl, struct limit *limit) {
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) >= 0) {
		struct taken taken;
		int r = evl ? take(evl, &limit->take, &taken) : 0;

		if (r != 0) {
			r = fail(limit, r);
			if (r > 0)
				return r;
			evl = NULL;
		} else if (evl && !taken.grant.allowed) {
			return deny(inv, evl, limit, &taken, true);
		}
		if (fwrite(line, 1, (size_t)n, stdout) != (size_t)n || !text_flush())
			return 1;
	}
	if (ferror(stdin)) {
		complain("%s: %s", inv->verb->name, strerror(errno));
		return 1;
	}
	return 0;
}

/* Return: 0: *ret is filled in; < 0: nobody could be asked, and it goes on all the same; else the exit status. */
static int ask(const struct invocation *inv, struct evl *evl, struct limit *limit, struct taken *ret) {
	int r;

	if (limit->places && inv->argc < 2 && !limit->shell)
		return complain_usage(inv, "a place is held by a command; which one?");
	if (limit->places) {
		limit->take.pid_fd = pidfd_open(getpid(), 0);
		if (limit->take.pid_fd < 0) {
			complain("pidfd_open: %s", strerror(errno));
			return EX_OSERR;
		}
	}
	r = take(evl, &limit->take, ret);
	return r == 0 ? 0 : fail(limit, r);
}

/* As where there is no limit. */
static void let_pass(Evloop__Grant *ret) {
	evloop__grant__init(ret);
	ret->allowed = true;
	ret->remaining = UINT64_MAX;
}

static int run_limit(const struct invocation *inv, struct limit *limit, struct evl **evl) {
	struct taken taken;
	bool has_command = inv->argc > 1 || limit->shell;
	int r = daemon_connect(inv, evl);

	if (r == 0)
		r = establish(*evl, limit);
	if (r != 0)
		r = fail(limit, r);
	if (r > 0)
		return r;
	if (limit->lines)
		return pass_lines(inv, r == 0 ? *evl : NULL, limit);
	if (r == 0)
		r = ask(inv, *evl, limit, &taken);
	if (r > 0)
		return r;
	if (r < 0)
		let_pass(&taken.grant); /* whatever it has come to before */
	if (!taken.grant.allowed)
		return deny(inv, *evl, limit, &taken, has_command || taken.removed);
	if (!has_command)
		return grant_print(inv, "", &taken.grant);
	if (set_variables(limit, &taken.grant) != 0) {
		complain("%s", strerror(ENOMEM));
		return EX_OSERR;
	}
	return become_command(inv, limit);
}

static int run(struct invocation *inv) {
	struct limit limit = { .deny_status = EXIT_DENIED, .take = { .cost = 1, .max_wait_ns = -1, .pid_fd = -1 } };
	struct evl *evl = NULL;
	int r;

	definition_init(&limit.definition);
	limit.take.also = limit.also;
	r = parse(inv, &limit);
	if (r != 0)
		return r < 0 ? inv->status : r;
	r = run_limit(inv, &limit, &evl);
	evl_close(evl);
	return r;
}

const struct verb verb_limit = {
	.name = "limit",
	.summary = "run commands no faster than a rate, or no more at a time",
	.usage = "NAME [OPTION]... [CMD [ARG]...]",
	.help = "Takes from the limiter NAME, waiting for its turn, and then becomes CMD.\n"
		"Without CMD it says how it went: allowed, or denied (status 75).  With --rate\n"
		"or --concurrency the limiter is made if there is none; one that is defined\n"
		"otherwise is an error (status 73).\n"
		"\n" DEFINITION_HELP "  --update             change one that is defined otherwise\n"
		"  --key KEY            each key has a rate, or places, of its own\n"
		"  -n COST              take so many (1)\n"
		"  --also NAME[=KEY]    take 1 of another one, too: from all or from none\n"
		"  --try                do not wait\n"
		"  --max-wait DUR       do not wait longer; whether it will be is known at once\n"
		"  --deny-exit-code N   in place of 75\n"
		"  --fail-open          go on where no daemon can be asked (rates do)\n"
		"  --fail-closed        do not, with status 69 (places do)\n"
		"  --lines              pass the lines of standard input on at that rate\n"
		"  -c STRING            sh -c STRING in place of CMD\n"
		"\n"
		"CMD finds EVLOOP_LIMIT_NAME, EVLOOP_LIMIT_REMAINING and EVLOOP_LIMIT_RESET_AFTER\n"
		"(seconds until all is there again) in its environment.\n",
	.run = run,
};
