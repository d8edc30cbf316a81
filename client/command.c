/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what a command takes along from the process that asks for it: words, environment, directory and umask.
 * The words are borrowed from the caller; the message lives no longer than the call.
 */

#include "client/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Those of the shell and the service manager that started us are wrong for whoever runs later. */
bool command_leaves_out(const char *variable) {
	return strncmp(variable, "_=", 2) == 0 || strncmp(variable, "BASH_", 5) == 0 ||
	       strncmp(variable, "LISTEN_", 7) == 0 || strncmp(variable, "NOTIFY_SOCKET=", 14) == 0;
}

static int take_words(const char *const *words, bool filter, size_t *n, ProtobufCBinaryData **ret, size_t *total) {
	size_t n_words = 0;

	while (words[n_words])
		n_words++;
	*ret = calloc(MAX(n_words, 1), sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	for (size_t i = 0; i < n_words; i++) {
		size_t length = strlen(words[i]);

		if (filter && command_leaves_out(words[i]))
			continue;
		(*ret)[(*n)++] = (ProtobufCBinaryData){ .data = (uint8_t *)words[i], .len = length };
		*total += length + COMMAND_WORD_COST;
	}
	return 0;
}

/* Reading it by umask(2) would change it for other threads; where /proc does not tell it, the usual one. */
static uint32_t current_umask(void) {
	uint32_t value = 022;
	char line[128];
	FILE *status = fopen("/proc/self/status", "re");

	if (!status)
		return value;
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "Umask: %o", &value) == 1)
			break;
	(void)fclose(status);
	return value & 0777;
}

static int fill(const struct evl_timer *timer, Evloop__Command *command) {
	const char *directory = timer->directory;
	size_t total = 0;
	int r;

	if (!timer->argv[0] || !timer->argv[0][0] || (directory && directory[0] != '/'))
		return -EINVAL;
	command->directory.data = (uint8_t *)(directory ? strdup(directory) : getcwd(NULL, 0));
	if (!command->directory.data)
		return -errno;
	command->directory.len = strlen((char *)command->directory.data);
	r = take_words(timer->argv, false, &command->n_argv, &command->argv, &total);
	if (r >= 0)
		r = take_words(timer->environment ? timer->environment : (const char *const *)environ,
			       !timer->environment, &command->n_environment, &command->environment, &total);
	if (r < 0)
		return r;
	command->umask = current_umask();
	command->overlap = (Evloop__Overlap)timer->overlap;
	command->timeout_ns = timer->timeout_ns;
	return total + command->directory.len + COMMAND_WORD_COST > COMMAND_SIZE_MAX ? -E2BIG : 0;
}

int command_new(const struct evl_timer *timer, Evloop__Command **ret) {
	Evloop__Command *command = malloc(sizeof(*command));
	int r;

	if (!command)
		return -ENOMEM;
	evloop__command__init(command);
	r = fill(timer, command);
	if (r < 0) {
		command_free(command);
		return r;
	}
	*ret = command;
	return 0;
}

Evloop__Command *command_free(Evloop__Command *command) {
	if (command) {
		free(command->directory.data);
		free(command->argv);
		free(command->environment);
		free(command);
	}
	return NULL;
}
