/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The library inside a poll(2) loop of one's own, beside another descriptor: evl_fd() is one more descriptor to wait for, for
 * POLLIN and nothing else, and evl_dispatch(evl, 0) does whatever it is readable for.
 */

#include <errno.h>
#include <evloop.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void write_to_pipe(struct evl_source *source, const struct evl_event *event, void *pipe_end) {
	(void)source;
	(void)event;
	printf("the timer fired, it writes to the pipe\n");
	if (write(*(int *)pipe_end, "x", 1) != 1)
		perror("write");
}

int main(void) {
	struct evl *evl = NULL;
	int pipe_fds[2], r;

	if (pipe(pipe_fds) < 0)
		return 1;
	r = evl_connect(&evl, NULL);
	if (r >= 0)
		r = evl_call_later(evl, NULL, EVL_MSEC(200), write_to_pipe, &pipe_fds[1]);
	while (r >= 0) {
		struct pollfd fds[] = {
			{ .fd = evl_fd(evl), .events = POLLIN },
			{ .fd = pipe_fds[0], .events = POLLIN },
		};

		r = poll(fds, 2, -1) < 0 ? -errno : 0;
		if (r >= 0 && fds[0].revents)
			r = evl_dispatch(evl, 0);
		if (r >= 0 && fds[1].revents) {
			printf("the pipe is readable: done\n");
			break;
		}
	}
	if (r < 0)
		fprintf(stderr, "embed-poll: %s: %s\n", strerror(-r),
			evl ? evl_error_message(evl) : "see 'evloop ping'");
	evl_close(evl);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return r < 0;
}
