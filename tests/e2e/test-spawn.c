/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The starter with a real loop, a real evloop-exec and real processes.  The command of most jobs is this program itself, which
 * then tells how it was started.
 */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "daemon/svc/journal.h"
#include "proto/limits.h"
#include "tests/e2e/spawn-fixture.h"

/* ---- what a command finds -------------------------------------------------------------------------------- */

static void test_words(void **state) {
	static const char *const words[] = {
		"",  "-x",           "--",       " ", "a b", "\n",  "a\nb\n", "\t\\", "\"'`$(x)${y}",
		"*", "\xff\xfe\x80", "\xc3\xa4", "",  "=",   "x=y", "last",
	};
	struct fixture *fixture = *state;
	struct task *task = task_run(fixture, TELL("words"), words, ARRAY_SIZE(words));
	const char *p = task_output(task);

	assert_int_equal(task->last.status, 0);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++, p += strlen(p) + 1)
		assert_string_equal(p, words[i]);
	assert_int_equal(p - task_output(task), task->output_size);
}

static void test_many_words(void **state) {
	static const char *words[4000];
	struct fixture *fixture = *state;
	struct task *task;
	const char *p;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = &"0123456789"[i % 11];
	task = task_run(fixture, TELL("words"), words, ARRAY_SIZE(words));
	p = task_output(task);
	assert_int_equal(task->last.status, 0);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++, p += strlen(p) + 1)
		assert_string_equal(p, words[i]);
	assert_int_equal(p - task_output(task), task->output_size);
}

/* Exactly the captured variables, and those of the run, which win. */
static void test_environment(void **state) {
	static const char *const expected[] = {
		"TELL=environment",
		"B=two words\n",
		"EMPTY=",
		"EVLOOPS=kept",
		"\xff=\xfe",
		"EVLOOP_ID=42",
		"EVLOOP_NAME=some:name",
		"EVLOOP_SCHEDULED_NS=1000",
		"EVLOOP_LATENESS_NS=77",
		"EVLOOP_FIRE_SEQ=9",
		"EVLOOP_MISSED=3",
		"EVLOOP_SOCKET=/some/socket",
	};
	static const char *const environment[] = {
		"TELL=environment", "EVLOOP_ID=stale", "B=two words\n",       "EMPTY=",
		"EVLOOPS=kept",     "\xff=\xfe",       "EVLOOP_SOCKET=stale", NULL,
	};
	struct fixture *fixture = *state;
	struct task *task;
	const char *p;

	assert_int_equal(setenv("OF_THE_DAEMON", "1", 1), 0);
	task = task_new(fixture, &(struct task_options){ .argv = (const char *[]){ fixture->self, NULL },
							 .environment = environment });
	task->request = (struct run_request){
		.id = 42,
		.name = "some:name",
		.fire_seq = 9,
		.missed = 3,
		.scheduled_ns = 1000,
		.lateness_ns = 77,
	};
	task_fire(task);
	task_wait(task);
	p = task_output(task);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++, p += strlen(p) + 1)
		assert_string_equal(p, expected[i]);
	assert_int_equal(p - task_output(task), task->output_size);
}

/* Directory, umask, session, descriptors, signals, limits: as a command expects them, whatever the daemon has. */
static void test_surroundings(void **state) {
	struct fixture *fixture = *state;
	struct rlimit limit;
	char expected[512];
	struct task *task;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	task = task_new(fixture, &(struct task_options){
					 .argv = (const char *[]){ fixture->self, NULL },
					 .environment = (const char *[]){ TELL("surroundings"), NULL },
					 .directory = fixture->directory,
					 .umask = 0137,
				 });
	task_fire(task);
	task_wait(task);
	(void)snprintf(expected, sizeof(expected),
		       "cwd=%s umask=137 leader=1 group=1 tty=0 parent=%d policy=%d nice=%d ignored=0 blocked=0 "
		       "descriptors=0,1,2 stdin=1:3 same=1 soft=%d\n",
		       fixture->directory, (int)getpid(), SCHED_OTHER, getpriority(PRIO_PROCESS, 0), SOFT_LIMIT);
	assert_string_equal(task_output(task), expected);
}

/* ---- how it ends ----------------------------------------------------------------------------------------- */

static void test_statuses(void **state) {
	static const struct {
		const char *script;
		int status;
	} rows[] = {
		{ "exit 0", 0 },          { "exit 1", 1 },          { "exit 255", 255 },
		{ "kill -TERM $$", 143 }, { "kill -KILL $$", 137 }, { "kill -USR1 $$", 128 + SIGUSR1 },
		{ "exit 126", 126 },      { "exit 127", 127 },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct task *task = task_run_shell(fixture, rows[i].script);

		assert_int_equal(task->last.status, rows[i].status);
		/* Also where the status is that of a command that is not there. */
		assert_int_equal(task->last.result, RUN_RESULT_EXITED);
		assert_true(task->last.ended_ns > task->last.started_ns);
		assert_true(task->last.pid > 0);
	}
}

static void expect_not_started(struct fixture *fixture, const char *word, const char *directory, int status,
			       const char *text) {
	struct task *task = task_new(fixture, &(struct task_options){
						      .argv = (const char *[]){ word, NULL },
						      .environment = (const char *[]){ "PATH=/bin:/usr/bin", NULL },
						      .directory = directory,
					      });

	task_fire(task);
	task_wait(task);
	assert_int_equal(task->last.result, RUN_RESULT_NOT_STARTED);
	assert_int_equal(task->last.status, status);
	assert_string_equal(task_output(task), text);
}

static void test_not_started(void **state) {
	struct fixture *fixture = *state;
	char path[64], text[160];

	expect_not_started(fixture, "no such program", NULL, 127,
			   "evloop: cannot run 'no such program': No such file or directory\n");
	expect_not_started(fixture, "/no/such/program", NULL, 127,
			   "evloop: cannot run '/no/such/program': No such file or directory\n");
	expect_not_started(fixture, "/etc/passwd", NULL, 126, "evloop: cannot run '/etc/passwd': Permission denied\n");
	expect_not_started(fixture, "/", NULL, 126, "evloop: cannot run '/': Permission denied\n");
	expect_not_started(fixture, "true", "/no/such/directory", 126,
			   "evloop: cannot enter '/no/such/directory': No such file or directory\n");
	expect_not_started(fixture, "true", "/etc/passwd", 126,
			   "evloop: cannot enter '/etc/passwd': Not a directory\n");
	(void)snprintf(path, sizeof(path), "%s/fifo", fixture->directory);
	assert_int_equal(mkfifo(path, 0700), 0);
	(void)snprintf(text, sizeof(text), "evloop: cannot run '%s': Permission denied\n", path);
	expect_not_started(fixture, path, NULL, 126, text);
	assert_int_equal(unlink(path), 0);
}

/* Each is known as one that was not started, in whatever order its end and the word of evloop-exec are seen. */
static void test_not_started_at_once(void **state) {
	static struct task *tasks[100];
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
		tasks[i] =
			task_new(fixture, &(struct task_options){ .argv = (const char *[]){ "no such program", NULL },
								  .environment = (const char *[]){ NULL } });
		task_fire(tasks[i]);
	}
	(void)poll(NULL, 0, 200); /* the loop is busy elsewhere */
	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
		task_wait(tasks[i]);
		assert_int_equal(tasks[i]->last.result, RUN_RESULT_NOT_STARTED);
		assert_int_equal(tasks[i]->last.status, 127);
	}
}

/* As a shell does it: by the job's PATH, and without "#!". */
static void test_search(void **state) {
	struct fixture *fixture = *state;
	char path[64], variable[64];
	struct task *task;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/tool", fixture->directory);
	(void)snprintf(variable, sizeof(variable), "PATH=%s:/bin", fixture->directory);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs("echo found \"$1\"\n", file) >= 0 && fclose(file) == 0 && chmod(path, 0755) == 0);
	task = task_new(fixture, &(struct task_options){ .argv = (const char *[]){ "tool", "a  b", NULL },
							 .environment = (const char *[]){ variable, NULL } });
	task_fire(task);
	task_wait(task);
	assert_string_equal(task_output(task), "found a  b\n");
	assert_int_equal(unlink(path), 0);
}

/* ---- output ---------------------------------------------------------------------------------------------- */

/* All of it is counted, the end is kept. */
static void test_much_output(void **state) {
	struct fixture *fixture = *state;
	struct task *task = task_run_shell(fixture, "i=0; while [ $i -lt 40000 ]; do echo $i; i=$((i + 1)); done");
	const char *p = task_output(task);

	assert_int_equal(task->output_end, 10 * 2 + 90 * 3 + 900 * 4 + 9000 * 5 + 30000 * 6);
	assert_int_equal(task->output_size, JOB_OUTPUT_KEPT);
	assert_string_equal(p + task->output_size - 12, "39998\n39999\n");
}

/* What it wrote just before its end, of any size that a pipe holds, is there when the end is told. */
static void test_last_words(void **state) {
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < 20; i++) {
		struct task *task = task_run_shell(fixture, "head -c 60000 /dev/zero; printf end >&2");

		assert_int_equal(task->output_end, 60003);
		assert_memory_equal(task_output(task) + 60000, "end", 3);
	}
}

/* One that floods keeps no other from coming to its turn, nor the clock. */
static void test_flood(void **state) {
	struct fixture *fixture = *state;
	struct task *floods[4], *task;
	unsigned ticks;

	for (size_t i = 0; i < ARRAY_SIZE(floods); i++)
		floods[i] = task_start_shell(fixture, "exec yes");
	task_wait_output(floods[3], 1000000);
	ticks = fixture->ticks;
	task = task_run_shell(fixture, "i=0; while [ $i -lt 20 ]; do echo $i; sleep 0.01; i=$((i + 1)); done");
	assert_int_equal(task->output_end, 10 * 2 + 10 * 3);
	assert_true(fixture->ticks >= ticks + 20);
	for (size_t i = 0; i < ARRAY_SIZE(floods); i++) {
		assert_int_equal(job_kill(floods[i]->job, SIGKILL, fixture_now(fixture)), 0);
		task_wait(floods[i]);
		assert_int_equal(floods[i]->last.result, RUN_RESULT_KILLED);
		assert_true(floods[i]->output_end > 1000000);
	}
}

/* Where there is a journal, each line goes there too. */
static void test_journal(void **state) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct fixture *fixture = *state;
	struct task *task;
	char entry[4096];

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/journal", fixture->directory);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	fixture_end_spawner(fixture);
	if (journal_new(&fixture->journal, address.sun_path, fixture->loop) == 0) {
		fixture_begin_spawner(fixture);
		task = task_run_shell(fixture, "echo one; printf two >&2");
		assert_string_equal(task_output(task), "one\ntwo");
		for (unsigned i = 0; i < 2; i++) {
			ssize_t n = recv(fd, entry, sizeof(entry), 0);

			assert_true(n > 0);
			assert_non_null(memmem(entry, (size_t)n, i ? "two\n" : "one\n", 4));
			assert_non_null(memmem(entry, (size_t)n, "SYSLOG_PID=", 11));
		}
		fixture_end_spawner(fixture);
		fixture->journal = journal_free(fixture->journal);
	}
	fixture_begin_spawner(fixture);
	assert_int_equal(unlink(address.sun_path), 0);
	(void)close(fd);
}

/* ---- many ------------------------------------------------------------------------------------------------ */

static void test_many_at_once(void **state) {
	static struct task *tasks[200];
	struct fixture *fixture = *state;
	char script[64];

	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
		(void)snprintf(script, sizeof(script), "echo %zu; exec sleep 0.%zu", i, i % 10);
		tasks[i] = task_start_shell(fixture, script);
	}
	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
		task_wait(tasks[i]);
		assert_int_equal(tasks[i]->last.status, 0);
		assert_int_equal(atoi(task_output(tasks[i])), i);
	}
}

/* More than the socket to evloop-exec holds. */
static void test_large_at_once(void **state) {
	static struct task *tasks[60];
	static char large[COMMAND_SIZE_MAX - 100];
	struct fixture *fixture = *state;

	memset(large, 'x', sizeof(large) - 1);
	memcpy(large, "LARGE=", 6);
	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
		tasks[i] = task_new(fixture, &(struct task_options){
						     .argv = (const char *[]){ "sh", "-c", "echo ${#LARGE}", NULL },
						     .environment = (const char *[]){ large, NULL },
					     });
		task_fire(tasks[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
		task_wait(tasks[i]);
		assert_int_equal(atoi(task_output(tasks[i])), sizeof(large) - 1 - 6);
	}
}

/* ---- signals --------------------------------------------------------------------------------------------- */

static bool is_gone(pid_t pid) {
	char path[32], line[256] = "";
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return true;
	(void)!fgets(line, sizeof(line), file);
	(void)fclose(file);
	return strstr(line, ") Z ");
}

static bool is_gone_task(void *pid) {
	return is_gone(*(pid_t *)pid);
}

static void test_kill_group(void **state) {
	struct fixture *fixture = *state;
	struct task *task =
		task_start_shell(fixture, "sleep 600 & (sleep 600 & echo $!; wait) & sleep 0.1; echo $!; wait");
	int one, two;

	task_wait_lines(task, 2);
	assert_int_equal(sscanf(task_output(task), "%d %d", &one, &two), 2);
	assert_false(is_gone(one) || is_gone(two));
	assert_int_equal(job_kill(task->job, 0, fixture_now(fixture)), 0);
	task_wait(task);
	assert_int_equal(task->last.result, RUN_RESULT_KILLED);
	assert_int_equal(task->last.status, 143);
	fixture_wait(fixture, is_gone_task, &one);
	fixture_wait(fixture, is_gone_task, &two);
}

/* A signal that is sent before there is a process reaches it. */
static void test_kill_early(void **state) {
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < 50; i++) {
		struct task *task = task_start_shell(fixture, "exec sleep 600");

		assert_int_equal(job_kill(task->job, 0, fixture_now(fixture)), 0);
		task_wait(task);
		assert_int_equal(task->last.result, RUN_RESULT_KILLED);
		assert_int_equal(task->last.status, 143);
	}
}

/* TERM at the timeout, KILL later: the clock is moved on instead of waiting. */
static void test_timeout(void **state) {
	struct fixture *fixture = *state;
	struct task *task = task_new(fixture, &(struct task_options){
						      .argv = (const char *[]){ "sh", "-c",
										"trap 'echo no' TERM; echo trapped; "
										"while :; do sleep 0.01; done",
										NULL },
						      .environment = (const char *[]){ "PATH=/bin:/usr/bin", NULL },
						      .timeout_ns = 3600 * NSEC_PER_SEC,
					      });

	task_fire(task);
	task_wait_lines(task, 1);
	fixture->offset_ns += 3600 * NSEC_PER_SEC;
	task_wait_lines(task, 2);
	assert_int_equal(task->exits, 0);
	fixture->offset_ns += JOB_KILL_DELAY_NS;
	task_wait(task);
	assert_int_equal(task->last.result, RUN_RESULT_TIMED_OUT);
	assert_int_equal(task->last.status, 137);
}

/* ---- who stays behind ------------------------------------------------------------------------------------ */

static bool file_exists(void *path) {
	return access(path, F_OK) == 0;
}

/* The run ends with its process; what it leaves behind goes on, may write much, and is not heard. */
static void test_left_behind(void **state) {
	struct fixture *fixture = *state;
	char script[256], proof[64], gate[64];
	struct task *task;

	(void)snprintf(proof, sizeof(proof), "%s/proof", fixture->directory);
	(void)snprintf(gate, sizeof(gate), "%s/gate", fixture->directory);
	(void)snprintf(script, sizeof(script),
		       "(while [ ! -e %s ]; do sleep 0.01; done; head -c 500000 /dev/zero && : >%s) & echo now", gate,
		       proof);
	task = task_run_shell(fixture, script);
	assert_string_equal(task_output(task), "now\n");
	assert_int_equal(close(open(gate, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	fixture_wait(fixture, file_exists, proof);
	assert_int_equal(task->output_end, 4);
	assert_int_equal(unlink(proof), 0);
	assert_int_equal(unlink(gate), 0);
}

/* A job outlives the daemon, and may write. */
static void test_outlived(void **state) {
	struct fixture *fixture = *state;
	char script[256], proof[64];
	struct task *task;

	(void)snprintf(proof, sizeof(proof), "%s/proof", fixture->directory);
	(void)snprintf(script, sizeof(script), "echo begun; sleep 0.2; head -c 500000 /dev/zero && : >%s", proof);
	task = task_start_shell(fixture, script);
	task_wait_lines(task, 1);
	fixture_end_spawner(fixture);
	for (unsigned i = 0; !file_exists(proof); i++) {
		assert_true(i < 1000);
		(void)poll(NULL, 0, 10);
	}
	assert_int_equal(unlink(proof), 0);
}

/* ---- what may go wrong ----------------------------------------------------------------------------------- */

/* evloop-exec is killed: runs go on and are heard, and another one takes its place. */
static void test_helper_dies(void **state) {
	struct fixture *fixture = *state;
	struct task *before, *during, *after;
	pid_t helper = fixture->helper;
	siginfo_t info;

	if (helper == 0)
		skip();
	before = task_start_shell(fixture, "echo up; sleep 0.3; echo on; exit 5");
	task_wait_lines(before, 1);
	assert_int_equal(kill(helper, SIGSTOP), 0);
	/* It may be about to take an order, until it has stopped. */
	while (waitid(P_PID, (id_t)helper, &info, WSTOPPED | WNOWAIT) < 0)
		assert_int_equal(errno, EINTR);
	during = task_start_shell(fixture, "exit 6");
	assert_int_equal(kill(helper, SIGKILL), 0);
	task_wait(during);
	assert_int_equal(during->last.result, RUN_RESULT_NOT_STARTED);
	assert_int_equal(during->last.status, 126);
	assert_string_equal(task_output(during), "evloop: cannot start the command: Input/output error\n");
	after = task_run_shell(fixture, "exit 7");
	assert_int_equal(after->last.status, 7);
	task_wait(before);
	assert_int_equal(before->last.status, 5);
	assert_string_equal(task_output(before), "up\non\n");
	assert_true(is_gone(helper));
}

/* No descriptor is left: what cannot be watched does not run, and the next one does. */
static void test_no_descriptors(void **state) {
	struct fixture *fixture = *state;
	struct rlimit limit, low;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct task *task;

	(void)close(fd); /* the next ones are numbered from there */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int room = 0; room < 3; room++) {
		low = (struct rlimit){ .rlim_cur = (rlim_t)(fd + room), .rlim_max = limit.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
		task = task_start_shell(fixture, "echo ran; exit 3");
		task_wait(task);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		if (room < 2)
			assert_int_equal(task->last.result, RUN_RESULT_NOT_STARTED);
		else
			assert_int_equal(task->last.status, 3);
	}
	task = task_run_shell(fixture, "exit 4");
	assert_int_equal(task->last.status, 4);
}

static void test_no_helper(void **state) {
	struct fixture *fixture = *state;
	struct starter *starter;

	assert_int_equal(spawner_new(&starter, fixture->loop, &(struct spawner_options){ .exec_path = "/no/such" }),
			 -ENOENT);
	assert_int_equal(spawner_new(&starter, fixture->loop, &(struct spawner_options){ .exec_path = "/etc/passwd" }),
			 -EACCES);
}

/* Who started the daemon ignored or blocked what they liked. */
static void test_inherited_signals(void **state) {
	struct fixture *fixture = *state;
	struct task *task;
	sigset_t set, old;

	fixture_end_spawner(fixture);
	(void)signal(SIGCHLD, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, &old);
	fixture_begin_spawner(fixture);
	task = task_new(fixture,
			&(struct task_options){ .argv = (const char *[]){ fixture->self, NULL },
						.environment = (const char *[]){ TELL("surroundings"), NULL } });
	task_fire(task);
	task_wait(task);
	assert_int_equal(task->last.status, 0);
	assert_non_null(strstr(task_output(task), " ignored=0 blocked=0 "));
	sigprocmask(SIG_SETMASK, &old, NULL);
	(void)signal(SIGINT, SIG_DFL);
}

/* ---- a directory that hangs ------------------------------------------------------------------------------ */

/* A file system whose server never answers.  Return: its descriptor; −1: not here. */
static int mount_hung(const char *directory) {
	char options[64];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		print_message("           skipped: needs root, /dev/fuse and a mount namespace\n");
		return close_fd(fd);
	}
	(void)snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (mount("hung", directory, "fuse", 0, options) < 0) {
		print_message("           skipped: cannot mount\n");
		return close_fd(fd);
	}
	return fd;
}

/* It holds up its own process, and nothing else. */
static void test_hung_directory(void **state) {
	struct fixture *fixture = *state;
	struct task *hung[10], *task;
	char directory[64];
	unsigned ticks;
	int fd;

	(void)snprintf(directory, sizeof(directory), "%s/hung", fixture->directory);
	assert_int_equal(mkdir(directory, 0700), 0);
	fixture_end_spawner(fixture);
	fd = mount_hung(directory);
	fixture_begin_spawner(fixture);
	if (fd < 0) {
		assert_int_equal(rmdir(directory), 0);
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(hung); i++) {
		hung[i] = task_new(fixture, &(struct task_options){ .argv = (const char *[]){ "/bin/true", NULL },
								    .environment = (const char *[]){ NULL },
								    .directory = directory });
		task_fire(hung[i]);
	}
	ticks = fixture->ticks;
	task = task_run_shell(fixture, "i=0; while [ $i -lt 20 ]; do echo $i; sleep 0.01; i=$((i + 1)); done");
	assert_int_equal(task->last.status, 0);
	assert_true(fixture->ticks >= ticks + 20);
	for (size_t i = 0; i < ARRAY_SIZE(hung); i++) {
		assert_int_equal(hung[i]->exits, 0);
		/* Who it is can be seen, and it can be killed. */
		assert_true(task_describe(hung[i]).last_run.pid > 0);
		assert_int_equal(job_kill(hung[i]->job, SIGKILL, fixture_now(fixture)), 0);
		task_wait(hung[i]);
		assert_int_equal(hung[i]->last.result, RUN_RESULT_KILLED);
		assert_int_equal(hung[i]->last.status, 137);
	}
	(void)close(fd);
	assert_int_equal(umount2(directory, MNT_DETACH), 0);
	assert_int_equal(rmdir(directory), 0);
}

/* Whoever hands over waits until it is known which process each run is, while the loop does not turn. */
static void test_settled(void **state) {
	static const char *const argv[] = { "/bin/sleep", "60", NULL }, *const environment[] = { NULL };
	struct fixture *fixture = *state;
	struct task *tasks[50];
	int64_t begin_ns;

	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
		tasks[i] = task_new(fixture, &(struct task_options){ .argv = argv, .environment = environment });
		task_fire(tasks[i]);
	}
	for (unsigned i = 0; i < 10 && task_describe(tasks[ARRAY_SIZE(tasks) - 1]).last_run.pid == 0; i++)
		spawner_settle(fixture->starter);
	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
		assert_true(task_describe(tasks[i]).last_run.pid > 0);
		assert_int_equal(job_kill(tasks[i]->job, SIGKILL, fixture_now(fixture)), 0);
	}
	/* With nothing to wait for, it does not. */
	begin_ns = fixture_now(fixture);
	spawner_settle(fixture->starter);
	assert_true(loop_refresh(fixture->loop)->ns[TIMER_CLOCK_BOOTTIME] - begin_ns < NSEC_PER_SEC);
	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
		if (tasks[i]->exits == 0)
			task_wait(tasks[i]);
}

#define test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		test(test_words),
		test(test_many_words),
		test(test_environment),
		test(test_surroundings),
		test(test_statuses),
		test(test_not_started),
		test(test_not_started_at_once),
		test(test_search),
		test(test_much_output),
		test(test_last_words),
		test(test_flood),
		test(test_many_at_once),
		test(test_large_at_once),
		test(test_kill_group),
		test(test_kill_early),
		test(test_timeout),
		test(test_left_behind),
		test(test_outlived),
		test(test_helper_dies),
		test(test_no_descriptors),
		test(test_no_helper),
		test(test_inherited_signals),
		test(test_hung_directory),
		test(test_settled),
		test(test_journal),
	};

	if (getenv("TELL"))
		return tell(getenv("TELL"), argc, argv);
	return cmocka_run_group_tests_name("spawn", tests, NULL, NULL);
}
