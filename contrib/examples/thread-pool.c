/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Four threads that together do no more than 20 jobs a second, five of them at once; other processes may share that, too. */

#include <evloop.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void sleep_ns(int64_t ns) {
	struct timespec ts = { .tv_sec = ns / EVL_SEC(1), .tv_nsec = ns % EVL_SEC(1) };

	nanosleep(&ts, NULL);
}

/* Any thread may try, of the one limiter of the one connection: mostly that is a decision in memory, and no system call. */
static void *work(void *limiter) {
	intptr_t done = 0;

	while (done < 5) {
		struct evl_grant grant = EVL_GRANT_INIT;
		int r = evl_limiter_try(limiter, NULL, 1, &grant);

		if (r < 0) {
			fprintf(stderr, "worker: %s\n", strerror(-r));
			break;
		}
		if (r > 0)
			done++; /* here it would do the job */
		else
			sleep_ns(grant.retry_after_ns); /* and another one may be faster then */
	}
	return (void *)done;
}

int main(void) {
	const struct evl_limit limit = EVL_RATE_BURST(20, EVL_SEC(1), 5);
	struct evl_limiter *limiter = NULL;
	struct evl *evl = NULL;
	int r = evl_connect(&evl, NULL);

	if (r >= 0)
		r = evl_limiter_open(evl, &limiter, "pool", &limit);
	if (r >= 0) {
		int64_t began_ns = evl_time(evl);
		pthread_t threads[4];
		intptr_t jobs = 0;

		for (int i = 0; i < 4; i++)
			if (pthread_create(&threads[i], NULL, work, limiter) != 0)
				return 1;
		for (int i = 0; i < 4; i++) {
			void *done;

			pthread_join(threads[i], &done);
			jobs += (intptr_t)done;
		}
		/* Five at once, and the other fifteen 50 ms apart. */
		printf("%d jobs of 4 threads: %s\n", (int)jobs,
		       evl_time(evl) - began_ns >= EVL_MSEC(750) ? "as fast as they may" : "too fast");
	}
	if (r < 0)
		fprintf(stderr, "thread-pool: %s: %s\n", strerror(-r),
			evl ? evl_error_message(evl) : "see 'evloop ping'");
	evl_limiter_close(limiter);
	evl_close(evl);
	return r < 0;
}
