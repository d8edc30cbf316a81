/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the life of sources: references, cancelling, and the destructor that runs exactly once.
 *
 * A source is live, then over; a timer may become live again.  The library holds what is live, the caller holds
 * what he has references to, and a callback or destructor that runs pins its source; the last of the three
 * to let go frees it.  Must not know what makes a source fire.
 */

#include "client/internal.h"

bool source_is_stale(const struct evl_source *source) {
	return source_at_daemon(source) && source->session != (uint16_t)source->evl->session;
}

int source_new(struct evl *evl, enum source_kind kind, evl_callback callback, void *userdata,
	       struct evl_source **ret_source) {
	struct evl_source *source = malloc(sizeof(*source));

	if (!source)
		return -ENOMEM;
	*source = (struct evl_source){
		.evl = evl,
		.callback = callback,
		.userdata = userdata,
		.session = (uint16_t)evl->session,
		.kind = (uint8_t)kind,
		.live = true,
	};
	if (kind != SOURCE_POSTED && handle_add(&evl->handles, source, &source->handle) < 0) {
		free(source);
		return -ENOMEM;
	}
	evl->n_sources++;
	evl->n_live++;
	*ret_source = source;
	return 0;
}

static void source_free(struct evl_source *source) {
	struct evl *evl = source->evl;

	if (source_at_daemon(source))
		arming_forget(source);
	else if (source->kind == SOURCE_WORK)
		free(source->work);
	free(source);
	connection_drop_source(evl);
}

void source_discard(struct evl_source *source) {
	source_retire(source);
	source_free(source);
}

void source_retire(struct evl_source *source) {
	if (!source->live)
		return;
	source->live = false;
	source->evl->n_live--;
	if (source->kind == SOURCE_LOCAL)
		readiness_forget(source);
	else if (source->kind == SOURCE_WORK)
		executor_forget(source);
	else if (source->kind > SOURCE_TIMER)
		arming_forget(source); /* a timer may be armed once more */
	if (source->handle) {
		handle_remove(&source->evl->handles, source->handle);
		source->handle = 0;
	}
}

int source_revive(struct evl_source *source) {
	int r;

	source_retire(source);
	r = handle_add(&source->evl->handles, source, &source->handle);
	if (r < 0)
		return r;
	source->live = true;
	source->evl->n_live++;
	source->session = (uint16_t)source->evl->session;
	source->cancelled = source->refused = source->identifying = false;
	source->id_error = 0;
	source->id = 0;
	return 0;
}

void source_settle(struct evl_source *source) {
	struct evl *evl = source->evl;

	if (source->live || source->pinned || source->working)
		return;
	if (source->destroy && !source->destroyed) {
		source->destroyed = source->pinned = true;
		connection_pin(evl);
		source->destroy(source->userdata);
		connection_unpin(evl);
		source->pinned = false;
	}
	if (source->n_refs == 0 && !source->queued)
		source_free(source);
}

struct evl_source *evl_source_ref(struct evl_source *source) {
	source->n_refs++;
	return source;
}

/* Tell the daemon, and let no event through any more. */
static void cancel(struct evl_source *source) {
	Evloop__HandleRequest request = EVLOOP__HANDLE_REQUEST__INIT;

	request.handle = source->handle;
	source->cancelled = true;
	source_retire(source);
	/* Where that cannot be sent, the daemon's events find no source.  One that is stale is not known there. */
	if (source_at_daemon(source) && !source_is_stale(source))
		(void)call_oneway(source->evl, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, &request.base);
}

struct evl_source *evl_source_unref(struct evl_source *source) {
	if (!source || source->n_refs == 0 || --source->n_refs > 0)
		return NULL;
	if (source->live)
		cancel(source);
	source_settle(source);
	return NULL;
}

int evl_cancel(struct evl_source *source) {
	error_begin(source->evl, 0);
	if (!source->live)
		return 0;
	if (!*source->evl->alive)
		return -ECHILD;
	cancel(source);
	source_settle(source);
	return 1;
}

/* Gone there and not over here: its last event is among those received and not dispatched, or it was armed with another daemon. */
static int outcome_of_gone(const struct evl_source *source) {
	if (source->refused)
		return EVL_OUTCOME_DONE;
	return source_is_stale(source) && !event_ends_soon(source) ? EVL_OUTCOME_CANCELLED : EVL_OUTCOME_TOO_LATE;
}

static int outcome_of(const struct evl_source *source, const Evloop__CancelReply *reply) {
	switch (reply->outcome) {
	case EVLOOP__OUTCOME__OUTCOME_CANCELLED:
		return EVL_OUTCOME_CANCELLED;
	case EVLOOP__OUTCOME__OUTCOME_WITHDRAWN:
		return EVL_OUTCOME_WITHDRAWN;
	default:
		return outcome_of_gone(source);
	}
}

static int cancel_at_daemon(struct evl_source *source, int *ret_outcome) {
	Evloop__HandleRequest request = EVLOOP__HANDLE_REQUEST__INIT;
	ProtobufCMessage *reply;
	int r;

	request.handle = source->handle;
	*ret_outcome = outcome_of_gone(source);
	/* Who dies takes it along: nothing is left to be asked. */
	if (source_is_stale(source) && source->evl->link == LINK_UP)
		return 0;
	r = call_sync(source->evl, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, &request.base, &reply);
	if (r == -EOWNERDEAD) {
		*ret_outcome = outcome_of_gone(source);
		return 0;
	}
	if (r < 0)
		return r;
	*ret_outcome = outcome_of(source, (const Evloop__CancelReply *)reply);
	protobuf_c_message_free_unpacked(reply, NULL);
	return 0;
}

int evl_cancel_sync(struct evl_source *source, int *ret_outcome) {
	int outcome = EVL_OUTCOME_CANCELLED, r = 0;

	error_begin(source->evl, 0);
	if (!source->live) {
		outcome = EVL_OUTCOME_DONE;
	} else {
		if (!*source->evl->alive)
			return -ECHILD;
		if (source_at_daemon(source))
			r = cancel_at_daemon(source, &outcome);
		source->cancelled = true;
		source_retire(source);
		if (source->kind == SOURCE_WORK && executor_has_begun(source))
			outcome = EVL_OUTCOME_TOO_LATE;
		source_settle(source);
	}
	if (r >= 0 && ret_outcome)
		*ret_outcome = outcome;
	return r;
}

bool evl_cancelled(const struct evl_source *source) {
	return source->cancelled;
}

struct identification {
	struct request request;
	uint64_t handle;
};

static void identified(struct evl *evl, struct request *request, int error, const struct frame *frame) {
	struct identification *identification = container_of(request, struct identification, request);
	struct evl_source *source = handle_find(&evl->handles, identification->handle);
	Evloop__Armed *armed = NULL;

	if (frame)
		armed = evloop__armed__unpack(NULL, frame->body_size, frame->body);
	if (source)
		source->identifying = false;
	/* What a daemon that is dead has called it means nothing any more. */
	if (source && !source_is_stale(source)) {
		if (armed)
			source->id = armed->id;
		else
			source->id_error = (int16_t)(error ? error : -EPROTO);
	}
	if (armed)
		evloop__armed__free_unpacked(armed, NULL);
	free(identification);
}

static int identify(struct evl_source *source) {
	Evloop__HandleRequest message = EVLOOP__HANDLE_REQUEST__INIT;
	struct identification *identification = malloc(sizeof(*identification));
	int r;

	if (!identification)
		return -ENOMEM;
	*identification = (struct identification){ .request.complete = identified, .handle = source->handle };
	message.handle = source->handle;
	r = call_async(source->evl, &identification->request, call_deadline(source->evl),
		       EVLOOP__METHOD__METHOD_IDENTIFY, &message.base);
	if (r < 0) {
		free(identification);
		return r;
	}
	source->identifying = true;
	return 0;
}

int evl_source_id(struct evl_source *source, uint64_t *ret) {
	int r;

	error_begin(source->evl, 0);
	if (source->live && source->evl->link == LINK_UP && source_is_stale(source))
		return -EAGAIN; /* the next daemon gives it another */
	if (source->id) {
		*ret = source->id;
		return 0;
	}
	if (!source_at_daemon(source))
		return -EINVAL;
	if (!source->live)
		return -ENOENT;
	if (source->id_error) {
		/* Told once; the next call asks again. */
		r = source->id_error;
		source->id_error = 0;
		return r;
	}
	if (!source->identifying) {
		r = connection_check(source->evl);
		if (r >= 0)
			r = identify(source);
		if (r < 0)
			return r;
	}
	return -EAGAIN;
}

struct evl *evl_source_evl(struct evl_source *source) {
	return source->evl->closed ? NULL : source->evl;
}

void *evl_source_userdata(struct evl_source *source) {
	return source->userdata;
}

void evl_source_set_destroy(struct evl_source *source, void (*destroy)(void *userdata)) {
	source->destroy = destroy;
}
