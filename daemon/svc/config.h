/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The configuration: everything that files define, of each kind. */

#include "daemon/svc/config-set.h"

struct scheduler;

struct config {
	struct config_set limits; /* limit_kind */
	struct config_set topics; /* topic_kind */
};

#define CONFIG_INIT                                                                                                    \
	{ .limits = CONFIG_SET_INIT, .topics = CONFIG_SET_INIT }

/* Of these directories, the strongest first.  Not for the loop.  Return: as config_set_read(). */
int config_read(struct config *ret, const char *const *directories, size_t n, char error[static CONFIG_ERROR_MAX]);
void config_free(struct config *config);

/* For each file in their folders that is of no kind, by its name, and so is not read: `path`, and the `suffix` that it would need. */
void config_each_stray(const char *const *directories, size_t n, void (*found)(const char *path, const char *suffix));

/* It comes into force.  Return: 0, -ENOMEM: not all of it. */
int config_apply(const struct config *config, struct scheduler *scheduler);
