/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: readiness SOCKET COUNT
 *
 * A pipe that is watched: how long from writing to it until the callback, which reads, writes again and so waits for its own
 * acknowledgement, too?
 */

#include <fcntl.h>

#include "client/evloop.h"
#include "contrib/bench/measure.h"

struct run {
	int fds[2];
	int64_t *samples, start_ns;
	size_t n, count;
};

static void put(struct run *run) {
	run->start_ns = measure_now();
	measure_syscall("write", (int)write(run->fds[1], "x", 1));
}

static void note(struct evl_source *source _unused_, const struct evl_event *event _unused_, void *userdata) {
	struct run *run = userdata;
	char byte;

	run->samples[run->n++] = measure_now() - run->start_ns;
	measure_syscall("read", (int)read(run->fds[0], &byte, 1));
	if (run->n < run->count)
		put(run);
}

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 2);
	struct run run = { .samples = measure_array(count, sizeof(int64_t)), .count = count };
	struct evl *evl = NULL;

	measure_syscall("pipe2", pipe2(run.fds, O_CLOEXEC | O_NONBLOCK));
	measure_call("connect", evl_connect(&evl, argv[1]));
	measure_call("watch", evl_add_reader(evl, NULL, run.fds[0], note, &run));
	measure_call("roundtrip", evl_roundtrip(evl));
	put(&run);
	while (run.n < count)
		measure_call("dispatch", evl_dispatch(evl, -1));
	measure_sort(run.samples, run.n);
	measure_print("p50", (double)measure_percentile(run.samples, run.n, 50), "ns");
	measure_print("p99", (double)measure_percentile(run.samples, run.n, 99), "ns");
	evl_close(evl);
	free(run.samples);
}
