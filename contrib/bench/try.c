/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: try SOCKET COUNT
 *        try SOCKET COUNT pipelined
 *        try SOCKET COUNT shared [PROCESSES]
 *        try SOCKET COUNT keys PID
 *
 * COUNT decisions of a rate limiter that always allows: asked for one at a time (the median of a round trip); 64 under way at
 * any time; in shared memory, by so many processes at one limiter; one for each of COUNT keys (the memory of a key that is idle then).
 */

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "client/evloop.h"
#include "contrib/bench/measure.h"

#define DEPTH 64

static struct evl *evl;

/* Two rates are not for shared memory, so each decision is asked for. */
static struct evl_limiter *open_asked(const char *name) {
	struct evl_limit limit = EVL_RATE_BURST(1000000000, EVL_SEC(1), 1000000000);
	struct evl_limiter *limiter;

	limit.rates[1] = limit.rates[0];
	limit.n_rates = 2;
	measure_call("open", evl_limiter_open(evl, &limiter, name, &limit));
	return limiter;
}

static void must_allow(int r) {
	measure_call("try", r);
	if (r != 1)
		measure_fail("try", -EAGAIN);
}

static void ask(size_t count) {
	struct evl_limiter *limiter = open_asked("asked");
	int64_t *samples = measure_array(count, sizeof(*samples));

	for (size_t i = 0; i < count / 10 + 1; i++)
		must_allow(evl_limiter_try(limiter, NULL, 1, NULL));
	for (size_t i = 0; i < count; i++) {
		int64_t start = measure_now();
		must_allow(evl_limiter_try(limiter, NULL, 1, NULL));
		samples[i] = measure_now() - start;
	}
	measure_sort(samples, count);
	measure_print("p50", (double)measure_percentile(samples, count, 50), "ns");
	free(samples);
	evl_limiter_close(limiter);
}

struct pipeline {
	struct evl_limiter *limiter;
	size_t started, done, count;
};

static void granted(struct evl_source *source _unused_, const struct evl_event *event, void *userdata) {
	struct pipeline *pipeline = userdata;

	must_allow(event->grant->allowed);
	pipeline->done++;
	if (pipeline->started < pipeline->count) {
		pipeline->started++;
		measure_call("acquire", evl_limiter_acquire(pipeline->limiter, NULL, NULL, 1, 0, granted, pipeline));
	}
}

static void pipeline(size_t count) {
	struct pipeline line = { .limiter = open_asked("pipelined"), .count = count };
	int64_t start = measure_now();

	for (; line.started < DEPTH && line.started < count; line.started++)
		measure_call("acquire", evl_limiter_acquire(line.limiter, NULL, NULL, 1, 0, granted, &line));
	while (line.done < count)
		measure_call("dispatch", evl_dispatch(evl, -1));
	measure_print("rate", (double)count * 1e9 / (double)(measure_now() - start), "1/s");
	evl_limiter_close(line.limiter);
}

/* The time of one decision of one process, all of them at work. */
static void share(size_t count, size_t processes) {
	const struct evl_limit limit = EVL_RATE_BURST(1000000000, EVL_SEC(1), 4000000000);
	struct evl_limiter *limiter;
	int64_t start;

	measure_call("open", evl_limiter_open(evl, &limiter, "shared", &limit));
	/* Mapped memory stays mapped after fork: the children take from it. */
	start = measure_now();
	for (size_t p = 0; p < processes; p++)
		if (measure_syscall("fork", fork()) == 0) {
			for (size_t i = 0; i < count; i++)
				if (evl_limiter_try(limiter, NULL, 1, NULL) < 0)
					_exit(1);
			_exit(0);
		}
	for (size_t p = 0; p < processes; p++) {
		int status;

		measure_syscall("wait", wait(&status));
		if (status != 0)
			measure_fail("try", -EIO);
	}
	measure_print("cost", (double)(measure_now() - start) / (double)(count * processes), "ns");
	evl_limiter_close(limiter);
}

static void use_keys(size_t count, int pid) {
	struct evl_limit limit = EVL_RATE_BURST(1000, EVL_SEC(1), 1);
	struct evl_limiter *limiter;
	int64_t before;
	char key[32];

	limit.keyed = true;
	limit.max_keys = count;
	measure_call("open", evl_limiter_open(evl, &limiter, "keys", &limit));
	before = measure_memory(pid, "RssAnon");
	for (size_t i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "192.168.%zu.%zu", i / 256, i % 256);
		must_allow(evl_limiter_try(limiter, key, 1, NULL));
	}
	measure_print("memory", (double)(measure_memory(pid, "RssAnon") - before) / (double)count, "B");
	evl_limiter_close(limiter);
}

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 2);
	const char *how = argc > 3 ? argv[3] : "asked";

	measure_call("connect", evl_connect(&evl, argv[1]));
	if (strcmp(how, "pipelined") == 0)
		pipeline(count);
	else if (strcmp(how, "shared") == 0)
		share(count, argc > 4 ? measure_operand(argc, argv, 4) : 1);
	else if (strcmp(how, "keys") == 0)
		use_keys(count, (int)measure_operand(argc, argv, 4));
	else
		ask(count);
	evl_close(evl);
}
