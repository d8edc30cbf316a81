/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the pauses where nobody reads a descriptor.  Knows nothing of watches. */

#include "client/cli/pace.h"

#include <poll.h>
#include <sys/ioctl.h>

#include "client/cli/error.h"

#define DELAY_FIRST_NS (10 * NSEC_PER_MSEC)
#define DELAY_RUN_NS (100 * NSEC_PER_MSEC)
#define DELAY_MAX_NS NSEC_PER_SEC
#define FRUITLESS_MAX 5

static uint32_t look(const struct pace *pace) {
	struct pollfd fd = { .fd = pace->fd, .events = POLLIN | POLLOUT | POLLRDHUP };

	return poll(&fd, 1, 0) > 0 ? (uint32_t)fd.revents : 0;
}

static int available(const struct pace *pace) {
	int n;

	return ioctl(pace->fd, FIONREAD, &n) < 0 ? -1 : n;
}

static int64_t longer(struct pace *pace, int64_t first_ns) {
	pace->delay_ns = pace->delay_ns == 0 ? first_ns : MIN(pace->delay_ns * 2, DELAY_MAX_NS);
	return pace->delay_ns;
}

void pace_before(struct pace *pace) {
	pace->seen = look(pace);
	pace->before = available(pace);
}

int64_t pace_after_run(struct pace *pace) {
	/* Nothing gone: neither bytes nor readiness. */
	if (look(pace) != pace->seen || available(pace) != pace->before) {
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
	uint32_t now = look(pace);

	if (pace->delay_ns == 0)
		pace->seen = now;
	/* Something else is to be told of it, or nothing any more. */
	if (now != pace->seen || (now & (POLLIN | POLLOUT)) == 0) {
		pace->delay_ns = 0;
		return 0;
	}
	if (longer(pace, DELAY_FIRST_NS) == DELAY_MAX_NS && !pace->warned) {
		complain("fd=%d stays ready, and nobody deals with it; a line comes when that has changed", pace->fd);
		pace->warned = true;
	}
	return pace->delay_ns;
}
