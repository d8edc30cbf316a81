/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Unpacking what a peer sent, with bounded memory and no trust: an arena that is reset after each
 * frame, and a look at the bytes before protobuf-c sees them.
 */

#include <protobuf-c/protobuf-c.h>

#include "proto/base.h"

/* Memory for unpacked messages.  One arena serves one thread; messages live until the next reset. */
struct arena {
	ProtobufCAllocator allocator;
	struct arena_block *block,
		*first; /* the one that is being filled, before those that are full; the first is kept */
	struct arena_block *large; /* those of one allocation each */
	size_t used; /* of `block` */
	size_t total; /* bytes of all blocks */
	size_t values_max; /* fields of one message, at all depths, and numbers in packed ones; as many as there may be unless it is set */
};

int arena_init(struct arena *arena);
void arena_deinit(struct arena *arena);

/* Memory until the next reset, for replies too.  NULL: the budget of MESSAGE_ARENA_MAX is spent, or there is none. */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_copy(struct arena *arena, const void *data, size_t size); /* with a NUL behind it */

/* Everything in it becomes invalid. */
void arena_reset(struct arena *arena);

/*
 * Unpack `size` bytes as a message of `type`.  Refuses, before anything is allocated, text that is not
 * UTF-8 or has a NUL in it, messages nested deeper than MESSAGE_DEPTH_MAX, and more than `values_max` values.
 * Return: the message, owned by the arena; NULL: malformed, or more than MESSAGE_ARENA_MAX.
 */
void *message_unpack(struct arena *arena, const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size);

/*
 * Packed, it has no more bytes than that.  As cheap as it gets: the exact size costs as much as packing, and who has room need not know.
 */
size_t message_size_bound(const ProtobufCMessage *message);

/* Is it UTF-8 without NUL? */
bool text_is_valid(const uint8_t *data, size_t size);
