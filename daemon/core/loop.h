/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The loop: libevent for sockets, signals and pidfds, one absolute timerfd per clock for the scheduler.
 * The only module that reads the clock or waits.  One turn is drawn in ARCHITECTURE.md.
 */

#include "daemon/core/clock.h"
#include "daemon/core/scheduler.h"

struct loop;
struct loop_io;
struct poller; /* core/poller.h */

/* What the loop's owner does in each turn. */
struct loop_ops {
	/* After timers were dispatched, before waiting: send what sessions have to say.  Return: true: there is more to send now. */
	bool (*flush)(void *userdata);
	/* Due work of the owner itself: next boottime at which `tick` wants to be called; INT64_MAX: never. */
	int64_t (*next)(void *userdata);
	void (*tick)(void *userdata, int64_t boottime_ns);
};

int loop_new(struct loop **ret);
struct loop *loop_free(struct loop *loop);

/* The scheduler is driven by this loop from now on; borrowed. */
void loop_set_scheduler(struct loop *loop, struct scheduler *scheduler);
void loop_set_ops(struct loop *loop, const struct loop_ops *ops, void *userdata);

/* Turn until loop_stop().  Return: 0, −errno: the loop is broken. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* The reading at the start of this turn, or the last loop_refresh(). */
const struct instant *loop_now(const struct loop *loop);

/* Read the clocks afresh, for loop_now() and scheduler_now(): where a delay counts from now, it must not count from the start of
 * the turn, or the timer fires early in the eyes of who asked. */
const struct instant *loop_refresh(struct loop *loop);

/* Watch one of our own descriptors, level-triggered; `callback` gets LOOP_READ and/or LOOP_WRITE.  The descriptor stays the
 * caller's.  Legal to change and remove from any callback. */
#define LOOP_READ 1
#define LOOP_WRITE 2
typedef void (*loop_io_callback)(void *userdata, int fd, int events);
int loop_add_io(struct loop *loop, struct loop_io **ret, int fd, int events, loop_io_callback callback, void *userdata);
int loop_io_set(struct loop_io *io, int events); /* 0: none for now */
struct loop_io *loop_io_remove(struct loop_io *io);

/* Where the descriptors of strangers are waited for; the loop looks at it as at one descriptor. */
struct poller *loop_poller(struct loop *loop);

/* Call back on a signal of the process. */
int loop_add_signal(struct loop *loop, int signal_number, void (*callback)(void *userdata, int signal_number),
		    void *userdata);
