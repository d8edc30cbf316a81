/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the order in which things happen in the foreground: events, runs of CMD, acknowledgements, timeouts.  How an event reads is
 * known to notice.c, what a signal does to child.c.
 */

#include "client/cli/follow.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/daemon.h"
#include "client/cli/error.h"
#include "client/cli/event.h"
#include "client/cli/own-output.h"
#include "proto/duration.h"

#define IN_A_ROW_MAX 5
#define PAUSE_NS (100 * NSEC_PER_MSEC) /* what follows a run sooner than that is its own doing */

int follow_take_option(const struct invocation *inv, struct follow *follow, int option, const char **ret_shell) {
	int r;

	switch (option) {
	case OPTION_ONCE:
		follow->once = true;
		return 0;
	case OPTION_TIMEOUT:
		r = option_duration(inv, "--timeout", optarg, &follow->timeout_ns);
		if (r == 0 && follow->timeout_ns == 0)
			return complain_value(inv, "--timeout '%s' must not be 0", optarg);
		return r;
	default:
		*ret_shell = optarg;
		return 0;
	}
}

void follow_init(struct follow *follow, const struct invocation *inv) {
	*follow = (struct follow){ .inv = inv, .deadline_ns = INT64_MAX, .look_ns = INT64_MAX };
	follow->child = (struct child){ .pid_fd = -1, .signal_fd = -1 };
	follow->pace.edge_fd = -1;
	STAILQ_INIT(&follow->waiting);
	STAILQ_INIT(&follow->taken);
}

void follow_deinit(struct follow *follow) {
	notice_list_clear(&follow->waiting);
	notice_list_clear(&follow->taken);
	follow->evl = evl_close(follow->evl);
	for (size_t i = 0; i < follow->n; i++)
		watched_deinit(&follow->all[i].watched);
	free(TAKE_PTR(follow->all));
	child_deinit(&follow->child);
	pace_deinit(&follow->pace);
}

int follow_add(struct follow *follow, enum watched_kind kind, const char *operand) {
	struct followed *all = reallocarray(follow->all, follow->n + 1, sizeof(*all));

	if (!all) {
		complain("%s", strerror(ENOMEM));
		return EX_OSERR;
	}
	follow->all = all;
	all[follow->n].follow = follow;
	return watched_init(follow->inv, kind, operand, &all[follow->n++].watched);
}

static void end(struct follow *follow, int status) {
	follow->over = true;
	follow->status = status;
}

static void restart_timeout(struct follow *follow) {
	if (follow->timeout_ns > 0)
		follow->deadline_ns = evl_time(follow->evl) + follow->timeout_ns;
}

/* ---- what happens ---- */

/* Only the last message counts; the one that waits is replaced. */
static void merge_message(struct follow *follow, struct notice *notice) {
	struct notice *before = STAILQ_FIRST(&follow->waiting);

	if (!before)
		return;
	notice->event->fires += before->event->fires;
	notice->lost += before->lost;
	STAILQ_REMOVE_HEAD(&follow->waiting, link);
	follow->n_waiting--;
	notice_free(before);
}

/* The oldest is lost, as the daemon would have it, and the one behind it says so. */
static void drop_message(struct follow *follow) {
	struct notice *oldest = STAILQ_FIRST(&follow->waiting), *next = STAILQ_NEXT(oldest, link);

	next->lost += oldest->lost + 1;
	STAILQ_REMOVE_HEAD(&follow->waiting, link);
	follow->n_waiting--;
	notice_free(oldest);
}

static void wait_for_turn(struct follow *follow, struct notice *notice) {
	if (follow->latest)
		merge_message(follow, notice);
	STAILQ_INSERT_TAIL(&follow->waiting, notice, link);
	if (++follow->n_waiting > MAX(follow->queue, (size_t)1) && follow->queue > 0)
		drop_message(follow);
}

/* A path cannot be watched, or not any more.  What else is watched goes on. */
static void lose(struct follow *follow, struct watched *watched, int error) {
	follow->status = watched_fail(watched, follow->inv, error);
	watched->over = true;
}

static bool is_wanted(const struct follow *follow, const Evloop__Event *event) {
	switch (event->type) {
	case EVLOOP__EVENT_TYPE__EVENT_READY:
	case EVLOOP__EVENT_TYPE__EVENT_PROCESS:
		break;
	case EVLOOP__EVENT_TYPE__EVENT_MESSAGE:
		if (event_is_gap(event))
			return false;
		break;
	case EVLOOP__EVENT_TYPE__EVENT_CHANGED:
		if (event->n_changes == 0 && !event->rescan)
			return false;
		break;
	default:
		return false;
	}
	/* With --once there is nothing after the first. */
	return !follow->once || (STAILQ_EMPTY(&follow->waiting) && STAILQ_EMPTY(&follow->taken));
}

static void on_event(struct evl *evl _unused_, const Evloop__Event *event, void *userdata) {
	struct followed *followed = userdata;
	struct follow *follow = followed->follow;
	struct watched *watched = &followed->watched;
	struct notice *notice;

	if (follow->over)
		return;
	if (event_is_gap(event))
		complain("%s: " EVENT_GAP_TEXT, watched->operand);
	if (event->error != 0)
		lose(follow, watched, event->error);
	else if (!event->more)
		watched->over = true;
	if (!is_wanted(follow, event))
		return;
	notice = notice_new(watched, event);
	if (!notice) {
		complain("%s", strerror(ENOMEM));
		end(follow, EX_OSERR);
		return;
	}
	wait_for_turn(follow, notice);
}

/* The next daemon would not have it again.  What else is watched goes on; the end of the connection ends all, and not here. */
static void on_error(struct evl *evl _unused_, struct evl_source *source, int error, const char *message,
		     void *userdata) {
	struct follow *follow = userdata;
	struct followed *followed = source ? evl_source_userdata(source) : NULL;

	if (!followed)
		return;
	follow->status = complain_gone(followed->watched.operand, error, message);
	followed->watched.over = true;
}

static bool all_over(const struct follow *follow) {
	for (size_t i = 0; i < follow->n; i++)
		if (!follow->all[i].watched.over)
			return false;
	return STAILQ_EMPTY(&follow->waiting);
}

/* ---- what is done about it ---- */

static void take(struct follow *follow) {
	if (follow->together) {
		STAILQ_CONCAT(&follow->taken, &follow->waiting);
		follow->n_waiting = 0;
	} else if (!STAILQ_EMPTY(&follow->waiting)) {
		struct notice *first = STAILQ_FIRST(&follow->waiting);

		STAILQ_REMOVE_HEAD(&follow->waiting, link);
		STAILQ_INSERT_TAIL(&follow->taken, first, link);
		follow->n_waiting--;
	}
}

/* Return: 0, or the exit status after a complaint. */
static int acknowledge(struct follow *follow) {
	const struct notice *notice;
	int r = 0;

	STAILQ_FOREACH(notice, &follow->taken, link)
	if (r == 0 && notice->event->more && notice->watched->kind != WATCHED_TOPIC)
		r = evl_call_ack(follow->evl, notice->watched->handle);
	notice_list_clear(&follow->taken);
	follow->look_ns = INT64_MAX;
	return r < 0 ? complain_call(follow->evl, r, follow->inv->verb->name) : 0;
}

/* A descriptor that nobody has read is not acknowledged at once, for it would be ready at once. */
static int acknowledge_in_time(struct follow *follow, int64_t delay_ns) {
	if (delay_ns == 0)
		return acknowledge(follow);
	follow->look_ns = evl_time(follow->evl) + delay_ns;
	return 0;
}

static struct notice *taken_descriptor(const struct follow *follow) {
	struct notice *notice = STAILQ_FIRST(&follow->taken);

	return notice && notice->watched->kind == WATCHED_FD && notice->event->more ? notice : NULL;
}

static int finish_run(struct follow *follow, int status) {
	follow->ended_ns = evl_time(follow->evl);
	restart_timeout(follow);
	if (follow->once) {
		end(follow, status);
		return 0;
	}
	return acknowledge_in_time(follow, taken_descriptor(follow) ? pace_after_run(&follow->pace) : 0);
}

static int finish_line(struct follow *follow) {
	const struct notice *notice = taken_descriptor(follow);

	/* Nothing new can come, and whether somebody takes what is left is not ours to wait for. */
	if (notice && (notice->event->readiness & EVLOOP__READINESS__READINESS_HANGUP) &&
	    !(follow->options.events & EVLOOP__READINESS__READINESS_WRITABLE))
		follow->all[0].watched.over = true;
	if (follow->once || all_over(follow)) {
		end(follow, follow->status);
		return 0;
	}
	return acknowledge_in_time(follow, notice ? pace_after_line(&follow->pace) : 0);
}

static int print(struct follow *follow) {
	const struct notice *notice;

	if (taken_descriptor(follow))
		pace_before(&follow->pace);
	STAILQ_FOREACH(notice, &follow->taken, link) {
		if (notice->lost > 0)
			complain("%s: %" PRIu64 " messages were lost", notice->watched->operand, notice->lost);
		if (!notice_print(notice, follow->inv->json))
			return 1;
	}
	restart_timeout(follow);
	return finish_line(follow);
}

/* A path that has changed of its own accord needs a pause somewhere; CMD that changes it never has one. */
static void notice_circle(struct follow *follow) {
	const struct notice *first = STAILQ_FIRST(&follow->taken);
	_cleanup_free_ char *path = NULL;

	if (!first || first->watched->kind != WATCHED_PATH)
		return;
	if (follow->ended_ns == 0 || !notice_is_before(first, follow->ended_ns + PAUSE_NS)) {
		follow->in_a_row = 1;
		return;
	}
	if (++follow->in_a_row != IN_A_ROW_MAX || follow->warned)
		return;
	follow->warned = true;
	path = first->event->n_changes > 0 ? notice_path(first->watched, first->event->changes[0]) : NULL;
	complain("%s: the command seems to change what it waits for: %s; --exclude leaves files out",
		 follow->inv->verb->name, path ? path : first->watched->operand);
}

static int export(void *userdata) {
	return notice_export(userdata);
}

static int start(struct follow *follow) {
	const struct notice *first = STAILQ_FIRST(&follow->taken);
	const void *data = NULL;
	size_t size = 0;

	follow->now = false;
	notice_circle(follow);
	if (first && first->lost > 0)
		complain("%s: %" PRIu64 " messages were lost", first->watched->operand, first->lost);
	if (first && first->watched->kind == WATCHED_TOPIC) {
		size = first->event->data.len;
		data = size > 0 ? (const void *)first->event->data.data : "";
	}
	if (taken_descriptor(follow))
		pace_before(&follow->pace);
	return child_start(&follow->child, data, size, export, &follow->taken);
}

/* Is there anything to tell, beside what we have written ourselves? */
static bool leave_own_output_out(struct follow *follow) {
	struct notice *notice;
	bool left = false;

	STAILQ_FOREACH(notice, &follow->taken, link)
	left |= notice->watched->kind != WATCHED_PATH || own_output_leave_out(notice);
	return left;
}

/* Do what can be done without waiting.  Return: 0, or the exit status. */
static int go_on(struct follow *follow) {
	if (follow->child.pid > 0)
		return 0;
	if (evl_time(follow->evl) >= follow->look_ns) {
		/* With CMD the next run is what there is to be looked at. */
		return acknowledge_in_time(follow, follow->child.words ? 0 : pace_after_line(&follow->pace));
	}
	if (follow->now || (STAILQ_EMPTY(&follow->taken) && !STAILQ_EMPTY(&follow->waiting))) {
		take(follow);
		if (!follow->now && !leave_own_output_out(follow))
			return acknowledge(follow);
		return follow->child.words ? start(follow) : print(follow);
	}
	if (all_over(follow) && STAILQ_EMPTY(&follow->taken))
		end(follow, follow->status);
	return 0;
}

/* ---- waiting ---- */

static int complain_timeout(const struct follow *follow) {
	char text[DURATION_TEXT_MAX];

	complain("%s: nothing happened for %s", follow->inv->verb->name, duration_format(follow->timeout_ns, text));
	return EXIT_TIMED_OUT;
}

/* How long to wait: until something has to be done.  0: there is something already. */
static int64_t time_left(const struct follow *follow) {
	int64_t until_ns = MIN(follow->deadline_ns, follow->look_ns);

	if (follow->child.pid > 0 || until_ns == INT64_MAX)
		return -1;
	return MAX(until_ns - evl_time(follow->evl), 0);
}

/* The daemon has gone; a run that goes on is waited for all the same.  Return: 0, or the exit status after a complaint. */
static int lose_daemon(struct follow *follow, int error) {
	int status = complain_call(follow->evl, error, follow->inv->verb->name);

	while (follow->child.pid > 0) {
		struct pollfd fds[] = { { .fd = follow->child.pid_fd, .events = POLLIN },
					{ .fd = follow->child.signal_fd, .events = POLLIN } };

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[1].revents)
			child_take_signal(&follow->child);
		if (fds[0].revents)
			(void)child_reap(&follow->child);
	}
	return status;
}

static int wait_for_more(struct follow *follow) {
	struct pollfd fds[] = {
		{ .fd = evl_fd(follow->evl), .events = POLLIN },
		{ .fd = follow->child.signal_fd, .events = POLLIN },
		{ .fd = follow->child.pid_fd, .events = POLLIN },
	};
	int64_t left_ns = time_left(follow);
	struct timespec left = { .tv_sec = left_ns / NSEC_PER_SEC, .tv_nsec = left_ns % NSEC_PER_SEC };
	int r = ppoll(fds, ARRAY_SIZE(fds), left_ns < 0 ? NULL : &left, NULL);

	if (r < 0)
		return errno == EINTR ? 0 : complain_call(follow->evl, -errno, follow->inv->verb->name);
	/* First the signal: a run that ends by it is not followed by another. */
	if (fds[1].revents)
		child_take_signal(&follow->child);
	if (fds[2].revents)
		return finish_run(follow, child_reap(&follow->child));
	r = evl_dispatch(follow->evl, 0);
	if (r < 0)
		return lose_daemon(follow, r);
	if (follow->child.pid == 0 && STAILQ_EMPTY(&follow->waiting) && evl_time(follow->evl) >= follow->deadline_ns)
		return complain_timeout(follow);
	return 0;
}

int follow_run(struct follow *follow) {
	int r = daemon_connect(follow->inv, &follow->evl);

	if (follow->all[0].watched.kind == WATCHED_FD)
		pace_init(&follow->pace, follow->all[0].watched.fd);
	for (size_t i = 0; r == 0 && i < follow->n; i++)
		r = watched_arm(&follow->all[i].watched, follow->evl, &follow->options, on_event, &follow->all[i]);
	if (r != 0)
		return r;
	evl_set_error_handler(follow->evl, on_error, follow);
	restart_timeout(follow);
	while (r == 0 && !follow->over) {
		r = go_on(follow);
		if (r == 0 && !follow->over &&
		    (STAILQ_EMPTY(&follow->waiting) || follow->child.pid > 0 || follow->look_ns != INT64_MAX))
			r = wait_for_more(follow);
	}
	return r != 0 ? r : follow->status;
}
