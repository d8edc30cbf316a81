/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: fire SOCKET COUNT
 *
 * COUNT timers due at one instant: how many callbacks a second run from then on until the last one?
 */

#include "client/evloop.h"
#include "contrib/bench/measure.h"

static void note(struct evl_source *source _unused_, const struct evl_event *event _unused_, void *userdata) {
	++*(size_t *)userdata;
}

/* Return: how long it took, or 0: they were not all armed in time. */
static int64_t fire(const char *path, size_t count, int64_t margin_ns) {
	struct evl *evl = NULL;
	size_t n_fired = 0;
	int64_t taken = 0;

	measure_call("connect", evl_connect(&evl, path));
	measure_call("timeout", evl_set_timeout(evl, -1));
	int64_t deadline = measure_now() + margin_ns;
	for (size_t i = 0; i < count; i++)
		measure_call("arm", evl_call_at(evl, NULL, CLOCK_BOOTTIME, deadline, note, &n_fired));
	measure_call("roundtrip", evl_roundtrip(evl));
	if (measure_now() < deadline) {
		while (n_fired < count)
			measure_call("dispatch", evl_dispatch(evl, -1));
		taken = measure_now() - deadline;
	}
	evl_close(evl);
	return taken;
}

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 2);
	int64_t margin_ns = EVL_MSEC(200) + (int64_t)count * EVL_USEC(2), taken;

	while ((taken = fire(argv[1], count, margin_ns)) == 0)
		margin_ns *= 2;
	measure_print("rate", (double)count * 1e9 / (double)taken, "1/s");
}
