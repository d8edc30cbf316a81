/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what happens when the daemon of a session has died and another one goes on: with the same socket (TakenOver), or with a new one
 * (evl_reconnect).  Only this side knows what had been armed, so it is armed again, and whoever may have lost something by it is told.
 *
 * At reception evl::session counts on, which makes all that was armed until then stale, and Hello is sent, which makes the new daemon
 * drop what it has had of it.  The reply to Hello takes its turn among the events: by then all that the dead daemon had told has been
 * called back, and what the new one said of stale sources meanwhile has been passed over.  In its turn everything that is stale is armed
 * again.  What was lost is told one round trip later, for only then whoever looks for himself misses nothing more.
 *
 * Any of it may be overtaken by the death of the next daemon, and then begins anew.
 */

#include "client/internal.h"

#include <string.h>
#include <sys/socket.h>

static const char gap_message[] = "messages may have been lost: the daemon died and another one took over";

void takeover_forget(struct evl *evl) {
	struct takeover *takeover = &evl->takeover;

	if (takeover->asking)
		call_forget(evl, &takeover->request);
	takeover->asking = takeover->reconnected = false;
	takeover->phase = TAKEOVER_NONE;
	evl->input.awaited = 0;
}

/* There is no going on with this daemon.  The loss is met by the next look at the socket, behind all that has come before. */
static void give_up(struct evl *evl, int error) {
	if (!evl->message[0])
		(void)error_set(evl, error, "the daemon died, and with the one that took over it went wrong: %s",
				strerror(-error));
	connection_note_last_words(evl);
	takeover_forget(evl);
	(void)shutdown(evl->socket, SHUT_RDWR);
}

/* Ask for something whose reply has a turn.  Without a deadline: a daemon that has said TakenOver is there, and if it goes that is noticed. */
static void ask(struct evl *evl, Evloop__Method method, const ProtobufCMessage *message,
		void (*complete)(struct evl *evl, struct request *request, int error, const struct frame *frame)) {
	struct takeover *takeover = &evl->takeover;
	int r;

	if (connection_check(evl) < 0) {
		takeover_forget(evl); /* it has been lost while sending */
		return;
	}
	takeover->request.complete = complete;
	(void)error_set(evl, 0, NULL);
	r = call_async(evl, &takeover->request, INT64_MAX, method, message);
	if (r < 0) {
		give_up(evl, r);
		return;
	}
	takeover->asking = true;
	evl->input.awaited = takeover->request.serial;
}

static void greeted(struct evl *evl, struct request *request, int error, const struct frame *frame) {
	evl->takeover.asking = false;
	if (evl->closed || evl->link != LINK_UP) {
		takeover_forget(evl);
		return;
	}
	if (frame)
		error = hello_accept(evl, evloop__hello_reply__unpack(NULL, frame->body_size, frame->body));
	if (error < 0)
		give_up(evl, error);
	else
		call_fail_before(evl, request->serial);
}

void takeover_begin(struct evl *evl) {
	Evloop__HelloRequest hello = EVLOOP__HELLO_REQUEST__INIT;

	if (evl->link != LINK_UP)
		return; /* its last words are being read */
	takeover_forget(evl);
	evl->session++;
	atomic_fetch_add(&evl->deaths, 1);
	evl->takeover.phase = TAKEOVER_GREETING;
	hello_fill(&hello);
	ask(evl, EVLOOP__METHOD__METHOD_HELLO, &hello.base, greeted);
}

/* ---- arming again ---- */

static bool runs_command(const struct evl_source *source) {
	return timer_is_behind(source) && source->arming &&
	       ((const Evloop__TimerSpec *)source->arming->message)->command;
}

/* Return: 0; −EOWNERDEAD, for a command could run twice; as arming_repeat(). */
static int send_again(struct evl_source *source) {
	bool reconnected = source->evl->takeover.reconnected;

	if (source->kind == SOURCE_RAW && !source->arming)
		return 0; /* a handle that nothing was asked for yet, or that is over */
	if (!timer_is_behind(source))
		return arming_repeat(source);
	if (runs_command(source) && !reconnected)
		return -EOWNERDEAD;
	if (reconnected)
		timer_count_anew(source);
	return timer_rearm(source);
}

/* What happens between two daemons leaves no trace in the next one. */
static bool can_lose(const struct evl_source *source) {
	const struct arming *arming = source->arming;

	return arming && (arming->method == EVLOOP__METHOD__METHOD_SUBSCRIBE ||
			  arming->method == EVLOOP__METHOD__METHOD_WATCH_PATH);
}

static int rearm(struct evl_source *source) {
	int r = send_again(source);

	if (r < 0)
		return r;
	source->session = (uint16_t)source->evl->session;
	/* The new daemon gives it another. */
	source->id = 0;
	source->id_error = 0;
	if (!source->evl->takeover.reconnected && can_lose(source))
		source->lost = true;
	return 0;
}

static void confirmed(struct evl *evl, struct request *request _unused_, int error,
		      const struct frame *frame _unused_) {
	evl->takeover.asking = false;
	if (evl->closed || evl->link != LINK_UP)
		takeover_forget(evl);
	else if (error < 0)
		give_up(evl, error);
}

/* Nothing of the user's runs; what cannot be armed stays stale until all the others are. */
static void rearm_all(struct evl *evl) {
	Evloop__PingRequest ping = EVLOOP__PING_REQUEST__INIT;
	bool tell = false;

	for (size_t i = 0; i < evl->handles.n_slots; i++) {
		struct evl_source *source = handle_in_slot(&evl->handles, i);

		if (source && source_is_stale(source))
			tell |= rearm(source) < 0;
		tell |= source && source->lost;
	}
	if (!tell) {
		takeover_forget(evl);
		return;
	}
	evl->takeover.phase = TAKEOVER_CONFIRMING;
	ask(evl, EVLOOP__METHOD__METHOD_PING, &ping.base, confirmed);
}

void takeover_reconnect(struct evl *evl, bool awaited) {
	evl->takeover.reconnected = true;
	evl->takeover.phase = TAKEOVER_GREETING;
	if (!awaited)
		rearm_all(evl);
}

/* ---- telling ---- */

static const char *reason(int error) {
	switch (error) {
	case -EOWNERDEAD:
		return "the daemon died, and this timer is not armed again: its command could run twice";
	case -EBADF:
		return "the daemon died with its copy of the descriptor, which is not open here any more";
	default:
		return strerror(-error);
	}
}

/* As the daemon has it where it knows that there was more than it can tell. */
static int tell_to_look(struct evl *evl, struct evl_source *source) {
	Evloop__Event event = EVLOOP__EVENT__INIT;

	event.type = EVLOOP__EVENT_TYPE__EVENT_CHANGED;
	event.handle = source->handle;
	event.fires = 1;
	event.rescan = event.more = true;
	event.fired_ns = evl->relative ? 0 : clock_ns(CLOCK_BOOTTIME);
	return event_deliver(evl, source, &event);
}

/* How many, and which, nobody knows: a gap of no numbers, and no message behind it. */
static int tell_of_gap(struct evl *evl, struct evl_source *source) {
	Evloop__Event event = EVLOOP__EVENT__INIT;
	Evloop__Gap gap = EVLOOP__GAP__INIT;

	if (source->kind != SOURCE_RAW)
		return event_tell_error(evl, source, -ENOBUFS, gap_message);
	event.type = EVLOOP__EVENT_TYPE__EVENT_MESSAGE;
	event.handle = source->handle;
	event.gap = &gap;
	event.more = true;
	return event_deliver(evl, source, &event);
}

/* Return: as event_tell_error(); 0: there is nothing to tell. */
static int tell(struct evl *evl, struct evl_source *source) {
	int r = source_is_stale(source) ? rearm(source) : 0;

	if (r < 0)
		return event_end_with_error(evl, source, r, reason(r));
	if (!source->lost)
		return 0;
	source->lost = false;
	return source->arming->method == EVLOOP__METHOD__METHOD_WATCH_PATH ? tell_to_look(evl, source)
									   : tell_of_gap(evl, source);
}

/* Each may close, cancel and arm, and meet the end of the next daemon, so nothing is remembered from one to the next. */
static int tell_all(struct evl *evl) {
	int n = 0;

	for (size_t i = 0; connection_goes_on(evl) && i < evl->handles.n_slots; i++) {
		struct evl_source *source = handle_in_slot(&evl->handles, i);
		int r = source && evl->takeover.phase == TAKEOVER_CONFIRMING ? tell(evl, source) : 0;

		if (r < 0)
			return r;
		n += r;
	}
	if (connection_goes_on(evl) && evl->takeover.phase == TAKEOVER_CONFIRMING)
		takeover_forget(evl);
	return n;
}

int takeover_turn(struct evl *evl) {
	switch (evl->takeover.phase) {
	case TAKEOVER_GREETING:
		rearm_all(evl);
		return 0;
	case TAKEOVER_CONFIRMING:
		return tell_all(evl);
	default:
		return 0;
	}
}
