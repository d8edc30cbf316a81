/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A job: the command of a timer, its runs, what to do when they overlap, and the output that is kept.
 * How a process comes into being is the starter's business (svc/spawn.h; transient units of the user
 * manager later); the job tells it what to start and is told what became of it.
 */

#include "daemon/core/command.h"
#include "daemon/core/source.h"

struct job;
struct run; /* one process of a job, or what will be one */

/* What a run is started with, beside its command. */
struct run_request {
	const struct command *command;
	uint64_t id; /* of the timer */
	const char *name; /* NULL: none; stays as long as the job does */
	uint64_t fire_seq, missed; /* of the last fire; of all that were merged into it */
	int64_t scheduled_ns, lateness_ns;
};

/* What is needed to go on with a process that another starter made; the descriptors are borrowed. */
struct process_handle {
	pid_t pid;
	int pid_fd;
	int output_fd; /* -1: it has been read to its end */
	const char *unit; /* of a service manager, that it is in; NULL: none */
};

/* The starter.  None of its functions may block. */
struct starter {
	/*
	 * Start a process in a group of its own; `request` is valid during the call.  `run` is told of everything by
	 * run_started(), run_output() and run_exited(), never from within this call.  Return: 0 and a token for the two calls
	 * below, or −errno: no process will be made.
	 */
	int (*start)(struct starter *starter, struct run *run, const struct run_request *request, void **ret_process);
	/* Signal the process group.  Return: 0, −errno. */
	int (*kill)(struct starter *starter, void *process, int signal_number);
	/* Nobody wants to hear of this process any more (the scheduler is being torn down).  It goes on. */
	void (*abandon)(struct starter *starter, void *process);
	/* Another starter will go on with it; here it is only to be abandoned.  Return: false: it is not known yet which process it is. */
	bool (*describe)(struct starter *starter, void *process, struct process_handle *ret);
	/* Go on with one that a starter before us has made; takes over the descriptors.  Return: as start(). */
	int (*adopt)(struct starter *starter, struct run *run, const struct run_request *request,
		     const struct process_handle *handle, void **ret_process);
};

/* From the starter: its pid is known, and which unit of a service manager it is in; NULL: none. */
void run_started(struct run *run, pid_t pid, const char *unit);
/* From the starter: output, as it came. */
void run_output(struct run *run, const void *data, size_t size);
/* From the starter: all output has come and the process is gone.  `status`: 0 to 255, 128 + signal; the run is freed, and its
 * token with it.  `started`: false: it never became the command (126, 127). */
void run_exited(struct run *run, int status, bool started, int64_t boottime_ns);

/* ---- for core/timer.c and core/scheduler.c ---- */

/* What a job tells its timer, from within job_board_advance(), run_*() and never from within the calls of the timer. */
struct job_ops {
	void (*output)(void *userdata, uint64_t output_end);
	/* A run ended.  `idle`: no run is active or waiting any more.  The callee may free the job. */
	void (*exited)(void *userdata, const struct run_info *run, bool idle);
};

/* All jobs of a scheduler: the starter, and the deadlines of their runs (timeout, KILL after TERM), on boottime. */
struct job_board;
int job_board_new(struct job_board **ret, struct starter *starter);
struct job_board *job_board_free(struct job_board *board); /* no job may be left */
/* How many runs a uid may have at the same time; others wait for one of them to end.  Unlimited at first. */
void job_board_set_limit(struct job_board *board, size_t limit);
/* It is now `boottime_ns`: end runs that have timed out, send what was due to be sent. */
void job_board_advance(struct job_board *board, int64_t boottime_ns);
/* The next time at which job_board_advance() has something to do; INT64_MAX: none. */
int64_t job_board_next(const struct job_board *board);
/* Runs that are active, of all jobs. */
size_t job_board_active(const struct job_board *board);

/* `command` is taken over.  `bytes` and `running` are the tenant's counters (core/tenant.h: command_bytes, jobs), kept up to date. */
int job_new(struct job **ret, struct job_board *board, struct command *command, size_t *bytes, size_t *running,
	    const struct job_ops *ops, void *userdata);
/* Active runs are abandoned: they go on, and nobody hears of them. */
struct job *job_free(struct job *job);

/* The timer fired: start a run, or do what the command's overlap says.  Never calls back from within. */
void job_fire(struct job *job, const struct run_request *request, int64_t boottime_ns);

/* A new definition; runs that are active keep the old one.  `command` is taken over. */
void job_set_command(struct job *job, struct command *command);

/* Signal every active run, 1 to 64; 0: TERM, KILL after JOB_KILL_DELAY_NS.  A run that is wanted counts as skipped.
 * Return: 0: at least one was signalled, 1: none is active, −errno. */
int job_kill(struct job *job, int signal_number, int64_t boottime_ns);

/* Is a run active or waiting for its turn? */
bool job_is_busy(const struct job *job);

struct job_info {
	const struct command *command;
	struct run_info last_run; /* the latest to start */
	uint64_t runs, skipped, output_end;
	unsigned active;
};
void job_describe(const struct job *job, struct job_info *ret);

/* As timer_read_output(). */
size_t job_read_output(const struct job *job, uint64_t offset, void *buffer, size_t size, uint64_t *ret_offset);
