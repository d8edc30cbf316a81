/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the choice of the environment and the search for the program.  How it is sent is the library's business. */

#include "client/cli/command.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/error.h"
#include "proto/limits.h"

/* Kept by --clean-env; a star at the end stands for anything. */
static const char *const clean_names[] = { "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "XDG_*" };

static size_t name_length(const char *variable) {
	return strcspn(variable, "=");
}

static bool is_clean(const char *variable) {
	for (size_t i = 0; i < ARRAY_SIZE(clean_names); i++) {
		size_t n = strcspn(clean_names[i], "*");

		if (strncmp(variable, clean_names[i], n) == 0 &&
		    (clean_names[i][n] == '*' || name_length(variable) == n))
			return true;
	}
	return false;
}

/* Is the variable set by the `from`th --setenv or one behind it? */
static bool is_set(const struct command_options *options, size_t from, const char *variable) {
	size_t n = name_length(variable);

	for (size_t i = from; i < options->n_set; i++)
		if (name_length(options->set[i]) == n && strncmp(options->set[i], variable, n) == 0)
			return true;
	return false;
}

/* The variables, borrowed, in an array that is allocated and ends in NULL; NULL: no memory. */
static const char **build_environment(const struct command_options *options) {
	size_t n = 0;
	const char **variables;

	while (environ[n])
		n++;
	variables = calloc(n + options->n_set + 1, sizeof(*variables));
	if (!variables)
		return NULL;
	n = 0;
	for (char **e = environ; *e; e++)
		if (!command_leaves_out(*e) && (!options->clean || is_clean(*e)) && !is_set(options, 0, *e))
			variables[n++] = *e;
	for (size_t i = 0; i < options->n_set; i++)
		if (!is_set(options, i + 1, options->set[i]))
			variables[n++] = options->set[i];
	return variables;
}

/* Can that file be executed?  Return: 0, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND. */
static int check_file(const char *path) {
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	return S_ISREG(st.st_mode) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : EXIT_NOT_EXECUTABLE;
}

/* As a shell: the first in `path` that can be executed, else one that is there.  Return: as check_file(). */
static int search(const char *program, const char *path) {
	int status = EXIT_NOT_FOUND;

	for (const char *p = path;; p++) {
		size_t n = strcspn(p, ":");
		char file[PATH_MAX];

		/* An empty entry is the working directory. */
		if (snprintf(file, sizeof(file), "%.*s%s%s", (int)n, p, n > 0 ? "/" : "", program) <
		    (int)sizeof(file)) {
			int found = check_file(file);

			if (found == 0)
				return 0;
			/* A directory that may not be looked into says nothing. */
			if (found == EXIT_NOT_EXECUTABLE && access(file, F_OK) == 0)
				status = found;
		}
		p += n;
		if (*p == '\0')
			return status;
	}
}

/* `path` NULL: as execvp(3) without one.  Return: as check_file(). */
static int find_program(const char *program, const char *path) {
	if (program[0] == '\0')
		return EXIT_NOT_FOUND;
	return strchr(program, '/') ? check_file(program) : search(program, path ? path : "/bin:/usr/bin");
}

static int check_program(const struct invocation *inv, const char *program, const char *path) {
	int status = find_program(program, path);

	if (status == EXIT_NOT_FOUND)
		complain("%s: %s: command not found", inv->verb->name, program);
	else if (status == EXIT_NOT_EXECUTABLE)
		complain("%s: %s: not an executable file", inv->verb->name, program);
	return status;
}

int command_check(const struct invocation *inv, const char *program) {
	return check_program(inv, program, getenv("PATH"));
}

bool command_exists(const char *program) {
	return find_program(program, getenv("PATH")) == 0;
}

/* The variable's value, or NULL. */
static const char *value_in(const char *const *environment, const char *name) {
	size_t n = strlen(name);

	for (; *environment; environment++)
		if (strncmp(*environment, name, n) == 0 && (*environment)[n] == '=')
			return *environment + n + 1;
	return NULL;
}

static size_t count_bytes(const char *const *words) {
	size_t n = 0;

	for (; *words; words++)
		n += strlen(*words) + COMMAND_WORD_COST;
	return n;
}

static int complain_capture(const struct invocation *inv, const struct evl_timer *timer, int error) {
	size_t argv_size, environment_size;

	switch (error) {
	case -E2BIG:
		argv_size = count_bytes(timer->argv);
		environment_size = count_bytes(timer->environment);
		return complain_value(inv,
				      "%zu bytes of command and %zu of environment, with %d for each word, are too "
				      "many, %d is the most%s",
				      argv_size, environment_size, COMMAND_WORD_COST, COMMAND_SIZE_MAX,
				      argv_size < COMMAND_SIZE_MAX / 2 ? "; --clean-env takes less along" : "");
	case -ENOENT:
		complain("%s: the working directory does not exist any more", inv->verb->name);
		return 1;
	default:
		complain("%s: %s", inv->verb->name, strerror(-error));
		return 1;
	}
}

int command_capture(const struct invocation *inv, const struct command_options *options, Evloop__Command **ret) {
	_cleanup_free_ const char **environment = build_environment(options);
	_cleanup_free_ const char **words = calloc((size_t)inv->argc + 3, sizeof(*words));
	struct evl_timer timer = EVL_TIMER_INIT;
	size_t n = 0;
	int r;

	if (!environment || !words)
		return complain_capture(inv, &timer, -ENOMEM);
	if (options->shell) {
		words[n++] = "sh";
		words[n++] = "-c";
		words[n++] = options->shell;
	}
	for (int i = 1; i < inv->argc; i++)
		words[n++] = inv->argv[i];
	r = check_program(inv, words[0], value_in(environment, "PATH"));
	if (r != 0)
		return r;
	timer.argv = words;
	timer.environment = environment;
	timer.timeout_ns = options->timeout_ns;
	timer.overlap = options->overlap;
	r = command_new(&timer, ret);
	return r < 0 ? complain_capture(inv, &timer, r) : 0;
}
