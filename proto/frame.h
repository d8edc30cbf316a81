/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A frame: 16 bytes of header and one protobuf message.  Sans I/O: bytes in, frames out.
 *
 *     offset  0  u32  size     of the frame, header included
 *             4  u16  method   enum Method of evloop.proto
 *             6  u8   kind     enum frame_kind
 *             7  u8   fds      descriptors of the packet that belong to this frame
 *             8  u64  serial   REQUEST, ONEWAY: chosen by the client; REPLY, ERROR: that of the
 *                              request; EVENT: the event's sequence number
 *
 * All little-endian.
 */

#include "proto/base.h"

#define FRAME_HEADER_SIZE 16

enum frame_kind {
	FRAME_REQUEST = 1, /* client to daemon, answered by one REPLY or one ERROR */
	FRAME_REPLY = 2,
	FRAME_ERROR = 3, /* body: message Error */
	FRAME_EVENT = 4, /* daemon to client */
	FRAME_ONEWAY = 5, /* client to daemon; refused: the event METHOD_REFUSED */
};

struct frame {
	uint16_t method;
	uint8_t kind; /* enum frame_kind; any value may come from outside */
	uint8_t n_fds;
	uint64_t serial;
	const uint8_t *body; /* borrowed from the packet */
	size_t body_size;
};

enum {
	FRAME_E_MALFORMED = 1, /* the bytes are no frame: size below the header or beyond the data */
};

/* Write the header of a frame whose body has `body_size` bytes to p[0..15]. */
void frame_encode(uint8_t *p, const struct frame *frame);

/* Read the frame at *data, which has *size bytes left; step over it.  Return: 0, FRAME_E_MALFORMED. */
int frame_decode(const uint8_t **data, size_t *size, struct frame *ret_frame);
