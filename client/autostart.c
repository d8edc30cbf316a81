/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns starting a private daemon in the background.  The program's child is a helper that waits until the daemon
 * listens; the daemon itself is not its child, so that no wait(2) of the program ever meets it.  Between fork and
 * exec only async-signal-safe functions are called: the program may have threads.
 */

#include "client/internal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define READY_FD 3
#define EXIT_ALREADY_RUNNING 75
#define EXIT_TIMED_OUT 124
#define EXIT_NOT_FOUND 127

/* Nothing of the program goes along: no descriptor, no blocked or ignored signal, no directory held. */
static void detach(int ready_fd) {
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;
	int null_fd;

	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &action, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setsid();
	if (chdir("/") < 0)
		_exit(EXIT_NOT_FOUND);
	/* Out of the way of 0 to 3 first. */
	ready_fd = fcntl(ready_fd, F_DUPFD, READY_FD + 1);
	null_fd = open("/dev/null", O_RDWR);
	if (ready_fd < 0 || null_fd < 0)
		_exit(EXIT_NOT_FOUND);
	for (int fd = 0; fd < READY_FD; fd++)
		(void)dup2(null_fd, fd);
	(void)dup2(ready_fd, READY_FD);
	(void)syscall(SYS_close_range, READY_FD + 1, ~0U, 0);
}

static _Noreturn void run_daemon(const char *program, int ready_fd) {
	detach(ready_fd);
	(void)execl(program, program, "--private", "--ready-fd=3", (char *)NULL);
	_exit(EXIT_NOT_FOUND);
}

/* The helper: its exit status says what became of the daemon. */
static _Noreturn void run_helper(const char *program, int timeout_ms) {
	int fds[2], status = 0;
	struct pollfd ready;
	char byte;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		_exit(EXIT_NOT_FOUND);
	pid = _Fork();
	if (pid == 0)
		run_daemon(program, fds[1]);
	(void)close(fds[1]);
	ready = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	if (pid < 0 || poll(&ready, 1, timeout_ms) <= 0)
		_exit(EXIT_TIMED_OUT);
	if (read(fds[0], &byte, 1) == 1)
		_exit(0);
	/* It has closed the pipe without a word: it ended. */
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) == 0)
		_exit(1);
	_exit(WEXITSTATUS(status));
}

const char *evl_daemon_program(void) {
	const char *program = secure_getenv("EVLOOPD");

	return program && program[0] ? program : SBINDIR "/evloopd";
}

int autostart(int64_t deadline_ns) {
	const char *program = evl_daemon_program();
	int64_t left_ms = MAX((deadline_ns - clock_ns(CLOCK_MONOTONIC)) / NSEC_PER_MSEC, 0);
	int status;
	pid_t pid;

	pid = _Fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		run_helper(program, (int)MIN(left_ms, INT32_MAX));
	while (waitpid(pid, &status, 0) < 0) {
		/* ECHILD: the program's own handler was faster.  Whether a daemon listens is seen when connecting. */
		if (errno != EINTR)
			return 1;
	}
	if (!WIFEXITED(status))
		return -ENOTCONN;
	switch (WEXITSTATUS(status)) {
	case 0:
		return 0;
	case EXIT_ALREADY_RUNNING:
		return 1;
	case EXIT_TIMED_OUT:
		return -ETIMEDOUT;
	case EXIT_NOT_FOUND:
		return -ENOENT;
	default:
		return -ENOTCONN;
	}
}
