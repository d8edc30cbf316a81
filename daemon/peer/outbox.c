/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the order in which a session's frames leave.  Knows nothing of what they mean, nor when it is time to send. */

#include "daemon/peer/outbox.h"

#include <string.h>

struct kept_packet {
	STAILQ_ENTRY(kept_packet) link; /* outbox::kept */
	size_t size;
	uint8_t data[];
};

void outbox_init(struct outbox *outbox, int fd, struct packet *scratch) {
	*outbox = (struct outbox){ .fd = fd, .scratch = scratch };
	STAILQ_INIT(&outbox->kept);
}

void outbox_deinit(struct outbox *outbox) {
	struct kept_packet *kept;

	while ((kept = STAILQ_FIRST(&outbox->kept))) {
		STAILQ_REMOVE_HEAD(&outbox->kept, link);
		free(kept);
	}
	outbox->kept_bytes = 0;
}

int outbox_keep(struct outbox *outbox, const void *data, size_t size) {
	struct kept_packet *kept = malloc(sizeof(*kept) + size);

	if (!kept)
		return -ENOMEM;
	kept->size = size;
	memcpy(kept->data, data, size);
	STAILQ_INSERT_TAIL(&outbox->kept, kept, link);
	outbox->kept_bytes += size;
	return 0;
}

size_t outbox_next_kept(const struct outbox *outbox, const struct kept_packet **position, const uint8_t **ret_data) {
	const struct kept_packet *kept = *position ? STAILQ_NEXT(*position, link) : STAILQ_FIRST(&outbox->kept);

	*position = kept;
	if (!kept)
		return 0;
	*ret_data = kept->data;
	return kept->size;
}

int outbox_push(struct outbox *outbox) {
	struct packet *packet = outbox->scratch;
	int r = PACKET_E_AGAIN;

	if (packet->size == 0)
		return 0;
	if (!outbox->lost && !outbox_is_blocked(outbox))
		r = packet_send(outbox->fd, packet);
	if (r == PACKET_E_AGAIN && !outbox->lost) {
		r = outbox_keep(outbox, packet->data, packet->size);
	} else if (r < 0) {
		outbox->lost = true; /* reading will tell */
		r = 0;
	} else {
		r = 0;
	}
	packet_clear(packet);
	return r;
}

int outbox_put(struct outbox *outbox, enum frame_kind kind, uint16_t method, uint64_t serial,
	       const ProtobufCMessage *message) {
	struct packet *packet = outbox->scratch;
	int r;

	/* Several frames share a packet of moderate size; a frame on its own may be as large as a packet can be. */
	packet->capacity = packet->size > 0 ? PACKET_SIZE_PACK : PACKET_SIZE_MAX;
	r = packet_put(packet, kind, method, serial, message, NULL, 0);
	if (r != PACKET_E_FULL)
		return r;
	r = outbox_push(outbox);
	if (r < 0)
		return r;
	packet->capacity = PACKET_SIZE_MAX;
	return packet_put(packet, kind, method, serial, message, NULL, 0);
}

int outbox_put_now(struct outbox *outbox, enum frame_kind kind, uint16_t method, uint64_t serial,
		   const ProtobufCMessage *message, const int *fds, size_t n_fds) {
	struct packet *packet = outbox->scratch;
	int r = outbox_push(outbox);

	if (r < 0)
		return r;
	if (outbox->lost || outbox_is_blocked(outbox))
		return PACKET_E_AGAIN;
	packet->capacity = PACKET_SIZE_PACK;
	r = packet_put(packet, kind, method, serial, message, fds, n_fds);
	if (r == 0)
		r = packet_send(outbox->fd, packet);
	packet_clear(packet);
	if (r < 0)
		outbox->lost = true; /* reading will tell */
	return r == 0 ? 0 : PACKET_E_AGAIN;
}

bool outbox_flush(struct outbox *outbox, unsigned n) {
	struct kept_packet *kept;

	for (; n > 0 && (kept = STAILQ_FIRST(&outbox->kept)); n--) {
		struct packet packet = { .data = kept->data, .size = kept->size };
		int r = packet_send(outbox->fd, &packet);

		if (r == PACKET_E_AGAIN)
			break;
		if (r < 0)
			outbox->lost = true;
		STAILQ_REMOVE_HEAD(&outbox->kept, link);
		outbox->kept_bytes -= kept->size;
		free(kept);
	}
	return !outbox_is_blocked(outbox);
}
