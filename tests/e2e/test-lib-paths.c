/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Path watches with everything in it: library, daemon, the process that looks at files, and what becomes of that. */

#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/evloop.h"
#include "tests/e2e/daemon-fixture.h"
#include "tests/hostile/fuse-server.h"

#define PATIENCE_NS EVL_SEC(20)
#define STUCK_NS EVL_SEC(2) /* after that a process is left to itself */

static struct daemon *server;
static struct evl *evl;
static char directory[64];

/* What was heard of one watch. */
struct heard {
	unsigned events, rescans, timeouts;
	uint32_t changes; /* of the path that is looked for */
	uint64_t fires;
	int error;
	const char *path;
};

static void hear(struct evl_source *source _unused_, const struct evl_event *event, void *userdata) {
	struct heard *heard = userdata;

	if (event->type == EVL_EVENT_TIMEOUT) {
		heard->timeouts++;
		return;
	}
	assert_int_equal(event->type, EVL_EVENT_CHANGED);
	heard->events++;
	heard->rescans += event->rescan;
	heard->fires += event->fires;
	if (event->error != 0)
		heard->error = event->error;
	assert_int_equal(event->more, event->error == 0);
	for (size_t i = 0; i < event->n_changes; i++)
		if (heard->path && strcmp(event->changes[i].path, heard->path) == 0)
			heard->changes |= event->changes[i].changes;
}

static char *full(const char *name) {
	static char paths[4][256];
	static unsigned i;
	char *path = paths[i++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static void write_file(const char *name, const char *text) {
	FILE *file = fopen(full(name), "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int64_t now_ns(void) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * EVL_SEC(1) + now.tv_nsec;
}

#define WAIT_UNTIL(condition)                                                                                          \
	do {                                                                                                           \
		int64_t until_ns_ = now_ns() + PATIENCE_NS;                                                            \
		while (!(condition)) {                                                                                 \
			assert_true(now_ns() < until_ns_);                                                             \
			assert_true(evl_dispatch(evl, EVL_MSEC(100)) >= 0);                                            \
		}                                                                                                      \
	} while (0)

static struct evl_source *watch(struct heard *heard, const char *path, int64_t settle_ns) {
	struct evl_watch spec = EVL_WATCH_INIT;
	struct evl_source *source;

	spec.path = path;
	spec.recursive = true;
	spec.settle_ns = settle_ns;
	assert_int_equal(evl_watch_add(evl, &source, &spec, hear, heard), 0);
	assert_int_equal(evl_flush(evl), 0);
	return source;
}

/* What is changed from now on is changed when the watch, which settles in less than `longer_ns`, is in place. */
static void settle_in_within(struct heard *heard, const char *name, int64_t longer_ns) {
	heard->path = name;
	while (!(heard->changes & EVL_MODIFIED)) {
		write_file(name, "x");
		assert_true(evl_dispatch(evl, longer_ns) >= 0);
	}
	while (evl_dispatch(evl, EVL_MSEC(200)) > 0) /* nothing comes later of what was written so far */
		;
	*heard = (struct heard){ .path = name };
}

static void settle_in(struct heard *heard, const char *name) {
	settle_in_within(heard, name, EVL_MSEC(400));
}

/* The processes that look at files for the daemon.  Return: how many there are; the first one's pid. */
static unsigned find_processes(pid_t *ret_pid) {
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned n = 0;

	assert_non_null(proc);
	while ((entry = readdir(proc))) {
		char path[300], name[32];
		int pid, parent;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "re") : NULL;
		if (!file)
			continue;
		if (fscanf(file, "%d (%31[^)]) %*c %d", &pid, name, &parent) == 3 && parent == daemon_pid(server) &&
		    strcmp(name, "evloop-paths") == 0 && n++ == 0)
			*ret_pid = pid;
		fclose(file);
	}
	closedir(proc);
	return n;
}

/* As /proc says it: 'S' sleeping, 'T' stopped, 'Z' over, and nobody has waited for it; 'X' where there is no such process. */
static char state_of(pid_t pid) {
	char path[64], letter = 'X';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return letter;
	if (fscanf(file, "%*d (%*[^)]) %c", &letter) != 1)
		letter = 'X';
	fclose(file);
	return letter;
}

/* It does nothing more when this returns, until it is told to go on. */
static void stop_process(pid_t pid) {
	int64_t until_ns = now_ns() + PATIENCE_NS;

	assert_int_equal(kill(pid, SIGSTOP), 0);
	while (state_of(pid) != 'T') {
		assert_true(now_ns() < until_ns);
		assert_int_equal(usleep(1000), 0);
	}
}

static int remove_one(const char *path, const struct stat *st _unused_, int type _unused_, struct FTW *ftw _unused_) {
	return remove(path);
}

static int setup_with(const char *const *options) {
	strcpy(directory, "/tmp/test-lib-paths-XXXXXX");
	if (!mkdtemp(directory) || daemon_start(&server, options) < 0)
		return -1;
	return evl_connect(&evl, daemon_socket(server));
}

static int setup(void **state _unused_) {
	return setup_with(NULL);
}

static int setup_system(void **state _unused_) {
	return setup_with((const char *const[]){ "--system", NULL });
}

static int setup_limited(void **state _unused_) {
	return setup_with((const char *const[]){ "--limit=paths=1", NULL });
}

static int teardown(void **state _unused_) {
	evl = evl_close(evl);
	(void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return daemon_stop(server);
}

/* ---- changes ---- */

/* What is changed at once after the request, when the process that is to see it does not even run yet. */
static void test_at_once(void **state _unused_) {
	struct heard heard = { .path = "f" };

	for (int i = 0; i < 20; i++) {
		struct evl_source *source = watch(&heard, directory, 0);

		/* So that the daemon has it. */
		assert_int_equal(evl_emit(evl, "nobody", "", 0), 0);
		write_file("f", "x");
		WAIT_UNTIL(heard.changes != 0 || heard.rescans > 0);
		evl_source_unref(source);
		heard = (struct heard){ .path = "f" };
	}
}

/* Writes `n` times, to `n_files` new files in turn.  Return: the longest that it was kept from writing the next. */
static int64_t write_burst(unsigned number, unsigned n_files, unsigned n) {
	int64_t last_ns = now_ns(), longest_ns = 0;
	char name[32];

	for (unsigned i = 0; i < n; i++) {
		int64_t written_ns;

		snprintf(name, sizeof(name), "%u-%u", number, i % n_files);
		write_file(name, "x");
		written_ns = now_ns();
		longest_ns = MAX(longest_ns, written_ns - last_ns);
		last_ns = written_ns;
	}
	return longest_ns;
}

/* What a new watch says of one burst, and that it says it once.  A disk that others write to has kept a writer for longer than
 * the watch takes to settle; that makes two bursts, and is done again. */
static void hear_burst(struct heard *heard, unsigned n_files, unsigned n) {
	static unsigned number;
	struct evl_source *source;
	char last[32];

	do {
		source = watch(heard, directory, EVL_SEC(1));
		settle_in_within(heard, "mark", EVL_MSEC(1300));
		snprintf(last, sizeof(last), "%u-%u", ++number, n_files - 1);
		heard->path = last;
		if (write_burst(number, n_files, n) >= EVL_MSEC(500))
			source = evl_source_unref(source);
	} while (!source);
	WAIT_UNTIL(heard->events > 0);
	assert_int_equal(evl_dispatch(evl, EVL_MSEC(1300)), 0);
	assert_int_equal(heard->events, 1);
	evl_source_unref(source);
}

static void test_burst(void **state _unused_) {
	struct heard heard = { .events = 0 };

	hear_burst(&heard, 100, 10000);
	assert_int_equal(heard.rescans, 0);
	assert_int_equal(heard.changes, EVL_CREATED | EVL_MODIFIED);
	assert_true(heard.fires >= 10000);
}

/* More names than anybody is told. */
static void test_many_names(void **state _unused_) {
	struct heard heard = { .events = 0 };

	hear_burst(&heard, 300, 300);
	assert_int_equal(heard.rescans, 1);
}

static void test_editors(void **state _unused_) {
	struct heard heard = { .path = "" };
	struct evl_source *source;

	write_file("f", "x");
	source = watch(&heard, full("f"), 0);
	assert_int_equal(evl_emit(evl, "nobody", "", 0), 0);
	for (int i = 0; i < 5; i++) {
		write_file("f", "truncated and written");
		WAIT_UNTIL(heard.changes & EVL_MODIFIED);
		while (evl_dispatch(evl, EVL_MSEC(20)) > 0)
			;
		heard.changes = 0;
		write_file("f.new", "written and renamed");
		assert_int_equal(rename(full("f.new"), full("f")), 0);
		WAIT_UNTIL(heard.changes & EVL_MOVED);
		heard.changes = 0;
		assert_int_equal(rename(full("f"), full("f~")), 0);
		write_file("f", "moved away and made anew");
		WAIT_UNTIL((heard.changes & (EVL_MOVED | EVL_CREATED)) == (EVL_MOVED | EVL_CREATED));
		while (evl_dispatch(evl, EVL_MSEC(20)) > 0)
			;
		heard.changes = 0;
	}
	assert_int_equal(heard.rescans, 0);
	evl_source_unref(source);
}

static void test_error(void **state _unused_) {
	struct heard heard = { .path = NULL };
	struct evl_source *source = watch(&heard, full("none/f"), EVL_SEC(1000));

	WAIT_UNTIL(heard.events > 0);
	assert_int_equal(heard.error, -ENOENT);
	assert_int_equal(evl_dispatch(evl, EVL_MSEC(50)), 0);
	evl_source_unref(source);
}

static void test_timeout(void **state _unused_) {
	struct heard heard = { .path = "f" };
	struct evl_watch spec = EVL_WATCH_INIT;
	struct evl_source *source;

	spec.path = directory;
	spec.timeout_ns = EVL_MSEC(100);
	assert_int_equal(evl_watch_add(evl, &source, &spec, hear, &heard), 0);
	WAIT_UNTIL(heard.timeouts == 3);
	assert_int_equal(heard.events, 0);
	write_file("f", "x");
	WAIT_UNTIL(heard.changes != 0);
	evl_source_unref(source);
}

/* ---- what is refused ---- */

static void refused(struct evl *of _unused_, struct evl_source *source _unused_, int error,
		    const char *message _unused_, void *userdata) {
	*(int *)userdata = error;
}

static void test_system(void **state _unused_) {
	struct heard heard = { .path = NULL };
	struct evl_source *source;
	int error = 0;

	evl_set_error_handler(evl, refused, &error);
	source = watch(&heard, directory, 0);
	WAIT_UNTIL(error != 0);
	assert_int_equal(error, -EOPNOTSUPP);
	evl_source_unref(source);
}

static void test_quota(void **state _unused_) {
	struct heard one = { .path = "f" }, other = { .path = NULL };
	struct evl_source *source = watch(&one, directory, 0), *other_source;
	int error = 0;

	evl_set_error_handler(evl, refused, &error);
	other_source = watch(&other, directory, 0);
	WAIT_UNTIL(error != 0);
	assert_int_equal(error, -EDQUOT);
	evl_source_unref(other_source);
	settle_in(&one, "f");
	/* And one goes, another one may come. */
	evl_source_unref(source);
	source = watch(&other, directory, 0);
	settle_in(&other, "f");
	evl_source_unref(source);
}

/* ---- what becomes of the process ---- */

static void test_killed(void **state _unused_) {
	struct heard heard = { .path = NULL }, other = { .path = NULL };
	struct evl_source *source = watch(&heard, directory, 0), *other_source = watch(&other, full("f"), 0);
	pid_t pid, next_pid;

	settle_in(&heard, "f");
	for (int i = 0; i < 3; i++) {
		heard.rescans = other.rescans = 0;
		assert_int_equal(find_processes(&pid), 1);
		assert_int_equal(kill(pid, SIGKILL), 0);
		WAIT_UNTIL(heard.rescans > 0 && other.rescans > 0);
		assert_int_equal(find_processes(&next_pid), 1);
		assert_int_not_equal(pid, next_pid);
		heard.changes = 0;
		write_file("f", "y");
		WAIT_UNTIL(heard.changes != 0);
	}
	assert_int_equal(heard.error, 0);
	evl_source_unref(source);
	evl_source_unref(other_source);
}

/* The daemon is killed: nobody is left behind. */
static void test_daemon_killed(void **state _unused_) {
	struct heard heard = { .path = NULL };
	struct evl_source *source = watch(&heard, directory, 0);
	int64_t until_ns;
	pid_t pid;

	settle_in(&heard, "f");
	assert_int_equal(find_processes(&pid), 1);
	daemon_kill(server);
	for (until_ns = now_ns() + PATIENCE_NS; !strchr("XZ", state_of(pid));) {
		assert_true(now_ns() < until_ns);
		assert_int_equal(usleep(10000), 0);
	}
	evl_source_unref(source);
}

/* The kernel keeps no more events than so many for one who does not read them. */
static void test_overflow(void **state _unused_) {
	struct heard heard = { .path = NULL };
	struct evl_source *source = watch(&heard, directory, EVL_MSEC(100));
	pid_t pid;

	settle_in(&heard, "f");
	assert_int_equal(find_processes(&pid), 1);
	stop_process(pid);
	for (int i = 0; i < 5000; i++) {
		assert_int_equal(rename(full("f"), full("g")), 0);
		assert_int_equal(rename(full("g"), full("f")), 0);
	}
	assert_int_equal(kill(pid, SIGCONT), 0);
	WAIT_UNTIL(heard.rescans > 0);
	while (evl_dispatch(evl, EVL_MSEC(300)) > 0)
		;
	assert_in_range(heard.events, 1, 10); /* more than one where reading them all takes longer than they settle */
	heard.changes = 0;
	write_file("f", "y");
	WAIT_UNTIL(heard.changes != 0);
	evl_source_unref(source);
}

/* A process that is stopped answers as little as one that hangs: what it had goes to another one. */
static void test_stopped(void **state _unused_) {
	struct heard heard = { .path = NULL }, other = { .path = NULL };
	struct evl_source *source = watch(&heard, directory, 0), *other_source;
	pid_t pid;

	settle_in(&heard, "f");
	assert_int_equal(find_processes(&pid), 1);
	stop_process(pid);
	other_source = watch(&other, full("g"), 0);
	WAIT_UNTIL(heard.rescans > 0 && other.rescans > 0);
	other.path = "";
	write_file("g", "x");
	WAIT_UNTIL(other.changes != 0);
	/* Of no use to anybody, it is gone, and has not to be continued for that. */
	WAIT_UNTIL(find_processes(&pid) == 1);
	evl_source_unref(source);
	evl_source_unref(other_source);
}

/* A folder of a file system that does not answer, before all that, and after. */
static void test_hung(void **state _unused_) {
	struct heard heard = { .path = NULL }, hung[2] = { { .path = NULL }, { .path = NULL } }, late = { .path = "" };
	struct evl_source *source, *hung_source, *late_source;
	struct fuse_server fuse;
	const char *reason = fuse_server_start(&fuse);
	int64_t began_ns;
	pid_t pid;
	int fd;

	if (reason) {
		print_message("%s\n", reason);
		skip();
	}
	source = watch(&heard, directory, 0);
	settle_in(&heard, "f");
	fd = fuse_server_open(&fuse);
	assert_true(fd >= 0);
	hung_source = watch(&hung[0], fuse.directory, 0);
	began_ns = now_ns();
	late_source = watch(&late, full("g"), 0);
	/* The one that was there is with another process now, and so is the one that came later. */
	WAIT_UNTIL(heard.rescans > 0 && late.rescans > 0);
	assert_true(now_ns() - began_ns < 2 * STUCK_NS);
	assert_int_equal(find_processes(&pid), 2);
	heard.changes = 0;
	write_file("f", "y");
	write_file("g", "y");
	WAIT_UNTIL(heard.changes != 0 && late.changes != 0);
	assert_int_equal(hung[0].events, 0);
	/* It is forgotten; another one hangs just as well, and changes nothing for the others. */
	evl_source_unref(hung_source);
	hung_source = watch(&hung[1], fuse.directory, 0);
	heard.rescans = 0;
	WAIT_UNTIL(heard.rescans > 0);
	heard.changes = 0;
	write_file("f", "z");
	WAIT_UNTIL(heard.changes != 0);
	/* The daemon ends at once. */
	began_ns = now_ns();
	evl_source_unref(hung_source);
	evl_source_unref(source);
	evl_source_unref(late_source);
	evl = evl_close(evl);
	assert_int_equal(kill(daemon_pid(server), SIGTERM), 0);
	assert_int_equal(daemon_forget(server), 0);
	assert_true(now_ns() - began_ns < STUCK_NS);
	fuse_server_stop(&fuse);
	close(fd);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_burst, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_editors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_system, setup_system, teardown),
		cmocka_unit_test_setup_teardown(test_quota, setup_limited, teardown),
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_daemon_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overflow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hung, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
