/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the processes of jobs: how they are started without keeping the loop waiting, and what their pipes and pidfds say.
 *
 * posix_spawn(3) suspends the caller until the child has executed a program.  That program is evloop-exec, opened once at
 * the start, so neither the job's directory nor its command can hold up the daemon; what it is to do lies in a file in
 * memory.  A run is over when its process is: what a process that it left behind still writes is not the run's output.
 */

#include "daemon/svc/spawn.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/queue.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/exec/job-spec.h"
#include "proto/limits.h"

#define READ_SIZE 16384 /* bytes of output taken at once: one job's flood leaves the others their turn */
#define READS_AT_EXIT 64 /* so much is still taken when the process has ended: more than a pipe holds */
#define VARIABLES_MAX 8 /* EVLOOP_* */
#define VARIABLE_SIZE 192
#define FIRST_FREE_FD 16 /* ours stay above those that the child gets */

struct process {
	struct spawner *spawner;
	LIST_ENTRY(process) link; /* spawner::processes */
	struct run *run; /* NULL: abandoned, nobody listens */
	pid_t pid;
	int pid_fd, output_fd, status_fd;
	struct loop_io *exit_io, *output_io, *status_io;
	bool failed; /* evloop-exec has said that the command did not start */
};

struct spawner {
	struct starter starter;
	struct loop *loop;
	char exec_path[32]; /* /proc/self/fd/N */
	int exec_fd;
	char *socket_path;
	LIST_HEAD(, process) processes;
};

/* ---- what evloop-exec is told ---- */

struct variables {
	char text[VARIABLES_MAX][VARIABLE_SIZE];
	const char *list[VARIABLES_MAX];
	size_t n;
};

static void add_variable(struct variables *variables, const char *format, ...) _printf_(2, 3);
static void add_variable(struct variables *variables, const char *format, ...) {
	va_list args;

	va_start(args, format);
	vsnprintf(variables->text[variables->n], VARIABLE_SIZE, format, args);
	va_end(args);
	variables->list[variables->n] = variables->text[variables->n];
	variables->n++;
}

static void make_variables(const struct spawner *spawner, const struct run_request *request,
			   struct variables *variables) {
	variables->n = 0;
	add_variable(variables, "EVLOOP_ID=%" PRIu64, request->id);
	add_variable(variables, "EVLOOP_NAME=%s", request->name ? request->name : "");
	add_variable(variables, "EVLOOP_SCHEDULED_NS=%" PRId64, request->scheduled_ns);
	add_variable(variables, "EVLOOP_LATENESS_NS=%" PRId64, request->lateness_ns);
	add_variable(variables, "EVLOOP_FIRE_SEQ=%" PRIu64, request->fire_seq);
	add_variable(variables, "EVLOOP_MISSED=%" PRIu64, request->missed);
	if (spawner->socket_path)
		add_variable(variables, "EVLOOP_SOCKET=%s", spawner->socket_path);
}

/* Is that variable of the captured environment one that the run sets itself? */
static bool is_replaced(const struct variables *variables, const char *variable) {
	for (size_t i = 0; i < variables->n; i++) {
		size_t n = strcspn(variables->list[i], "=") + 1;

		if (strncmp(variable, variables->list[i], n) == 0)
			return true;
	}
	return false;
}

static char *put_string(char *p, const char *string) {
	size_t n = strlen(string) + 1;

	memcpy(p, string, n);
	return p + n;
}

/* The whole specification in `buffer`.  Return: its size. */
static size_t write_spec(char *buffer, const struct command *command, const struct variables *variables) {
	struct job_spec spec = { .umask = command->umask };
	char *p = put_string(buffer + sizeof(spec), command->directory);

	for (; command->argv[spec.n_argv]; spec.n_argv++)
		p = put_string(p, command->argv[spec.n_argv]);
	for (char **variable = command->environment; *variable; variable++)
		if (!is_replaced(variables, *variable)) {
			p = put_string(p, *variable);
			spec.n_environment++;
		}
	for (size_t i = 0; i < variables->n; i++, spec.n_environment++)
		p = put_string(p, variables->list[i]);
	memcpy(buffer, &spec, sizeof(spec));
	return (size_t)(p - buffer);
}

static int raise_fd(int fd) {
	int raised = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);

	close_fd(fd);
	return raised;
}

static int make_spec(const struct spawner *spawner, const struct run_request *request, int *ret_fd) {
	_cleanup_close_ int fd = raise_fd(memfd_create("evloop-job", MFD_CLOEXEC));
	/* The command's allocation holds all its bytes; the variables come on top. */
	size_t room = sizeof(struct job_spec) + request->command->size + sizeof(struct variables);
	_cleanup_free_ char *buffer = malloc(room);
	struct variables variables;
	size_t size;

	if (fd < 0)
		return -errno;
	if (!buffer)
		return -ENOMEM;
	make_variables(spawner, request, &variables);
	size = write_spec(buffer, request->command, &variables);
	errno = EIO;
	if (write(fd, buffer, size) != (ssize_t)size)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* ---- the end of a process ---- */

static struct process *process_free(struct process *process) {
	if (!process)
		return NULL;
	LIST_REMOVE(process, link);
	process->exit_io = loop_io_remove(process->exit_io);
	process->output_io = loop_io_remove(process->output_io);
	process->status_io = loop_io_remove(process->status_io);
	close_fd(process->pid_fd);
	close_fd(process->output_fd);
	close_fd(process->status_fd);
	free(process);
	return NULL;
}

/* Take some output.  Return: true: there may be more. */
static bool read_output(struct process *process) {
	char buffer[READ_SIZE];
	ssize_t n = read(process->output_fd, buffer, sizeof(buffer));

	if (n > 0 && process->run)
		run_output(process->run, buffer, (size_t)n);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		process->output_io = loop_io_remove(process->output_io);
	return n > 0;
}

/* Has evloop-exec become the command (end of file) or failed (an errno)? */
static void read_status(struct process *process) {
	int error;
	ssize_t n = read(process->status_fd, &error, sizeof(error));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	process->status_io = loop_io_remove(process->status_io);
	process->failed = n > 0;
}

static void process_exited(void *userdata, int fd, int events _unused_) {
	struct process *process = userdata;
	struct run *run = process->run;
	siginfo_t info = { 0 };
	int64_t now = loop_now(process->spawner->loop)->ns[TIMER_CLOCK_BOOTTIME];
	bool failed;
	int status;

	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return;
	for (unsigned i = 0; i < READS_AT_EXIT && process->output_io && read_output(process); i++)
		;
	if (process->status_io)
		read_status(process);
	status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	failed = process->failed;
	process_free(process);
	if (run)
		run_exited(run, status, !failed, now);
}

static void process_wrote(void *userdata, int fd _unused_, int events _unused_) {
	(void)read_output(userdata);
}

static void process_reported(void *userdata, int fd _unused_, int events _unused_) {
	struct process *process = userdata;

	read_status(process);
	if (!process->status_io && !process->failed && process->run)
		run_started(process->run, process->pid);
}

/* ---- the beginning of a process ---- */

/* Everything that the child is given. */
struct child_fds {
	int spec, output, status;
};

static int set_actions(posix_spawn_file_actions_t *actions, const struct child_fds *fds) {
	int r;

	r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, fds->output, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, fds->output, STDERR_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, fds->spec, JOB_SPEC_FD);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, fds->status, JOB_STATUS_FD);
	return -r;
}

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

static int spawn(const struct spawner *spawner, const struct child_fds *fds, pid_t *ret_pid) {
	char *argv[] = { (char *)"evloop-exec", NULL }, *environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -ENOMEM;
	}
	r = set_actions(&actions, fds);
	if (r == 0)
		r = set_attributes(&attributes);
	if (r == 0)
		r = -posix_spawn(ret_pid, spawner->exec_path, &actions, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

static int make_pipe(int *ret_read, int *ret_write) {
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ret_read = raise_fd(fds[0]);
	*ret_write = raise_fd(fds[1]);
	if (*ret_read < 0 || *ret_write < 0 || fcntl(*ret_read, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

static int watch(struct process *process) {
	struct loop *loop = process->spawner->loop;
	int r;

	process->pid_fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
	if (process->pid_fd < 0)
		return -errno;
	r = loop_add_io(loop, &process->exit_io, process->pid_fd, LOOP_READ, process_exited, process);
	if (r == 0)
		r = loop_add_io(loop, &process->output_io, process->output_fd, LOOP_READ, process_wrote, process);
	if (r == 0)
		r = loop_add_io(loop, &process->status_io, process->status_fd, LOOP_READ, process_reported, process);
	return r;
}

/* It runs and cannot be watched: it must not run. */
static void destroy(pid_t pid) {
	(void)kill(-pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int process_start(struct process *process, const struct run_request *request) {
	_cleanup_close_ int spec = -1, output = -1, status = -1;
	int r;

	r = make_spec(process->spawner, request, &spec);
	if (r == 0)
		r = make_pipe(&process->output_fd, &output);
	if (r == 0)
		r = make_pipe(&process->status_fd, &status);
	if (r == 0)
		r = spawn(process->spawner, &(struct child_fds){ spec, output, status }, &process->pid);
	if (r < 0)
		return r;
	r = watch(process);
	if (r < 0)
		destroy(process->pid);
	return r;
}

static int spawner_start(struct starter *starter, struct run *run, const struct run_request *request,
			 void **ret_process) {
	struct spawner *spawner = container_of(starter, struct spawner, starter);
	struct process *process = calloc(1, sizeof(*process));
	int r;

	if (!process)
		return -ENOMEM;
	*process = (struct process){ .spawner = spawner, .run = run, .pid_fd = -1, .output_fd = -1, .status_fd = -1 };
	LIST_INSERT_HEAD(&spawner->processes, process, link);
	r = process_start(process, request);
	if (r < 0) {
		process_free(process);
		return r;
	}
	*ret_process = process;
	return 0;
}

static int spawner_kill(struct starter *starter _unused_, void *token, int signal_number) {
	struct process *process = token;

	/* The process has not been waited for, so its number, which is its group's, is not another one's. */
	return kill(-process->pid, signal_number) < 0 ? -errno : 0;
}

static void spawner_abandon(struct starter *starter _unused_, void *token) {
	struct process *process = token;

	process->run = NULL;
}

/* ---- the spawner ---- */

int spawner_new(struct starter **ret, struct loop *loop, const char *exec_path, const char *socket_path) {
	struct spawner *spawner = calloc(1, sizeof(*spawner));

	if (!spawner)
		return -ENOMEM;
	spawner->starter = (struct starter){ .start = spawner_start, .kill = spawner_kill, .abandon = spawner_abandon };
	spawner->loop = loop;
	LIST_INIT(&spawner->processes);
	spawner->exec_fd = raise_fd(open(exec_path, O_PATH | O_CLOEXEC));
	if (spawner->exec_fd < 0) {
		int r = -errno;

		free(spawner);
		return r;
	}
	snprintf(spawner->exec_path, sizeof(spawner->exec_path), "/proc/self/fd/%d", spawner->exec_fd);
	if (socket_path) {
		spawner->socket_path = strdup(socket_path);
		if (!spawner->socket_path) {
			spawner_free(&spawner->starter);
			return -ENOMEM;
		}
	}
	*ret = &spawner->starter;
	return 0;
}

struct starter *spawner_free(struct starter *starter) {
	struct spawner *spawner;
	struct process *process;

	if (!starter)
		return NULL;
	spawner = container_of(starter, struct spawner, starter);
	while ((process = LIST_FIRST(&spawner->processes)))
		process_free(process);
	close_fd(spawner->exec_fd);
	free(spawner->socket_path);
	free(spawner);
	return NULL;
}
