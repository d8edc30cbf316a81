/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Four worker processes that together send no more than 20 requests a second, five of them at once. */

#include <evloop.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each worker connects for itself: a connection is not shared over fork. */
static int work(void) {
	const struct evl_limit limit = EVL_RATE_BURST(20, EVL_SEC(1), 5);
	struct evl_limiter *limiter = NULL;
	struct evl *evl = NULL;
	int r = evl_connect(&evl, NULL);

	if (r >= 0)
		r = evl_limiter_open(evl, &limiter, "prefork", &limit);
	for (int i = 0; r >= 0 && i < 5; i++)
		r = evl_limiter_wait(limiter, NULL, 1, -1, NULL); /* and then the request */
	if (r < 0)
		fprintf(stderr, "worker: %s: %s\n", strerror(-r), evl ? evl_error_message(evl) : "see 'evloop ping'");
	evl_limiter_close(limiter);
	evl_close(evl);
	return r < 0;
}

int main(void) {
	struct evl *evl = NULL;
	int64_t began_ns, took_ns;
	int failed = 0, status, r;

	r = evl_connect(&evl, NULL);
	if (r < 0) {
		fprintf(stderr, "prefork-limit: %s: see 'evloop ping'\n", strerror(-r));
		return 1;
	}
	began_ns = evl_time(evl);
	for (int i = 0; i < 4; i++)
		if (fork() == 0)
			_exit(work());
	while (wait(&status) > 0)
		failed |= status;
	took_ns = evl_time(evl) - began_ns;
	/* Five at once, and the other fifteen 50 ms apart. */
	printf("20 requests of 4 workers: %s\n", took_ns >= EVL_MSEC(750) ? "as fast as they may" : "too fast");
	evl_close(evl);
	return failed != 0;
}
