/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the file of ids.  Written before the daemon serves and after it has, never in between: files may block. */

#include "daemon/svc/ids.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/limits.h"

static int64_t read_ids(const char *path) {
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[32] = "";
	int64_t next;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || sscanf(text, "%" SCNd64, &next) != 1)
		return 1;
	return next >= 1 && (uint64_t)next < ID_MAX ? next : 1;
}

/* The file is whole or the old one: written beside it, then renamed. */
static int write_ids(const char *path, uint64_t next) {
	_cleanup_free_ char *temporary = NULL;
	_cleanup_close_ int fd = -1;
	char text[32];
	int n;

	if (asprintf(&temporary, "%s.new", path) < 0)
		return -ENOMEM;
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	n = snprintf(text, sizeof(text), "%" PRIu64 "\n", next);
	errno = EIO; /* a short write says nothing else */
	if (write(fd, text, (size_t)n) != n || fsync(fd) < 0 || rename(temporary, path) < 0)
		return -errno;
	return 0;
}

int64_t ids_begin(struct ids *ids, const char *path) {
	int64_t first;
	int r;

	*ids = (struct ids){ 0 };
	if (!path)
		return 1;
	first = read_ids(path);
	r = write_ids(path, (uint64_t)first + IDS_RESERVED);
	if (r < 0)
		return r;
	ids->path = strdup(path);
	return first;
}

void ids_end(struct ids *ids, uint64_t next) {
	if (ids->path)
		(void)write_ids(ids->path, next);
	free(TAKE_PTR(ids->path));
}
