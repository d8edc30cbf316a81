/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns how sources are armed that are asked for by one message and never change: watches, subscriptions, claims, attachments.
 * What evl_reconnect() shall arm again is kept, with a copy of its descriptor.
 */

#include "client/internal.h"

#include <fcntl.h>

struct arming {
	Evloop__Method method;
	ProtobufCMessage *message;
	int fd; /* -1: none */
};

struct arming *arming_free(struct arming *arming) {
	if (arming) {
		protobuf_c_message_free_unpacked(arming->message, NULL);
		(void)close_fd(arming->fd);
		free(arming);
	}
	return NULL;
}

static ProtobufCMessage *copy_message(const ProtobufCMessage *message) {
	size_t size = protobuf_c_message_get_packed_size(message);
	_cleanup_free_ uint8_t *packed = malloc(size);

	if (!packed)
		return NULL;
	protobuf_c_message_pack(message, packed);
	return protobuf_c_message_unpack(message->descriptor, NULL, size, packed);
}

/* Return: 0, -ENOMEM, -EBADF, -EMFILE. */
static int arming_new(Evloop__Method method, const ProtobufCMessage *message, int fd, struct arming **ret) {
	struct arming *arming = malloc(sizeof(*arming));
	int r = 0;

	if (!arming)
		return -ENOMEM;
	*arming = (struct arming){ .method = method, .message = copy_message(message), .fd = -1 };
	if (!arming->message)
		r = -ENOMEM;
	if (r >= 0 && fd >= 0) {
		arming->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		r = arming->fd < 0 ? -errno : 0;
	}
	if (r < 0)
		arming_free(arming);
	else
		*ret = arming;
	return r;
}

int arming_begin(struct evl_source *source, struct evl_source **ret, Evloop__Method method,
		 const ProtobufCMessage *message, int fd) {
	int r = source->rearm ? arming_new(method, message, fd, &source->arming) : 0;

	if (r >= 0)
		r = call_oneway_with_fd(source->evl, method, message, fd);
	if (r < 0) {
		source_discard(source);
		return r;
	}
	source_publish(source, ret);
	return 0;
}

int arming_repeat(struct evl_source *source) {
	const struct arming *arming = source->arming;

	return call_oneway_with_fd(source->evl, arming->method, arming->message, arming->fd);
}
