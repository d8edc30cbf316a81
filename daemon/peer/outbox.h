/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The way out of a session: one ordered stream of replies and events.
 *
 * Frames are put into one packet that all sessions share, and sent when it is full or the turn's work for the
 * session is done.  Only what the socket does not take is kept, packet by packet, by the session itself; while something
 * is kept, nothing overtakes it.
 */

#include <sys/queue.h>

#include "proto/packet.h"

struct kept_packet;

struct outbox {
	int fd; /* borrowed */
	struct packet *scratch; /* borrowed: shared by all sessions; empty between two sessions' turns */
	STAILQ_HEAD(, kept_packet) kept;
	size_t kept_bytes;
	bool lost; /* the connection is: everything is thrown away */
};

/* `scratch` has room for PACKET_SIZE_MAX bytes. */
void outbox_init(struct outbox *outbox, int fd, struct packet *scratch);
void outbox_deinit(struct outbox *outbox);

/*
 * Append a frame.  What has gathered is sent first where the frame finds no room beside it.
 * Return: 0; PACKET_E_TOO_LARGE: it fits no packet; -ENOMEM: what the socket did not take could not be kept, and is
 * lost, so the session cannot go on.
 */
int outbox_put(struct outbox *outbox, enum frame_kind kind, uint16_t method, uint64_t serial,
	       const ProtobufCMessage *message);

/*
 * Send a frame with descriptors, which are borrowed, at once.  What cannot be sent now is not kept: such a frame is for what can be
 * done without.  Return: 0; PACKET_E_AGAIN: it was not sent, and something else has to be said; -ENOMEM as above.
 */
int outbox_put_now(struct outbox *outbox, enum frame_kind kind, uint16_t method, uint64_t serial,
		   const ProtobufCMessage *message, const int *fds, size_t n_fds);

/* Keep a packet behind those that are kept.  Return: 0, -ENOMEM. */
int outbox_keep(struct outbox *outbox, const void *data, size_t size);

/* The packets that are kept, one after the other; `*position` is NULL at first.  Return: its size; 0: no more. */
size_t outbox_next_kept(const struct outbox *outbox, const struct kept_packet **position, const uint8_t **ret_data);

/* Send what has gathered, or keep it.  Return: 0, -ENOMEM as above. */
int outbox_push(struct outbox *outbox);

/* The socket takes more: send what was kept, at most `n` packets.  Return: true: nothing is kept any more. */
bool outbox_flush(struct outbox *outbox, unsigned n);

static inline bool outbox_is_blocked(const struct outbox *outbox) {
	return outbox->kept_bytes > 0;
}
