/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns descriptors that this process watches by itself: an epoll of the library's own, made when it is first needed.  It is looked at once
 * a round, so that neither they nor what the daemon sends can keep the other waiting.
 */

#include "client/internal.h"

#include <fcntl.h>
#include <sys/epoll.h>

#define BATCH 64 /* callbacks in a round; what is ready beyond them comes first in the next */

static uint32_t to_epoll(uint32_t events) {
	return (events & EVL_READABLE ? EPOLLIN : 0) | (events & EVL_WRITABLE ? EPOLLOUT : 0);
}

static uint32_t from_epoll(uint32_t events) {
	return (events & EPOLLIN ? EVL_READABLE : 0) | (events & EPOLLOUT ? EVL_WRITABLE : 0) |
	       (events & EPOLLHUP ? EVL_HANGUP : 0) | (events & EPOLLERR ? EVL_ERROR : 0);
}

static int open_epoll(struct evl *evl) {
	int r;

	if (evl->local_fd >= 0)
		return 0;
	evl->local_fd = epoll_create1(EPOLL_CLOEXEC);
	if (evl->local_fd < 0)
		return -errno;
	r = loop_watch_local(evl);
	if (r < 0)
		evl->local_fd = close_fd(evl->local_fd);
	return r;
}

static int add(struct evl *evl, int fd, uint32_t events, uint64_t handle) {
	struct epoll_event event = { .events = to_epoll(events), .data.u64 = handle };

	return epoll_ctl(evl->local_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* An epoll takes a descriptor once; whoever watches it also gets a copy. */
static int enlist(struct evl_source *source, int fd, uint32_t events) {
	int r = add(source->evl, fd, events, source->handle);

	if (r == -EEXIST) {
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

		if (copy < 0)
			return -errno;
		r = add(source->evl, copy, events, source->handle);
		if (r < 0) {
			(void)close_fd(copy);
			return r;
		}
		source->fd_is_copy = true;
		fd = copy;
	}
	if (r >= 0)
		source->fd = fd;
	return r;
}

void readiness_forget(struct evl_source *source) {
	if (source->fd < 0)
		return;
	/* In a child after fork it is the parent's, too. */
	if (*source->evl->alive)
		(void)epoll_ctl(source->evl->local_fd, EPOLL_CTL_DEL, source->fd, NULL);
	if (source->fd_is_copy)
		(void)close_fd(source->fd);
	source->fd = -1;
}

/* As with the daemon: what can only be told again and again is told once. */
static bool is_last(uint32_t revents) {
	return (revents & EVL_ERROR) || (revents & (EVL_HANGUP | EVL_READABLE)) == EVL_HANGUP;
}

static void call(struct evl_source *source, uint32_t revents) {
	struct evl_event event = {
		.size = sizeof(event),
		.type = EVL_EVENT_READY,
		.fires = 1,
		.fired_ns = clock_ns(CLOCK_BOOTTIME),
		.revents = revents,
		.more = !is_last(revents),
	};

	if (!event.more)
		source_retire(source);
	event_call(source, &event);
}

int readiness_dispatch(struct evl *evl) {
	struct epoll_event events[BATCH];
	int n, n_called = 0;

	if (evl->local_fd < 0)
		return 0;
	n = epoll_wait(evl->local_fd, events, BATCH, 0);
	for (int i = 0; i < n && connection_goes_on(evl); i++) {
		struct evl_source *source = handle_find(&evl->handles, events[i].data.u64);

		/* An earlier callback may have cancelled it. */
		if (!source)
			continue;
		call(source, from_epoll(events[i].events));
		n_called++;
	}
	return n_called;
}

int evl_add_local(struct evl *evl, struct evl_source **ret, int fd, uint32_t events, evl_callback callback,
		  void *userdata) {
	struct evl_source *source;
	int r = connection_begin(evl);

	if (r < 0)
		return r;
	if (!callback)
		return error_set(evl, -EINVAL, "no callback");
	if (!events || (events & ~(uint32_t)(EVL_READABLE | EVL_WRITABLE)))
		return error_set(evl, -EINVAL, "events are EVL_READABLE, EVL_WRITABLE or both");
	r = open_epoll(evl);
	if (r >= 0)
		r = source_new(evl, SOURCE_LOCAL, callback, userdata, &source);
	if (r < 0)
		return r;
	source->fd = -1;
	r = enlist(source, fd, events);
	if (r < 0) {
		source_discard(source);
		return r;
	}
	source_publish(source, ret);
	return 0;
}
