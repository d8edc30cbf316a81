/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns where configured limiters are found, and that the scheduler has just these.  What is in a file is limit-file.c's, and who may
 * use a limiter is asked elsewhere.
 */

#include "daemon/svc/limit-set.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/svc/log.h"

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

/* Of all directories: DIRECTORY/limits.d/WITHIN/…SUFFIX.  Return: 0, LIMIT_FILE_E_INVALID, -ENOMEM. */
static int find(struct paths *ret, const char *const *directories, size_t n, const char *within, const char *suffix,
		char *error) {
	int r = 0;

	*ret = (struct paths){ 0 };
	for (size_t i = 0; i < n && r == 0; i++) {
		_cleanup_free_ char *directory = NULL;

		if (asprintf(&directory, "%s/limits.d%s%s", directories[i], *within ? "/" : "", within) < 0)
			return -ENOMEM;
		r = scan(ret, directory, suffix);
		if (r < 0 && r != -ENOMEM) {
			(void)snprintf(error, LIMIT_ERROR_MAX, "%s: %s", directory, strerror(-r));
			r = LIMIT_FILE_E_INVALID;
		}
	}
	if (ret->n > 1)
		qsort(ret->path, ret->n, sizeof(*ret->path), path_compare);
	return r;
}

/* ---- definitions ---- */

static int read_one(struct limit_definition **ret, const char *const *directories, size_t n, const char *path,
		    char *error) {
	_cleanup_free_ char *name = strdup(last_part(path)), *within = NULL;
	struct paths drop_ins = { 0 };
	int r;

	if (!name || asprintf(&within, "%s.d", name) < 0)
		return -ENOMEM;
	name[strlen(name) - strlen(".limit")] = '\0';
	r = find(&drop_ins, directories, n, within, ".conf", error);
	if (r == 0)
		r = limit_file_read(path, name, drop_ins.path, drop_ins.n, ret, error);
	paths_free(&drop_ins);
	return r;
}

static struct limit_definition *find_definition(const struct limit_set *set, const char *name) {
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->definitions[i]->name, name) == 0)
			return set->definitions[i];
	return NULL;
}

/* Return: as limit_file_read(). */
static int add(struct limit_set *set, struct limit_definition *definition, char *error) {
	const struct limit_definition *other = find_definition(set, definition->name);

	if (other) {
		(void)snprintf(error, LIMIT_ERROR_MAX, "%s: the name '%s' is that of %s already", definition->path,
			       definition->name, other->path);
		limit_definition_free(definition);
		return LIMIT_FILE_E_INVALID;
	}
	set->definitions[set->n++] = definition;
	return 0;
}

int limit_set_read(struct limit_set *ret, const char *const *directories, size_t n,
		   char error[static LIMIT_ERROR_MAX]) {
	struct limit_set set = LIMIT_SET_INIT;
	struct paths paths;
	int r = find(&paths, directories, n, "", ".limit", error);

	if (r == 0) {
		set.definitions = calloc(paths.n + 1, sizeof(*set.definitions));
		r = set.definitions ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < paths.n && r == 0; i++) {
		struct limit_definition *definition;

		r = read_one(&definition, directories, n, paths.path[i], error);
		if (r == 0)
			r = add(&set, definition, error);
		else if (r == LIMIT_FILE_E_MASKED)
			r = 0;
	}
	paths_free(&paths);
	if (r == 0)
		*ret = set;
	else
		limit_set_free(&set);
	return r;
}

void limit_set_free(struct limit_set *set) {
	for (size_t i = 0; i < set->n; i++)
		limit_definition_free(set->definitions[i]);
	free(set->definitions);
	*set = (struct limit_set)LIMIT_SET_INIT;
}

/* ---- limiters ---- */

static void remove_others(const struct limit_set *set, struct tenant *tenant) {
	struct limiter *limiter;
	uint64_t after = 0;

	while ((limiter = limiter_next(tenant, after))) {
		after = limiter_id(limiter);
		if (!find_definition(set, limiter_spec(limiter)->name))
			limiter_remove(limiter);
	}
}

static int apply(const struct limit_definition *definition, struct tenant *tenant) {
	enum limiter_change change;
	struct limiter *limiter;
	int r = limiter_set(tenant, &definition->spec, LIMITER_MODE_PUT, &limiter, &change);

	if (r == LIMITER_E_KIND) {
		/* Another kind of thing under the old name: who waits for the old one waits in vain, and is told. */
		limiter_remove(limiter);
		r = limiter_set(tenant, &definition->spec, LIMITER_MODE_CREATE, &limiter, &change);
	}
	if (r == LIMITER_E_RANGE) {
		log_error("%s: what is taken of '%s' would be owed for more than 4.5 years: it stays as it was",
			  definition->path, definition->name);
		r = 0;
	}
	if (r == 0)
		limiter_set_access(limiter, &definition->access);
	return r;
}

int limit_set_apply(const struct limit_set *set, struct scheduler *scheduler) {
	struct tenant *tenant;
	int r = scheduler_tenant(scheduler, TENANT_OF_ALL, &tenant);

	if (r < 0)
		return r;
	remove_others(set, tenant);
	for (size_t i = 0; i < set->n && r == 0; i++)
		r = apply(set->definitions[i], tenant);
	tenant_unref(tenant);
	return r;
}
