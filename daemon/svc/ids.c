/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the file of ids.  Written before the daemon serves and after it has, never in between: files may block. */

#include "daemon/svc/ids.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/svc/state-file.h"
#include "proto/limits.h"

static int64_t read_ids(const char *path) {
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[32] = "";
	int64_t next;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || sscanf(text, "%" SCNd64, &next) != 1)
		return 1;
	return next >= 1 && (uint64_t)next < ID_MAX ? next : 1;
}

static int write_ids(const char *path, uint64_t next) {
	FILE *file = state_file_begin(path);

	if (!file)
		return -errno;
	return state_file_end(file, path, fprintf(file, "%" PRIu64 "\n", next) < 0 ? -EIO : 0);
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
