/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what a file.limit may say.  Knows neither where such files are nor what becomes of their limiters. */

#include "daemon/svc/limit-file.h"

#include <inttypes.h>
#include <string.h>

#include "proto/gcra.h"
#include "proto/rate.h"

/* A rule: that of [Limiter] has the name "". */
struct rule {
	char name[CONFIG_SECTION_MAX + 1];
	uint64_t burst;
	struct rate rate;
	bool has_rate;
	const char *rate_path; /* where that is */
	int rate_line;
	const char *path; /* where it was last mentioned */
	int line;
};

struct parser {
	struct config_parser config;
	struct limiter_spec *spec;
	struct rule rules[LIMITER_RULES_MAX];
	unsigned n_rules;
	bool has_concurrency, has_debt;
	/* The last key that says nothing without Keyed=yes, NULL: none; and where it is. */
	const char *keyed_key, *keyed_path;
	int keyed_line;
};

static struct parser *parser_of(struct config_parser *config) {
	return container_of(config, struct parser, config);
}

/* ---- values: each takes one into its place, or fails with what would have been right ---- */

/* A limiter has places or a rate, and not both. */
static bool exclude(struct config_parser *config, const char *key, bool given, const char *other) {
	return !given || config_fail(config, "%s= cannot be used together with %s=", key, other);
}

static bool take_concurrency(struct config_parser *config, const char *key, const char *value) {
	const struct parser *parser = parser_of(config);

	if (!exclude(config, key, parser->n_rules > 0, parser->rules[0].has_rate ? "Rate" : "Burst") ||
	    !exclude(config, key, parser->has_debt, "MaxDebt"))
		return false;
	parser_of(config)->has_concurrency = true;
	return config_take_count(config, key, value, UINT64_MAX, &parser_of(config)->spec->concurrency);
}

static bool take_max_debt(struct config_parser *config, const char *key, const char *value) {
	if (!exclude(config, key, parser_of(config)->has_concurrency, "Concurrency"))
		return false;
	parser_of(config)->has_debt = true;
	return config_take_count(config, key, value, UINT64_MAX, &parser_of(config)->spec->rules.max_debt);
}

static bool take_keyed(struct config_parser *config, const char *key, const char *value) {
	return config_take_yes(config, key, value, &parser_of(config)->spec->keyed);
}

static void note_keyed(struct config_parser *config, const char *key) {
	struct parser *parser = parser_of(config);

	parser->keyed_key = strcmp(key, "MaxKeys") == 0 ? "MaxKeys" : "OnFull"; /* `key` is gone with its line */
	parser->keyed_path = config->path;
	parser->keyed_line = config->line;
}

static bool take_max_keys(struct config_parser *config, const char *key, const char *value) {
	note_keyed(config, key);
	return config_take_count(config, key, value, LIMITER_KEYS_MAX, &parser_of(config)->spec->max_keys);
}

static bool take_on_full(struct config_parser *config, const char *key, const char *value) {
	note_keyed(config, key);
	parser_of(config)->spec->deny_when_full = strcmp(value, "deny") == 0;
	if (strcmp(value, "deny") != 0 && strcmp(value, "shared") != 0)
		return config_fail(config, "%s=%s: shared or deny is expected", key, value);
	return true;
}

static bool take_max_waiters(struct config_parser *config, const char *key, const char *value) {
	return config_take_count(config, key, value, UINT64_MAX, &parser_of(config)->spec->max_waiters);
}

/* ---- lines ---- */

static const struct {
	const char *key;
	bool (*take)(struct config_parser *config, const char *key, const char *value);
} limiter_keys_table[] = {
	{ "Name", config_take_name },       { "Concurrency", take_concurrency },
	{ "MaxDebt", take_max_debt },       { "Keyed", take_keyed },
	{ "MaxKeys", take_max_keys },       { "OnFull", take_on_full },
	{ "MaxWaiters", take_max_waiters }, { "Owner", config_take_owner },
	{ "Group", config_take_group },     { "Mode", config_take_mode },
};

/* Return: the rule of that name, made if need be; NULL: there are too many. */
static struct rule *find_rule(struct parser *parser, const char *name) {
	struct rule *rule;
	unsigned i;

	for (i = 0; i < parser->n_rules && strcmp(parser->rules[i].name, name) != 0; i++)
		;
	if (i == LIMITER_RULES_MAX) {
		(void)config_fail(&parser->config, "there are more than %d rules", LIMITER_RULES_MAX);
		return NULL;
	}
	rule = &parser->rules[i];
	if (i == parser->n_rules) {
		parser->n_rules++;
		(void)snprintf(rule->name, sizeof(rule->name), "%s", name);
	}
	rule->path = parser->config.path;
	rule->line = parser->config.line;
	return rule;
}

static bool is_rule_key(const char *key) {
	return strcmp(key, "Rate") == 0 || strcmp(key, "Burst") == 0;
}

static bool take_rule(struct config_parser *config, const char *name, const char *key, const char *value) {
	const char *wrong;
	struct rule *rule;

	if (!exclude(config, key, parser_of(config)->has_concurrency, "Concurrency"))
		return false;
	rule = find_rule(parser_of(config), name);
	if (!rule)
		return false;
	if (strcmp(key, "Burst") == 0)
		return config_take_count(config, key, value, UINT64_MAX, &rule->burst);
	wrong = rate_parse(value, &rule->rate);
	if (wrong)
		return config_fail(config, "%s=%s: %s", key, value, wrong);
	/* On the command line several rates hold together: who means that shall not get the last one alone.
	 * A drop-in changes it. */
	if (rule->has_rate && rule->rate_path == config->path)
		return config_fail(
			config,
			"%s=%s: line %d has one already for this section; more rates go into sections [Rule NAME]", key,
			value, rule->rate_line);
	rule->has_rate = true;
	rule->rate_path = config->path;
	rule->rate_line = config->line;
	return true;
}

static bool take_limiter(struct config_parser *config, const char *key, const char *value) {
	if (is_rule_key(key))
		return take_rule(config, "", key, value);
	for (size_t i = 0; i < ARRAY_SIZE(limiter_keys_table); i++)
		if (strcmp(key, limiter_keys_table[i].key) == 0)
			return limiter_keys_table[i].take(config, key, value);
	return config_fail(config, "[Limiter] has no key %s", key);
}

static bool is_rule(const char *section) {
	return strncmp(section, "Rule ", 5) == 0 && section[5] != '\0';
}

static bool begin_section(struct config_parser *config, const char *section) {
	return strcmp(section, "Limiter") == 0 || is_rule(section) ||
	       config_fail(config, "there is no section [%s], but [Limiter] and [Rule NAME]", section);
}

static bool take_line(struct config_parser *config, const char *section, const char *key, const char *value) {
	if (strcmp(section, "Limiter") == 0)
		return take_limiter(config, key, value);
	if (!is_rule(section))
		return config_fail(config, "%s= is in no section [Limiter] or [Rule NAME]", key);
	if (!is_rule_key(key))
		return config_fail(config, "[%s] has no key %s, but Rate and Burst", section, key);
	return take_rule(config, section + 5, key, value);
}

/* ---- the whole ---- */

/* What follows is about what is there. */
static void blame(struct parser *parser, const char *path, int line) {
	parser->config.path = path;
	parser->config.line = line;
}

static bool finish_rates(struct parser *parser) {
	struct limiter_spec *spec = parser->spec;
	unsigned wrong;

	spec->kind = LIMITER_KIND_RATE;
	for (unsigned i = 0; i < parser->n_rules; i++) {
		const struct rule *rule = &parser->rules[i];

		blame(parser, rule->path, rule->line);
		if (!rule->has_rate)
			return config_fail(&parser->config, "Burst= is for a rate, and there is no Rate= with it");
		if (rule->rate.tokens == 0) {
			if (parser->n_rules > 1 || rule->burst > 0)
				return config_fail(&parser->config,
						   "Rate=unlimited has no burst, and no other rules beside it");
			return true;
		}
		spec->rates[i] = (struct limiter_rate){ rule->rate.tokens, rule->rate.period_ns, rule->burst };
		spec->n_rates = i + 1;
	}
	if (limiter_spec_check(spec, &wrong) == 0)
		return true;
	blame(parser, parser->rules[wrong].path, parser->rules[wrong].line);
	return config_fail(&parser->config, "a burst of %" PRIu64 " at that rate takes more than 4.5 years to come",
			   spec->rates[wrong].burst);
}

/* What no line is to blame for alone. */
static bool finish(struct parser *parser) {
	struct limiter_spec *spec = parser->spec;

	if (parser->n_rules == 0 && !parser->has_concurrency)
		return config_fail(&parser->config, "neither Rate= nor Concurrency= is given");
	if (!spec->keyed && parser->keyed_key) {
		blame(parser, parser->keyed_path, parser->keyed_line);
		return config_fail(&parser->config, "%s= is for limiters with Keyed=yes", parser->keyed_key);
	}
	spec->name = parser->config.definition->name;
	if (!parser->has_concurrency)
		return finish_rates(parser);
	spec->kind = LIMITER_KIND_CONCURRENCY;
	return true;
}

static int limit_file_read(const struct config_source *source, struct definition **ret,
			   char error[static CONFIG_ERROR_MAX]) {
	struct limit_definition *limit = calloc(1, sizeof(*limit));
	struct parser parser = { .config = {
					 .begin = begin_section, .take = take_line, .bits = "read (4) and take (2)", }, };
	int r;

	if (!limit)
		return -ENOMEM;
	parser.spec = &limit->spec;
	limit->spec.max_keys = LIMITER_KEYS_DEFAULT;
	limit->spec.max_waiters = LIMITER_WAITERS_DEFAULT;
	r = config_parse(&parser.config, source, &limit->definition, error);
	if (r == 0 && !finish(&parser))
		r = CONFIG_E_INVALID;
	if (r != 0)
		definition_free(&limit->definition);
	else
		*ret = &limit->definition;
	return r;
}

const struct config_kind limit_kind = { .folder = "limits.d", .suffix = ".limit", .read = limit_file_read };
