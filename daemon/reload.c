/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the way of the configuration into a daemon that runs, and who is told how that has ended.  Files and the user database may
 * block, so a thread reads them.  Knows nothing of what is in them.
 */

#include "daemon/reload.h"

#include <stdio.h>
#include <string.h>

#include "daemon/core/loop.h"
#include "daemon/svc/log.h"

#define READINGS_MAX 5 /* of a directory that changes meanwhile */

void reload_init(struct reload *reload, struct loop *loop, struct scheduler *scheduler,
		 const struct settings_source *source, const struct reload_ops *ops, void *userdata) {
	*reload = (struct reload){
		.loop = loop,
		.scheduler = scheduler,
		.source = source,
		.ops = ops,
		.userdata = userdata,
		.background = BACKGROUND_INIT,
		.reading = STAILQ_HEAD_INITIALIZER(reload->reading),
		.waiting = STAILQ_HEAD_INITIALIZER(reload->waiting),
	};
}

void reload_deinit(struct reload *reload) {
	if (!reload->loop)
		return;
	if (background_end(&reload->background) && reload->result == 0)
		config_free(&reload->config);
	deferred_refuse_all(&reload->reading, EVLOOP__STATUS__STATUS_INTERNAL, "the daemon is being restarted");
	deferred_refuse_all(&reload->waiting, EVLOOP__STATUS__STATUS_INTERNAL, "the daemon is being restarted");
}

void reload_apply(struct reload *reload, struct config *config) {
	int r;

	(void)loop_refresh(reload->loop);
	r = config_apply(config, reload->scheduler);
	if (r < 0)
		log_error("not all that is configured is there: %s", strerror(-r));
	config_free(config);
}

static bool is_same(const struct stat *a, const struct stat *b) {
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int reload_read(const struct settings_source *source, struct settings *settings, struct config *config,
		char error[static CONFIG_ERROR_MAX]) {
	for (unsigned attempt = 1;; attempt++) {
		struct stat before, after;
		char found[CONFIG_ERROR_MAX];
		int r = settings_stat_directory(source, &before, error), s;

		if (r != 0)
			return r;
		r = settings_read(source, settings, error);
		if (r == 0)
			r = config_read(config, source->directories, source->n_directories, error);
		/* One that was away for a moment, or put in the place of another, has read as if it were empty, or half of it. */
		s = settings_stat_directory(source, &after, found);
		if (r < 0 || (s == 0 && is_same(&before, &after)))
			return r;
		if (r == 0)
			config_free(config);
		if (s != 0) {
			strcpy(error, found);
			return s;
		}
		if (attempt == READINGS_MAX) {
			(void)snprintf(error, CONFIG_ERROR_MAX, "%s: it changes while it is read",
				       source->directories[0]);
			return CONFIG_E_IO;
		}
	}
}

static void fail(struct reload *reload, Evloop__Status status, const char *error) {
	log_event(LOG_ERR, MESSAGE_CONFIGURATION_REFUSED, NULL, "configuration stays as it was: %s", error);
	deferred_refuse_all(&reload->reading, status, error);
}

static void read_files(void *userdata) {
	struct reload *reload = userdata;

	reload->result = reload_read(reload->source, &reload->settings, &reload->config, reload->error);
}

static void begin(struct reload *reload);

static void were_read(void *userdata) {
	static const Evloop__ReloadReply reply = EVLOOP__RELOAD_REPLY__INIT;
	struct reload *reload = userdata;

	if (reload->result == 0) {
		reload->ops->change(reload->userdata, &reload->settings);
		log_event(LOG_NOTICE, MESSAGE_CONFIGURATION_READ, NULL,
			  "configuration was read: %zu limiter%s, %zu topic%s", reload->config.limits.n,
			  reload->config.limits.n == 1 ? "" : "s", reload->config.topics.n,
			  reload->config.topics.n == 1 ? "" : "s");
		reload_apply(reload, &reload->config);
		reload->ops->changed(reload->userdata);
		deferred_reply_all(&reload->reading, &reply.base);
	} else if (reload->result < 0) {
		fail(reload, EVLOOP__STATUS__STATUS_INTERNAL, strerror(-reload->result));
	} else {
		fail(reload, EVLOOP__STATUS__STATUS_INVALID, reload->error);
	}
	if (reload->again)
		begin(reload);
}

static void begin(struct reload *reload) {
	int r = background_run(&reload->background, reload->loop, read_files, were_read, reload);

	reload->again = r == -EBUSY;
	if (r == -EBUSY)
		return;
	STAILQ_CONCAT(&reload->reading, &reload->waiting);
	if (r < 0)
		fail(reload, EVLOOP__STATUS__STATUS_INTERNAL, strerror(-r));
}

void reload_start(struct reload *reload, struct deferred *deferred) {
	if (deferred)
		STAILQ_INSERT_TAIL(&reload->waiting, deferred, link);
	begin(reload);
}
