/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns peers: clients that know the protocol and need not keep to it. */

#undef NDEBUG

#include <assert.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "proto/method.h"
#include "tests/hostile/rig.h"

struct peer *peer_connect(struct rig *rig) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct peer *peer = calloc(1, sizeof(*peer));

	assert(peer);
	*peer = (struct peer){ .rig = rig, .fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0) };
	assert(peer->fd >= 0 && arena_init(&peer->arena) == 0);
	packet_init(&peer->in, malloc(PACKET_SIZE_MAX), PACKET_SIZE_MAX);
	packet_init(&peer->out, malloc(PACKET_SIZE_MAX), PACKET_SIZE_MAX);
	assert(peer->in.data && peer->out.data);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", rig->path);
	if (connect(peer->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return peer_close(peer);
	return peer;
}

struct peer *peer_close(struct peer *peer) {
	if (!peer)
		return NULL;
	close_fd(peer->fd);
	packet_close_fds(&peer->in);
	free(peer->in.data);
	free(peer->out.data);
	arena_deinit(&peer->arena);
	free(peer);
	return NULL;
}

struct peer *peer_open_as(struct rig *rig, const char *name) {
	Evloop__HelloRequest request = EVLOOP__HELLO_REQUEST__INIT;
	struct peer *peer = peer_connect(rig);

	if (!peer)
		return NULL;
	request.version = PROTOCOL_VERSION;
	request.client_name = (char *)name;
	return peer_call(peer, EVLOOP__METHOD__METHOD_HELLO, &request) ? peer : peer_close(peer);
}

struct peer *peer_open(struct rig *rig) {
	return peer_open_as(rig, "hostile");
}

/* Wait for the socket.  Return: false: not for that long. */
static bool wait_for(const struct peer *peer, short events, int timeout_ms) {
	struct pollfd poll_fd = { .fd = peer->fd, .events = events };

	int r;

	do
		r = poll(&poll_fd, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	return r == 1;
}

void peer_flush(struct peer *peer) {
	while (peer->out.size > 0 && packet_send(peer->fd, &peer->out) == PACKET_E_AGAIN)
		if (!wait_for(peer, POLLOUT, ANSWER_TIMEOUT_MS)) {
			rig_complain(peer->rig, "the daemon takes nothing");
			break;
		}
	packet_clear(&peer->out);
}

void peer_put(struct peer *peer, enum frame_kind kind, unsigned method, const void *message) {
	uint64_t serial = ++peer->serial;

	if (packet_put(&peer->out, kind, (uint16_t)method, serial, message, NULL, 0) == 0)
		return;
	peer_flush(peer);
	assert(packet_put(&peer->out, kind, (uint16_t)method, serial, message, NULL, 0) == 0);
}

bool peer_send(struct peer *peer, const void *data, size_t size, const int *fds, size_t n_fds) {
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int) * 253)];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	}
	return sendmsg(peer->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

/* Receive one packet.  Return: false: the session is over, or nothing came. */
static bool receive(struct peer *peer, int timeout_ms) {
	int r;

	packet_close_fds(&peer->in);
	while ((r = packet_receive(peer->fd, &peer->in)) == PACKET_E_AGAIN)
		if (!wait_for(peer, POLLIN, timeout_ms))
			return false;
	if (r != 0) {
		peer->ended = true;
		packet_clear(&peer->in);
		return false;
	}
	if (packet_check(&peer->in) != 0) {
		rig_complain(peer->rig, "the daemon sent a packet that is none");
		packet_clear(&peer->in);
	}
	return true;
}

static void look(struct peer *peer, const struct frame *frame) {
	if (frame->kind == FRAME_EVENT && frame->serial != ++peer->sequence)
		rig_complain(peer->rig, "event %llu comes in place of %llu", (unsigned long long)frame->serial,
			     (unsigned long long)peer->sequence);
	if (frame->kind == FRAME_ERROR && frame->method == EVLOOP__METHOD__METHOD_NONE) {
		const Evloop__Error *error = peer_unpack(peer, &evloop__error__descriptor, frame);

		peer->last_word = error ? error->status : EVLOOP__STATUS__STATUS_INTERNAL;
	}
}

bool peer_next(struct peer *peer, struct frame *ret, int timeout_ms) {
	while (!packet_next(&peer->in, ret, NULL))
		if (peer->ended || !receive(peer, timeout_ms))
			return false;
	look(peer, ret);
	return true;
}

const void *peer_unpack(struct peer *peer, const ProtobufCMessageDescriptor *type, const struct frame *frame) {
	const void *message;

	arena_reset(&peer->arena);
	message = message_unpack(&peer->arena, type, frame->body, frame->body_size);
	if (!message)
		rig_complain(peer->rig, "the daemon sent a body that is no %s", type->short_name);
	return message;
}

const void *peer_call(struct peer *peer, unsigned method, const void *message) {
	struct frame frame;
	uint64_t serial;

	peer->error = EVLOOP__STATUS__STATUS_OK;
	peer_put(peer, FRAME_REQUEST, method, message);
	serial = peer->serial;
	peer_flush(peer);
	while (peer_next(peer, &frame, ANSWER_TIMEOUT_MS)) {
		if (frame.serial != serial || (frame.kind != FRAME_REPLY && frame.kind != FRAME_ERROR))
			continue;
		if (frame.kind == FRAME_REPLY)
			return peer_unpack(peer, method_find((uint16_t)method)->output, &frame);
		peer->error = ((const Evloop__Error *)peer_unpack(peer, &evloop__error__descriptor, &frame))->status;
		return NULL;
	}
	if (!peer->ended)
		rig_complain(peer->rig, "no answer to method %u", method);
	return NULL;
}

const char *peer_fate(struct peer *peer, Evloop__Status *ret_error) {
	static char text[64];
	struct frame frame;
	uint64_t serial;

	peer_put(peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_PING, NULL);
	serial = peer->serial;
	peer_flush(peer);
	if (ret_error)
		*ret_error = EVLOOP__STATUS__STATUS_OK;
	while (peer_next(peer, &frame, ANSWER_TIMEOUT_MS)) {
		if (frame.kind == FRAME_REPLY && frame.serial == serial && frame.method == EVLOOP__METHOD__METHOD_PING)
			return "alive";
		if ((frame.kind == FRAME_ERROR ||
		     (frame.kind == FRAME_EVENT && frame.method == EVLOOP__METHOD__METHOD_REFUSED)) &&
		    ret_error && *ret_error == EVLOOP__STATUS__STATUS_OK)
			*ret_error =
				((const Evloop__Error *)peer_unpack(peer, &evloop__error__descriptor, &frame))->status;
	}
	if (!peer->ended) {
		rig_complain(peer->rig, "neither an answer nor an end");
		return "hung";
	}
	if (peer->last_word == EVLOOP__STATUS__STATUS_OK)
		return "closed";
	snprintf(text, sizeof(text), "%s, closed", status_name(peer->last_word));
	return text;
}
