/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what a file.limit may say, and how it is told what is wrong in it: the first mistake, by file and line.  Knows neither where
 * such files are nor what becomes of their limiters.
 */

#include "daemon/svc/limit-file.h"

#include <ctype.h>
#include <fcntl.h>
#include <grp.h>
#include <ini.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "proto/gcra.h"
#include "proto/name.h"
#include "proto/rate.h"

#define SECTION_LENGTH_MAX 49 /* what inih keeps of it */
#define DATABASE_BUFFER 16384 /* for an entry of the user database */

/* A rule: that of [Limiter] has the name "". */
struct rule {
	char name[SECTION_LENGTH_MAX + 1];
	uint64_t burst;
	struct rate rate;
	bool has_rate;
	const char *path; /* where it was last mentioned */
	int line;
};

struct parser {
	struct limit_definition *definition;
	char *error; /* "": none yet */
	FILE *file; /* that is being read */
	const char *path;
	int line, error_line;
	struct rule rules[LIMITER_RULES_MAX];
	unsigned n_rules;
	bool has_concurrency, has_keys, has_on_full, has_debt;
};

/* Return: false, always. */
static bool _printf_(2, 3) fail(struct parser *parser, const char *format, ...) {
	va_list arguments;
	int n;

	if (parser->error[0])
		return false;
	parser->error_line = parser->line;
	n = parser->line > 0 ? snprintf(parser->error, LIMIT_ERROR_MAX, "%s:%d: ", parser->path, parser->line)
			     : snprintf(parser->error, LIMIT_ERROR_MAX, "%s: ", parser->path);
	if (n < LIMIT_ERROR_MAX) {
		va_start(arguments, format);
		(void)vsnprintf(parser->error + n, (size_t)(LIMIT_ERROR_MAX - n), format, arguments);
		va_end(arguments);
	}
	return false;
}

/* ---- values: each takes one into its place, or fails with what would have been right ---- */

static bool take_count(struct parser *parser, const char *key, const char *value, uint64_t most, uint64_t *ret) {
	char *end;

	errno = 0;
	*ret = strtoull(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end)
		return fail(parser, "%s=%s: a whole number is expected", key, value);
	if (errno != 0 || *ret < 1 || *ret > most)
		return fail(parser, "%s=%s: it is to be between 1 and %" PRIu64, key, value, most);
	return true;
}

static bool take_yes(struct parser *parser, const char *key, const char *value, bool *ret) {
	static const char *const yes[] = { "yes", "true", "on", "1" }, *const no[] = { "no", "false", "off", "0" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		*ret = strcasecmp(value, yes[i]) == 0;
		if (*ret || strcasecmp(value, no[i]) == 0)
			return true;
	}
	return fail(parser, "%s=%s: yes or no is expected", key, value);
}

/* An id as a number.  Return: it is one. */
static bool is_id(const char *value, uint32_t *ret) {
	char *end;
	unsigned long long id;

	if (value[0] < '0' || value[0] > '9')
		return false;
	errno = 0;
	id = strtoull(value, &end, 10);
	*ret = (uint32_t)id;
	return !*end && errno == 0 && id < UINT32_MAX;
}

static bool take_name(struct parser *parser, const char *key, const char *value) {
	const char *wrong = name_error(value);

	if (wrong)
		return fail(parser, "%s=%s: the name %s", key, value, wrong);
	(void)snprintf(parser->definition->name, sizeof(parser->definition->name), "%s", value);
	return true;
}

static bool take_concurrency(struct parser *parser, const char *key, const char *value) {
	parser->has_concurrency = true;
	return take_count(parser, key, value, UINT64_MAX, &parser->definition->spec.concurrency);
}

static bool take_max_debt(struct parser *parser, const char *key, const char *value) {
	parser->has_debt = true;
	return take_count(parser, key, value, UINT64_MAX, &parser->definition->spec.rules.max_debt);
}

static bool take_keyed(struct parser *parser, const char *key, const char *value) {
	return take_yes(parser, key, value, &parser->definition->spec.keyed);
}

static bool take_max_keys(struct parser *parser, const char *key, const char *value) {
	parser->has_keys = true;
	return take_count(parser, key, value, LIMITER_KEYS_MAX, &parser->definition->spec.max_keys);
}

static bool take_on_full(struct parser *parser, const char *key, const char *value) {
	parser->has_on_full = true;
	parser->definition->spec.deny_when_full = strcmp(value, "deny") == 0;
	if (strcmp(value, "deny") != 0 && strcmp(value, "shared") != 0)
		return fail(parser, "%s=%s: shared or deny is expected", key, value);
	return true;
}

static bool take_max_waiters(struct parser *parser, const char *key, const char *value) {
	return take_count(parser, key, value, UINT64_MAX, &parser->definition->spec.max_waiters);
}

static bool take_owner(struct parser *parser, const char *key, const char *value) {
	char buffer[DATABASE_BUFFER];
	struct passwd entry, *found = NULL;
	int r;

	if (is_id(value, &parser->definition->access.owner))
		return true;
	r = getpwnam_r(value, &entry, buffer, sizeof(buffer), &found);
	if (!found)
		return fail(parser, "%s=%s: %s", key, value, r ? strerror(r) : "there is no such user");
	parser->definition->access.owner = found->pw_uid;
	return true;
}

static bool take_group(struct parser *parser, const char *key, const char *value) {
	char buffer[DATABASE_BUFFER];
	struct group entry, *found = NULL;
	int r;

	if (is_id(value, &parser->definition->access.group))
		return true;
	r = getgrnam_r(value, &entry, buffer, sizeof(buffer), &found);
	if (!found)
		return fail(parser, "%s=%s: %s", key, value, r ? strerror(r) : "there is no such group");
	parser->definition->access.group = found->gr_gid;
	return true;
}

static bool take_mode(struct parser *parser, const char *key, const char *value) {
	char *end;
	unsigned long mode = strtoul(value, &end, 8);

	if (value[0] < '0' || value[0] > '7' || *end || (mode & ~0666UL) != 0)
		return fail(parser, "%s=%s: an octal mode made of read (4) and take (2) is expected, as 0660", key,
			    value);
	parser->definition->access.mode = (mode_t)mode;
	return true;
}

/* ---- lines ---- */

static const struct {
	const char *key;
	bool (*take)(struct parser *parser, const char *key, const char *value);
} limiter_keys_table[] = {
	{ "Name", take_name },
	{ "Concurrency", take_concurrency },
	{ "MaxDebt", take_max_debt },
	{ "Keyed", take_keyed },
	{ "MaxKeys", take_max_keys },
	{ "OnFull", take_on_full },
	{ "MaxWaiters", take_max_waiters },
	{ "Owner", take_owner },
	{ "Group", take_group },
	{ "Mode", take_mode },
};

/* Return: the rule of that name, made if need be; NULL: there are too many. */
static struct rule *find_rule(struct parser *parser, const char *name) {
	struct rule *rule;
	unsigned i;

	for (i = 0; i < parser->n_rules && strcmp(parser->rules[i].name, name) != 0; i++)
		;
	if (i == LIMITER_RULES_MAX) {
		(void)fail(parser, "there are more than %d rules", LIMITER_RULES_MAX);
		return NULL;
	}
	rule = &parser->rules[i];
	if (i == parser->n_rules) {
		parser->n_rules++;
		(void)snprintf(rule->name, sizeof(rule->name), "%s", name);
	}
	rule->path = parser->path;
	rule->line = parser->line;
	return rule;
}

static bool is_rule_key(const char *key) {
	return strcmp(key, "Rate") == 0 || strcmp(key, "Burst") == 0;
}

static bool take_rule(struct parser *parser, const char *name, const char *key, const char *value) {
	struct rule *rule = find_rule(parser, name);
	const char *wrong;

	if (!rule)
		return false;
	if (strcmp(key, "Burst") == 0)
		return take_count(parser, key, value, UINT64_MAX, &rule->burst);
	wrong = rate_parse(value, &rule->rate);
	if (wrong)
		return fail(parser, "%s=%s: %s", key, value, wrong);
	rule->has_rate = true;
	return true;
}

static bool take_limiter(struct parser *parser, const char *key, const char *value) {
	if (is_rule_key(key))
		return take_rule(parser, "", key, value);
	for (size_t i = 0; i < ARRAY_SIZE(limiter_keys_table); i++)
		if (strcmp(key, limiter_keys_table[i].key) == 0)
			return limiter_keys_table[i].take(parser, key, value);
	return fail(parser, "[Limiter] has no key %s", key);
}

/* For inih.  Return: 0: it is wrong. */
static int take_line(void *userdata, const char *section, const char *key, const char *value) {
	struct parser *parser = userdata;

	if (parser->error[0])
		return 0;
	if (strcmp(section, "Limiter") == 0)
		return take_limiter(parser, key, value);
	if (strncmp(section, "Rule ", 5) != 0 || section[5] == '\0')
		return fail(parser, "%s= is in no section [Limiter] or [Rule NAME]", key);
	if (!is_rule_key(key))
		return fail(parser, "[%s] has no key %s, but Rate and Burst", section, key);
	return take_rule(parser, section + 5, key, value);
}

/* For inih, which would take an indented line for more of the value before, and a long one for two. */
static char *read_line(char *line, int size, void *userdata) {
	struct parser *parser = userdata;
	size_t n, blank;

	if (parser->error[0] || !fgets(line, size, parser->file))
		return NULL;
	parser->line++;
	n = strlen(line);
	if ((n == 0 || line[n - 1] != '\n') && !feof(parser->file)) {
		(void)fail(parser, "the line has more than %d bytes, or a NUL", size - 2);
		return NULL;
	}
	for (blank = 0; isspace((unsigned char)line[blank]); blank++)
		;
	memmove(line, line + blank, n - blank + 1);
	return line;
}

/* Return: 0, LIMIT_FILE_E_*, -ENOMEM. */
static int read_file(struct parser *parser, const char *path) {
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;
	struct stat st;

	parser->path = path;
	parser->line = 0;
	if (fd < 0 || fstat(fd, &st) < 0 || !(parser->file = fdopen(fd, "r"))) {
		(void)fail(parser, "%s", strerror(errno));
		(void)close_fd(fd);
		return LIMIT_FILE_E_INVALID;
	}
	if (S_ISCHR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_size == 0)) {
		(void)fclose(parser->file);
		return LIMIT_FILE_E_MASKED;
	}
	r = S_ISREG(st.st_mode) ? ini_parse_stream(read_line, parser, take_line, parser) : 0;
	if (!S_ISREG(st.st_mode))
		(void)fail(parser, "it is no regular file");
	else if (ferror(parser->file))
		(void)fail(parser, "%s", strerror(EIO));
	(void)fclose(parser->file);
	if (r < 0)
		return -ENOMEM;
	if (r > 0 && (!parser->error[0] || r < parser->error_line)) {
		parser->error[0] = '\0';
		parser->line = r;
		(void)fail(parser, "the line is neither a [Section] nor Key=Value");
	}
	return parser->error[0] ? LIMIT_FILE_E_INVALID : 0;
}

/* ---- the whole ---- */

static bool finish_rates(struct parser *parser) {
	struct limiter_spec *spec = &parser->definition->spec;
	unsigned wrong;

	spec->kind = LIMITER_KIND_RATE;
	for (unsigned i = 0; i < parser->n_rules; i++) {
		const struct rule *rule = &parser->rules[i];

		parser->path = rule->path;
		parser->line = rule->line;
		if (!rule->has_rate)
			return fail(parser, "Burst= is for a rate, and there is no Rate= with it");
		if (rule->rate.tokens == 0) {
			if (parser->n_rules > 1 || rule->burst > 0)
				return fail(parser, "Rate=unlimited has no burst, and no other rules beside it");
			return true;
		}
		spec->rates[i] = (struct limiter_rate){ rule->rate.tokens, rule->rate.period_ns, rule->burst };
		spec->n_rates = i + 1;
	}
	if (limiter_spec_check(spec, &wrong) == 0)
		return true;
	parser->path = parser->rules[wrong].path;
	parser->line = parser->rules[wrong].line;
	return fail(parser, "a burst of %" PRIu64 " at that rate takes more than 4.5 years to come",
		    spec->rates[wrong].burst);
}

/* What no line is to blame for alone. */
static bool finish(struct parser *parser, const char *path, const char *name) {
	struct limit_definition *definition = parser->definition;
	struct limiter_spec *spec = &definition->spec;

	parser->path = path;
	parser->line = 0;
	if (!definition->name[0] && !take_name(parser, "Name", name))
		return false;
	if (parser->n_rules == 0 && !parser->has_concurrency)
		return fail(parser, "neither Rate= nor Concurrency= is given");
	if (parser->has_concurrency && (parser->n_rules > 0 || parser->has_debt))
		return fail(parser, "Concurrency= has neither Rate=, Burst= nor MaxDebt= beside it");
	if (!spec->keyed && (parser->has_keys || parser->has_on_full))
		return fail(parser, "MaxKeys= and OnFull= are for limiters with Keyed=yes");
	spec->name = definition->name;
	if (!parser->has_concurrency)
		return finish_rates(parser);
	spec->kind = LIMITER_KIND_CONCURRENCY;
	return true;
}

int limit_file_read(const char *path, const char *name, char *const *drop_ins, size_t n_drop_ins,
		    struct limit_definition **ret, char error[static LIMIT_ERROR_MAX]) {
	struct limit_definition *definition = calloc(1, sizeof(*definition));
	struct parser parser = { .definition = definition, .error = error };
	int r;

	error[0] = '\0';
	if (!definition || !(definition->path = strdup(path))) {
		limit_definition_free(definition);
		return -ENOMEM;
	}
	definition->spec.max_keys = LIMITER_KEYS_DEFAULT;
	definition->spec.max_waiters = LIMITER_WAITERS_DEFAULT;
	definition->access = (struct limiter_access){ .owner = geteuid(), .group = getegid(), .mode = 0666 };
	r = read_file(&parser, path);
	for (size_t i = 0; i < n_drop_ins && r == 0; i++) {
		r = read_file(&parser, drop_ins[i]);
		if (r == LIMIT_FILE_E_MASKED)
			r = 0;
	}
	if (r == 0 && !finish(&parser, path, name))
		r = LIMIT_FILE_E_INVALID;
	if (r != 0)
		limit_definition_free(definition);
	else
		*ret = definition;
	return r;
}

struct limit_definition *limit_definition_free(struct limit_definition *definition) {
	if (definition)
		free(definition->path);
	free(definition);
	return NULL;
}
