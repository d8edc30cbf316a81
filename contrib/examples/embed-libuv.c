/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library inside libuv: one poll handle for UV_READABLE, whose callback dispatches. */

#include <evloop.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

static void dispatch(uv_poll_t *handle, int status, int events) {
	(void)events;
	if (status < 0 || evl_dispatch(handle->data, 0) < 0)
		uv_close((uv_handle_t *)handle, NULL);
}

static void fired(struct evl_source *source, const struct evl_event *event, void *handle) {
	printf("fire %d inside libuv\n", (int)event->fire_seq);
	if (event->fire_seq == 3) {
		evl_cancel(source);
		uv_close(handle, NULL); /* nothing is left: uv_run() returns */
	}
}

int main(void) {
	uv_loop_t *loop = uv_default_loop();
	struct evl *evl;
	uv_poll_t handle;
	int r = evl_connect(&evl, NULL);

	if (r < 0) {
		fprintf(stderr, "embed-libuv: %s: see 'evloop ping'\n", strerror(-r));
		return 1;
	}
	handle.data = evl;
	r = uv_poll_init(loop, &handle, evl_fd(evl));
	if (r >= 0)
		r = uv_poll_start(&handle, UV_READABLE, dispatch);
	if (r >= 0)
		r = evl_call_every(evl, NULL, EVL_MSEC(100), fired, &handle);
	if (r >= 0)
		r = uv_run(loop, UV_RUN_DEFAULT);
	if (r < 0)
		fprintf(stderr, "embed-libuv: %s: %s\n", strerror(-r), evl_error_message(evl));
	uv_loop_close(loop);
	evl_close(evl);
	return r < 0;
}
