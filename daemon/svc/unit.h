/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A run as a transient unit of the user's service manager: how it comes to be, is signalled, and how it ended. */

#include "daemon/core/job.h"
#include "daemon/core/loop.h"
#include "daemon/svc/helper.h"

struct units; /* all of them, and the connection that they share */
struct unit;

struct unit_ops {
	/* There is a process, which becomes the command unless `false` is returned: then the callee has freed the unit.
	 * `pid_fd`: the callee's, not closed before the unit is freed. */
	bool (*started)(void *userdata, pid_t pid, int pid_fd);
	/* There is no process and will be none, the command has not run: `why`.  The callee frees the unit. */
	void (*refused)(void *userdata, const char *why);
	/* After unit_end(), maybe from within.  `status`: as the shell has it; −1: the manager does not know.  `failed`: it never
	 * became the command.  The callee frees the unit. */
	void (*ended)(void *userdata, int status, bool failed);
};

struct unit_options {
	const struct run_request *request;
	int output_fd; /* where it writes */
	struct helper_packet *packet; /* for evloop-exec, from exec_request_new(), as the next two */
	const void *data;
	size_t size;
};

/* Nobody is connected to before it is needed.  Return: 0, −errno: `exec_path`, of evloop-exec, is not there. */
int units_new(struct units **ret, struct loop *loop, const char *exec_path);
struct units *units_free(struct units *units); /* no unit is left */

/* The boottime at which units_tick() wants to be called; INT64_MAX: never. */
int64_t units_next(const struct units *units);
void units_tick(struct units *units, int64_t boottime_ns);

/* Have a unit started, now or when those before it are.  Never calls back from within.  Descriptor and packet are taken over where
 * the result is 0.  Return: 0, −errno: there is no manager that could be asked, or it has been too slow lately. */
int unit_new(struct unit **ret, struct units *units, const struct unit_options *options, const struct unit_ops *ops,
	     void *userdata);

/* Go on with one that a daemon before us had started; its pidfd is borrowed.  Return: 0, -ENOMEM. */
int unit_adopt(struct unit **ret, struct units *units, const struct process_handle *handle, const struct unit_ops *ops,
	       void *userdata);

/* One that has not started never will; one that has goes on. */
struct unit *unit_free(struct unit *unit);

/* The packet of one that is refused, and the size of what is in it. */
struct helper_packet *unit_take_packet(struct unit *unit, size_t *ret_size);

const char *unit_name(const struct unit *unit);

/* Signal all its processes; it has started. */
void unit_kill(struct unit *unit, int signal_number);

/* Its process has ended: how?  Answered by `ended`, within seconds. */
void unit_end(struct unit *unit);
