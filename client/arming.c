/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what the daemon was asked for each source: the one message by which it is armed, kept for the next daemon, with what is needed to
 * find its descriptor again.  How far a timer has come is timer.c's knowledge, and when it is asked again takeover.c's.
 */

#include "client/internal.h"

#include <fcntl.h>
#include <sys/stat.h>

struct arming *arming_free(struct arming *arming) {
	if (arming) {
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
static void note_wait(struct arming *arming) {
	const Evloop__LimiterWaitRequest *request = (const Evloop__LimiterWaitRequest *)arming->message;
	int64_t now_ns = clock_ns(CLOCK_BOOTTIME);

	arming->next_ns = now_ns + MIN(MAX(request->max_wait_ns, INT64_C(0)), TIME_NS_MAX - now_ns);
}

int arming_keep(struct evl_source *source, Evloop__Method method, const ProtobufCMessage *message, int fd) {
	struct arming *arming = malloc(sizeof(*arming));
	int r = 0;

	if (!arming)
		return -ENOMEM;
	*arming = (struct arming){ .method = method, .message = copy_message(message), .fd = -1 };
	if (!arming->message)
		r = -ENOMEM;
	if (r >= 0 && fd >= 0)
		r = keep_fd(arming, fd, wants_copy(source, method));
	if (r < 0) {
		arming_free(arming);
		return r;
	}
	if (method == EVLOOP__METHOD__METHOD_LIMITER_WAIT)
		note_wait(arming);
	arming_forget(source);
	source->arming = arming;
	source->session = (uint16_t)source->evl->session;
	return 0;
}

void arming_forget(struct evl_source *source) {
	source->arming = arming_free(source->arming);
}

void arming_note_held(struct evl_source *source) {
	struct arming *arming = source->arming;

	if (arming && arming->method == EVLOOP__METHOD__METHOD_LIMITER_WAIT)
		((Evloop__LimiterWaitRequest *)arming->message)->held = true;
}

int arming_begin(struct evl_source *source, struct evl_source **ret, Evloop__Method method,
		 const ProtobufCMessage *message, int fd) {
	int r = arming_keep(source, method, message, fd);

	if (r >= 0)
		r = call_oneway_with_fd(source->evl, method, message, fd);
	if (r < 0) {
		source_discard(source);
		return r;
	}
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
static int repeat_wait(struct evl_source *source) {
	const struct arming *arming = source->arming;
	Evloop__LimiterWaitRequest rest = *(const Evloop__LimiterWaitRequest *)arming->message;

	if (rest.max_wait_ns > 0)
		rest.max_wait_ns = MAX(arming->next_ns - clock_ns(CLOCK_BOOTTIME), INT64_C(0));
	return call_oneway_with_fd(source->evl, arming->method, &rest.base, arming->fd);
}

int arming_repeat(struct evl_source *source) {
	const struct arming *arming = source->arming;

	if (!is_same_file(arming))
		return -EBADF;
	if (arming->method == EVLOOP__METHOD__METHOD_LIMITER_WAIT)
		return repeat_wait(source);
	return call_oneway_with_fd(source->evl, arming->method, arming->message, arming->fd);
}
