/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A starter of commands whose processes end when a test says so. */

#include "daemon/core/job.h"

struct fake_starter {
	struct starter starter;
	unsigned starts; /* start() so often */
	struct run_request request; /* of the latest start, its name in `name` */
	char name[160];
	struct run *run; /* the latest that is active, NULL: none */
	int signal_number; /* of the latest kill(), 0: none */
	bool refuses; /* every start() is −ENOENT */
	pid_t pid; /* of its process, for describe(); 0: not known */
	struct process_handle adopted; /* the latest; its descriptors are closed */
};

void fake_starter_init(struct fake_starter *fake);

/* Its run ends with that status. */
void fake_starter_exit(struct fake_starter *fake, int status, int64_t boottime_ns);

/* A command of one word. */
struct command *fake_command(const char *word);
