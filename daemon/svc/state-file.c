/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns where state is kept, and that it is there whole or not at all.  Knows nothing of what is in it. */

#include "daemon/svc/state-file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "proto/base.h"

static char *temporary_path(const char *path) {
	char *temporary;

	return asprintf(&temporary, "%s.new", path) < 0 ? NULL : temporary;
}

FILE *state_file_take(const char *path) {
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	FILE *file;

	if (fd < 0)
		return NULL;
	/* Ours, and nobody else's. */
	if (unlink(path) < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
		(void)close_fd(fd);
		return NULL;
	}
	file = fdopen(fd, "r");
	if (!file)
		(void)close_fd(fd);
	return file;
}

FILE *state_file_begin(const char *path) {
	_cleanup_free_ char *temporary = temporary_path(path);
	FILE *file;
	int fd;

	if (!temporary)
		return NULL;
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return NULL;
	file = fdopen(fd, "w");
	if (!file)
		(void)close_fd(fd);
	return file;
}

int state_file_end(FILE *file, const char *path, int r) {
	_cleanup_free_ char *temporary = temporary_path(path);

	if (r == 0 && (fflush(file) != 0 || fsync(fileno(file)) < 0))
		r = -errno;
	(void)fclose(file);
	if (!temporary)
		return -ENOMEM;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(temporary);
	return r;
}
