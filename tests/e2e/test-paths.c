/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* evloop-paths alone, over its socket, with files of its own: what is seen, under which name, and what is not. */

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/core/path-watch.h"
#include "daemon/exec/paths-wire.h"
#include "tests/unit/test.h"

#define PATIENCE_MS 10000
#define SEEN_MAX 4096

struct seen {
	uint64_t token;
	unsigned events;
	char path[256];
};

static char directory[PATH_MAX];
static int paths_socket;
static pid_t paths_pid;
static struct seen seen[SEEN_MAX];
static size_t n_seen;
static unsigned n_rescans;
static int error_seen;
static uint64_t busy_token; /* the latest; 0: idle */

/* ---- the process ---- */

static void start(void) {
	const char *path = getenv("EVLOOP_EXEC") ?: "./evloop-exec", *slash = strrchr(path, '/');
	char exec_path[PATH_MAX];
	int fds[2];

	snprintf(exec_path, sizeof(exec_path), "%.*s/evloop-paths", (int)(slash - path), path);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	paths_socket = fds[0];
	paths_pid = fork();
	assert_true(paths_pid >= 0);
	if (paths_pid == 0) {
		(void)dup2(fds[1], PATHS_SOCKET_FD);
		if (fds[1] == PATHS_SOCKET_FD)
			(void)fcntl(fds[1], F_SETFD, 0);
		execl(exec_path, "evloop-paths", NULL);
		_exit(127);
	}
	close(fds[1]);
}

static void stop(void) {
	int status;

	close(paths_socket);
	assert_int_equal(waitpid(paths_pid, &status, 0), paths_pid);
	assert_int_equal(status, 0);
}

static void forget(void) {
	n_seen = n_rescans = 0;
	error_seen = 0;
}

static void note(const struct paths_report *report) {
	switch ((enum paths_word)report->word) {
	case PATHS_BUSY:
		busy_token = report->token;
		break;
	case PATHS_IDLE:
		busy_token = 0;
		break;
	case PATHS_RESCAN:
		n_rescans++;
		break;
	case PATHS_FAILED:
		error_seen = report->error;
		break;
	case PATHS_CHANGED:
		if (n_seen == SEEN_MAX)
			break;
		seen[n_seen].token = report->token;
		seen[n_seen].events = report->events;
		snprintf(seen[n_seen].path, sizeof(seen->path), "%.*s", (int)report->size, (const char *)(report + 1));
		n_seen++;
		break;
	}
}

/* Return: false: nothing came for so long. */
static bool receive(int timeout_ms) {
	static union {
		struct paths_report alignment;
		char data[PATHS_PACKET_MAX];
	} packet;
	struct pollfd pollfd = { .fd = paths_socket, .events = POLLIN };
	ssize_t size;

	if (poll(&pollfd, 1, timeout_ms) <= 0)
		return false;
	size = recv(paths_socket, &packet, sizeof(packet), 0);
	assert_true(size > 0);
	for (ssize_t at = 0; at < size;) {
		const struct paths_report *report = (const struct paths_report *)(packet.data + at);

		assert_true((size_t)(size - at) >= sizeof(*report));
		at += paths_report_size(report->size);
		assert_true(at <= size);
		note(report);
	}
	return true;
}

/* It has begun to look at files for that watch, and looks at none any more. */
static void wait_until_looked(uint64_t token) {
	while (busy_token != token)
		assert_true(receive(PATIENCE_MS));
	while (busy_token != 0)
		assert_true(receive(PATIENCE_MS));
}

/* What was seen of that path, all together. */
static unsigned events_of(uint64_t token, const char *path) {
	unsigned events = 0;

	for (size_t i = 0; i < n_seen; i++)
		if (seen[i].token == token && strcmp(seen[i].path, path) == 0)
			events |= seen[i].events;
	return events;
}

static void expect(uint64_t token, const char *path, unsigned events) {
	while ((events_of(token, path) & events) != events)
		if (!receive(PATIENCE_MS))
			fail_msg("of '%s' %u were expected, and %u came", path, events, events_of(token, path));
}

static void expect_rescan(void) {
	while (n_rescans == 0)
		assert_true(receive(PATIENCE_MS));
}

static void expect_error(int error) {
	while (error_seen == 0)
		assert_true(receive(PATIENCE_MS));
	assert_int_equal(error_seen, error);
}

/* All that is done to what is watched has been seen when this has. */
static void expect_nothing_of(uint64_t token, const char *path) {
	assert_int_equal(events_of(token, path), 0);
}

static char *full(const char *name) {
	static char paths[4][2 * PATH_MAX];
	static unsigned i;
	char *path = paths[i++ % 4];

	snprintf(path, sizeof(paths[0]), "%s%s%s", directory, name[0] ? "/" : "", name);
	return path;
}

/* Patterns to exclude follow, and NULL. */
static void add_since(uint64_t token, const char *name, unsigned flags, int64_t since_ns, va_list args) {
	static union {
		struct paths_request request;
		char data[65536];
	} packet;
	size_t size = sizeof(packet.request);
	const char *pattern;

	packet.request =
		(struct paths_request){ .token = token, .order = PATHS_ADD, .flags = flags, .since_ns = since_ns };
	size += (size_t)sprintf(packet.data + size, "%s", name[0] == '/' ? name : full(name)) + 1;
	while ((pattern = va_arg(args, const char *))) {
		size += (size_t)sprintf(packet.data + size, "%s", pattern) + 1;
		packet.request.n_exclude++;
	}
	assert_int_equal(send(paths_socket, &packet, size, MSG_NOSIGNAL), size);
}

static void watch(uint64_t token, const char *name, unsigned flags, ...) {
	va_list args;

	va_start(args, flags);
	add_since(token, name, flags, 0, args);
	va_end(args);
	wait_until_looked(token);
}

static void watch_since(int64_t since_ns, uint64_t token, const char *name, unsigned flags, ...) {
	va_list args;

	va_start(args, flags);
	add_since(token, name, flags, since_ns, args);
	va_end(args);
	wait_until_looked(token);
}

static void forget_watch(uint64_t token) {
	struct paths_request request = { .token = token, .order = PATHS_REMOVE };

	assert_int_equal(send(paths_socket, &request, sizeof(request), 0), sizeof(request));
}

/* All that has happened is known: what is asked for comes after events, and after what they have left to be looked at. */
static void wait_until_idle(void) {
	watch(UINT64_MAX, "/proc", 0, NULL);
	forget_watch(UINT64_MAX);
}

/* ---- files ---- */

static void make_file(const char *name, const char *content) {
	FILE *file = fopen(full(name), "we");

	assert_non_null(file);
	assert_true(fputs(content, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void make_folder(const char *name) {
	assert_int_equal(mkdir(full(name), 0700), 0);
}

static void move(const char *from, const char *to) {
	assert_int_equal(rename(full(from), full(to)), 0);
}

static void link_to(const char *target, const char *name) {
	assert_int_equal(symlink(target, full(name)), 0);
}

static void delete (const char *name) {
	assert_int_equal(remove(full(name)), 0);
}

static int remove_one(const char *path, const struct stat *st _unused_, int type _unused_, struct FTW *ftw _unused_) {
	return remove(path);
}

static void delete_tree(const char *name) {
	assert_int_equal(nftw(full(name), remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static int setup(void **state _unused_) {
	snprintf(directory, sizeof(directory), "%s/test-paths.XXXXXX", getenv("TMPDIR") ?: "/tmp");
	assert_non_null(mkdtemp(directory));
	forget();
	start();
	return 0;
}

static int teardown(void **state _unused_) {
	stop();
	delete_tree("");
	return 0;
}

/* ---- a folder ---- */

static void test_folder(void **state _unused_) {
	make_file("old", "x");
	make_folder("below");
	watch(1, "", 0, NULL);
	assert_int_equal(n_seen, 0);
	make_file("new", "");
	expect(1, "new", PATH_CREATED);
	make_file("old", "longer");
	expect(1, "old", PATH_MODIFIED);
	move("old", "older");
	expect(1, "older", PATH_MOVED);
	assert_int_equal(events_of(1, "old"), PATH_MODIFIED | PATH_MOVED);
	delete ("new");
	expect(1, "new", PATH_DELETED);
	/* Nothing of what is below. */
	make_file("below/f", "x");
	make_file("mark", "");
	expect(1, "mark", PATH_CREATED);
	expect_nothing_of(1, "below/f");
	assert_int_equal(n_rescans, 0);
}

static void test_touched(void **state _unused_) {
	make_file("f", "x");
	watch(1, "", 0, NULL);
	assert_int_equal(truncate(full("f"), 0), 0);
	expect(1, "f", PATH_MODIFIED);
	forget();
	assert_int_equal(utimensat(AT_FDCWD, full("f"), NULL, 0), 0);
	expect(1, "f", PATH_MODIFIED);
	forget();
	assert_int_equal(chmod(full("f"), 0400), 0);
	expect(1, "f", PATH_MODIFIED);
}

/* Whatever comes to be below before it is watched. */
static void test_recursive(void **state _unused_) {
	make_folder("a");
	make_folder("a/b");
	watch(1, "", PATHS_RECURSIVE, NULL);
	make_file("a/b/f", "x");
	expect(1, "a/b/f", PATH_CREATED);
	for (int i = 0; i < 50; i++) {
		char name[64];

		snprintf(name, sizeof(name), "%d", i);
		make_folder(name);
		snprintf(name, sizeof(name), "%d/x", i);
		make_folder(name);
		snprintf(name, sizeof(name), "%d/x/y", i);
		make_folder(name);
		snprintf(name, sizeof(name), "%d/x/y/f", i);
		make_file(name, "x");
	}
	for (int i = 0; i < 50; i++) {
		char name[64];

		snprintf(name, sizeof(name), "%d/x/y/f", i);
		expect(1, name, PATH_CREATED);
	}
	wait_until_idle();
	make_file("7/x/y/f", "longer");
	expect(1, "7/x/y/f", PATH_MODIFIED);
}

static void test_moved_folder(void **state _unused_) {
	make_folder("w");
	make_folder("w/a");
	make_folder("w/a/b");
	make_folder("elsewhere");
	make_file("elsewhere/f", "x");
	watch(1, "w", PATHS_RECURSIVE, NULL);
	/* Within: what is in it has another name from now on. */
	move("w/a", "w/z");
	expect(1, "z", PATH_MOVED);
	expect(1, "z/b", PATH_MOVED);
	wait_until_idle();
	forget();
	make_file("w/z/b/f", "x");
	expect(1, "z/b/f", PATH_CREATED);
	expect_nothing_of(1, "a/b/f");
	/* Out: it is no business of ours. */
	forget();
	move("w/z", "z");
	expect(1, "z", PATH_MOVED);
	make_file("z/b/g", "x");
	/* In. */
	move("elsewhere", "w/in");
	expect(1, "in/f", PATH_MOVED);
	expect_nothing_of(1, "z/b/g");
	wait_until_idle();
	make_file("w/in/f", "longer");
	expect(1, "in/f", PATH_MODIFIED);
}

static void test_exclude(void **state _unused_) {
	make_folder("node_modules");
	make_folder("node_modules/x");
	make_folder("src");
	make_folder("src/out");
	/* One that cannot be entered would be seen as an error. */
	watch(1, "", PATHS_RECURSIVE, "node_modules/", "*.o", "src/out", NULL);
	make_file("node_modules/x/f", "x");
	make_file("src/out/f", "x");
	make_file("src/a.o", "x");
	make_file("b.o", "x");
	make_folder("src/node_modules");
	make_file("src/node_modules/f", "x");
	make_folder("out");
	make_file("out/f", "x");
	expect(1, "out/f", PATH_CREATED);
	for (size_t i = 0; i < n_seen; i++)
		assert_int_equal(strncmp(seen[i].path, "out", 3), 0);
}

/* ---- a file ---- */

static void test_file(void **state _unused_) {
	make_file("f", "x");
	make_file("other", "x");
	watch(1, "f", 0, NULL);
	make_file("other", "y");
	make_file("f", "y");
	expect(1, "", PATH_MODIFIED);
	/* As editors do it. */
	for (int i = 0; i < 3; i++) {
		forget();
		make_file("f.tmp", "new");
		move("f.tmp", "f");
		expect(1, "", PATH_MOVED);
		wait_until_idle();
		forget();
		make_file("f", "newer");
		expect(1, "", PATH_MODIFIED);
	}
	forget();
	move("f", "f~");
	make_file("f", "again");
	expect(1, "", PATH_MOVED | PATH_CREATED | PATH_MODIFIED);
	forget();
	delete ("f");
	expect(1, "", PATH_DELETED);
	forget();
	make_file("f", "back");
	expect(1, "", PATH_CREATED | PATH_MODIFIED);
	for (size_t i = 0; i < n_seen; i++)
		assert_string_equal(seen[i].path, "");
}

static void test_missing(void **state _unused_) {
	watch(1, "f", 0, NULL);
	assert_int_equal(error_seen, 0);
	make_file("f", "x");
	expect(1, "", PATH_CREATED | PATH_MODIFIED);
	watch(2, "none/f", 0, NULL);
	expect_error(ENOENT);
	forget();
	watch(3, "f/g", 0, NULL);
	expect_error(ENOTDIR);
	/* And nothing is left of them. */
	forget();
	make_folder("none");
	make_file("none/f", "x");
	make_file("f", "y");
	expect(1, "", PATH_MODIFIED);
	assert_int_equal(events_of(2, ""), 0);
}

static void test_link(void **state _unused_) {
	make_folder("store");
	make_file("store/one", "x");
	make_file("store/two", "x");
	link_to("store/one", "f");
	watch(1, "f", 0, NULL);
	make_file("store/one", "y");
	expect(1, "", PATH_MODIFIED);
	forget();
	make_file("store/tmp", "z");
	move("store/tmp", "store/one");
	expect(1, "", PATH_MOVED);
	wait_until_idle();
	/* It is made to lead elsewhere. */
	forget();
	link_to("store/two", "f.tmp");
	move("f.tmp", "f");
	expect(1, "", PATH_MODIFIED);
	wait_until_idle();
	forget();
	make_file("store/one", "not ours any more");
	make_file("store/two", "y");
	expect(1, "", PATH_MODIFIED);
	/* Nowhere. */
	forget();
	delete ("store/two");
	expect(1, "", PATH_DELETED);
	wait_until_idle();
	forget();
	make_file("store/two", "y");
	expect(1, "", PATH_CREATED);
}

/* As deployments switch from one release to the next. */
static void test_link_on_the_way(void **state _unused_) {
	make_folder("1");
	make_folder("2");
	make_file("1/f", "x");
	make_file("2/f", "x");
	link_to("1", "current");
	watch(1, "current/f", 0, NULL);
	link_to("2", "next");
	move("next", "current");
	expect(1, "", PATH_MODIFIED);
	wait_until_idle();
	forget();
	make_file("2/f", "y");
	expect(1, "", PATH_MODIFIED);
	delete ("current");
	expect(1, "", PATH_DELETED);
}

static void test_loop_of_links(void **state _unused_) {
	link_to("b", "a");
	link_to("a", "b");
	watch(1, "a", 0, NULL);
	expect_error(ELOOP);
}

/* ---- what is watched goes and comes back ---- */

static void test_folder_comes_back(void **state _unused_) {
	int held;

	make_folder("w");
	make_folder("w/d");
	make_file("w/d/f", "x");
	watch(1, "w/d", PATHS_RECURSIVE, NULL);
	/* Somebody is in it, so the kernel keeps it. */
	held = open(full("w"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(held >= 0);
	delete_tree("w");
	expect(1, "", PATH_DELETED);
	assert_int_equal(events_of(1, "f"), PATH_DELETED);
	wait_until_idle();
	forget();
	make_folder("w");
	make_folder("w/d");
	make_file("w/d/g", "x");
	expect(1, "", PATH_CREATED);
	expect(1, "g", PATH_CREATED);
	wait_until_idle();
	forget();
	make_file("w/d/h", "x");
	expect(1, "h", PATH_CREATED);
	close(held);
	/* Its folder is moved away, and another one comes in its place. */
	forget();
	move("w", "v");
	expect(1, "", PATH_DELETED);
	wait_until_idle();
	forget();
	make_file("v/d/i", "x");
	make_folder("w");
	make_folder("w/d");
	make_file("w/d/j", "x");
	expect(1, "j", PATH_CREATED);
	expect_nothing_of(1, "i");
}

/* What the kernel watches that folder for; 0: nothing. */
static unsigned mask_of(const char *name) {
	char path[64], line[256];
	unsigned mask = 0;
	struct stat st;

	assert_int_equal(stat(full(name), &st), 0);
	for (int fd = PATHS_SOCKET_FD + 1; fd < 16; fd++) {
		unsigned long inode;
		unsigned found;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", paths_pid, fd);
		file = fopen(path, "re");
		while (file && fgets(line, sizeof(line), file))
			if (sscanf(line, "inotify wd:%*x ino:%lx sdev:%*x mask:%x", &inode, &found) == 2 &&
			    inode == st.st_ino)
				mask = found;
		if (file)
			fclose(file);
	}
	return mask;
}

/* Folders on the way wake nobody up while what is watched is there. */
static void test_quiet(void **state _unused_) {
	make_folder("a");
	make_folder("a/b");
	make_folder("a/b/c");
	watch(1, "a/b/c", 0, NULL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(mask_of("") & (IN_CREATE | IN_MOVE_SELF), IN_MOVE_SELF);
		assert_int_equal(mask_of("a") & (IN_CREATE | IN_MOVE_SELF), IN_MOVE_SELF);
		assert_int_equal(mask_of("a/b") & (IN_CREATE | IN_MODIFY), IN_CREATE);
		assert_int_equal(mask_of("a/b/c") & (IN_CREATE | IN_MODIFY), IN_CREATE | IN_MODIFY);
		delete ("a/b/c");
		wait_until_idle();
		assert_int_equal(mask_of("") & IN_CREATE, IN_CREATE);
		assert_int_equal(mask_of("a") & IN_CREATE, IN_CREATE);
		make_folder("a/b/c");
		wait_until_idle();
	}
	forget_watch(1);
	wait_until_idle();
	assert_int_equal(mask_of("a"), 0);
}

static void test_folder_replaced(void **state _unused_) {
	make_folder("d");
	make_folder("e");
	make_file("d/f", "x");
	make_file("e/f", "x");
	watch(1, "d", 0, NULL);
	assert_int_equal(renameat2(AT_FDCWD, full("d"), AT_FDCWD, full("e"), RENAME_EXCHANGE), 0);
	expect(1, "", PATH_MOVED);
	expect_rescan();
	wait_until_idle();
	forget();
	make_file("e/f", "not ours any more");
	make_file("d/g", "x");
	expect(1, "g", PATH_CREATED);
	expect_nothing_of(1, "f");
}

/* ---- several ---- */

static void test_several(void **state _unused_) {
	make_folder("d");
	make_file("d/f", "x");
	watch(1, "d", 0, NULL);
	watch(2, "d", PATHS_RECURSIVE, NULL);
	watch(3, "d/f", 0, NULL);
	make_file("d/f", "y");
	expect(1, "f", PATH_MODIFIED);
	expect(2, "f", PATH_MODIFIED);
	expect(3, "", PATH_MODIFIED);
	forget_watch(1);
	forget_watch(2);
	watch(4, "d/g", 0, NULL);
	forget();
	make_file("d/f", "z");
	make_file("d/g", "z");
	expect(3, "", PATH_MODIFIED);
	expect(4, "", PATH_CREATED);
	expect_nothing_of(1, "f");
	expect_nothing_of(2, "f");
}

/* What happens between the request and the first look. */
static void test_since(void **state _unused_) {
	struct timespec tick = { .tv_nsec = 20 * NSEC_PER_MSEC }, now;
	int64_t since_ns;

	make_file("old", "x");
	make_file("changed", "x");
	make_file("deleted", "x");
	make_folder("d");
	make_file("d/changed", "x");
	nanosleep(&tick, NULL); /* of the clock that files are marked with */
	clock_gettime(CLOCK_REALTIME, &now);
	since_ns = now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
	watch_since(since_ns, 1, "", PATHS_RECURSIVE, NULL);
	assert_int_equal(n_seen, 0);
	assert_int_equal(n_rescans, 0);
	nanosleep(&tick, NULL);
	make_file("changed", "y");
	make_file("d/changed", "y");
	make_file("new", "y");
	watch_since(since_ns, 2, "", PATHS_RECURSIVE, NULL);
	assert_int_equal(events_of(2, "changed"), PATH_MODIFIED);
	assert_int_equal(events_of(2, "d/changed"), PATH_MODIFIED);
	assert_true(events_of(2, "new") != 0);
	assert_int_equal(events_of(2, "old"), 0);
	assert_int_equal(n_rescans, 0);
	watch_since(since_ns, 3, "changed", 0, NULL);
	assert_int_equal(events_of(3, ""), PATH_MODIFIED);
	/* What is not there any more cannot be named. */
	nanosleep(&tick, NULL);
	delete ("deleted");
	watch_since(since_ns, 4, "", PATHS_RECURSIVE, NULL);
	assert_int_equal(n_rescans, 1);
	watch_since(since_ns, 5, "deleted", 0, NULL);
	assert_int_equal(n_rescans, 2);
	watch_since(since_ns, 6, "d/missing", 0, NULL); /* where nothing has gone */
	assert_int_equal(n_rescans, 2);
}

static void test_again(void **state _unused_) {
	make_file("f", "x");
	watch(1, "", PATHS_RECURSIVE | PATHS_AGAIN, NULL);
	assert_int_equal(n_rescans, 1);
	watch(2, "f", PATHS_AGAIN, NULL);
	assert_int_equal(n_rescans, 2);
}

/* More events than the kernel keeps: it is said, and then all is watched again, what has come to be meanwhile too. */
static void test_overflow(void **state _unused_) {
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	unsigned long limit = 16384;

	if (file) {
		assert_int_equal(fscanf(file, "%lu", &limit), 1);
		fclose(file);
	}
	if (limit > 200000)
		skip();
	make_folder("d");
	make_file("d/a", "x");
	watch(1, "", PATHS_RECURSIVE, NULL);
	watch(2, "f", 0, NULL);
	assert_int_equal(kill(paths_pid, SIGSTOP), 0);
	for (unsigned long i = 0; i < limit / 4 + 100; i++) {
		move("d/a", "d/b");
		move("d/b", "d/a");
	}
	make_folder("d/new");
	assert_int_equal(kill(paths_pid, SIGCONT), 0);
	while (n_rescans < 2)
		assert_true(receive(PATIENCE_MS));
	wait_until_idle();
	forget();
	make_file("d/new/f", "x");
	make_file("f", "x");
	expect(1, "d/new/f", PATH_CREATED);
	expect(2, "", PATH_CREATED);
}

/* A folder that nobody may look into is passed over below a watched one, and is an error if it is the one. */
static void test_not_permitted(void **state _unused_) {
	if (geteuid() == 0)
		skip();
	make_folder("d");
	make_folder("d/closed");
	assert_int_equal(chmod(full("d/closed"), 0), 0);
	watch(1, "d", PATHS_RECURSIVE, NULL);
	assert_int_equal(error_seen, 0);
	watch(2, "d/closed", 0, NULL);
	expect_error(EACCES);
	assert_int_equal(chmod(full("d/closed"), 0700), 0);
}

static void test_root(void **state _unused_) {
	watch(1, "/", 0, NULL);
	watch(2, "/.././/tmp/", 0, NULL);
	assert_int_equal(error_seen, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_touched, setup, teardown),
		cmocka_unit_test_setup_teardown(test_recursive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moved_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exclude, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_link_on_the_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loop_of_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folder_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_quiet, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folder_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_several, setup, teardown),
		cmocka_unit_test_setup_teardown(test_since, setup, teardown),
		cmocka_unit_test_setup_teardown(test_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overflow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_permitted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_root, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
