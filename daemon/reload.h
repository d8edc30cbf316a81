/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Reading the configuration again while the daemon runs: all of it comes into force, or, where there is a mistake, nothing. */

#include "daemon/rpc/deferred.h"
#include "daemon/svc/background.h"
#include "daemon/svc/config.h"

struct reload {
	struct loop *loop;
	struct scheduler *scheduler;
	const char *const *directories; /* the strongest first */
	size_t n_directories;
	struct background background;
	struct config config; /* what was read, where `result` is 0 */
	int result; /* of config_read() */
	char error[CONFIG_ERROR_MAX];
	struct deferred_list reading; /* who is to hear how the present reading ends */
	struct deferred_list waiting; /* who has asked since it began: they want another one */
	bool again; /* there is to be another one */
};

/* `directories` are borrowed as long as it lives. */
void reload_init(struct reload *reload, struct loop *loop, struct scheduler *scheduler, const char *const *directories,
		 size_t n_directories);
void reload_deinit(struct reload *reload);

/* What was read before there was a loop comes into force; taken over. */
void reload_apply(struct reload *reload, struct config *config);

/* Read again, after the present reading if there is one.  `deferred` is answered when that is done; NULL: nobody is. */
void reload_start(struct reload *reload, struct deferred *deferred);
