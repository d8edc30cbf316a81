/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns processes that are none. */

#include "tests/unit/fake-starter.h"

#include <string.h>

#include "tests/unit/test.h"

static int fake_start(struct starter *starter, struct run *run, const struct run_request *request, void **ret_process) {
	struct fake_starter *fake = container_of(starter, struct fake_starter, starter);

	fake->starts++;
	fake->request = *request;
	snprintf(fake->name, sizeof(fake->name), "%s", request->name ? request->name : "");
	fake->request.name = fake->name;
	if (fake->refuses)
		return -ENOENT;
	fake->run = run;
	*ret_process = fake;
	return 0;
}

static int fake_kill(struct starter *starter, void *process _unused_, int signal_number) {
	container_of(starter, struct fake_starter, starter)->signal_number = signal_number;
	return 0;
}

static void fake_abandon(struct starter *starter, void *process _unused_) {
	container_of(starter, struct fake_starter, starter)->run = NULL;
}

static bool fake_describe(struct starter *starter, void *process _unused_, struct process_handle *ret) {
	const struct fake_starter *fake = container_of(starter, struct fake_starter, starter);

	/* Any descriptor will do. */
	*ret = (struct process_handle){ .pid = fake->pid, .pid_fd = STDERR_FILENO, .output_fd = -1 };
	return fake->pid > 0;
}

static int fake_adopt(struct starter *starter, struct run *run, const struct run_request *request,
		      const struct process_handle *handle, void **ret_process) {
	struct fake_starter *fake = container_of(starter, struct fake_starter, starter);

	assert_non_null(request->command);
	fake->adopted = *handle;
	(void)close_fd(handle->pid_fd);
	(void)close_fd(handle->output_fd);
	fake->run = run;
	fake->pid = handle->pid;
	*ret_process = fake;
	return 0;
}

void fake_starter_init(struct fake_starter *fake) {
	*fake = (struct fake_starter){
		.starter = { .start = fake_start,
			     .kill = fake_kill,
			     .abandon = fake_abandon,
			     .describe = fake_describe,
			     .adopt = fake_adopt },
	};
}

void fake_starter_exit(struct fake_starter *fake, int status, int64_t boottime_ns) {
	struct run *run = TAKE_PTR(fake->run);

	assert_non_null(run);
	run_exited(run, status, true, boottime_ns);
}

struct command *fake_command(const char *word) {
	const struct word argv = { .data = word, .size = strlen(word) }, directory = { .data = "/", .size = 1 };
	struct command *command;

	assert_int_equal(command_new(&command, &argv, 1, NULL, 0, directory), 0);
	return command;
}
