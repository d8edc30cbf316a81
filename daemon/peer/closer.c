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

#define PACKETS_DROPPED 32 /* without descriptors, before a process is worth it */

/*
 * What is unread in it, first of all.  An empty packet looks like the end; but only with a packet come the credentials of its sender.
 * And there is room for nothing else, so that descriptors are not had, but told of.
 */
static enum unread {
	NOTHING,
	DATA,
	DESCRIPTORS
} look(int socket_fd) {
	char control[CMSG_SPACE(sizeof(struct ucred))];
	struct msghdr msg = { .msg_control = control };

	for (unsigned i = 0; i < 2; i++) { /* ECONNRESET overtakes, once */
		msg.msg_controllen = sizeof(control);
		if (recvmsg(socket_fd, &msg, MSG_PEEK | MSG_DONTWAIT) < 0)
			continue;
		if (msg.msg_controllen == 0)
			return NOTHING;
		return msg.msg_flags & MSG_CTRUNC ? DESCRIPTORS : DATA;
	}
	return NOTHING;
}

/* The first packet, with what came with it. */
static void drop_packet(int socket_fd) {
	char byte;

	(void)recv(socket_fd, &byte, sizeof(byte), MSG_DONTWAIT);
}

bool closer_is_safe(int socket_fd) {
	enum unread unread;
	int on = 1;

	(void)shutdown(socket_fd, SHUT_RDWR);
	(void)setsockopt(socket_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	for (unsigned i = 0; i < PACKETS_DROPPED; i++) {
		unread = look(socket_fd);
		if (unread != DATA)
			return unread == NOTHING;
		drop_packet(socket_fd);
	}
	return false;
}

static void empty(int socket_fd) {
	while (look(socket_fd) != NOTHING)
		drop_packet(socket_fd);
}

static void close_all(const int *fds, size_t n) {
	for (size_t i = 0; i < n; i++) {
		int fd = fds[i];

		if (fd < 0) {
			fd = CLOSER_SOCKET(fd);
			empty(fd);
		}
		(void)close(fd);
	}
}

/* Like fork(2), but for the table of descriptors, which is ours.  Without a descriptor to spare there is no pidfd: −1.
 * By the older call, for the newer one is closed to units with RestrictNamespaces=. */
static pid_t fork_with_files(int *ret_pid_fd) {
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | CLONE_PIDFD, NULL, ret_pid_fd, NULL, NULL);

	if (pid >= 0 || (errno != EMFILE && errno != ENFILE))
		return pid;
	*ret_pid_fd = -1;
	return (pid_t)syscall(SYS_clone, CLONE_FILES, NULL, NULL, NULL, NULL);
}

/* A process that closes them.  Return: its pid; below 0: there is none. */
static pid_t start_process(const int *fds, size_t n, int *ret_pid_fd) {
	pid_t pid = fork_with_files(ret_pid_fd);

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		close_all(fds, n);
		_exit(0);
	}
	return pid;
}

static void closer_exited(void *userdata, int fd, int events);

/* Return: false: there is no process. */
static bool start(struct closer *closer, const int *fds, size_t n) {
	pid_t pid = start_process(fds, n, &closer->pid_fd);

	if (pid < 0)
		return false;
	closer->pid = pid;
	closer->n_closing = n;
	if (closer->pid_fd >= 0 &&
	    loop_add_io(closer->loop, &closer->io, closer->pid_fd, LOOP_READ, closer_exited, closer) < 0)
		closer->pid_fd = close_fd(closer->pid_fd);
	return true;
}

static void start_waiting(struct closer *closer) {
	if (closer->n_waiting == 0 || !start(closer, closer->waiting, closer->n_waiting))
		return;
	free(TAKE_PTR(closer->waiting));
	closer->n_waiting = 0;
}

/* If the process has ended, it is time for the next one. */
static void go_on(struct closer *closer) {
	siginfo_t info = { 0 };

	/* It ends without a signal to us, so it is only waited for where that is said. */
	if (waitid(P_PID, (id_t)closer->pid, &info, WEXITED | WNOHANG | __WALL) == 0 && info.si_pid == 0)
		return;
	if (closer->io) {
		closer->io = loop_io_remove(closer->io);
		closer->pid_fd = close_fd(closer->pid_fd);
	}
	closer->pid = 0;
	closer->n_closing = 0;
	start_waiting(closer);
	closer->done(closer->userdata, closer);
}

static void closer_exited(void *userdata, int fd _unused_, int events _unused_) {
	go_on(userdata);
}

void closer_retry(struct closer *closer) {
	if (!closer_is_stalled(closer))
		return;
	if (closer->pid > 0)
		go_on(closer);
	else
		start_waiting(closer);
}

/* Return: false: no memory. */
static bool keep(struct closer *closer, const int *fds, size_t n) {
	int *waiting = reallocarray(closer->waiting, closer->n_waiting + n, sizeof(*waiting));

	if (!waiting)
		return false;
	memcpy(waiting + closer->n_waiting, fds, n * sizeof(*fds));
	closer->waiting = waiting;
	closer->n_waiting += n;
	return true;
}

bool closer_add(struct closer *closer, struct loop *loop, const int *fds, size_t n,
		void (*done)(void *userdata, struct closer *closer), void *userdata) {
	bool was_busy = closer_is_busy(closer);

	if (n == 0)
		return false;
	closer->loop = loop;
	closer->done = done;
	closer->userdata = userdata;
	if (was_busy || !start(closer, fds, n)) {
		if (!keep(closer, fds, n))
			close_all(fds, n);
		if (closer->pid == 0)
			start_waiting(closer);
	}
	return !was_busy && closer_is_busy(closer);
}

void closer_deinit(struct closer *closer) {
	int pid_fd;

	if (closer->io) {
		closer->io = loop_io_remove(closer->io);
		closer->pid_fd = close_fd(closer->pid_fd);
	}
	if (closer->n_waiting > 0 && start_process(closer->waiting, closer->n_waiting, &pid_fd) > 0)
		close_fd(pid_fd);
	free(TAKE_PTR(closer->waiting));
	closer->pid = 0;
	closer->n_closing = closer->n_waiting = 0;
}
