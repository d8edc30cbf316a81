/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One timer: say something half a second from now. */

#include <evloop.h>
#include <stdio.h>
#include <string.h>

static void greet(struct evl_source *source, const struct evl_event *event, void *name) {
	(void)source;
	printf("hello, %s, %.3f ms late\n", (const char *)name, (double)event->lateness_ns / 1e6);
}

int main(int argc, char **argv) {
	char world[] = "world", *name = argc > 1 ? argv[1] : world;
	struct evl *evl = NULL;
	int r = evl_connect(&evl, NULL);

	if (r >= 0)
		r = evl_call_later(evl, NULL, EVL_MSEC(500), greet, name);
	if (r >= 0)
		r = evl_run(evl); /* until no timer is left */
	if (r < 0)
		fprintf(stderr, "one-timer: %s: %s\n", strerror(-r),
			evl ? evl_error_message(evl) : "see 'evloop ping'");
	evl_close(evl);
	return r < 0;
}
