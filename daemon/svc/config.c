/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns which kinds of files there are. */

#include "daemon/svc/config.h"

#include "daemon/svc/config-paths.h"
#include "daemon/svc/limit-file.h"
#include "daemon/svc/limit-set.h"
#include "daemon/svc/topic-file.h"
#include "daemon/svc/topic-set.h"

int config_read(struct config *ret, const char *const *directories, size_t n, char error[static CONFIG_ERROR_MAX]) {
	struct config config = CONFIG_INIT;
	int r = config_set_read(&config.limits, &limit_kind, directories, n, error);

	if (r == 0)
		r = config_set_read(&config.topics, &topic_kind, directories, n, error);
	if (r == 0)
		*ret = config;
	else
		config_free(&config);
	return r;
}

void config_free(struct config *config) {
	config_set_free(&config->limits);
	config_set_free(&config->topics);
}

static void each_stray(const struct config_kind *kind, const char *const *directories, size_t n,
		       void (*found)(const char *path, const char *suffix)) {
	struct config_paths paths;
	int r = config_paths_find_strays(&paths, directories, n, kind->folder, kind->suffix);

	for (size_t i = 0; i < paths.n && r == 0; i++)
		found(paths.path[i], kind->suffix);
	config_paths_free(&paths);
}

void config_each_stray(const char *const *directories, size_t n, void (*found)(const char *path, const char *suffix)) {
	each_stray(&limit_kind, directories, n, found);
	each_stray(&topic_kind, directories, n, found);
}

int config_apply(const struct config *config, struct scheduler *scheduler) {
	int r = limit_set_apply(&config->limits, scheduler), s = topic_set_apply(&config->topics, scheduler);

	return r < 0 ? r : s;
}
