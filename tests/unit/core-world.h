/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A scheduler with clocks that tests turn by hand, and owners who note what they are told. */

#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/core/timer.h"

#define WORLD_START (1000 * NSEC_PER_SEC) /* every clock begins there */

struct world {
	struct scheduler *scheduler;
	struct instant now;
};

/* An owner, as a session has one. */
struct client {
	struct owner owner;
	unsigned readies; /* how often something came up while nothing was pending */
	void (*on_ready)(struct client *client); /* may be NULL */
	void *userdata;
};

void world_init(struct world *world);
void world_init_with(struct world *world, struct starter *starter);
void world_deinit(struct world *world);

void client_init(struct client *client, struct world *world, uid_t uid);
void client_deinit(struct client *client);

/* Add to each clock; no step of the realtime clock. */
void world_pass(struct world *world, int64_t ns);

/* Tell the scheduler what time it is, and dispatch one turn.  Return: true: there is more. */
bool world_turn(struct world *world);

/* Let time pass, and dispatch until nothing is due. */
void world_run(struct world *world, int64_t ns);

/* Arm; it must succeed. */
struct timer *world_arm(struct world *world, struct client *client, const struct timer_spec *spec);

/* Shorthand for a one-shot timer on boottime. */
struct timer *world_after(struct world *world, struct client *client, uint64_t handle, int64_t delay_ns);

/* Take the next event.  Its name, run, grant and process are only good until the next call.  Return: false: there is none. */
bool client_take(struct client *client, struct event *ret);

/* The next event must be of that handle and type. */
struct event client_expect(struct client *client, uint64_t handle, enum event_type type);

/* There must be no event. */
void client_expect_none(struct client *client);

int64_t world_boottime(const struct world *world);
