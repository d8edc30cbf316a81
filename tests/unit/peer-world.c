/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what the tests of peer/ and rpc/ have in common. */

#include "tests/unit/peer-world.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/method.h"
#include "tests/unit/test.h"

#define SETTLED 256 /* turns */

/* ---- time ---- */

#define READING_NS 500 /* from one reading to the next */

static int64_t time_ns = 1000 * NSEC_PER_SEC, reading_ns;

/* What a clock is ahead of boottime. */
static const int64_t ahead_ns[TIMER_CLOCK_MAX] = {
	[TIMER_CLOCK_MONOTONIC] = -100 * NSEC_PER_SEC,
	[TIMER_CLOCK_REALTIME] = 1700000000 * NSEC_PER_SEC,
};

/* The linker gives the daemon this one. */
void __wrap_instant_now(struct instant *ret);

/* Something has always happened since the last reading. */
void __wrap_instant_now(struct instant *ret) {
	time_ns += reading_ns;
	for (unsigned i = 0; i < TIMER_CLOCK_MAX; i++)
		ret->ns[i] = time_ns + ahead_ns[i];
}

void peer_world_pass(int64_t ns) {
	time_ns += ns;
}

void peer_world_slow(int64_t ns) {
	reading_ns = ns;
}

int64_t peer_world_now(void) {
	return time_ns;
}

/* ---- the daemon ---- */

/* In the first of the two flushes of peer_world_turn() there is more to do, so nothing waits; the second is its end. */
static bool world_flush(void *userdata) {
	struct peer_world *world = userdata;

	(void)sessions_flush(&world->sessions);
	if (++world->flushes % 2 == 0)
		loop_stop(world->loop);
	return true;
}

static const struct loop_ops world_loop_ops = { .flush = world_flush };

static void enter(struct peer_world *world, bool inside) {
	if (world->enter)
		world->enter(inside);
}

void peer_world_turn(struct peer_world *world) {
	int r;

	enter(world, true);
	r = loop_run(world->loop);
	enter(world, false);
	assert_int_equal(r, 0);
}

void peer_world_settle(struct peer_world *world) {
	for (unsigned i = 0; i < SETTLED; i++)
		peer_world_turn(world);
}

static int world_build(struct peer_world *world, const struct session_ops *ops, void *userdata) {
	int r = loop_new(&world->loop);

	if (r < 0)
		return r;
	r = scheduler_new(&world->scheduler, loop_refresh(world->loop), world->starter);
	if (r < 0)
		return r;
	loop_set_scheduler(world->loop, world->scheduler);
	quota_init(&world->quota, false);
	r = rpc_init(&world->rpc, world->loop, world->scheduler, &world->quota, world->starter);
	if (r < 0)
		return r;
	r = sessions_init(&world->sessions, world->loop, world->scheduler, &world->quota, ops ? ops : &rpc_session_ops,
			  ops ? userdata : &world->rpc);
	if (r < 0)
		return r;
	loop_set_ops(world->loop, &world_loop_ops, world);
	return 0;
}

int peer_world_init(struct peer_world *world, const struct session_ops *ops, void *userdata) {
	int r;

	*world = (struct peer_world){ .starter = world->starter, .enter = world->enter };
	reading_ns = READING_NS;
	enter(world, true);
	r = world_build(world, ops, userdata);
	enter(world, false);
	if (r < 0)
		peer_world_deinit(world);
	return r;
}

void peer_world_deinit(struct peer_world *world) {
	sessions_deinit(&world->sessions);
	rpc_deinit(&world->rpc);
	if (world->loop)
		loop_set_scheduler(world->loop, NULL);
	world->scheduler = scheduler_free(world->scheduler);
	world->loop = loop_free(world->loop);
}

struct session *peer_world_newest(struct peer_world *world) {
	struct session *session = TAILQ_LAST(&world->sessions.greeting, session_list);

	return session ? session : TAILQ_LAST(&world->sessions.all, session_list);
}

/* ---- peers ---- */

void peer_init(struct peer *peer, struct peer_world *world) {
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	*peer = (struct peer){ .world = world, .fd = fds[0], .buffers = malloc(2 * (size_t)PACKET_SIZE_MAX) };
	assert_non_null(peer->buffers);
	packet_init(&peer->in, peer->buffers, PACKET_SIZE_MAX);
	packet_init(&peer->out, peer->buffers + PACKET_SIZE_MAX, PACKET_SIZE_MAX);
	assert_int_equal(arena_init(&peer->arena), 0);
	enter(world, true);
	sessions_accept(&world->sessions, fds[1]);
	enter(world, false);
}

void peer_hang_up(struct peer *peer) {
	peer->fd = close_fd(peer->fd);
}

void peer_deinit(struct peer *peer) {
	peer_hang_up(peer);
	arena_deinit(&peer->arena);
	free(TAKE_PTR(peer->buffers));
}

uint64_t peer_put_with_fds(struct peer *peer, enum frame_kind kind, unsigned method, const void *message,
			   const int *fds, size_t n_fds) {
	assert_int_equal(packet_put(&peer->out, kind, (uint16_t)method, ++peer->serial, message, fds, n_fds), 0);
	return peer->serial;
}

uint64_t peer_put(struct peer *peer, enum frame_kind kind, unsigned method, const void *message) {
	return peer_put_with_fds(peer, kind, method, message, NULL, 0);
}

bool peer_flush(struct peer *peer) {
	int r = packet_send(peer->fd, &peer->out);

	packet_clear(&peer->out);
	return r == 0;
}

void peer_send(struct peer *peer, const void *data, size_t size) {
	assert_int_equal(send(peer->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL), size);
}

bool peer_take(struct peer *peer, struct frame *ret) {
	while (!packet_next(&peer->in, ret, NULL)) {
		if (packet_receive(peer->fd, &peer->in) != 0) {
			packet_clear(&peer->in);
			return false;
		}
		assert_true(peer->in.size <= PACKET_SIZE_MAX);
		assert_int_equal(packet_check(&peer->in), 0);
	}
	if (ret->kind == FRAME_EVENT)
		assert_int_equal(ret->serial, ++peer->sequence);
	return true;
}

const void *peer_unpack(struct peer *peer, const ProtobufCMessageDescriptor *type, const struct frame *frame) {
	const void *message;

	arena_reset(&peer->arena);
	message = message_unpack(&peer->arena, type, frame->body, frame->body_size);
	assert_non_null(message);
	return message;
}

bool peer_is_ended(struct peer *peer) {
	char byte;

	return recv(peer->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* Send the request that has been put last, and take its answer. */
static const void *await(struct peer *peer, unsigned method, uint64_t serial, const Evloop__Error **ret_error) {
	const Evloop__Error *error;
	struct frame frame;

	assert_true(peer_flush(peer));
	for (unsigned i = 0; i < SETTLED; i++) {
		peer_world_turn(peer->world);
		while (peer_take(peer, &frame)) {
			if (frame.kind == FRAME_EVENT || frame.serial != serial)
				continue;
			assert_int_equal(frame.method, method);
			if (frame.kind == FRAME_REPLY)
				return peer_unpack(peer, method_find(frame.method)->output, &frame);
			assert_int_equal(frame.kind, FRAME_ERROR);
			error = peer_unpack(peer, &evloop__error__descriptor, &frame);
			if (!ret_error)
				fail_msg("method %u is refused: %s", method, error->message);
			else
				*ret_error = error;
			return NULL;
		}
	}
	fail_msg("request %u is not answered", method);
	return NULL;
}

const void *peer_call(struct peer *peer, unsigned method, const void *message, const Evloop__Error **ret_error) {
	return await(peer, method, peer_put(peer, FRAME_REQUEST, method, message), ret_error);
}

const void *peer_call_with_fd(struct peer *peer, unsigned method, const void *message, int fd,
			      const Evloop__Error **ret_error) {
	return await(peer, method, peer_put_with_fds(peer, FRAME_REQUEST, method, message, &fd, 1), ret_error);
}

void peer_open(struct peer *peer) {
	Evloop__HelloRequest request = EVLOOP__HELLO_REQUEST__INIT;

	request.version = request.floor = PROTOCOL_VERSION;
	request.client_name = (char *)"test";
	assert_non_null(peer_call(peer, EVLOOP__METHOD__METHOD_HELLO, &request, NULL));
}
