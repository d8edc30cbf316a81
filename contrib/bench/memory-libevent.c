/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: memory-libevent COUNT
 *
 * How much larger is this process with COUNT armed timers of libevent?
 */

#include <event2/event.h>

#include "contrib/bench/measure.h"

static void note(evutil_socket_t fd _unused_, short what _unused_, void *userdata _unused_) {
}

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 1);
	struct event **timers = measure_array(count, sizeof(struct event *));
	struct event_base *base = event_base_new();

	if (!base)
		measure_fail("event_base", -ENOMEM);
	int64_t before = measure_memory(getpid(), "VmRSS");
	for (size_t i = 0; i < count; i++) {
		struct timeval delay = { .tv_sec = 3600 + measure_random(3600) };

		timers[i] = evtimer_new(base, note, NULL);
		if (!timers[i] || evtimer_add(timers[i], &delay) < 0)
			measure_fail("evtimer", -ENOMEM);
	}
	measure_print("memory", (double)(measure_memory(getpid(), "VmRSS") - before) / (double)count, "B");
	for (size_t i = 0; i < count; i++)
		event_free(timers[i]);
	event_base_free(base);
	free(timers);
}
