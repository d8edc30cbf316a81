/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: spawn COUNT PROGRAM [ARGUMENT]...
 *
 * How long does that program take, from its start to its end?  Its output is thrown away.
 */

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include "contrib/bench/measure.h"

extern char **environ;

static int64_t run(char **command, const posix_spawn_file_actions_t *actions) {
	int64_t start = measure_now();
	pid_t pid;
	int status, r = posix_spawnp(&pid, command[0], actions, NULL, command, environ);

	if (r != 0)
		measure_fail(command[0], -r);
	measure_syscall("waitpid", waitpid(pid, &status, 0));
	if (status != 0)
		measure_fail(command[0], -ECHILD);
	return measure_now() - start;
}

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 1);
	int64_t *samples = measure_array(count, sizeof(*samples));
	posix_spawn_file_actions_t actions;

	if (argc < 3)
		measure_fail("program", -EINVAL);
	measure_call("actions", -posix_spawn_file_actions_init(&actions));
	measure_call("actions", -posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0));
	run(argv + 2, &actions);
	for (size_t i = 0; i < count; i++)
		samples[i] = run(argv + 2, &actions);
	measure_sort(samples, count);
	measure_print("p50", (double)measure_percentile(samples, count, 50), "ns");
	posix_spawn_file_actions_destroy(&actions);
	free(samples);
}
