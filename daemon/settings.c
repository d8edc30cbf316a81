/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what evloopd.conf may say, and what is said where it says nothing.  How a file is read is svc/config-file.c's. */

#include "daemon/settings.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "proto/duration.h"

#define FILE_NAME "evloopd.conf"

struct parser {
	struct config_parser config;
	struct settings *settings;
};

/* ---- values ---- */

/* A number; bytes may be so many K, M or G. */
static bool take_limit(struct config_parser *config, const char *key, const char *value, uint64_t *ret) {
	static const char units[] = "KMG";
	bool bytes = strlen(key) >= 5 && strcmp(key + strlen(key) - 5, "Bytes") == 0;
	const char *unit;
	unsigned shift = 0;
	uint64_t n;
	char *end;

	if (strcmp(value, "infinity") == 0) {
		*ret = UINT64_MAX;
		return true;
	}
	errno = 0;
	n = strtoull(value, &end, 10);
	unit = bytes && *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (value[0] < '0' || value[0] > '9' || *end)
		return config_fail(config, "%s=%s: a whole number%s or infinity is expected", key, value,
				   bytes ? ", which may have K, M or G behind it," : "");
	if (errno != 0 || n > UINT64_MAX >> shift)
		return config_fail(config, "%s=%s: it is too large", key, value);
	*ret = n << shift;
	return true;
}

static bool take_exit_idle(struct config_parser *config, struct settings *settings, const char *key,
			   const char *value) {
	int r = duration_parse(value, &settings->exit_idle_ns);

	return r == 0 || config_fail(config, "%s=%s: %s", key, value, duration_error(r));
}

static bool take_log_level(struct config_parser *config, struct settings *settings, const char *key,
			   const char *value) {
	static const struct {
		const char *name;
		int level;
	} levels[] = {
		{ "err", LOG_ERR },   { "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
		{ "info", LOG_INFO }, { "debug", LOG_DEBUG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (strcmp(value, levels[i].name) == 0) {
			settings->log_level = levels[i].level;
			return true;
		}
	return config_fail(config, "%s=%s: err, warning, notice, info or debug is expected", key, value);
}

/* ---- lines ---- */

static const struct {
	const char *key;
	bool (*take)(struct config_parser *config, struct settings *settings, const char *key, const char *value);
} daemon_keys_table[] = {
	{ "ExitIdleSec", take_exit_idle },
	{ "LogLevel", take_log_level },
};

static bool take_daemon(struct parser *parser, const char *key, const char *value) {
	for (size_t i = 0; i < ARRAY_SIZE(daemon_keys_table); i++)
		if (strcmp(key, daemon_keys_table[i].key) == 0)
			return daemon_keys_table[i].take(&parser->config, parser->settings, key, value);
	return config_fail(&parser->config, "[Daemon] has no key %s", key);
}

static bool begin_section(struct config_parser *config, const char *section) {
	return strcmp(section, "Daemon") == 0 || strcmp(section, "Limits") == 0 || strcmp(section, "Pool") == 0 ||
	       config_fail(config, "there is no section [%s], but [Daemon], [Limits] and [Pool]", section);
}

static bool take_line(struct config_parser *config, const char *section, const char *key, const char *value) {
	struct parser *parser = container_of(config, struct parser, config);
	bool pool = strcmp(section, "Pool") == 0;
	enum quota_limit limit;
	uint64_t *n;

	if (strcmp(section, "Daemon") == 0)
		return take_daemon(parser, key, value);
	if (!pool && strcmp(section, "Limits") != 0)
		return config_fail(config, "%s= is in no section [Daemon], [Limits] or [Pool]", key);
	limit = quota_find_key(key);
	if (limit == QUOTA_MAX || (pool && !quota_has_pool(limit)))
		return config_fail(config, "[%s] has no key %s", section, key);
	n = pool ? &parser->settings->quota.pools[limit] : &parser->settings->quota.limits[limit];
	if (!take_limit(config, key, value, n))
		return false;
	/* Not even whoever wants to have it read again; of a pool, one uid gets half of what is left. */
	return limit != QUOTA_SESSIONS || *n >= (pool ? 2 : 1) ||
	       config_fail(config, "%s=%s: nobody could connect", key, value);
}

/* ---- files ---- */

int settings_stat_directory(const struct settings_source *source, struct stat *ret,
			    char error[static CONFIG_ERROR_MAX]) {
	*ret = (struct stat){ 0 };
	if (!source->given || stat(source->directories[0], ret) == 0)
		return 0;
	(void)snprintf(error, CONFIG_ERROR_MAX, "%s: %s", source->directories[0], strerror(errno));
	return CONFIG_E_IO;
}

int settings_paths(const struct settings_source *source, struct config_paths *ret,
		   char error[static CONFIG_ERROR_MAX]) {
	_cleanup_free_ char *main_path = NULL;
	struct config_paths drop_ins;
	struct stat st;
	int r;

	*ret = (struct config_paths){ 0 };
	r = settings_stat_directory(source, &st, error);
	if (r != 0)
		return r;
	r = config_paths_find(&drop_ins, source->directories, source->n_directories, FILE_NAME ".d", ".conf", error);
	if (r == 0)
		r = config_path_of(&main_path, source->directories, source->n_directories, FILE_NAME);
	if (r == 0 && main_path)
		r = config_paths_append(ret, main_path);
	for (size_t i = 0; i < drop_ins.n && r == 0; i++)
		r = config_paths_append(ret, drop_ins.path[i]);
	if (r == 0 && source->credential && access(source->credential, F_OK) == 0)
		r = config_paths_append(ret, source->credential);
	config_paths_free(&drop_ins);
	return r;
}

static void set_defaults(struct settings *settings, const struct settings_source *source) {
	quota_init(&settings->quota, source->system);
	settings->exit_idle_ns = source->default_exit_idle_ns;
	settings->log_level = LOG_NOTICE;
}

static void override(struct settings *settings, const struct settings_source *source) {
	for (size_t i = 0; i < source->n_limits; i++)
		(void)quota_set(&settings->quota, source->limits[i]);
	if (source->exit_idle_ns >= 0)
		settings->exit_idle_ns = source->exit_idle_ns;
	if (source->log_level >= 0)
		settings->log_level = source->log_level;
}

int settings_read(const struct settings_source *source, struct settings *ret, char error[static CONFIG_ERROR_MAX]) {
	struct settings settings;
	struct parser parser = { .config = { .begin = begin_section, .take = take_line, .error = error },
				 .settings = &settings };
	struct config_paths paths;
	int r;

	error[0] = '\0';
	set_defaults(&settings, source);
	r = settings_paths(source, &paths, error);
	for (size_t i = 0; i < paths.n && r == 0; i++) {
		r = config_read_file(&parser.config, paths.path[i]);
		if (r == CONFIG_E_MASKED)
			r = 0;
	}
	config_paths_free(&paths);
	if (r != 0)
		return r;
	override(&settings, source);
	*ret = settings;
	return 0;
}

/* ---- as text ---- */

/* Return: 0, or a positive errno. */
static int copy_lines(const char *path) {
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int r;

	if (!file)
		return errno;
	while (errno = 0, (n = getline(&line, &size, file)) > 0)
		if (fwrite(line, 1, (size_t)n, stdout) == (size_t)n && line[n - 1] != '\n')
			(void)putchar('\n');
	r = ferror(file) ? errno : 0;
	free(line);
	(void)fclose(file);
	return r;
}

int settings_print(const struct settings_source *source, char error[static CONFIG_ERROR_MAX]) {
	_cleanup_free_ char *main_path = NULL;
	struct config_paths paths;
	int r = settings_paths(source, &paths, error);

	if (r == 0)
		r = config_path_of(&main_path, source->directories, source->n_directories, FILE_NAME);
	if (r == 0 && !main_path)
		(void)puts("# Main configuration file evloopd/" FILE_NAME " not found");
	for (size_t i = 0; i < paths.n && r == 0; i++) {
		int wrong;

		printf("%s# %s\n", i > 0 ? "\n" : "", paths.path[i]);
		wrong = copy_lines(paths.path[i]);
		if (wrong) {
			(void)snprintf(error, CONFIG_ERROR_MAX, "%s: %s", paths.path[i], strerror(wrong));
			r = wrong == EIO ? CONFIG_E_IO : CONFIG_E_INVALID;
		}
	}
	config_paths_free(&paths);
	return r;
}
