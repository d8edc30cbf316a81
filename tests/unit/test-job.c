/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The runs of jobs, with processes that end when the test says so, on a clock that it turns. */

#include "tests/unit/test.h"

#include <signal.h>
#include <string.h>

#include "daemon/core/job.h"
#include "proto/limits.h"

#define START (1000 * NSEC_PER_SEC)

/* ---- a starter ------------------------------------------------------------------------------------------- */

struct fake_process {
	struct run *run; /* NULL: over, or abandoned */
	struct command command; /* a copy of the struct; its words are borrowed */
	struct run_request request;
	unsigned terms, kills, others; /* signals it got */
};

struct fake {
	struct starter starter;
	struct fake_process processes[4096]; /* in the order in which they were started */
	size_t n;
	size_t active, abandoned;
	int start_error, kill_error; /* what the calls return, if not 0 */
	bool in_call; /* of the timer's: nothing may call back */
};

static struct fake fake;

static int fake_start(struct starter *starter, struct run *run, const struct run_request *request, void **ret_process) {
	struct fake_process *process = &fake.processes[fake.n];

	assert_ptr_equal(starter, &fake.starter);
	if (fake.start_error < 0)
		return fake.start_error;
	assert_true(fake.n < ARRAY_SIZE(fake.processes));
	*process = (struct fake_process){ .run = run, .request = *request, .command = *request->command };
	fake.n++;
	fake.active++;
	*ret_process = process;
	return 0;
}

static int fake_kill(struct starter *starter _unused_, void *token, int signal_number) {
	struct fake_process *process = token;

	assert_non_null(process->run);
	if (fake.kill_error < 0)
		return fake.kill_error;
	process->terms += signal_number == SIGTERM;
	process->kills += signal_number == SIGKILL;
	process->others += signal_number != SIGTERM && signal_number != SIGKILL;
	return 0;
}

static void fake_abandon(struct starter *starter _unused_, void *token) {
	struct fake_process *process = token;

	assert_non_null(process->run);
	process->run = NULL;
	fake.active--;
	fake.abandoned++;
}

static void end_process(struct fake_process *process, int status, int64_t now_ns) {
	struct run *run = TAKE_PTR(process->run);

	assert_non_null(run);
	fake.active--;
	run_exited(run, status, true, now_ns);
}

/* ---- a timer --------------------------------------------------------------------------------------------- */

struct owner_of_job {
	struct job *job;
	uint64_t fires;
	unsigned exits;
	struct run_info last;
	bool idle;
	uint64_t output_end;
	bool frees; /* as soon as it is idle */
};

static size_t bytes, running;
static struct job_board *board;

static void owner_output(void *userdata, uint64_t output_end) {
	assert_false(fake.in_call);
	((struct owner_of_job *)userdata)->output_end = output_end;
}

static void owner_exited(void *userdata, const struct run_info *run, bool idle) {
	struct owner_of_job *owner = userdata;

	assert_false(fake.in_call);
	owner->exits++;
	owner->last = *run;
	owner->idle = idle;
	if (owner->frees && idle)
		owner->job = job_free(owner->job);
}

static const struct job_ops owner_ops = { .output = owner_output, .exited = owner_exited };

static struct command *make_command(enum overlap overlap, int64_t timeout_ns) {
	const struct word argv = { .data = "x", .size = 1 }, directory = { .data = "/", .size = 1 };
	struct command *command;

	assert_int_equal(command_new(&command, &argv, 1, NULL, 0, directory), 0);
	command->overlap = overlap;
	command->timeout_ns = timeout_ns;
	return command;
}

static void owner_init_job(struct owner_of_job *owner, enum overlap overlap, int64_t timeout_ns) {
	*owner = (struct owner_of_job){ .idle = true };
	assert_int_equal(
		job_new(&owner->job, board, make_command(overlap, timeout_ns), &bytes, &running, &owner_ops, owner), 0);
}

static void fire_missing(struct owner_of_job *owner, int64_t now_ns, uint64_t missed) {
	fake.in_call = true;
	job_fire(owner->job,
		 &(struct run_request){
			 .id = 7,
			 .name = "name",
			 .fire_seq = ++owner->fires,
			 .missed = missed,
			 .scheduled_ns = now_ns - 5,
			 .lateness_ns = 5,
		 },
		 now_ns);
	fake.in_call = false;
}

static void fire(struct owner_of_job *owner, int64_t now_ns) {
	fire_missing(owner, now_ns, 0);
}

static struct job_info describe(const struct owner_of_job *owner) {
	struct job_info info;

	job_describe(owner->job, &info);
	return info;
}

static int setup(void **state _unused_) {
	fake = (struct fake){ .starter = { .start = fake_start, .kill = fake_kill, .abandon = fake_abandon } };
	bytes = running = 0;
	return job_board_new(&board, &fake.starter);
}

static int teardown(void **state _unused_) {
	board = job_board_free(board);
	return bytes == 0 && running == 0 ? 0 : -1;
}

/* ---- one run --------------------------------------------------------------------------------------------- */

static void test_run(void **state _unused_) {
	struct owner_of_job owner;
	uint64_t offset;
	char data[16];

	owner_init_job(&owner, OVERLAP_MODE_SKIP, 0);
	assert_int_equal(bytes, describe(&owner).command->size);
	assert_false(job_is_busy(owner.job));
	fire_missing(&owner, START, 3);
	assert_int_equal(fake.n, 1);
	assert_int_equal(running, 1);
	assert_int_equal(job_board_active(board), 1);
	assert_true(job_is_busy(owner.job));
	assert_int_equal(fake.processes[0].request.id, 7);
	assert_string_equal(fake.processes[0].request.name, "name");
	assert_int_equal(fake.processes[0].request.fire_seq, 1);
	assert_int_equal(fake.processes[0].request.missed, 3);
	assert_int_equal(fake.processes[0].request.lateness_ns, 5);
	assert_int_equal(job_board_next(board), INT64_MAX);

	run_started(fake.processes[0].run, 4711, "a.service");
	run_output(fake.processes[0].run, "hello", 5);
	assert_int_equal(owner.output_end, 5);
	assert_int_equal(describe(&owner).last_run.result, RUN_RESULT_ACTIVE);
	assert_int_equal(describe(&owner).last_run.pid, 4711);
	assert_string_equal(describe(&owner).last_run.unit, "a.service");
	assert_int_equal(describe(&owner).last_run.started_ns, START);
	assert_int_equal(describe(&owner).last_run.ended_ns, 0);
	end_process(&fake.processes[0], 3, START + 9);
	assert_int_equal(owner.exits, 1);
	assert_true(owner.idle);
	assert_int_equal(owner.last.run, 1);
	assert_int_equal(owner.last.status, 3);
	assert_int_equal(owner.last.result, RUN_RESULT_EXITED);
	assert_int_equal(owner.last.ended_ns, START + 9);
	assert_int_equal(owner.last.lateness_ns, 5);
	assert_int_equal(describe(&owner).last_run.status, 3);
	assert_int_equal(running, 0);
	assert_int_equal(job_read_output(owner.job, 0, data, sizeof(data), &offset), 5);
	assert_memory_equal(data, "hello", 5);
	job_free(owner.job);
}

/* What cannot be started is told of later, never from within the fire. */
static void test_not_started(void **state _unused_) {
	struct owner_of_job owner;

	owner_init_job(&owner, OVERLAP_MODE_SKIP, NSEC_PER_SEC);
	for (unsigned i = 0; i < 2; i++) {
		fake.start_error = i == 0 ? -ENOENT : -ENOMEM;
		fire(&owner, START);
		assert_int_equal(owner.exits, i);
		assert_true(job_is_busy(owner.job));
		assert_true(job_board_next(board) <= START);
		assert_int_equal(job_kill(owner.job, 0, START), 1);
		job_board_advance(board, START);
		assert_int_equal(owner.exits, i + 1);
		assert_int_equal(owner.last.result, RUN_RESULT_NOT_STARTED);
		assert_int_equal(owner.last.status, i == 0 ? 127 : 126);
		assert_true(owner.idle);
		assert_int_equal(job_board_next(board), INT64_MAX);
	}
	/* Torn down before that was told. */
	fire(&owner, START);
	job_free(owner.job);
	job_board_advance(board, START);

	/* The starter may find out by itself. */
	fake.start_error = 0;
	owner_init_job(&owner, OVERLAP_MODE_SKIP, 0);
	fire(&owner, START);
	run_exited(TAKE_PTR(fake.processes[0].run), 127, false, START);
	assert_int_equal(owner.last.result, RUN_RESULT_NOT_STARTED);
	assert_int_equal(owner.last.status, 127);
	job_free(owner.job);
}

/* Where nothing can be started, a turn is no longer than the runs there were. */
static void test_not_started_in_a_row(void **state _unused_) {
	struct owner_of_job owners[20];

	job_board_set_limit(board, 2);
	fake.start_error = -EAGAIN;
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		owner_init_job(&owners[i], OVERLAP_MODE_SKIP, 0);
		fire(&owners[i], START);
	}
	for (size_t turn = 1; turn <= ARRAY_SIZE(owners) / 2; turn++) {
		unsigned exits = 0;

		assert_true(job_board_next(board) <= START);
		job_board_advance(board, START);
		for (size_t i = 0; i < ARRAY_SIZE(owners); i++)
			exits += owners[i].exits;
		assert_int_equal(exits, 2 * turn);
	}
	assert_int_equal(job_board_next(board), INT64_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++)
		job_free(owners[i].job);
}

/* ---- overlap --------------------------------------------------------------------------------------------- */

static void test_skip(void **state _unused_) {
	struct owner_of_job owner;

	owner_init_job(&owner, OVERLAP_MODE_SKIP, 0);
	for (unsigned i = 0; i < 4; i++)
		fire(&owner, START);
	assert_int_equal(fake.n, 1);
	assert_int_equal(describe(&owner).skipped, 3);
	end_process(&fake.processes[0], 0, START);
	assert_true(owner.idle);
	fire(&owner, START);
	assert_int_equal(fake.n, 2);
	assert_int_equal(fake.processes[1].request.fire_seq, 5);
	assert_int_equal(describe(&owner).runs, 2);
	end_process(&fake.processes[1], 0, START);
	job_free(owner.job);
}

static void test_queue(void **state _unused_) {
	struct owner_of_job owner;

	owner_init_job(&owner, OVERLAP_MODE_QUEUE, 0);
	for (unsigned i = 0; i < 4; i++)
		fire_missing(&owner, START, i);
	assert_int_equal(fake.n, 1);
	end_process(&fake.processes[0], 0, START + 7);
	assert_false(owner.idle);
	/* The three that came meanwhile are one: the last, with what all of them missed. */
	assert_int_equal(fake.n, 2);
	assert_int_equal(fake.processes[1].request.fire_seq, 4);
	assert_int_equal(fake.processes[1].request.missed, 1 + 2 + 3);
	assert_string_equal(fake.processes[1].request.name, "name");
	assert_int_equal(describe(&owner).last_run.started_ns, START + 7);
	assert_int_equal(describe(&owner).skipped, 0);
	fire_missing(&owner, START, 1);
	end_process(&fake.processes[1], 0, START);
	assert_int_equal(fake.processes[2].request.missed, 1);
	end_process(&fake.processes[2], 0, START);
	assert_true(owner.idle);
	assert_int_equal(fake.n, 3);
	job_free(owner.job);
}

static void test_restart(void **state _unused_) {
	struct owner_of_job owner;

	owner_init_job(&owner, OVERLAP_MODE_RESTART, 0);
	fire(&owner, START);
	fire(&owner, START + 1);
	fire(&owner, START + 2);
	assert_int_equal(fake.n, 1); /* not before the old one has gone */
	assert_int_equal(fake.processes[0].terms, 1);
	assert_int_equal(job_board_next(board), START + 1 + JOB_KILL_DELAY_NS);
	job_board_advance(board, START + JOB_KILL_DELAY_NS);
	assert_int_equal(fake.processes[0].kills, 0);
	job_board_advance(board, START + 1 + JOB_KILL_DELAY_NS);
	assert_int_equal(fake.processes[0].kills, 1);
	assert_int_equal(job_board_next(board), INT64_MAX);
	end_process(&fake.processes[0], 137, START + 3);
	assert_int_equal(owner.last.result, RUN_RESULT_KILLED);
	assert_false(owner.idle);
	assert_int_equal(fake.n, 2);
	assert_int_equal(fake.processes[1].request.fire_seq, 3);
	assert_int_equal(fake.processes[1].terms, 0);
	end_process(&fake.processes[1], 0, START);
	assert_int_equal(owner.last.result, RUN_RESULT_EXITED);
	assert_true(owner.idle);
	job_free(owner.job);
}

static void test_allow(void **state _unused_) {
	struct owner_of_job owner;

	owner_init_job(&owner, OVERLAP_MODE_ALLOW, 0);
	for (unsigned i = 0; i < JOB_ACTIVE_MAX + 3; i++)
		fire(&owner, START + i);
	assert_int_equal(fake.n, JOB_ACTIVE_MAX);
	assert_int_equal(describe(&owner).active, JOB_ACTIVE_MAX);
	assert_int_equal(describe(&owner).skipped, 3);
	/* The one shown is the latest to start, whichever ends last. */
	end_process(&fake.processes[JOB_ACTIVE_MAX - 1], 5, START);
	assert_int_equal(describe(&owner).last_run.status, 5);
	for (unsigned i = 0; i < JOB_ACTIVE_MAX - 1; i++) {
		assert_false(owner.idle);
		end_process(&fake.processes[i], 1, START);
		assert_int_equal(owner.last.run, i + 1);
	}
	assert_true(owner.idle);
	assert_int_equal(describe(&owner).last_run.run, JOB_ACTIVE_MAX);
	assert_int_equal(describe(&owner).last_run.status, 5);
	job_free(owner.job);
}

/* A run keeps the definition it began with; the next one has the new one. */
static void test_new_command(void **state _unused_) {
	struct owner_of_job owner;

	owner_init_job(&owner, OVERLAP_MODE_QUEUE, 0);
	fire(&owner, START);
	fire(&owner, START);
	job_set_command(owner.job, make_command(OVERLAP_MODE_SKIP, 5 * NSEC_PER_SEC));
	assert_int_equal(job_board_next(board), INT64_MAX);
	assert_int_equal(bytes, describe(&owner).command->size);
	end_process(&fake.processes[0], 0, START);
	assert_int_equal(fake.n, 2);
	assert_int_equal(fake.processes[1].command.timeout_ns, 5 * NSEC_PER_SEC);
	assert_int_equal(job_board_next(board), START + 5 * NSEC_PER_SEC);
	end_process(&fake.processes[1], 0, START);
	assert_int_equal(job_board_next(board), INT64_MAX);
	job_free(owner.job);
}

/* ---- timeouts and signals -------------------------------------------------------------------------------- */

static void test_timeout(void **state _unused_) {
	struct owner_of_job owner;

	owner_init_job(&owner, OVERLAP_MODE_SKIP, 2 * NSEC_PER_SEC);
	fire(&owner, START);
	assert_int_equal(job_board_next(board), START + 2 * NSEC_PER_SEC);
	job_board_advance(board, START + 2 * NSEC_PER_SEC - 1);
	assert_int_equal(fake.processes[0].terms, 0);
	job_board_advance(board, START + 2 * NSEC_PER_SEC);
	assert_int_equal(fake.processes[0].terms, 1);
	assert_int_equal(job_board_next(board), START + 2 * NSEC_PER_SEC + JOB_KILL_DELAY_NS);
	/* Being killed as well changes neither why it ends nor when. */
	assert_int_equal(job_kill(owner.job, 0, START + 3 * NSEC_PER_SEC), 0);
	assert_int_equal(job_board_next(board), START + 2 * NSEC_PER_SEC + JOB_KILL_DELAY_NS);
	assert_int_equal(fake.processes[0].terms, 1);
	end_process(&fake.processes[0], 143, START + 4 * NSEC_PER_SEC);
	assert_int_equal(owner.last.result, RUN_RESULT_TIMED_OUT);
	assert_int_equal(owner.last.status, 143);
	assert_int_equal(job_board_next(board), INT64_MAX);

	/* One that ends in time leaves no deadline. */
	fire(&owner, START);
	end_process(&fake.processes[1], 0, START);
	assert_int_equal(owner.last.result, RUN_RESULT_EXITED);
	assert_int_equal(job_board_next(board), INT64_MAX);
	job_free(owner.job);
}

/* Many at once, each at its time. */
static void test_timeouts_in_order(void **state _unused_) {
	struct owner_of_job owners[100];

	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		owner_init_job(&owners[i], OVERLAP_MODE_SKIP, (int64_t)(1 + i * 37 % 100));
		fire(&owners[i], START);
	}
	for (int64_t t = 1; t <= 100; t++) {
		assert_int_equal(job_board_next(board), START + t);
		job_board_advance(board, START + t);
		for (size_t i = 0; i < ARRAY_SIZE(owners); i++)
			assert_int_equal(fake.processes[i].terms, (int64_t)(1 + i * 37 % 100) <= t);
	}
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		end_process(&fake.processes[i], 0, START);
		assert_int_equal(owners[i].last.result, RUN_RESULT_TIMED_OUT);
		job_free(owners[i].job);
	}
}

static void test_kill(void **state _unused_) {
	struct owner_of_job owner;

	owner_init_job(&owner, OVERLAP_MODE_QUEUE, 0);
	assert_int_equal(job_kill(owner.job, 0, START), 1);
	assert_int_equal(job_kill(owner.job, SIGHUP, START), 1);
	fire(&owner, START);
	fire(&owner, START);
	assert_int_equal(job_kill(owner.job, 0, START), 0);
	assert_int_equal(fake.processes[0].terms, 1);
	job_board_advance(board, START + JOB_KILL_DELAY_NS);
	assert_int_equal(fake.processes[0].kills, 1);
	end_process(&fake.processes[0], 137, START);
	assert_int_equal(owner.last.result, RUN_RESULT_KILLED);
	/* The run that waited for this one was dropped. */
	assert_true(owner.idle);
	assert_int_equal(fake.n, 1);
	assert_int_equal(describe(&owner).skipped, 1);

	/* A signal of one's own kills, or does not. */
	fire(&owner, START);
	assert_int_equal(job_kill(owner.job, SIGUSR1, START), 0);
	assert_int_equal(job_kill(owner.job, SIGHUP, START), 0);
	assert_int_equal(fake.processes[1].others, 2);
	assert_int_equal(job_board_next(board), INT64_MAX);
	end_process(&fake.processes[1], 128 + SIGUSR1, START);
	assert_int_equal(owner.last.result, RUN_RESULT_KILLED);
	fire(&owner, START);
	assert_int_equal(job_kill(owner.job, SIGHUP, START), 0);
	end_process(&fake.processes[2], 128 + SIGSEGV, START);
	assert_int_equal(owner.last.result, RUN_RESULT_EXITED);
	fire(&owner, START);
	assert_int_equal(job_kill(owner.job, 64, START), 0);
	end_process(&fake.processes[3], 128 + 64, START);
	assert_int_equal(owner.last.result, RUN_RESULT_KILLED);
	job_free(owner.job);
}

/* What may not be signalled is neither killed nor timed out, whatever was tried. */
static void test_kill_refused(void **state _unused_) {
	struct owner_of_job owner;

	owner_init_job(&owner, OVERLAP_MODE_ALLOW, NSEC_PER_SEC);
	fire(&owner, START);
	fake.kill_error = -EPERM;
	assert_int_equal(job_kill(owner.job, 0, START), -EPERM);
	assert_int_equal(job_kill(owner.job, SIGHUP, START), -EPERM);
	job_board_advance(board, START + NSEC_PER_SEC);
	assert_int_equal(job_board_next(board), INT64_MAX);
	end_process(&fake.processes[0], 128 + SIGHUP, START);
	assert_int_equal(owner.last.result, RUN_RESULT_EXITED);
	job_free(owner.job);
}

/* ---- limits ---------------------------------------------------------------------------------------------- */

/* More than the uid may have: the others run in the order in which they fired. */
static void test_limit(void **state _unused_) {
	struct owner_of_job owners[6];

	job_board_set_limit(board, 2);
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		owner_init_job(&owners[i], OVERLAP_MODE_SKIP, 0);
		fire(&owners[i], START);
	}
	assert_int_equal(fake.n, 2);
	assert_true(job_is_busy(owners[5].job));
	/* Fires of those that wait are merged, also where an overlap would be skipped. */
	fire_missing(&owners[3], START, 4);
	assert_int_equal(describe(&owners[3]).skipped, 0);
	/* One that waits is dropped by a kill, and by its end. */
	assert_int_equal(job_kill(owners[4].job, 0, START), 1);
	assert_false(job_is_busy(owners[4].job));
	job_free(owners[4].job);
	end_process(&fake.processes[0], 0, START);
	assert_int_equal(fake.n, 3);
	end_process(&fake.processes[1], 0, START);
	end_process(&fake.processes[2], 0, START);
	assert_int_equal(fake.n, 5);
	assert_int_equal(fake.processes[3].request.missed, 4);
	assert_int_equal(fake.processes[3].request.fire_seq, 2);
	assert_int_equal(owners[2].exits, 1);
	job_free(owners[5].job);
	end_process(&fake.processes[3], 0, START);
	for (size_t i = 0; i < 4; i++)
		job_free(owners[i].job);
}

/* One that is always wanted again takes its turn like the others. */
static void test_limit_is_fair(void **state _unused_) {
	struct owner_of_job greedy, patient;

	job_board_set_limit(board, 1);
	owner_init_job(&greedy, OVERLAP_MODE_QUEUE, 0);
	owner_init_job(&patient, OVERLAP_MODE_SKIP, 0);
	fire(&greedy, START);
	fire(&greedy, START);
	fire(&patient, START);
	fire(&greedy, START);
	end_process(&fake.processes[0], 0, START);
	assert_int_equal(patient.exits + describe(&patient).active, 1);
	assert_int_equal(describe(&greedy).active, 0);
	end_process(&fake.processes[1], 0, START);
	assert_int_equal(describe(&greedy).active, 1);
	assert_int_equal(fake.n, 3);
	end_process(&fake.processes[2], 0, START);
	assert_true(greedy.idle && patient.idle);
	job_free(greedy.job);
	job_free(patient.job);
}

/* ---- the end --------------------------------------------------------------------------------------------- */

static void test_torn_down(void **state _unused_) {
	struct owner_of_job owner, waiting;

	job_board_set_limit(board, 3);
	owner_init_job(&owner, OVERLAP_MODE_ALLOW, NSEC_PER_SEC);
	owner_init_job(&waiting, OVERLAP_MODE_ALLOW, NSEC_PER_SEC);
	for (unsigned i = 0; i < 3; i++)
		fire(&owner, START);
	fire(&waiting, START);
	run_output(fake.processes[1].run, "x", 1);
	assert_int_equal(job_kill(owner.job, 0, START), 0);
	job_free(waiting.job);
	job_free(owner.job);
	assert_int_equal(fake.abandoned, 3);
	assert_int_equal(job_board_active(board), 0);
	assert_int_equal(job_board_next(board), INT64_MAX);
}

/* The owner may free the job as soon as it is told that all is over. */
static void test_freed_when_told(void **state _unused_) {
	struct owner_of_job owner, other;

	job_board_set_limit(board, 1);
	owner_init_job(&owner, OVERLAP_MODE_SKIP, 0);
	owner_init_job(&other, OVERLAP_MODE_SKIP, 0);
	owner.frees = other.frees = true;
	fire(&owner, START);
	fire(&other, START);
	end_process(&fake.processes[0], 0, START);
	assert_null(owner.job);
	fake.start_error = -ENOMEM;
	end_process(&fake.processes[1], 0, START);
	assert_null(other.job);

	owner_init_job(&owner, OVERLAP_MODE_SKIP, 0);
	owner.frees = true;
	fire(&owner, START);
	job_board_advance(board, START);
	assert_null(owner.job);
}

/* The output of all runs together: what is kept is counted, and bounded. */
static void test_output(void **state _unused_) {
	struct owner_of_job owner;
	size_t command_size;
	char data[5000];
	uint64_t offset;

	memset(data, 'x', sizeof(data));
	owner_init_job(&owner, OVERLAP_MODE_ALLOW, 0);
	command_size = bytes;
	fire(&owner, START);
	fire(&owner, START);
	assert_int_equal(bytes, command_size);
	for (unsigned i = 0; i < 100; i++)
		run_output(fake.processes[i % 2].run, data, sizeof(data));
	assert_int_equal(bytes, command_size + JOB_OUTPUT_KEPT);
	assert_int_equal(describe(&owner).output_end, 100 * sizeof(data));
	assert_int_equal(job_read_output(owner.job, 0, data, sizeof(data), &offset), sizeof(data));
	assert_int_equal(offset, 100 * sizeof(data) - JOB_OUTPUT_KEPT);
	job_free(owner.job);

	/* A uid that keeps very much keeps little of what comes then. */
	bytes = JOB_OUTPUT_KEPT_UID;
	owner_init_job(&owner, OVERLAP_MODE_SKIP, 0);
	fire(&owner, START);
	for (unsigned i = 0; i < 10; i++)
		run_output(fake.processes[2].run, data, sizeof(data));
	assert_true(bytes <= JOB_OUTPUT_KEPT_UID + command_size + 4096);
	job_free(owner.job);
	assert_int_equal(bytes, JOB_OUTPUT_KEPT_UID);
	bytes = 0;
}

/* ---- at random, against a model --------------------------------------------------------------------------- */

#define JOBS 12
#define STEPS 30000

/* What becomes of the fires of one job, if the uid may have any number of runs. */
struct model {
	enum overlap overlap;
	unsigned active, terminated;
	bool wanted;
	uint64_t runs, skipped;
};

static void model_fire(struct model *model) {
	if (model->active == 0 || (model->overlap == OVERLAP_MODE_ALLOW && model->active < JOB_ACTIVE_MAX)) {
		model->active++;
		model->runs++;
	} else if (model->overlap == OVERLAP_MODE_QUEUE || model->overlap == OVERLAP_MODE_RESTART) {
		model->wanted = true;
		if (model->overlap == OVERLAP_MODE_RESTART)
			model->terminated = model->active;
	} else {
		model->skipped++;
	}
}

static void model_end(struct model *model) {
	model->active--;
	model->terminated -= MIN(model->terminated, 1U);
	if (model->active == 0 && model->wanted) {
		model->wanted = false;
		model->active++;
		model->runs++;
	}
}

static void model_check(const struct model *model, const struct owner_of_job *owner) {
	struct job_info info = describe(owner);

	assert_int_equal(info.active, model->active);
	assert_int_equal(info.runs, model->runs);
	assert_int_equal(info.skipped, model->skipped);
	assert_int_equal(job_is_busy(owner->job), model->active > 0 || model->wanted);
}

/* A process that has not ended, at random; NULL: there is none.  Those that are over are forgotten. */
static struct fake_process *some_process(struct random *random) {
	if (fake.active == 0)
		return NULL;
	for (;;) {
		struct fake_process *process = &fake.processes[random_below(random, fake.n)];

		if (process->run)
			return process;
	}
}

static size_t owner_of(struct owner_of_job *owners, const struct fake_process *process) {
	/* The request says whose it is by its id. */
	assert_true(process->request.id < JOBS);
	assert_non_null(owners[process->request.id].job);
	return process->request.id;
}

static void fire_of(struct owner_of_job *owners, size_t i, int64_t now_ns) {
	fake.in_call = true;
	job_fire(owners[i].job, &(struct run_request){ .id = i, .fire_seq = ++owners[i].fires }, now_ns);
	fake.in_call = false;
}

static void test_random(void **state _unused_) {
	struct owner_of_job owners[JOBS];
	struct model models[JOBS] = { 0 };
	struct random random = RANDOM_INIT;

	for (size_t i = 0; i < JOBS; i++) {
		models[i].overlap = (enum overlap)(i % 4);
		owner_init_job(&owners[i], models[i].overlap, 0);
	}
	for (unsigned step = 0; step < STEPS; step++) {
		size_t i = random_below(&random, JOBS);
		struct fake_process *process;

		if (fake.active == 0)
			fake.n = 0;
		if (fake.n < ARRAY_SIZE(fake.processes) - 1 && random_below(&random, 2)) {
			fire_of(owners, i, START + step);
			model_fire(&models[i]);
		} else if ((process = some_process(&random))) {
			i = owner_of(owners, process);
			end_process(process, 0, START + step);
			model_end(&models[i]);
		}
		model_check(&models[i], &owners[i]);
		assert_int_equal(running, fake.active);
	}
	for (size_t i = 0; i < JOBS; i++)
		job_free(owners[i].job);
}

/* With a limit: it is kept, nobody waits while there is room, and every fire ends up somewhere. */
static void test_random_limited(void **state _unused_) {
	struct owner_of_job owners[JOBS];
	struct random random = RANDOM_INIT;

	for (size_t i = 0; i < JOBS; i++)
		owner_init_job(&owners[i], (enum overlap)(i % 4), random_below(&random, 3) ? 0 : 50);
	job_board_set_limit(board, 5);
	for (unsigned step = 0; step < STEPS; step++) {
		size_t i = random_below(&random, JOBS);
		struct fake_process *process = some_process(&random);

		if (fake.active == 0)
			fake.n = 0;
		fake.start_error = random_below(&random, 20) ? 0 : -EAGAIN;
		switch (random_below(&random, 8)) {
		case 0 ... 3:
			if (fake.n < ARRAY_SIZE(fake.processes) - 8)
				fire_of(owners, i, START + step);
			break;
		case 4 ... 5:
			if (process)
				end_process(process, 0, START + step);
			break;
		case 6:
			job_board_advance(board, START + step);
			break;
		case 7:
			if (random_below(&random, 50) == 0)
				(void)job_kill(owners[i].job, 0, START + step);
		}
		assert_true(running <= 5 && running == job_board_active(board));
		for (size_t k = 0; k < JOBS; k++)
			if (job_is_busy(owners[k].job) && describe(&owners[k]).active == 0)
				assert_int_equal(running, 5);
	}
	/* In the end all of them come to their run. */
	fake.start_error = 0;
	for (unsigned step = 0; running > 0; step++) {
		struct fake_process *process = some_process(&random);

		assert_true(step < 1000);
		if (process)
			end_process(process, 0, START + STEPS);
		job_board_advance(board, START + STEPS);
	}
	for (size_t i = 0; i < JOBS; i++) {
		assert_false(job_is_busy(owners[i].job));
		assert_true(describe(&owners[i]).runs + describe(&owners[i]).skipped <= owners[i].fires);
		assert_int_equal(describe(&owners[i]).runs, owners[i].exits);
		job_free(owners[i].job);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_run, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_started, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_started_in_a_row, setup, teardown),
		cmocka_unit_test_setup_teardown(test_skip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_new_command, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeouts_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kill, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kill_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit_is_fair, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn_down, setup, teardown),
		cmocka_unit_test_setup_teardown(test_freed_when_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_output, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_limited, setup, teardown),
	};

	return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
