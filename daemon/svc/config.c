/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns which kinds of files there are. */

#include "daemon/svc/config.h"

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

int config_apply(const struct config *config, struct scheduler *scheduler) {
	int r = limit_set_apply(&config->limits, scheduler), s = topic_set_apply(&config->topics, scheduler);

	return r < 0 ? r : s;
}
