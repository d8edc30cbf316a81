/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the way of a handover from process to process: what it says is in memory that goes along as the last descriptor. */

#include "daemon/restart.h"

#include <string.h>
#include <sys/mman.h>

#include "daemon/svc/log.h"

static int put(void *userdata, int fd) {
	return escrow_put(userdata, fd);
}

static void flush(void *userdata) {
	int r = escrow_flush(userdata);

	if (r < 0)
		log_warning("descriptors cannot be handed over: %s", strerror(-r));
	else if (r == ESCROW_E_MISSING)
		log_warning("descriptors of clients are such that they cannot be handed over, and are lost");
}

int restart_give(struct escrow *escrow, struct rpc *rpc, struct sessions *sessions) {
	FILE *file;
	size_t n = sessions->n;
	int fd, r;

	escrow_begin(escrow);
	fd = memfd_create("evloopd-state", MFD_CLOEXEC);
	file = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!file) {
		r = -errno;
		(void)close_fd(fd);
		return r;
	}
	r = handover_save(rpc, sessions, file, &(struct carrier){ .put = put, .flush = flush, .userdata = escrow });
	if (r == 0 && fflush(file) != 0)
		r = -errno;
	if (r == 0)
		r = escrow_finish(escrow, fd);
	(void)fclose(file);
	if (r == 0)
		log_event(LOG_NOTICE, MESSAGE_HANDED_OVER, NULL, "handed over %zu clients and %zu descriptors", n,
			  escrow->n);
	return r;
}

int restart_take(struct escrow *escrow, struct rpc *rpc, struct sessions *sessions) {
	int *fds, fd, r = -EBADF;
	FILE *file;
	size_t n;

	if (!escrow_take(escrow, &fds, &n, &fd))
		return -ENOENT;
	file = lseek(fd, 0, SEEK_SET) == 0 ? fdopen(fd, "r") : NULL;
	if (file) {
		r = handover_load(rpc, sessions, file, fds, n);
		(void)fclose(file);
	} else {
		(void)close(fd);
	}
	for (size_t i = 0; i < n; i++)
		(void)close_fd(fds[i]);
	free(fds);
	if (r >= 0)
		log_event(LOG_NOTICE, MESSAGE_TOOK_OVER, NULL, "took over %d clients and %zu descriptors", r, n);
	return r;
}
