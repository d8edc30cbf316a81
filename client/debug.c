/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what the library says about itself: frames and slow callbacks, and that only when asked to. */

#include "client/internal.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "proto/method.h"

#define SLOW_MS 100
#define LINE_SIZE 512

void debug_init(struct debug *debug) {
	const char *on = secure_getenv("EVLOOP_DEBUG"), *slow_ms = secure_getenv("EVLOOP_SLOW_MS");

	debug->on = on && on[0] && !(on[0] == '0' && !on[1]);
	debug->slow_ns = (slow_ms ? strtoll(slow_ms, NULL, 10) : SLOW_MS) * NSEC_PER_MSEC;
}

static void say(struct evl *evl, const char *format, ...) _printf_(2, 3);
static void say(struct evl *evl, const char *format, ...) {
	char line[LINE_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (evl->debug.log)
		evl->debug.log(line, evl->debug.log_userdata);
	else
		(void)fprintf(stderr, "libevloop: %s\n", line);
}

static const char *kind_name(uint8_t kind) {
	static const char *const names[] = {
		[FRAME_REQUEST] = "request", [FRAME_REPLY] = "reply",   [FRAME_ERROR] = "error",
		[FRAME_EVENT] = "event",     [FRAME_ONEWAY] = "oneway",
	};

	return kind < ARRAY_SIZE(names) && names[kind] ? names[kind] : "?";
}

void debug_packet(struct evl *evl, const char *direction, const uint8_t *data, size_t size) {
	struct frame frame;

	while (size > 0 && frame_decode(&data, &size, &frame) == 0) {
		const struct method *method = method_find(frame.method);

		say(evl, "%s %s %s %" PRIu64 ", %zu bytes", direction, kind_name(frame.kind),
		    method ? method->name : "?", frame.serial, frame.body_size);
	}
}

void debug_slow(struct evl *evl, evl_callback callback, const struct evl_event *event, int64_t took_ns) {
	Dl_info info;

	if (took_ns < evl->debug.slow_ns)
		return;
	if (dladdr((void *)callback, &info) == 0)
		info = (Dl_info){ .dli_fname = "?" };
	if (info.dli_sname)
		say(evl, "slow callback: %s() took %" PRId64 " ms (source %" PRIu64 ")", info.dli_sname,
		    took_ns / NSEC_PER_MSEC, event->id);
	else /* a static function: addr2line(1) knows its name */
		say(evl, "slow callback: %s+%#tx took %" PRId64 " ms (source %" PRIu64 ")", info.dli_fname,
		    (char *)callback - (char *)info.dli_fbase, took_ns / NSEC_PER_MSEC, event->id);
}

void evl_set_log(struct evl *evl, evl_log_callback callback, void *userdata) {
	evl->debug.log = callback;
	evl->debug.log_userdata = userdata;
	/* Whoever wants to hear it need not set the environment. */
	if (callback)
		evl->debug.on = true;
}
