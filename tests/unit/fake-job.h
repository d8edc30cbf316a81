/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Jobs whose runs begin and end when a test says so.  Linked in place of core/job.c, for tests of what
 * timers do with a job rather than of jobs.
 */

#include "daemon/core/job.h"

struct job {
	struct command *command;
	const struct job_ops *ops;
	void *userdata;
	unsigned fires; /* job_fire() so often */
	struct run_request last; /* its latest request */
	char name[160];
	unsigned active;
	bool refuses; /* job_fire() starts nothing */
	int signal_number; /* of the latest job_kill(), −1: none */
	struct run_info last_run;
};

/* The job made last; how many there are. */
extern struct job *fake_job;
extern size_t fake_jobs;

/* A run of the job ends with that status. */
void fake_job_exit(struct job *job, int status);

/* It has written. */
void fake_job_write(struct job *job, uint64_t output_end);

/* Something to pass as a starter: it is never called. */
struct starter *fake_starter(void);

/* A command of one word. */
struct command *fake_command(const char *word);
