/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how an event looks on the wire.  Asks the core for nothing: an event says all that is told of it. */

#include "daemon/rpc/notify.h"

#include "daemon/rpc/convert.h"

int notify_event(struct session *session, const struct event *event) {
	Evloop__Event message = EVLOOP__EVENT__INIT;
	Evloop__RunInfo run;
	Evloop__Grant grant;
	int r;

	message.type = convert_event_type(event->type);
	message.handle = event->handle;
	message.id = event->id;
	if (event->name)
		message.name = (char *)event->name;
	if (event->type == EVENT_TYPE_FIRED) {
		message.generation = event->generation > 1 ? event->generation : 0;
		message.fire_seq = event->fire_seq;
		message.fires = event->fires;
		message.missed = event->missed;
		message.first_scheduled_ns =
			event->first_scheduled_ns != event->scheduled_ns ? event->first_scheduled_ns : 0;
		message.scheduled_ns = event->scheduled_ns;
		message.fired_ns = event->fired_ns;
		message.lateness_ns = event->fired_ns - event->scheduled_ns;
		message.more = event->more;
	}
	if (event->run) {
		convert_run(event->run, &run);
		message.run = &run;
	}
	if (event->type == EVENT_TYPE_GRANTED) {
		convert_grant(event->grant, &grant);
		message.grant = &grant;
		message.claim = convert_claim_state((enum claim_state)event->claim_state);
		message.more = event->more;
	}
	message.end = convert_end(event->end);
	message.output_end = event->output_end;

	r = outbox_put(&session->outbox, FRAME_EVENT, EVLOOP__METHOD__METHOD_EVENT, session_next_sequence(session),
		       &message.base);
	return r > 0 ? -EMSGSIZE : r;
}
