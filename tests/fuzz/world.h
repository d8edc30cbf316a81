/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A daemon without a process: scheduler, sessions and handlers as they are, on a loop whose time is made up, with a
 * starter whose processes are none, and peers on the other ends of socketpairs.
 */

#include "daemon/core/job.h"
#include "daemon/core/loop.h"
#include "daemon/core/path-watch.h"
#include "daemon/core/scheduler.h"
#include "daemon/peer/session-store.h"
#include "daemon/rpc/dispatch.h"

#define WORLD_PEERS 4
#define WORLD_RUNS 8
#define WORLD_PATHS 8
#define WORLD_FDS 8

/* One end of a session, and what it has been told. */
struct world_peer {
	int fd; /* -1: not connected */
	uint64_t sequence; /* of the last event */
	unsigned n_replies, n_errors, n_events, n_refused;
	bool ended;
};

struct world {
	struct loop *loop;
	struct scheduler *scheduler;
	struct quota quota;
	struct sessions sessions;
	struct rpc rpc;
	struct starter starter;
	struct run *runs[WORLD_RUNS]; /* active ones, with holes */
	bool starter_refuses;
	struct path_watcher path_watcher;
	struct path_watch *paths[WORLD_PATHS]; /* that are watched, with holes */
	struct world_peer peers[WORLD_PEERS];
	int fds[WORLD_FDS]; /* what peers send: both ends of a pipe, both of a socket, and others */
	unsigned next_fd; /* the first of those that are sent with the next packet */
	struct packet in;
	struct arena arena;
};

void world_init(struct world *world);
/* Everything is let go; nothing may be left. */
void world_deinit(struct world *world);

/* Time passes, on all clocks; the realtime clock is set. */
void world_pass(struct world *world, int64_t ns);
void world_step(struct world *world, int64_t ns);

/* One turn of the loop. */
void world_turn(struct world *world);

void world_connect(struct world *world, unsigned peer);
/* The same, but its session is of a daemon that has died. */
void world_take_over(struct world *world, unsigned peer);
void world_disconnect(struct world *world, unsigned peer);
/* One packet, as it is.  What the socket does not take is lost. */
void world_send(struct world *world, unsigned peer, const void *data, size_t size, unsigned n_fds);
/* Something happens to what was sent: it is written, read, hung up. */
void world_touch(struct world *world, unsigned how);
/* Receive at most `n` packets, and check all that is in them. */
void world_receive(struct world *world, unsigned peer, unsigned n);

/* The run in that place, if there is one: its pid is known, it writes, it ends. */
void world_run_started(struct world *world, unsigned place);
void world_run_wrote(struct world *world, unsigned place, const void *data, size_t size);
void world_run_ended(struct world *world, unsigned place, int status, bool started);

/* What is seen of the watched path in that place, if there is one: a change, too much, or that it cannot be watched. */
void world_path_changed(struct world *world, unsigned place, const void *path, size_t size, unsigned events);
void world_path_lost_track(struct world *world, unsigned place);
void world_path_failed(struct world *world, unsigned place, int error);
