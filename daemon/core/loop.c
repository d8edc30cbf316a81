/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns waiting: libevent for descriptors and signals, and one absolute timerfd per clock for the earliest
 * deadline on it.  A timerfd is only told when that deadline changes, so a loop with nothing to do makes
 * no system call at all.
 *
 * Knows nothing of sessions: what is read and sent is behind callbacks.
 */

#include "daemon/core/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>
#include <sys/timerfd.h>
#include <time.h>

#include "daemon/core/poller.h"

struct loop_io {
	struct loop *loop;
	struct event read, write; /* of libevent; two, so that one is added without the other being taken out */
	int fd;
	int events; /* LOOP_READ, LOOP_WRITE: which are added */
	loop_io_callback callback;
	void *userdata;
};

struct loop_signal {
	struct loop *loop;
	struct event event;
	void (*callback)(void *userdata, int signal_number);
	void *userdata;
	SLIST_ENTRY(loop_signal) link; /* loop::signals */
};

struct loop_clock {
	struct event event;
	struct loop *loop;
	int fd;
	int64_t armed; /* what the timerfd waits for; INT64_MAX: nothing */
};

struct loop {
	struct event_base *base;
	struct instant now;
	bool stopping;
	bool stepped; /* the realtime clock was set since the last turn */
	struct scheduler *scheduler;
	const struct loop_ops *ops;
	void *userdata;
	int64_t owner_next_ns; /* when `ops` are to tick, as of the last wait */
	struct loop_clock clocks[TIMER_CLOCK_MAX];
	SLIST_HEAD(, loop_signal) signals;
	struct poller *poller;
	struct loop_io *poller_io;
};

static const clockid_t clock_ids[TIMER_CLOCK_MAX] = {
	[TIMER_CLOCK_BOOTTIME] = CLOCK_BOOTTIME,
	[TIMER_CLOCK_MONOTONIC] = CLOCK_MONOTONIC,
	[TIMER_CLOCK_REALTIME] = CLOCK_REALTIME,
};

/* ---- the clocks ------------------------------------------------------------------------------------------ */

static enum timer_clock loop_clock_number(const struct loop_clock *clock) {
	return (enum timer_clock)(clock - clock->loop->clocks);
}

/* The timerfd has expired, or its clock was set.  What is due is found in the next turn. */
static void loop_clock_ready(evutil_socket_t fd, short events _unused_, void *userdata) {
	struct loop_clock *clock = userdata;
	uint64_t expirations;

	if (read(fd, &expirations, sizeof(expirations)) < 0 && errno == ECANCELED)
		clock->loop->stepped = true;
	clock->armed = INT64_MAX;
}

/* Wait for that deadline, which lies in the future and so is not 0.  Return: 0, −errno. */
static int loop_clock_arm(struct loop_clock *clock, int64_t deadline) {
	bool realtime = loop_clock_number(clock) == TIMER_CLOCK_REALTIME;
	struct itimerspec when = { 0 };

	if (deadline == clock->armed)
		return 0;
	if (deadline != INT64_MAX) {
		when.it_value.tv_sec = deadline / NSEC_PER_SEC;
		when.it_value.tv_nsec = deadline % NSEC_PER_SEC;
	}
	if (timerfd_settime(clock->fd, TFD_TIMER_ABSTIME | (realtime ? TFD_TIMER_CANCEL_ON_SET : 0), &when, NULL) < 0) {
		if (errno != ECANCELED)
			return -errno;
		clock->loop->stepped = true; /* told of here instead of by read(); it is armed all the same */
	}
	clock->armed = deadline;
	return 0;
}

static int loop_clock_init(struct loop_clock *clock, struct loop *loop, clockid_t id) {
	clock->loop = loop;
	clock->armed = INT64_MAX;
	clock->fd = timerfd_create(id, TFD_NONBLOCK | TFD_CLOEXEC);
	if (clock->fd < 0)
		return -errno;
	if (event_assign(&clock->event, loop->base, clock->fd, EV_READ | EV_PERSIST, loop_clock_ready, clock) < 0 ||
	    event_add(&clock->event, NULL) < 0)
		return -ENOMEM;
	return 0;
}

static void loop_clock_deinit(struct loop_clock *clock) {
	if (clock->loop && clock->fd >= 0 && event_initialized(&clock->event))
		event_del(&clock->event);
	clock->fd = close_fd(clock->fd);
}

/* ---- the loop -------------------------------------------------------------------------------------------- */

static void loop_poller_ready(void *userdata, int fd _unused_, int events _unused_) {
	poller_dispatch(userdata);
}

struct poller *loop_poller(struct loop *loop) {
	return loop->poller;
}

int loop_new(struct loop **ret) {
	struct event_config *config = event_config_new();
	struct loop *loop;
	int r = -ENOMEM;

	if (!config)
		return -ENOMEM;
	loop = calloc(1, sizeof(*loop));
	if (!loop)
		goto out;
	for (unsigned clock = 0; clock < TIMER_CLOCK_MAX; clock++)
		loop->clocks[clock].fd = -1;
	SLIST_INIT(&loop->signals);
	instant_now(&loop->now);

	/* One thread, and nothing that the environment says; the changelist stays off, it is wrong with descriptors that
	 * are closed and opened again between two turns. */
	(void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
	loop->base = event_base_new_with_config(config);
	if (!loop->base)
		goto out;
	for (unsigned clock = 0; clock < TIMER_CLOCK_MAX; clock++) {
		r = loop_clock_init(&loop->clocks[clock], loop, clock_ids[clock]);
		if (r < 0)
			goto out;
	}
	r = poller_new(&loop->poller);
	if (r < 0)
		goto out;
	r = loop_add_io(loop, &loop->poller_io, poller_fd(loop->poller), LOOP_READ, loop_poller_ready, loop->poller);
	if (r < 0)
		goto out;
	*ret = TAKE_PTR(loop);
	r = 0;
out:
	loop_free(loop);
	event_config_free(config);
	return r;
}

struct loop *loop_free(struct loop *loop) {
	struct loop_signal *signal;

	if (!loop)
		return NULL;
	loop->poller_io = loop_io_remove(loop->poller_io);
	loop->poller = poller_free(loop->poller);
	while ((signal = SLIST_FIRST(&loop->signals))) {
		SLIST_REMOVE_HEAD(&loop->signals, link);
		event_del(&signal->event);
		free(signal);
	}
	for (unsigned clock = 0; clock < TIMER_CLOCK_MAX; clock++)
		loop_clock_deinit(&loop->clocks[clock]);
	if (loop->base)
		event_base_free(loop->base);
	free(loop);
	return NULL;
}

void loop_set_scheduler(struct loop *loop, struct scheduler *scheduler) {
	loop->scheduler = scheduler;
}

static int64_t owner_next(const struct loop *loop) {
	return loop->ops && loop->ops->next ? loop->ops->next(loop->userdata) : INT64_MAX;
}

void loop_set_ops(struct loop *loop, const struct loop_ops *ops, void *userdata) {
	loop->ops = ops;
	loop->userdata = userdata;
	loop->owner_next_ns = INT64_MAX;
}

void loop_stop(struct loop *loop) {
	loop->stopping = true;
}

const struct instant *loop_now(const struct loop *loop) {
	return &loop->now;
}

const struct instant *loop_refresh(struct loop *loop) {
	instant_now(&loop->now);
	if (loop->scheduler)
		scheduler_refresh(loop->scheduler, &loop->now);
	return &loop->now;
}

/* Everything that can be done without waiting.  Return: true: there is more of it. */
static bool loop_work(struct loop *loop) {
	bool stepped = loop->stepped, more = false;

	loop->stepped = false;
	instant_now(&loop->now);
	if (loop->scheduler) {
		scheduler_advance(loop->scheduler, &loop->now, stepped);
		more = scheduler_dispatch(loop->scheduler);
	}
	poller_dispatch_armed(loop->poller);
	if (loop->ops) {
		int64_t boottime = loop->now.ns[TIMER_CLOCK_BOOTTIME];

		if (loop->ops->tick && loop->owner_next_ns <= boottime)
			loop->ops->tick(loop->userdata, boottime);
		if (loop->ops->flush && loop->ops->flush(loop->userdata))
			more = true;
	}
	return more;
}

/* The earliest deadline on that clock, the owner's included. */
static int64_t loop_next(const struct loop *loop, enum timer_clock clock) {
	int64_t next = loop->scheduler ? scheduler_next(loop->scheduler, clock) : INT64_MAX;

	return clock == TIMER_CLOCK_BOOTTIME ? MIN(next, loop->owner_next_ns) : next;
}

/* Wait until something is ready and call back for it; `more`: only look.  Return: 0, −errno. */
static int loop_wait(struct loop *loop, bool more) {
	/* Once a turn: whatever requests make of it is seen here, before anything waits. */
	loop->owner_next_ns = owner_next(loop);
	for (enum timer_clock clock = 0; !more && clock < TIMER_CLOCK_MAX; clock++) {
		int64_t next = loop_next(loop, clock);
		int r;

		if (next <= loop->now.ns[clock]) {
			more = true;
			break;
		}
		r = loop_clock_arm(&loop->clocks[clock], next);
		if (r < 0)
			return r;
	}
	/* A step that was told while arming waits for nobody. */
	more = more || loop->stepped;
	if (event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY | (more ? EVLOOP_NONBLOCK : 0)) < 0)
		return errno > 0 ? -errno : -EIO;
	return 0;
}

int loop_run(struct loop *loop) {
	loop->stopping = false;
	while (!loop->stopping) {
		bool more = loop_work(loop);
		int r;

		if (loop->stopping)
			break;
		r = loop_wait(loop, more);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- descriptors and signals ----------------------------------------------------------------------------- */

static void loop_io_ready(evutil_socket_t fd, short what, void *userdata) {
	struct loop_io *io = userdata;

	(void)loop_refresh(io->loop);
	io->callback(io->userdata, fd, what & EV_READ ? LOOP_READ : LOOP_WRITE);
}

int loop_add_io(struct loop *loop, struct loop_io **ret, int fd, int events, loop_io_callback callback,
		void *userdata) {
	struct loop_io *io = calloc(1, sizeof(*io));
	int r;

	if (!io)
		return -ENOMEM;
	*io = (struct loop_io){ .loop = loop, .fd = fd, .callback = callback, .userdata = userdata };
	if (event_assign(&io->read, loop->base, fd, EV_READ | EV_PERSIST, loop_io_ready, io) < 0 ||
	    event_assign(&io->write, loop->base, fd, EV_WRITE | EV_PERSIST, loop_io_ready, io) < 0) {
		free(io);
		return -EINVAL;
	}
	r = loop_io_set(io, events);
	if (r < 0) {
		loop_io_remove(io);
		return r;
	}
	*ret = io;
	return 0;
}

/* Add or take out one of the two events.  Return: 0, −errno. */
static int loop_io_set_one(struct loop_io *io, struct event *event, int bit, int events) {
	if ((io->events & bit) == (events & bit))
		return 0;
	if ((events & bit ? event_add(event, NULL) : event_del(event)) < 0)
		return errno > 0 ? -errno : -ENOMEM;
	io->events ^= bit;
	return 0;
}

int loop_io_set(struct loop_io *io, int events) {
	int r;

	r = loop_io_set_one(io, &io->read, LOOP_READ, events);
	if (r < 0)
		return r;
	return loop_io_set_one(io, &io->write, LOOP_WRITE, events);
}

struct loop_io *loop_io_remove(struct loop_io *io) {
	if (!io)
		return NULL;
	(void)loop_io_set(io, 0);
	free(io);
	return NULL;
}

static void loop_signal_ready(evutil_socket_t number, short what _unused_, void *userdata) {
	struct loop_signal *signal = userdata;

	(void)loop_refresh(signal->loop);
	signal->callback(signal->userdata, number);
}

int loop_add_signal(struct loop *loop, int signal_number, void (*callback)(void *userdata, int signal_number),
		    void *userdata) {
	struct loop_signal *signal = calloc(1, sizeof(*signal));

	if (!signal)
		return -ENOMEM;
	signal->loop = loop;
	signal->callback = callback;
	signal->userdata = userdata;
	if (evsignal_assign(&signal->event, loop->base, signal_number, loop_signal_ready, signal) < 0 ||
	    evsignal_add(&signal->event, NULL) < 0) {
		free(signal);
		return errno > 0 ? -errno : -ENOMEM;
	}
	SLIST_INSERT_HEAD(&loop->signals, signal, link);
	return 0;
}
