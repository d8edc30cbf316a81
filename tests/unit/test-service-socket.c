/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The path of the daemon's socket: whose it is, and how it is found no more. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/svc/socket.h"

#define N_OTHERS 6

static char directory[32], path[64], lock_path[80], old_path[80];

static int setup(void **state _unused_) {
	strcpy(directory, "/tmp/test-socket-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	snprintf(old_path, sizeof(old_path), "%s.old", path);
	return 0;
}

static int teardown(void **state _unused_) {
	(void)unlink(path);
	(void)unlink(lock_path);
	return rmdir(directory);
}

static struct service_socket open_socket(void) {
	struct service_socket socket = SERVICE_SOCKET_INIT;

	assert_int_equal(service_socket_open(&socket, path), 0);
	return socket;
}

/* As the service manager does: it knows of no lock. */
static int listen_without_lock(int type) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 0), 0);
	return fd;
}

/* Return: the descriptor; -1: nobody listens. */
static int try_connect(void) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? fd : close_fd(fd);
}

static bool exists(const char *name) {
	struct stat st;

	return lstat(name, &st) == 0;
}

static void test_beginning_and_end(void **state _unused_) {
	struct service_socket socket = open_socket(), second = SERVICE_SOCKET_INIT;
	struct stat st;
	int fd;

	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_not_equal(fcntl(socket.fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_not_equal(fcntl(socket.fd, F_GETFD) & FD_CLOEXEC, 0);
	fd = try_connect();
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(service_socket_open(&second, path), SERVICE_SOCKET_E_BUSY);
	assert_null(second.path);
	service_socket_close(&socket);
	assert_false(exists(path));
	assert_false(exists(lock_path));
	service_socket_close(&socket); /* twice is fine */
	socket = open_socket();
	service_socket_close(&socket);
}

static void test_what_is_there(void **state _unused_) {
	struct service_socket socket = open_socket(), other = SERVICE_SOCKET_INIT;
	char target[80], longest[128];
	int fd;

	/* Left by a daemon that was killed. */
	close_fd(socket.fd);
	close_fd(socket.lock_fd);
	free(socket.path);
	free(socket.lock_path);
	assert_true(exists(path));
	assert_true(exists(lock_path));
	socket = open_socket();
	service_socket_close(&socket);

	/* No socket. */
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_equal(service_socket_open(&other, path), SERVICE_SOCKET_E_NO_SOCKET);
	assert_true(exists(path));
	assert_false(exists(lock_path));
	assert_int_equal(unlink(path), 0);
	snprintf(target, sizeof(target), "%s/target", directory);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(service_socket_open(&other, path), SERVICE_SOCKET_E_NO_SOCKET);
	assert_false(exists(lock_path));
	assert_int_equal(unlink(path), 0);

	/* Somebody's file in the place of the lock. */
	fd = open(lock_path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(close(fd), 0);
	socket = open_socket();
	service_socket_close(&socket);
	assert_true(exists(lock_path));
	assert_int_equal(unlink(lock_path), 0);
	assert_int_equal(symlink(target, lock_path), 0);
	assert_int_equal(service_socket_open(&other, path), -ELOOP);

	memset(longest, 'x', sizeof(longest));
	longest[sizeof(((struct sockaddr_un *)0)->sun_path)] = '\0';
	assert_int_equal(service_socket_open(&other, longest), SERVICE_SOCKET_E_TOO_LONG);
	assert_int_equal(service_socket_open(&other, "/nowhere/socket"), -ENOENT);
	assert_int_equal(other.fd, -1);
}

/* Whoever listens there, with a queue that is empty or full and of whatever kind, is left alone. */
static void test_what_somebody_serves(void **state _unused_) {
	static const int types[] = { SOCK_SEQPACKET, SOCK_STREAM };
	struct service_socket socket = SERVICE_SOCKET_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		int fd = listen_without_lock(types[i]);

		for (unsigned j = 0; j < 3; j++)
			assert_int_equal(service_socket_open(&socket, path), SERVICE_SOCKET_E_BUSY);
		assert_false(exists(lock_path));
		assert_true(exists(path));
		/* Nobody listens any more. */
		close_fd(fd);
		socket = open_socket();
		service_socket_close(&socket);
	}
}

/* Who hangs up as soon as that is waited for; −1: nobody. */
static int dying_fd = -1;

int __real_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms) {
	dying_fd = close_fd(dying_fd);
	return __real_poll(fds, n, timeout_ms);
}

/* A daemon that is killed may have let go of its lock, and not of its socket yet. */
static void test_what_a_dying_one_serves(void **state _unused_) {
	struct service_socket socket;

	dying_fd = listen_without_lock(SOCK_SEQPACKET);
	socket = open_socket();
	assert_int_equal(dying_fd, -1);
	service_socket_close(&socket);
}

/* A daemon that has been killed, and a process that has all of its descriptors and ends when it is called. */
static void leave_over(void) {
	struct service_socket socket = open_socket();
	struct pollfd poll_fd = { .fd = socket.fd, .events = POLLIN };

	pid_t pid = fork();

	if (pid == 0)
		(void)poll(&poll_fd, 1, 10000);
	_exit(pid < 0);
}

/* What is left of a daemon does not serve, though it has its lock and its socket. */
static void test_what_is_left_over(void **state _unused_) {
	struct service_socket socket;
	pid_t pid;
	int status;

	skip_in_valgrind(); /* it knows no pidfds */
	pid = fork();
	if (pid == 0)
		leave_over();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	socket = open_socket();
	service_socket_close(&socket);
}

/* A daemon that holds the lock and does not answer is coming or going: it is waited for. */
static void test_lock_that_is_let_go(void **state _unused_) {
	struct service_socket socket;
	int lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	pid_t pid;

	assert_int_equal(flock(lock_fd, LOCK_EX), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct timespec pause = { .tv_nsec = 50 * NSEC_PER_MSEC };

		(void)nanosleep(&pause, NULL);
		(void)flock(lock_fd, LOCK_UN);
		_exit(0);
	}
	close_fd(lock_fd);
	socket = open_socket();
	service_socket_close(&socket);
}

/* Many come and go, and two are never there at once, though each removes its lock. */
static void test_locks_that_go(void **state _unused_) {
	struct {
		_Atomic int there, n_opened;
	} *all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int n_together = 0, n_failed = 0, status;

	assert_true(all != MAP_FAILED);
	for (unsigned i = 0; i < N_OTHERS; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid > 0)
			continue;
		for (unsigned j = 0; j < 200; j++) {
			struct service_socket socket = SERVICE_SOCKET_INIT;

			int r = service_socket_open(&socket, path);

			n_failed += r != 0 && r != SERVICE_SOCKET_E_BUSY;
			if (r != 0)
				continue;
			n_together += atomic_fetch_add(&all->there, 1);
			(void)sched_yield();
			(void)atomic_fetch_sub(&all->there, 1);
			(void)atomic_fetch_add(&all->n_opened, 1);
			service_socket_close(&socket);
		}
		_exit(n_together > 0 || n_failed > 0);
	}
	for (unsigned i = 0; i < N_OTHERS; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_false(exists(lock_path));
	assert_false(exists(path));
	assert_true(all->n_opened >= N_OTHERS);
	(void)munmap(all, sizeof(*all));
}

static void late(void *userdata _unused_, int fd _unused_) {
	fail_msg("somebody came late");
}

static void test_withdrawal(void **state _unused_) {
	struct service_socket socket = open_socket(), second = SERVICE_SOCKET_INIT;
	int fd = try_connect(), accepted;

	/* Somebody waits. */
	assert_false(service_socket_withdraw(&socket, late, NULL));
	assert_true(exists(path));
	assert_false(exists(old_path));
	accepted = accept(socket.fd, NULL, NULL);
	assert_true(accepted >= 0);
	assert_int_equal(close(accepted), 0);
	assert_int_equal(close(fd), 0);

	assert_true(service_socket_withdraw(&socket, late, NULL));
	assert_false(exists(path));
	assert_false(exists(old_path));
	assert_int_equal(try_connect(), -1);
	/* The next one is let in by the end, not before. */
	assert_int_equal(service_socket_open(&second, path), SERVICE_SOCKET_E_BUSY);
	service_socket_close(&socket);
	second = open_socket();
	service_socket_close(&socket); /* the first one's */
	assert_true(exists(path));
	service_socket_close(&second);

	socket = (struct service_socket)SERVICE_SOCKET_INIT; /* systemd's */
	assert_true(service_socket_withdraw(&socket, late, NULL));
}

/* At the end nobody is let in any more, and the next one waits until the lock is let go. */
static void test_stop(void **state _unused_) {
	struct service_socket socket = open_socket();
	int fd = try_connect();
	char byte;

	assert_true(fd >= 0);
	service_socket_stop(&socket);
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(close(fd), 0);
	assert_false(exists(path));
	assert_int_equal(try_connect(), -1);
	fd = open(lock_path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	service_socket_stop(&socket); /* twice is fine */
	service_socket_close(&socket);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(close(fd), 0);
	assert_false(exists(lock_path));
}

/* Who connects while it withdraws, from another thread. */
static void *connect_often(void *userdata) {
	_Atomic bool *end = userdata;
	uintptr_t n = 0;

	while (!atomic_load(end)) {
		int fd = try_connect();
		char byte;

		if (fd < 0)
			continue;
		/* Whoever could connect gets an answer; where the end overtakes it, at the second look. */
		(void)fcntl(fd, F_SETFL, 0);
		n += recv(fd, &byte, 1, 0) != 1 && recv(fd, &byte, 1, 0) != 1;
		close(fd);
	}
	return (void *)n;
}

static uintptr_t n_taken;

static void take(void *userdata _unused_, int fd) {
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
	close(fd);
	n_taken++;
}

static void take_all(const struct service_socket *socket) {
	int fd;

	while ((fd = accept4(socket->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		take(NULL, fd);
}

/* Nobody who could connect is dropped, whenever he does. */
static void test_withdrawal_in_a_crowd(void **state _unused_) {
	struct service_socket socket;
	_Atomic bool end = false;
	pthread_t thread;
	void *dropped;

	if (is_in_valgrind())
		skip(); /* it runs one thread at a time */
	socket = open_socket();
	n_taken = 0;
	(void)fcntl(socket.fd, F_SETFL, O_NONBLOCK);
	assert_int_equal(pthread_create(&thread, NULL, connect_often, &end), 0);
	for (unsigned i = 0; i < 20000; i++) {
		if (service_socket_withdraw(&socket, take, NULL)) {
			service_socket_close(&socket);
			socket = open_socket();
		}
		take_all(&socket);
	}
	atomic_store(&end, true);
	/* The last one may wait. */
	while (pthread_tryjoin_np(thread, &dropped) != 0)
		take_all(&socket);
	assert_true(n_taken > 0);
	assert_int_equal((uintptr_t)dropped, 0);
	service_socket_close(&socket);
}

/* The path leads to somebody else now. */
static void test_socket_of_another(void **state _unused_) {
	struct service_socket first = open_socket(), second;
	int fd;

	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(lock_path), 0);
	second = open_socket();
	assert_true(service_socket_withdraw(&first, late, NULL));
	service_socket_close(&first);
	fd = try_connect();
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	service_socket_close(&second);
	assert_false(exists(path));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_beginning_and_end),
		TEST(test_what_is_there),
		TEST(test_what_somebody_serves),
		TEST(test_what_a_dying_one_serves),
		TEST(test_what_is_left_over),
		TEST(test_locks_that_go),
		TEST(test_lock_that_is_let_go),
		TEST(test_withdrawal_in_a_crowd),
		TEST(test_withdrawal),
		TEST(test_socket_of_another),
		TEST(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
