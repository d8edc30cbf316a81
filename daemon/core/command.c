/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how a command is kept: the struct, its two vectors and all bytes in one allocation.  Never looks into a word. */

#include "daemon/core/command.h"

#include <string.h>

/* Where the next thing goes in the allocation. */
struct cursor {
	char **vector;
	char *bytes;
};

static char *put_word(struct cursor *cursor, struct word word) {
	char *copy = cursor->bytes;

	/* An empty word of a message has no data. */
	if (word.size > 0)
		memcpy(copy, word.data, word.size);
	copy[word.size] = '\0';
	cursor->bytes += word.size + 1;
	return copy;
}

static char **put_words(struct cursor *cursor, const struct word *words, size_t n) {
	char **vector = cursor->vector;

	for (size_t i = 0; i < n; i++)
		vector[i] = put_word(cursor, words[i]);
	vector[n] = NULL;
	cursor->vector += n + 1;
	return vector;
}

static size_t bytes_of(const struct word *words, size_t n) {
	size_t size = 0;

	for (size_t i = 0; i < n; i++)
		size += words[i].size + 1;
	return size;
}

int command_new(struct command **ret, const struct word *argv, size_t n_argv, const struct word *environment,
		size_t n_environment, struct word directory) {
	size_t vectors = (n_argv + 1 + n_environment + 1) * sizeof(char *);
	size_t size = sizeof(struct command) + vectors + bytes_of(argv, n_argv) + bytes_of(environment, n_environment) +
		      directory.size + 1;
	struct command *command = malloc(size);
	struct cursor cursor;

	if (!command)
		return -ENOMEM;
	cursor = (struct cursor){ .vector = (char **)(command + 1), .bytes = (char *)(command + 1) + vectors };
	*command = (struct command){ .size = size };
	command->argv = put_words(&cursor, argv, n_argv);
	command->environment = put_words(&cursor, environment, n_environment);
	command->directory = put_word(&cursor, directory);
	*ret = command;
	return 0;
}

struct command *command_free(struct command *command) {
	free(command);
	return NULL;
}

static bool words_equal(char *const *a, char *const *b) {
	size_t i = 0;

	for (; a[i] && b[i]; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return a[i] == b[i];
}

bool command_equal(const struct command *a, const struct command *b) {
	return a->umask == b->umask && a->overlap == b->overlap && a->timeout_ns == b->timeout_ns &&
	       strcmp(a->directory, b->directory) == 0 && words_equal(a->argv, b->argv) &&
	       words_equal(a->environment, b->environment);
}
