/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how a record lies in a file: size, number, message.  Knows nothing of what is in the messages. */

#include "daemon/rpc/record.h"

#include "proto/base.h"

#define RECORD_SIZE_MAX (8 * 1024 * 1024) /* a subscription may have a thousand messages */
#define HEADER_SIZE 5

static const ProtobufCMessageDescriptor *const types[] = {
	[RECORD_CLOCK] = &evloop__saved_clock__descriptor,
	[RECORD_LIMITER] = &evloop__saved_limiter__descriptor,
	[RECORD_BUCKET] = &evloop__saved_bucket__descriptor,
	[RECORD_SESSION] = &evloop__saved_session__descriptor,
	[RECORD_TIMER] = &evloop__saved_timer__descriptor,
	[RECORD_ATTACHMENT] = &evloop__saved_attachment__descriptor,
	[RECORD_CLAIM] = &evloop__saved_claim__descriptor,
	[RECORD_WATCH] = &evloop__saved_watch__descriptor,
	[RECORD_PATH] = &evloop__saved_path__descriptor,
	[RECORD_SUBSCRIPTION] = &evloop__saved_subscription__descriptor,
	[RECORD_PENDING] = &evloop__saved_pending__descriptor,
	[RECORD_MAIL] = &evloop__saved_mail__descriptor,
	[RECORD_GATE] = &evloop__saved_gate__descriptor,
};

int record_write(FILE *file, enum record record, const ProtobufCMessage *message) {
	size_t size = protobuf_c_message_get_packed_size(message);
	_cleanup_free_ uint8_t *buffer = NULL;

	if (size > RECORD_SIZE_MAX)
		return -EMSGSIZE;
	buffer = malloc(HEADER_SIZE + size);
	if (!buffer)
		return -ENOMEM;
	for (unsigned i = 0; i < 4; i++)
		buffer[i] = (uint8_t)(size >> 8 * i);
	buffer[4] = (uint8_t)record;
	(void)protobuf_c_message_pack(message, buffer + HEADER_SIZE);
	return fwrite(buffer, HEADER_SIZE + size, 1, file) == 1 ? 0 : -EIO;
}

/* Return: false: the end. */
static bool read_one(FILE *file, enum record *ret, uint8_t **ret_data, size_t *ret_size) {
	uint8_t header[HEADER_SIZE];
	size_t size;

	if (fread(header, sizeof(header), 1, file) != 1)
		return false;
	size = header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16 | (size_t)header[3] << 24;
	if (size > RECORD_SIZE_MAX)
		return false;
	*ret_data = malloc(size + 1);
	if (!*ret_data)
		return false;
	*ret = header[4];
	*ret_size = size;
	return size == 0 || fread(*ret_data, size, 1, file) == 1;
}

ProtobufCMessage *record_read(FILE *file, enum record *ret) {
	for (;;) {
		_cleanup_free_ uint8_t *data = NULL;
		size_t size;

		if (!read_one(file, ret, &data, &size))
			return NULL;
		if (*ret < ARRAY_SIZE(types) && types[*ret])
			return protobuf_c_message_unpack(types[*ret], NULL, size, data);
	}
}
