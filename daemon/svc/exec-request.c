/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how a run becomes the packet that tells evloop-exec of it. */

#include "daemon/svc/exec-request.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VARIABLES_MAX 8 /* EVLOOP_* */
#define VARIABLE_SIZE 192

struct variables {
	char text[VARIABLES_MAX][VARIABLE_SIZE];
	size_t n;
};

static void add_variable(struct variables *variables, const char *format, ...) _printf_(2, 3);
static void add_variable(struct variables *variables, const char *format, ...) {
	va_list args;

	va_start(args, format);
	vsnprintf(variables->text[variables->n++], VARIABLE_SIZE, format, args);
	va_end(args);
}

static void make_variables(const struct run_request *request, const char *socket_path, struct variables *variables) {
	variables->n = 0;
	add_variable(variables, "EVLOOP_ID=%" PRIu64, request->id);
	add_variable(variables, "EVLOOP_NAME=%s", request->name ? request->name : "");
	add_variable(variables, "EVLOOP_SCHEDULED_NS=%" PRId64, request->scheduled_ns);
	add_variable(variables, "EVLOOP_LATENESS_NS=%" PRId64, request->lateness_ns);
	add_variable(variables, "EVLOOP_FIRE_SEQ=%" PRIu64, request->fire_seq);
	add_variable(variables, "EVLOOP_MISSED=%" PRIu64, request->missed);
	if (socket_path)
		add_variable(variables, "EVLOOP_SOCKET=%s", socket_path);
}

/* Is that variable of the captured environment one that the run sets itself? */
static bool is_replaced(const struct variables *variables, const char *variable) {
	if (strncmp(variable, "EVLOOP_", 7) != 0)
		return false;
	for (size_t i = 0; i < variables->n; i++)
		if (strncmp(variable, variables->text[i], strcspn(variables->text[i], "=") + 1) == 0)
			return true;
	return false;
}

static char *put_string(char *p, const char *string) {
	size_t n = strlen(string) + 1;

	memcpy(p, string, n);
	return p + n;
}

struct helper_packet *exec_request_new(const struct run_request *run, uint64_t token, const char *socket_path,
				       void **ret_data, size_t *ret_size) {
	const struct command *command = run->command;
	struct exec_request request = { .token = token, .order = EXEC_START, .umask = command->umask };
	struct helper_packet *packet;
	struct variables variables;
	char *data, *p;
	void *room;

	/* The command's allocation holds all its bytes. */
	packet = helper_packet(sizeof(request) + command->size + sizeof(variables), &room);
	if (!packet)
		return NULL;
	make_variables(run, socket_path, &variables);
	data = room;
	p = put_string(data + sizeof(request), command->directory);
	for (; command->argv[request.n_argv]; request.n_argv++)
		p = put_string(p, command->argv[request.n_argv]);
	for (char **variable = command->environment; *variable; variable++)
		if (!is_replaced(&variables, *variable)) {
			p = put_string(p, *variable);
			request.n_environment++;
		}
	for (size_t i = 0; i < variables.n; i++, request.n_environment++)
		p = put_string(p, variables.text[i]);
	memcpy(data, &request, sizeof(request));
	*ret_data = data;
	*ret_size = (size_t)(p - data);
	return packet;
}
