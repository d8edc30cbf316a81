/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns how a descriptor of another process is had.  The kernel gives it only to who may trace that process; a shell's pipe or terminal
 * can be opened once more by its place in /proc, which is as good, as readiness belongs to the pipe and not to who has it open.
 */

#include "client/cli/descriptor.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* How that process has it open: O_RDONLY, O_WRONLY or O_RDWR; -1: it cannot be told. */
static int access_mode(pid_t pid, int fd) {
	char path[64], line[128];
	unsigned flags;
	int mode = -1;
	FILE *info;

	(void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, fd);
	info = fopen(path, "re");
	if (!info)
		return -1;
	while (mode < 0 && fgets(line, sizeof(line), info))
		if (sscanf(line, "flags: %o", &flags) == 1)
			mode = (int)(flags & O_ACCMODE);
	(void)fclose(info);
	return mode;
}

/* To open another device once more may do something to it. */
static bool is_terminal(const struct stat *st) {
	unsigned number = major(st->st_rdev);

	return S_ISCHR(st->st_mode) && (number == 4 || number == 5 || (number >= 136 && number < 144));
}

int descriptor_reopen(pid_t pid, int fd) {
	int mode = access_mode(pid, fd), r;
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	if (mode < 0 || stat(path, &st) < 0 || !(S_ISFIFO(st.st_mode) || is_terminal(&st)))
		return -EPERM;
	r = open(path, mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return r < 0 ? -EPERM : r;
}

int descriptor_take(pid_t pid, int fd) {
	_cleanup_close_ int process = pid > 0 ? pidfd_open(pid, 0) : -1;
	int r;

	if (pid <= 0)
		return -ESRCH;
	if (process < 0)
		return -errno;
	r = pidfd_getfd(process, fd, 0);
	if (r >= 0)
		return r;
	r = -errno;
	return r == -EBADF || r == -ESRCH ? r : descriptor_reopen(pid, fd);
}
