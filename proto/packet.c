/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns how frames and descriptors travel through a SOCK_SEQPACKET socket.  A packet is sent
 * whole or not at all, so there is no reassembly, and descriptors cannot drift from their frames.
 *
 * Knows nothing of what the messages mean, of sessions, or of who waits for the socket.
 */

#include "proto/packet.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/message.h"

void packet_init(struct packet *packet, void *buffer, size_t capacity) {
	*packet = (struct packet){ .data = buffer, .capacity = capacity };
}

void packet_clear(struct packet *packet) {
	packet->size = packet->position = 0;
	packet->n_fds = packet->fd_position = 0;
}

int packet_put(struct packet *packet, enum frame_kind kind, uint16_t method, uint64_t serial,
	       const ProtobufCMessage *message, const int *fds, size_t n_fds) {
	size_t body_size = message ? message_size_bound(message) : 0;
	/* A sender may lower the capacity of a packet that holds one large frame. */
	size_t room = packet->capacity > packet->size ? packet->capacity - packet->size : 0;
	uint8_t *p = packet->data + packet->size;

	if (FRAME_HEADER_SIZE + body_size > room && message)
		body_size = protobuf_c_message_get_packed_size(message);
	if (FRAME_HEADER_SIZE + body_size > PACKET_SIZE_MAX || n_fds > PACKET_FDS_MAX)
		return PACKET_E_TOO_LARGE;
	if (FRAME_HEADER_SIZE + body_size > room || n_fds > PACKET_FDS_MAX - packet->n_fds)
		return PACKET_E_FULL;

	if (message)
		body_size = protobuf_c_message_pack(message, p + FRAME_HEADER_SIZE);
	frame_encode(p, &(struct frame){
				.method = method,
				.kind = (uint8_t)kind,
				.n_fds = (uint8_t)n_fds,
				.serial = serial,
				.body_size = body_size,
			});
	packet->size += FRAME_HEADER_SIZE + body_size;
	for (size_t i = 0; i < n_fds; i++)
		packet->fds[packet->n_fds++] = fds[i];
	return 0;
}

/* Room for what the kernel tells beside the data. */
union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int) * PACKET_FDS_ROOM)];
};

int packet_send(int fd, const struct packet *packet) {
	union control control;
	struct iovec iov = { .iov_base = packet->data, .iov_len = packet->size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (packet->n_fds > 0) {
		size_t bytes = sizeof(int) * packet->n_fds;

		memset(&control, 0, CMSG_SPACE(bytes));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(&control.header), packet->fds, bytes);
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(bytes);
	}

	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	/* ETOOMANYREFS: too many descriptors of ours are in flight; it passes when the peer reads. */
	if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS)
		return PACKET_E_AGAIN;
	return -errno;
}

static void collect_fds(struct packet *packet, struct msghdr *msg) {
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		/* The control buffer has room for PACKET_FDS_ROOM and not one more. */
		memcpy(packet->fds + packet->n_fds, CMSG_DATA(c), n * sizeof(int));
		packet->n_fds += n;
	}
}

/* Whether the peer has closed; if not, what looked like the end was an empty packet. */
static bool is_closed(int fd) {
	struct pollfd poll_fd = { .fd = fd, .events = POLLRDHUP };

	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & (POLLRDHUP | POLLHUP));
}

/* An empty packet looks like the end, but for what comes with it. */
static bool has_something(const struct msghdr *msg) {
	return CMSG_FIRSTHDR(msg) || (msg->msg_flags & MSG_CTRUNC);
}

int packet_receive(int fd, struct packet *packet) {
	union control control;
	struct iovec iov = { .iov_base = packet->data, .iov_len = packet->capacity };
	bool reset = false, ended = false;
	struct msghdr msg;
	ssize_t n;

	packet_clear(packet);
	for (;;) {
		msg = (struct msghdr){
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control),
		};
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n > 0)
			break;
		if (n == 0) {
			/* A last packet and the end that arrive while Linux looks make it see the end first, once. */
			if (ended || has_something(&msg) || !is_closed(fd))
				break;
			ended = true;
		} else if (errno == ECONNRESET && !reset) {
			/* A peer that closed with unread input makes ECONNRESET overtake its last packets, once. */
			reset = true;
		} else if (errno == EAGAIN) {
			return reset || ended ? PACKET_E_END : PACKET_E_AGAIN;
		} else if (errno != EINTR) {
			return errno == ECONNRESET ? PACKET_E_END : -errno;
		}
	}
	packet->size = (size_t)n;
	collect_fds(packet, &msg);

	if (n == 0)
		return PACKET_E_END;
	if (msg.msg_flags & MSG_TRUNC)
		return PACKET_E_TOO_LARGE;
	if ((msg.msg_flags & MSG_CTRUNC) || packet->n_fds > PACKET_FDS_MAX)
		return PACKET_E_FD_LOST;
	return 0;
}

int packet_check(const struct packet *packet) {
	const uint8_t *p = packet->data;
	size_t left = packet->size, n_fds = 0;
	struct frame frame;

	while (left > 0) {
		if (frame_decode(&p, &left, &frame) != 0)
			return PACKET_E_MALFORMED;
		n_fds += frame.n_fds;
	}
	return n_fds == packet->n_fds ? 0 : PACKET_E_MALFORMED;
}

bool packet_next(struct packet *packet, struct frame *ret_frame, int **ret_fds) {
	const uint8_t *p = packet->data + packet->position;
	size_t left = packet->size - packet->position;

	if (left == 0 || frame_decode(&p, &left, ret_frame) != 0)
		return false;
	packet->position = packet->size - left;
	if (ret_fds)
		*ret_fds = packet->fds + packet->fd_position;
	packet->fd_position += ret_frame->n_fds;
	return true;
}

void packet_close_fds(struct packet *packet) {
	for (size_t i = 0; i < packet->n_fds; i++)
		packet->fds[i] = close_fd(packet->fds[i]);
	packet->n_fds = packet->fd_position = 0;
}
