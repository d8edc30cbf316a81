/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns jobs that do nothing of themselves; see the header. */

#include "tests/unit/fake-job.h"

#include <string.h>

#include "tests/unit/test.h"

struct job *fake_job;
size_t fake_jobs;

struct job_board {
	int dummy;
};

struct starter *fake_starter(void) {
	static struct starter starter;

	return &starter;
}

struct command *fake_command(const char *word) {
	struct command *command = calloc(1, sizeof(*command) + 2 * sizeof(char *) + strlen(word) + 1);

	assert_non_null(command);
	command->argv = (char **)(command + 1);
	command->argv[0] = (char *)(command->argv + 2);
	strcpy(command->argv[0], word);
	return command;
}

struct command *command_free(struct command *command) {
	free(command);
	return NULL;
}

bool command_equal(const struct command *a, const struct command *b) {
	return strcmp(a->argv[0], b->argv[0]) == 0;
}

int job_board_new(struct job_board **ret, struct starter *starter _unused_) {
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

struct job_board *job_board_free(struct job_board *board) {
	assert_int_equal(fake_jobs, 0);
	free(board);
	return NULL;
}

void job_board_advance(struct job_board *board _unused_, int64_t boottime_ns _unused_) {
}

int64_t job_board_next(const struct job_board *board _unused_) {
	return INT64_MAX;
}

size_t job_board_active(const struct job_board *board _unused_) {
	return fake_job ? fake_job->active : 0;
}

int job_new(struct job **ret, struct job_board *board _unused_, struct command *command, size_t *bytes _unused_,
	    size_t *running _unused_, const struct job_ops *ops, void *userdata) {
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	job->command = command;
	job->ops = ops;
	job->userdata = userdata;
	job->signal_number = -1;
	fake_job = *ret = job;
	fake_jobs++;
	return 0;
}

struct job *job_free(struct job *job) {
	if (fake_job == job)
		fake_job = NULL;
	fake_jobs--;
	command_free(job->command);
	free(job);
	return NULL;
}

void job_fire(struct job *job, const struct run_request *request, int64_t boottime_ns) {
	job->fires++;
	job->last = *request;
	snprintf(job->name, sizeof(job->name), "%s", request->name ? request->name : "");
	job->last.name = job->name;
	if (job->refuses)
		return;
	job->active++;
	job->last_run = (struct run_info){
		.run = job->last_run.run + 1,
		.result = RUN_RESULT_ACTIVE,
		.fire_seq = request->fire_seq,
		.started_ns = boottime_ns,
		.lateness_ns = request->lateness_ns,
	};
}

void job_set_command(struct job *job, struct command *command) {
	command_free(job->command);
	job->command = command;
}

int job_kill(struct job *job, int signal_number, int64_t boottime_ns _unused_) {
	job->signal_number = signal_number;
	return job->active ? 0 : 1;
}

bool job_is_busy(const struct job *job) {
	return job->active > 0;
}

void job_describe(const struct job *job, struct job_info *ret) {
	*ret = (struct job_info){
		.command = job->command,
		.last_run = job->last_run,
		.runs = job->last_run.run,
		.active = job->active,
	};
}

size_t job_read_output(const struct job *job _unused_, uint64_t offset, void *buffer _unused_, size_t size _unused_,
		       uint64_t *ret_offset) {
	*ret_offset = offset;
	return 0;
}

void fake_job_exit(struct job *job, int status) {
	job->active--;
	job->last_run.result = RUN_RESULT_EXITED;
	job->last_run.status = status;
	job->ops->exited(job->userdata, &job->last_run, job->active == 0);
}

void fake_job_write(struct job *job, uint64_t output_end) {
	job->ops->output(job->userdata, output_end);
}
