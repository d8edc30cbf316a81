/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what of a uid waits to be closed, and who closes it.
 *
 * Knows nothing of sessions, nor how it is closed.
 */

#include "daemon/peer/closer.h"

#include <string.h>
#include <sys/socket.h>

#define PACKETS_DROPPED 32 /* without descriptors, before a process is worth it */

bool closer_is_safe(int socket_fd) {
	enum closer_unread unread;
	int on = 1;

	(void)shutdown(socket_fd, SHUT_RDWR);
	(void)setsockopt(socket_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	for (unsigned i = 0; i < PACKETS_DROPPED; i++) {
		unread = closers_look(socket_fd);
		if (unread != CLOSER_DATA)
			return unread == CLOSER_NOTHING;
		closers_drop_packet(socket_fd);
	}
	return false;
}

static void go_on(void *userdata);

/* Return: false: there is no process. */
static bool start(struct closer *closer, const int *fds, size_t n) {
	closer->process = closers_start(closer->closers, fds, n, go_on, closer);
	if (closer->process)
		closer->n_closing = n;
	return closer->process;
}

static void start_waiting(struct closer *closer) {
	size_t n = MIN(closer->n_waiting, CLOSERS_BATCH_MAX);

	if (n == 0 || !start(closer, closer->waiting, n))
		return;
	closer->n_waiting -= n;
	if (closer->n_waiting > 0)
		memmove(closer->waiting, closer->waiting + n, closer->n_waiting * sizeof(*closer->waiting));
	else
		free(TAKE_PTR(closer->waiting));
}

/* What the process had is closed; it is time for the next ones. */
static void go_on(void *userdata) {
	struct closer *closer = userdata;

	closer->process = NULL;
	closer->n_closing = 0;
	start_waiting(closer);
	closer->done(closer->userdata, closer);
}

void closer_retry(struct closer *closer) {
	if (!closer_is_stalled(closer))
		return;
	if (closer->process)
		closer_process_look(closer->process);
	else
		start_waiting(closer);
}

/* Return: false: no memory. */
static bool keep(struct closer *closer, const int *fds, size_t n) {
	int *waiting = reallocarray(closer->waiting, closer->n_waiting + n, sizeof(*waiting));

	if (!waiting)
		return false;
	memcpy(waiting + closer->n_waiting, fds, n * sizeof(*fds));
	closer->waiting = waiting;
	closer->n_waiting += n;
	return true;
}

bool closer_add(struct closer *closer, struct closers *closers, const int *fds, size_t n,
		void (*done)(void *userdata, struct closer *closer), void *userdata) {
	bool was_busy = closer_is_busy(closer);

	if (n == 0)
		return false;
	closer->closers = closers;
	closer->done = done;
	closer->userdata = userdata;
	if (was_busy || !start(closer, fds, n)) {
		if (!keep(closer, fds, n))
			closers_close_all(fds, n);
		if (!closer->process)
			start_waiting(closer);
	}
	return !was_busy && closer_is_busy(closer);
}

void closer_deinit(struct closer *closer) {
	if (closer->process)
		closer_process_forget(TAKE_PTR(closer->process));
	while (closer->n_waiting > 0) {
		start_waiting(closer);
		if (!closer->process)
			break;
		closer_process_forget(TAKE_PTR(closer->process));
	}
	free(TAKE_PTR(closer->waiting));
	closer->n_closing = closer->n_waiting = 0;
}
