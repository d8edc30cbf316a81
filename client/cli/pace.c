/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the pauses where nobody reads a descriptor.  Knows nothing of watches. */

#include "client/cli/pace.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "client/cli/error.h"

#define DELAY_LINE_NS (5 * NSEC_PER_MSEC)
#define DELAY_RUN_NS (100 * NSEC_PER_MSEC)
#define DELAY_MAX_NS NSEC_PER_SEC
#define FRUITLESS_MAX 5

void pace_init(struct pace *pace, int fd) {
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	*pace = (struct pace){ .fd = fd, .available = -1, .edge_fd = -1 };
	pace->edge_fd = epoll_create1(EPOLL_CLOEXEC);
	/* Without it we look at the bytes alone. */
	if (pace->edge_fd >= 0 && epoll_ctl(pace->edge_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		pace->edge_fd = close_fd(pace->edge_fd);
}

void pace_deinit(struct pace *pace) {
	pace->edge_fd = close_fd(pace->edge_fd);
}

static uint32_t look(const struct pace *pace) {
	struct pollfd fd = { .fd = pace->fd, .events = POLLIN | POLLOUT | POLLRDHUP };

	return poll(&fd, 1, 0) > 0 ? (uint32_t)fd.revents : 0;
}

static int available(const struct pace *pace) {
	int n;

	return ioctl(pace->fd, FIONREAD, &n) < 0 ? -1 : n;
}

/* Has anything come in since we looked last? */
static bool has_edge(const struct pace *pace) {
	struct epoll_event event;

	return pace->edge_fd >= 0 && epoll_wait(pace->edge_fd, &event, 1, 0) > 0;
}

/* Is it as it was: nothing gone, nothing come, ready for the same?  As many bytes may have come as have gone. */
static bool is_unchanged(const struct pace *pace) {
	bool edge = has_edge(pace);

	return look(pace) == pace->seen && available(pace) == pace->available && !edge;
}

static int64_t longer(struct pace *pace, int64_t first_ns) {
	pace->delay_ns = pace->delay_ns == 0 ? first_ns : MIN(pace->delay_ns * 2, DELAY_MAX_NS);
	return pace->delay_ns;
}

void pace_before(struct pace *pace) {
	(void)has_edge(pace);
	pace->seen = look(pace);
	pace->available = available(pace);
}

int64_t pace_after_run(struct pace *pace) {
	if (!is_unchanged(pace)) {
		pace->fruitless = 0;
		pace->delay_ns = 0;
		return 0;
	}
	if (++pace->fruitless < FRUITLESS_MAX)
		return 0;
	if (!pace->warned)
		complain("fd=%d is as it was after %d runs of the command; it runs once a second at most now", pace->fd,
			 FRUITLESS_MAX);
	pace->warned = true;
	return longer(pace, DELAY_RUN_NS);
}

int64_t pace_after_line(struct pace *pace) {
	/* Whoever is to read it may not even have seen the line at the first time. */
	if ((pace->seen & (POLLIN | POLLOUT)) == 0 || (pace->delay_ns > 0 && !is_unchanged(pace))) {
		pace->delay_ns = 0;
		return 0;
	}
	if (longer(pace, DELAY_LINE_NS) == DELAY_MAX_NS && !pace->warned) {
		complain("fd=%d stays ready, and nobody deals with it; a line comes when that has changed", pace->fd);
		pace->warned = true;
	}
	return pace->delay_ns;
}
