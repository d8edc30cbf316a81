/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A page of a list: as many entries as a packet takes, LIST_PAGE_MAX at most, and one at least. */

#include <protobuf-c/protobuf-c.h>

#include "proto/frame.h"
#include "proto/limits.h"

/* May `entry` join the `n` that are there, with *bytes of them?  If so, *bytes is with it. */
static inline bool page_takes(const ProtobufCMessage *entry, size_t n, size_t *bytes) {
	size_t size = protobuf_c_message_get_packed_size(entry) + 8; /* and its tag and length */

	if (n > 0 && (n >= LIST_PAGE_MAX || *bytes + size > PACKET_SIZE_MAX - FRAME_HEADER_SIZE - 64))
		return false;
	*bytes += size;
	return true;
}
