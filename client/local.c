/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the queue of functions posted in this process.  It is one queue in the order of posting: what other threads
 * posted is moved to its end before anything is added or run, under a lock that is not touched while they post nothing.
 */

#include "client/internal.h"

int local_init(struct local *local) {
	STAILQ_INIT(&local->posted);
	STAILQ_INIT(&local->remote);
	return -pthread_mutex_init(&local->lock, NULL);
}

void local_enqueue(struct evl_source *source) {
	struct local *local = &source->evl->local;

	source->queued = true;
	local->n_posted++;
	STAILQ_INSERT_TAIL(&local->posted, source, link);
}

static struct evl_source *dequeue(struct evl *evl) {
	struct evl_source *source = STAILQ_FIRST(&evl->local.posted);

	if (source) {
		STAILQ_REMOVE_HEAD(&evl->local.posted, link);
		source->queued = false;
		evl->local.n_posted--;
	}
	return source;
}

void local_fetch(struct evl *evl) {
	struct local *local = &evl->local;
	struct source_queue taken = STAILQ_HEAD_INITIALIZER(taken);
	struct evl_source *source;
	uint64_t value;

	if (!atomic_load_explicit(&local->waiting, memory_order_acquire))
		return;
	(void)pthread_mutex_lock(&local->lock);
	STAILQ_CONCAT(&taken, &local->remote);
	/* Under the lock, as the signal is given: so none is left over, and none is lost. */
	if (local->signalled)
		(void)!read(evl->loop.wake_fd, &value, sizeof(value));
	local->signalled = evl->loop.wake_set = false;
	atomic_store_explicit(&local->waiting, false, memory_order_release);
	(void)pthread_mutex_unlock(&local->lock);

	while ((source = STAILQ_FIRST(&taken))) {
		STAILQ_REMOVE_HEAD(&taken, link);
		evl->n_sources++;
		evl->n_live++;
		local_enqueue(source);
	}
}

void local_deinit(struct evl *evl) {
	struct evl_source *source;

	/* In a child after fork another thread may hold the lock for ever; what it posted is the parent's. */
	if (*evl->alive)
		local_fetch(evl);
	while ((source = dequeue(evl))) {
		source_retire(source);
		source_settle(source);
	}
	if (*evl->alive)
		(void)pthread_mutex_destroy(&evl->local.lock);
}

bool local_pending(struct evl *evl) {
	return !STAILQ_EMPTY(&evl->local.posted) || atomic_load_explicit(&evl->local.waiting, memory_order_acquire) ||
	       executor_pending(evl);
}

int local_dispatch(struct evl *evl) {
	size_t left;
	int n = 0;

	local_fetch(evl);
	executor_collect(evl);
	/* What these callbacks post is for the next round. */
	for (left = evl->local.n_posted; left > 0 && connection_goes_on(evl); left--) {
		struct evl_event event = { .size = sizeof(event), .type = EVL_EVENT_SOON };
		struct evl_source *source = dequeue(evl);

		if (source->live) {
			if (source->kind == SOURCE_WORK) {
				event.type = EVL_EVENT_EXECUTED;
				event.result = executor_result(source);
			}
			source_retire(source);
			event_call(source, &event);
			n++;
		} else {
			source_settle(source); /* cancelled */
		}
	}
	return n;
}

int evl_call_soon(struct evl *evl, struct evl_source **ret, evl_callback callback, void *userdata) {
	struct evl_source *source;
	int r = connection_begin(evl);

	if (r < 0)
		return r;
	if (!callback)
		return error_set(evl, -EINVAL, "no callback");
	r = source_new(evl, SOURCE_POSTED, callback, userdata, &source);
	if (r < 0)
		return r;
	local_fetch(evl);
	local_enqueue(source);
	source_publish(source, ret);
	loop_update(evl);
	return 0;
}

/* Under the lock. */
static void set_signal(struct evl *evl) {
	struct local *local = &evl->local;
	uint64_t one = 1;

	atomic_store_explicit(&local->waiting, true, memory_order_release);
	if (!local->signalled) {
		local->signalled = true;
		/* It can only fail when the counter is full, and then it is readable. */
		(void)!write(evl->loop.wake_fd, &one, sizeof(one));
	}
}

void local_signal(struct evl *evl) {
	(void)pthread_mutex_lock(&evl->local.lock);
	set_signal(evl);
	(void)pthread_mutex_unlock(&evl->local.lock);
}

int evl_call_soon_threadsafe(struct evl *evl, evl_callback callback, void *userdata) {
	struct local *local = &evl->local;
	struct evl_source *source;

	(void)error_begin_threadsafe(evl);
	if (!*evl->alive)
		return -ECHILD;
	if (!callback)
		return -EINVAL;
	source = malloc(sizeof(*source));
	if (!source)
		return -ENOMEM;
	*source = (struct evl_source){
		.evl = evl,
		.callback = callback,
		.userdata = userdata,
		.kind = SOURCE_REMOTE,
		.live = true,
	};
	(void)pthread_mutex_lock(&local->lock);
	STAILQ_INSERT_TAIL(&local->remote, source, link);
	set_signal(evl);
	(void)pthread_mutex_unlock(&local->lock);
	return 0;
}
