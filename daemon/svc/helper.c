/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns a process beside the daemon and the socket to it.  Knows nothing of what it is for. */

#include "daemon/svc/helper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/svc/log.h"

#define PACKETS_PER_TURN_MAX 32
#define BYTES_PER_TURN_MAX 65536

struct helper_packet {
	STAILQ_ENTRY(helper_packet) link; /* helper::unsent */
	size_t size;
	int fd; /* −1: none */
	char data[];
};

struct helper {
	struct loop *loop;
	const struct helper_ops *ops;
	void *userdata;
	const char *name, *purpose;
	int exec_fd;
	char exec_path[32]; /* /proc/self/fd/N: no path is walked again */
	char argument[24]; /* "": none */
	pid_t pid;
	int socket; /* −1: it has died */
	int pid_fd; /* −1: there is none; valgrind and some sandboxes know no pidfd, and then the socket has to say it */
	bool ending; /* as it should */
	uint64_t data[HELPER_PACKET_MAX / sizeof(uint64_t)]; /* of the packet being received */
	struct loop_io *exit_io, *socket_io;
	STAILQ_HEAD(, helper_packet) unsent;
};

/* ---- its life ---- */

/* Standard input and both outputs are /dev/null: nobody must wait for it to close what the daemon was given. */
static int set_actions(posix_spawn_file_actions_t *actions, int socket) {
	int r = 0;

	for (int fd = STDIN_FILENO; r == 0 && fd <= STDERR_FILENO; fd++)
		r = posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, socket, HELPER_SOCKET_FD);
	return -r;
}

/* All signals as they are by default, and a session of its own: what the terminal sends is not meant for it. */
static int set_attributes(posix_spawnattr_t *attributes) {
	sigset_t all, none;
	int r;

	sigfillset(&all);
	sigemptyset(&none);
	r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setsigmask(attributes, &none);
	return -r;
}

static int spawn(struct helper *helper, int socket) {
	char *argv[] = { (char *)helper->name, helper->argument[0] ? helper->argument : NULL, NULL };
	char *environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -ENOMEM;
	}
	r = set_actions(&actions, socket);
	if (r == 0)
		r = set_attributes(&attributes);
	if (r == 0)
		r = -posix_spawn(&helper->pid, helper->exec_path, &actions, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

static void forget_unsent(struct helper *helper) {
	struct helper_packet *packet;

	while ((packet = STAILQ_FIRST(&helper->unsent))) {
		STAILQ_REMOVE_HEAD(&helper->unsent, link);
		helper_packet_free(packet);
	}
}

static void hang_up(struct helper *helper) {
	helper->exit_io = loop_io_remove(helper->exit_io);
	helper->socket_io = loop_io_remove(helper->socket_io);
	helper->pid_fd = close_fd(helper->pid_fd);
	helper->socket = close_fd(helper->socket);
	forget_unsent(helper);
}

static void lose(struct helper *helper) {
	if (!helper->ending)
		log_event(LOG_ERR, MESSAGE_HELPER_ENDED, NULL, "%s, %s, has ended", helper->name, helper->purpose);
	hang_up(helper);
	helper->ops->lost(helper->userdata);
}

static void helper_exited(void *userdata, int fd, int events _unused_) {
	struct helper *helper = userdata;
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
		return;
	helper_receive(helper); /* its last words */
	lose(helper);
}

static void socket_ready(void *userdata, int fd, int events);

static int watch(struct helper *helper) {
	int r;

	helper->pid_fd = (int)syscall(SYS_pidfd_open, helper->pid, 0);
	r = helper->pid_fd < 0
		    ? 0
		    : loop_add_io(helper->loop, &helper->exit_io, helper->pid_fd, LOOP_READ, helper_exited, helper);
	if (r < 0)
		return r;
	return loop_add_io(helper->loop, &helper->socket_io, helper->socket, LOOP_READ, socket_ready, helper);
}

/* Make the process.  On failure there is none. */
static int launch(struct helper *helper) {
	_cleanup_close_ int other = -1;
	int fds[2], r;

	helper->ending = false;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	helper->socket = fds[0];
	/* Away from the number that it gets in the process: there it must not be close-on-exec. */
	other = fcntl(fds[1], F_DUPFD_CLOEXEC, HELPER_SOCKET_FD + 1);
	close_fd(fds[1]);
	r = other < 0 || fcntl(helper->socket, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (r == 0)
		r = spawn(helper, other);
	if (r < 0) {
		hang_up(helper);
		return r;
	}
	r = watch(helper);
	if (r < 0) {
		hang_up(helper);
		(void)kill(helper->pid, SIGKILL);
		(void)waitpid(helper->pid, NULL, 0);
	}
	return r;
}

/* ---- packets ---- */

/* Return: 0, −errno. */
static int send_packet(const struct helper *helper, const struct helper_packet *packet, size_t size) {
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = {
			      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec iov = { .iov_base = (void *)packet->data, .iov_len = size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (packet->fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &packet->fd, sizeof(packet->fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	return sendmsg(helper->socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Send what the socket takes.  One that has died is noticed by its pidfd, and takes everything. */
static void flush(struct helper *helper) {
	struct helper_packet *packet;

	while ((packet = STAILQ_FIRST(&helper->unsent))) {
		int error = -send_packet(helper, packet, packet->size);

		if (error == EAGAIN || error == EINTR)
			break;
		STAILQ_REMOVE_HEAD(&helper->unsent, link);
		if (error != 0 && error != EPIPE && error != ECONNRESET)
			helper->ops->refused(helper->userdata, packet->data, error);
		helper_packet_free(packet);
	}
	(void)loop_io_set(helper->socket_io, STAILQ_EMPTY(&helper->unsent) ? LOOP_READ : LOOP_READ | LOOP_WRITE);
}

/* Take a packet.  Return: its size, 0: there is none now, −1: there will be none any more. */
static ssize_t receive(struct helper *helper) {
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = helper->data, .iov_len = sizeof(helper->data) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(helper->socket, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header;
	int fd = -1;

	/* Without memory for it, it is still there. */
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOMEM || errno == ENOBUFS) ? 0 : -1;
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	helper->ops->received(helper->userdata, helper->data, (size_t)n, fd);
	return n;
}

void helper_receive(struct helper *helper) {
	while (helper->socket >= 0 && receive(helper) > 0)
		;
}

bool helper_has_unsent(const struct helper *helper) {
	return !STAILQ_EMPTY(&helper->unsent);
}

bool helper_wait(struct helper *helper, int timeout_ms) {
	struct pollfd poll_fd = {
		.fd = helper->socket,
		.events = (short)(helper_has_unsent(helper) ? POLLIN | POLLOUT : POLLIN),
	};

	if (helper->socket < 0 || poll(&poll_fd, 1, timeout_ms) <= 0 || !(poll_fd.revents & poll_fd.events))
		return false;
	if (poll_fd.revents & POLLOUT)
		flush(helper);
	if (poll_fd.revents & POLLIN)
		helper_receive(helper);
	return !(poll_fd.revents & POLLHUP); /* those were its last words */
}

static void socket_ready(void *userdata, int fd _unused_, int events) {
	struct helper *helper = userdata;
	ssize_t n = 1, size = 0;

	if (events & LOOP_WRITE) {
		flush(helper);
		return;
	}
	for (unsigned i = 0; i < PACKETS_PER_TURN_MAX && size < BYTES_PER_TURN_MAX && n > 0; i++) {
		n = receive(helper);
		size += n;
	}
	if (n >= 0)
		return;
	/* Who has ended is known by its pidfd, and can be waited for only then. */
	if (helper->exit_io)
		(void)loop_io_set(helper->socket_io, 0);
	else
		lose(helper);
}

struct helper_packet *helper_packet(size_t size, void **ret_data) {
	struct helper_packet *packet = malloc(sizeof(*packet) + size);

	if (!packet)
		return NULL;
	packet->fd = -1;
	*ret_data = packet->data;
	return packet;
}

void helper_packet_attach(struct helper_packet *packet, int fd) {
	packet->fd = fd;
}

struct helper_packet *helper_packet_free(struct helper_packet *packet) {
	if (!packet)
		return NULL;
	close_fd(packet->fd);
	free(packet);
	return NULL;
}

int helper_send(struct helper *helper, struct helper_packet *packet, size_t size) {
	int r = helper->socket < 0 ? launch(helper) : 0;

	if (r < 0) {
		helper_packet_free(packet);
		return r;
	}
	if (STAILQ_EMPTY(&helper->unsent) && send_packet(helper, packet, size) == 0) {
		helper_packet_free(packet);
		return 0;
	}
	/* What is wrong, if not just the time, flush() will find out, and may call back. */
	packet->size = size;
	STAILQ_INSERT_TAIL(&helper->unsent, packet, link);
	r = loop_io_set(helper->socket_io, LOOP_READ | LOOP_WRITE);
	if (r < 0) {
		/* Whoever is told that it failed must hear no answer to it. */
		STAILQ_REMOVE(&helper->unsent, packet, helper_packet, link);
		helper_packet_free(packet);
	}
	return r;
}

/* ---- the helper ---- */

int helper_new(struct helper **ret, struct loop *loop, const struct helper_options *options,
	       const struct helper_ops *ops, void *userdata) {
	struct helper *helper = calloc(1, sizeof(*helper));
	int r;

	if (!helper)
		return -ENOMEM;
	helper->loop = loop;
	helper->ops = ops;
	helper->userdata = userdata;
	helper->name = options->name;
	helper->purpose = options->purpose;
	helper->pid_fd = helper->socket = -1;
	STAILQ_INIT(&helper->unsent);
	if (options->argument)
		snprintf(helper->argument, sizeof(helper->argument), "%s", options->argument);
	helper->exec_fd = open(options->path, O_PATH | O_CLOEXEC);
	r = helper->exec_fd < 0 ? -errno : 0;
	snprintf(helper->exec_path, sizeof(helper->exec_path), "/proc/self/fd/%d", helper->exec_fd);
	if (r == 0)
		r = launch(helper);
	if (r < 0) {
		helper_free(helper);
		return r;
	}
	*ret = helper;
	return 0;
}

struct helper *helper_free(struct helper *helper) {
	if (!helper)
		return NULL;
	hang_up(helper);
	close_fd(helper->exec_fd);
	free(helper);
	return NULL;
}

void helper_end(struct helper *helper) {
	helper->ending = true;
	if (helper->socket >= 0)
		(void)shutdown(helper->socket, SHUT_WR);
}

void helper_kill(struct helper *helper) {
	helper->ending = true;
	if (helper->socket >= 0)
		(void)kill(helper->pid, SIGKILL);
}
