/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the path of the daemon's socket.  Whoever holds the lock at PATH.lock may remove the socket, and that file, if
 * nobody listens there who knows of no lock, as the service manager does.
 */

#include "daemon/svc/socket.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#define BACKLOG 1024 /* a burst of scripts must not be refused */
#define LOCK_PAUSE_NS (10 * NSEC_PER_MSEC)
#define LOCK_PATIENCE_NS (3 * NSEC_PER_SEC)
#define HANG_UP_MS 100
#define LOOKS 30 /* as patient as for the lock */

/* Return: a connection to whoever listens there, −errno. */
static int call(const struct sockaddr_un *address) {
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* `r` is what call() returned.  A queue that is full is somebody's, and so is a socket of another kind. */
static bool is_somebody(int r) {
	return r >= 0 || r == -EAGAIN || r == -EPROTOTYPE;
}

/*
 * Has the process that listened there ended, or does it do so in a moment, for it was killed?  Then a closer of its own (peer/closers.h), with
 * which it had its descriptors in common, is about to end as well, and has the lock and the socket until then.  `fd` is what call() returned.
 */
static bool is_left_over(int fd) {
	_cleanup_close_ int pid_fd = -1;
	struct ucred listener = { 0 };
	socklen_t size = sizeof(listener);
	struct pollfd end = { .events = POLLIN };

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &size) < 0 || listener.pid <= 0)
		return false;
	pid_fd = end.fd = (int)syscall(SYS_pidfd_open, listener.pid, 0);
	return pid_fd < 0 ? errno == ESRCH : poll(&end, 1, HANG_UP_MS) == 1;
}

static bool is_served(const struct sockaddr_un *address) {
	_cleanup_close_ int fd = call(address);

	return is_somebody(fd) && !is_left_over(fd);
}

/*
 * We hold the lock, so whoever listens there is no daemon that made its socket itself, or one that has just been
 * killed: that lets go of the lock and of the socket in no order, and then hangs up.
 * Return: 0: nobody, SERVICE_SOCKET_E_BUSY: somebody, −errno: that cannot be known.
 */
static int look_for_others(const struct sockaddr_un *address) {
	for (unsigned i = 0; i < LOOKS; i++) {
		_cleanup_close_ int fd = call(address);
		struct pollfd hang_up = { .fd = fd };

		if (fd == -ECONNREFUSED || fd == -ENOENT)
			return 0;
		if (!is_somebody(fd))
			return fd;
		if (fd < 0 || (poll(&hang_up, 1, HANG_UP_MS) == 0 && !is_left_over(fd)))
			return SERVICE_SOCKET_E_BUSY;
	}
	return SERVICE_SOCKET_E_BUSY;
}

/* ---- the lock ---- */

/* The lock may be held by a daemon that does not listen yet, or no more; or by what is left of one. */
static int wait_for_lock(int fd, const struct sockaddr_un *address) {
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };

	for (int64_t waited = 0;; waited += LOCK_PAUSE_NS) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			return -errno;
		if (waited >= LOCK_PATIENCE_NS || is_served(address))
			return SERVICE_SOCKET_E_BUSY;
		(void)nanosleep(&pause, NULL);
	}
}

/* Is it this file that has the name? */
static bool has_name(int fd, const char *path) {
	struct stat by_fd, by_name;

	return fstat(fd, &by_fd) == 0 && lstat(path, &by_name) == 0 && by_fd.st_dev == by_name.st_dev &&
	       by_fd.st_ino == by_name.st_ino;
}

static int take_lock(struct service_socket *socket, const struct sockaddr_un *address) {
	if (asprintf(&socket->lock_path, "%s.lock", address->sun_path) < 0) {
		socket->lock_path = NULL;
		return -ENOMEM;
	}
	for (;;) {
		_cleanup_close_ int fd =
			open(socket->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
		int r = fd < 0 ? -errno : wait_for_lock(fd, address);

		if (r != 0)
			return r;
		/* Who had it before us has removed it, and somebody else may have the lock of a new one. */
		if (!has_name(fd, socket->lock_path))
			continue;
		socket->lock_fd = TAKE_FD(fd);
		return 0;
	}
}

/* Nobody writes into ours: somebody's file may have had that name before. */
static bool is_only_lock(int fd) {
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0;
}

/* The file goes with the lock: a name in somebody's directory may be in his way. */
static void drop_lock(struct service_socket *socket) {
	if (socket->lock_fd >= 0 && is_only_lock(socket->lock_fd) && has_name(socket->lock_fd, socket->lock_path))
		(void)unlink(socket->lock_path);
	socket->lock_fd = close_fd(socket->lock_fd);
	free(TAKE_PTR(socket->lock_path));
}

/* ---- the socket ---- */

/* Return: 0: a socket or nothing, SERVICE_SOCKET_E_NO_SOCKET, −errno. */
static int look(const char *path) {
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	return S_ISSOCK(st.st_mode) ? 0 : SERVICE_SOCKET_E_NO_SOCKET;
}

/* We hold the lock.  Return: 0: nothing is there any more, SERVICE_SOCKET_E_BUSY, _NO_SOCKET, −errno. */
static int remove_stale(const struct sockaddr_un *address) {
	int r = look(address->sun_path);

	if (r == 0)
		r = look_for_others(address);
	if (r != 0)
		return r;
	return unlink(address->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int listen_at(const struct sockaddr_un *address, int *ret_fd) {
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mode_t mask;
	int r;

	if (fd < 0)
		return -errno;
	mask = umask(0177);
	r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	(void)umask(mask);
	if (r < 0)
		return r;
	if (listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* What is at that path is ours. */
static int remember_name(struct service_socket *socket, const char *path) {
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	socket->device = st.st_dev;
	socket->inode = st.st_ino;
	socket->path = strdup(path);
	return socket->path ? 0 : -ENOMEM;
}

int service_socket_open(struct service_socket *ret, const char *path) {
	struct service_socket result = SERVICE_SOCKET_INIT;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return SERVICE_SOCKET_E_TOO_LONG;
	memcpy(address.sun_path, path, strlen(path));
	/* Before anything is left beside it. */
	r = look(path);
	if (r == 0)
		r = take_lock(&result, &address);
	if (r == 0)
		r = remove_stale(&address);
	if (r == 0)
		r = listen_at(&address, &result.fd);
	if (r == 0)
		r = remember_name(&result, path);
	if (r != 0) {
		close_fd(result.fd);
		drop_lock(&result);
		return r;
	}
	*ret = result;
	return 0;
}

/* The directory is in /tmp, where everybody may make it first. */
static int open_private_directory(const char *path, int *ret_fd) {
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENOTDIR || errno == EACCES ? SERVICE_SOCKET_E_UNSAFE : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return SERVICE_SOCKET_E_UNSAFE;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0 && errno != EWOULDBLOCK)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int service_socket_open_private(struct service_socket *ret) {
	_cleanup_close_ int directory_fd = -1;
	char directory[64], path[80];
	int r;

	snprintf(directory, sizeof(directory), "/tmp/evloopd-%lu", (unsigned long)geteuid());
	snprintf(path, sizeof(path), "%s/socket", directory);
	r = open_private_directory(directory, &directory_fd);
	if (r != 0)
		return r;
	r = service_socket_open(ret, path);
	if (r == 0)
		ret->directory_fd = TAKE_FD(directory_fd);
	return r;
}

/* Is it?  Who removes the directory lets another daemon begin there while we go on unseen. */
static bool is_ours(const struct service_socket *socket) {
	struct stat st;

	return socket->path && lstat(socket->path, &st) == 0 && st.st_dev == socket->device &&
	       st.st_ino == socket->inode;
}

/* Listen at the same path again, with another socket.  Return: 0, −errno. */
static int listen_again(struct service_socket *socket) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_free_ char *path = TAKE_PTR(socket->path);
	int fd, r;

	memcpy(address.sun_path, path, strlen(path));
	r = listen_at(&address, &fd);
	if (r < 0)
		return r;
	close_fd(socket->fd);
	socket->fd = fd;
	return remember_name(socket, path);
}

/*
 * Who had found the name before it was taken away may come as late as he likes, so the socket has to be shut.  Whoever was in
 * time, and that may be after we looked, is in its queue; but it listens no more.
 */
static bool shut(struct service_socket *socket, void (*accepted)(void *userdata, int fd), void *userdata) {
	bool late = false;
	int fd;

	(void)shutdown(socket->fd, SHUT_RDWR);
	while ((fd = accept4(socket->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		accepted(userdata, fd);
		late = true;
	}
	return late;
}

bool service_socket_withdraw(struct service_socket *socket, void (*accepted)(void *userdata, int fd), void *userdata) {
	struct pollfd poll_fd = { .fd = socket->fd, .events = POLLIN };
	_cleanup_free_ char *aside = NULL;
	bool late;

	/* A name that was taken away can be given back, other than one that was removed. */
	if (!is_ours(socket) || asprintf(&aside, "%s.old", socket->path) < 0 || rename(socket->path, aside) < 0)
		return true;
	if (poll(&poll_fd, 1, 0) > 0 && rename(aside, socket->path) == 0)
		return false;
	late = shut(socket, accepted, userdata);
	(void)unlink(aside);
	if (late && listen_again(socket) == 0)
		return false;
	free(TAKE_PTR(socket->path));
	return !late;
}

void service_socket_stop(struct service_socket *socket) {
	if (is_ours(socket))
		(void)unlink(socket->path);
	socket->fd = close_fd(socket->fd);
	free(TAKE_PTR(socket->path));
}

void service_socket_close(struct service_socket *socket) {
	service_socket_stop(socket);
	drop_lock(socket);
	socket->directory_fd = close_fd(socket->directory_fd);
}
