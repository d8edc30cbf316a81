/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns how a process that the service manager has made hears which command it is.  The daemon tells it that once, when it has said
 * that it is there: so whatever becomes of the daemon, the bus or the service manager on the way, a run never happens twice, and
 * neither the manager nor the bus see words and environment, which need not be text and may be secret.
 */

#include "daemon/exec/in-unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/exec/become.h"

#define REQUEST_SIZE (256 * 1024) /* a socket's buffer holds less */

/* Move the socket away from standard input, which the command finds at /dev/null.  Return: 0, −1. */
static int take_socket(void) {
	int null;

	if (dup3(STDIN_FILENO, EXEC_SOCKET_FD, O_CLOEXEC) < 0)
		return -1;
	closefrom(EXEC_SOCKET_FD + 1);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return null < 0 || dup2(null, STDIN_FILENO) < 0 ? -1 : 0;
}

/* A service manager passes on what was ignored where it was started. */
static void reset_signals(void) {
	sigset_t none;

	for (int number = 1; number <= SIGRTMAX; number++)
		(void)signal(number, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int run_in_unit(void) {
	static union {
		struct exec_request head;
		char data[REQUEST_SIZE];
	} request;
	struct exec_reply ready = { .token = EXEC_VERSION, .answer = EXEC_READY, .pid = getpid() };
	struct stat st;
	int pid_fd;

	if (fstat(STDIN_FILENO, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fputs("evloop-exec: evloopd has units started with this program, people do not\n", stderr);
		return EXIT_NOT_EXECUTABLE;
	}
	if (take_socket() < 0)
		return EXIT_NOT_EXECUTABLE;
	pid_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (pid_fd < 0 || answer(&ready, pid_fd) < 0)
		return EXIT_NOT_EXECUTABLE;
	close(pid_fd);
	/* Nothing comes if the daemon has thought better of it, or is gone. */
	if (recv(EXEC_SOCKET_FD, &request, sizeof(request), 0) < (ssize_t)sizeof(request.head))
		return 0;
	reset_signals();
	become(&request.head);
}
