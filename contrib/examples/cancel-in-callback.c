/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A repeating timer that is cancelled and freed in its own callback, and what becomes of its data: the destructor runs once,
 * after the callback has returned.
 */

#include <evloop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct countdown {
	struct evl_source *source;
	int left;
};

static void tick(struct evl_source *source, const struct evl_event *event, void *userdata) {
	struct countdown *countdown = userdata;

	(void)source;
	(void)event;
	printf("%d\n", countdown->left--);
	if (countdown->left == 0) {
		/* The last reference: this cancels.  `countdown` is still there until the return. */
		countdown->source = evl_source_unref(countdown->source);
		printf("lift-off\n");
	}
}

static void destroy(void *userdata) {
	printf("freed\n");
	free(userdata);
}

int main(void) {
	struct countdown *countdown = calloc(1, sizeof(*countdown));
	struct evl *evl = NULL;
	int r;

	if (!countdown)
		return 1;
	countdown->left = 3;
	r = evl_connect(&evl, NULL);
	if (r >= 0)
		r = evl_call_every(evl, &countdown->source, EVL_MSEC(100), tick, countdown);
	if (r >= 0) {
		evl_source_set_destroy(countdown->source, destroy);
		r = evl_run(evl); /* ends by itself: no source is left */
	} else {
		free(countdown);
	}
	if (r < 0)
		fprintf(stderr, "cancel-in-callback: %s: %s\n", strerror(-r),
			evl ? evl_error_message(evl) : "see 'evloop ping'");
	evl_close(evl);
	return r < 0;
}
