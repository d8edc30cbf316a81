/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The starter of commands: see struct starter in core/job.h. */

#include <sys/resource.h>

#include "daemon/core/job.h"
#include "daemon/core/loop.h"

struct journal; /* svc/journal.h */

/* Who makes the processes. */
enum spawn_mode {
	SPAWN_DIRECT, /* evloop-exec */
	SPAWN_UNITS, /* the user's service manager, or else there is no run */
	SPAWN_AUTO, /* the service manager; where it does not, evloop-exec */
};

struct spawner_options {
	enum spawn_mode mode;
	const char *exec_path; /* of evloop-exec */
	const char *socket_path; /* for the jobs' EVLOOP_SOCKET; NULL: none */
	rlim_t descriptors; /* what jobs get as their soft limit of descriptors; 0: the daemon's */
	struct journal *journal; /* where output also goes; borrowed; NULL: nowhere */
};

/*
 * Starting costs the loop a packet or two: evloop-exec, which is started here, or the service manager does the rest.  A run ends with its process; what that has
 * written by then belongs to it, and what processes that it left behind write later is thrown away.
 * Return: 0, −errno: e.g. there is no evloop-exec.
 */
int spawner_new(struct starter **ret, struct loop *loop, const struct spawner_options *options);

/* Before others go on with what there is, and after they were told: wait until it is known of each run which process it is, and until
 * evloop-exec has heard all.  A second at most. */
void spawner_settle(struct starter *starter);

/* Processes that still run go on, and may write. */
struct starter *spawner_free(struct starter *starter);

/* The boottime at which spawner_tick() wants to be called; INT64_MAX: never. */
int64_t spawner_next(const struct starter *starter);
void spawner_tick(struct starter *starter, int64_t boottime_ns);
