/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every kind of descriptor that a stranger may send: what it is taken for, and whether the kernel waits for those that are watched. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "daemon/core/process.h"
#include "daemon/rpc/descriptor.h"

static char directory[64];

static const char *path_of(const char *name) {
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

/* ---- how to get one of each; -1: not here ---- */

static int second_of(int fds[2]) {
	close_fd(fds[0]);
	return fds[1];
}

static int make_pipe_read(void) {
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	close_fd(fds[1]);
	return fds[0];
}

static int make_pipe_write(void) {
	int fds[2];

	return pipe2(fds, O_CLOEXEC) < 0 ? -1 : second_of(fds);
}

static int make_fifo(void) {
	(void)mkfifo(path_of("fifo"), 0600);
	return open(path_of("fifo"), O_RDWR | O_CLOEXEC | O_NONBLOCK);
}

/* Its name is as good as any other. */
static int make_fifo_with_a_name(void) {
	(void)mkfifo(path_of("pipe:[1]"), 0600);
	return open(path_of("pipe:[1]"), O_RDWR | O_CLOEXEC | O_NONBLOCK);
}

static int make_regular_with_a_name(void) {
	return open(path_of("socket:[1]"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static int make_unix_stream(void) {
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ? -1 : second_of(fds);
}

static int make_unix_seqpacket(void) {
	int fds[2];

	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 ? -1 : second_of(fds);
}

static int make_tcp(void) {
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int make_udp(void) {
	return socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static int make_netlink(void) {
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static int make_eventfd(void) {
	return eventfd(0, EFD_CLOEXEC);
}

static int make_timerfd(void) {
	return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
}

static int make_inotify(void) {
	return inotify_init1(IN_CLOEXEC);
}

static int make_pidfd(void) {
	return (int)syscall(SYS_pidfd_open, getpid(), 0);
}

static int make_terminal_master(void) {
	return posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static int make_terminal(void) {
	int master = make_terminal_master();
	int fd = master < 0 || grantpt(master) < 0 || unlockpt(master) < 0
			 ? -1
			 : open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);

	close_fd(master);
	return fd;
}

static int make_console(void) {
	return open("/dev/tty0", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
}

static int make_regular(void) {
	return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

static int make_deleted(void) {
	int fd = open(path_of("deleted"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)unlink(path_of("deleted"));
	return fd;
}

static int make_procfs(void) {
	return open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);
}

static int make_pressure(void) {
	return open("/proc/pressure/cpu", O_RDONLY | O_CLOEXEC);
}

static int make_memfd(void) {
	return memfd_create("test", MFD_CLOEXEC);
}

static int make_directory(void) {
	return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int make_path(void) {
	return open(path_of("fifo"), O_PATH | O_CLOEXEC);
}

static int make_path_of_link(void) {
	return open("/proc/self", O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

static int make_null(void) {
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static int make_zero(void) {
	return open("/dev/zero", O_RDWR | O_CLOEXEC);
}

static int make_fuse(void) {
	return open("/dev/fuse", O_RDWR | O_CLOEXEC);
}

static int make_block(void) {
	return open("/dev/loop0", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static int make_epoll(void) {
	return epoll_create1(EPOLL_CLOEXEC);
}

static int make_io_uring(void) {
	struct io_uring_params params = { 0 };

	return (int)syscall(SYS_io_uring_setup, 1, &params);
}

static int make_signalfd(void) {
	sigset_t set;

	sigemptyset(&set);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int make_userfaultfd(void) {
	return (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
}

static int make_fanotify(void) {
	return fanotify_init(FAN_CLOEXEC, O_RDONLY);
}

static int make_perf_event(void) {
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.exclude_kernel = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static int make_namespace(void) {
	return open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
}

static int make_map(void) {
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };

	return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

/* ---- the table of PROTOCOL.md ---- */

static const struct {
	const char *name;
	int (*make)(void);
	enum descriptor_kind kind;
	const char *what; /* OTHER */
} table[] = {
	{ "a pipe, to read", make_pipe_read, DESCRIPTOR_PIPE, NULL },
	{ "a pipe, to write", make_pipe_write, DESCRIPTOR_PIPE, NULL },
	{ "a fifo", make_fifo, DESCRIPTOR_FIFO, NULL },
	{ "a fifo named pipe:[1]", make_fifo_with_a_name, DESCRIPTOR_FIFO, NULL },
	{ "a Unix stream", make_unix_stream, DESCRIPTOR_SOCKET, NULL },
	{ "Unix packets", make_unix_seqpacket, DESCRIPTOR_SOCKET, NULL },
	{ "TCP", make_tcp, DESCRIPTOR_SOCKET, NULL },
	{ "UDP", make_udp, DESCRIPTOR_SOCKET, NULL },
	{ "netlink", make_netlink, DESCRIPTOR_SOCKET, NULL },
	{ "an eventfd", make_eventfd, DESCRIPTOR_EVENTFD, NULL },
	{ "a timerfd", make_timerfd, DESCRIPTOR_TIMERFD, NULL },
	{ "inotify", make_inotify, DESCRIPTOR_INOTIFY, NULL },
	{ "a pidfd", make_pidfd, DESCRIPTOR_PIDFD, NULL },
	{ "a pseudo terminal's master", make_terminal_master, DESCRIPTOR_TERMINAL, NULL },
	{ "a pseudo terminal", make_terminal, DESCRIPTOR_TERMINAL, NULL },
	{ "a console", make_console, DESCRIPTOR_TERMINAL, NULL },
	{ "a regular file", make_regular, DESCRIPTOR_OTHER, "a regular file, which is always ready" },
	{ "a file named socket:[1]", make_regular_with_a_name, DESCRIPTOR_OTHER,
	  "a regular file, which is always ready" },
	{ "a deleted file", make_deleted, DESCRIPTOR_OTHER, "a regular file, which is always ready" },
	{ "a file of /proc", make_procfs, DESCRIPTOR_OTHER, "a regular file, which is always ready" },
	{ "pressure", make_pressure, DESCRIPTOR_OTHER, "a regular file, which is always ready" },
	{ "a memfd", make_memfd, DESCRIPTOR_OTHER, "a regular file, which is always ready" },
	{ "a directory", make_directory, DESCRIPTOR_OTHER, "a directory" },
	{ "a fifo's path", make_path, DESCRIPTOR_OTHER, "opened with O_PATH, for its name alone" },
	{ "a link's path", make_path_of_link, DESCRIPTOR_OTHER, "opened with O_PATH, for its name alone" },
	{ "/dev/null", make_null, DESCRIPTOR_OTHER, "a device that is no terminal" },
	{ "/dev/zero", make_zero, DESCRIPTOR_OTHER, "a device that is no terminal" },
	{ "/dev/fuse", make_fuse, DESCRIPTOR_OTHER, "a device that is no terminal" },
	{ "a block device", make_block, DESCRIPTOR_OTHER, "a block device" },
	{ "epoll", make_epoll, DESCRIPTOR_OTHER, "an epoll" },
	{ "io_uring", make_io_uring, DESCRIPTOR_OTHER, "an io_uring" },
	{ "a signalfd", make_signalfd, DESCRIPTOR_OTHER, "a signalfd, which tells each process of its own signals" },
	{ "a userfaultfd", make_userfaultfd, DESCRIPTOR_OTHER, "a userfaultfd" },
	{ "fanotify", make_fanotify, DESCRIPTOR_OTHER, "a fanotify" },
	{ "a perf event", make_perf_event, DESCRIPTOR_OTHER, "anon_inode:[perf_event]" },
	{ "a namespace", make_namespace, DESCRIPTOR_OTHER, NULL },
	{ "a map of BPF", make_map, DESCRIPTOR_OTHER, "anon_inode:bpf-map" },
};

static void test_table(void **state) {
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	unsigned seen = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };
		struct descriptor descriptor;
		int fd = table[i].make();

		if (fd < 0) {
			print_message("not here: %s: %s\n", table[i].name, strerror(errno));
			continue;
		}
		seen++;
		descriptor_look(&descriptor, fd);
		if (descriptor.kind != table[i].kind)
			fail_msg("%s is taken for %d, %s", table[i].name, descriptor.kind, descriptor.what);
		if (table[i].what)
			assert_string_equal(descriptor.what, table[i].what);
		else
			assert_int_equal(descriptor.what[0] != '\0', descriptor.kind == DESCRIPTOR_OTHER);
		if (descriptor.kind != DESCRIPTOR_OTHER)
			assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
		assert_int_equal(close(fd), 0);
	}
	close_fd(epoll);
	assert_true(seen >= 20);
}

static void test_closed(void **state) {
	struct descriptor descriptor;
	int fd = make_eventfd();

	(void)state;
	close_fd(fd);
	descriptor_look(&descriptor, fd);
	assert_int_equal(descriptor.kind, DESCRIPTOR_OTHER);
	assert_string_equal(descriptor.what, "not open");
}

/* What has no lock that others can hold. */
static void test_closes_at_once(void **state) {
	static const enum descriptor_kind always[] = { DESCRIPTOR_EVENTFD, DESCRIPTOR_TIMERFD, DESCRIPTOR_PIDFD };
	static const enum descriptor_kind never[] = { DESCRIPTOR_FIFO, DESCRIPTOR_SOCKET, DESCRIPTOR_TERMINAL,
						      DESCRIPTOR_INOTIFY, DESCRIPTOR_OTHER };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		assert_true(descriptor_closes_at_once(always[i], false));
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		assert_false(descriptor_closes_at_once(never[i], true));
	assert_true(descriptor_closes_at_once(DESCRIPTOR_PIPE, true));
	assert_false(descriptor_closes_at_once(DESCRIPTOR_PIPE, false));
}

/* Sockets of a listener with that name: those who connect, those that are accepted, and the listener. */
static void test_sessions(void **state) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), other, client, session, pair[2];

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%.*s", (int)sizeof(address.sun_path) - 1,
		 path_of("socket"));
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 8), 0);
	client = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	session = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(session >= 0);
	assert_true(descriptor_is_of_session(client, session));
	assert_true(descriptor_is_of_session(session, session));
	assert_true(descriptor_is_of_session(listener, session));

	/* Other sockets, with and without names. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_false(descriptor_is_of_session(pair[0], session));
	assert_false(descriptor_is_of_session(pair[0], pair[1]));
	other = make_tcp();
	assert_false(descriptor_is_of_session(other, session));
	close_fd(other);
	other = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.*s", (int)sizeof(address.sun_path) - 1,
		 path_of("socket2"));
	assert_int_equal(bind(other, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_false(descriptor_is_of_session(other, session));
	close_fd(other);
	close_fd(pair[0]);
	close_fd(pair[1]);
	close_fd(client);
	close_fd(session);
	close_fd(listener);
}

static void test_process(void **state) {
	int fd = make_pidfd();

	skip_in_valgrind();
	(void)state;
	assert_int_equal(process_of(fd), getpid());
	assert_false(process_has_ended(fd));
	close_fd(fd);
}

static int make_folder(void **state) {
	(void)state;
	snprintf(directory, sizeof(directory), "%s/test-descriptor.XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_folder(void **state) {
	static const char *const names[] = { "fifo", "pipe:[1]", "socket:[1]", "socket", "socket2" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unlink(path_of(names[i]));
	return rmdir(directory);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),    cmocka_unit_test(test_closed),  cmocka_unit_test(test_closes_at_once),
		cmocka_unit_test(test_sessions), cmocka_unit_test(test_process),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
