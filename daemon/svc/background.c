/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the thread on which something blocks in place of the loop.  Knows nothing of what it does. */

#include "daemon/svc/background.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PATIENCE_SEC 2

static void *run(void *userdata) {
	struct background *background = userdata;
	const uint64_t one = 1;

	background->work(background->userdata);
	/* Into an eventfd of 0, so it cannot fail.  What this points at is the loop's again from here on. */
	(void)!write(background->fd, &one, sizeof(one));
	return NULL;
}

bool background_end(struct background *background) {
	struct pollfd finished = { .fd = background->fd, .events = POLLIN };
	const struct timespec patience = { .tv_sec = PATIENCE_SEC };
	sigset_t all;
	uint64_t n;

	if (background->fd < 0)
		return false;
	/* What hangs in a file system must not keep the daemon, nor do signals: left behind, it ends with the process. */
	(void)sigfillset(&all);
	if (ppoll(&finished, 1, &patience, &all) <= 0 || read(background->fd, &n, sizeof(n)) < 0)
		return false;
	background->io = loop_io_remove(background->io);
	background->fd = close_fd(background->fd);
	return true;
}

static void finished(void *userdata, int fd _unused_, int events _unused_) {
	struct background *background = userdata;

	if (background_end(background))
		background->done(background->userdata);
}

/* Signals are the loop's.  Nobody joins the thread: where the machine is busy the loop would wait for it to be let run once more. */
static int start_thread(struct background *background) {
	sigset_t all, former;
	pthread_t thread;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &former);
	r = -pthread_create(&thread, NULL, run, background);
	if (r == 0)
		(void)pthread_detach(thread);
	(void)pthread_sigmask(SIG_SETMASK, &former, NULL);
	return r;
}

int background_run(struct background *background, struct loop *loop, void (*work)(void *userdata),
		   void (*done)(void *userdata), void *userdata) {
	int r;

	if (background->fd >= 0)
		return -EBUSY;
	*background = (struct background){ .work = work, .done = done, .userdata = userdata };
	background->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (background->fd < 0)
		return -errno;
	r = loop_add_io(loop, &background->io, background->fd, LOOP_READ, finished, background);
	if (r == 0) {
		r = start_thread(background);
		if (r == 0)
			return 0;
		background->io = loop_io_remove(background->io);
	}
	background->fd = close_fd(background->fd);
	return r;
}
