/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the processes that close.  A thread would not do: one that the kernel holds in a close(2) keeps its whole process from
 * ending.  Such a process does, too, but it is not the daemon.
 *
 * Knows nothing of sessions, nor of whose descriptors they are.
 */

#include "daemon/peer/closer.h"

#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void close_all(const int *fds, size_t n) {
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
}

/* Like fork(2), but for the table of descriptors, which is ours.  Return: as there. */
static pid_t fork_with_files(int *ret_pid_fd) {
	struct clone_args args = { .flags = CLONE_FILES | CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)ret_pid_fd };

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static void closer_exited(void *userdata, int fd, int events);

/* Return: a pidfd of the process that closes them, or -1: there is none. */
static int start_process(const int *fds, size_t n) {
	int pid_fd;
	pid_t pid = fork_with_files(&pid_fd);

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		close_all(fds, n);
		_exit(0);
	}
	return pid < 0 ? -1 : pid_fd;
}

/* Return: false: there is no process.  One that cannot be watched does its work all the same, and nobody hears of its end. */
static bool start(struct closer *closer, const int *fds, size_t n) {
	closer->pid_fd = start_process(fds, n);
	if (closer->pid_fd < 0)
		return false;
	if (loop_add_io(closer->loop, &closer->io, closer->pid_fd, LOOP_READ, closer_exited, closer) < 0)
		closer->pid_fd = close_fd(closer->pid_fd);
	else
		closer->n_closing = n;
	return true;
}

static void closer_exited(void *userdata, int fd, int events _unused_) {
	struct closer *closer = userdata;
	_cleanup_free_ int *waiting = NULL;
	size_t n = closer->n_waiting;
	siginfo_t info = { 0 };

	/* It ends without a signal to us, so it is only waited for where that is said. */
	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG | __WALL) == 0 && info.si_pid == 0)
		return;
	closer->io = loop_io_remove(closer->io);
	closer->pid_fd = close_fd(closer->pid_fd);
	closer->n_closing = 0;
	waiting = TAKE_PTR(closer->waiting);
	closer->n_waiting = 0;
	if (n > 0 && !start(closer, waiting, n))
		close_all(waiting, n);
	closer->done(closer->userdata, closer);
}

bool closer_is_safe(int socket_fd) {
	char control[CMSG_SPACE(sizeof(struct ucred))];
	struct msghdr msg = { .msg_control = control };
	int on = 1;

	(void)shutdown(socket_fd, SHUT_RDWR);
	/* An empty packet looks like the end; but only with a packet come the credentials of its sender. */
	(void)setsockopt(socket_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	for (unsigned i = 0; i < 2; i++) { /* ECONNRESET overtakes, once */
		msg.msg_controllen = sizeof(control);
		if (recvmsg(socket_fd, &msg, MSG_PEEK | MSG_DONTWAIT) >= 0)
			return msg.msg_controllen == 0;
	}
	return true;
}

bool closer_add(struct closer *closer, struct loop *loop, const int *fds, size_t n,
		void (*done)(void *userdata, struct closer *closer), void *userdata) {
	int *waiting;

	if (n == 0)
		return false;
	closer->loop = loop;
	closer->done = done;
	closer->userdata = userdata;
	if (!closer_is_busy(closer)) {
		if (!start(closer, fds, n))
			close_all(fds, n);
		return closer_is_busy(closer);
	}
	waiting = reallocarray(closer->waiting, closer->n_waiting + n, sizeof(*waiting));
	if (!waiting) {
		close_all(fds, n);
		return false;
	}
	memcpy(waiting + closer->n_waiting, fds, n * sizeof(*fds));
	closer->waiting = waiting;
	closer->n_waiting += n;
	return false;
}

void closer_deinit(struct closer *closer) {
	if (closer_is_busy(closer)) {
		closer->io = loop_io_remove(closer->io);
		closer->pid_fd = close_fd(closer->pid_fd);
	}
	if (closer->n_waiting > 0)
		close_fd(start_process(closer->waiting, closer->n_waiting));
	free(TAKE_PTR(closer->waiting));
	closer->n_closing = closer->n_waiting = 0;
}
