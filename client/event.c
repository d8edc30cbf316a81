/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the way from a received event to the callback of its source.  Events of sources that are over find nobody and are
 * dropped here.  Merging is the daemon's business, and receiving is input.c's.
 */

#include "client/internal.h"

#include <stdio.h>
#include <string.h>

#include "proto/event.pb-c.h"

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

/*
 * The daemon can mean no other.  What it says in a session in which the source was not armed, of a frame of the time before, is about
 * something that the library has it drop.
 */
static struct evl_source *find(struct evl *evl, uint64_t handle, unsigned session) {
	struct evl_source *source = handle_find(&evl->handles, handle);

	return source && source_at_daemon(source) && source->session == (uint16_t)session ? source : NULL;
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
	source = find(evl, refusal->handle, evl->session);
	if (source && refusal_ends(refusal))
		source->refused = true;
	if (evl->first_refusal == 0 && (source || refusal->handle == 0)) {
		evl->first_refusal = error_of(refusal);
		evl->first_refusal_at = evl->refusals_received;
		(void)snprintf(evl->first_refusal_message, sizeof(evl->first_refusal_message), "%s", refusal->message);
	}
	evloop__error__free_unpacked(refusal, NULL);
}

void event_take_refusal(struct evl *evl) {
	/* A handler hears of all, for it is told which source is over. */
	struct told_refusal *told = evl->error_handler ? NULL : malloc(sizeof(*told));

	if (told) {
		told->number = evl->first_refusal_at;
		STAILQ_INSERT_TAIL(&evl->told_refusals, told, link);
	}
	evl->first_refusal = 0;
	evl->refusals_taken = evl->refusals_received;
}

/* Was the one that has its turn returned by evl_roundtrip()? */
static bool was_told(struct evl *evl) {
	struct told_refusal *told = STAILQ_FIRST(&evl->told_refusals);

	if (!told || told->number != evl->refusals_dispatched)
		return false;
	STAILQ_REMOVE_HEAD(&evl->told_refusals, link);
	free(told);
	return true;
}

int event_end_with_error(struct evl *evl, struct evl_source *source, int error, const char *message) {
	int r;

	source_retire(source);
	source->pinned = true;
	r = event_tell_error(evl, source, error, message);
	source->pinned = false;
	source_settle(source);
	return r;
}

/* Return: as event_tell_error(). */
static int tell_refusal(struct evl *evl, struct evl_source *source, const Evloop__Error *refusal, bool told) {
	bool ends = source && refusal_ends(refusal);

	if (told && ends) {
		source_retire(source);
		source_settle(source);
	}
	if (told)
		return 0;
	return ends ? event_end_with_error(evl, source, error_of(refusal), refusal->message)
		    : event_tell_error(evl, source, error_of(refusal), refusal->message);
}

static int dispatch_refusal(struct evl *evl, const struct frame *frame, unsigned session) {
	Evloop__Error *refusal =
		message_unpack(&evl->input.arena, &evloop__error__descriptor, frame->body, frame->body_size);
	struct evl_source *source;
	bool taken, told;
	int r;

	evl->refusals_dispatched++;
	told = was_told(evl);
	taken = evl->refusals_dispatched <= evl->refusals_taken;
	if (evl->first_refusal != 0 && evl->refusals_dispatched >= evl->first_refusal_at)
		evl->first_refusal = 0;
	if (!refusal)
		return 0;
	source = find(evl, refusal->handle, session);
	if (!source && refusal->handle != 0)
		return 0; /* cancelled meanwhile: nobody wants it any more */
	r = tell_refusal(evl, source, refusal, told);
	return taken ? MAX(r, 0) : r;
}

/* Is this the last event of the source? */
static bool is_last(const struct evl_source *source, const Evloop__Event *e) {
	switch (e->type) {
	case EVLOOP__EVENT_TYPE__EVENT_ENDED:
		return true;
	case EVLOOP__EVENT_TYPE__EVENT_FIRED:
		return !e->more && !source->follows;
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

/* Is it so that nothing comes any more? */
static bool ends(const struct frame *frame, unsigned session, const void *userdata) {
	const struct evl_source *source = userdata;
	Evloop__Event *e = NULL;
	bool found;

	if (frame->kind == FRAME_EVENT && frame->method == EVLOOP__METHOD__METHOD_EVENT)
		e = evloop__event__unpack(NULL, frame->body_size, frame->body);
	if (!e)
		return false;
	found = e->handle == source->handle && source->session == (uint16_t)session && is_last(source, e);
	evloop__event__free_unpacked(e, NULL);
	return found;
}

bool event_ends_soon(const struct evl_source *source) {
	return input_any(source->evl, ends, source);
}

/* It need not be dropped by its user at once, and is not to be armed again then. */
static int call_raw(struct evl *evl, struct evl_source *source, const Evloop__Event *e) {
	if (is_last(source, e))
		arming_forget(source);
	source->pinned = true;
	source->raw(evl, e, source->userdata);
	source->pinned = false;
	source_settle(source);
	return 1;
}

/* What is to be known of it with the next daemon. */
static void note(struct evl_source *source, Evloop__Event *e) {
	if (e->id && !source_is_stale(source))
		source->id = e->id;
	if (e->type == EVLOOP__EVENT_TYPE__EVENT_FIRED && timer_is_behind(source))
		timer_note_fire(source, e);
	else if (e->type == EVLOOP__EVENT_TYPE__EVENT_GRANTED && e->more)
		arming_note_held(source);
}

int event_deliver(struct evl *evl, struct evl_source *source, Evloop__Event *e) {
	struct evl_grant grant;
	struct evl_event event;

	note(source, e);
	if (source->kind == SOURCE_RAW)
		return call_raw(evl, source, e);
	/* Somebody else cancelled or replaced it, by its name. */
	if (e->type == EVLOOP__EVENT_TYPE__EVENT_ENDED && !source->follows && e->end != EVLOOP__END__END_DONE)
		return event_end_with_error(evl, source, -ECANCELED,
					    e->end == EVLOOP__END__END_REPLACED
						    ? "replaced by another timer of that name"
						    : "cancelled by somebody else");
	if (is_last(source, e))
		source_retire(source);
	if (!event_translate(source, e, &event, &grant) || !source->callback ||
	    (event.type == EVL_EVENT_ENDED && !source->follows)) {
		source_settle(source);
		return 0;
	}
	event_call(source, &event);
	return 1;
}

static bool is_granted(const struct frame *frame) {
	static const uint8_t type[] = { 1 << 3, EVLOOP__EVENT_TYPE__EVENT_GRANTED };

	return frame->body_size > sizeof(type) && memcmp(frame->body, type, sizeof(type)) == 0;
}

/* Into `granted`, where it is such an event: its fields alone, which are few.  Return: NULL: it is no event. */
static Evloop__Event *unpack(struct evl *evl, const struct frame *frame, Evloop__Event *granted) {
	const Evloop__GrantedEvent *view;

	if (!is_granted(frame))
		return message_unpack(&evl->input.arena, &evloop__event__descriptor, frame->body, frame->body_size);
	view = message_unpack(&evl->input.arena, &evloop__granted_event__descriptor, frame->body, frame->body_size);
	if (!view)
		return NULL;
	evloop__event__init(granted);
	granted->type = view->type;
	granted->handle = view->handle;
	granted->id = view->id;
	granted->more = view->more;
	granted->claim = view->claim;
	granted->grant = view->grant;
	return granted;
}

static int dispatch_event(struct evl *evl, const struct frame *frame, unsigned session) {
	Evloop__Event granted, *e = unpack(evl, frame, &granted);
	struct evl_source *source;
	bool acked;
	int r;

	if (!e) {
		connection_lost(evl, -EPROTO);
		return 0;
	}
	source = find(evl, e->handle, session);
	if (!source)
		return 0;
	acked = wants_ack(source, e);
	r = event_deliver(evl, source, e);
	/* If it is still there, and so is the daemon that the event came from. */
	if (acked && session == evl->session && (source = find(evl, e->handle, session)))
		ack_note(source);
	return r;
}

/* What is left of it comes when somebody has heard of the error. */
static int dispatch_turn(struct evl *evl) {
	int r = takeover_turn(evl);

	if (r < 0 && connection_goes_on(evl))
		input_repeat(evl);
	return r;
}

/* Return: as event_dispatch(). */
static int dispatch_all(struct evl *evl) {
	struct frame frame;
	unsigned session;
	int n = 0;

	while (connection_goes_on(evl) && input_next(evl, &frame, &session)) {
		int r = 0;

		if (frame.kind == FRAME_REPLY)
			r = dispatch_turn(evl);
		else if (frame.method == EVLOOP__METHOD__METHOD_EVENT)
			r = dispatch_event(evl, &frame, session);
		else if (frame.method == EVLOOP__METHOD__METHOD_REFUSED)
			r = dispatch_refusal(evl, &frame, session);
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
