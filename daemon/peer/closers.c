/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the processes that close.  A thread would not do: one that the kernel holds in a close(2) keeps its whole process from
 * ending.  Such a process does, too, but it is not the daemon.
 *
 * Each has a socket pair with us, whose ends are both in the table that we share: by it we send the numbers of descriptors, and it
 * answers with a byte when they are closed.  So the end of the process is not seen there, but by its pidfd.  Without descriptors to spare there
 * is neither, and it ends when it has closed what it knew of.
 *
 * Knows nothing of sessions, nor of whose descriptors they are.
 */

#include "daemon/peer/closers.h"

#include <assert.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define IDLE_NS (10 * NSEC_PER_SEC)
#define AGE_MAX_NS (60 * NSEC_PER_SEC) /* what the daemon's memory was when it was made is kept as long as it lives */

struct closer_process {
	LIST_ENTRY(closer_process) link; /* closers::all */
	struct closers *closers;
	pid_t pid;
	int pid_fd, ours, theirs; /* −1: there is none */
	int64_t born_ns; /* boottime */
	struct loop_io *exit_io, *answer_io; /* NULL: neither is seen */
	void (*done)(void *userdata); /* NULL: nobody waits for it */
	void *userdata;
};

/* ---- closing ---- */

/*
 * An empty packet looks like the end; but only with a packet come the credentials of its sender.  And there is room for nothing else, so that
 * descriptors are not had, but told of.
 */
enum closer_unread closers_look(int socket_fd) {
	char control[CMSG_SPACE(sizeof(struct ucred))];
	struct msghdr msg = { .msg_control = control };

	for (unsigned i = 0; i < 2; i++) { /* ECONNRESET overtakes, once */
		msg.msg_controllen = sizeof(control);
		if (recvmsg(socket_fd, &msg, MSG_PEEK | MSG_DONTWAIT) < 0)
			continue;
		if (msg.msg_controllen == 0)
			return CLOSER_NOTHING;
		return msg.msg_flags & MSG_CTRUNC ? CLOSER_DESCRIPTORS : CLOSER_DATA;
	}
	return CLOSER_NOTHING;
}

void closers_drop_packet(int socket_fd) {
	char byte;

	(void)recv(socket_fd, &byte, sizeof(byte), MSG_DONTWAIT);
}

static void empty(int socket_fd) {
	while (closers_look(socket_fd) != CLOSER_NOTHING)
		closers_drop_packet(socket_fd);
}

void closers_close_all(const int *fds, size_t n) {
	for (size_t i = 0; i < n; i++) {
		int fd = fds[i];

		if (fd < 0) {
			fd = CLOSER_SOCKET(fd);
			empty(fd);
		}
		(void)close(fd);
	}
}

/* ---- within the process ---- */

/* Nothing of the daemon's memory is touched here that this would have a copy of. */
static _Noreturn void work(pid_t daemon, int socket_fd, const int *fds, size_t n) {
	static int more[CLOSERS_BATCH_MAX];
	ssize_t size;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != daemon) /* it has died before it could be known */
		_exit(0);
	(void)prctl(PR_SET_NAME, "evloopd-close");
	for (;;) {
		closers_close_all(fds, n);
		if (socket_fd < 0 || send(socket_fd, "", 1, MSG_NOSIGNAL) < 0)
			_exit(0);
		size = recv(socket_fd, more, sizeof(more), 0);
		if (size <= 0)
			_exit(0);
		fds = more;
		n = (size_t)size / sizeof(*more);
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

/* Signals to all of the service are the daemon's to answer, and not for what it has in common with this one.  Return: as fork(2). */
static pid_t start_process(struct closer_process *process, const int *fds, size_t n) {
	pid_t daemon = getpid(), pid;
	sigset_t all, before;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork_with_files(&process->pid_fd);
	if (pid == 0)
		work(daemon, process->theirs, fds, n);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

/* ---- how they are made, and end ---- */

static void process_free(struct closer_process *process) {
	struct closers *closers = process->closers;

	if (closers->idle == process)
		closers->idle = NULL;
	process->exit_io = loop_io_remove(process->exit_io);
	process->answer_io = loop_io_remove(process->answer_io);
	close_fd(process->pid_fd);
	close_fd(process->ours);
	close_fd(process->theirs);
	LIST_REMOVE(process, link);
	free(process);
}

static void call_done(struct closer_process *process) {
	void (*done)(void *userdata) = process->done;

	process->done = NULL;
	if (done)
		done(process->userdata);
}

static struct closer_process *process_new(struct closers *closers, const int *fds, size_t n);

/*
 * It has ended, maybe by somebody else's hand.  What it was given and has not taken is given to another one; of what it had taken nobody
 * knows how much is closed.
 */
static void process_ended(struct closer_process *process) {
	struct closers *closers = process->closers;
	void (*done)(void *userdata) = process->done;
	void *userdata = process->userdata;
	static int left[CLOSERS_BATCH_MAX];
	ssize_t size = process->theirs >= 0 ? recv(process->theirs, left, sizeof(left), MSG_DONTWAIT) : -1;

	process_free(process);
	if (!done)
		return;
	process = size > 0 ? process_new(closers, left, (size_t)size / sizeof(*left)) : NULL;
	if (!process) {
		done(userdata);
		return;
	}
	process->done = done;
	process->userdata = userdata;
}

void closer_process_look(struct closer_process *process) {
	siginfo_t info = { 0 };

	/* It ends without a signal to us, so it is only waited for where that is said. */
	if (waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | __WALL) == 0 && info.si_pid == 0)
		return;
	process_ended(process);
}

static void process_exited(void *userdata, int fd _unused_, int events _unused_) {
	closer_process_look(userdata);
}

/* There is nothing more to come for it. */
static void dismiss(struct closer_process *process) {
	struct closers *closers = process->closers;

	if (closers->idle == process)
		closers->idle = NULL;
	(void)shutdown(process->ours, SHUT_RDWR);
	process->answer_io = loop_io_remove(process->answer_io);
}

/* It has closed them all. */
static void process_answered(void *userdata, int fd, int events _unused_) {
	struct closer_process *process = userdata;
	struct closers *closers = process->closers;
	int64_t now_ns;
	char byte;

	if (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT) != 1)
		return;
	now_ns = loop_now(closers->loop)->ns[TIMER_CLOCK_BOOTTIME];
	if (closers->idle || now_ns - process->born_ns > AGE_MAX_NS) {
		dismiss(process);
	} else {
		closers->idle = process;
		closers->idle_until_ns = now_ns + IDLE_NS;
	}
	call_done(process);
}

/* Return: it is seen what it answers, and when it ends. */
static bool see(struct closer_process *process) {
	struct loop *loop = process->closers->loop;

	if (process->pid_fd >= 0 &&
	    loop_add_io(loop, &process->exit_io, process->pid_fd, LOOP_READ, process_exited, process) == 0 &&
	    (process->ours < 0 ||
	     loop_add_io(loop, &process->answer_io, process->ours, LOOP_READ, process_answered, process) == 0))
		return true;
	process->exit_io = loop_io_remove(process->exit_io);
	return false;
}

static struct closer_process *process_new(struct closers *closers, const int *fds, size_t n) {
	struct closer_process *process = calloc(1, sizeof(*process));
	int pair[2] = { -1, -1 };

	if (!process)
		return NULL;
	(void)socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
	*process = (struct closer_process){ .closers = closers, .pid_fd = -1, .ours = pair[0], .theirs = pair[1] };
	process->born_ns = loop_now(closers->loop)->ns[TIMER_CLOCK_BOOTTIME];
	LIST_INSERT_HEAD(&closers->all, process, link);
	process->pid = start_process(process, fds, n);
	if (process->pid < 0) {
		process_free(process);
		return NULL;
	}
	/* Who is not heard is told so, and ends when it has closed them. */
	if (!see(process) && process->ours >= 0)
		(void)shutdown(process->ours, SHUT_RDWR);
	return process;
}

static bool give(struct closer_process *process, const int *fds, size_t n) {
	return send(process->ours, fds, n * sizeof(*fds), MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)(n * sizeof(*fds));
}

struct closer_process *closers_start(struct closers *closers, const int *fds, size_t n, void (*done)(void *userdata),
				     void *userdata) {
	struct closer_process *process = closers->idle;

	assert(n <= CLOSERS_BATCH_MAX);
	closers->idle = NULL;
	if (process && !give(process, fds, n)) {
		dismiss(process);
		process = NULL;
	}
	if (!process)
		process = process_new(closers, fds, n);
	if (process) {
		process->done = done;
		process->userdata = userdata;
	}
	return process;
}

bool closer_process_is_unseen(const struct closer_process *process) {
	return !process->exit_io;
}

void closer_process_forget(struct closer_process *process) {
	process->done = NULL;
}

/* ---- all of them ---- */

void closers_init(struct closers *closers, struct loop *loop) {
	*closers = (struct closers){ .loop = loop };
	LIST_INIT(&closers->all);
}

void closers_deinit(struct closers *closers) {
	struct closer_process *process, *next;
	siginfo_t info;

	if (closers->idle) {
		process = closers->idle;
		(void)kill(process->pid, SIGKILL);
		(void)waitid(P_PID, (id_t)process->pid, &info, WEXITED | __WALL);
		process_free(process);
	}
	for (process = LIST_FIRST(&closers->all); process; process = next) {
		next = LIST_NEXT(process, link);
		/* Its own end is what it may still look at. */
		process->theirs = -1;
		process_free(process);
	}
}

int64_t closers_next(const struct closers *closers) {
	return closers->idle ? closers->idle_until_ns : INT64_MAX;
}

void closers_tick(struct closers *closers, int64_t boottime_ns) {
	if (closers_next(closers) <= boottime_ns)
		dismiss(closers->idle);
}
