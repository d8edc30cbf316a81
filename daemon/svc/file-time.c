/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns a file without content, only for its time of change. */

#include "daemon/svc/file-time.h"

#include <sys/mman.h>
#include <sys/stat.h>

#define TRIES_MAX 4
#define TICK_NS (10 * NSEC_PER_MSEC) /* by which marks are behind the clock, at most */

void file_time_init(struct file_time *time) {
	time->fd = memfd_create("evloopd-time", MFD_CLOEXEC);
}

void file_time_deinit(struct file_time *time) {
	time->fd = close_fd(time->fd);
}

int64_t file_time_mark(struct file_time *time, int64_t realtime_ns) {
	int64_t changed_ns = 0;
	struct stat st;

	/* One that somebody has looked at gets a fine mark with its next change, unless the others have gone ahead of it. */
	for (unsigned i = 0; i < TRIES_MAX && changed_ns < realtime_ns; i++) {
		/* Without it a change may be told that was a little before, rather than none that was after. */
		if (fchmod(time->fd, 0600) < 0 || fstat(time->fd, &st) < 0)
			return realtime_ns - TICK_NS;
		changed_ns = st.st_ctim.tv_sec * NSEC_PER_SEC + st.st_ctim.tv_nsec;
	}
	/* Later changes can have just the same mark. */
	return changed_ns < realtime_ns ? realtime_ns : changed_ns - 1;
}
