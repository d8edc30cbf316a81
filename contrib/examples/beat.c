/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Three beats, a second apart: a repeating timer that ends its own program. */

#include <evloop.h>
#include <stdio.h>
#include <string.h>

static void beat(struct evl_source *source, const struct evl_event *event, void *evl) {
	printf("beat %d, %lld ns late\n", (int)event->fire_seq, (long long)event->lateness_ns);
	if (event->fire_seq == 3) {
		evl_cancel(source);
		evl_stop(evl);
	}
}

int main(void) {
	struct evl *evl = NULL;
	int r = evl_connect(&evl, NULL);
	if (r >= 0)
		r = evl_call_every(evl, NULL, EVL_SEC(1), beat, evl);
	if (r >= 0)
		r = evl_run(evl);
	if (r < 0)
		fprintf(stderr, "beat: %s: %s\n", strerror(-r), evl ? evl_error_message(evl) : "see 'evloop ping'");
	evl_close(evl);
	return r < 0;
}
