/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the descriptor on which the system says that memory is short: a file of the kernel's, with a threshold written into it, or a FIFO.
 * Knows nothing of what is done then.
 */

#include "daemon/svc/memory-pressure.h"

#include <fcntl.h>
#include <resolv.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

struct memory_pressure {
	struct loop_io *io;
	int fd;
	int epoll_fd; /* the kernel tells of its file by EPOLLPRI, which the loop does not know */
	bool is_fifo;
	void (*rose)(void *userdata);
	void *userdata;
};

/* What has been told is told: for the kernel's file that is done by asking. */
static void pressure_event(void *userdata, int fd _unused_, int events _unused_) {
	struct memory_pressure *pressure = userdata;
	struct epoll_event event;
	char data[256];

	(void)epoll_wait(pressure->epoll_fd, &event, 1, 0);
	while (pressure->is_fifo && read(pressure->fd, data, sizeof(data)) == sizeof(data))
		;
	pressure->rose(pressure->userdata);
}

/* From how much pressure on the kernel is to tell.  Return: 0, −errno. */
static int write_threshold(int fd) {
	const char *encoded = getenv("MEMORY_PRESSURE_WRITE");
	unsigned char threshold[256];
	int n;

	if (!encoded || !*encoded)
		return 0;
	n = b64_pton(encoded, threshold, sizeof(threshold));
	if (n < 0)
		return -EINVAL;
	return write(fd, threshold, (size_t)n) == n ? 0 : -errno;
}

static int pressure_open(struct memory_pressure *pressure, const char *path) {
	struct epoll_event event;
	struct stat st;

	/* Written to as well, a FIFO has no end. */
	pressure->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (pressure->fd < 0 || fstat(pressure->fd, &st) < 0)
		return -errno;
	pressure->is_fifo = S_ISFIFO(st.st_mode);
	if (!pressure->is_fifo) {
		int r = S_ISREG(st.st_mode) ? write_threshold(pressure->fd) : -EINVAL;

		if (r < 0)
			return r;
	}
	event = (struct epoll_event){ .events = pressure->is_fifo ? EPOLLIN : EPOLLPRI };
	pressure->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (pressure->epoll_fd < 0 || epoll_ctl(pressure->epoll_fd, EPOLL_CTL_ADD, pressure->fd, &event) < 0)
		return -errno;
	return 0;
}

int memory_pressure_new(struct memory_pressure **ret, struct loop *loop, void (*rose)(void *userdata), void *userdata) {
	const char *path = getenv("MEMORY_PRESSURE_WATCH");
	struct memory_pressure *pressure;
	int r;

	if (!path || !*path || strcmp(path, "/dev/null") == 0)
		return -ENOENT;
	pressure = malloc(sizeof(*pressure));
	if (!pressure)
		return -ENOMEM;
	*pressure = (struct memory_pressure){ .fd = -1, .epoll_fd = -1, .rose = rose, .userdata = userdata };
	r = pressure_open(pressure, path);
	if (r == 0)
		r = loop_add_io(loop, &pressure->io, pressure->epoll_fd, LOOP_READ, pressure_event, pressure);
	if (r < 0) {
		memory_pressure_free(pressure);
		return r;
	}
	*ret = pressure;
	return 0;
}

struct memory_pressure *memory_pressure_free(struct memory_pressure *pressure) {
	if (!pressure)
		return NULL;
	if (pressure->io)
		loop_io_remove(pressure->io);
	close_fd(pressure->epoll_fd);
	close_fd(pressure->fd);
	free(pressure);
	return NULL;
}
