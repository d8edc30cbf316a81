/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the processes of jobs: what is told to those who make them, and what their pipes and pidfds say.
 *
 * Where there is a service manager of the user, it makes them, in a unit each (svc/unit.c); else evloop-exec does, and for that
 * run alone if the manager does not.
 *
 * evloop-exec makes each process as our child, so only we wait for it, and its number, which is also its group's, is not given
 * to another one before.  A run is over when its process is and what that has written has been read: what others write
 * into the pipe afterwards is not the run's output.
 */

#include "daemon/svc/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/queue.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/core/process.h"
#include "daemon/exec/exec-wire.h"
#include "daemon/svc/exec-request.h"
#include "daemon/svc/helper.h"
#include "daemon/svc/journal.h"
#include "daemon/svc/log.h"
#include "daemon/svc/unit.h"

#define READ_SIZE 16384 /* bytes of output taken at once */
#define READ_SIZE_MIN 2048 /* with many processes */
#define READ_SIZE_TURN (256 * 1024) /* of all processes: one job's flood leaves the others, and timers, their turn */
#define STATUS_UNKNOWN 255
#define SETTLE_NS NSEC_PER_SEC

struct process {
	struct spawner *spawner;
	LIST_ENTRY(process) link; /* spawner::processes */
	struct run *run; /* NULL: abandoned, nobody listens */
	struct unit *unit; /* of the user's service manager, that it is in or will be; NULL: it is a child of ours */
	struct journal_stream *journal; /* NULL: nothing goes to the journal */
	pid_t pid; /* 0: evloop-exec has not answered yet */
	uint64_t signals; /* to be sent then, a bit each */
	int pid_fd, output_fd;
	struct loop_io *exit_io, *output_io; /* NULL: it has ended; its output has */
	int left; /* bytes of output to be read when it has ended */
	int64_t ended_ns;
	bool failed; /* it never became the command */
	bool adopted; /* a daemon before us has made it: it is no child of ours */
	bool outlived; /* it is over; others write into its pipe */
};

struct spawner {
	struct starter starter;
	struct loop *loop;
	struct helper *helper;
	struct journal *journal;
	struct units *units; /* NULL: all are started by evloop-exec */
	bool must_be_units;
	bool has_complained; /* of the service manager, since it last started one */
	char *socket_path;
	LIST_HEAD(, process) processes;
	size_t n;
};

/* ---- what evloop-exec is told ---- */

/* Nobody will read any more, and somebody may write; or somebody else will read.  KEEP: `fd`, which is taken over. */
static void send_order(struct process *process, enum exec_order order, int fd) {
	const struct exec_request request = { .token = (uintptr_t)process, .order = order };
	struct helper_packet *packet;
	void *room;

	packet = helper_packet(sizeof(request), &room);
	if (!packet) {
		close_fd(fd);
		return;
	}
	memcpy(room, &request, sizeof(request));
	helper_packet_attach(packet, fd);
	(void)helper_send(process->spawner->helper, packet, sizeof(request));
}

/* ---- the end of a process ---- */

static struct process *process_free(struct process *process) {
	if (!process)
		return NULL;
	LIST_REMOVE(process, link);
	process->spawner->n--;
	process->exit_io = loop_io_remove(process->exit_io);
	process->output_io = loop_io_remove(process->output_io);
	unit_free(process->unit);
	close_fd(process->pid_fd);
	close_fd(process->output_fd);
	journal_stream_free(process->journal);
	free(process);
	return NULL;
}

/* It is over, and was not the command if `failed`. */
static void process_finish(struct process *process, int status, bool failed) {
	struct run *run = process->run;
	int64_t ended_ns = process->ended_ns;

	process_free(process);
	if (run)
		run_exited(run, status, !failed, ended_ns);
}

/* Of a process that is no child of ours, but was one of a daemon before us, or is the service manager's. */
static int process_ask(const struct process *process) {
	struct process_end end;

	process_describe_end(process->pid_fd, process->pid, geteuid(), &end);
	return end.status_known ? end.status : STATUS_UNKNOWN;
}

static int process_wait(const struct process *process) {
	siginfo_t info = { 0 };

	if (process->adopted)
		return process_ask(process);
	if (waitid(P_PIDFD, (id_t)process->pid_fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return STATUS_UNKNOWN;
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

static bool has_writers(int fd) {
	struct pollfd poll_fd = { .fd = fd };

	return poll(&poll_fd, 1, 0) == 0;
}

/* The run is over, and its output; evloop-exec knows nothing of it, so what others still write is thrown away here. */
static void process_outlive(struct process *process, int status) {
	struct run *run = TAKE_PTR(process->run);

	process->outlived = true;
	(void)loop_io_set(process->output_io, LOOP_READ);
	process->unit = unit_free(process->unit);
	process->journal = journal_stream_free(process->journal);
	if (run)
		run_exited(run, status, !process->failed, process->ended_ns);
}

/* What else is written is not its output, nor is it read, until it is known how it ended. */
static void end_unit(struct process *process) {
	if (process->output_io)
		(void)loop_io_set(process->output_io, 0);
	unit_end(process->unit);
}

static void process_conclude(struct process *process, int status) {
	if (process->output_io && has_writers(process->output_fd)) {
		if (process->adopted) {
			process_outlive(process, status);
			return;
		}
		send_order(process, EXEC_LEAVE, -1);
	}
	process_finish(process, status, process->failed);
}

/* It has ended, and its output has been read. */
static void process_reap(struct process *process) {
	if (process->unit)
		end_unit(process);
	else
		process_conclude(process, process_wait(process));
}

/* Take at most `size` bytes of output.  Return: bytes taken; 0: there is none now, or none any more. */
static size_t read_output(struct process *process, size_t size) {
	char buffer[READ_SIZE];
	ssize_t n = read(process->output_fd, buffer, MIN(size, sizeof(buffer)));

	if (n > 0) {
		if (process->journal)
			journal_stream_write(process->journal, buffer, (size_t)n);
		if (process->run)
			run_output(process->run, buffer, (size_t)n);
		return (size_t)n;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		process->output_io = loop_io_remove(process->output_io);
	return 0;
}

static void process_wrote(void *userdata, int fd _unused_, int events _unused_) {
	struct process *process = userdata;
	size_t size = MAX(READ_SIZE_TURN / process->spawner->n, (size_t)READ_SIZE_MIN), n;

	if (process->outlived) {
		(void)read_output(process, size);
		if (!process->output_io)
			process_free(process);
		return;
	}
	if (process->exit_io) {
		(void)read_output(process, size);
		return;
	}
	n = read_output(process, MIN(size, (size_t)process->left));
	process->left -= (int)n;
	if (n == 0 || process->left == 0)
		process_reap(process);
}

static void process_exited(void *userdata, int fd _unused_, int events _unused_) {
	struct process *process = userdata;

	process->exit_io = loop_io_remove(process->exit_io);
	process->ended_ns = loop_now(process->spawner->loop)->ns[TIMER_CLOCK_BOOTTIME];
	helper_receive(process->spawner->helper); /* it may have said that it failed */
	if (process->output_io && ioctl(process->output_fd, FIONREAD, &process->left) < 0)
		process->left = 0;
	if (process->left == 0)
		process_reap(process);
}

/* ---- the beginning of a process ---- */

static int watch(struct process *process) {
	struct loop *loop = process->spawner->loop;
	int r;

	if (process->pid_fd < 0)
		process->pid_fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
	if (process->pid_fd < 0)
		return -errno;
	r = loop_add_io(loop, &process->exit_io, process->pid_fd, LOOP_READ, process_exited, process);
	if (r == 0 && process->output_fd >= 0)
		r = loop_add_io(loop, &process->output_io, process->output_fd, LOOP_READ, process_wrote, process);
	return r;
}

static int signal_group(pid_t pid, int signal_number) {
	/* The first thing that it does is to make its group; before that there is nobody else to signal. */
	if (kill(-pid, signal_number) < 0 && (errno != ESRCH || kill(pid, signal_number) < 0))
		return -errno;
	return 0;
}

/* To the job's log; and that is all that becomes of the run. */
static void process_refuse(struct process *process, int error) {
	char text[128];
	int n = snprintf(text, sizeof(text), "evloop: cannot start the command: %s\n", strerror(error));

	process->ended_ns = loop_now(process->spawner->loop)->ns[TIMER_CLOCK_BOOTTIME];
	if (process->run)
		run_output(process->run, text, (size_t)n);
	process_finish(process, 126, true);
}

static void process_started(struct process *process, pid_t pid, int fd) {
	int r;

	process->pid = pid;
	process->output_fd = fd;
	r = watch(process);
	if (r < 0) {
		/* What cannot be watched must not run. */
		(void)signal_group(pid, SIGKILL);
		(void)waitpid(pid, NULL, WNOHANG);
		process_refuse(process, -r);
		return;
	}
	for (int number = 1; process->signals != 0; number++, process->signals >>= 1)
		if (process->signals & 1)
			(void)signal_group(pid, number);
	if (process->journal)
		journal_stream_set_process(process->journal, pid, NULL);
	if (process->run)
		run_started(process->run, pid, NULL);
}

static void helper_received(void *userdata _unused_, const void *data, size_t size _unused_, int fd) {
	const struct exec_reply *reply = data;
	/* evloop-exec answers what it was asked, and we wait for that before we forget. */
	struct process *process = (struct process *)(uintptr_t)reply->token;

	switch (reply->answer) {
	case EXEC_STARTED:
		process_started(process, reply->pid, fd);
		return;
	case EXEC_REFUSED:
		process_refuse(process, reply->error);
		break;
	case EXEC_FAILED:
		process->failed = true;
		break;
	}
	close_fd(fd);
}

static void helper_refused(void *userdata _unused_, const void *data, int error) {
	const struct exec_request *request = data;

	if (request->order == EXEC_START)
		process_refuse((struct process *)(uintptr_t)request->token, error);
}

/* What it keeps for units is lost too, and does no harm as long as we are here. */
static void helper_lost(void *userdata) {
	struct spawner *spawner = userdata;
	struct process *process, *next;

	for (process = LIST_FIRST(&spawner->processes); process; process = next) {
		next = LIST_NEXT(process, link);
		if (process->pid == 0 && !process->unit)
			process_refuse(process, EIO);
	}
}

static const struct helper_ops spawner_helper_ops = {
	.received = helper_received,
	.refused = helper_refused,
	.lost = helper_lost,
};

/* ---- processes in units ---- */

/* Once, until it is well again: each run that it concerns is started all the same, or says itself that it was not. */
static void complain(struct spawner *spawner, const char *why) {
	if (spawner->has_complained)
		return;
	spawner->has_complained = true;
	log_notice("the user's service manager starts no units for commands%s: %s",
		   spawner->must_be_units ? "" : ", they are started without", why);
}

static bool unit_started(void *userdata, pid_t pid, int pid_fd) {
	struct process *process = userdata;
	int r;

	process->pid = pid;
	process->pid_fd = pid_fd;
	process->spawner->has_complained = false;
	r = watch(process);
	if (r < 0) {
		process_refuse(process, -r);
		return false;
	}
	/* It has not become the command yet. */
	for (int number = 1; process->signals != 0; number++, process->signals >>= 1)
		if (process->signals & 1)
			(void)syscall(SYS_pidfd_send_signal, pid_fd, number, NULL, 0);
	if (process->journal)
		journal_stream_set_process(process->journal, pid, unit_name(process->unit));
	if (process->run)
		run_started(process->run, pid, unit_name(process->unit));
	return true;
}

/* So it is started by evloop-exec beside the daemon. */
static void unit_refused(void *userdata, const char *why) {
	struct process *process = userdata;
	struct spawner *spawner = process->spawner;
	struct helper_packet *packet;
	size_t size;
	int r;

	complain(spawner, why);
	packet = unit_take_packet(process->unit, &size);
	process->unit = unit_free(process->unit);
	process->output_fd = close_fd(process->output_fd);
	if (spawner->must_be_units) {
		helper_packet_free(packet);
		process_refuse(process, ECONNREFUSED);
		return;
	}
	r = helper_send(spawner->helper, packet, size);
	if (r < 0)
		process_refuse(process, -r);
}

static void unit_ended(void *userdata, int status, bool failed) {
	struct process *process = userdata;

	process->failed = failed;
	process_conclude(process, status >= 0 ? status : process_ask(process));
}

static const struct unit_ops spawner_unit_ops = {
	.started = unit_started,
	.refused = unit_refused,
	.ended = unit_ended,
};

/* Return: 0: the packet is taken over, −errno. */
static int start_unit(struct process *process, const struct run_request *request, struct helper_packet *packet,
		      const void *data, size_t size) {
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	r = unit_new(&process->unit, process->spawner->units,
		     &(struct unit_options){
			     .request = request,
			     .output_fd = fds[1],
			     .packet = packet,
			     .data = data,
			     .size = size,
		     },
		     &spawner_unit_ops, process);
	if (r < 0) {
		close_fd(fds[0]);
		close_fd(fds[1]);
		return r;
	}
	process->output_fd = fds[0];
	/* Whoever still writes when we are gone shall find a reader. */
	send_order(process, EXEC_KEEP, fcntl(fds[0], F_DUPFD_CLOEXEC, 0));
	return 0;
}

/* ---- the starter ---- */

/* NULL: no memory. */
static struct process *process_new(struct spawner *spawner, struct run *run, const struct run_request *request) {
	struct process *process = calloc(1, sizeof(*process));

	if (!process)
		return NULL;
	*process = (struct process){ .spawner = spawner, .run = run, .pid_fd = -1, .output_fd = -1 };
	LIST_INSERT_HEAD(&spawner->processes, process, link);
	spawner->n++;
	if (spawner->journal)
		process->journal = journal_stream_new(spawner->journal, request);
	return process;
}

static int start(struct process *process, const struct run_request *request) {
	struct spawner *spawner = process->spawner;
	struct helper_packet *packet;
	size_t size;
	void *data;
	int r;

	packet = exec_request_new(request, (uintptr_t)process, spawner->socket_path, &data, &size);
	if (!packet)
		return -ENOMEM;
	if (!spawner->units)
		return helper_send(spawner->helper, packet, size);
	r = start_unit(process, request, packet, data, size);
	if (r == 0)
		return 0;
	complain(spawner, r == -EXDEV ? "it is of another container" : strerror(-r));
	if (!spawner->must_be_units)
		return helper_send(spawner->helper, packet, size);
	helper_packet_free(packet);
	return -ECONNREFUSED;
}

static int spawner_start(struct starter *starter, struct run *run, const struct run_request *request,
			 void **ret_process) {
	struct process *process = process_new(container_of(starter, struct spawner, starter), run, request);
	int r;

	if (!process)
		return -ENOMEM;
	r = start(process, request);
	if (r < 0) {
		process_free(process);
		return r;
	}
	*ret_process = process;
	return 0;
}

static int spawner_kill(struct starter *starter _unused_, void *token, int signal_number) {
	struct process *process = token;

	if (process->pid > 0 && process->unit)
		unit_kill(process->unit, signal_number);
	else if (process->pid > 0)
		return signal_group(process->pid, signal_number);
	else
		process->signals |= UINT64_C(1) << (signal_number - 1);
	return 0;
}

static void spawner_abandon(struct starter *starter _unused_, void *token) {
	struct process *process = token;

	process->run = NULL;
}

/* ---- going on in another process ---- */

static bool spawner_describe(struct starter *starter _unused_, void *token, struct process_handle *ret) {
	struct process *process = token;

	if (process->pid == 0)
		return false;
	send_order(process, EXEC_HAND_OVER, -1);
	*ret = (struct process_handle){
		.pid = process->pid,
		.pid_fd = process->pid_fd,
		.output_fd = process->output_io ? process->output_fd : -1,
	};
	return true;
}

static int spawner_adopt(struct starter *starter, struct run *run, const struct run_request *request,
			 const struct process_handle *handle, void **ret_process) {
	struct process *process = process_new(container_of(starter, struct spawner, starter), run, request);
	int r;

	if (!process)
		return -ENOMEM;
	process->adopted = true;
	process->pid = handle->pid;
	process->pid_fd = handle->pid_fd;
	process->output_fd = handle->output_fd;
	r = watch(process);
	if (r == 0 && handle->unit && process->spawner->units)
		r = unit_adopt(&process->unit, process->spawner->units, handle, &spawner_unit_ops, process);
	if (r < 0) {
		process->pid_fd = process->output_fd = -1;
		process_free(process);
		return r;
	}
	if (process->journal)
		journal_stream_set_process(process->journal, handle->pid, handle->unit);
	*ret_process = process;
	return 0;
}

static bool knows_all(const struct spawner *spawner) {
	const struct process *process;

	LIST_FOREACH(process, &spawner->processes, link)
	if (process->pid == 0)
		return false;
	return !helper_has_unsent(spawner->helper);
}

void spawner_settle(struct starter *starter) {
	struct spawner *spawner = container_of(starter, struct spawner, starter);
	int64_t now_ns = loop_refresh(spawner->loop)->ns[TIMER_CLOCK_BOOTTIME], until_ns = now_ns + SETTLE_NS;

	while (!knows_all(spawner) && now_ns < until_ns &&
	       helper_wait(spawner->helper, (int)((until_ns - now_ns) / NSEC_PER_MSEC) + 1))
		now_ns = loop_refresh(spawner->loop)->ns[TIMER_CLOCK_BOOTTIME];
}

/* ---- the spawner ---- */

static int start_helper(struct spawner *spawner, const struct spawner_options *options) {
	char descriptors[24];

	snprintf(descriptors, sizeof(descriptors), "%llu", (unsigned long long)options->descriptors);
	return helper_new(&spawner->helper, spawner->loop,
			  &(struct helper_options){
				  .path = options->exec_path,
				  .name = "evloop-exec",
				  .purpose = "which starts commands",
				  .argument = descriptors,
			  },
			  &spawner_helper_ops, spawner);
}

int spawner_new(struct starter **ret, struct loop *loop, const struct spawner_options *options) {
	struct spawner *spawner = calloc(1, sizeof(*spawner));
	int r;

	if (!spawner)
		return -ENOMEM;
	*spawner = (struct spawner){
		.starter = { .start = spawner_start,
			     .kill = spawner_kill,
			     .abandon = spawner_abandon,
			     .describe = spawner_describe,
			     .adopt = spawner_adopt },
		.loop = loop,
		.journal = options->journal,
		.must_be_units = options->mode == SPAWN_UNITS,
	};
	LIST_INIT(&spawner->processes);
	/* Where it is ignored, as whoever started us may have left it, the kernel keeps no exit status. */
	(void)signal(SIGCHLD, SIG_DFL);
	if (options->socket_path) {
		spawner->socket_path = strdup(options->socket_path);
		if (!spawner->socket_path) {
			spawner_free(&spawner->starter);
			return -ENOMEM;
		}
	}
	r = start_helper(spawner, options);
	if (r == 0 && options->mode != SPAWN_DIRECT)
		r = units_new(&spawner->units, loop, options->exec_path);
	if (r < 0) {
		spawner_free(&spawner->starter);
		return r;
	}
	*ret = &spawner->starter;
	return 0;
}

/* We end, and the manager has not got so far: nobody will hear of the run, but it shall not be forgotten. */
static void start_rest(struct process *process) {
	struct spawner *spawner = process->spawner;
	struct helper_packet *packet;
	size_t size;

	if (!process->unit || spawner->must_be_units)
		return;
	packet = unit_take_packet(process->unit, &size);
	if (packet)
		(void)helper_send(spawner->helper, packet, size);
}

struct starter *spawner_free(struct starter *starter) {
	struct spawner *spawner;
	struct process *process;

	if (!starter)
		return NULL;
	spawner = container_of(starter, struct spawner, starter);
	while ((process = LIST_FIRST(&spawner->processes))) {
		start_rest(process);
		process_free(process);
	}
	units_free(spawner->units);
	helper_free(spawner->helper);
	free(spawner->socket_path);
	free(spawner);
	return NULL;
}

int64_t spawner_next(const struct starter *starter) {
	const struct spawner *spawner = container_of(starter, struct spawner, starter);

	return spawner->units ? units_next(spawner->units) : INT64_MAX;
}

void spawner_tick(struct starter *starter, int64_t boottime_ns) {
	struct spawner *spawner = container_of(starter, struct spawner, starter);

	if (spawner->units)
		units_tick(spawner->units, boottime_ns);
}
