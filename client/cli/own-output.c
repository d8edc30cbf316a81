/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the knowledge of which files our own output goes to.  Only regular files can be found again by their names. */

#include "client/cli/own-output.h"

#include <stdio.h>
#include <sys/stat.h>

static bool is_same(const struct stat *a, const struct stat *b) {
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool is_own(const struct notice *notice, const Evloop__PathChange *change, const struct stat *outputs,
		   size_t n) {
	_cleanup_free_ char *path = notice_path(notice->watched, change);
	struct stat st;

	if (!path || stat(path, &st) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (is_same(&st, &outputs[i]))
			return true;
	return false;
}

bool own_output_leave_out(struct notice *notice) {
	Evloop__Event *event = notice->event;
	struct stat outputs[2];
	size_t n = 0, left = 0;

	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		if (fstat(fd, &outputs[n]) == 0 && S_ISREG(outputs[n].st_mode))
			n++;
	if (n == 0 || event->n_changes == 0)
		return true;
	for (size_t i = 0; i < event->n_changes; i++) {
		if (is_own(notice, event->changes[i], outputs, n))
			evloop__path_change__free_unpacked(event->changes[i], NULL);
		else
			event->changes[left++] = event->changes[i];
	}
	event->n_changes = left;
	return left > 0 || event->rescan;
}
