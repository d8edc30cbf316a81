/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the file of ids.  Files may block: while the daemon serves, the file is written by another thread. */

#include "daemon/svc/ids.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/svc/log.h"
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

	*ids = (struct ids){ .background = BACKGROUND_INIT };
	if (!path)
		return 1;
	first = read_ids(path);
	r = write_ids(path, (uint64_t)(first + IDS_RESERVED));
	if (r < 0)
		return r;
	ids->path = strdup(path);
	ids->block = IDS_RESERVED;
	ids->reserved = first + ids->block;
	ids->look_at = ids->reserved - ids->block / 2;
	return first;
}

static void write_wanted(void *userdata) {
	struct ids *ids = userdata;

	ids->result = write_ids(ids->path, (uint64_t)ids->wanted);
}

static void was_written(void *userdata) {
	struct ids *ids = userdata;

	if (ids->result < 0) {
		log_event(LOG_WARNING, MESSAGE_STATE_NOT_KEPT, NULL,
			  "cannot write %s: ids may repeat after a crash: %s", ids->path, strerror(-ids->result));
		return;
	}
	ids->reserved = ids->wanted;
	ids->look_at = ids->reserved - ids->block / 2;
}

void ids_look(struct ids *ids, struct loop *loop, uint64_t next) {
	int r;

	if (!ids->path || (int64_t)next < ids->look_at || ids->background.fd >= 0)
		return;
	/* Where it fails, not again in the next turn. */
	ids->look_at = (int64_t)next + ids->block / 2;
	ids->block = MIN(ids->block * 2, IDS_RESERVED_MAX);
	ids->wanted = MAX(ids->reserved, (int64_t)next) + ids->block;
	r = background_run(&ids->background, loop, write_wanted, was_written, ids);
	/* From here on the result is the thread's, which may have one already. */
	if (r < 0) {
		ids->result = r;
		was_written(ids);
	}
}

bool ids_end(struct ids *ids, uint64_t next) {
	bool hangs = ids->background.fd >= 0 && !background_end(&ids->background);

	/* What hangs there still needs the path; and what it writes is true, too. */
	if (hangs)
		return false;
	if (ids->path)
		(void)write_ids(ids->path, next);
	free(TAKE_PTR(ids->path));
	return true;
}
