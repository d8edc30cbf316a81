/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library inside systemd's event loop: one I/O source for EPOLLIN, whose handler dispatches. */

#include <evloop.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>

static int dispatch(sd_event_source *source, int fd, uint32_t revents, void *evl) {
	(void)source;
	(void)fd;
	(void)revents;
	return evl_dispatch(evl, 0); /* an error ends the loop */
}

static void fired(struct evl_source *source, const struct evl_event *event, void *loop) {
	(void)source;
	printf("fire %d inside sd-event\n", (int)event->fire_seq);
	if (event->fire_seq == 3)
		sd_event_exit(loop, 0);
}

int main(void) {
	sd_event *loop = NULL;
	struct evl *evl = NULL;
	int r = sd_event_new(&loop);

	if (r >= 0)
		r = evl_connect(&evl, NULL);
	if (r >= 0)
		r = sd_event_add_io(loop, NULL, evl_fd(evl), EPOLLIN, dispatch, evl);
	if (r >= 0)
		r = evl_call_every(evl, NULL, EVL_MSEC(100), fired, loop);
	if (r >= 0)
		r = sd_event_loop(loop);
	if (r < 0)
		fprintf(stderr, "embed-sd-event: %s: %s\n", strerror(-r),
			evl ? evl_error_message(evl) : "see 'evloop ping'");
	sd_event_unref(loop); /* first: it watches the descriptor */
	evl_close(evl);
	return r < 0;
}
