/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: lateness SOCKET COUNT
 *
 * COUNT timers, 2 ms apart: how long after its deadline does the callback of each run in this process?
 */

#include "client/evloop.h"
#include "contrib/bench/measure.h"

#define SPACING_NS EVL_MSEC(2)

struct run {
	int64_t *samples;
	size_t n, n_early;
};

static void note(struct evl_source *source _unused_, const struct evl_event *event, void *userdata) {
	struct run *run = userdata;
	int64_t lateness = measure_now() - event->scheduled_ns;

	if (lateness < 0)
		run->n_early++;
	run->samples[run->n++] = lateness;
}

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 2);
	struct run run = { .samples = measure_array(count, sizeof(int64_t)) };
	struct evl *evl = NULL;

	measure_call("connect", evl_connect(&evl, argv[1]));
	int64_t start = measure_now() + EVL_MSEC(100);
	for (size_t i = 0; i < count; i++)
		measure_call("arm",
			     evl_call_at(evl, NULL, CLOCK_BOOTTIME, start + (int64_t)i * SPACING_NS, note, &run));
	measure_call("roundtrip", evl_roundtrip(evl));
	while (run.n < count)
		measure_call("dispatch", evl_dispatch(evl, -1));
	measure_sort(run.samples, run.n);
	measure_print("p50", (double)measure_percentile(run.samples, run.n, 50), "ns");
	measure_print("p99", (double)measure_percentile(run.samples, run.n, 99), "ns");
	measure_print("early", (double)run.n_early, "timers");
	evl_close(evl);
	free(run.samples);
}
