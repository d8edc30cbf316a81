/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The scheduler from within core/; nobody else includes this. */

#include "daemon/core/job.h"
#include "daemon/core/marks.h"
#include "daemon/core/pool.h"
#include "daemon/core/scheduler.h"
#include "daemon/core/tenant-private.h"

TAILQ_HEAD(tenant_list, tenant);
TAILQ_HEAD(unfinished_list, limiter);

#define CELL_POOLS 6 /* enough for keys of 43 bytes; cells with longer ones are malloc's */

struct scheduler {
	struct instant now;
	struct pool timers; /* struct timer */
	struct pool cell_pools[CELL_POOLS]; /* struct cell, by how long its key is */
	struct map_memory maps; /* of all maps of the core */
	struct map tenants; /* by uid */
	struct shared_use shared_use;
	struct queue clocks[TIMER_CLOCK_MAX]; /* of tenants, by tenant_clock::place */
	struct tenant_list due; /* tenants with something to dispatch; each is referenced */
	struct tenant_list round; /* those being dispatched in this turn */
	struct finished_list finished; /* of all tenants; the one that ended first comes first */
	struct queue cells; /* of limiters with somebody in line, by cell::place */
	struct queue patience; /* claims that wait for permits and not for ever, by claim::place */
	struct queue reminders; /* by reminder::place */
	struct job_board *board; /* NULL: no commands */
	struct path_watcher *path_watcher; /* NULL: no paths are watched */
	uint64_t next_id;
	uint64_t next_seq; /* of the order of arming */
	uint64_t fires;
	size_t n_timers; /* live ones, attachments not among them */
	size_t n_finished;
	size_t n_limiters; /* of all tenants */
	struct unfinished_list awaited,
		unfinished; /* limiters that have left work for later: which somebody waits to hear of; other */
	size_t n_unfinished; /* in both */
	size_t n_stuck; /* that there was no memory for, one after the other */
	int64_t unfinished_at_ns; /* boottime, when that goes on */
	struct marks marks; /* of limiters */
	int64_t drained_ns; /* what limiters that are made begin with: limiter::drained_ns */
	int64_t settled_ns; /* boottime before which no permits are granted, but to who had them before; 0: they are */
	size_t message_limit; /* bytes of messages that a tenant may keep */
	size_t message_pool; /* and that all of them may */
};
