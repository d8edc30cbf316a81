/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns descriptors that are watched for somebody, from being taken over to being closed, and what their events say.
 *
 * Knows nothing of where they came from: what kinds of them are watched is decided before, and how those are closed that may take
 * long is their owner's business.
 */

#include "daemon/core/watch.h"

#include <assert.h>
#include <sys/epoll.h>

#include "daemon/core/acked.h"
#include "daemon/core/poller.h"
#include "daemon/core/process.h"
#include "daemon/core/progress.h"
#include "daemon/core/scheduler-private.h"
#include "daemon/core/source-private.h"

struct watch {
	struct acked acked;
	struct poll_item item; /* without a poller: nothing more will come */
	int fd; /* -1: nothing more will come */
	uint32_t events; /* of epoll, that are waited for */
	unsigned readiness; /* of the event */
	bool is_process;
	bool closes_at_once;
	struct process_end end; /* of the process; before, its pid */
};

static struct watch *watch_of(struct source *source) {
	return container_of(source, struct watch, acked.source);
}

static struct tenant *tenant_of(const struct watch *watch) {
	return watch->acked.source.owner->tenant;
}

/* The descriptor goes, the source stays for its last event. */
static void close_descriptor(struct watch *watch) {
	struct owner *owner = watch->acked.source.owner;
	int fd = TAKE_FD(watch->fd);

	if (fd < 0)
		return;
	poller_remove(&watch->item); /* a copy of it that lives would keep it there */
	tenant_charge(owner->tenant, descriptors, -1);
	if (watch->closes_at_once || !owner->discard)
		close_fd(fd);
	else
		owner->discard(owner, fd);
}

static void watch_free(struct watch *watch) {
	close_descriptor(watch);
	acked_deinit(&watch->acked);
	free(watch);
}

/* ---- what epoll says ---- */

static uint32_t events_of(unsigned readiness) {
	return (readiness & READINESS_READABLE ? EPOLLIN : 0) | (readiness & READINESS_WRITABLE ? EPOLLOUT : 0);
}

static unsigned readiness_of(uint32_t events) {
	return (events & EPOLLIN ? READINESS_READABLE : 0u) | (events & EPOLLOUT ? READINESS_WRITABLE : 0u) |
	       (events & EPOLLHUP ? READINESS_HANGUP : 0u) | (events & EPOLLERR ? READINESS_ERROR : 0u);
}

/* Is there no point in waiting again?  Of a hang-up who reads is told until all has been read. */
static bool is_last(unsigned readiness) {
	return readiness & READINESS_ERROR || (readiness & READINESS_HANGUP && !(readiness & READINESS_READABLE));
}

static void tell(struct watch *watch, unsigned readiness, bool last) {
	watch->readiness = readiness;
	if (last)
		close_descriptor(watch);
	acked_count(&watch->acked);
	acked_raise(&watch->acked);
}

static void ready(struct poll_item *item, uint32_t events) {
	struct watch *watch = container_of(item, struct watch, item);
	unsigned readiness = readiness_of(events);

	/* Ready behind a timeout that has been told, but not acknowledged: the acknowledgement arms it, and looks again. */
	if (watch->acked.state == ACKED_UNACKED)
		return;
	if (watch->is_process)
		process_describe_end(watch->fd, watch->end.pid, tenant_of(watch)->uid, &watch->end);
	tell(watch, readiness, watch->is_process || is_last(readiness));
}

/* ---- its beginning ---- */

int watch_new(struct watch **ret, struct poller *poller, struct owner *owner, const struct watch_spec *spec, int fd) {
	struct watch *watch = calloc(1, sizeof(*watch));
	int r;

	assert(spec->handle != 0);
	if (!watch)
		return -ENOMEM;
	watch->events = spec->is_process ? EPOLLIN : events_of(spec->readiness);
	watch->is_process = spec->is_process;
	watch->closes_at_once = spec->closes_at_once;
	watch->end.pid = spec->pid;
	r = poller_add(poller, &watch->item, fd, watch->events, ready);
	if (r < 0)
		goto fail;
	r = acked_init(&watch->acked, SOURCE_WATCH, EVENT_TYPE_READY, owner, spec->handle, spec->timeout_ns);
	if (r != 0) {
		poller_remove(&watch->item);
		r = r == SOURCE_E_HANDLE_EXISTS ? WATCH_E_HANDLE_EXISTS : r;
		goto fail;
	}
	watch->fd = fd;
	tenant_charge(owner->tenant, descriptors, 1);
	*ret = watch;
	return 0;

fail:
	free(watch);
	return r;
}

uint64_t watch_id(const struct watch *watch) {
	return watch->acked.source.id;
}

struct source *watch_source(struct watch *watch) {
	return &watch->acked.source;
}

/* ---- going on in another process ---- */

bool watch_progress(const struct source *source, struct watch_progress *ret) {
	const struct watch *watch = container_of(source, struct watch, acked.source);

	if (source->kind != SOURCE_WATCH)
		return false;
	*ret = (struct watch_progress){
		.spec = {
			.handle = source->handle,
			.is_process = watch->is_process,
			.pid = watch->end.pid,
			.readiness = watch->is_process ? 0 : readiness_of(watch->events),
			.timeout_ns = watch->acked.timeout_ns,
			.closes_at_once = watch->closes_at_once,
		},
		.fd = watch->fd,
		.readiness = watch->readiness,
		.end = watch->end,
	};
	acked_progress(&watch->acked, &ret->acked);
	return true;
}

/* There is only its last event. */
static int restore_over(struct owner *owner, const struct watch_progress *progress) {
	struct watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	r = acked_init(&watch->acked, SOURCE_WATCH, EVENT_TYPE_READY, owner, progress->spec.handle, 0);
	if (r != 0) {
		free(watch);
		return r == SOURCE_E_HANDLE_EXISTS ? WATCH_E_HANDLE_EXISTS : r;
	}
	acked_restore(&watch->acked, &progress->acked);
	watch->is_process = progress->spec.is_process;
	watch->end = progress->end;
	watch->fd = -1;
	if (!progress->acked.unacked)
		watch->acked.fire_seq--; /* it is counted again */
	tell(watch, progress->readiness, true);
	return 0;
}

int watch_restore(struct poller *poller, struct owner *owner, const struct watch_progress *progress, int fd) {
	struct watch *watch;
	int r;

	if (fd < 0)
		return restore_over(owner, progress);
	r = watch_new(&watch, poller, owner, &progress->spec, fd);
	if (r != 0)
		return r;
	acked_restore(&watch->acked, &progress->acked);
	/* An event that was not taken comes again, when the descriptor is looked at; one that was is to be acknowledged first. */
	if (!progress->acked.unacked)
		watch->acked.fire_seq -= MIN(progress->acked.fires, watch->acked.fire_seq);
	else if (poller_arm(&watch->item, 0) < 0)
		tell(watch, READINESS_ERROR, true);
	return 0;
}

/* ---- as a source ---- */

static void disown(struct source *source) {
	watch_free(watch_of(source));
}

static enum cancel_outcome cancel(struct source *source) {
	bool pending = source->pending;

	watch_free(watch_of(source));
	return pending ? CANCEL_WITHDRAWN : CANCEL_CANCELLED;
}

static void fill_event(struct source *source, struct event *ret) {
	const struct watch *watch = watch_of(source);

	acked_fill_event(&watch->acked, ret);
	ret->more = watch->fd >= 0;
	if (ret->timed_out)
		return;
	ret->readiness = watch->readiness;
	if (watch->is_process)
		ret->process = &watch->end;
}

static void took_event(struct source *source, enum event_type type _unused_) {
	struct watch *watch = watch_of(source);

	if (watch->fd < 0)
		watch_free(watch);
	else
		acked_took_event(&watch->acked);
}

/* Arming looks at it again.  Where even that fails, it has become something that cannot be waited for.  One whose descriptor was lost
 * behind the event that is acknowledged has its last one to tell. */
static void ack(struct source *source) {
	struct watch *watch = watch_of(source);

	if (!acked_ack(&watch->acked))
		return;
	if (watch->fd < 0)
		acked_raise(&watch->acked);
	else if (poller_arm(&watch->item, watch->events) < 0)
		tell(watch, READINESS_ERROR, true);
}

const struct source_ops watch_source_ops = {
	.disown = disown,
	.cancel = cancel,
	.fill_event = fill_event,
	.took_event = took_event,
	.ack = ack,
};
