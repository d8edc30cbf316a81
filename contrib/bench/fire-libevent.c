/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: fire-libevent COUNT [equal]
 *
 * COUNT timers of libevent due at one instant, in this process: how many callbacks a second run until the last one?
 *
 * libevent knows delays only, so a program that means one instant computes each delay from what is left until then, and
 * the deadlines are about the same.  With `equal` they are the same exactly, which libevent's heap, as it keeps no order
 * among equals, empties without moving anything.
 */

#include <event2/event.h>
#include <string.h>
#include <time.h>

#include "contrib/bench/measure.h"

struct run {
	struct event_base *base;
	struct event **timers;
	size_t count, n_fired;
	int64_t deadline_ns, start_ns;
	bool equal;
};

static void note(evutil_socket_t fd _unused_, short what _unused_, void *userdata) {
	struct run *run = userdata;

	run->n_fired++;
}

/* When it returns, all are due.  In a callback libevent's own clock stands still: that makes deadlines equal. */
static void arm(evutil_socket_t fd _unused_, short what _unused_, void *userdata) {
	struct run *run = userdata;
	int64_t left_ns = 0;

	for (size_t i = 0; i < run->count; i++) {
		if (!run->equal)
			left_ns = run->deadline_ns - measure_now();
		struct timeval delay = { .tv_sec = left_ns / NSEC_PER_SEC,
					 .tv_usec = left_ns % NSEC_PER_SEC / NSEC_PER_USEC };
		run->timers[i] = evtimer_new(run->base, note, run);
		if (!run->timers[i] || evtimer_add(run->timers[i], &delay) < 0)
			measure_fail("evtimer", -ENOMEM);
	}
	while (measure_now() < run->deadline_ns + 20 * NSEC_PER_MSEC)
		nanosleep(&(struct timespec){ .tv_nsec = NSEC_PER_MSEC }, NULL);
	run->start_ns = measure_now();
}

int main(int argc, char **argv) {
	struct run run = { .count = measure_operand(argc, argv, 1),
			   .equal = argc > 2 && strcmp(argv[2], "equal") == 0 };
	struct timeval at_once = { 0 };

	run.timers = measure_array(run.count, sizeof(struct event *));
	run.base = event_base_new();
	if (!run.base)
		measure_fail("event_base_new", -ENOMEM);
	run.deadline_ns = measure_now() + 100 * NSEC_PER_MSEC + (int64_t)run.count * NSEC_PER_USEC;
	if (!run.equal)
		arm(-1, 0, &run);
	else if (event_base_once(run.base, -1, EV_TIMEOUT, arm, &run, &at_once) < 0)
		measure_fail("event_base_once", -ENOMEM);
	if (event_base_dispatch(run.base) < 0 || run.n_fired != run.count)
		measure_fail("event_base_dispatch", -EIO);
	measure_print("rate", (double)run.count * 1e9 / (double)(measure_now() - run.start_ns), "1/s");
	for (size_t i = 0; i < run.count; i++)
		event_free(run.timers[i]);
	event_base_free(run.base);
	free(run.timers);
}
