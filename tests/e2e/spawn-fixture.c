/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the loop of the tests of the starter, and their jobs. */

#include "tests/e2e/spawn-fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "tests/unit/test.h"

#define TICK_NS (5 * NSEC_PER_MSEC)
#define PATIENCE_NS (20 * NSEC_PER_SEC)

/* ---- a command that tells of itself ---------------------------------------------------------------------- */

static bool has_signal(const sigset_t *set) {
	for (int number = 1; number < 65; number++)
		if (sigismember(set, number) == 1)
			return true;
	return false;
}

static bool ignores_signal(void) {
	struct sigaction action;

	for (int number = 1; number < 65; number++)
		if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
			return true;
	return false;
}

static void tell_descriptors(void) {
	DIR *directory = opendir("/proc/self/fd");
	bool open[1024] = { false }, first = true;
	struct dirent *entry;

	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(directory))
			open[atoi(entry->d_name) % 1024] = true;
	(void)closedir(directory);
	for (int fd = 0; fd < 1024; fd++)
		if (open[fd]) {
			printf("%s%d", first ? "" : ",", fd);
			first = false;
		}
}

static void tell_surroundings(void) {
	struct stat in, out, error;
	struct rlimit limit;
	char cwd[256] = "";
	sigset_t blocked;
	mode_t mask = umask(0);

	(void)!getcwd(cwd, sizeof(cwd));
	(void)sigprocmask(SIG_BLOCK, NULL, &blocked);
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	(void)fstat(STDIN_FILENO, &in);
	(void)fstat(STDOUT_FILENO, &out);
	(void)fstat(STDERR_FILENO, &error);
	printf("cwd=%s umask=%o leader=%d group=%d tty=%d parent=%d policy=%d nice=%d ignored=%d blocked=%d "
	       "descriptors=",
	       cwd, mask, getsid(0) == getpid(), getpgrp() == getpid(), open("/dev/tty", O_RDWR | O_CLOEXEC) >= 0,
	       (int)getppid(), sched_getscheduler(0), getpriority(PRIO_PROCESS, 0), ignores_signal(),
	       has_signal(&blocked));
	tell_descriptors();
	printf(" stdin=%u:%u same=%d soft=%d\n", major(in.st_rdev), minor(in.st_rdev), out.st_ino == error.st_ino,
	       (int)limit.rlim_cur);
}

int tell(const char *what, int argc, char **argv) {
	if (strcmp(what, "words") == 0)
		for (int i = 1; i < argc; i++)
			(void)fwrite(argv[i], strlen(argv[i]) + 1, 1, stdout);
	if (strcmp(what, "environment") == 0)
		for (char **variable = environ; *variable; variable++)
			(void)fwrite(*variable, strlen(*variable) + 1, 1, stdout);
	if (strcmp(what, "surroundings") == 0)
		tell_surroundings();
	return fflush(stdout) == 0 ? 0 : 1;
}

/* ---- the loop -------------------------------------------------------------------------------------------- */

int64_t fixture_now(const struct fixture *fixture) {
	return loop_now(fixture->loop)->ns[TIMER_CLOCK_BOOTTIME] + fixture->offset_ns;
}

static bool fixture_flush(void *userdata) {
	struct fixture *fixture = userdata;

	if (fixture->is_over && fixture->is_over(fixture->userdata))
		loop_stop(fixture->loop);
	return false;
}

static int64_t fixture_next(void *userdata) {
	struct fixture *fixture = userdata;
	int64_t next = job_board_next(fixture->board);

	next = next == INT64_MAX ? next : next - fixture->offset_ns;
	return MIN(next, fixture->next_tick_ns);
}

static void fixture_tick(void *userdata, int64_t boottime_ns) {
	struct fixture *fixture = userdata;

	job_board_advance(fixture->board, boottime_ns + fixture->offset_ns);
	if (boottime_ns >= fixture->next_tick_ns) {
		fixture->ticks++;
		fixture->next_tick_ns = boottime_ns + TICK_NS;
	}
	if (boottime_ns > fixture->patience_ns)
		loop_stop(fixture->loop);
}

static const struct loop_ops fixture_ops = { .flush = fixture_flush, .next = fixture_next, .tick = fixture_tick };

void fixture_wait(struct fixture *fixture, bool (*is_over)(void *userdata), void *userdata) {
	fixture->is_over = is_over;
	fixture->userdata = userdata;
	fixture->patience_ns = loop_refresh(fixture->loop)->ns[TIMER_CLOCK_BOOTTIME] + PATIENCE_NS;
	assert_int_equal(loop_run(fixture->loop), 0);
	assert_true(is_over(userdata));
	fixture->is_over = NULL;
}

static int count_descriptors(void) {
	DIR *directory = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(directory);
	while (readdir(directory))
		n++;
	(void)closedir(directory);
	return n;
}

#define CHILDREN_MAX 64

/* Return: how many there are. */
static size_t list_children(pid_t children[CHILDREN_MAX]) {
	char path[64];
	FILE *file;
	size_t n = 0;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (n < CHILDREN_MAX && fscanf(file, "%d", &children[n]) == 1)
		n++;
	(void)fclose(file);
	return n;
}

/* The child that was not there before: that of the spawner before may still be ending. */
static pid_t find_new_child(const pid_t *before, size_t n_before) {
	pid_t children[CHILDREN_MAX];

	for (size_t n = list_children(children); n > 0; n--) {
		size_t i = 0;

		while (i < n_before && before[i] != children[n - 1])
			i++;
		if (i == n_before)
			return children[n - 1];
	}
	return 0;
}

void fixture_begin_spawner(struct fixture *fixture) {
	const char *exec_path = getenv("EVLOOP_EXEC");
	pid_t before[CHILDREN_MAX];
	size_t n_before = list_children(before);

	assert_int_equal(spawner_new(&fixture->starter, fixture->loop,
				     &(struct spawner_options){
					     .exec_path = exec_path ? exec_path : "./evloop-exec",
					     .socket_path = "/some/socket",
					     .descriptors = SOFT_LIMIT,
					     .journal = fixture->journal,
				     }),
			 0);
	fixture->helper = find_new_child(before, n_before);
	assert_int_equal(job_board_new(&fixture->board, fixture->starter), 0);
}

void fixture_end_spawner(struct fixture *fixture) {
	for (; fixture->n > 0; fixture->n--) {
		struct task *task = fixture->tasks[fixture->n - 1];

		job_free(task->job);
		free(task->output);
		free(task);
	}
	fixture->board = job_board_free(fixture->board);
	fixture->starter = spawner_free(fixture->starter);
}

int fixture_setup(void **state) {
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	/* What the daemon was started with, and forgot. */
	int stray = open("/dev/null", O_RDONLY);
	ssize_t n;

	assert_non_null(fixture);
	n = readlink("/proc/self/exe", fixture->self, sizeof(fixture->self) - 1);
	assert_true(n > 0 && stray >= 0);
	fixture->descriptors = count_descriptors();
	strcpy(fixture->directory, "/tmp/test-spawn-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	assert_int_equal(loop_new(&fixture->loop), 0);
	loop_set_ops(fixture->loop, &fixture_ops, fixture);
	fixture_begin_spawner(fixture);
	*state = fixture;
	return 0;
}

int fixture_teardown(void **state) {
	struct fixture *fixture = *state;

	fixture_end_spawner(fixture);
	assert_int_equal(fixture->bytes + fixture->running, 0);
	loop_free(fixture->loop);
	assert_int_equal(rmdir(fixture->directory), 0);
	assert_int_equal(count_descriptors(), fixture->descriptors);
	free(fixture);
	return 0;
}

/* ---- tasks ----------------------------------------------------------------------------------------------- */

static void task_wrote(void *userdata, uint64_t output_end) {
	((struct task *)userdata)->output_end = output_end;
}

static void task_exited(void *userdata, const struct run_info *run, bool idle _unused_) {
	struct task *task = userdata;

	task->exits++;
	task->last = *run;
}

static const struct job_ops task_ops = { .output = task_wrote, .exited = task_exited };

/* Return: how many there are. */
static size_t to_words(const char *const *strings, struct word *words, size_t max) {
	size_t n = 0;

	for (; strings[n]; n++) {
		assert_true(n < max);
		words[n] = (struct word){ .data = strings[n], .size = strlen(strings[n]) };
	}
	return n;
}

struct task *task_new(struct fixture *fixture, const struct task_options *options) {
	static struct word argv[5000], environment[64];
	const char *directory = options->directory ? options->directory : "/";
	size_t n_argv = to_words(options->argv, argv, ARRAY_SIZE(argv));
	size_t n_environment = to_words(options->environment, environment, ARRAY_SIZE(environment));
	struct task *task = calloc(1, sizeof(*task));
	struct command *command;

	assert_non_null(task);
	assert_int_equal(command_new(&command, argv, n_argv, environment, n_environment,
				     (struct word){ .data = directory, .size = strlen(directory) }),
			 0);
	command->umask = options->umask;
	command->overlap = options->overlap;
	command->timeout_ns = options->timeout_ns;
	task->fixture = fixture;
	task->request = (struct run_request){ .id = fixture->n + 1, .fire_seq = 1 };
	assert_int_equal(
		job_new(&task->job, fixture->board, command, &fixture->bytes, &fixture->running, &task_ops, task), 0);
	assert_true(fixture->n < TASKS_MAX);
	fixture->tasks[fixture->n++] = task;
	return task;
}

void task_fire(struct task *task) {
	(void)loop_refresh(task->fixture->loop);
	job_fire(task->job, &task->request, fixture_now(task->fixture));
	task->request.fire_seq++;
}

static bool has_exited(void *userdata) {
	return ((struct task *)userdata)->exits >= ((struct task *)userdata)->wanted;
}

static bool has_written(void *userdata) {
	return ((struct task *)userdata)->output_end >= ((struct task *)userdata)->wanted;
}

static bool has_lines(void *userdata) {
	struct task *task = userdata;
	uint64_t n = 0;

	for (const char *p = task_output(task); (p = strchr(p, '\n')); p++)
		n++;
	return n >= task->wanted;
}

void task_wait(struct task *task) {
	task->wanted = task_describe(task).runs;
	fixture_wait(task->fixture, has_exited, task);
}

void task_wait_output(struct task *task, uint64_t bytes) {
	task->wanted = bytes;
	fixture_wait(task->fixture, has_written, task);
}

void task_wait_lines(struct task *task, unsigned n) {
	task->wanted = n;
	fixture_wait(task->fixture, has_lines, task);
}

struct job_info task_describe(const struct task *task) {
	struct job_info info;

	job_describe(task->job, &info);
	return info;
}

const char *task_output(struct task *task) {
	uint64_t offset;

	if (!task->output)
		task->output = malloc(65536 + 1);
	assert_non_null(task->output);
	task->output_size = job_read_output(task->job, 0, task->output, 65536, &offset);
	task->output[task->output_size] = '\0';
	return task->output;
}

struct task *task_start_shell(struct fixture *fixture, const char *script) {
	struct task *task = task_new(fixture, &(struct task_options){
						      .argv = (const char *[]){ "sh", "-c", script, NULL },
						      .environment = (const char *[]){ "PATH=/bin:/usr/bin", NULL },
					      });

	task_fire(task);
	return task;
}

struct task *task_run_shell(struct fixture *fixture, const char *script) {
	struct task *task = task_start_shell(fixture, script);

	task_wait(task);
	return task;
}

struct task *task_run(struct fixture *fixture, const char *variable, const char *const *words, size_t n) {
	const char **argv = calloc(n + 2, sizeof(*argv));
	struct task *task;

	assert_non_null(argv);
	argv[0] = fixture->self;
	memcpy(argv + 1, words, n * sizeof(*words));
	task = task_new(fixture,
			&(struct task_options){ .argv = argv, .environment = (const char *[]){ variable, NULL } });
	free(argv);
	task_fire(task);
	task_wait(task);
	return task;
}
