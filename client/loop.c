/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns waiting: one round of dispatching, and the descriptor that stands for all there is to do.
 *
 * Waiting here polls the socket, the eventfd and the epoll of readiness.c themselves.  Only once evl_fd() was called is there an epoll
 * descriptor over both, and only then the eventfd is also set for work of this thread's, so that programs without
 * a loop of their own pay for none of it.  Must not know what callbacks are called for.
 */

#include "client/internal.h"

#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

int64_t clock_ns(clockid_t clock) {
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static struct timespec timespec_of(int64_t ns) {
	return (struct timespec){ .tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC };
}

int loop_init(struct loop *loop) {
	loop->poll_fd = loop->timer_fd = -1;
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return loop->wake_fd < 0 ? -errno : 0;
}

void loop_deinit(struct loop *loop) {
	loop->wake_fd = close_fd(loop->wake_fd);
	loop->poll_fd = close_fd(loop->poll_fd);
	loop->timer_fd = close_fd(loop->timer_fd);
}

static int watch(struct evl *evl, int operation, int fd, uint32_t events) {
	struct epoll_event event = { .events = events };

	return epoll_ctl(evl->loop.poll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

int loop_watch_socket(struct evl *evl) {
	evl->loop.watches_output = false;
	return evl->loop.poll_fd < 0 ? 0 : watch(evl, EPOLL_CTL_ADD, evl->socket, EPOLLIN);
}

int loop_watch_local(struct evl *evl) {
	return evl->loop.poll_fd < 0 || evl->local_fd < 0 ? 0 : watch(evl, EPOLL_CTL_ADD, evl->local_fd, EPOLLIN);
}

int evl_fd(struct evl *evl) {
	struct loop *loop = &evl->loop;
	int r;

	error_begin(evl, 0);
	if (!*evl->alive)
		return -ECHILD;
	if (loop->poll_fd >= 0)
		return loop->poll_fd;
	loop->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->poll_fd < 0)
		return -errno;
	r = watch(evl, EPOLL_CTL_ADD, loop->wake_fd, EPOLLIN);
	if (r >= 0 && evl->socket >= 0)
		r = loop_watch_socket(evl);
	if (r >= 0)
		r = loop_watch_local(evl);
	if (r < 0) {
		loop->poll_fd = close_fd(loop->poll_fd);
		return r;
	}
	loop_update(evl);
	return loop->poll_fd;
}

static void wake_set(struct loop *loop) {
	uint64_t one = 1;

	loop->wake_set = true;
	(void)!write(loop->wake_fd, &one, sizeof(one));
}

/* Only before local_dispatch(), which takes what other threads posted: their signal may be in it, too. */
static void wake_clear(struct loop *loop) {
	uint64_t value;

	if (!loop->wake_set)
		return;
	loop->wake_set = false;
	(void)!read(loop->wake_fd, &value, sizeof(value));
}

/* The deadlines of requests that nobody waits for; it may come too early, after the request was answered. */
static void update_timer(struct evl *evl) {
	struct loop *loop = &evl->loop;
	int64_t next = call_next_deadline(evl);
	struct itimerspec value = { 0 };

	if (next == INT64_MAX || (loop->timer_fd >= 0 && loop->timer_set_ns != 0 && loop->timer_set_ns <= next))
		return;
	if (loop->timer_fd < 0) {
		loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
		if (loop->timer_fd < 0 || watch(evl, EPOLL_CTL_ADD, loop->timer_fd, EPOLLIN) < 0) {
			loop->timer_fd = close_fd(loop->timer_fd);
			return;
		}
	}
	value.it_value = timespec_of(next);
	(void)timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &value, NULL);
	loop->timer_set_ns = next;
}

static void clear_timer(struct loop *loop) {
	uint64_t value;

	if (loop->timer_set_ns != 0 && clock_ns(CLOCK_MONOTONIC) >= loop->timer_set_ns) {
		(void)!read(loop->timer_fd, &value, sizeof(value));
		loop->timer_set_ns = 0;
	}
}

void loop_update(struct evl *evl) {
	struct loop *loop = &evl->loop;
	bool blocked = evl->output.blocked;

	if (loop->poll_fd < 0 || loop->dispatching || !connection_goes_on(evl))
		return;
	if (!loop->wake_set && (local_pending(evl) || !input_is_empty(&evl->input) || evl->link == LINK_LOST ||
				(output_pending(&evl->output) && !blocked)))
		wake_set(loop);
	if (evl->link == LINK_UP && blocked != loop->watches_output &&
	    watch(evl, EPOLL_CTL_MOD, evl->socket, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN) == 0)
		loop->watches_output = blocked;
	update_timer(evl);
}

/* Return: as ppoll(2), or -errno. */
static int wait_until(struct pollfd *fds, nfds_t n, int64_t deadline_ns) {
	struct timespec left;
	int r;

	if (deadline_ns != INT64_MAX)
		left = timespec_of(MAX(deadline_ns - clock_ns(CLOCK_MONOTONIC), 0));
	r = ppoll(fds, n, deadline_ns == INT64_MAX ? NULL : &left, NULL);
	return r < 0 ? -errno : r;
}

static struct pollfd socket_pollfd(const struct evl *evl) {
	return (struct pollfd){ .fd = evl->socket, .events = evl->output.blocked ? POLLIN | POLLOUT : POLLIN };
}

int loop_wait_socket(struct evl *evl, int64_t deadline_ns) {
	struct pollfd fd = socket_pollfd(evl);
	int r = wait_until(&fd, 1, deadline_ns);

	if (r == 0)
		return -ETIMEDOUT;
	return r == -EINTR ? 0 : MIN(r, 0);
}

/* Wait for anything.  Return: false: the time is over, or a signal came. */
static bool wait_for_work(struct evl *evl, int64_t deadline_ns) {
	struct pollfd fds[] = {
		socket_pollfd(evl),
		{ .fd = evl->loop.wake_fd, .events = POLLIN },
		{ .fd = evl->local_fd, .events = POLLIN }, /* where there is none, it is passed over */
	};
	int64_t request_deadline_ns = call_next_deadline(evl);
	int r = wait_until(fds, ARRAY_SIZE(fds), MIN(deadline_ns, request_deadline_ns));

	return r > 0 || (r == 0 && request_deadline_ns < deadline_ns);
}

/* Is there something that evl_run() is for?  What other threads have posted is counted when it is fetched. */
static bool has_reason_to_run(struct evl *evl) {
	if (!connection_goes_on(evl) || evl->loop.stopping)
		return false;
	local_fetch(evl);
	return evl->n_live > 0;
}

/* A destructor may have ended the last source: nothing would come to end the wait.  Nothing is fetched here, for that takes the signal
 * away that ends it. */
static bool may_wait(struct evl *evl) {
	return !evl->loop.running || (!evl->loop.stopping && (evl->n_live > 0 || local_pending(evl)));
}

/*
 * What was posted, then what was received, then which descriptors are ready, then what is to be sent; with nothing to do wait for it
 * until `deadline_ns` (0: do not wait).  Return: how many callbacks ran, or −errno; *ret_over: there was nothing, and no time is left.
 */
static int run_round(struct evl *evl, int64_t deadline_ns, bool *ret_over) {
	int n, r, n_ready = 0;

	*ret_over = false;
	wake_clear(&evl->loop);
	n = local_dispatch(evl);
	if (!connection_goes_on(evl))
		return n;
	output_send(evl);
	if (evl->link == LINK_UP && input_is_empty(&evl->input)) {
		if (n == 0 && deadline_ns != 0 && may_wait(evl))
			*ret_over = !wait_for_work(evl, deadline_ns);
		if (n > 0 || deadline_ns == 0 || !*ret_over)
			(void)input_receive(evl);
	}
	clear_timer(&evl->loop);
	call_expire(evl);
	r = event_dispatch(evl);
	/* The words of an error are the last ones: callbacks have others. */
	if (r >= 0 && connection_goes_on(evl))
		n_ready = readiness_dispatch(evl);
	if (!connection_goes_on(evl))
		return n + MAX(r, 0) + n_ready;
	output_send(evl);
	if (deadline_ns == 0)
		*ret_over = input_is_empty(&evl->input);
	if (r < 0)
		return r;
	/* What had been received before the loss comes first; descriptors that are always ready do not. */
	if (n + r == 0 && evl->link == LINK_LOST && input_is_empty(&evl->input))
		return connection_settle(evl);
	return n + r + n_ready;
}

static int check_dispatch(struct evl *evl) {
	error_begin(evl, 0);
	if (evl->closed)
		return -ENOTCONN;
	if (!*evl->alive)
		return -ECHILD;
	if (evl->loop.dispatching)
		return -EBUSY;
	return evl->link == LINK_DOWN ? -ENOTCONN : 0;
}

static void begin_dispatch(struct evl *evl) {
	connection_pin(evl);
	evl->loop.dispatching = true;
}

static void end_dispatch(struct evl *evl) {
	evl->loop.dispatching = false;
	loop_update(evl);
	connection_unpin(evl);
}

int evl_dispatch(struct evl *evl, int64_t timeout_ns) {
	int64_t deadline_ns = 0;
	int r = check_dispatch(evl);
	bool over;

	if (r < 0)
		return r;
	if (timeout_ns < 0)
		deadline_ns = INT64_MAX;
	else if (timeout_ns > 0)
		deadline_ns = clock_ns(CLOCK_MONOTONIC) + MIN(timeout_ns, TIME_NS_MAX);
	begin_dispatch(evl);
	do
		r = run_round(evl, deadline_ns, &over);
	while (r == 0 && !over && connection_goes_on(evl));
	end_dispatch(evl);
	return r;
}

int evl_flush(struct evl *evl) {
	int r = connection_begin(evl);

	if (r == -ECHILD)
		return r;
	if (r >= 0)
		output_send(evl);
	loop_update(evl);
	return evl->link == LINK_UP ? 0 : connection_error(evl);
}

int evl_run(struct evl *evl) {
	int r = check_dispatch(evl);
	bool over;

	if (r < 0)
		return r;
	begin_dispatch(evl);
	evl->loop.stopping = false;
	evl->loop.running = true;
	/* Round by round: a source may end without a word, and with it the reason to wait. */
	while (r >= 0 && has_reason_to_run(evl))
		r = run_round(evl, INT64_MAX, &over);
	evl->loop.running = false;
	if (connection_goes_on(evl))
		output_send(evl);
	end_dispatch(evl);
	return MIN(r, 0);
}

void evl_stop(struct evl *evl) {
	evl->loop.stopping = true;
}

int64_t evl_time(struct evl *evl) {
	return *evl->alive ? clock_ns(CLOCK_BOOTTIME) : error_begin(evl, -ECHILD);
}
