/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: scale SOCKET ARMED REPEATS
 *
 * With ARMED timers that are far from due: what does it cost to arm one more, to cancel it, to have one fire?  Each is done
 * 1000 times in a row without waiting, and the whole REPEATS times; the median counts.
 */

#include "client/evloop.h"
#include "contrib/bench/measure.h"

#define BATCH 1000
#define FIRE_DELAY_NS EVL_MSEC(10)

static void note(struct evl_source *source _unused_, const struct evl_event *event _unused_, void *userdata) {
	if (userdata)
		++*(size_t *)userdata;
}

/* Deadlines are spread over an hour. */
static int64_t some_delay(void) {
	return EVL_SEC(3600) + measure_random(EVL_SEC(3600));
}

static void arm_and_cancel(struct evl *evl, int64_t *ret_arm_ns, int64_t *ret_cancel_ns) {
	static struct evl_source *sources[BATCH];
	int64_t start = measure_now();

	for (size_t i = 0; i < BATCH; i++)
		measure_call("arm", evl_call_later(evl, &sources[i], some_delay(), note, NULL));
	measure_call("roundtrip", evl_roundtrip(evl));
	int64_t armed = measure_now();
	for (size_t i = 0; i < BATCH; i++)
		measure_call("cancel", evl_cancel(sources[i]));
	measure_call("roundtrip", evl_roundtrip(evl));
	*ret_cancel_ns = (measure_now() - armed) / BATCH;
	*ret_arm_ns = (armed - start) / BATCH;
	for (size_t i = 0; i < BATCH; i++)
		sources[i] = evl_source_unref(sources[i]);
}

/* From the deadline until the last callback. */
static int64_t fire(struct evl *evl) {
	size_t n_fired = 0;
	int64_t deadline = measure_now() + FIRE_DELAY_NS;

	for (size_t i = 0; i < BATCH; i++)
		measure_call("arm", evl_call_at(evl, NULL, CLOCK_BOOTTIME, deadline, note, &n_fired));
	measure_call("roundtrip", evl_roundtrip(evl));
	while (n_fired < BATCH)
		measure_call("dispatch", evl_dispatch(evl, -1));
	return (measure_now() - deadline) / BATCH;
}

int main(int argc, char **argv) {
	size_t n_armed = measure_operand(argc, argv, 2), n = measure_operand(argc, argv, 3);
	int64_t *arm = measure_array(n, sizeof(*arm)), *cancel = measure_array(n, sizeof(*cancel));
	int64_t *fires = measure_array(n, sizeof(*fires));
	struct evl *evl = NULL;

	measure_call("connect", evl_connect(&evl, argv[1]));
	measure_call("timeout", evl_set_timeout(evl, -1));
	for (size_t i = 0; i < n_armed; i++)
		measure_call("arm", evl_call_later(evl, NULL, some_delay(), note, NULL));
	measure_call("roundtrip", evl_roundtrip(evl));
	for (size_t i = 0; i < n; i++) {
		arm_and_cancel(evl, &arm[i], &cancel[i]);
		fires[i] = fire(evl);
	}
	measure_sort(arm, n);
	measure_sort(cancel, n);
	measure_sort(fires, n);
	measure_print("arm", (double)measure_percentile(arm, n, 50), "ns");
	measure_print("cancel", (double)measure_percentile(cancel, n, 50), "ns");
	measure_print("fire", (double)measure_percentile(fires, n, 50), "ns");
	evl_close(evl);
	free(arm);
	free(cancel);
	free(fires);
}
