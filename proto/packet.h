/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A packet: one message of a SOCK_SEQPACKET socket, holding one or more whole frames and the
 * descriptors that belong to them.  Both sides of the socket use this module, in both directions.
 *
 * The buffer belongs to the caller, so that one of 64 KiB serves every session of the daemon.
 */

#include <protobuf-c/protobuf-c.h>

#include "proto/frame.h"
#include "proto/limits.h"

#define PACKET_FDS_ROOM 253 /* the most that Linux passes in one message (SCM_MAX_FD) */

struct packet {
	uint8_t *data; /* borrowed: `capacity` bytes of the caller's */
	size_t capacity;
	size_t size; /* bytes filled */
	size_t position; /* read so far by packet_next() */
	int fds[PACKET_FDS_ROOM]; /* received: owned by the packet until taken.  To be sent: borrowed */
	size_t n_fds;
	size_t fd_position; /* fds[] before this one belong to frames already read */
};

enum {
	PACKET_E_FULL = 1, /* packet_put: no room; the packet is as it was */
	PACKET_E_TOO_LARGE, /* packet_put: would not even fit an empty one of PACKET_SIZE_MAX; packet_receive: it was longer than the buffer */
	PACKET_E_END, /* packet_receive: the peer ended the session */
	PACKET_E_AGAIN, /* nothing to receive, or no room to send: wait for the socket */
	PACKET_E_FD_LOST, /* packet_receive: descriptors did not arrive, or more than PACKET_FDS_MAX; the data is valid */
	PACKET_E_MALFORMED, /* packet_check: not a row of whole frames, or descriptors that no frame claims */
};

/* Start an empty packet in `buffer`. */
void packet_init(struct packet *packet, void *buffer, size_t capacity);

/* Forget the content.  Received descriptors are not closed by it. */
void packet_clear(struct packet *packet);

/*
 * Append one frame.  `message` may be NULL for an empty body; `fds` are borrowed until the packet is sent.
 * Return: 0, PACKET_E_FULL (send what is there and put it again), PACKET_E_TOO_LARGE.
 */
int packet_put(struct packet *packet, enum frame_kind kind, uint16_t method, uint64_t serial,
	       const ProtobufCMessage *message, const int *fds, size_t n_fds);

/* Send all of it without blocking.  Return: 0, PACKET_E_AGAIN, or −errno: the connection is lost. */
int packet_send(int fd, const struct packet *packet);

/*
 * Receive one packet without blocking; descriptors come close-on-exec.  Whatever is returned, those that have come are in
 * the packet and the caller's to close: he may know better than to do it himself, since closing what a stranger has sent
 * can take for ever.  For the same reason there is room for more than may be sent: what finds none is closed by the kernel
 * within this call.
 * Return: 0, PACKET_E_AGAIN, PACKET_E_END, PACKET_E_TOO_LARGE, PACKET_E_FD_LOST, or −errno.
 */
int packet_receive(int fd, struct packet *packet);

/* Is it whole: frames from the first byte to the last, every descriptor claimed by one?  Return: 0, PACKET_E_MALFORMED. */
int packet_check(const struct packet *packet);

/*
 * The next frame of a packet that packet_check() has passed.  Its descriptors are ret_fds[0 .. n_fds-1],
 * still owned by the packet: a handler that keeps one replaces it by -1.  Return: false at the end.
 */
bool packet_next(struct packet *packet, struct frame *ret_frame, int **ret_fds);

/* Close received descriptors that nobody took. */
void packet_close_fds(struct packet *packet);
