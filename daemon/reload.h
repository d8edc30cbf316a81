/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Reading the configuration again while the daemon runs: all of it comes into force, or, where there is a mistake, nothing. */

#include "daemon/rpc/deferred.h"
#include "daemon/settings.h"
#include "daemon/svc/background.h"
#include "daemon/svc/config.h"

/* What whoever reloads has to do beside. */
struct reload_ops {
	/* Settings come into force. */
	void (*change)(void *userdata, const struct settings *settings);

	/* All that was read is in force; nobody has been told yet. */
	void (*changed)(void *userdata);
};

struct reload {
	struct loop *loop;
	struct scheduler *scheduler;
	const struct settings_source *source;
	const struct reload_ops *ops;
	void *userdata;
	struct background background;
	struct settings settings; /* what was read, where `result` is 0 */
	struct config config; /* the same */
	int result; /* of settings_read() and config_read() */
	char error[CONFIG_ERROR_MAX];
	struct deferred_list reading; /* who is to hear how the present reading ends */
	struct deferred_list waiting; /* who has asked since it began: they want another one */
	bool again; /* there is to be another one */
};

/*
 * Read all of it, for the first time or again.  May block.  *config is to be freed with config_free() where the result is 0.
 * Return: as settings_read() and config_read().
 */
int reload_read(const struct settings_source *source, struct settings *settings, struct config *config,
		char error[static CONFIG_ERROR_MAX]);

/* `source` and `ops` are borrowed as long as it lives. */
void reload_init(struct reload *reload, struct loop *loop, struct scheduler *scheduler,
		 const struct settings_source *source, const struct reload_ops *ops, void *userdata);
void reload_deinit(struct reload *reload);

/* What was read before there was a loop comes into force; taken over. */
void reload_apply(struct reload *reload, struct config *config);

/* Read again, after the present reading if there is one.  `deferred` is answered when that is done; NULL: nobody is. */
void reload_start(struct reload *reload, struct deferred *deferred);
