/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what has been received: each packet is checked whole, its replies complete their requests at once, and it is
 * kept in line until its events have been dispatched.  So a call that waits gets its reply, and no callback runs
 * meanwhile.  Must not know what events mean.
 */

#include "client/internal.h"

#include <string.h>

static struct inbound *inbound_new(size_t capacity) {
	struct inbound *inbound = malloc(sizeof(*inbound) + capacity);

	if (inbound)
		inbound->capacity = capacity;
	return inbound;
}

int input_init(struct input *input) {
	STAILQ_INIT(&input->packets);
	return arena_init(&input->arena);
}

/* Keep one large buffer for the next packet. */
static void release(struct input *input, struct inbound *inbound) {
	if (inbound->capacity == PACKET_SIZE_MAX && !input->spare)
		input->spare = inbound;
	else
		free(inbound);
}

/* TakenOver is dealt with when it is received; what follows from it has the turn of the reply to Hello. */
static bool has_turn(const struct evl *evl, const struct frame *frame) {
	if (frame->kind == FRAME_REPLY)
		return frame->serial == evl->input.awaited && frame->serial != 0;
	return frame->kind == FRAME_EVENT && frame->method != EVLOOP__METHOD__METHOD_TAKEN_OVER;
}

static void pop(struct input *input) {
	struct inbound *first = STAILQ_FIRST(&input->packets);

	STAILQ_REMOVE_HEAD(&input->packets, link);
	release(input, first);
}

void input_deinit(struct input *input) {
	while (!STAILQ_EMPTY(&input->packets))
		pop(input);
	free(input->spare);
	input->spare = NULL;
	if (input->arena.first)
		arena_deinit(&input->arena);
}

/* Hand replies to their requests.  Return: how many frames have a turn of their own. */
static size_t complete_requests(struct evl *evl, struct packet *packet) {
	struct frame frame;
	size_t n_events = 0;
	int *fds;

	while (packet_next(packet, &frame, &fds)) {
		evl->input.fds = fds;
		switch (frame.kind) {
		case FRAME_REPLY:
		case FRAME_ERROR:
			call_complete(evl, &frame);
			n_events += has_turn(evl, &frame);
			break;
		case FRAME_EVENT:
			if (frame.method == EVLOOP__METHOD__METHOD_TAKEN_OVER)
				takeover_begin(evl);
			else if (frame.method == EVLOOP__METHOD__METHOD_REFUSED)
				event_note_refusal(evl, &frame);
			n_events += has_turn(evl, &frame);
			break;
		}
		evl->input.fds = NULL;
	}
	return n_events;
}

/* Keep the packet for its events.  While a call waits there may come many, so none keeps more memory than it fills. */
static void keep(struct evl *evl, struct inbound *inbound) {
	struct inbound *fitting = NULL;

	if (!evl->loop.dispatching || !input_is_empty(&evl->input))
		fitting = inbound_new(inbound->size);
	if (fitting) {
		memcpy(fitting->data, inbound->data, inbound->size);
		fitting->size = inbound->size;
		release(&evl->input, inbound);
		inbound = fitting;
	}
	inbound->position = inbound->last_position = 0;
	inbound->session = evl->session;
	STAILQ_INSERT_TAIL(&evl->input.packets, inbound, link);
}

/* Return: 0, or why the connection is lost. */
static int verdict(const struct packet *packet, int received) {
	switch (received) {
	case 0:
		return packet_check(packet) == 0 ? 0 : -EPROTO;
	case PACKET_E_FD_LOST: /* this process may open no more: there is no telling what is lacking */
	case PACKET_E_TOO_LARGE:
		return -EPROTO;
	default:
		return -ECONNRESET;
	}
}

bool input_receive(struct evl *evl) {
	struct inbound *inbound = TAKE_PTR(evl->input.spare);
	struct packet packet;
	int r;

	if (!inbound)
		inbound = inbound_new(PACKET_SIZE_MAX);
	if (!inbound || evl->socket < 0) {
		evl->input.spare = inbound;
		return false; /* the packet stays in the socket */
	}
	packet_init(&packet, inbound->data, PACKET_SIZE_MAX);
	r = packet_receive(evl->socket, &packet);
	if (r == PACKET_E_AGAIN) {
		release(&evl->input, inbound);
		return false;
	}
	r = verdict(&packet, r);
	if (r < 0) {
		packet_close_fds(&packet);
		release(&evl->input, inbound);
		connection_lost(evl, r);
		return false;
	}
	if (evl->debug.on)
		debug_packet(evl, "<", packet.data, packet.size);
	inbound->size = packet.size;
	if (complete_requests(evl, &packet) > 0)
		keep(evl, inbound);
	else
		release(&evl->input, inbound);
	packet_close_fds(&packet); /* those that nobody has taken */
	return true;
}

/* Step to the next frame that has a turn. */
static bool next_turn(const struct evl *evl, const struct inbound *inbound, size_t *position, struct frame *ret_frame) {
	const uint8_t *p = inbound->data + *position;
	size_t left = inbound->size - *position;

	while (left > 0 && frame_decode(&p, &left, ret_frame) == 0) {
		*position = inbound->size - left;
		if (has_turn(evl, ret_frame))
			return true;
	}
	return false;
}

bool input_next(struct evl *evl, struct frame *ret_frame, unsigned *ret_session) {
	struct inbound *first = STAILQ_FIRST(&evl->input.packets);

	if (!first)
		return false;
	*ret_session = first->session;
	first->last_position = first->position;
	if (next_turn(evl, first, &first->position, ret_frame))
		return true;
	pop(&evl->input);
	return false;
}

void input_repeat(struct evl *evl) {
	struct inbound *first = STAILQ_FIRST(&evl->input.packets);

	first->position = first->last_position;
}

bool input_any(struct evl *evl, bool (*visit)(const struct frame *frame, unsigned session, const void *userdata),
	       const void *userdata) {
	struct inbound *inbound;

	STAILQ_FOREACH(inbound, &evl->input.packets, link) {
		size_t position = inbound->position;
		struct frame frame;

		while (next_turn(evl, inbound, &position, &frame))
			if (visit(&frame, inbound->session, userdata))
				return true;
	}
	return false;
}
