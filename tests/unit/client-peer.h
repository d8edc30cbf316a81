/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The other end of the socket, played by a test: it listens, says hello, and then says what the test tells it to, so
 * that the library meets every order of events, also those that a real daemon shows once in a million times.
 */

#include <pthread.h>

#include "client/evloop.h"
#include "proto/evloop.pb-c.h"
#include "proto/packet.h"

struct peer {
	char directory[32], path[48];
	int listen_fd;
	int fd; /* the session; -1: none */
	uint8_t buffer[PACKET_SIZE_MAX];
	struct packet in;
	uint64_t sequence;
	uint64_t time_namespace, daemon_pid; /* as it says in hello */
	bool mute; /* hello is not answered */
	unsigned losses; /* so many are hung up on before one is accepted */
	bool taken_over; /* from one that has died */
	/* peer_serve(): */
	pthread_t thread;
	void (*answer)(struct peer *peer, const struct frame *frame);
	size_t n_left;
};

void peer_init(struct peer *peer); /* listens; fails the test if it cannot */
void peer_deinit(struct peer *peer);

/* evl_connect() to the peer.  Return: as evl_connect(). */
int peer_connect(struct peer *peer, struct evl **ret);
/* evl_reconnect() to it. */
int peer_reconnect(struct peer *peer, struct evl *evl);
/* End the session, as a daemon that was killed does. */
void peer_hang_up(struct peer *peer);

/* From now on the next daemon is played, on the same socket.  The next frame may then be a HELLO; return: its serial, to be answered. */
void peer_take_over(struct peer *peer);
uint64_t peer_expect_hello(struct peer *peer);
void peer_greet(struct peer *peer, uint64_t serial);
/* All of it, from there to where the client has sent what it arms again.  Return: how many callbacks ran. */
int peer_succeed(struct peer *peer, struct evl *evl);
/* The next frame must be the PING behind that: it is answered, and the client hears of it.  Return: as evl_dispatch(). */
int peer_confirm(struct peer *peer, struct evl *evl);

/* Wait for the next frame, whatever packets they come in; fails the test after 5 s. */
void peer_expect(struct peer *peer, struct frame *ret_frame);
/* Is anything there? */
bool peer_is_quiet(struct peer *peer);
/* The next frame must be of that method.  Return: its message, to be freed with protobuf_c_message_free_unpacked(); *ret_fd: the
 * descriptor that came along, the caller's; NULL: none may come. */
ProtobufCMessage *peer_expect_message(struct peer *peer, Evloop__Method method, int *ret_fd);
/* The next frame must be such an ARM or a CANCEL_HANDLE.  Return: its handle. */
uint64_t peer_expect_arm(struct peer *peer, Evloop__TimerSpec **ret_spec);
uint64_t peer_expect_cancel(struct peer *peer);

void peer_send(struct peer *peer, enum frame_kind kind, Evloop__Method method, uint64_t serial,
	       const ProtobufCMessage *message);
/* A FIRED event of that handle: of many, or the last. */
void peer_fire(struct peer *peer, uint64_t handle, uint64_t fire_seq);
void peer_fire_last(struct peer *peer, uint64_t handle, uint64_t fire_seq);
void peer_end(struct peer *peer, uint64_t handle, Evloop__End end);
/* An event as the test has it. */
void peer_tell(struct peer *peer, Evloop__Event *event);
void peer_refuse(struct peer *peer, uint64_t handle, Evloop__Status status, const char *message);
void peer_cancel_reply(struct peer *peer, uint64_t serial, Evloop__Outcome outcome);

/*
 * Answer the next `n` requests from another thread, while this one waits in the library; PING by itself, everything else by
 * `answer`.  peer_join() ends it.
 */
void peer_serve(struct peer *peer, size_t n, void (*answer)(struct peer *peer, const struct frame *frame));
void peer_join(struct peer *peer);
