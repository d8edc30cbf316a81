/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how an event looks on the wire.  Asks the core for nothing: an event says all that is told of it. */

#include "daemon/rpc/notify.h"

#include <string.h>

#include "daemon/core/path-watch.h"
#include "daemon/rpc/convert.h"
#include "proto/event.pb-c.h"
#include "proto/limits.h"

/* What is the same of everything that is watched or heard. */
static void fill_happened(const struct event *event, Evloop__Event *message) {
	message->fire_seq = event->fire_seq;
	message->fires = event->fires;
	message->fired_ns = event->fired_ns;
	message->more = event->more;
}

static void fill_ready(const struct event *event, Evloop__Event *message) {
	fill_happened(event, message);
	message->readiness = event->process ? 0 : convert_readiness(event->readiness);
	if (!event->process)
		return;
	message->pid = (uint64_t)event->process->pid;
	message->status_known = event->process->status_known;
	message->status = event->process->status;
}

/* What has changed at a path, in the form of a message. */
struct changes_message {
	Evloop__PathChange changes[PATH_CHANGES_MAX];
	Evloop__PathChange *pointers[PATH_CHANGES_MAX];
};

static void fill_changed(const struct event *event, struct changes_message *changes, Evloop__Event *message) {
	fill_happened(event, message);
	for (size_t i = 0; i < event->n_changes; i++) {
		const struct path_change *change = &event->changes[i];
		Evloop__PathChange *told = &changes->changes[i];

		evloop__path_change__init(told);
		told->path = (ProtobufCBinaryData){ .data = (uint8_t *)change->path, .len = strlen(change->path) };
		told->changes = change->events;
		changes->pointers[i] = told;
	}
	message->changes = changes->pointers;
	message->n_changes = event->n_changes;
	message->rescan = event->rescan;
	message->error = event->error;
}

static void fill_fired(const struct event *event, Evloop__Event *ret) {
	ret->generation = event->generation > 1 ? event->generation : 0;
	ret->fire_seq = event->fire_seq;
	ret->fires = event->fires;
	ret->missed = event->missed;
	ret->first_scheduled_ns = event->first_scheduled_ns != event->scheduled_ns ? event->first_scheduled_ns : 0;
	ret->scheduled_ns = event->scheduled_ns;
	ret->fired_ns = event->fired_ns;
	ret->lateness_ns = event->fired_ns - event->scheduled_ns;
	ret->more = event->more;
}

static void fill_message(const struct event *event, Evloop__Event *ret, Evloop__Gap *gap) {
	fill_happened(event, ret);
	ret->data = (ProtobufCBinaryData){ .data = (uint8_t *)event->data, .len = event->data_size };
	if (event->gap_first == 0)
		return;
	evloop__gap__init(gap);
	gap->first = event->gap_first;
	gap->last = event->gap_last;
	gap->count = event->gap_last - event->gap_first + 1;
	ret->gap = gap;
}

static int put(struct session *session, const ProtobufCMessage *message) {
	int r = outbox_put(&session->outbox, FRAME_EVENT, EVLOOP__METHOD__METHOD_EVENT, session_next_sequence(session),
			   message);

	return r > 0 ? -EMSGSIZE : r;
}

static int put_granted(struct session *session, const struct event *event) {
	Evloop__GrantedEvent message = EVLOOP__GRANTED_EVENT__INIT;
	Evloop__Grant grant;

	convert_grant(event->grant, &grant);
	message.type = EVLOOP__EVENT_TYPE__EVENT_GRANTED;
	message.handle = event->handle;
	message.id = event->id;
	message.more = event->more;
	message.claim = convert_claim_state((enum claim_state)event->claim_state);
	message.grant = &grant;
	return put(session, &message.base);
}

int notify_event(struct session *session, const struct event *event) {
	Evloop__Event message = EVLOOP__EVENT__INIT;
	Evloop__RunInfo run;
	struct changes_message changes;
	Evloop__Gap gap;

	if (event->type == EVENT_TYPE_GRANTED)
		return put_granted(session, event);
	message.type = convert_event_type(event);
	message.handle = event->handle;
	message.id = event->id;
	if (event->name)
		message.name = (char *)event->name;
	if (event->type == EVENT_TYPE_FIRED)
		fill_fired(event, &message);
	if (event->type == EVENT_TYPE_MESSAGE)
		fill_message(event, &message, &gap);
	if (event->run) {
		convert_run(event->run, &run);
		message.run = &run;
	}
	if (event->type == EVENT_TYPE_READY)
		fill_ready(event, &message);
	if (event->type == EVENT_TYPE_CHANGED)
		fill_changed(event, &changes, &message);
	message.end = convert_end(event->end);
	message.output_end = event->output_end;
	return put(session, &message.base);
}
