/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the socket of a played daemon.  Knows the packets and the messages, and nothing of the library's inside. */

#undef NDEBUG

#include "tests/unit/client-peer.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "proto/method.h"

#define PATIENCE_MS 5000

void peer_init(struct peer *peer) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memset(peer, 0, sizeof(*peer));
	strcpy(peer->directory, "/tmp/test-client-XXXXXX");
	assert(mkdtemp(peer->directory));
	(void)snprintf(peer->path, sizeof(peer->path), "%s/socket", peer->directory);
	strcpy(address.sun_path, peer->path);
	peer->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert(bind(peer->listen_fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	assert(listen(peer->listen_fd, 8) == 0);
	peer->fd = -1;
	packet_init(&peer->in, peer->buffer, sizeof(peer->buffer));
}

void peer_deinit(struct peer *peer) {
	peer_hang_up(peer);
	peer->listen_fd = close_fd(peer->listen_fd);
	(void)unlink(peer->path);
	(void)rmdir(peer->directory);
}

/* Return: as packet_receive(). */
static int receive_any(struct peer *peer, int timeout_ms) {
	struct pollfd fd = { .fd = peer->fd, .events = POLLIN };

	return poll(&fd, 1, timeout_ms) <= 0 ? PACKET_E_AGAIN : packet_receive(peer->fd, &peer->in);
}

static bool receive(struct peer *peer, int timeout_ms) {
	int r = receive_any(peer, timeout_ms);

	if (r == PACKET_E_AGAIN)
		return false;
	assert(r == 0 && packet_check(&peer->in) == 0);
	return true;
}

/* Nobody asks for what came with it. */
void peer_expect(struct peer *peer, struct frame *ret_frame) {
	int *fds;

	while (!packet_next(&peer->in, ret_frame, &fds))
		assert(receive(peer, PATIENCE_MS));
	for (size_t i = 0; i < ret_frame->n_fds; i++)
		(void)close(TAKE_FD(fds[i]));
}

ProtobufCMessage *peer_expect_message(struct peer *peer, Evloop__Method method, int *ret_fd) {
	ProtobufCMessage *message;
	struct frame frame;
	int *fds;

	while (!packet_next(&peer->in, &frame, &fds))
		assert(receive(peer, PATIENCE_MS));
	assert(frame.method == method && frame.n_fds == (ret_fd != NULL));
	if (ret_fd)
		*ret_fd = TAKE_FD(fds[0]);
	message = protobuf_c_message_unpack(method_find(frame.method)->input, NULL, frame.body_size, frame.body);
	assert(message);
	return message;
}

bool peer_is_quiet(struct peer *peer) {
	return peer->in.position == peer->in.size && !receive(peer, 0);
}

void peer_send(struct peer *peer, enum frame_kind kind, Evloop__Method method, uint64_t serial,
	       const ProtobufCMessage *message) {
	uint8_t buffer[4096];
	struct packet packet;

	packet_init(&packet, buffer, sizeof(buffer));
	assert(packet_put(&packet, kind, (uint16_t)method, serial, message, NULL, 0) == 0);
	assert(packet_send(peer->fd, &packet) == 0);
}

void peer_greet(struct peer *peer, uint64_t serial) {
	Evloop__HelloReply reply = EVLOOP__HELLO_REPLY__INIT;

	reply.version = PROTOCOL_VERSION;
	reply.daemon_version = (char *)(peer->taken_over ? "played anew" : "played");
	reply.time_namespace = peer->time_namespace;
	reply.daemon_pid = peer->daemon_pid;
	peer_send(peer, FRAME_REPLY, EVLOOP__METHOD__METHOD_HELLO, serial, &reply.base);
}

/* The client must be one that can live through the death of a daemon. */
static void check_hello(const struct frame *frame) {
	Evloop__HelloRequest *request;

	assert(frame->method == EVLOOP__METHOD__METHOD_HELLO && frame->kind == FRAME_REQUEST);
	request = evloop__hello_request__unpack(NULL, frame->body_size, frame->body);
	assert(request && request->resumes);
	evloop__hello_request__free_unpacked(request, NULL);
}

void peer_take_over(struct peer *peer) {
	Evloop__TakenOver taken_over = EVLOOP__TAKEN_OVER__INIT;

	peer->sequence = 0;
	peer->taken_over = true;
	peer_send(peer, FRAME_EVENT, EVLOOP__METHOD__METHOD_TAKEN_OVER, 0, &taken_over.base);
}

uint64_t peer_expect_hello(struct peer *peer) {
	struct frame frame;

	peer_expect(peer, &frame);
	check_hello(&frame);
	return frame.serial;
}

static void *accept_one(void *userdata) {
	struct peer *peer = userdata;
	struct frame frame;

	for (; peer->losses > 0; peer->losses--) {
		int fd = accept4(peer->listen_fd, NULL, NULL, SOCK_CLOEXEC);

		(void)close_fd(fd);
	}
	peer_hang_up(peer);
	peer->fd = accept4(peer->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	peer->sequence = 0;
	peer->taken_over = false;
	/* A client that gives up before its hello is none. */
	if (peer->fd < 0 || receive_any(peer, PATIENCE_MS) != 0)
		return NULL;
	peer_expect(peer, &frame);
	check_hello(&frame);
	if (!peer->mute)
		peer_greet(peer, frame.serial);
	return NULL;
}

int peer_connect(struct peer *peer, struct evl **ret) {
	int r;

	assert(pthread_create(&peer->thread, NULL, accept_one, peer) == 0);
	r = evl_connect(ret, peer->path);
	if (r < 0)
		(void)shutdown(peer->listen_fd, SHUT_RDWR);
	peer_join(peer);
	return r;
}

int peer_reconnect(struct peer *peer, struct evl *evl) {
	int r;

	assert(pthread_create(&peer->thread, NULL, accept_one, peer) == 0);
	r = evl_reconnect(evl);
	peer_join(peer);
	return r;
}

void peer_hang_up(struct peer *peer) {
	peer->fd = close_fd(peer->fd);
	for (size_t i = peer->in.fd_position; i < peer->in.n_fds; i++)
		(void)close(TAKE_FD(peer->in.fds[i]));
	packet_clear(&peer->in);
}

static void expect(struct peer *peer, Evloop__Method method, struct frame *ret_frame) {
	peer_expect(peer, ret_frame);
	assert(ret_frame->method == method);
}

int peer_succeed(struct peer *peer, struct evl *evl) {
	int n = 0;

	peer_take_over(peer);
	while (peer_is_quiet(peer)) {
		int r = evl_dispatch(evl, 0);

		assert(r >= 0);
		n += r;
	}
	peer_greet(peer, peer_expect_hello(peer));
	return n + evl_dispatch(evl, 0);
}

int peer_confirm(struct peer *peer, struct evl *evl) {
	Evloop__PingReply reply = EVLOOP__PING_REPLY__INIT;
	struct frame frame;

	expect(peer, EVLOOP__METHOD__METHOD_PING, &frame);
	peer_send(peer, FRAME_REPLY, EVLOOP__METHOD__METHOD_PING, frame.serial, &reply.base);
	return evl_dispatch(evl, 0);
}

uint64_t peer_expect_arm(struct peer *peer, Evloop__TimerSpec **ret_spec) {
	Evloop__TimerSpec *spec;
	struct frame frame;
	uint64_t handle;

	expect(peer, EVLOOP__METHOD__METHOD_ARM, &frame);
	spec = evloop__timer_spec__unpack(NULL, frame.body_size, frame.body);
	assert(spec);
	handle = spec->handle;
	if (ret_spec)
		*ret_spec = spec;
	else
		evloop__timer_spec__free_unpacked(spec, NULL);
	return handle;
}

uint64_t peer_expect_cancel(struct peer *peer) {
	Evloop__HandleRequest *request;
	struct frame frame;
	uint64_t handle;

	expect(peer, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, &frame);
	request = evloop__handle_request__unpack(NULL, frame.body_size, frame.body);
	assert(request);
	handle = request->handle;
	evloop__handle_request__free_unpacked(request, NULL);
	return handle;
}

static void fire(struct peer *peer, uint64_t handle, uint64_t fire_seq, bool more) {
	Evloop__Event event = EVLOOP__EVENT__INIT;

	event.handle = handle;
	event.id = handle + 1000;
	event.fire_seq = fire_seq;
	event.fires = 1;
	event.scheduled_ns = 5000;
	event.fired_ns = 5007;
	event.lateness_ns = 7;
	event.more = more;
	peer_send(peer, FRAME_EVENT, EVLOOP__METHOD__METHOD_EVENT, ++peer->sequence, &event.base);
}

void peer_fire(struct peer *peer, uint64_t handle, uint64_t fire_seq) {
	fire(peer, handle, fire_seq, true);
}

void peer_fire_last(struct peer *peer, uint64_t handle, uint64_t fire_seq) {
	fire(peer, handle, fire_seq, false);
}

void peer_end(struct peer *peer, uint64_t handle, Evloop__End end) {
	Evloop__Event event = EVLOOP__EVENT__INIT;

	event.type = EVLOOP__EVENT_TYPE__EVENT_ENDED;
	event.handle = handle;
	event.end = end;
	peer_send(peer, FRAME_EVENT, EVLOOP__METHOD__METHOD_EVENT, ++peer->sequence, &event.base);
}

void peer_tell(struct peer *peer, Evloop__Event *event) {
	peer_send(peer, FRAME_EVENT, EVLOOP__METHOD__METHOD_EVENT, ++peer->sequence, &event->base);
}

void peer_refuse(struct peer *peer, uint64_t handle, Evloop__Status status, const char *message) {
	Evloop__Error error = EVLOOP__ERROR__INIT;

	error.handle = handle;
	error.status = status;
	error.message = (char *)message;
	error.method = EVLOOP__METHOD__METHOD_ARM;
	peer_send(peer, FRAME_EVENT, EVLOOP__METHOD__METHOD_REFUSED, ++peer->sequence, &error.base);
}

void peer_cancel_reply(struct peer *peer, uint64_t serial, Evloop__Outcome outcome) {
	Evloop__CancelReply reply = EVLOOP__CANCEL_REPLY__INIT;

	reply.outcome = outcome;
	peer_send(peer, FRAME_REPLY, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, serial, &reply.base);
}

static void *serve(void *userdata) {
	struct peer *peer = userdata;

	while (peer->n_left > 0) {
		Evloop__PingReply reply = EVLOOP__PING_REPLY__INIT;
		struct frame frame;

		peer_expect(peer, &frame);
		if (frame.kind != FRAME_REQUEST)
			continue;
		peer->n_left--;
		if (peer->answer)
			peer->answer(peer, &frame);
		if (frame.method == EVLOOP__METHOD__METHOD_PING && peer->fd >= 0)
			peer_send(peer, FRAME_REPLY, EVLOOP__METHOD__METHOD_PING, frame.serial, &reply.base);
	}
	return NULL;
}

void peer_serve(struct peer *peer, size_t n, void (*answer)(struct peer *peer, const struct frame *frame)) {
	peer->n_left = n;
	peer->answer = answer;
	assert(pthread_create(&peer->thread, NULL, serve, peer) == 0);
}

void peer_join(struct peer *peer) {
	assert(pthread_join(peer->thread, NULL) == 0);
}
