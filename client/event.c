/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the way from a received event to the callback of its source.  Events of sources that are over find nobody and are
 * dropped here.  Merging is the daemon's business, and receiving is input.c's.
 */

#include "client/internal.h"

#include <stdio.h>

int event_tell_error(struct evl *evl, struct evl_source *source, int error, const char *message) {
	if (!evl->error_handler)
		return error_set(evl, error, "%s", message);
	evl->error_handler(evl, source, error, message, evl->error_userdata);
	return 1;
}

void event_call(struct evl_source *source, const struct evl_event *event) {
	struct evl *evl = source->evl;
	evl_callback callback = source->callback;
	int64_t began_ns = 0;

	source->pinned = true;
	if (evl->debug.on)
		began_ns = clock_ns(CLOCK_MONOTONIC);
	callback(source->kind == SOURCE_REMOTE ? NULL : source, event, source->userdata);
	if (evl->debug.on)
		debug_slow(evl, callback, event, clock_ns(CLOCK_MONOTONIC) - began_ns);
	source->pinned = false;
	source_settle(source);
}

/* The daemon can mean no other. */
static struct evl_source *find(struct evl *evl, uint64_t handle) {
	struct evl_source *source = handle_find(&evl->handles, handle);

	return source && source_at_daemon(source) ? source : NULL;
}

/* A restart that was refused leaves the timer as it was, if there is one. */
static bool refusal_ends(const Evloop__Error *refusal) {
	return refusal->method != EVLOOP__METHOD__METHOD_RESTART_HANDLE ||
	       refusal->status == EVLOOP__STATUS__STATUS_NOT_FOUND;
}

void event_note_refusal(struct evl *evl, const struct frame *frame) {
	Evloop__Error *refusal = evloop__error__unpack(NULL, frame->body_size, frame->body);
	struct evl_source *source;

	evl->refusals_received++;
	if (!refusal)
		return;
	source = find(evl, refusal->handle);
	if (source && refusal_ends(refusal))
		source->refused = true;
	if (evl->first_refusal == 0 && (source || refusal->handle == 0)) {
		evl->first_refusal = error_of(refusal);
		evl->first_refusal_at = evl->refusals_received;
		(void)snprintf(evl->first_refusal_message, sizeof(evl->first_refusal_message), "%s", refusal->message);
	}
	evloop__error__free_unpacked(refusal, NULL);
}

/* The source is over before anybody hears of it.  Return: as event_tell_error(). */
static int end_with_error(struct evl *evl, struct evl_source *source, int error, const char *message) {
	int r;

	source_retire(source);
	source->pinned = true;
	r = event_tell_error(evl, source, error, message);
	source->pinned = false;
	source_settle(source);
	return r;
}

static int dispatch_refusal(struct evl *evl, const struct frame *frame) {
	Evloop__Error *refusal =
		message_unpack(&evl->input.arena, &evloop__error__descriptor, frame->body, frame->body_size);
	struct evl_source *source;
	bool taken;
	int error, r;

	evl->refusals_dispatched++;
	taken = evl->refusals_dispatched <= evl->refusals_taken;
	if (evl->first_refusal != 0 && evl->refusals_dispatched >= evl->first_refusal_at)
		evl->first_refusal = 0;
	if (!refusal)
		return 0;
	error = error_of(refusal);
	source = find(evl, refusal->handle);
	if (!source && refusal->handle != 0)
		return 0; /* cancelled meanwhile: nobody wants it any more */
	if (source && refusal_ends(refusal))
		r = end_with_error(evl, source, error, refusal->message);
	else
		r = event_tell_error(evl, source, error, refusal->message);
	return taken ? MAX(r, 0) : r;
}

bool event_is_last(struct evl_source *source, const Evloop__Event *e, bool old_session) {
	switch (e->type) {
	case EVLOOP__EVENT_TYPE__EVENT_ENDED:
		return true;
	case EVLOOP__EVENT_TYPE__EVENT_FIRED:
		if (source->follows)
			return false;
		/* What has fired since then belongs to another timer. */
		return old_session || source->kind != SOURCE_TIMER ? !e->more : timer_note_fire(source, e);
	case EVLOOP__EVENT_TYPE__EVENT_GRANTED:
	case EVLOOP__EVENT_TYPE__EVENT_READY:
	case EVLOOP__EVENT_TYPE__EVENT_PROCESS:
	case EVLOOP__EVENT_TYPE__EVENT_CHANGED:
	case EVLOOP__EVENT_TYPE__EVENT_MESSAGE:
	case EVLOOP__EVENT_TYPE__EVENT_TIMEOUT:
		return !e->more;
	default:
		return false;
	}
}

/* Does the daemon wait to hear that it has been dealt with? */
static bool wants_ack(const struct evl_source *source, const Evloop__Event *e) {
	return source->kind == SOURCE_WATCH && e->more;
}

static int call_raw(struct evl *evl, struct evl_source *source, const Evloop__Event *e) {
	source->pinned = true;
	source->raw(evl, e, source->userdata);
	source->pinned = false;
	source_settle(source);
	return 1;
}

static int dispatch_to(struct evl *evl, struct evl_source *source, const Evloop__Event *e, bool old_session) {
	struct evl_grant grant;
	struct evl_event event;

	if (source->kind == SOURCE_RAW)
		return call_raw(evl, source, e);
	if (e->id && !old_session)
		source->id = e->id;
	/* Somebody else cancelled or replaced it, by its name. */
	if (e->type == EVLOOP__EVENT_TYPE__EVENT_ENDED && !source->follows && e->end != EVLOOP__END__END_DONE)
		return end_with_error(evl, source, -ECANCELED,
				      e->end == EVLOOP__END__END_REPLACED ? "replaced by another timer of that name"
									  : "cancelled by somebody else");
	if (event_is_last(source, e, old_session))
		source_retire(source);
	if (!event_translate(source, e, &event, &grant) || !source->callback ||
	    (event.type == EVL_EVENT_ENDED && !source->follows)) {
		source_settle(source);
		return 0;
	}
	event_call(source, &event);
	return 1;
}

static int dispatch_event(struct evl *evl, const struct frame *frame, unsigned session) {
	const Evloop__Event *e =
		message_unpack(&evl->input.arena, &evloop__event__descriptor, frame->body, frame->body_size);
	struct evl_source *source;
	bool acked;
	int r;

	if (!e) {
		connection_lost(evl, -EPROTO);
		return 0;
	}
	source = find(evl, e->handle);
	if (!source)
		return 0;
	acked = wants_ack(source, e);
	r = dispatch_to(evl, source, e, session != evl->session);
	/* If it is still there, and so is the session that the event came from. */
	if (acked && session == evl->session && (source = find(evl, e->handle)))
		ack_note(source);
	return r;
}

/* Return: as event_dispatch(). */
static int dispatch_all(struct evl *evl) {
	struct frame frame;
	unsigned session;
	int n = 0;

	while (connection_goes_on(evl) && input_next(evl, &frame, &session)) {
		int r = 0;

		if (frame.method == EVLOOP__METHOD__METHOD_EVENT)
			r = dispatch_event(evl, &frame, session);
		else if (frame.method == EVLOOP__METHOD__METHOD_REFUSED)
			r = dispatch_refusal(evl, &frame);
		arena_reset(&evl->input.arena);
		if (r < 0)
			return r;
		n += r;
	}
	return n;
}

int event_dispatch(struct evl *evl) {
	int r = dispatch_all(evl);

	if (connection_goes_on(evl))
		ack_send(evl);
	return r;
}
