/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into a daemon: counts its calls of what can fail, and lets one of them fail, once.
 *
 * Calls that cannot fail as the daemon makes them are left alone, timerfd_settime(2) first of all.
 *
 * What it has counted, and which call it was, is in a page that the test shares: struct fail_page in the descriptor $FAIL_FD.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/crash/fail.h"

static struct fail_page *page;

/* Only in the daemon itself: what it starts has this in its environment, too. */
__attribute__((constructor)) static void begin(void) {
	const char *fd = getenv("FAIL_FD");
	void *shared;

	if (!fd || strcmp(program_invocation_short_name, "evloopd") != 0)
		return;
	shared = (mmap)(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(fd), 0);
	if (shared != MAP_FAILED)
		page = shared;
}

/* Is it this one that fails? */
static int fails(const char *name, int error) {
	if (!page || atomic_fetch_add(&page->count, 1) + 1 != page->fail_at)
		return 0;
	(void)strncpy(page->name, name, sizeof(page->name) - 1);
	errno = error;
	return 1;
}

#define WRAP(type, failure, name, error, parameters, arguments)                                                        \
	type name parameters {                                                                                         \
		static type(*real) parameters;                                                                         \
                                                                                                                       \
		if (!real)                                                                                             \
			real = (type(*) parameters)dlsym(RTLD_NEXT, #name);                                            \
		return fails(#name, error) ? failure : real arguments;                                                 \
	}

/* dlsym() itself may want memory, so this is asked for by its other names. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size) {
	return fails("malloc", ENOMEM) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
	return fails("calloc", ENOMEM) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size) {
	return fails("realloc", ENOMEM) ? NULL : __libc_realloc(old, size);
}

void *reallocarray(void *old, size_t n, size_t size) {
	size_t total;

	if (__builtin_mul_overflow(n, size, &total) || fails("reallocarray", ENOMEM)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_realloc(old, total);
}

char *strdup(const char *text) {
	size_t size = strlen(text) + 1;
	char *copy = fails("strdup", ENOMEM) ? NULL : __libc_malloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

WRAP(void *, MAP_FAILED, mmap, ENOMEM, (void *address, size_t size, int protection, int flags, int fd, off_t offset),
     (address, size, protection, flags, fd, offset))
WRAP(int, -1, socket, EMFILE, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, -1, socketpair, EMFILE, (int domain, int type, int protocol, int fds[2]), (domain, type, protocol, fds))
WRAP(int, -1, accept4, ENFILE, (int fd, struct sockaddr *address, socklen_t *size, int flags),
     (fd, address, size, flags))
WRAP(int, -1, listen, EADDRINUSE, (int fd, int n), (fd, n))
WRAP(ssize_t, -1, sendmsg, ENOBUFS, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
WRAP(ssize_t, -1, recvmsg, ENOMEM, (int fd, struct msghdr *message, int flags), (fd, message, flags))
WRAP(ssize_t, -1, send, ENOBUFS, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))
WRAP(ssize_t, -1, writev, EIO, (int fd, const struct iovec *data, int n), (fd, data, n))
WRAP(ssize_t, -1, read, EIO, (int fd, void *data, size_t size), (fd, data, size))
WRAP(int, -1, epoll_create1, EMFILE, (int flags), (flags))
WRAP(int, -1, epoll_ctl, ENOSPC, (int epoll, int operation, int fd, struct epoll_event *event),
     (epoll, operation, fd, event))
WRAP(int, -1, eventfd, EMFILE, (unsigned value, int flags), (value, flags))
WRAP(int, -1, timerfd_create, EMFILE, (int clock, int flags), (clock, flags))
WRAP(int, -1, memfd_create, EMFILE, (const char *name, unsigned flags), (name, flags))
WRAP(int, -1, ftruncate, ENOSPC, (int fd, off_t size), (fd, size))
WRAP(int, -1, pipe2, EMFILE, (int fds[2], int flags), (fds, flags))
WRAP(int, -1, rename, EIO, (const char *from, const char *to), (from, to))
WRAP(int, -1, fsync, EIO, (int fd), (fd))
WRAP(int, -1, fdatasync, EIO, (int fd), (fd))
WRAP(FILE *, NULL, fopen, EMFILE, (const char *path, const char *mode), (path, mode))
WRAP(FILE *, NULL, fdopen, ENOMEM, (int fd, const char *mode), (fd, mode))
WRAP(pid_t, -1, fork, EAGAIN, (void), ())
WRAP(int, EAGAIN, pthread_create, EAGAIN,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *userdata),
     (thread, attributes, run, userdata))

/* But not of one byte or eight: those wake somebody up, by a socket of libevent's or an eventfd, which have room. */
ssize_t write(int fd, const void *data, size_t size) {
	static ssize_t (*real)(int, const void *, size_t);

	if (!real)
		real = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
	return size != 1 && size != 8 && fails("write", EIO) ? -1 : real(fd, data, size);
}

int open(const char *path, int flags, ...) {
	static int (*real)(const char *, int, ...);
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	if (!real)
		real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
	return fails("open", EMFILE) ? -1 : real(path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...) {
	static int (*real)(int, const char *, int, ...);
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	if (!real)
		real = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat");
	return fails("openat", EMFILE) ? -1 : real(directory, path, flags, mode);
}
