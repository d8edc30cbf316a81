/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns which events have been dealt with and not yet acknowledged.  A watch has at most one such event, so the sources themselves are
 * the list and nothing is allocated; all that gathers in a batch of events goes in one frame.
 */

#include "client/internal.h"

void ack_note(struct evl_source *source) {
	if (source->queued)
		return;
	source->queued = true;
	STAILQ_INSERT_TAIL(&source->evl->unacked, source, link);
}

static struct evl_source *take(struct evl *evl) {
	struct evl_source *source = STAILQ_FIRST(&evl->unacked);

	if (source) {
		STAILQ_REMOVE_HEAD(&evl->unacked, link);
		source->queued = false;
	}
	return source;
}

void ack_drop(struct evl *evl) {
	struct evl_source *source;

	while ((source = take(evl)))
		source_settle(source);
}

void ack_send(struct evl *evl) {
	Evloop__AckRequest request = EVLOOP__ACK_REQUEST__INIT;
	uint64_t handles[ACK_HANDLES_MAX]; /* a full packet has fewer events */
	struct evl_source *source;

	request.handles = handles;
	while (evl->link == LINK_UP && !STAILQ_EMPTY(&evl->unacked)) {
		request.n_handles = 0;
		while (request.n_handles < ACK_HANDLES_MAX && (source = take(evl))) {
			if (source->live && !source_is_stale(source))
				handles[request.n_handles++] = source->handle;
			else
				source_settle(source); /* cancelled meanwhile, or of a daemon that is dead */
		}
		/* A watch that is not acknowledged would be silent for ever: better the loss that it amounts to. */
		if (request.n_handles > 0 && call_oneway(evl, EVLOOP__METHOD__METHOD_ACK, &request.base) < 0)
			connection_lost(evl, -ENOMEM);
	}
}

int evl_call_ack(struct evl *evl, uint64_t handle) {
	struct evl_source *source = handle_find(&evl->handles, handle);
	int r = connection_begin(evl);

	if (r < 0)
		return r;
	if (!source)
		return -ENOENT;
	if (source_is_stale(source))
		return 0; /* it will be looked at anew */
	ack_note(source);
	if (!evl->loop.dispatching)
		ack_send(evl);
	return 0;
}
