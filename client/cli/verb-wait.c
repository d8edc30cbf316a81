/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verb wait: until timers fire and jobs end; or a process ends, a path changes, a message comes.  What has ended already is told
 * at once by the daemon.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "client/cli/daemon.h"
#include "client/cli/error.h"
#include "client/cli/event.h"
#include "client/cli/text.h"
#include "client/cli/watched.h"

enum {
	OPTION_ANY = 1,
	OPTION_ALL,
	OPTION_TIMEOUT,
};

/* What is waited for, in the order of the operands. */
struct awaited {
	struct waiting *waiting;
	uint64_t id;
	char *name; /* "" : none; of what is no timer, the operand */
	const char *operand;
	struct watched watched; /* what is no timer */
	struct stat seen; /* of a path: how it was; all zeroes: not there */
	bool has_command;
	int64_t lateness_ns; /* of its last fire before we came */
	bool over;
	int status;
};

struct waiting {
	const struct invocation *inv;
	bool any;
	int64_t timeout_ns; /* -1: none */
	struct evl *evl;
	struct awaited **all;
	size_t n, n_over;
	struct awaited *first; /* the first to be over */
	int write_status;
};

static void print_line_with(const struct awaited *awaited, const char *how, const char *status, int64_t lateness_ns,
			    const Evloop__Event *event) {
	struct waiting *waiting = awaited->waiting;
	char lateness[SECONDS_MAX];
	bool written;

	if (waiting->inv->json) {
		const Evloop__Event whole = event_of_process(event, awaited->watched.pid);

		written = event_print_json(&whole);
	} else {
		printf("%" PRIu64 " %s %s status=%s lateness=%s\n", awaited->id, text_name(awaited->name), how, status,
		       text_seconds(lateness_ns, lateness));
		written = text_flush();
	}
	if (!written)
		waiting->write_status = 1;
}

static void print_line(const struct awaited *awaited, const char *how, int status, int64_t lateness_ns,
		       const Evloop__Event *event) {
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", status);
	print_line_with(awaited, how, text, lateness_ns, event);
}

static void finish(struct awaited *awaited, int status) {
	struct waiting *waiting = awaited->waiting;

	awaited->over = true;
	awaited->status = status;
	waiting->n_over++;
	if (!waiting->first)
		waiting->first = awaited;
}

static void on_ended(struct awaited *awaited, const Evloop__Event *event) {
	const Evloop__RunInfo *run = event->run;
	char word[WORD_MAX];

	if (event->end != EVLOOP__END__END_DONE) {
		text_enum(&evloop__end__descriptor, (int)event->end, word);
		print_line(awaited, word, 1, 0, event);
		finish(awaited, 1);
	} else if (run) {
		print_line(awaited, "done", run->status, run->lateness_ns, event);
		finish(awaited, run->status);
	} else {
		print_line(awaited, "fired", 0, awaited->lateness_ns, event);
		finish(awaited, 0);
	}
}

/* With --any the first is the only one. */
static bool is_too_late(const struct awaited *awaited) {
	return awaited->over || (awaited->waiting->any && awaited->waiting->first);
}

static void on_event(struct evl *evl _unused_, const Evloop__Event *event, void *userdata) {
	struct awaited *awaited = userdata;

	if (is_too_late(awaited))
		return;
	switch (event->type) {
	case EVLOOP__EVENT_TYPE__EVENT_FIRED:
		/* A job is waited for to its end. */
		if (awaited->has_command) {
			awaited->lateness_ns = event->lateness_ns;
			return;
		}
		print_line(awaited, "fired", 0, event->lateness_ns, event);
		finish(awaited, 0);
		return;
	case EVLOOP__EVENT_TYPE__EVENT_EXITED:
		if (!event->run)
			return;
		print_line(awaited, "done", event->run->status, event->run->lateness_ns, event);
		finish(awaited, event->run->status);
		return;
	case EVLOOP__EVENT_TYPE__EVENT_ENDED:
		on_ended(awaited, event);
		return;
	default:
		return;
	}
}

/* A new one at the end; the array is long enough for it, or grows.  NULL: no memory. */
static struct awaited *add(struct waiting *waiting) {
	struct awaited **all = reallocarray(waiting->all, waiting->n + 1, sizeof(struct awaited *));
	struct awaited *awaited = calloc(1, sizeof(*awaited));

	if (all)
		waiting->all = all;
	if (!all || !awaited) {
		free(awaited);
		return NULL;
	}
	awaited->waiting = waiting;
	all[waiting->n++] = awaited;
	return awaited;
}

/* Nothing is there: the others are waited for all the same, and with --any it is none that has ended. */
static int miss(struct awaited *awaited, int status) {
	awaited->over = true;
	awaited->status = status;
	awaited->waiting->n_over++;
	return 0;
}

/* Follow what `operand`, an id or a name, stands for.  Return: 0; else the exit status: waiting for the others makes no sense. */
static int attach(struct waiting *waiting, const char *operand) {
	Evloop__AttachRequest request = EVLOOP__ATTACH_REQUEST__INIT;
	_cleanup_message_ ProtobufCMessage *reply = NULL;
	struct awaited *awaited = add(waiting);
	const Evloop__TimerInfo *info;
	Evloop__Target target;
	int r = awaited ? 0 : -ENOMEM;

	request.target = &target;
	if (r == 0 && !target_init(&target, operand))
		r = -ENOENT;
	if (r == 0)
		r = evl_call_handle(waiting->evl, &request.handle, on_event, awaited);
	if (r == 0)
		r = evl_call(waiting->evl, EVLOOP__METHOD__METHOD_ATTACH, &request.base, &reply);
	if (r == -ENOENT)
		return miss(awaited, complain_no_timer(operand));
	if (r < 0)
		return complain_call(waiting->evl, r, operand);
	info = (const Evloop__TimerInfo *)reply;
	awaited->operand = operand;
	awaited->id = info->id;
	awaited->name = strdup(info->name);
	awaited->has_command = info->n_argv > 0;
	awaited->lateness_ns = info->last_lateness_ns;
	return awaited->name ? 0 : complain_call(waiting->evl, -ENOMEM, operand);
}

/* ---- what is no timer ---- */

/* How long ago it happened, as far as our clock is the daemon's. */
static int64_t age_ns(struct evl *evl, const Evloop__Event *event) {
	return event->fired_ns ? MAX(evl_time(evl) - event->fired_ns, INT64_C(0)) : 0;
}

static void look(const struct awaited *awaited, struct stat *ret) {
	if (stat(awaited->watched.path, ret) < 0)
		*ret = (struct stat){ 0 };
}

/* It is said only that something may have been missed, as when the daemon has died.  Has it? */
static bool is_as_it_was(const struct awaited *awaited, const Evloop__Event *event) {
	const struct stat *seen = &awaited->seen;
	struct stat now;

	if (!event->rescan || event->n_changes > 0)
		return false;
	look(awaited, &now);
	return now.st_dev == seen->st_dev && now.st_ino == seen->st_ino && now.st_size == seen->st_size &&
	       now.st_mode == seen->st_mode && now.st_mtim.tv_sec == seen->st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == seen->st_mtim.tv_nsec && now.st_ctim.tv_sec == seen->st_ctim.tv_sec &&
	       now.st_ctim.tv_nsec == seen->st_ctim.tv_nsec;
}

static void on_watch_event(struct evl *evl, const Evloop__Event *event, void *userdata) {
	struct awaited *awaited = userdata;

	if (is_too_late(awaited))
		return;
	switch (event->type) {
	case EVLOOP__EVENT_TYPE__EVENT_PROCESS:
		if (event->status_known)
			print_line(awaited, "done", event->status, age_ns(evl, event), event);
		else
			print_line_with(awaited, "done", "unknown", age_ns(evl, event), event);
		finish(awaited, event->status_known ? event->status : 0);
		return;
	case EVLOOP__EVENT_TYPE__EVENT_CHANGED:
		if (event->error != 0) {
			(void)miss(awaited, watched_fail(&awaited->watched, awaited->waiting->inv, event->error));
			return;
		}
		if (is_as_it_was(awaited, event)) {
			(void)evl_call_ack(evl, event->handle);
			return;
		}
		break;
	case EVLOOP__EVENT_TYPE__EVENT_MESSAGE:
		if (event_is_gap(event)) {
			complain("%s: " EVENT_GAP_TEXT, awaited->name);
			return;
		}
		break;
	default:
		return;
	}
	print_line(awaited, "fired", 0, age_ns(evl, event), event);
	finish(awaited, 0);
}

/* The next daemon does not know it: the others are waited for all the same.  The end of the connection ends all, and not here. */
static void on_error(struct evl *evl _unused_, struct evl_source *source, int error, const char *message,
		     void *userdata _unused_) {
	struct awaited *awaited = source ? evl_source_userdata(source) : NULL;

	if (awaited && !awaited->over)
		(void)miss(awaited, complain_gone(awaited->operand, error, message));
}

static const struct prefix {
	const char *text;
	enum watched_kind kind;
} prefixes[] = { { "pid:", WATCHED_PID }, { "path:", WATCHED_PATH }, { "topic:", WATCHED_TOPIC } };

/* "pid:42", "path:P", "topic:T"; NULL: a timer. */
static const struct prefix *find_prefix(const char *operand) {
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(operand, prefixes[i].text, strlen(prefixes[i].text)) == 0)
			return &prefixes[i];
	return NULL;
}

/* Return: as attach(). */
static int watch(struct waiting *waiting, const struct prefix *prefix, const char *operand) {
	static const struct watch_options options = {};
	struct awaited *awaited = add(waiting);
	int r;

	if (!awaited || !(awaited->name = strdup(operand)))
		return complain_call(waiting->evl, -ENOMEM, operand);
	awaited->operand = operand;
	r = watched_init(waiting->inv, prefix->kind, operand + strlen(prefix->text), &awaited->watched);
	if (r == 0 && prefix->kind == WATCHED_PATH)
		look(awaited, &awaited->seen); /* before, so that no change is between */
	if (r == 0)
		r = watched_arm(&awaited->watched, waiting->evl, &options, on_watch_event, awaited);
	awaited->id = awaited->watched.id;
	return r == EX_NOINPUT ? miss(awaited, r) : r;
}

/* ---- patterns ---- */

/* What a pattern has found, in the order of the ids. */
struct found {
	struct match {
		uint64_t id;
		char *name;
		bool finished;
	} * match;
	size_t n;
};

static int find(const Evloop__TimerInfo *info, void *userdata) {
	struct found *found = userdata;
	struct match *match = reallocarray(found->match, found->n + 1, sizeof(*match));
	char *name = strdup(info->name);

	if (match)
		found->match = match;
	if (!match || !name) {
		free(name);
		complain("%s", strerror(ENOMEM));
		return EX_OSERR;
	}
	found->match[found->n++] = (struct match){
		.id = info->id,
		.name = name,
		.finished = info->state == EVLOOP__TIMER_STATE__TIMER_FINISHED,
	};
	return 0;
}

/* A name stands for the last that has had it: is this one of those before? */
static bool is_former(const struct found *found, size_t i) {
	for (size_t later = i + 1; found->match[i].finished && later < found->n; later++)
		if (strcmp(found->match[i].name, found->match[later].name) == 0)
			return true;
	return false;
}

static int attach_found(struct waiting *waiting, const struct found *found) {
	int r = 0;

	for (size_t i = 0; r == 0 && i < found->n; i++) {
		char id[24];

		snprintf(id, sizeof(id), "%" PRIu64, found->match[i].id);
		if (!is_former(found, i))
			r = attach(waiting, id);
	}
	return r;
}

/* A pattern that stands for nothing; that has been said. */
static int miss_all(struct waiting *waiting) {
	struct awaited *awaited = add(waiting);

	if (!awaited || !(awaited->name = strdup(""))) {
		complain("%s", strerror(ENOMEM));
		return EX_OSERR;
	}
	return miss(awaited, EX_NOINPUT);
}

/* Those that have ended count, too: who waits may come later than what he has started. */
static int attach_operand(struct waiting *waiting, const char *operand) {
	Evloop__ListRequest request = EVLOOP__LIST_REQUEST__INIT;
	const struct prefix *prefix = find_prefix(operand);
	struct found found = {};
	int r;

	if (prefix)
		return watch(waiting, prefix, operand);
	if (!target_is_glob(operand))
		return attach(waiting, operand);
	request.finished = true;
	r = daemon_list(waiting->evl, &request, operand, find, &found);
	if (r == 0)
		r = attach_found(waiting, &found);
	else if (r == EX_NOINPUT)
		r = miss_all(waiting);
	for (size_t i = 0; i < found.n; i++)
		free(found.match[i].name);
	free(found.match);
	return r;
}

static bool is_over(const struct waiting *waiting) {
	return waiting->n_over == waiting->n || (waiting->any && waiting->first) || waiting->write_status != 0;
}

static int complain_timeout(const struct waiting *waiting) {
	char left[512] = "";
	size_t n = 0;

	for (size_t i = 0; i < waiting->n && n < sizeof(left) - 200; i++) {
		const struct awaited *awaited = waiting->all[i];

		if (awaited->over)
			continue;
		n += (size_t)snprintf(left + n, sizeof(left) - n, "%s", n > 0 ? ", " : "");
		/* What is no timer has an id that nobody knows. */
		if (!awaited->watched.operand)
			n += (size_t)snprintf(left + n, sizeof(left) - n, "%" PRIu64 "%s", awaited->id,
					      awaited->name[0] ? " " : "");
		n += (size_t)snprintf(left + n, sizeof(left) - n, "%.180s", awaited->name);
	}
	complain("timed out waiting for %s", left);
	return EXIT_TIMED_OUT;
}

/* Return: 0, or the exit status. */
static int wait_for_all(struct waiting *waiting) {
	int64_t left_ns, deadline_ns = INT64_MAX;

	evl_set_error_handler(waiting->evl, on_error, NULL);
	if (waiting->timeout_ns >= 0)
		deadline_ns = evl_time(waiting->evl) + waiting->timeout_ns;
	while (!is_over(waiting)) {
		int r;

		left_ns = deadline_ns == INT64_MAX ? -1 : MAX(deadline_ns - evl_time(waiting->evl), 0);
		r = evl_dispatch(waiting->evl, left_ns);
		if (r < 0)
			return complain_call(waiting->evl, r, NULL);
		if (r == 0 && left_ns == 0 && !is_over(waiting))
			return complain_timeout(waiting);
	}
	return waiting->write_status;
}

/* One operand: its status; --any: of the first to end; else the first that is not 0 in the order of operands. */
static int result(const struct waiting *waiting) {
	if (waiting->any && waiting->first)
		return waiting->first->status;
	for (size_t i = 0; i < waiting->n; i++)
		if (waiting->all[i]->status != 0)
			return waiting->all[i]->status;
	return 0;
}

static int run_waiting(const struct invocation *inv, struct waiting *waiting) {
	int r = daemon_connect(inv, &waiting->evl);

	for (int i = 1; r == 0 && i < inv->argc; i++)
		r = attach_operand(waiting, inv->argv[i]);
	if (r == 0)
		r = wait_for_all(waiting);
	return r == 0 ? result(waiting) : r;
}

static int run(struct invocation *inv) {
	static const struct option options[] = {
		{ "any", no_argument, NULL, OPTION_ANY },
		{ "all", no_argument, NULL, OPTION_ALL },
		{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
		OPTIONS_COMMON,
	};
	struct waiting waiting = { .timeout_ns = -1 };
	int option, how_many = 0, r = 0;

	while (r == 0 && (option = options_next(inv, "", options)) > 0) {
		if (option == OPTION_TIMEOUT)
			r = option_duration(inv, "--timeout", optarg, &waiting.timeout_ns);
		else if (how_many != 0 && how_many != option)
			r = complain_usage(inv, "--any and --all: only one can be meant");
		else
			how_many = option;
	}
	waiting.any = how_many == OPTION_ANY;
	if (r != 0 || option < 0)
		return r != 0 ? r : inv->status;
	if (inv->argc < 2)
		return complain_usage(inv, "no id or name; see 'evloop wait --help'");
	for (int i = 1; i < inv->argc; i++)
		if (strncmp(inv->argv[i], "fd:", 3) == 0)
			return complain_usage(inv, "'%s': see 'evloop watch fd %s --once'", inv->argv[i],
					      inv->argv[i] + 3);
	waiting.inv = inv;
	r = run_waiting(inv, &waiting);
	evl_close(waiting.evl);
	for (size_t i = 0; i < waiting.n; i++) {
		watched_deinit(&waiting.all[i]->watched);
		free(waiting.all[i]->name);
		free(waiting.all[i]);
	}
	free(waiting.all);
	return r;
}

const struct verb verb_wait = {
	.name = "wait",
	.summary = "wait until timers fire and jobs end",
	.usage = "[OPTION]... ID|NAME|'GLOB*'|pid:N|path:P|topic:T...",
	.help = "Waits until each fires or, with a command, its run has ended; prints a line for\n"
		"each.  Finished ones are known for 24 hours, and a GLOB finds them, too: of\n"
		"each name the last.  The exit status is the job's; of several the first one\n"
		"that is not 0, in the order of the operands.  A timer that is cancelled\n"
		"counts as 1.\n"
		"\n"
		"  pid:N                until that process has ended; its status, where the\n"
		"                       kernel tells it, else 0\n"
		"  path:P               until something changes there\n"
		"  topic:T              until something is emitted on it\n"
		"\n"
		"  --any                until the first of them; its status\n"
		"  --all                until the last of them (the default)\n"
		"  --timeout DUR        give up after that time, with the status 124\n",
	.run = run,
};
