/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns that no two files of the configuration define the same.  Where they are found is config-paths.c's, what is in them their kind's. */

#include "daemon/svc/config-set.h"

#include <stdio.h>
#include <string.h>

#include "daemon/svc/config-paths.h"

/* ---- definitions ---- */

/* Return: as config_kind::read(). */
static int read_one(struct definition **ret, const struct config_kind *kind, const char *const *directories, size_t n,
		    const char *path, char *error) {
	_cleanup_free_ char *name = strdup(strrchr(path, '/') + 1), *folder = NULL;
	struct config_paths drop_ins = { 0 };
	int r;

	if (!name || asprintf(&folder, "%s/%s.d", kind->folder, name) < 0)
		return -ENOMEM;
	name[strlen(name) - strlen(kind->suffix)] = '\0';
	r = config_paths_find(&drop_ins, directories, n, folder, ".conf", error);
	if (r == 0)
		r = kind->read(
			&(struct config_source){
				.path = path, .name = name, .drop_ins = drop_ins.path, .n_drop_ins = drop_ins.n },
			ret, error);
	config_paths_free(&drop_ins);
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
	struct config_paths paths;
	int r = config_paths_find(&paths, directories, n, kind->folder, kind->suffix, error);

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
	config_paths_free(&paths);
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
