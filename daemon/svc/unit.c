/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the units of runs, from the request to start one until its status is known.
 *
 * The manager starts evloop-exec, with a socket to us as its standard input; when that says that it is there, it is told the
 * command, once.  So what becomes of the request on its way does not matter: the manager may be slow, restart, or answer
 * nothing; the bus may go.  As long as the command has not been told it has not run, and will not if we close our end; and if all
 * other ends are closed nobody will ever ask for it.  Then whoever wanted the run may start it in another way.
 *
 * How it ended is told by the manager's signals; that it has ended, by the pidfd that our user has.  Should a signal be
 * missed, as when the bus is lost, the manager is asked.
 */

#include "daemon/svc/unit.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "daemon/core/queue.h"
#include "daemon/exec/exec-wire.h"
#include "daemon/svc/log.h"
#include "daemon/svc/user-manager.h"
#include "proto/limits.h"

#define STARTING_MAX 16 /* units that are on their way at the same time: the manager has others to serve */
#define START_TIMEOUT_NS (10 * NSEC_PER_SEC)
#define SLOW_PAUSE_NS (60 * NSEC_PER_SEC) /* a manager that took longer is not asked for so long */
#define RETRY_NS (2 * NSEC_PER_SEC) /* from one attempt to connect again to the next */
#define SIGNAL_TIMEOUT_NS NSEC_PER_SEC /* from the end of a process to the manager's word of it; then it is asked */
#define ASK_TIMEOUT_NS (5 * NSEC_PER_SEC)
#define IDLE_NS (30 * NSEC_PER_SEC) /* without a unit the connection is given up */
#define DESCRIPTION_MAX 200 /* bytes */
#define ESCAPED_NAME_MAX 64 /* bytes of a timer's name in that of its units; one that is longer is left out */
#define FIELD_SIZE 192

static const char dropped[] = "the service manager has dropped it";

enum unit_phase {
	UNIT_WAITING, /* for those before it */
	UNIT_STARTING, /* asked for */
	UNIT_RUNNING,
	UNIT_ENDING, /* its process has ended, its status is not known */
	UNIT_REFUSED, /* it never runs */
};

struct unit {
	struct units *units;
	LIST_ENTRY(unit) link; /* units::all */
	TAILQ_ENTRY(unit) wait_link; /* units::waiting */
	enum unit_phase phase;
	const struct unit_ops *ops;
	void *userdata;
	char name[RUN_UNIT_MAX], description[DESCRIPTION_MAX];
	char fields[3][FIELD_SIZE];
	bool renamed;
	bool held; /* by the manager, for us */
	struct helper_packet *packet; /* NULL: it has heard which command it is */
	const void *data; /* in the packet */
	size_t size;
	int output_fd; /* −1: it has started */
	int socket;
	struct loop_io *io; /* of the socket, while it is STARTING; NULL then: nobody has the other end any more */
	int pid_fd; /* borrowed */
	pid_t pid;
	int status; /* −1: not known */
	bool gone; /* the manager does not know it, or not any more */
	struct user_manager_call *start_call, *ask_call, *kill_call;
	int signal_number; /* of `kill_call` */
	uint32_t place; /* in units::deadlines, if `queued` */
	bool queued;
};

struct units {
	struct loop *loop;
	char *exec_path;
	struct user_manager *manager; /* NULL: not connected */
	LIST_HEAD(, unit) all;
	TAILQ_HEAD(, unit) waiting;
	size_t n, n_starting;
	struct queue deadlines;
	uint64_t seq;
	int64_t retry_ns, idle_ns; /* INT64_MAX: not */
	int64_t slow_until_ns;
};

static int64_t now_ns(const struct units *units) {
	return loop_now(units->loop)->ns[TIMER_CLOCK_BOOTTIME];
}

static void set_deadline(struct unit *unit, int64_t after_ns) {
	struct units *units = unit->units;
	int64_t deadline = now_ns(units) + after_ns;

	if (unit->queued)
		queue_update(&units->deadlines, &unit->place, deadline, units->seq++);
	else
		queue_insert(&units->deadlines, &unit->place, deadline, units->seq++);
	unit->queued = true;
}

static void clear_deadline(struct unit *unit) {
	if (unit->queued)
		queue_remove(&unit->units->deadlines, &unit->place);
	unit->queued = false;
}

/* ---- its end ---- */

/* Has it told that it never became the command? */
static bool has_failed(const struct unit *unit) {
	struct exec_reply reply;

	return recv(unit->socket, &reply, sizeof(reply), MSG_DONTWAIT) == (ssize_t)sizeof(reply) &&
	       reply.answer == EXEC_FAILED;
}

/* If all is known that will be. */
static void settle(struct unit *unit) {
	if (unit->phase == UNIT_ENDING && (unit->status >= 0 || unit->gone))
		unit->ops->ended(unit->userdata, unit->status, has_failed(unit));
}

static void take_state(struct unit *unit, const struct unit_state *state) {
	if (state->pid == unit->pid && state->ended)
		unit->status = state->status;
}

static void unit_asked(void *userdata, const char *error, const char *text _unused_, const struct unit_state *state) {
	struct unit *unit = userdata;

	unit->ask_call = user_manager_call_free(unit->ask_call);
	if (!error && state && state->pid == unit->pid)
		take_state(unit, state);
	else if (unit->phase == UNIT_ENDING)
		unit->gone = true;
	settle(unit);
}

static void ask(struct unit *unit) {
	user_manager_call_free(unit->ask_call);
	unit->ask_call = NULL;
	(void)user_manager_ask(unit->units->manager, &unit->ask_call, unit->name, unit_asked, unit);
}

void unit_end(struct unit *unit) {
	unit->phase = UNIT_ENDING;
	set_deadline(unit, SIGNAL_TIMEOUT_NS);
	settle(unit);
}

/* The manager has not said how it ended. */
static void end_is_due(struct unit *unit) {
	if (unit->units->manager && !unit->ask_call && !unit->gone) {
		ask(unit);
		set_deadline(unit, ASK_TIMEOUT_NS);
	} else {
		unit->gone = true;
	}
	settle(unit);
}

/* ---- signals ---- */

/* Without the manager: the group of its process, or that alone where the kernel cannot. */
static void signal_group(const struct unit *unit, int signal_number) {
#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP (1U << 2)
#endif
	if (syscall(SYS_pidfd_send_signal, unit->pid_fd, signal_number, NULL, PIDFD_SIGNAL_PROCESS_GROUP) < 0 &&
	    errno == EINVAL)
		(void)syscall(SYS_pidfd_send_signal, unit->pid_fd, signal_number, NULL, 0);
}

static void unit_signalled(void *userdata, const char *error, const char *text _unused_,
			   const struct unit_state *state _unused_) {
	struct unit *unit = userdata;

	unit->kill_call = user_manager_call_free(unit->kill_call);
	if (error)
		signal_group(unit, unit->signal_number);
}

void unit_kill(struct unit *unit, int signal_number) {
	unit->kill_call = user_manager_call_free(unit->kill_call);
	unit->signal_number = signal_number;
	if (!unit->units->manager || user_manager_kill(unit->units->manager, &unit->kill_call, unit->name,
						       signal_number, unit_signalled, unit) < 0)
		signal_group(unit, signal_number);
}

/* ---- its beginning ---- */

/* It is not on its way any more. */
static void leave_start(struct unit *unit) {
	unit->units->n_starting--;
	unit->io = loop_io_remove(unit->io);
	unit->start_call = user_manager_call_free(unit->start_call);
	clear_deadline(unit);
}

static void refuse(struct unit *unit, const char *why) {
	if (unit->phase == UNIT_WAITING)
		TAILQ_REMOVE(&unit->units->waiting, unit, wait_link);
	if (unit->phase == UNIT_STARTING)
		leave_start(unit);
	unit->phase = UNIT_REFUSED;
	unit->ops->refused(unit->userdata, why);
}

/* It is there, and hears which command it is. */
static void unit_started(struct unit *unit, pid_t pid, int pid_fd) {
	leave_start(unit);
	unit->phase = UNIT_RUNNING;
	unit->pid = pid;
	unit->pid_fd = pid_fd;
	unit->output_fd = close_fd(unit->output_fd);
	if (!unit->ops->started(unit->userdata, pid, pid_fd))
		return;
	/* If it has ended meanwhile, that is told by its pidfd; what it cannot be told it must not wait for. */
	if (send(unit->socket, unit->data, unit->size, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		signal_group(unit, SIGKILL);
	unit->packet = helper_packet_free(unit->packet);
}

/* Return: bytes, 0: the other end is closed, −errno. */
static ssize_t receive_ready(const struct unit *unit, struct exec_reply *reply, int *ret_fd) {
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = reply, .iov_len = sizeof(*reply) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(unit->socket, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	*ret_fd = -1;
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
	return n < 0 ? -errno : n;
}

static void ask_for_waiting(struct units *units);

static void socket_ready(void *userdata, int fd _unused_, int events _unused_) {
	struct unit *unit = userdata;
	struct units *units = unit->units;
	struct exec_reply reply;
	int pid_fd;
	ssize_t n = receive_ready(unit, &reply, &pid_fd);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n == 0 && unit->start_call) {
		unit->io = loop_io_remove(unit->io); /* the manager is about to say why */
		return;
	}
	if (n == (ssize_t)sizeof(reply) && reply.answer == EXEC_READY && reply.token == EXEC_VERSION && pid_fd >= 0) {
		unit_started(unit, reply.pid, pid_fd);
	} else {
		close_fd(pid_fd);
		refuse(unit, n > 0 ? "evloop-exec there is of another version" : dropped);
	}
	ask_for_waiting(units);
}

static int ask_for(struct unit *unit);

static void unit_answered(void *userdata, const char *error, const char *text,
			  const struct unit_state *state _unused_) {
	struct unit *unit = userdata;
	struct units *units = unit->units;

	unit->start_call = user_manager_call_free(unit->start_call);
	if (!error && unit->io)
		return; /* it will come by the socket */
	unit->held = unit->held && !error;
	if (error && strcmp(error, "org.freedesktop.systemd1.UnitExists") == 0 && !unit->renamed) {
		/* Of another daemon of this user, whose ids are the same. */
		unit->renamed = true;
		snprintf(strrchr(unit->name, '.'), sizeof("-2147483647.service"), "-%d.service", (int)getpid());
		leave_start(unit);
		if (ask_for(unit) == 0)
			return;
	}
	refuse(unit, text ? text : error ? error : dropped);
	ask_for_waiting(units);
}

/* Return: our end, −errno. */
static int make_socket(struct unit *unit, int *ret_other) {
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	close_fd(unit->socket);
	unit->socket = fds[0];
	*ret_other = fds[1];
	r = fcntl(unit->socket, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	return r < 0 ? r : loop_add_io(unit->units->loop, &unit->io, unit->socket, LOOP_READ, socket_ready, unit);
}

/* Ask for it to be started.  Return: 0, −errno: it is REFUSED. */
static int ask_for(struct unit *unit) {
	_cleanup_close_ int other = -1;
	const char *fields[ARRAY_SIZE(unit->fields) + 1] = { NULL };
	struct units *units = unit->units;
	int r;

	unit->phase = UNIT_STARTING;
	units->n_starting++;
	for (size_t i = 0; i < ARRAY_SIZE(unit->fields) && unit->fields[i][0] != '\0'; i++)
		fields[i] = unit->fields[i];
	r = make_socket(unit, &other);
	if (r == 0)
		r = user_manager_start(units->manager, &unit->start_call,
				       &(struct unit_definition){
					       .name = unit->name,
					       .description = unit->description,
					       .exec_path = units->exec_path,
					       .program = "evloop-exec",
					       .argument = EXEC_IN_UNIT,
					       .fields = fields,
					       .input_fd = other,
					       .output_fd = unit->output_fd,
				       },
				       unit_answered, unit);
	if (r < 0) {
		leave_start(unit);
		unit->phase = UNIT_REFUSED;
		return r;
	}
	unit->held = true;
	set_deadline(unit, START_TIMEOUT_NS);
	return 0;
}

/* Those that have waited longest come first. */
static void ask_for_waiting(struct units *units) {
	struct unit *unit;

	while (units->manager && units->n_starting < STARTING_MAX && (unit = TAILQ_FIRST(&units->waiting))) {
		int r;

		TAILQ_REMOVE(&units->waiting, unit, wait_link);
		r = ask_for(unit);
		if (r < 0)
			refuse(unit, strerror(-r));
	}
}

static void refuse_waiting(struct units *units, const char *why) {
	struct unit *unit;

	while ((unit = TAILQ_FIRST(&units->waiting)))
		refuse(unit, why);
}

static void start_is_due(struct unit *unit) {
	struct units *units = unit->units;

	if (!unit->io) {
		refuse(unit, dropped);
		return;
	}
	units->slow_until_ns = now_ns(units) + SLOW_PAUSE_NS;
	refuse(unit, "the service manager takes too long");
	refuse_waiting(units, "the service manager takes too long");
}

/* ---- the manager ---- */

static void manager_changed(void *userdata, const char *name, const struct unit_state *state) {
	struct units *units = userdata;
	struct unit *unit;

	LIST_FOREACH(unit, &units->all, link)
	if (unit->pid > 0 && strcmp(unit->name, name) == 0) {
		take_state(unit, state);
		settle(unit);
		return;
	}
}

static void forget_calls(struct unit *unit) {
	unit->start_call = user_manager_call_free(unit->start_call);
	unit->ask_call = user_manager_call_free(unit->ask_call);
	if (unit->kill_call)
		signal_group(unit, unit->signal_number);
	unit->kill_call = user_manager_call_free(unit->kill_call);
	unit->held = false;
	if (unit->phase == UNIT_STARTING && !unit->io)
		set_deadline(unit, 0);
}

/* What is on its way the sockets will tell: either somebody has it, or nobody. */
static void manager_lost(void *userdata, const char *why) {
	struct units *units = userdata;
	bool was_ready = user_manager_is_ready(units->manager);
	struct unit *unit;

	LIST_FOREACH(unit, &units->all, link)
	forget_calls(unit);
	units->manager = user_manager_free(units->manager);
	log_info("the connection to the user's service manager is lost: %s", why);
	if (!was_ready)
		refuse_waiting(units, why);
	if (units->n > 0)
		units->retry_ns = now_ns(units) + (was_ready ? 0 : RETRY_NS);
}

static const struct user_manager_ops manager_ops = { .changed = manager_changed, .lost = manager_lost };

/* Return: 0, −errno. */
static int connect_manager(struct units *units) {
	if (units->manager)
		return 0;
	units->retry_ns = INT64_MAX;
	return user_manager_new(&units->manager, units->loop, &manager_ops, units);
}

/* With one that runs already: the manager shall keep it, and may have told something when we did not hear. */
static void go_on(struct unit *unit) {
	user_manager_hold(unit->units->manager, unit->name);
	unit->held = true;
	ask(unit);
}

/* After it was lost. */
static void connect_again(struct units *units) {
	int r = connect_manager(units);
	struct unit *unit;

	if (r < 0) {
		refuse_waiting(units, strerror(-r));
		units->retry_ns = units->n > 0 ? now_ns(units) + RETRY_NS : INT64_MAX;
		return;
	}
	LIST_FOREACH(unit, &units->all, link)
	if (unit->phase == UNIT_RUNNING || unit->phase == UNIT_ENDING)
		go_on(unit);
	ask_for_waiting(units);
}

int64_t units_next(const struct units *units) {
	const struct queue_entry *first = queue_first(&units->deadlines);
	int64_t next = MIN(units->retry_ns, units->idle_ns);

	if (units->manager && user_manager_is_busy(units->manager))
		return 0;
	return first ? MIN(next, first->deadline) : next;
}

void units_tick(struct units *units, int64_t boottime_ns) {
	const struct queue_entry *first;

	if (units->manager && user_manager_is_busy(units->manager))
		user_manager_dispatch(units->manager);
	while ((first = queue_first(&units->deadlines)) && first->deadline <= boottime_ns) {
		struct unit *unit = container_of(first->place, struct unit, place);

		clear_deadline(unit);
		if (unit->phase == UNIT_STARTING)
			start_is_due(unit);
		else
			end_is_due(unit);
	}
	if (units->idle_ns <= boottime_ns) {
		units->idle_ns = INT64_MAX;
		units->manager = user_manager_free(units->manager);
	}
	if (units->retry_ns <= boottime_ns)
		connect_again(units);
}

/* ---- units ---- */

/* The words of the command as one line, as far as they are text and have room. */
static void describe(const struct command *command, char text[static DESCRIPTION_MAX]) {
	size_t n = 0;

	for (char **word = command->argv; *word && n + 1 < DESCRIPTION_MAX; word++) {
		if (n > 0)
			text[n++] = ' ';
		for (const char *p = *word; *p && n + 1 < DESCRIPTION_MAX; p++)
			text[n++] = *p >= ' ' && *p <= '~' ? *p : '?';
	}
	text[n] = '\0';
}

/* As systemd-escape(1) does: so its own drop-ins, of evloop-NAME-.service.d, are for the units of that timer.  "" where it is too long. */
static void escape(const char *name, char ret[static ESCAPED_NAME_MAX + 1]) {
	size_t n = 0;

	for (; *name; name++) {
		bool plain = strchr(":_.-/", *name) || isalnum((unsigned char)*name);

		if (n + (plain ? 1 : 4) > ESCAPED_NAME_MAX) {
			n = 0;
			break;
		}
		if (plain)
			ret[n++] = *name == '/' ? '-' : *name;
		else
			n += (size_t)sprintf(ret + n, "\\x%02x", (unsigned char)*name);
	}
	ret[n] = '\0';
}

static void set_texts(struct unit *unit, const struct run_request *request) {
	char name[ESCAPED_NAME_MAX + 1] = "";

	if (request->name)
		escape(request->name, name);
	snprintf(unit->name, sizeof(unit->name), "evloop-%s%s%" PRIu64 "-%" PRIu64 ".service", name,
		 name[0] != '\0' ? "-" : "", request->id, request->fire_seq);
	describe(request->command, unit->description);
	snprintf(unit->fields[0], FIELD_SIZE, "EVLOOP_ID=%" PRIu64, request->id);
	snprintf(unit->fields[1], FIELD_SIZE, "EVLOOP_FIRE_SEQ=%" PRIu64, request->fire_seq);
	if (request->name)
		snprintf(unit->fields[2], FIELD_SIZE, "EVLOOP_NAME=%s", request->name);
}

/* It has all, and is in no list of its phase.  Return: 0, −errno. */
static int begin(struct unit *unit) {
	struct units *units = unit->units;

	if (units->n_starting < STARTING_MAX && TAILQ_EMPTY(&units->waiting))
		return ask_for(unit);
	unit->phase = UNIT_WAITING;
	TAILQ_INSERT_TAIL(&units->waiting, unit, wait_link);
	return 0;
}

/* One that is in no list of its phase.  NULL: no memory. */
static struct unit *make_unit(struct units *units, const struct unit_ops *ops, void *userdata) {
	struct unit *unit = calloc(1, sizeof(*unit));

	if (!unit || queue_reserve(&units->deadlines) < 0) {
		free(unit);
		return NULL;
	}
	*unit = (struct unit){
		.units = units,
		.phase = UNIT_REFUSED,
		.ops = ops,
		.userdata = userdata,
		.output_fd = -1,
		.socket = -1,
		.status = -1,
	};
	LIST_INSERT_HEAD(&units->all, unit, link);
	units->n++;
	units->idle_ns = INT64_MAX;
	return unit;
}

int unit_new(struct unit **ret, struct units *units, const struct unit_options *options, const struct unit_ops *ops,
	     void *userdata) {
	int r = now_ns(units) < units->slow_until_ns ? -EBUSY : connect_manager(units);
	struct unit *unit;

	if (r < 0)
		return r;
	unit = make_unit(units, ops, userdata);
	if (!unit)
		return -ENOMEM;
	set_texts(unit, options->request);
	unit->data = options->data;
	unit->size = options->size;
	unit->output_fd = options->output_fd;
	r = begin(unit);
	if (r < 0) {
		unit->output_fd = -1; /* it stays the caller's */
		unit_free(unit);
		return r;
	}
	unit->packet = options->packet;
	*ret = unit;
	return 0;
}

int unit_adopt(struct unit **ret, struct units *units, const struct process_handle *handle, const struct unit_ops *ops,
	       void *userdata) {
	struct unit *unit = make_unit(units, ops, userdata);

	if (!unit)
		return -ENOMEM;
	unit->phase = UNIT_RUNNING;
	unit->pid = handle->pid;
	unit->pid_fd = handle->pid_fd;
	snprintf(unit->name, sizeof(unit->name), "%s", handle->unit);
	if (units->manager)
		go_on(unit);
	else
		units->retry_ns = 0;
	*ret = unit;
	return 0;
}

struct helper_packet *unit_take_packet(struct unit *unit, size_t *ret_size) {
	*ret_size = unit->size;
	return TAKE_PTR(unit->packet);
}

struct unit *unit_free(struct unit *unit) {
	struct units *units;

	if (!unit)
		return NULL;
	units = unit->units;
	if (unit->phase == UNIT_WAITING)
		TAILQ_REMOVE(&units->waiting, unit, wait_link);
	if (unit->phase == UNIT_STARTING)
		leave_start(unit);
	clear_deadline(unit);
	queue_release(&units->deadlines);
	user_manager_call_free(unit->start_call);
	user_manager_call_free(unit->ask_call);
	user_manager_call_free(unit->kill_call);
	if (unit->held && units->manager)
		user_manager_release(units->manager, unit->name);
	close_fd(unit->socket);
	close_fd(unit->output_fd);
	helper_packet_free(unit->packet);
	LIST_REMOVE(unit, link);
	units->n--;
	if (units->n == 0)
		units->idle_ns = now_ns(units) + IDLE_NS;
	free(unit);
	return NULL;
}

const char *unit_name(const struct unit *unit) {
	return unit->name;
}

int units_new(struct units **ret, struct loop *loop, const char *exec_path) {
	struct units *units = calloc(1, sizeof(*units));

	if (!units)
		return -ENOMEM;
	*units = (struct units){ .loop = loop, .retry_ns = INT64_MAX, .idle_ns = INT64_MAX };
	LIST_INIT(&units->all);
	TAILQ_INIT(&units->waiting);
	units->exec_path = realpath(exec_path, NULL);
	if (!units->exec_path) {
		int r = -errno;

		free(units);
		return r;
	}
	*ret = units;
	return 0;
}

struct units *units_free(struct units *units) {
	if (!units)
		return NULL;
	user_manager_free(units->manager);
	queue_deinit(&units->deadlines);
	free(units->exec_path);
	free(units);
	return NULL;
}
