/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how watches of descriptors, processes and paths, and subscriptions with their messages go over to another process. */

#include <limits.h>
#include <string.h>

#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/core/topic.h"
#include "daemon/rpc/handover-private.h"
#include "proto/limits.h"

/* ---- descriptors and processes ---- */

void save_watch(struct saving *saving, const struct source *source) {
	Evloop__SavedWatch saved = EVLOOP__SAVED_WATCH__INIT;
	struct watch_progress progress;

	if (!watch_progress(source, &progress))
		return;
	saved.session = saving_session(source->owner);
	saved.handle = source->handle;
	saved.watched_fd = saving_put(saving, progress.fd);
	saved.process = progress.spec.is_process;
	saved.pid = (uint64_t)progress.end.pid;
	if (progress.fd < 0)
		saved.readiness = progress.readiness;
	else
		saved.readiness = saved.watched_fd > 0 ? progress.spec.readiness : READINESS_ERROR;
	saved.timeout_ns = progress.spec.timeout_ns;
	saved.timeout_at_ns = progress.acked.timeout_at_ns;
	saved.unacked = progress.acked.unacked;
	saved.fires = progress.acked.fires;
	saved.fire_seq = progress.acked.fire_seq;
	saved.id = progress.acked.id;
	saved.closes_at_once = progress.spec.closes_at_once;
	saved.status_known = progress.end.status_known;
	saved.status = progress.end.status;
	saving_write(saving, saving->file, RECORD_WATCH, &saved.base);
}

void load_watch(struct loading *loading, const Evloop__SavedWatch *saved) {
	struct owner *owner = loading_owner(loading, saved->session, 0);
	int fd = loading_take(loading, saved->watched_fd), r = -ENXIO;
	struct watch_progress progress = {
		.spec = { .handle = saved->handle,
			  .is_process = saved->process,
			  .pid = (pid_t)saved->pid,
			  .readiness = saved->readiness,
			  .timeout_ns = saved->timeout_ns,
			  .closes_at_once = saved->closes_at_once },
		.acked = { .id = saved->id,
			   .fires = saved->fires,
			   .fire_seq = saved->fire_seq,
			   .timeout_ns = saved->timeout_ns,
			   .timeout_at_ns = saved->timeout_at_ns,
			   .unacked = saved->unacked },
		/* It may have been lost on the way. */
		.readiness = fd < 0 && saved->watched_fd > 0 ? READINESS_ERROR : saved->readiness,
		.end = { .pid = (pid_t)saved->pid, .status_known = saved->status_known, .status = saved->status },
	};

	if (owner && saved->handle > 0 && saved->id < ID_MAX)
		r = watch_restore(loop_poller(loading->rpc->loop), owner, &progress, fd);
	if (r == 0)
		return;
	(void)close_fd(fd);
	loading_lost(loading, "watch", saved->id, r);
}

/* ---- paths ---- */

static ProtobufCBinaryData data_of(const char *text) {
	return (ProtobufCBinaryData){ .data = (uint8_t *)text, .len = strlen(text) };
}

void save_path(struct saving *saving, const struct source *source) {
	Evloop__SavedPath saved = EVLOOP__SAVED_PATH__INIT;
	Evloop__WatchPathRequest request = EVLOOP__WATCH_PATH_REQUEST__INIT;
	ProtobufCBinaryData exclude[PATH_EXCLUDES_MAX];
	struct path_watch_progress progress;

	if (!path_watch_progress(source, &progress))
		return;
	request.handle = source->handle;
	/* Of one that has failed there is no more than that. */
	if (progress.error == 0) {
		request.path = data_of(progress.spec.path);
		request.recursive = progress.spec.recursive;
		request.exclude = exclude;
		for (size_t i = 0; i < MIN(progress.spec.n_exclude, ARRAY_SIZE(exclude)); i++)
			exclude[request.n_exclude++] = data_of(progress.spec.exclude[i]);
		request.settle_ns = progress.settle_ns;
		request.timeout_ns = progress.acked.timeout_ns;
	}
	saved.request = &request;
	saved.session = saving_session(source->owner);
	saved.id = progress.acked.id;
	saved.unacked = progress.acked.unacked;
	saved.fires = progress.acked.fires;
	saved.fire_seq = progress.acked.fire_seq;
	saved.stirred = progress.stirred;
	saved.since_ns = scheduler_now(saving->rpc->scheduler)->ns[TIMER_CLOCK_REALTIME];
	saved.timeout_at_ns = progress.acked.timeout_at_ns;
	saved.error = progress.error;
	saving_write(saving, saving->file, RECORD_PATH, &saved.base);
	free((void *)progress.spec.exclude);
}

static bool is_text(const ProtobufCBinaryData *data, size_t size_max) {
	return data->len > 0 && data->len <= size_max && !memchr(data->data, '\0', data->len);
}

/* Strings of their own, freed by free_spec(). */
static int make_spec(const Evloop__WatchPathRequest *request, struct path_spec *ret) {
	char **exclude;

	if (request->n_exclude > PATH_EXCLUDES_MAX || !is_text(&request->path, PATH_MAX - 1))
		return -EINVAL;
	exclude = calloc(request->n_exclude + 1, sizeof(*exclude));
	if (!exclude)
		return -ENOMEM;
	*ret = (struct path_spec){
		.path = strndup((const char *)request->path.data, request->path.len),
		.recursive = request->recursive,
		.exclude = (const char *const *)exclude,
	};
	for (size_t i = 0; i < request->n_exclude; i++)
		if (is_text(&request->exclude[i], PATH_EXCLUDE_LENGTH_MAX))
			exclude[ret->n_exclude++] =
				strndup((const char *)request->exclude[i].data, request->exclude[i].len);
	return 0;
}

static void free_spec(struct path_spec *spec) {
	for (size_t i = 0; i < spec->n_exclude; i++)
		free((void *)spec->exclude[i]);
	free((void *)spec->exclude);
	free((void *)spec->path);
}

void load_path(struct loading *loading, const Evloop__SavedPath *saved) {
	struct owner *owner = loading_owner(loading, saved->session, 0);
	struct path_watch_progress progress = {
		.stirred = saved->stirred,
		.error = saved->error,
		.acked = { .id = saved->id,
			   .fires = saved->fires,
			   .fire_seq = saved->fire_seq,
			   .timeout_at_ns = saved->timeout_at_ns,
			   .unacked = saved->unacked },
	};
	int r = -ENXIO;

	if (owner && saved->request && saved->request->handle > 0 && saved->id < ID_MAX)
		r = saved->error != 0 ? path_watch_restore(owner, saved->request->handle, &progress)
				      : make_spec(saved->request, &progress.spec);
	if (r == 0 && saved->error == 0) {
		progress.settle_ns = MAX(saved->request->settle_ns, 0);
		progress.acked.timeout_ns = MAX(saved->request->timeout_ns, 0);
		progress.spec.since_ns = saved->since_ns;
		r = progress.spec.path ? path_watch_restore(owner, saved->request->handle, &progress) : -ENOMEM;
		free_spec(&progress.spec);
	}
	if (r != 0)
		loading_lost(loading, "watch of a path", saved->id, r);
}

/* ---- topics ---- */

void save_subscription(struct saving *saving, const struct source *source) {
	Evloop__SavedSubscription saved = EVLOOP__SAVED_SUBSCRIPTION__INIT;
	struct subscription_progress progress;

	if (!subscription_progress(source, &progress))
		return;
	saved.session = saving_session(source->owner);
	saved.id = progress.id;
	saved.handle = source->handle;
	saved.topic = (char *)progress.topic;
	saved.topic_uid = progress.topic_uid;
	if (progress.topic_access) {
		saved.topic_owner = progress.topic_access->owner;
		saved.topic_group = progress.topic_access->group;
		saved.topic_mode = progress.topic_access->mode;
	}
	saved.queue = progress.queue;
	saved.seq = progress.seq;
	saved.lost_from = progress.lost_from;
	saved.over = progress.over;
	saving_write(saving, saving->file, RECORD_SUBSCRIPTION, &saved.base);
}

static void write_mail(struct saving *saving, FILE *file, const struct owner *owner, const struct mail *mail) {
	Evloop__SavedMail saved = EVLOOP__SAVED_MAIL__INIT;

	saved.session = saving_session(owner);
	saved.handle = mail->handle;
	saved.data = (ProtobufCBinaryData){ .data = (uint8_t *)mail->data, .len = mail->size };
	saved.emitted_ns = mail->emitted_ns;
	saved.first_ns = mail->first_ns;
	saved.merged = mail->merged;
	saving_write(saving, file, RECORD_MAIL, &saved.base);
}

void save_mail(struct saving *saving, const struct owner *owner) {
	const struct delivery *position = NULL;
	struct mail mail;

	while (owner_next_mail(owner, &position, &mail))
		write_mail(saving, saving->file, owner, &mail);
}

void save_gated_mail(struct saving *saving, const struct source *source) {
	const struct delivery *position = NULL;
	struct mail mail;

	while (gated_next_mail(source, &position, &mail))
		write_mail(saving, saving->claims, source->owner, &mail);
}

/* One of all uids is there before configuration says so again, or not. */
static int define_topic(struct loading *loading, const Evloop__SavedSubscription *saved) {
	struct scheduler *scheduler = loading->rpc->scheduler;
	struct access access = { .owner = saved->topic_owner, .group = saved->topic_group, .mode = saved->topic_mode };

	if (saved->topic_uid != TENANT_OF_ALL || topic_of_all(scheduler, saved->topic))
		return 0;
	return topic_define(scheduler, saved->topic, &access);
}

void load_subscription(struct loading *loading, const Evloop__SavedSubscription *saved) {
	struct owner *owner = loading_owner(loading, saved->session, 0);
	struct owner *topics = loading_owner(loading, 0, saved->topic_uid);
	struct subscription_progress progress = {
		.topic = saved->topic,
		.id = saved->id,
		.queue = MIN(saved->queue, (uint32_t)SUBSCRIPTION_QUEUE_MAX),
		.seq = saved->seq,
		.lost_from = saved->lost_from,
		.over = saved->over,
	};
	int r = -ENXIO;

	if (owner && topics && saved->handle > 0 && saved->id < ID_MAX && saved->topic[0])
		r = define_topic(loading, saved);
	if (r == 0)
		r = subscription_restore(topics->tenant, owner, saved->handle, &progress);
	if (r != 0)
		loading_lost(loading, "subscription", saved->id, r);
}

void load_mail(struct loading *loading, const Evloop__SavedMail *saved) {
	struct owner *owner = loading_owner(loading, saved->session, 0);
	struct mail mail = {
		.handle = saved->handle,
		.data = saved->data.data,
		.size = saved->data.len,
		.emitted_ns = saved->emitted_ns,
		.first_ns = saved->first_ns,
		.merged = MAX(saved->merged, (uint64_t)1),
	};
	int r = -ENXIO;

	if (owner && saved->data.len <= TOPIC_DATA_MAX)
		r = owner_restore_mail(owner, &mail);
	if (r != 0)
		loading_lost(loading, "a message for handle", saved->handle, r);
}
