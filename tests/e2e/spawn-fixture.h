/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A loop with a starter and jobs on it, and a command that tells how it was started. */

#include "daemon/core/job.h"
#include "daemon/core/loop.h"
#include "daemon/svc/spawn.h"

#define SOFT_LIMIT 777 /* of descriptors, for the jobs */
#define TASKS_MAX 256

struct task;

struct fixture {
	struct loop *loop;
	struct starter *starter;
	pid_t helper; /* the starter's process; 0: the kernel does not tell */
	struct journal *journal; /* for the next spawner; NULL: none */
	struct job_board *board;
	char directory[32]; /* of the test's own */
	char self[256]; /* path of this program */
	struct task *tasks[TASKS_MAX];
	size_t n;
	size_t bytes, running;
	int64_t offset_ns; /* how far the jobs' clock is ahead */
	int64_t next_tick_ns, patience_ns;
	unsigned ticks; /* every 5 ms, if the loop turns */
	bool (*is_over)(void *userdata); /* what is waited for */
	void *userdata;
	int descriptors; /* open ones before the test */
};

struct task {
	struct fixture *fixture;
	struct job *job;
	struct run_request request; /* of the next fire */
	unsigned exits;
	struct run_info last;
	uint64_t output_end;
	char *output; /* what task_output() returned */
	size_t output_size;
	uint64_t wanted; /* what is waited for */
};

struct task_options {
	const char *const *argv, *const *environment; /* NULL-terminated */
	const char *directory; /* NULL: / */
	mode_t umask;
	enum overlap overlap;
	int64_t timeout_ns;
};

/* cmocka's: a fixture in *state; at the end all is freed, and no descriptor may be left. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* The daemon's end, as far as jobs are concerned, and another beginning. */
void fixture_end_spawner(struct fixture *fixture);
void fixture_begin_spawner(struct fixture *fixture);

int64_t fixture_now(const struct fixture *fixture);

/* Turn the loop until it is over; fails after some seconds. */
void fixture_wait(struct fixture *fixture, bool (*is_over)(void *userdata), void *userdata);

struct task *task_new(struct fixture *fixture, const struct task_options *options);
void task_fire(struct task *task);
void task_wait(struct task *task); /* for its next exit */
void task_wait_output(struct task *task, uint64_t bytes);
void task_wait_lines(struct task *task, unsigned n);
struct job_info task_describe(const struct task *task);

/* All output that is kept, with a NUL behind it. */
const char *task_output(struct task *task);

/* Shorthands.  `script` is for sh -c; task_run…() wait for the end. */
struct task *task_start_shell(struct fixture *fixture, const char *script);
struct task *task_run_shell(struct fixture *fixture, const char *script);
struct task *task_run(struct fixture *fixture, const char *variable, const char *const *words, size_t n);

/* The variable that makes this program tell of itself instead of testing. */
#define TELL(what) "TELL=" what

/* That: "words", "environment" or "surroundings", on standard output.  Return: exit status. */
int tell(const char *what, int argc, char **argv);
