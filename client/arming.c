/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what the daemon was asked for each source: the one message by which it is armed, kept for the next daemon, with what is needed to
 * find its descriptor again.  How far a timer has come is timer.c's knowledge, and when it is asked again takeover.c's.
 */

#include "client/internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/method.h"

struct arming *arming_free(struct arming *arming) {
	if (arming) {
		if (arming->message)
			protobuf_c_message_free_unpacked(arming->message, NULL);
		if (arming->fd_is_copy)
			(void)close_fd(arming->fd);
		free(arming);
	}
	return NULL;
}

static ProtobufCMessage *copy_message(const ProtobufCMessage *message) {
	size_t size = protobuf_c_message_get_packed_size(message);
	_cleanup_free_ uint8_t *packed = malloc(MAX(size, (size_t)1));

	if (!packed)
		return NULL;
	protobuf_c_message_pack(message, packed);
	return protobuf_c_message_unpack(message->descriptor, NULL, size, packed);
}

/*
 * Of a process there is a copy, for nothing else can be relied on to name it later: its number may be another's by then, and kernels
 * before 6.9 give all pidfds one inode.  Of all else there is one only where the user has asked for that with `rearm`: a program
 * that watches a thousand descriptors shall not need two thousand.
 */
static bool wants_copy(const struct evl_source *source, Evloop__Method method) {
	return source->rearm || method != EVLOOP__METHOD__METHOD_WATCH_FD;
}

static int keep_fd(struct arming *arming, int fd, bool copy) {
	struct stat st;

	if (copy) {
		arming->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		arming->fd_is_copy = true;
		return arming->fd < 0 ? -errno : 0;
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	arming->fd = fd;
	arming->device = st.st_dev;
	arming->inode = st.st_ino;
	return 0;
}

/* How long to wait is counted from now on. */
static void note_wait(struct arming *arming, const Evloop__LimiterWaitRequest *request) {
	int64_t now_ns;

	if (request->max_wait_ns <= 0)
		return;
	now_ns = clock_ns(CLOCK_BOOTTIME);
	arming->next_ns = now_ns + MIN(request->max_wait_ns, TIME_NS_MAX - now_ns);
}

/* What is to be kept, but for the body, for which there is room. */
static int prepare(const struct evl_source *source, Evloop__Method method, const ProtobufCMessage *message, int fd,
		   struct arming **ret) {
	bool is_timer = method == EVLOOP__METHOD__METHOD_ARM;
	struct arming *arming = malloc(sizeof(*arming) + (is_timer ? 0 : message_size_bound(message)));
	int r = 0;

	if (!arming)
		return -ENOMEM;
	*arming = (struct arming){ .method = method, .fd = -1 };
	if (is_timer) {
		arming->message = copy_message(message);
		r = arming->message ? 0 : -ENOMEM;
	}
	if (r >= 0 && fd >= 0)
		r = keep_fd(arming, fd, wants_copy(source, method));
	if (r < 0) {
		arming_free(arming);
		return r;
	}
	if (method == EVLOOP__METHOD__METHOD_LIMITER_WAIT)
		note_wait(arming, (const Evloop__LimiterWaitRequest *)message);
	*ret = arming;
	return 0;
}

static void keep(struct evl_source *source, struct arming *arming) {
	arming_forget(source);
	source->arming = arming;
	source->session = (uint16_t)source->evl->session;
}

int arming_keep(struct evl_source *source, Evloop__Method method, const ProtobufCMessage *message, int fd) {
	struct arming *arming;
	int r = prepare(source, method, message, fd, &arming);

	if (r < 0)
		return r;
	if (!arming->message)
		arming->body_size = protobuf_c_message_pack(message, arming->body);
	keep(source, arming);
	return 0;
}

void arming_forget(struct evl_source *source) {
	source->arming = arming_free(source->arming);
}

void arming_note_held(struct evl_source *source) {
	if (source->arming)
		source->arming->held = true;
}

/* What was sent is what is kept: claims are made by the hundred thousand a second, and are not packed twice. */
int arming_begin(struct evl_source *source, struct evl_source **ret, Evloop__Method method,
		 const ProtobufCMessage *message, int fd) {
	struct arming *arming = NULL;
	const uint8_t *body;
	int r = prepare(source, method, message, fd, &arming);

	if (r >= 0)
		r = call_oneway_with_fd(source->evl, method, message, fd);
	if (r < 0) {
		arming_free(arming);
		source_discard(source);
		return r;
	}
	body = output_last_body(&source->evl->output, &arming->body_size);
	memcpy(arming->body, body, arming->body_size);
	keep(source, arming);
	source_publish(source, ret);
	return 0;
}

/* Has the number not come to mean something else?  Of eventfds and the like only their kind can be told. */
static bool is_same_file(const struct arming *arming) {
	struct stat st;

	return arming->fd < 0 || arming->fd_is_copy ||
	       (fstat(arming->fd, &st) == 0 && st.st_dev == arming->device && st.st_ino == arming->inode);
}

/* With the patience that is left. */
static void adapt_wait(const struct arming *arming, Evloop__LimiterWaitRequest *request) {
	request->held = arming->held;
	if (request->max_wait_ns > 0)
		request->max_wait_ns = MAX(arming->next_ns - clock_ns(CLOCK_BOOTTIME), INT64_C(0));
}

int arming_repeat(struct evl_source *source) {
	const struct arming *arming = source->arming;
	ProtobufCMessage *message;
	int r;

	if (!is_same_file(arming))
		return -EBADF;
	message = protobuf_c_message_unpack(method_find((uint16_t)arming->method)->input, NULL, arming->body_size,
					    arming->body);
	if (!message)
		return -ENOMEM;
	if (arming->method == EVLOOP__METHOD__METHOD_LIMITER_WAIT)
		adapt_wait(arming, (Evloop__LimiterWaitRequest *)message);
	r = call_oneway_with_fd(source->evl, arming->method, message, arming->fd);
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}
