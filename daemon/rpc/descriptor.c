/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the table of what is watched and what is not.  The name of a descriptor in /proc is made by the kernel, without asking the
 * file system; a name that begins with a slash may be anything's, and then the kind of file is asked for, of what is known already.
 *
 * Knows nothing of requests, and changes nothing.
 */

#include "daemon/rpc/descriptor.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* What has no path.  A name that ends in '[' goes on with a number. */
static const struct {
	const char *name;
	enum descriptor_kind kind;
	const char *what; /* OTHER; NULL: what the name says */
} names[] = {
	{ "pipe:[", DESCRIPTOR_PIPE, NULL },
	{ "socket:[", DESCRIPTOR_SOCKET, NULL },
	{ "pidfd:[", DESCRIPTOR_PIDFD, NULL },
	{ "anon_inode:[pidfd]", DESCRIPTOR_PIDFD, NULL },
	{ "anon_inode:[eventfd]", DESCRIPTOR_EVENTFD, NULL },
	{ "anon_inode:[timerfd]", DESCRIPTOR_TIMERFD, NULL },
	{ "anon_inode:inotify", DESCRIPTOR_INOTIFY, NULL },
	{ "anon_inode:[eventpoll]", DESCRIPTOR_OTHER, "an epoll" },
	{ "anon_inode:[io_uring]", DESCRIPTOR_OTHER, "an io_uring" },
	{ "anon_inode:[signalfd]", DESCRIPTOR_OTHER, "a signalfd, which tells each process of its own signals" },
	{ "anon_inode:[userfaultfd]", DESCRIPTOR_OTHER, "a userfaultfd" },
	{ "anon_inode:[fanotify]", DESCRIPTOR_OTHER, "a fanotify" },
};

/* Majors of terminals, from the kernel's admin-guide/devices.txt. */
static const struct {
	unsigned first, last;
} terminals[] = {
	{ 2, 5 }, /* old pseudo terminals, consoles, ttyS, /dev/tty, /dev/ptmx */
	{ 136, 143 }, /* pseudo terminals */
	{ 166, 166 }, /* ttyACM */
	{ 188, 188 }, /* ttyUSB */
	{ 204, 204 }, /* ttyAMA and others */
	{ 229, 229 }, /* hvc */
};

static void set_other(struct descriptor *ret, const char *what) {
	ret->kind = DESCRIPTOR_OTHER;
	(void)snprintf(ret->what, sizeof(ret->what), "%.*s", (int)sizeof(ret->what) - 1, what);
}

static bool is_named(const char *name, const char *pattern) {
	size_t n = strlen(pattern);

	return pattern[n - 1] == '[' ? strncmp(name, pattern, n) == 0 : strcmp(name, pattern) == 0;
}

static void look_at_name(struct descriptor *ret, const char *name) {
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (is_named(name, names[i].name)) {
			ret->kind = names[i].kind;
			if (names[i].what)
				set_other(ret, names[i].what);
			return;
		}
	set_other(ret, name);
}

static void look_at_device(struct descriptor *ret, unsigned major) {
	for (size_t i = 0; i < ARRAY_SIZE(terminals); i++)
		if (major >= terminals[i].first && major <= terminals[i].last) {
			ret->kind = DESCRIPTOR_TERMINAL;
			return;
		}
	set_other(ret, "a device that is no terminal");
}

/* A file that has, or had, a path. */
static void look_at_file(struct descriptor *ret, int fd) {
	struct statx stx;

	/* DONT_SYNC: what is not known here is not asked for elsewhere. */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &stx) < 0) {
		set_other(ret, "a file of which nothing is known");
		return;
	}
	switch (stx.stx_mode & S_IFMT) {
	case S_IFIFO:
		ret->kind = DESCRIPTOR_FIFO;
		return;
	case S_IFCHR:
		look_at_device(ret, stx.stx_rdev_major);
		return;
	case S_IFREG:
		set_other(ret, "a regular file, which is always ready");
		return;
	case S_IFDIR:
		set_other(ret, "a directory");
		return;
	case S_IFBLK:
		set_other(ret, "a block device");
		return;
	case S_IFLNK:
		set_other(ret, "a symbolic link");
		return;
	default:
		set_other(ret, "a file of a kind that is not watched");
		return;
	}
}

void descriptor_look(struct descriptor *ret, int fd) {
	char path[64], name[PATH_MAX];
	int flags = fcntl(fd, F_GETFL);
	ssize_t n;

	*ret = (struct descriptor){ .kind = DESCRIPTOR_OTHER };
	if (flags < 0 || flags & O_PATH) {
		set_other(ret, flags < 0 ? "not open" : "opened with O_PATH, for its name alone");
		return;
	}
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name) - 1);
	/* Without /proc, or with a path that is longer than paths can be. */
	if (n < 0) {
		set_other(ret, "of a kind that cannot be told");
		return;
	}
	name[n] = '\0';
	if (name[0] == '/')
		look_at_file(ret, fd);
	else
		look_at_name(ret, name);
}

/* Return: the length of the address, 0 where it has none. */
static socklen_t address_of(int fd, bool peer, struct sockaddr_un *ret) {
	socklen_t size = sizeof(*ret);
	int r = peer ? getpeername(fd, (struct sockaddr *)ret, &size) : getsockname(fd, (struct sockaddr *)ret, &size);

	return r < 0 || size <= offsetof(struct sockaddr_un, sun_path) ? 0 : size;
}

bool descriptor_is_of_session(int socket_fd, int session_fd) {
	struct sockaddr_un ours, its;
	socklen_t size = address_of(session_fd, false, &ours), its_size;
	socklen_t domain_size = sizeof(int);
	int domain;

	/* The addresses of other families can be under a lock. */
	if (size == 0 || getsockopt(socket_fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_size) < 0 || domain != AF_UNIX)
		return false;
	for (unsigned peer = 0; peer < 2; peer++) {
		its_size = address_of(socket_fd, peer, &its);
		if (its_size == size && memcmp(&its, &ours, size) == 0)
			return true;
	}
	return false;
}

bool descriptor_closes_at_once(enum descriptor_kind kind, bool trusted) {
	switch (kind) {
	case DESCRIPTOR_EVENTFD:
	case DESCRIPTOR_TIMERFD:
	case DESCRIPTOR_PIDFD:
		return true;
	case DESCRIPTOR_PIPE:
		return trusted;
	case DESCRIPTOR_FIFO:
	case DESCRIPTOR_SOCKET:
	case DESCRIPTOR_TERMINAL:
	case DESCRIPTOR_INOTIFY:
	case DESCRIPTOR_OTHER:
		break;
	}
	return false;
}
