/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what is to be sent: one packet that gathers frames, and behind it, in line before it, full ones that the
 * socket did not take.  Arming never waits, so that line is bounded by memory alone.  Descriptors are copied, so that
 * the caller may close his at once; the copies go with the packet.
 *
 * Must not know what the frames mean, nor who waits for them.
 */

#include "client/internal.h"

#include <fcntl.h>
#include <string.h>

void output_init(struct output *output) {
	STAILQ_INIT(&output->full);
}

/* The first in line has gone, or will never go. */
static void drop_first(struct output *output) {
	struct outbound *first = STAILQ_FIRST(&output->full);

	STAILQ_REMOVE_HEAD(&output->full, link);
	for (size_t i = 0; i < first->n_fds; i++)
		(void)close_fd(first->fds[i]);
	free(first);
}

void output_reset(struct output *output) {
	while (!STAILQ_EMPTY(&output->full))
		drop_first(output);
	packet_close_fds(&output->open);
	free(output->buffer);
	output->buffer = NULL;
	packet_init(&output->open, NULL, 0);
	output->blocked = false;
}

/* A fresh, empty open packet of that capacity. */
static int open_packet(struct output *output, size_t capacity) {
	struct outbound *buffer = malloc(sizeof(*buffer) + capacity);

	if (!buffer)
		return -ENOMEM;
	free(output->buffer);
	output->buffer = buffer;
	packet_init(&output->open, buffer->data, capacity);
	return 0;
}

/* Make room: the open packet goes out, or into the line. */
static int close_packet(struct evl *evl) {
	struct output *output = &evl->output;
	struct outbound *full;

	output_send(evl);
	if (evl->link != LINK_UP)
		return -ENOTCONN;
	if (output->open.size == 0)
		return 0;
	full = TAKE_PTR(output->buffer);
	full->size = output->open.size;
	full->n_fds = output->open.n_fds;
	memcpy(full->fds, output->open.fds, full->n_fds * sizeof(*full->fds));
	STAILQ_INSERT_TAIL(&output->full, full, link);
	packet_init(&output->open, NULL, 0);
	return 0;
}

static int put(struct output *output, enum frame_kind kind, Evloop__Method method, uint64_t serial,
	       const ProtobufCMessage *message, int fd) {
	output->last = output->open.size;
	return packet_put(&output->open, kind, (uint16_t)method, serial, message, &fd, fd >= 0);
}

/* Into an open packet that is empty, and as large as it takes. */
static int put_first(struct output *output, enum frame_kind kind, Evloop__Method method, uint64_t serial,
		     const ProtobufCMessage *message, int fd) {
	int r;

	/* One that was made for a large frame is not kept. */
	if (output->open.capacity != PACKET_SIZE_PACK) {
		r = open_packet(output, PACKET_SIZE_PACK);
		if (r < 0)
			return r;
	}
	r = put(output, kind, method, serial, message, fd);
	if (r != PACKET_E_FULL)
		return r;
	r = open_packet(output, PACKET_SIZE_MAX);
	return r < 0 ? r : put(output, kind, method, serial, message, fd);
}

static int put_anywhere(struct evl *evl, enum frame_kind kind, Evloop__Method method, uint64_t serial,
			const ProtobufCMessage *message, int fd) {
	struct output *output = &evl->output;
	int r = PACKET_E_FULL;

	if (output->open.size > 0) {
		r = put(output, kind, method, serial, message, fd);
		if (r == PACKET_E_FULL) {
			r = close_packet(evl);
			if (r < 0)
				return r;
			r = PACKET_E_FULL;
		}
	}
	if (r == PACKET_E_FULL)
		r = put_first(output, kind, method, serial, message, fd);
	return r == PACKET_E_TOO_LARGE ? -EMSGSIZE : r;
}

/* Where no more may be open, those that wait to be sent give some back. */
static int copy_fd(struct evl *evl, int fd) {
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0 && errno == EMFILE) {
		output_send(evl);
		if (evl->link != LINK_UP)
			return -ENOTCONN;
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	return copy < 0 ? -errno : copy;
}

const uint8_t *output_last_body(const struct output *output, size_t *ret_size) {
	size_t begin = output->last + FRAME_HEADER_SIZE;

	*ret_size = output->open.size - begin;
	return output->open.data + begin;
}

int output_put(struct evl *evl, enum frame_kind kind, Evloop__Method method, uint64_t serial,
	       const ProtobufCMessage *message, int fd) {
	int copy = -1, r;

	if (fd >= 0) {
		copy = copy_fd(evl, fd);
		if (copy < 0)
			return copy;
	}
	r = put_anywhere(evl, kind, method, serial, message, copy);
	if (r < 0)
		(void)close_fd(copy);
	return r;
}

/* Return: it has gone. */
static bool send_packet(struct evl *evl, const struct packet *packet) {
	int r = packet_send(evl->socket, packet);

	if (r == 0) {
		evl->output.blocked = false;
		if (evl->debug.on)
			debug_packet(evl, ">", packet->data, packet->size);
		return true;
	}
	if (r == PACKET_E_AGAIN)
		evl->output.blocked = true;
	else
		connection_lost(evl, -ECONNRESET);
	return false;
}

void output_send(struct evl *evl) {
	struct output *output = &evl->output;
	struct outbound *first;

	while (evl->link == LINK_UP && (first = STAILQ_FIRST(&output->full))) {
		struct packet packet = { .data = first->data, .size = first->size, .n_fds = first->n_fds };

		memcpy(packet.fds, first->fds, first->n_fds * sizeof(*first->fds));
		if (!send_packet(evl, &packet))
			return;
		drop_first(output);
	}
	if (evl->link == LINK_UP && output->open.size > 0 && send_packet(evl, &output->open)) {
		packet_close_fds(&output->open);
		packet_clear(&output->open);
	}
}

int output_send_until(struct evl *evl, int64_t deadline_ns) {
	for (;;) {
		int r;

		output_send(evl);
		if (evl->link != LINK_UP)
			return -ENOTCONN;
		if (!output_pending(&evl->output))
			return 0;
		/* What the daemon says is taken meanwhile, or both sides could wait for the other to read. */
		r = loop_wait_socket(evl, deadline_ns);
		if (r < 0)
			return r;
		(void)input_receive(evl);
	}
}
