/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the sixteen bytes in front of every message.  Knows nothing of sockets or protobuf.
 */

#include "proto/frame.h"

#include <endian.h>
#include <string.h>

static void put(uint8_t *p, const void *value, size_t n) {
	memcpy(p, value, n);
}

void frame_encode(uint8_t *p, const struct frame *frame) {
	uint32_t size = htole32((uint32_t)(FRAME_HEADER_SIZE + frame->body_size));
	uint16_t method = htole16(frame->method);
	uint64_t serial = htole64(frame->serial);

	put(p, &size, 4);
	put(p + 4, &method, 2);
	p[6] = frame->kind;
	p[7] = frame->n_fds;
	put(p + 8, &serial, 8);
}

int frame_decode(const uint8_t **data, size_t *size, struct frame *ret_frame) {
	const uint8_t *p = *data;
	uint32_t frame_size;
	uint16_t method;
	uint64_t serial;

	if (*size < FRAME_HEADER_SIZE)
		return FRAME_E_MALFORMED;
	memcpy(&frame_size, p, 4);
	frame_size = le32toh(frame_size);
	if (frame_size < FRAME_HEADER_SIZE || frame_size > *size)
		return FRAME_E_MALFORMED;
	memcpy(&method, p + 4, 2);
	memcpy(&serial, p + 8, 8);

	*ret_frame = (struct frame){
		.method = le16toh(method),
		.kind = p[6],
		.n_fds = p[7],
		.serial = le64toh(serial),
		.body = p + FRAME_HEADER_SIZE,
		.body_size = frame_size - FRAME_HEADER_SIZE,
	};
	*data += frame_size;
	*size -= frame_size;
	return 0;
}
