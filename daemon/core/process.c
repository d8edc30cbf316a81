/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what is asked of the kernel about the process of a pidfd.  Waits for nothing, and keeps nothing. */

#include "daemon/core/process.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* <linux/pidfd.h> of Linux 6.15, which is newer than what many build with. */
#define INFO_EXIT (UINT64_C(1) << 3)

struct info {
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};

#define GET_INFO _IOWR(0xFF, 11, struct info)

pid_t process_of(int pid_fd) {
	char path[64], line[128];
	long pid = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pid_fd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Pid: %ld", &pid) == 1)
			break;
	(void)fclose(file);
	return (pid_t)pid;
}

bool process_has_ended(int pid_fd) {
	struct pollfd poll_fd = { .fd = pid_fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

/* Return: false: the kernel does not say, or not yet. */
static bool ask_pidfd(int pid_fd, int *ret_code) {
	struct info info = { .mask = INFO_EXIT };

	if (ioctl(pid_fd, GET_INFO, &info) < 0 || !(info.mask & INFO_EXIT))
		return false;
	*ret_code = info.exit_code;
	return true;
}

/* The last field of a zombie's stat; it reads 0 where we may not know. */
static bool read_stat(pid_t pid, int *ret_code) {
	char path[64], text[1024], *p;
	FILE *file;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	n = fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file);
	text[n] = '\0';
	/* The name may have anything in it, brackets too. */
	p = strrchr(text, ')');
	if (!p || strncmp(p, ") Z ", 4) != 0)
		return false;
	p = strrchr(p, ' ');
	*ret_code = atoi(p);
	return true;
}

/* A process whose parent has not taken notice yet.  Who may know how it ended is whoever may trace it. */
static bool ask_proc(int pid_fd, pid_t pid, uid_t uid, int *ret_code) {
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (pid <= 0 || stat(path, &st) < 0 || (uid != 0 && st.st_uid != uid))
		return false;
	/* Its number is its own as long as it is a zombie, and now it still was. */
	return read_stat(pid, ret_code) && process_of(pid_fd) == pid;
}

void process_describe_end(int pid_fd, pid_t pid, uid_t uid, struct process_end *ret) {
	int code;

	*ret = (struct process_end){ .pid = MAX(pid, 0) };
	/* Asked of once more: its parent may have taken notice in between. */
	ret->status_known = ask_pidfd(pid_fd, &code) || ask_proc(pid_fd, pid, uid, &code) || ask_pidfd(pid_fd, &code);
	if (!ret->status_known)
		return;
	ret->status = WIFSIGNALED(code) ? 128 + WTERMSIG(code) : WEXITSTATUS(code);
}
