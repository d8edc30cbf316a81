/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starts the commands of jobs, as a process of its own beside the daemon.  All that may block, fail or surprise on the way to a
 * command happens here or in the process that is to become it: the daemon only sends a packet.  That process is made as a
 * sibling, so it is the daemon's child, and the daemon's alone to wait for.
 *
 * It also keeps each run's output open for reading, until the last writer has gone: whoever is still writing when
 * the daemon no longer reads, or has gone, shall not be killed by SIGPIPE for that.
 *
 * Links nothing but libc.  Knows nothing of jobs, and trusts what the daemon sends.  In a unit of the service manager it is
 * another one, of one command: in-unit.c.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/exec/become.h"
#include "daemon/exec/in-unit.h"

#define REQUEST_SIZE (256 * 1024) /* a socket's buffer holds less */
#define PIPES_MAX 4096
#define THROW_SIZE 65536 /* a whole pipe */

struct helper {
	rlim_t descriptors; /* the limit that commands get; 0: ours */
	bool alone; /* the daemon has gone */
	bool is_batch; /* our scheduling policy, which commands shall not have */
	size_t n_pipes;
	struct pollfd fds[1 + PIPES_MAX]; /* the daemon's socket, then a pipe each */
	uint64_t tokens[1 + PIPES_MAX];
	char request[REQUEST_SIZE];
};

/* ---- becoming a command ---- */

/* Being woken, evloop-exec must not take the processor from the daemon that wakes it.  Return: true: that was changed. */
static bool set_policy(int from, int to) {
	struct sched_param none = { 0 };

	return sched_getscheduler(0) == from && sched_setscheduler(0, to, &none) == 0;
}

static void limit_descriptors(rlim_t descriptors) {
	struct rlimit limit;

	if (descriptors == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = descriptors;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Meant for the daemon, but sent to all processes of its unit: they are not to end us. */
static void set_signals(void (*handler)(int)) {
	(void)signal(SIGHUP, handler);
	(void)signal(SIGUSR1, handler);
}

static _Noreturn void run(const struct helper *helper, struct exec_request *request, int output) {
	/* Standard input is /dev/null already. */
	(void)dup2(output, STDOUT_FILENO);
	(void)dup2(output, STDERR_FILENO);
	limit_descriptors(helper->descriptors);
	set_signals(SIG_DFL);
	if (helper->is_batch)
		(void)set_policy(SCHED_BATCH, SCHED_OTHER);
	become(request);
}

/* As fork(2), but the new process is our parent's child. */
static pid_t fork_sibling(void) {
#if defined(__s390__)
	return (pid_t)syscall(SYS_clone, 0, CLONE_PARENT | SIGCHLD, 0, 0, 0);
#else
	return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
#endif
}

/* ---- pipes ---- */

static void drop_pipe(struct helper *helper, size_t i) {
	close(helper->fds[i].fd);
	helper->fds[i] = helper->fds[helper->n_pipes];
	helper->tokens[i] = helper->tokens[helper->n_pipes];
	helper->n_pipes--;
}

static void leave(struct helper *helper, uint64_t token) {
	for (size_t i = 1; i <= helper->n_pipes; i++)
		if (helper->tokens[i] == token)
			helper->fds[i].events = POLLIN;
}

static void hand_over(struct helper *helper, uint64_t token) {
	for (size_t i = helper->n_pipes; i >= 1; i--)
		if (helper->tokens[i] == token)
			drop_pipe(helper, i);
}

/* With too many of them, one that nobody reads goes, at its writers' risk. */
static void keep_pipe(struct helper *helper, int fd, uint64_t token) {
	for (size_t i = 1; helper->n_pipes == PIPES_MAX && i <= helper->n_pipes; i++)
		if (helper->fds[i].events)
			drop_pipe(helper, i);
	if (helper->n_pipes == PIPES_MAX) {
		close(fd);
		return;
	}
	helper->n_pipes++;
	helper->fds[helper->n_pipes] = (struct pollfd){ .fd = fd }; /* only its hang-up is of interest */
	helper->tokens[helper->n_pipes] = token;
}

static void serve_pipe(struct helper *helper, size_t i) {
	static char nothing[THROW_SIZE];
	short events = helper->fds[i].revents;

	if (events & POLLIN && read(helper->fds[i].fd, nothing, sizeof(nothing)) > 0)
		return;
	if (events & (POLLHUP | POLLERR | POLLNVAL))
		drop_pipe(helper, i);
}

/* ---- the daemon ---- */

static void refuse(const struct exec_request *request, int error) {
	(void)answer(&(struct exec_reply){ .token = request->token, .answer = EXEC_REFUSED, .error = error }, -1);
}

static void start(struct helper *helper, struct exec_request *request) {
	struct exec_reply reply = { .token = request->token, .answer = EXEC_STARTED };
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		refuse(request, errno);
		return;
	}
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	reply.pid = fork_sibling();
	if (reply.pid == 0)
		run(helper, request, fds[1]);
	r = errno;
	close(fds[1]);
	if (reply.pid < 0) {
		close(fds[0]);
		refuse(request, r);
		return;
	}
	r = answer(&reply, fds[0]);
	/* Too many descriptors are on their way somewhere: better no run than one that cannot be heard. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET) {
		(void)kill(reply.pid, SIGKILL);
		(void)answer(&reply, -1);
		(void)answer(&(struct exec_reply){ .token = request->token, .answer = EXEC_FAILED }, -1);
	}
	keep_pipe(helper, fds[0], request->token);
}

/* Take an order, and in *ret_fd what comes along; −1: nothing.  Return: its size; 0, −1: the daemon has gone. */
static ssize_t receive(struct helper *helper, int *ret_fd) {
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = helper->request, .iov_len = sizeof(helper->request) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(EXEC_SOCKET_FD, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	*ret_fd = -1;
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
	return n;
}

static void serve_daemon(struct helper *helper) {
	struct exec_request *request = (struct exec_request *)helper->request;
	int fd;
	ssize_t n = receive(helper, &fd);

	if (n >= (ssize_t)sizeof(*request)) {
		if (request->order == EXEC_START)
			start(helper, request);
		else if (request->order == EXEC_LEAVE)
			leave(helper, request->token);
		else if (request->order == EXEC_HAND_OVER)
			hand_over(helper, request->token);
		else if (fd >= 0)
			keep_pipe(helper, fd, request->token);
		return;
	}
	if (n < 0 && errno == EINTR)
		return;
	helper->alone = true;
	helper->fds[0].fd = -1;
	for (size_t i = 1; i <= helper->n_pipes; i++)
		helper->fds[i].events = POLLIN;
}

static void serve(struct helper *helper) {
	while (!helper->alone || helper->n_pipes > 0) {
		if (poll(helper->fds, 1 + helper->n_pipes, -1) < 0)
			continue;
		for (size_t i = helper->n_pipes; i > 0; i--)
			if (helper->fds[i].revents)
				serve_pipe(helper, i);
		if (helper->fds[0].revents)
			serve_daemon(helper);
	}
}

int main(int argc, char **argv) {
	static struct helper helper = { .fds = { { .fd = EXEC_SOCKET_FD, .events = POLLIN } } };
	struct stat st;

	if (argc == 2 && strcmp(argv[1], EXEC_IN_UNIT) == 0)
		return run_in_unit();
	if (argc != 2 || fstat(EXEC_SOCKET_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fputs("evloop-exec: evloopd starts this program, people do not\n", stderr);
		return EXIT_NOT_EXECUTABLE;
	}
	/* It was executed by a descriptor, and is called by that number so far. */
	(void)prctl(PR_SET_NAME, "evloop-exec");
	set_signals(SIG_IGN);
	helper.descriptors = strtoull(argv[1], NULL, 10);
	/* What the daemon was started with is nobody's business, and what is opened from here on is close-on-exec. */
	closefrom(EXEC_SOCKET_FD + 1);
	(void)fcntl(EXEC_SOCKET_FD, F_SETFD, FD_CLOEXEC);
	/* No file system is kept busy. */
	if (chdir("/") < 0)
		return EXIT_NOT_EXECUTABLE;
	helper.is_batch = set_policy(SCHED_OTHER, SCHED_BATCH);
	serve(&helper);
	return 0;
}
