/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * supervise [COMMAND…]: start it again whenever it ends, but no faster than a limiter allows, which all supervisors of the user share; five
 * times, so that the example has an end.
 */

#include <evloop.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS 5

struct supervisor {
	struct evl *evl;
	struct evl_limiter *limiter;
	char *const *argv;
	int64_t began_ns;
	int runs, error;
};

static void next(struct supervisor *supervisor);

static void ended(struct evl_source *source, const struct evl_event *event, void *userdata) {
	struct supervisor *supervisor = userdata;

	(void)source;
	waitpid(event->pid, NULL, 0); /* the library reaps nothing */
	printf("run %d ended with %d\n", supervisor->runs, event->status);
	if (supervisor->runs == RUNS)
		evl_stop(supervisor->evl);
	else
		next(supervisor);
}

static void start(struct evl_source *source, const struct evl_event *event, void *userdata) {
	struct supervisor *supervisor = userdata;
	pid_t pid;

	(void)source;
	(void)event;
	supervisor->runs++;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execvp(supervisor->argv[0], supervisor->argv);
		_exit(127);
	}
	supervisor->error = evl_watch_pid(supervisor->evl, NULL, pid, ended, supervisor);
	if (supervisor->error < 0)
		evl_stop(supervisor->evl);
}

/* In line for the permission to start: no callback waits. */
static void next(struct supervisor *supervisor) {
	supervisor->error = evl_limiter_acquire(supervisor->limiter, NULL, NULL, 1, -1, start, supervisor);
	if (supervisor->error < 0)
		evl_stop(supervisor->evl);
}

int main(int argc, char **argv) {
	char *const failing[] = { (char *)"sh", (char *)"-c", (char *)"exit 3", NULL };
	const struct evl_limit limit = EVL_RATE_BURST(5, EVL_SEC(1), 2);
	struct supervisor supervisor = { .argv = argc > 1 ? argv + 1 : failing };
	int r = evl_connect(&supervisor.evl, NULL);

	if (r >= 0)
		r = evl_limiter_open(supervisor.evl, &supervisor.limiter, "restarts", &limit);
	if (r >= 0) {
		supervisor.began_ns = evl_time(supervisor.evl);
		next(&supervisor);
		r = evl_run(supervisor.evl);
	}
	if (r >= 0)
		r = supervisor.error;
	/* Two at once, the other three 200 ms apart. */
	if (r >= 0)
		printf("%s\n", evl_time(supervisor.evl) - supervisor.began_ns >= EVL_MSEC(600) ? "as fast as it may"
											       : "too fast");
	else
		fprintf(stderr, "supervise: %s: %s\n", strerror(-r),
			supervisor.evl ? evl_error_message(supervisor.evl) : "see 'evloop ping'");
	evl_limiter_close(supervisor.limiter);
	evl_close(supervisor.evl);
	return r < 0;
}
