/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb limiter: look at limiters and change them. */

#include <ctype.h>
#include <grp.h>
#include <inttypes.h>
#include <locale.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/cli/daemon.h"
#include "client/cli/error.h"
#include "client/cli/json.h"
#include "client/cli/limiter.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "client/cli/when.h"
#include "proto/duration.h"

enum {
	OPTION_KEY = 1,
	OPTION_KEYED,
};

/* What options say. */
enum use {
	USE_KEY = 1,
	USE_COST = 2,
	USE_DEFINITION = 4,
};

/* What a use of the verb is about. */
struct order {
	struct definition definition;
	const char *key;
	uint64_t cost;
	unsigned given; /* of enum use */
	bool takes_cost; /* the action does */
	struct evl *evl;
};

typedef int (*action)(const struct invocation *inv, struct order *order);

static ProtobufCBinaryData key_of(const struct order *order) {
	return (ProtobufCBinaryData){ .data = (uint8_t *)(order->key ? order->key : ""),
				      .len = order->key ? strlen(order->key) : 0 };
}

/* ---- list ---- */

static const struct table_column columns[] = {
	{ "NAME", 0 },
	{ "LIMIT", 0 },
	{ "REMAINING", SCOLS_FL_RIGHT },
	{ "WAITING", SCOLS_FL_RIGHT },
	{ "ALLOWED", SCOLS_FL_RIGHT },
};

static int add_line(struct libscols_table *table, const Evloop__LimiterInfo *info) {
	char definition[DEFINITION_TEXT_MAX], remaining[24], waiting[24], allowed[24];
	const char *cells[] = { info->spec->name, definition_text(info->spec, definition), remaining, waiting,
				allowed };

	if (!info->grant)
		(void)strcpy(remaining, "-"); /* each key has its own */
	else if (info->grant->remaining == UINT64_MAX)
		(void)strcpy(remaining, "unlimited");
	else
		(void)snprintf(remaining, sizeof(remaining), "%" PRIu64, info->grant->remaining);
	(void)snprintf(waiting, sizeof(waiting), "%" PRIu64, info->waiting);
	(void)snprintf(allowed, sizeof(allowed), "%" PRIu64, info->allowed);
	return table_add(table, cells, ARRAY_SIZE(cells));
}

static int add_page(const Evloop__LimiterListReply *page, struct libscols_table *table, json_t *array) {
	int r = 0;

	for (size_t i = 0; r == 0 && i < page->n_limiters; i++)
		r = table ? add_line(table, page->limiters[i])
			  : json_array_append_new(array, json_of_message(&page->limiters[i]->base));
	if (r == 0)
		return 0;
	complain("%s", strerror(ENOMEM));
	return EX_OSERR;
}

/* All that `glob` (NULL: everything) stands for.  Return: 0, or the exit status. */
static int list_pages(struct evl *evl, const char *glob, struct libscols_table *table, json_t *array) {
	Evloop__LimiterListRequest request = EVLOOP__LIMITER_LIST_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	bool more = true, found = !glob;

	target.glob = (char *)(glob ? glob : "");
	request.target = glob ? &target : NULL;
	while (more) {
		_cleanup_message_ ProtobufCMessage *message = NULL;
		const Evloop__LimiterListReply *page;
		int r = evl_call(evl, EVLOOP__METHOD__METHOD_LIMITER_LIST, &request.base, &message);

		if (r < 0)
			return complain_call(evl, r, NULL);
		page = (const Evloop__LimiterListReply *)message;
		r = add_page(page, table, array);
		if (r != 0)
			return r;
		found |= page->n_limiters > 0;
		more = page->more;
		request.after = page->next;
	}
	if (found)
		return 0;
	complain("%s: no such limiter", glob);
	return EX_NOINPUT;
}

static int run_list(const struct invocation *inv, struct order *order) {
	struct libscols_table *table = inv->json ? NULL : table_new(columns, ARRAY_SIZE(columns));
	json_t *array = inv->json ? json_array() : NULL;
	int status = table || array ? 0 : EX_OSERR, written = 0;

	(void)setlocale(LC_CTYPE, "");
	if (inv->argc < 2 && status == 0)
		status = list_pages(order->evl, NULL, table, array);
	/* What is there is shown, whatever is not. */
	for (int i = 1; i < inv->argc && (status == 0 || status == EX_NOINPUT); i++) {
		int r = list_pages(order->evl, inv->argv[i], table, array);

		status = r != 0 ? r : status;
	}
	if (status == 0 || status == EX_NOINPUT)
		written = array ? !json_print(json_incref(array)) : table_print(table);
	json_decref(array);
	scols_unref_table(table);
	return written != 0 ? written : status;
}

/* ---- one limiter ---- */

/* Return: the name, the only operand beside `more` others; NULL after a complaint. */
static const char *take_name(const struct invocation *inv, const char *what, int more, int *ret_status) {
	if (inv->argc < 2 || inv->argv[1][0] == '\0')
		*ret_status = complain_usage(inv, "%s: no name of a limiter; see 'evloop limiter --help'", what);
	else if (inv->argc > 2 + more)
		*ret_status = complain_extra(inv, inv->argv[2 + more]);
	else
		return inv->argv[1];
	return NULL;
}

static void line(const char *label, const char *text) {
	printf("%-12s %s\n", label, text);
}

static void line_number(const char *label, uint64_t n) {
	printf("%-12s %" PRIu64 "\n", label, n);
}

static void line_seconds(const char *label, int64_t ns) {
	char seconds[SECONDS_MAX];

	line(label, text_seconds(ns, seconds));
}

static void show_grant(const Evloop__Grant *grant) {
	if (grant->remaining == UINT64_MAX)
		line("remaining", "unlimited");
	else
		line_number("remaining", grant->remaining);
	line_seconds("retry after", grant->retry_after_ns);
	line_seconds("full in", grant->reset_after_ns);
}

static const char *user_name(uid_t uid, char *buffer, size_t size) {
	const struct passwd *user = getpwuid(uid);

	(void)snprintf(buffer, size, "%u", (unsigned)uid);
	return user ? user->pw_name : buffer;
}

static const char *group_name(gid_t gid, char *buffer, size_t size) {
	const struct group *group = getgrgid(gid);

	(void)snprintf(buffer, size, "%u", (unsigned)gid);
	return group ? group->gr_name : buffer;
}

/* Whose it is, where it is not the caller's alone. */
static void show_access(const Evloop__LimiterInfo *info) {
	char user[16], group[16];

	printf("%-12s owner %s, group %s, mode %04o\n", "configured", user_name(info->owner, user, sizeof(user)),
	       group_name(info->group, group, sizeof(group)), (unsigned)info->mode);
}

static int run_show(const struct invocation *inv, struct order *order) {
	_cleanup_message_ ProtobufCMessage *reply = NULL;
	char text[DEFINITION_TEXT_MAX], time[WHEN_TEXT_MAX];
	const Evloop__LimiterInfo *info;
	int status = 0;
	const char *name = take_name(inv, "show", 0, &status);

	if (!name)
		return status;
	status = limiter_get(order->evl, name, &reply);
	if (status != 0)
		return status;
	info = ((const Evloop__LimiterListReply *)reply)->limiters[0];
	if (inv->json)
		return json_print_message(&info->base) ? 0 : 1;
	line("name", info->spec->name);
	line_number("id", info->id);
	line("limit", definition_text(info->spec, text));
	if (info->configured)
		show_access(info);
	if (info->spec->keyed)
		printf("%-12s %" PRIu64 " of %" PRIu64 ", then %s\n", "keys", info->keys, info->spec->max_keys,
		       info->spec->deny_when_full ? "deny" : "shared");
	if (info->grant)
		show_grant(info->grant);
	if (info->hold_ns > 0)
		line_seconds("hold ends in", info->hold_ns);
	line_number("waiting", info->waiting);
	if (info->spec->kind == EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY)
		line_number("held", info->held);
	else
		line_number("debt up to", info->spec->max_debt);
	line_number("allowed", info->allowed);
	line_number("denied", info->denied);
	line("created", when_format_utc(info->created_realtime_ns, time));
	return text_flush() ? 0 : 1;
}

static int run_set(const struct invocation *inv, struct order *order) {
	_cleanup_message_ ProtobufCMessage *reply = NULL;
	char word[WORD_MAX];
	int status = 0, r;
	const char *name = take_name(inv, "set", 0, &status);

	if (!name)
		return status;
	if (!order->definition.given)
		return complain_usage(inv, "set: --rate or --concurrency has to be given");
	status = definition_check(inv, &order->definition);
	if (status != 0)
		return status;
	order->definition.spec.name = (char *)name;
	order->definition.spec.mode = EVLOOP__LIMITER_MODE__LIMITER_PUT;
	r = evl_call(order->evl, EVLOOP__METHOD__METHOD_LIMITER_SET, &order->definition.spec.base, &reply);
	if (r < 0)
		return complain_call(order->evl, r, NULL);
	if (inv->json)
		return json_print_message(reply) ? 0 : 1;
	printf("%s %s\n", name,
	       text_enum(&evloop__limiter_set_reply__change__descriptor,
			 (int)((const Evloop__LimiterSetReply *)reply)->change, word));
	return text_flush() ? 0 : 1;
}

/* A verb whose request is name, key and cost, and whose answer is a Grant.  *ret: free with message_freep(). */
static int request_grant(const struct invocation *inv, struct order *order, const char *what, Evloop__Method method,
			 uint64_t cost, ProtobufCMessage **ret) {
	Evloop__LimiterRequest request = EVLOOP__LIMITER_REQUEST__INIT;
	int status = 0, r;

	if (order->takes_cost && inv->argc == 3 && isdigit((unsigned char)inv->argv[2][0]))
		return complain_usage(inv, "%s: '%s' is one word too many; -n %s says how many", what, inv->argv[2],
				      inv->argv[2]);
	request.name = (char *)take_name(inv, what, 0, &status);
	if (!request.name)
		return status;
	request.key = key_of(order);
	request.cost = cost;
	r = evl_call(order->evl, method, &request.base, ret);
	return r < 0 ? complain_call(order->evl, r, NULL) : 0;
}

static int run_peek(const struct invocation *inv, struct order *order) {
	_cleanup_message_ ProtobufCMessage *reply = NULL;
	int status = request_grant(inv, order, "peek", EVLOOP__METHOD__METHOD_LIMITER_PEEK, order->cost, &reply);

	return status != 0 ? status : grant_print(inv, "", (const Evloop__Grant *)reply);
}

/* The key has no bucket and can get none: nobody else is to feel what is meant for it.
 * Return: true: so it is, after a complaint. */
static bool has_no_room(const char *name, const Evloop__Grant *grant, const char *undone) {
	if (grant->allowed || grant->limit > 0)
		return false;
	complain("%s: there is no room for one more key, and nothing is %s", name, undone);
	return true;
}

/* What changes a limiter, whatever would be said to who asks now. */
static int change_verb(const struct invocation *inv, struct order *order, const char *what, Evloop__Method method,
		       const char *undone) {
	_cleanup_message_ ProtobufCMessage *reply = NULL;
	int status = request_grant(inv, order, what, method, order->cost, &reply);

	if (status != 0)
		return status;
	if (has_no_room(inv->argv[1], (const Evloop__Grant *)reply, undone))
		return EX_TEMPFAIL;
	return grant_print(inv, "done", (const Evloop__Grant *)reply);
}

static int run_reset(const struct invocation *inv, struct order *order) {
	return change_verb(inv, order, "reset", EVLOOP__METHOD__METHOD_LIMITER_RESET, "reset");
}

static int run_refund(const struct invocation *inv, struct order *order) {
	return change_verb(inv, order, "refund", EVLOOP__METHOD__METHOD_LIMITER_REFUND, "given back");
}

static int run_charge(const struct invocation *inv, struct order *order) {
	return change_verb(inv, order, "charge", EVLOOP__METHOD__METHOD_LIMITER_CHARGE, "taken");
}

/* What has been done.  The grant beside it tells what would be said to who asks now, which is no. */
static int print_hold(const struct invocation *inv, const struct order *order,
		      const Evloop__LimiterHoldRequest *request, const Evloop__Grant *grant) {
	char text[DURATION_TEXT_MAX];
	_cleanup_free_ char *key = text_command(&request->key, 1);

	if (has_no_room(request->name, grant, "held"))
		return EX_TEMPFAIL;
	if (inv->json)
		return json_print_message(&grant->base) ? 0 : 1;
	printf("%s held for %s", request->name, duration_format(request->duration_ns, text));
	if (order->key)
		printf(" key=%s", key ? key : "?");
	putchar('\n');
	return text_flush() ? 0 : 1;
}

static int run_hold(const struct invocation *inv, struct order *order) {
	Evloop__LimiterHoldRequest request = EVLOOP__LIMITER_HOLD_REQUEST__INIT;
	_cleanup_message_ ProtobufCMessage *reply = NULL;
	int status = 0, r;

	request.name = (char *)take_name(inv, "hold", 1, &status);
	if (!request.name)
		return status;
	if (inv->argc < 3)
		return complain_usage(inv, "hold: no duration; see 'evloop limiter --help'");
	status = option_duration(inv, "hold", inv->argv[2], &request.duration_ns);
	if (status != 0)
		return status;
	request.key = key_of(order);
	r = evl_call(order->evl, EVLOOP__METHOD__METHOD_LIMITER_HOLD, &request.base, &reply);
	return r < 0 ? complain_call(order->evl, r, NULL)
		     : print_hold(inv, order, &request, (const Evloop__Grant *)reply);
}

static int run_remove(const struct invocation *inv, struct order *order) {
	Evloop__LimiterRemoveRequest request = EVLOOP__LIMITER_REMOVE_REQUEST__INIT;
	int status = 0, r;

	request.name = (char *)take_name(inv, "remove", 0, &status);
	if (!request.name)
		return status;
	r = evl_call(order->evl, EVLOOP__METHOD__METHOD_LIMITER_REMOVE, &request.base, NULL);
	if (r < 0)
		return complain_call(order->evl, r, NULL);
	if (inv->json)
		return json_print(json_pack("{s:s,s:s}", "name", request.name, "outcome", "removed")) ? 0 : 1;
	printf("%s removed\n", request.name);
	return text_flush() ? 0 : 1;
}

/* ---- holders ---- */

static void print_claim(const Evloop__ClaimInfo *claim, int64_t now_ns) {
	char word[WORD_MAX], age[DURATION_TEXT_MAX];
	_cleanup_free_ char *key = text_command(&claim->key, 1);

	printf("%" PRIu64 " %s pid=%" PRIu64 " uid=%u n=%" PRIu64 " age=%s", claim->id,
	       text_enum(&evloop__claim_state__descriptor, (int)claim->state, word), claim->pid, (unsigned)claim->uid,
	       claim->cost, duration_brief(MAX(now_ns - claim->since_ns, 0), age));
	if (claim->key.len > 0)
		printf(" key=%s", key ? key : "?");
	if (claim->state == EVLOOP__CLAIM_STATE__CLAIM_WAITING)
		printf(" position=%" PRIu64, claim->position);
	if (claim->expected_ns != 0)
		printf(" in=%s", duration_brief(MAX(claim->expected_ns - now_ns, 0), age));
	putchar('\n');
}

/* A line for each, or, where there is one, into the array. */
static int add_claims(const Evloop__LimiterClaimsReply *page, int64_t now_ns, json_t *array) {
	for (size_t i = 0; i < page->n_claims; i++) {
		if (!array)
			print_claim(page->claims[i], now_ns);
		else if (json_array_append_new(array, json_of_message(&page->claims[i]->base)) < 0) {
			complain("%s", strerror(ENOMEM));
			return EX_OSERR;
		}
	}
	return text_flush() ? 0 : 1;
}

static int claim_pages(struct evl *evl, const char *name, int64_t now_ns, json_t *array) {
	Evloop__LimiterClaimsRequest request = EVLOOP__LIMITER_CLAIMS_REQUEST__INIT;
	bool more = true;
	int status = 0;

	request.name = (char *)name;
	while (status == 0 && more) {
		_cleanup_message_ ProtobufCMessage *message = NULL;
		const Evloop__LimiterClaimsReply *page;
		int r = evl_call(evl, EVLOOP__METHOD__METHOD_LIMITER_CLAIMS, &request.base, &message);

		if (r < 0)
			return complain_call(evl, r, NULL);
		page = (const Evloop__LimiterClaimsReply *)message;
		status = add_claims(page, now_ns, array);
		if (page->n_claims > 0)
			request.after = page->claims[page->n_claims - 1]->id;
		more = page->more;
	}
	return status;
}

static int run_holders(const struct invocation *inv, struct order *order) {
	_cleanup_message_ ProtobufCMessage *now = NULL;
	json_t *array;
	int status = 0;
	const char *name = take_name(inv, "holders", 0, &status);

	if (!name)
		return status;
	status = daemon_time(order->evl, &now);
	if (status != 0)
		return status;
	array = inv->json ? json_array() : NULL;
	if (inv->json && !array) {
		complain("%s", strerror(ENOMEM));
		return EX_OSERR;
	}
	status = claim_pages(order->evl, name, ((const Evloop__TimeReply *)now)->boottime_ns, array);
	if (status == 0 && array)
		return json_print(array) ? 0 : 1;
	json_decref(array);
	return status;
}

/* ---- explain ---- */

/*
 * The numbers from which a decision can be worked out again, rule by rule, in ticks, which are exact.
 * Return: how long this rule denies, ns.
 */
static int64_t explain_rule(const Evloop__LimiterRule *rule, size_t i, uint64_t tat, uint64_t now, uint64_t cost) {
	unsigned __int128 ticks = (unsigned __int128)16 * (uint64_t)rule->period_ns;
	uint64_t interval = (uint64_t)((ticks + rule->tokens - 1) / rule->tokens);
	uint64_t tolerance = rule->burst * interval, after = MAX(tat, now) + cost * interval;

	printf("rule %zu       interval = ceil(16 * %" PRId64 " ns / %" PRIu64 ") = %" PRIu64 " ticks\n"
	       "             tolerance = %" PRIu64 " * interval = %" PRIu64 " ticks\n"
	       "             TAT = %" PRIu64 ": %s\n"
	       "             max(TAT, now) + cost * interval - tolerance = ",
	       i, rule->period_ns, rule->tokens, interval, rule->burst, tolerance, tat,
	       tat > now ? "then it will be full again" : "it is full");
	if (after <= now + tolerance) {
		printf("now - %" PRIu64 ": allowed\n", now + tolerance - after);
		return 0;
	}
	after -= now + tolerance;
	printf("now + %" PRIu64 ": not yet\n", after);
	return (int64_t)((after + 15) / 16);
}

/* `rules_ns` and `hold_ns`: how long they deny, by the numbers. */
static void explain_decision(const Evloop__LimiterInfo *info, const Evloop__Grant *grant, int64_t rules_ns,
			     int64_t hold_ns) {
	bool places = info->spec->kind == EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY;

	printf("%-12s ", "decision");
	if (grant->allowed)
		puts(places                    ? "allowed: so many places are free"
		     : info->spec->n_rules > 0 ? "allowed: by every rule"
					       : "allowed: it is unlimited");
	else if (grant->limit == 0)
		puts("denied: there is no room for one more key");
	else if (hold_ns > 0 && hold_ns >= grant->retry_after_ns)
		printf("denied by the hold until now + %" PRId64 " ns\n", hold_ns);
	else if (places)
		puts("denied: so many places are not free");
	else if (grant->retry_after_ns > rules_ns)
		printf("denied by those who wait until now + %" PRId64 " ns\n", grant->retry_after_ns);
	else
		printf("denied by rule %u until now + %" PRId64 " ns\n", grant->denied_by, grant->retry_after_ns);
}

static void explain(const Evloop__LimiterInfo *info, const Evloop__Grant *grant, uint64_t cost) {
	const Evloop__LimiterBasis none = EVLOOP__LIMITER_BASIS__INIT, *basis = grant->basis ? grant->basis : &none;
	int64_t hold_ns = MAX(basis->hold_until_ns - grant->now_ns, 0), rules_ns = 0;
	uint64_t now = 16 * (uint64_t)grant->now_ns;
	char text[DEFINITION_TEXT_MAX];

	line("limit", definition_text(info->spec, text));
	printf("%-12s %" PRId64 " ns of boottime = %" PRIu64 " ticks of 1/16 ns\n", "now", grant->now_ns, now);
	line_number("cost", cost);
	for (size_t i = 0; i < MIN(info->spec->n_rules, basis->n_tat); i++) {
		int64_t rule_ns = explain_rule(info->spec->rules[i], i, (uint64_t)basis->tat[i], now, cost);

		rules_ns = MAX(rules_ns, rule_ns);
	}
	if (hold_ns > 0)
		printf("%-12s until now + %" PRId64 " ns\n", "hold", hold_ns);
	line_number("waiting", info->waiting);
	if (grant->remaining == UINT64_MAX)
		line("remaining", "unlimited");
	else
		line_number("remaining", grant->remaining);
	explain_decision(info, grant, rules_ns, hold_ns);
}

static int run_explain(const struct invocation *inv, struct order *order) {
	_cleanup_message_ ProtobufCMessage *reply = NULL, *answer = NULL;
	const Evloop__LimiterInfo *info;
	int status = request_grant(inv, order, "explain", EVLOOP__METHOD__METHOD_LIMITER_PEEK, order->cost, &answer);

	if (status != 0)
		return status;
	status = limiter_get(order->evl, inv->argv[1], &reply);
	if (status != 0)
		return status;
	info = ((const Evloop__LimiterListReply *)reply)->limiters[0];
	if (inv->json)
		return json_print(json_pack("{s:o,s:o}", "limiter", json_of_message(&info->base), "grant",
					    json_of_message(answer)))
			       ? 0
			       : 1;
	explain(info, (const Evloop__Grant *)answer, order->cost);
	return text_flush() ? 0 : 1;
}

/* ---- the verb ---- */

static const struct {
	const char *name, *alias;
	action run;
	unsigned uses; /* of enum use */
} actions[] = {
	{ "list", "ls", run_list, 0 },
	{ "show", NULL, run_show, 0 },
	{ "set", NULL, run_set, USE_DEFINITION },
	{ "reset", NULL, run_reset, USE_KEY },
	{ "peek", NULL, run_peek, USE_KEY | USE_COST },
	{ "refund", NULL, run_refund, USE_KEY | USE_COST },
	{ "charge", NULL, run_charge, USE_KEY | USE_COST },
	{ "hold", NULL, run_hold, USE_KEY },
	{ "holders", NULL, run_holders, 0 },
	{ "remove", "rm", run_remove, 0 },
	{ "explain", NULL, run_explain, USE_KEY | USE_COST },
};

/* What is not used is not asked for, either: who gives it expects something else. */
static int check_use(const struct invocation *inv, const struct order *order, const char *word, unsigned uses) {
	unsigned unused = order->given & ~uses;

	if (unused & USE_KEY)
		return complain_usage(inv, "%s: --key is not for this", word);
	if (unused & USE_COST)
		return complain_usage(inv, "%s: -n is not for this", word);
	if (unused & USE_DEFINITION)
		return complain_usage(inv, "%s: what defines a limiter is for 'limiter set'", word);
	return 0;
}

static int take_option(const struct invocation *inv, struct order *order, int option) {
	switch (option) {
	case OPTION_KEY:
		order->given |= USE_KEY;
		order->key = optarg;
		return key_check(inv, optarg);
	case OPTION_KEYED:
		order->given |= USE_DEFINITION;
		order->definition.spec.keyed = true;
		return 0;
	case 'n':
		order->given |= USE_COST;
		return option_number(inv, "-n", optarg, &order->cost);
	default:
		order->given |= USE_DEFINITION;
		return definition_take(inv, &order->definition, option, optarg);
	}
}

static int run(struct invocation *inv) {
	static const struct option options[] = {
		{ "key", required_argument, NULL, OPTION_KEY },
		{ "keyed", no_argument, NULL, OPTION_KEYED },
		DEFINITION_OPTIONS,
		OPTIONS_COMMON,
	};
	struct order order = { .cost = 1 };
	const char *word;
	int option, r = 0;

	definition_init(&order.definition);
	while (r == 0 && (option = options_next(inv, "n:", options)) > 0)
		r = take_option(inv, &order, option);
	if (r != 0 || option < 0)
		return r != 0 ? r : inv->status;
	if (inv->argc < 2)
		return complain_usage(inv, "what about limiters? see 'evloop limiter --help'");
	word = inv->argv[1];
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (strcmp(actions[i].name, word) != 0 && !(actions[i].alias && strcmp(actions[i].alias, word) == 0))
			continue;
		options_skip(inv, 1);
		order.takes_cost = actions[i].uses & USE_COST;
		r = check_use(inv, &order, word, actions[i].uses);
		if (r == 0)
			r = daemon_connect(inv, &order.evl);
		if (r == 0)
			r = actions[i].run(inv, &order);
		evl_close(order.evl);
		return r;
	}
	return complain_usage(inv, "'%s' cannot be done with limiters; see 'evloop limiter --help'", word);
}

const struct verb verb_limiter = {
	.name = "limiter",
	.summary = "look at limiters, and change them",
	.usage = "ACTION [OPTION]... [NAME]",
	.help = "  list ['GLOB*']...    a table of limiters; with --json an array\n"
		"  show NAME            all that is known of it\n"
		"  set NAME             make it, or change it: what is taken stays taken\n"
		"  reset NAME           make it full, and end a hold\n"
		"  peek NAME            what would be said to who asks now\n"
		"  refund NAME          give tokens back, never beyond full\n"
		"  charge NAME          take tokens that may not be there, see --max-debt\n"
		"  hold NAME DUR        grant nothing for that time\n"
		"  holders NAME         who holds places, and who waits; with --json an array\n"
		"  remove NAME          forget it; who waits is told\n"
		"  explain NAME         the numbers behind a decision\n"
		"\n"
		"Where reset, refund and charge have been done they say how it stands now:\n"
		"done remaining=3 retry_after=0.000000000\n"
		"\n"
		"  --key KEY            of a limiter with keys\n"
		"  -n COST              so many (1)\n"
		"  --keyed              set: every key has a rate, or places, of its own\n" DEFINITION_HELP,
	.takes_duration = true,
	.run = run,
};
