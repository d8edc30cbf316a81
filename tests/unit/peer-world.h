/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Sessions on a real loop, without a process: whoever connects is the other end of a socketpair in the hands of the test, which
 * also says when the loop turns, and what time it is.  Nothing ever waits.  To be linked with $(peer_world_wraps).
 */

#include "daemon/core/loop.h"
#include "daemon/core/scheduler.h"
#include "daemon/peer/quota.h"
#include "daemon/peer/session.h"
#include "daemon/rpc/dispatch.h"
#include "proto/evloop.pb-c.h"

struct peer_world {
	struct loop *loop;
	struct scheduler *scheduler;
	struct starter *starter; /* NULL: no commands; set, as `enter`, before peer_world_init() */
	struct quota quota;
	struct sessions sessions;
	struct rpc rpc; /* where peer_world_init() was given no ops */
	unsigned flushes;
	void (*enter)(bool inside); /* the code of the daemon begins, and ends; NULL: nobody wants to know */
};

/* `ops` NULL: those of rpc/, with the limits of a user's own daemon.  Return: 0, −errno: nothing is left. */
int peer_world_init(struct peer_world *world, const struct session_ops *ops, void *userdata);
void peer_world_deinit(struct peer_world *world);

/* One turn: what is due, what is to be sent, what has come; and what that has caused. */
void peer_world_turn(struct peer_world *world);
/* So many turns that nothing is left to do. */
void peer_world_settle(struct peer_world *world);

/* Time passes, for every world there is, before anything else happens; and a little whenever the daemon reads its clocks. */
void peer_world_pass(int64_t ns);
/* So much between two readings, until the next world begins; otherwise half a microsecond. */
void peer_world_slow(int64_t ns);
/* Boottime. */
int64_t peer_world_now(void);

/* The other end of a session. */
struct peer {
	struct peer_world *world;
	int fd;
	uint64_t serial; /* of the last request */
	uint64_t sequence; /* of the last event */
	struct packet in, out;
	struct arena arena;
	uint8_t *buffers;
};

/* Connect, and let the daemon know. */
void peer_init(struct peer *peer, struct peer_world *world);
void peer_deinit(struct peer *peer);

/* Our end only: what was sent is still there. */
void peer_hang_up(struct peer *peer);

/* The daemon's end of the session that has begun last. */
struct session *peer_world_newest(struct peer_world *world);

/* Append a frame to the packet that peer_flush() sends.  Return: its serial. */
uint64_t peer_put(struct peer *peer, enum frame_kind kind, unsigned method, const void *message);
/* With descriptors, which are borrowed until it is sent. */
uint64_t peer_put_with_fds(struct peer *peer, enum frame_kind kind, unsigned method, const void *message,
			   const int *fds, size_t n_fds);
/* Send it.  Return: whether the socket has taken it. */
bool peer_flush(struct peer *peer);
/* Send bytes as they are. */
void peer_send(struct peer *peer, const void *data, size_t size);

/* The next frame that is there, without a turn; events must come without holes.  Return: false: there is none. */
bool peer_take(struct peer *peer, struct frame *ret);
/* Its body, until the next call of it. */
const void *peer_unpack(struct peer *peer, const ProtobufCMessageDescriptor *type, const struct frame *frame);
/* Has the daemon ended the session?  To be asked when all frames have been taken. */
bool peer_is_ended(struct peer *peer);

/* A request, and turns until it is answered.  Return: the reply; NULL: it is an error, and in *ret_error. */
const void *peer_call(struct peer *peer, unsigned method, const void *message, const Evloop__Error **ret_error);
const void *peer_call_with_fd(struct peer *peer, unsigned method, const void *message, int fd,
			      const Evloop__Error **ret_error);
/* Say hello. */
void peer_open(struct peer *peer);
