/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the runs of a timer's command: which fires start one, what becomes of those that overlap, when a run is ended, and
 * what is remembered of it.
 *
 * A run exists from the fire that starts it until the starter says that its process is gone.  Nothing of what happens is told
 * to the timer from within a call of the timer's: a run that could not be started waits for job_board_advance().
 */

#include "daemon/core/job.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <sys/queue.h>

#include "daemon/core/output.h"
#include "daemon/core/progress.h"
#include "daemon/core/queue.h"
#include "proto/limits.h"

#define SIGNALS_MAX 64
#define STATUS_UNKNOWN 255

struct run {
	struct job *job;
	LIST_ENTRY(run) link; /* job::runs */
	TAILQ_ENTRY(run) stillborn_link; /* job_board::stillborn, if `process` is NULL */
	void *process; /* the starter's token; NULL: no process was made, or nothing is known of it */
	struct run_info info;
	uint32_t place; /* in job_board::deadlines, if `queued` */
	bool queued;
	bool terminated; /* TERM was sent by us, KILL follows at the deadline */
	uint64_t signals; /* sent by KILL with a signal of its own, a bit each */
};

struct job {
	struct job_board *board;
	LIST_HEAD(, run) runs;
	unsigned active;
	struct command *command;
	struct output output;
	struct run_info last;
	uint64_t runs_started, skipped;
	bool wanted; /* one more run is to start: */
	struct run_request request; /* this one; its command is `command` then */
	bool waiting; /* in job_board::waiting: the uid has as many runs as it may */
	TAILQ_ENTRY(job) wait_link;
	size_t *bytes, *running; /* the tenant's counters */
	const struct job_ops *ops;
	void *userdata;
};

struct job_board {
	struct starter *starter;
	struct queue deadlines; /* of runs, by run::place */
	TAILQ_HEAD(run_list, run) stillborn;
	TAILQ_HEAD(, job)
	waiting; /* the one that has waited longest comes first; none of a uid that may have more runs */
	size_t active;
	size_t limit; /* of a uid's runs at the same time */
	uint64_t seq;
};

/* ---- the board ---- */

int job_board_new(struct job_board **ret, struct starter *starter) {
	struct job_board *board = calloc(1, sizeof(*board));

	if (!board)
		return -ENOMEM;
	board->starter = starter;
	board->limit = SIZE_MAX;
	TAILQ_INIT(&board->stillborn);
	TAILQ_INIT(&board->waiting);
	*ret = board;
	return 0;
}

struct job_board *job_board_free(struct job_board *board) {
	if (!board)
		return NULL;
	assert(board->active == 0 && TAILQ_EMPTY(&board->stillborn) && TAILQ_EMPTY(&board->waiting));
	queue_deinit(&board->deadlines);
	free(board);
	return NULL;
}

void job_board_set_limit(struct job_board *board, size_t limit) {
	board->limit = limit;
}

size_t job_board_active(const struct job_board *board) {
	return board->active;
}

int64_t job_board_next(const struct job_board *board) {
	const struct queue_entry *first = queue_first(&board->deadlines);

	if (!TAILQ_EMPTY(&board->stillborn))
		return 0;
	return first ? first->deadline : INT64_MAX;
}

/* ---- runs ---- */

static void set_deadline(struct run *run, int64_t deadline_ns) {
	struct job_board *board = run->job->board;

	if (run->queued)
		queue_update(&board->deadlines, &run->place, deadline_ns, board->seq++);
	else
		queue_insert(&board->deadlines, &run->place, deadline_ns, board->seq++);
	run->queued = true;
}

static void run_free(struct run *run) {
	struct job *job = run->job;
	struct job_board *board = job->board;

	if (run->queued)
		queue_remove(&board->deadlines, &run->place);
	queue_release(&board->deadlines);
	if (!run->process)
		TAILQ_REMOVE(&board->stillborn, run, stillborn_link);
	LIST_REMOVE(run, link);
	job->active--;
	board->active--;
	(*job->running)--;
	free(run);
}

/* End a run that is still there: TERM now, KILL later.  Return: 0, −errno: it is not ours to signal. */
static int terminate(struct run *run, enum run_result result, int64_t boottime_ns) {
	struct starter *starter = run->job->board->starter;
	int r;

	if (!run->process || run->terminated)
		return 0;
	r = starter->kill(starter, run->process, SIGTERM);
	if (r < 0)
		return r;
	run->terminated = true;
	run->info.result = result;
	set_deadline(run, boottime_ns + JOB_KILL_DELAY_NS);
	return 0;
}

static int run_new(struct run **ret, struct job *job, const struct run_request *request, int64_t boottime_ns) {
	struct job_board *board = job->board;
	struct run *run = calloc(1, sizeof(*run));

	if (!run || queue_reserve(&board->deadlines) < 0) {
		free(run);
		return -ENOMEM;
	}
	run->job = job;
	run->info = (struct run_info){
		.run = ++job->runs_started,
		.result = RUN_RESULT_ACTIVE,
		.fire_seq = request->fire_seq,
		.started_ns = boottime_ns,
		.lateness_ns = request->lateness_ns,
	};
	LIST_INSERT_HEAD(&job->runs, run, link);
	job->active++;
	board->active++;
	(*job->running)++;
	*ret = run;
	return 0;
}

/* This run starts when another one has ended.  One that was wanted already is merged into it. */
static void want(struct job *job, const struct run_request *request) {
	uint64_t missed = job->wanted ? job->request.missed : 0;

	job->wanted = true;
	job->request = *request;
	job->request.missed += missed;
}

static void wait_for_turn(struct job *job) {
	if (!job->waiting)
		TAILQ_INSERT_TAIL(&job->board->waiting, job, wait_link);
	job->waiting = true;
}

static void stop_waiting(struct job *job) {
	if (job->waiting)
		TAILQ_REMOVE(&job->board->waiting, job, wait_link);
	job->waiting = false;
}

static void start(struct job *job, const struct run_request *request, int64_t boottime_ns) {
	struct job_board *board = job->board;
	struct run_request full = *request;
	struct run *run;
	int r;

	if (*job->running >= board->limit) {
		want(job, request);
		wait_for_turn(job);
		return;
	}
	if (run_new(&run, job, request, boottime_ns) < 0) {
		job->skipped++;
		return;
	}
	full.command = job->command;
	r = board->starter->start(board->starter, run, &full, &run->process);
	if (r < 0) {
		run->process = NULL;
		run->info.status = r == -ENOENT ? 127 : 126;
		TAILQ_INSERT_TAIL(&board->stillborn, run, stillborn_link);
	} else if (job->command->timeout_ns > 0) {
		set_deadline(run, boottime_ns + job->command->timeout_ns);
	}
	job->last = run->info;
}

/* May the run that was put off start, as far as its own job is concerned? */
static bool is_wanted(const struct job *job) {
	return job->wanted && (job->active == 0 || job->command->overlap == OVERLAP_MODE_ALLOW);
}

static struct job *first_waiting(const struct job_board *board, const size_t *running) {
	struct job *job;

	TAILQ_FOREACH(job, &board->waiting, wait_link)
	if (job->running == running)
		return job;
	return NULL;
}

/* A uid has one run less: whoever of its jobs has waited longest is next. */
static void start_waiting(struct job_board *board, const size_t *running, int64_t boottime_ns) {
	struct job *job;

	while (*running < board->limit && (job = first_waiting(board, running))) {
		struct run_request request = job->request;

		stop_waiting(job);
		if (!is_wanted(job))
			continue; /* its own run, when that has ended, is followed by it */
		job->wanted = false;
		start(job, &request, boottime_ns);
	}
}

/* The last of a run.  The timer may free the job. */
static void finish(struct run *run, int64_t boottime_ns) {
	struct job *job = run->job;
	struct job_board *board = job->board;
	const size_t *running = job->running;
	struct run_info info = run->info;

	info.ended_ns = boottime_ns;
	if (job->last.run == info.run)
		job->last = info;
	run_free(run);
	if (is_wanted(job))
		wait_for_turn(job); /* behind those that have waited longer */
	start_waiting(board, running, boottime_ns);
	job->ops->exited(job->userdata, &info, !job_is_busy(job));
}

/* ---- from the starter ---- */

void run_started(struct run *run, pid_t pid, const char *unit) {
	run->info.pid = pid;
	if (unit)
		snprintf(run->info.unit, sizeof(run->info.unit), "%s", unit);
	if (run->job->last.run == run->info.run)
		run->job->last = run->info;
}

void run_output(struct run *run, const void *data, size_t size) {
	struct job *job = run->job;
	size_t before = job->output.capacity;
	/* All output of a uid together is bounded too: beyond that, jobs that have kept little keep little. */
	size_t bound = *job->bytes < JOB_OUTPUT_KEPT_UID ? JOB_OUTPUT_KEPT : OUTPUT_SIZE_MIN;

	output_write(&job->output, data, size, bound);
	*job->bytes += job->output.capacity - before;
	job->ops->output(job->userdata, job->output.end);
}

void run_exited(struct run *run, int status, bool started, int64_t boottime_ns) {
	run->info.status = status;
	if (!started)
		run->info.result = RUN_RESULT_NOT_STARTED;
	else if (run->info.result == RUN_RESULT_ACTIVE)
		run->info.result = status > 128 && status <= 128 + SIGNALS_MAX && run->signals >> (status - 129) & 1
					   ? RUN_RESULT_KILLED
					   : RUN_RESULT_EXITED;
	finish(run, boottime_ns);
}

void job_board_advance(struct job_board *board, int64_t boottime_ns) {
	/* Those that cannot start in the place of these come next time. */
	const struct run *last = TAILQ_LAST(&board->stillborn, run_list);
	const struct queue_entry *first;
	struct run *run;

	for (bool more = last; more;) {
		run = TAILQ_FIRST(&board->stillborn);
		more = run != last;
		if (run->info.result == RUN_RESULT_ACTIVE)
			run->info.result = RUN_RESULT_NOT_STARTED;
		finish(run, boottime_ns);
	}
	while ((first = queue_first(&board->deadlines)) && first->deadline <= boottime_ns) {
		run = container_of(first->place, struct run, place);
		queue_remove(&board->deadlines, &run->place);
		run->queued = false;
		if (run->terminated)
			(void)board->starter->kill(board->starter, run->process, SIGKILL);
		else
			(void)terminate(run, RUN_RESULT_TIMED_OUT, boottime_ns);
	}
}

/* ---- jobs ---- */

int job_new(struct job **ret, struct job_board *board, struct command *command, size_t *bytes, size_t *running,
	    const struct job_ops *ops, void *userdata) {
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	*job = (struct job){
		.board = board,
		.command = command,
		.bytes = bytes,
		.running = running,
		.ops = ops,
		.userdata = userdata,
	};
	LIST_INIT(&job->runs);
	*bytes += command->size;
	*ret = job;
	return 0;
}

struct job *job_free(struct job *job) {
	struct run *run;

	if (!job)
		return NULL;
	while ((run = LIST_FIRST(&job->runs))) {
		if (run->process)
			job->board->starter->abandon(job->board->starter, run->process);
		run_free(run);
	}
	stop_waiting(job);
	*job->bytes -= job->command->size + job->output.capacity;
	output_deinit(&job->output);
	command_free(job->command);
	free(job);
	return NULL;
}

void job_fire(struct job *job, const struct run_request *request, int64_t boottime_ns) {
	struct run *run;

	if (job->waiting) {
		want(job, request);
		return;
	}
	if (job->active == 0) {
		start(job, request, boottime_ns);
		return;
	}
	switch (job->command->overlap) {
	case OVERLAP_MODE_SKIP:
		job->skipped++;
		break;
	case OVERLAP_MODE_QUEUE:
		want(job, request);
		break;
	case OVERLAP_MODE_RESTART:
		want(job, request);
		LIST_FOREACH(run, &job->runs, link)
		(void)terminate(run, RUN_RESULT_KILLED, boottime_ns);
		break;
	case OVERLAP_MODE_ALLOW:
		if (job->active < JOB_ACTIVE_MAX)
			start(job, request, boottime_ns);
		else
			job->skipped++;
		break;
	}
}

void job_set_command(struct job *job, struct command *command) {
	*job->bytes += command->size;
	*job->bytes -= job->command->size;
	command_free(job->command);
	job->command = command;
}

/* Return: 0, −errno. */
static int signal_run(struct run *run, int signal_number, int64_t boottime_ns) {
	struct starter *starter = run->job->board->starter;
	int r;

	if (signal_number == 0)
		return terminate(run, RUN_RESULT_KILLED, boottime_ns);
	r = starter->kill(starter, run->process, signal_number);
	if (r == 0)
		run->signals |= UINT64_C(1) << (signal_number - 1);
	return r;
}

int job_kill(struct job *job, int signal_number, int64_t boottime_ns) {
	struct run *run;
	int r = 1;

	stop_waiting(job);
	job->skipped += job->wanted;
	job->wanted = false;
	LIST_FOREACH(run, &job->runs, link) {
		int error = run->process ? signal_run(run, signal_number, boottime_ns) : 1;

		if (error <= 0 && r != 0)
			r = error;
	}
	return r;
}

bool job_is_busy(const struct job *job) {
	return job->active > 0 || job->wanted;
}

void job_describe(const struct job *job, struct job_info *ret) {
	*ret = (struct job_info){
		.command = job->command,
		.last_run = job->last,
		.runs = job->runs_started,
		.skipped = job->skipped,
		.output_end = job->output.end,
		.active = job->active,
	};
}

size_t job_read_output(const struct job *job, uint64_t offset, void *buffer, size_t size, uint64_t *ret_offset) {
	return output_read(&job->output, offset, buffer, size, ret_offset);
}

/* ---- going on in another process ---- */

void job_progress(const struct job *job, struct job_progress *ret) {
	*ret = (struct job_progress){
		.runs = job->runs_started,
		.skipped = job->skipped,
		.last = job->last,
		.wanted = job->wanted,
		.request = job->request,
		.output_end = job->output.end,
	};
}

void job_restore(struct job *job, const struct job_progress *progress, const void *output, size_t size) {
	job->runs_started = progress->runs;
	job->skipped = progress->skipped;
	job->last = progress->last;
	job->output.end = progress->output_end - MIN(progress->output_end, (uint64_t)size);
	output_write(&job->output, output, size, JOB_OUTPUT_KEPT);
	*job->bytes += job->output.capacity;
	if (!progress->wanted)
		return;
	want(job, &progress->request);
	wait_for_turn(job);
}

bool job_next_run(const struct job *job, const struct run **position, struct run_progress *ret) {
	struct starter *starter = job->board->starter;
	const struct run *run = *position ? LIST_NEXT(*position, link) : LIST_FIRST(&job->runs);

	*position = run;
	if (!run)
		return false;
	if (!run->process || !starter->describe(starter, run->process, &ret->process))
		ret->process = (struct process_handle){ .pid_fd = -1, .output_fd = -1 };
	ret->info = run->info;
	ret->deadline_ns = run->queued ? job->board->deadlines.entries[run->place].deadline : INT64_MAX;
	ret->terminated = run->terminated;
	ret->signals = run->signals;
	return true;
}

/* Nobody can say what becomes of it: it ends at once.  One that was started, and not refused, may well have run. */
static void lose(struct run *run) {
	if (run->info.status == 0) {
		run->info.result = RUN_RESULT_EXITED;
		run->info.status = STATUS_UNKNOWN;
	}
	TAILQ_INSERT_TAIL(&run->job->board->stillborn, run, stillborn_link);
}

int job_adopt_run(struct job *job, const struct run_progress *progress, const struct run_request *request) {
	struct starter *starter = job->board->starter;
	struct process_handle handle = progress->process;
	struct run_request full = *request;
	uint64_t runs = job->runs_started;
	struct run *run;
	int r = run_new(&run, job, request, progress->info.started_ns);

	if (r < 0)
		return r;
	job->runs_started = runs;
	run->info = progress->info;
	run->terminated = progress->terminated;
	run->signals = progress->signals;
	if (progress->process.pid_fd < 0) {
		lose(run);
		return 0;
	}
	full.command = job->command; /* if it is another one by now, that is of no importance here */
	handle.unit = run->info.unit[0] != '\0' ? run->info.unit : NULL;
	r = starter->adopt(starter, run, &full, &handle, &run->process);
	if (r < 0) {
		lose(run);
		return r;
	}
	if (progress->deadline_ns != INT64_MAX)
		set_deadline(run, progress->deadline_ns);
	return 0;
}
