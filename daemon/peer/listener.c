/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns accepting.  A process without descriptors to spare stops listening for a moment instead of turning round and round
 * (as tmux does); who connects meanwhile waits in the kernel's queue.
 */

#include "daemon/peer/listener.h"

#include <sys/socket.h>

#include "daemon/svc/log.h"

#define ACCEPTS_PER_TURN 3
#define PAUSE_NS (100 * NSEC_PER_MSEC)
#define SILENCE_NS (60 * NSEC_PER_SEC) /* between two lines in the log */

static void pause_listening(struct listener *listener) {
	int64_t now = loop_now(listener->sessions->loop)->ns[TIMER_CLOCK_BOOTTIME];

	if (now >= listener->silent_until_ns) {
		log_event(LOG_WARNING, MESSAGE_OUT_OF_DESCRIPTORS, NULL,
			  "out of descriptors: nobody can connect for a while");
		listener->silent_until_ns = now + SILENCE_NS;
	}
	listener->paused_until_ns = now + PAUSE_NS;
	(void)loop_io_set(listener->io, 0);
}

static void listener_event(void *userdata, int fd, int events _unused_) {
	struct listener *listener = userdata;

	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (peer >= 0) {
			sessions_accept(listener->sessions, peer);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			pause_listening(listener);
		/* All else passes: EAGAIN, EINTR, ECONNABORTED, a security module's refusal. */
		return;
	}
}

int listener_init(struct listener *listener, struct sessions *sessions, int fd) {
	*listener = (struct listener){ .sessions = sessions, .fd = fd };
	return loop_add_io(sessions->loop, &listener->io, fd, LOOP_READ, listener_event, listener);
}

void listener_deinit(struct listener *listener) {
	listener->io = loop_io_remove(listener->io);
}

int64_t listener_next(const struct listener *listener) {
	return listener->paused_until_ns > 0 ? listener->paused_until_ns : INT64_MAX;
}

void listener_tick(struct listener *listener, int64_t boottime_ns) {
	if (listener_next(listener) > boottime_ns)
		return;
	listener->paused_until_ns = 0;
	if (loop_io_set(listener->io, LOOP_READ) < 0)
		pause_listening(listener);
}
