/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: arm SOCKET COUNT PID
 *
 * How fast are COUNT timers armed, one after the other without waiting, until the daemon has said that it has them; and how
 * much larger is the daemon, whose process is PID, with them than without?
 */

#include "client/evloop.h"
#include "contrib/bench/measure.h"

static void note(struct evl_source *source _unused_, const struct evl_event *event _unused_, void *userdata _unused_) {
}

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 2);
	pid_t pid = (pid_t)measure_operand(argc, argv, 3);
	struct evl *evl = NULL;

	measure_call("connect", evl_connect(&evl, argv[1]));
	measure_call("timeout", evl_set_timeout(evl, -1));
	measure_call("roundtrip", evl_roundtrip(evl));
	int64_t before = measure_memory(pid, "VmRSS"), start = measure_now();
	for (size_t i = 0; i < count; i++) {
		int64_t delay_ns = EVL_SEC(3600) + measure_random(EVL_SEC(3600));
		measure_call("arm", evl_call_later(evl, NULL, delay_ns, note, NULL));
	}
	measure_call("roundtrip", evl_roundtrip(evl));
	int64_t end = measure_now();
	measure_print("rate", (double)count * 1e9 / (double)(end - start), "1/s");
	measure_print("memory", (double)(measure_memory(pid, "VmRSS") - before) / (double)count, "B");
	evl_close(evl);
}
