/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what is to be told of a watched path: which changes are one, how many are too many, and when they have settled.
 * Who looks at files is told what to watch, and asked for nothing.
 */

#include "daemon/core/path-watch.h"

#include <string.h>

#include "daemon/core/acked.h"
#include "daemon/core/progress.h"
#include "daemon/core/scheduler-private.h"
#include "daemon/core/source-private.h"
#include "proto/limits.h"

#define CHANGES_FIRST 8 /* that there is room for at first */

struct path_watch {
	struct acked acked;
	void *token; /* of the watcher; NULL: it knows nothing of this watch */
	int64_t settle_ns; /* 0: changes are told at once */
	struct reminder settle;
	bool ready; /* what there is may be told */
	bool rescan;
	int error; /* this is the last event */
	struct path_change *changes;
	size_t n_changes, capacity;
	size_t size; /* bytes of their paths */
};

static struct path_watch *watch_of(struct source *source) {
	return container_of(source, struct path_watch, acked.source);
}

void scheduler_set_path_watcher(struct scheduler *scheduler, struct path_watcher *watcher) {
	scheduler->path_watcher = watcher;
}

/* ---- what there is to tell ---- */

static void forget_changes(struct path_watch *watch) {
	for (size_t i = 0; i < watch->n_changes; i++)
		free(watch->changes[i].path);
	free(watch->changes);
	watch->changes = NULL;
	watch->n_changes = watch->capacity = watch->size = 0;
	watch->rescan = false;
}

static struct path_change *find_change(struct path_watch *watch, const char *path, size_t size) {
	for (size_t i = 0; i < watch->n_changes; i++)
		if (strncmp(watch->changes[i].path, path, size) == 0 && watch->changes[i].path[size] == '\0')
			return &watch->changes[i];
	return NULL;
}

/* Return: NULL: there is no room for it. */
static struct path_change *add_change(struct path_watch *watch, const char *path, size_t size) {
	size_t capacity = MAX((size_t)CHANGES_FIRST, watch->capacity * 2);
	struct path_change *changes;
	char *copy;

	if (watch->n_changes == PATH_CHANGES_MAX || size > PATH_CHANGES_SIZE_MAX - watch->size)
		return NULL;
	if (watch->n_changes == watch->capacity) {
		changes = reallocarray(watch->changes, capacity, sizeof(*changes));
		if (!changes)
			return NULL;
		watch->changes = changes;
		watch->capacity = capacity;
	}
	copy = strndup(path, size);
	if (!copy)
		return NULL;
	watch->size += size;
	watch->changes[watch->n_changes] = (struct path_change){ .path = copy };
	return &watch->changes[watch->n_changes++];
}

static void settled(struct path_watch *watch) {
	watch->ready = true;
	reminder_clear(&watch->settle);
	acked_raise(&watch->acked);
}

static void settle_due(struct reminder *reminder) {
	settled(container_of(reminder, struct path_watch, settle));
}

/* Something has happened. */
static void stir(struct path_watch *watch) {
	acked_count(&watch->acked);
	if (watch->ready)
		return;
	if (watch->settle_ns == 0)
		settled(watch);
	else
		reminder_set(&watch->settle, watch->settle.scheduler->now.ns[TIMER_CLOCK_BOOTTIME] + watch->settle_ns);
}

void path_watch_changed(struct path_watch *watch, const char *path, size_t size, unsigned events) {
	struct path_change *change = NULL;

	/* Who has to look for himself is told no more. */
	if (!watch->rescan)
		change = find_change(watch, path, size);
	if (!change && !watch->rescan)
		change = add_change(watch, path, size);
	if (change)
		change->events |= events;
	else
		watch->rescan = true;
	stir(watch);
}

void path_watch_lost_track(struct path_watch *watch) {
	watch->rescan = true;
	stir(watch);
}

void path_watch_failed(struct path_watch *watch, int error) {
	watch->token = NULL;
	watch->error = error;
	acked_count(&watch->acked);
	settled(watch);
}

/* ---- its life ---- */

static void watch_free(struct path_watch *watch) {
	struct tenant *tenant = watch->acked.source.owner->tenant;
	struct path_watcher *watcher = tenant->scheduler->path_watcher;

	if (watch->token)
		watcher->remove(watcher, watch->token);
	reminder_deinit(&watch->settle);
	acked_deinit(&watch->acked);
	forget_changes(watch);
	tenant_charge(tenant, paths, -1);
	free(watch);
}

/* One that the watcher knows nothing of yet. */
static int new_unwatched(struct path_watch **ret, struct owner *owner, uint64_t handle, int64_t settle_ns,
			 int64_t timeout_ns) {
	struct path_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	r = reminder_init(&watch->settle, owner->tenant->scheduler, settle_due);
	if (r < 0) {
		free(watch);
		return r;
	}
	r = acked_init(&watch->acked, SOURCE_PATH, EVENT_TYPE_CHANGED, owner, handle, timeout_ns);
	if (r != 0) {
		reminder_deinit(&watch->settle);
		free(watch);
		return r == SOURCE_E_HANDLE_EXISTS ? PATH_WATCH_E_HANDLE_EXISTS : r;
	}
	watch->settle_ns = settle_ns;
	tenant_charge(owner->tenant, paths, 1);
	*ret = watch;
	return 0;
}

int path_watch_new(struct path_watch **ret, struct owner *owner, uint64_t handle, const struct path_spec *spec,
		   int64_t settle_ns, int64_t timeout_ns) {
	struct path_watcher *watcher = owner->tenant->scheduler->path_watcher;
	struct path_watch *watch;
	int r;

	if (!watcher)
		return PATH_WATCH_E_NOBODY;
	r = new_unwatched(&watch, owner, handle, settle_ns, timeout_ns);
	if (r != 0)
		return r;
	r = watcher->add(watcher, watch, spec, &watch->token);
	if (r != 0) {
		watch_free(watch);
		return r;
	}
	*ret = watch;
	return 0;
}

uint64_t path_watch_id(const struct path_watch *watch) {
	return watch->acked.source.id;
}

/* ---- going on in another process ---- */

bool path_watch_progress(const struct source *source, struct path_watch_progress *ret) {
	const struct path_watch *watch = container_of(source, struct path_watch, acked.source);
	struct path_watcher *watcher = source->owner->tenant->scheduler->path_watcher;

	if (source->kind != SOURCE_PATH)
		return false;
	*ret = (struct path_watch_progress){
		.settle_ns = watch->settle_ns,
		.stirred = watch->n_changes > 0 || watch->rescan,
		.error = watch->error,
	};
	acked_progress(&watch->acked, &ret->acked);
	return !watch->token || watcher->describe(watcher, watch->token, &ret->spec) == 0;
}

int path_watch_restore(struct owner *owner, uint64_t handle, const struct path_watch_progress *progress) {
	struct path_watch *watch;
	int r = progress->error != 0 ? new_unwatched(&watch, owner, handle, 0, 0)
				     : path_watch_new(&watch, owner, handle, &progress->spec, progress->settle_ns,
						      progress->acked.timeout_ns);

	if (r != 0)
		return r;
	acked_restore(&watch->acked, &progress->acked);
	watch->acked.fire_seq -=
		MIN(progress->acked.fires, watch->acked.fire_seq); /* what is told anew is counted anew */
	watch->rescan = progress->stirred;
	if (progress->error != 0)
		path_watch_failed(watch, progress->error);
	else if (progress->stirred)
		path_watch_lost_track(watch);
	return 0;
}

/* ---- as a source ---- */

static void disown(struct source *source) {
	watch_free(watch_of(source));
}

static enum cancel_outcome cancel(struct source *source) {
	bool pending = source_is_pending(source, EVENT_TYPE_CHANGED);

	watch_free(watch_of(source));
	return pending ? CANCEL_WITHDRAWN : CANCEL_CANCELLED;
}

static void fill_event(struct source *source, struct event *ret) {
	const struct path_watch *watch = watch_of(source);

	acked_fill_event(&watch->acked, ret);
	if (ret->timed_out)
		return;
	ret->changes = watch->changes;
	ret->n_changes = watch->n_changes;
	ret->rescan = watch->rescan;
	ret->error = watch->error;
	ret->more = watch->error == 0;
}

static void took_event(struct source *source, enum event_type type _unused_) {
	struct path_watch *watch = watch_of(source);
	bool timed_out = watch->acked.timed_out;

	if (watch->error != 0) {
		watch_free(watch);
		return;
	}
	acked_took_event(&watch->acked);
	if (timed_out)
		return; /* what has not settled is told later */
	watch->ready = false;
	forget_changes(watch);
}

static void ack(struct source *source) {
	struct path_watch *watch = watch_of(source);

	if (acked_ack(&watch->acked) && watch->ready)
		acked_raise(&watch->acked);
}

const struct source_ops path_source_ops = {
	.disown = disown,
	.cancel = cancel,
	.fill_event = fill_event,
	.took_event = took_event,
	.ack = ack,
};
