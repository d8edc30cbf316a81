/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns where files of the configuration are found, which of them count, and that no two define the same.  What is in them is their kind's. */

#include "daemon/svc/config-set.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* ---- files ---- */

/* Paths, by the last part of their names; no two have the same. */
struct paths {
	char **path;
	size_t n;
};

static const char *last_part(const char *path) {
	return strrchr(path, '/') + 1;
}

static void paths_free(struct paths *paths) {
	for (size_t i = 0; i < paths->n; i++)
		free(paths->path[i]);
	free(paths->path);
}

static bool ends_in(const char *name, const char *suffix) {
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && name[0] != '.' && strcmp(name + n - m, suffix) == 0;
}

static int paths_add(struct paths *paths, const char *directory, const char *name) {
	char **grown = reallocarray(paths->path, paths->n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	paths->path = grown;
	for (size_t i = 0; i < paths->n; i++)
		if (strcmp(last_part(grown[i]), name) == 0)
			return 0;
	return asprintf(&grown[paths->n], "%s/%s", directory, name) < 0 ? -ENOMEM : (paths->n++, 0);
}

/* Add what ends in `suffix`, where no directory before has had one of its name.  Return: 0, −errno. */
static int scan(struct paths *paths, const char *directory, const char *suffix) {
	DIR *dir = opendir(directory);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	while (r == 0 && (errno = 0, entry = readdir(dir)))
		if (ends_in(entry->d_name, suffix))
			r = paths_add(paths, directory, entry->d_name);
	if (r == 0 && errno != 0)
		r = -errno;
	(void)closedir(dir);
	return r;
}

static int path_compare(const void *a, const void *b) {
	return strcmp(last_part(*(char *const *)a), last_part(*(char *const *)b));
}

/* Of all directories: DIRECTORY/FOLDER/WITHIN/…SUFFIX.  Return: 0, CONFIG_E_INVALID, -ENOMEM. */
static int find(struct paths *ret, const struct config_kind *kind, const char *const *directories, size_t n,
		const char *within, const char *suffix, char *error) {
	int r = 0;

	*ret = (struct paths){ 0 };
	for (size_t i = 0; i < n && r == 0; i++) {
		_cleanup_free_ char *directory = NULL;

		if (asprintf(&directory, "%s/%s%s%s", directories[i], kind->folder, *within ? "/" : "", within) < 0)
			return -ENOMEM;
		r = scan(ret, directory, suffix);
		if (r < 0 && r != -ENOMEM) {
			(void)snprintf(error, CONFIG_ERROR_MAX, "%s: %s", directory, strerror(-r));
			r = CONFIG_E_INVALID;
		}
	}
	if (ret->n > 1)
		qsort(ret->path, ret->n, sizeof(*ret->path), path_compare);
	return r;
}

/* ---- definitions ---- */

/* Return: as config_kind::read(). */
static int read_one(struct definition **ret, const struct config_kind *kind, const char *const *directories, size_t n,
		    const char *path, char *error) {
	_cleanup_free_ char *name = strdup(last_part(path)), *within = NULL;
	struct paths drop_ins = { 0 };
	int r;

	if (!name || asprintf(&within, "%s.d", name) < 0)
		return -ENOMEM;
	name[strlen(name) - strlen(kind->suffix)] = '\0';
	r = find(&drop_ins, kind, directories, n, within, ".conf", error);
	if (r == 0)
		r = kind->read(
			&(struct config_source){
				.path = path, .name = name, .drop_ins = drop_ins.path, .n_drop_ins = drop_ins.n },
			ret, error);
	paths_free(&drop_ins);
	return r;
}

struct definition *config_set_find(const struct config_set *set, const char *name) {
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->definitions[i]->name, name) == 0)
			return set->definitions[i];
	return NULL;
}

/* Return: 0, CONFIG_E_INVALID; the definition is taken over in any case. */
static int add(struct config_set *set, struct definition *definition, char *error) {
	const struct definition *other = config_set_find(set, definition->name);

	if (other) {
		(void)snprintf(error, CONFIG_ERROR_MAX, "%s: the name '%s' is that of %s already", definition->path,
			       definition->name, other->path);
		definition_free(definition);
		return CONFIG_E_INVALID;
	}
	set->definitions[set->n++] = definition;
	return 0;
}

int config_set_read(struct config_set *ret, const struct config_kind *kind, const char *const *directories, size_t n,
		    char error[static CONFIG_ERROR_MAX]) {
	struct config_set set = CONFIG_SET_INIT;
	struct paths paths;
	int r = find(&paths, kind, directories, n, "", kind->suffix, error);

	if (r == 0) {
		set.definitions = calloc(paths.n + 1, sizeof(*set.definitions));
		r = set.definitions ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < paths.n && r == 0; i++) {
		struct definition *definition;

		r = read_one(&definition, kind, directories, n, paths.path[i], error);
		if (r == 0)
			r = add(&set, definition, error);
		else if (r == CONFIG_E_MASKED)
			r = 0;
	}
	paths_free(&paths);
	if (r == 0)
		*ret = set;
	else
		config_set_free(&set);
	return r;
}

void config_set_free(struct config_set *set) {
	for (size_t i = 0; i < set->n; i++)
		definition_free(set->definitions[i]);
	free(set->definitions);
	*set = (struct config_set)CONFIG_SET_INIT;
}
