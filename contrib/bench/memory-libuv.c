/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: memory-libuv COUNT
 *
 * How much larger is this process with COUNT armed timers of libuv?
 */

#include "contrib/bench/measure.h"

#include <uv.h> /* behind what defines MIN and MAX: it brings <sys/param.h> */

static void note(uv_timer_t *timer _unused_) {
}

static void release(uv_handle_t *timer) {
	free(timer);
}

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 1);
	uv_timer_t **timers = measure_array(count, sizeof(uv_timer_t *));
	uv_loop_t loop;

	measure_call("uv_loop_init", uv_loop_init(&loop));
	int64_t before = measure_memory(getpid(), "VmRSS");
	for (size_t i = 0; i < count; i++) {
		timers[i] = malloc(sizeof(*timers[i]));
		if (!timers[i])
			measure_fail("memory", -ENOMEM);
		measure_call("uv_timer_init", uv_timer_init(&loop, timers[i]));
		measure_call("uv_timer_start", uv_timer_start(timers[i], note, 3600000 + measure_random(3600000), 0));
	}
	measure_print("memory", (double)(measure_memory(getpid(), "VmRSS") - before) / (double)count, "B");
	for (size_t i = 0; i < count; i++)
		uv_close((uv_handle_t *)timers[i], release);
	uv_run(&loop, UV_RUN_DEFAULT);
	measure_call("uv_loop_close", uv_loop_close(&loop));
	free(timers);
}
