/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the last steps of a process that becomes a command: its session, umask, directory and program.  What hangs here hangs alone.
 * Links nothing but libc.
 */

#include "daemon/exec/become.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int answer(const struct exec_reply *reply, int fd) {
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = {
			      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec iov = { .iov_base = (void *)reply, .iov_len = sizeof(*reply) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	while (sendmsg(EXEC_SOCKET_FD, &message, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* To the job's log and to the daemon. */
static _Noreturn void fail(uint64_t token, int status, const char *what, const char *name, int error) {
	const struct exec_reply reply = { .token = token, .answer = EXEC_FAILED };

	fprintf(stderr, "evloop: cannot %s '%s': %s\n", what, name, strerror(error));
	(void)answer(&reply, -1);
	_exit(status);
}

/* The next string, moving *p behind it. */
static char *next_string(char **p) {
	char *string = *p;

	*p += strlen(string) + 1;
	return string;
}

static char **next_strings(char **p, uint32_t n, uint64_t token) {
	char **vector = calloc((size_t)n + 1, sizeof(*vector));

	if (!vector)
		fail(token, EXIT_NOT_EXECUTABLE, "read", "command", ENOMEM);
	for (uint32_t i = 0; i < n; i++)
		vector[i] = next_string(p);
	return vector;
}

void become(struct exec_request *request) {
	char *p = (char *)(request + 1), *directory, **argv;
	int error;

	(void)setsid();
	directory = next_string(&p);
	argv = next_strings(&p, request->n_argv, request->token);
	environ = next_strings(&p, request->n_environment, request->token);
	umask(request->umask);
	if (chdir(directory) < 0)
		fail(request->token, EXIT_NOT_EXECUTABLE, "enter", directory, errno);
	execvp(argv[0], argv);
	error = errno;
	fail(request->token, error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "run", argv[0], error);
}
