/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the options that define a limiter, and the words for limiters and their answers. */

#include "client/cli/limiter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/daemon.h"
#include "client/cli/error.h"
#include "client/cli/json.h"
#include "client/cli/spec.h"
#include "client/cli/text.h"
#include "proto/gcra.h"
#include "proto/rate.h"

void definition_init(struct definition *definition) {
	*definition = (struct definition){ 0 };
	evloop__limiter_spec__init(&definition->spec);
	definition->spec.rules = definition->pointers;
}

static int take_rate(const struct invocation *inv, struct definition *definition, const char *value) {
	size_t n = definition->spec.n_rules;
	const char *wrong;
	struct rate rate;

	wrong = rate_parse(value, &rate);
	if (wrong)
		return complain_value(inv, "--rate '%s': %s", value, wrong);
	definition->given = true;
	if (rate.tokens == 0) {
		definition->unlimited = true;
		return 0;
	}
	if (n == LIMITER_RULES_MAX)
		return complain_usage(inv, "--rate may be given %d times", LIMITER_RULES_MAX);
	evloop__limiter_rule__init(&definition->rules[n]);
	definition->rules[n].tokens = rate.tokens;
	definition->rules[n].period_ns = rate.period_ns;
	definition->pointers[n] = &definition->rules[n];
	definition->rates[n] = value;
	definition->spec.n_rules = n + 1;
	return 0;
}

static int take_burst(const struct invocation *inv, struct definition *definition, const char *value) {
	size_t n = definition->spec.n_rules;

	if (n == 0)
		return complain_usage(inv, "--burst belongs behind a --rate");
	return option_number(inv, "--burst", value, &definition->rules[n - 1].burst);
}

static int take_max_keys(const struct invocation *inv, struct definition *definition, const char *value) {
	int r = option_number(inv, "--max-keys", value, &definition->spec.max_keys);

	definition->refined = true;
	if (r == 0 && definition->spec.max_keys > LIMITER_KEYS_MAX)
		return complain_value(inv, "--max-keys '%s': %d is the most", value, LIMITER_KEYS_MAX);
	return r;
}

int definition_take(const struct invocation *inv, struct definition *definition, int option, const char *value) {
	static const char *const on_full[] = { "shared", "deny", NULL };
	int word = 0, r;

	switch (option) {
	case OPTION_RATE:
		return take_rate(inv, definition, value);
	case OPTION_BURST:
		return take_burst(inv, definition, value);
	case OPTION_CONCURRENCY:
		definition->given = true;
		definition->spec.kind = EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY;
		return option_number(inv, "--concurrency", value, &definition->spec.concurrency);
	case OPTION_MAX_KEYS:
		return take_max_keys(inv, definition, value);
	case OPTION_ON_FULL:
		definition->refined = true;
		r = option_word(inv, "--on-full", value, on_full, &word);
		definition->spec.deny_when_full = word == 1;
		return r;
	case OPTION_MAX_WAITERS:
		definition->refined = true;
		return option_number(inv, "--max-waiters", value, &definition->spec.max_waiters);
	default:
		definition->refined = true;
		return option_number(inv, "--max-debt", value, &definition->spec.max_debt);
	}
}

/* Can the daemon count so far?  It would say so itself, but not in the words of the command line. */
static int check_rules(const struct invocation *inv, const struct definition *definition) {
	for (size_t i = 0; i < definition->spec.n_rules; i++) {
		const Evloop__LimiterRule *rule = &definition->rules[i];
		uint64_t burst = spec_burst(rule);
		struct gcra_rule gcra;

		if (gcra_rule_init(&gcra, rule->tokens, rule->period_ns, burst) == 0)
			continue;
		return complain_value(inv, "--rate '%s': a %s of %" PRIu64 " takes more than 4.5 years to come",
				      definition->rates[i], rule->burst > 0 ? "--burst" : "burst", burst);
	}
	return 0;
}

int definition_check(const struct invocation *inv, const struct definition *definition) {
	const Evloop__LimiterSpec *spec = &definition->spec;

	if (definition->refined && !definition->given)
		return complain_usage(
			inv, "--max-keys, --on-full, --max-waiters and --max-debt go with --rate or --concurrency");
	if (spec->concurrency > 0 && (spec->n_rules > 0 || definition->unlimited))
		return complain_usage(
			inv, "--rate and --concurrency exclude each other: two limiters can be combined by --also");
	if (definition->unlimited && spec->n_rules > 0)
		return complain_usage(inv, "--rate unlimited and another rate exclude each other");
	if (spec->concurrency > 0 && spec->max_debt > 0)
		return complain_usage(inv, "--max-debt is for rates");
	return check_rules(inv, definition);
}

int definition_check_cost(const struct invocation *inv, const struct definition *definition, uint64_t cost) {
	const Evloop__LimiterSpec *spec = &definition->spec;
	size_t i;

	if (spec_fits(spec, cost, &i))
		return 0;
	if (spec->n_rules == 0)
		return complain_value(inv, "-n %" PRIu64 " is more than --concurrency %" PRIu64, cost,
				      spec->concurrency);
	return complain_value(inv, "-n %" PRIu64 " is more than --rate '%s' grants at one instant, a %s of %" PRIu64,
			      cost, definition->rates[i], spec->rules[i]->burst > 0 ? "--burst" : "burst",
			      spec_burst(spec->rules[i]));
}

int key_check(const struct invocation *inv, const char *key) {
	if (key[0] == '\0')
		return complain_usage(inv, "--key '' is no key");
	if (strlen(key) > LIMITER_KEY_MAX)
		return complain_value(inv, "--key '%.40s...' is longer than %d bytes", key, LIMITER_KEY_MAX);
	return 0;
}

const char *definition_text(const Evloop__LimiterSpec *spec, char buffer[DEFINITION_TEXT_MAX]) {
	size_t n = 0;

	if (spec->kind == EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY)
		n = (size_t)snprintf(buffer, DEFINITION_TEXT_MAX, "%" PRIu64 " %s", spec->concurrency,
				     spec->concurrency == 1 ? "place" : "places");
	else if (spec->n_rules == 0)
		n = (size_t)snprintf(buffer, DEFINITION_TEXT_MAX, "unlimited");
	for (size_t i = 0; i < spec->n_rules && n < DEFINITION_TEXT_MAX; i++) {
		struct rate rate = { spec->rules[i]->tokens, spec->rules[i]->period_ns };
		char text[RATE_TEXT_MAX];

		rate_format(&rate, text);
		n += (size_t)snprintf(buffer + n, DEFINITION_TEXT_MAX - n, "%s%s burst %" PRIu64, i > 0 ? ", " : "",
				      text, spec->rules[i]->burst);
	}
	if (spec->keyed && n < DEFINITION_TEXT_MAX)
		(void)snprintf(buffer + n, DEFINITION_TEXT_MAX - n, ", per key");
	return buffer;
}

int grant_print(const struct invocation *inv, const char *done, const Evloop__Grant *grant) {
	char seconds[SECONDS_MAX], remaining[24] = "unlimited";

	if (inv->json)
		return json_print_message(&grant->base) ? 0 : 1;
	if (grant->remaining != UINT64_MAX)
		(void)snprintf(remaining, sizeof(remaining), "%" PRIu64, grant->remaining);
	printf("%s remaining=%s retry_after=%s\n",
	       done[0]          ? done
	       : grant->allowed ? "allowed"
				: "denied",
	       remaining, text_seconds(grant->retry_after_ns, seconds));
	return text_flush() ? 0 : 1;
}

int limiter_get(struct evl *evl, const char *name, ProtobufCMessage **ret) {
	Evloop__LimiterListRequest request = EVLOOP__LIMITER_LIST_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	int r;

	target.name = (char *)name;
	request.target = &target;
	r = evl_call(evl, EVLOOP__METHOD__METHOD_LIMITER_LIST, &request.base, ret);
	return r < 0 ? complain_call(evl, r, NULL) : 0;
}
