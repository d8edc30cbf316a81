/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the step from a peer's bytes to a message.  protobuf-c accepts invalid UTF-8 and NUL in
 * strings, follows nesting until the stack ends and turns 64 KiB into 6 MB; so its input is walked
 * first, and its memory comes from an arena with a budget.  And how much room a message of our own
 * takes at most.
 *
 * The walk follows https://protobuf.dev/programming-guides/encoding/.  It must not know what any
 * particular message means.
 */

#include "proto/message.h"

#include <stdatomic.h>
#include <string.h>

#include "proto/limits.h"

#define BLOCK_SIZE 65536

struct arena_block {
	struct arena_block *next; /* arena::block, arena::large */
	size_t size;
	max_align_t data[];
};

static struct arena_block *block_new(struct arena *arena, size_t size) {
	size_t left = MESSAGE_ARENA_MAX - arena->total;
	struct arena_block *block;

	if (left < sizeof(*block) || size > left - sizeof(*block))
		return NULL;
	block = malloc(sizeof(*block) + size);
	if (!block)
		return NULL;
	block->size = size;
	arena->total += sizeof(*block) + size;
	return block;
}

/* A block that becomes the one to be filled.  The last one is smaller, where the budget is. */
static struct arena_block *add_block(struct arena *arena, size_t least) {
	size_t left = MESSAGE_ARENA_MAX - arena->total;
	struct arena_block *block;

	left -= MIN(left, sizeof(*block));
	block = block_new(arena, MAX(MIN((size_t)BLOCK_SIZE, left & ~(size_t)15), least));
	if (block) {
		block->next = arena->block;
		arena->block = block;
		arena->used = 0;
	}
	return block;
}

void *arena_alloc(struct arena *arena, size_t size) {
	size_t rounded = (size + 15) & ~(size_t)15;
	struct arena_block *block = arena->block;
	void *p;

	if (rounded < size)
		return NULL;
	if (rounded > block->size - arena->used && rounded > BLOCK_SIZE / 4) {
		/* On its own: there is room left in the one that is being filled. */
		block = block_new(arena, rounded);
		if (!block)
			return NULL;
		block->next = arena->large;
		arena->large = block;
		return block->data;
	}
	if (rounded > block->size - arena->used) {
		block = add_block(arena, rounded);
		if (!block)
			return NULL;
	}
	p = (uint8_t *)block->data + arena->used;
	arena->used += rounded;
	return p;
}

char *arena_copy(struct arena *arena, const void *data, size_t size) {
	char *copy = arena_alloc(arena, size + 1);

	if (copy) {
		/* Where there is nothing, protobuf-c has no address for it. */
		if (size > 0)
			memcpy(copy, data, size);
		copy[size] = '\0';
	}
	return copy;
}

static void *allocate(void *userdata, size_t size) {
	return arena_alloc(userdata, size);
}

static void arena_ignore_free(void *userdata _unused_, void *p _unused_) {
}

int arena_init(struct arena *arena) {
	*arena =
		(struct arena){ .allocator = { .alloc = allocate, .free = arena_ignore_free }, .values_max = SIZE_MAX };
	arena->allocator.allocator_data = arena;
	arena->first = add_block(arena, 0);
	return arena->first ? 0 : -ENOMEM;
}

/* Free the list up to `last`.  Return: that. */
static struct arena_block *free_blocks(struct arena *arena, struct arena_block *block, const struct arena_block *last) {
	while (block != last) {
		struct arena_block *next = block->next;

		arena->total -= sizeof(*block) + block->size;
		free(block);
		block = next;
	}
	return block;
}

void arena_reset(struct arena *arena) {
	arena->large = free_blocks(arena, arena->large, NULL);
	arena->block = free_blocks(arena, arena->block, arena->first);
	arena->used = 0;
}

void arena_deinit(struct arena *arena) {
	arena->large = free_blocks(arena, arena->large, NULL);
	arena->block = arena->first = free_blocks(arena, arena->block, NULL);
}

/* Length of the well-formed sequence at p by table 3-7 of the Unicode standard; 0: there is none. */
static size_t utf8_sequence(const uint8_t *p, size_t left) {
	uint8_t lead = p[0], low = 0x80, high = 0xbf;
	size_t n;

	if (lead < 0x80)
		return lead != 0;
	if (lead >= 0xc2 && lead <= 0xdf)
		n = 2;
	else if (lead >= 0xe0 && lead <= 0xef)
		n = 3;
	else if (lead >= 0xf0 && lead <= 0xf4)
		n = 4;
	else
		return 0;
	if (lead == 0xe0)
		low = 0xa0; /* shorter forms exist */
	else if (lead == 0xed)
		high = 0x9f; /* surrogates */
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xf4)
		high = 0x8f; /* beyond U+10FFFF */
	if (left < n || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return n;
}

/* Eight letters of ASCII?  A byte of 0 borrows from its own top bit, others have it already or never get it. */
static bool is_plain(const uint8_t *p) {
	uint64_t letters;

	memcpy(&letters, p, sizeof(letters));
	return ((letters | (letters - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080)) == 0;
}

bool text_is_valid(const uint8_t *data, size_t size) {
	for (size_t i = 0; i < size;) {
		if (size - i >= 8 && is_plain(data + i)) {
			i += 8;
			continue;
		}
		size_t n = utf8_sequence(data + i, size - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

static bool read_varint(const uint8_t **p, const uint8_t *end, uint64_t *ret) {
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
		uint8_t byte = *(*p)++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

#define DEAR_VALUES                                                                                                    \
	16 /* as which a message within counts, beside its fields, and a field that is not known: each is allocated */

/* As how many values a field counts; packed numbers of `size` bytes, of which each ends with a byte that says so. */
static size_t count_values(const ProtobufCFieldDescriptor *field, const uint8_t *packed, size_t size) {
	size_t n = 1;

	if (!field || field->type == PROTOBUF_C_TYPE_MESSAGE)
		return DEAR_VALUES;
	if (field->label == PROTOBUF_C_LABEL_REPEATED && field->type < PROTOBUF_C_TYPE_STRING)
		for (size_t i = 0; i < size; i++)
			n += packed[i] < 0x80;
	return n;
}

/* *values is what it may have still. */
static bool walk(const ProtobufCMessageDescriptor *type, const uint8_t *p, const uint8_t *end, unsigned depth,
		 size_t *values) {
	if (depth > MESSAGE_DEPTH_MAX)
		return false;
	while (p < end) {
		const ProtobufCFieldDescriptor *field;
		uint64_t tag, length = 0, number;
		size_t n;

		if (!read_varint(&p, end, &tag) || tag > UINT32_MAX)
			return false;
		switch (tag & 7) {
		case 0:
			if (!read_varint(&p, end, &number))
				return false;
			break;
		case 1:
			length = 8;
			break;
		case 2:
			if (!read_varint(&p, end, &length))
				return false;
			break;
		case 5:
			length = 4;
			break;
		default: /* groups are gone since proto2; 6 and 7 never were */
			return false;
		}
		if (length > (uint64_t)(end - p))
			return false;
		field = protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
		n = count_values(field, p, (tag & 7) == 2 ? (size_t)length : 0);
		if (n > *values)
			return false;
		*values -= n;
		if (field && (tag & 7) == 2) {
			if (field->type == PROTOBUF_C_TYPE_STRING && !text_is_valid(p, (size_t)length))
				return false;
			if (field->type == PROTOBUF_C_TYPE_MESSAGE &&
			    !walk(field->descriptor, p, p + length, depth + 1, values))
				return false;
		}
		p += length;
	}
	return true;
}

void *message_unpack(struct arena *arena, const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size) {
	size_t values = arena->values_max;

	if (!walk(type, data, data + size, 1, &values))
		return NULL;
	return protobuf_c_message_unpack(type, &arena->allocator, size, data);
}

/* ---- size ---- */

#define TAG_MAX 5
#define VARINT_MAX 10

/* What a field takes beside its tag and one number, whatever it is.  Return: SIZE_MAX: this does not know. */
static size_t field_bound(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message) {
	const uint8_t *value = (const uint8_t *)message + field->offset;

	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return SIZE_MAX;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		const size_t *n = (const size_t *)((const uint8_t *)message + field->quantifier_offset);

		return *n == 0 ? 0 : SIZE_MAX;
	}
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		const char *string = *(const char *const *)value;

		return string ? strlen(string) : 0;
	}
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return ((const ProtobufCBinaryData *)value)->len;
	if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		const ProtobufCMessage *inner = *(const ProtobufCMessage *const *)value;

		return inner ? message_size_bound(inner) : 0;
	}
	return 0;
}

/* Most fields are numbers, and looked at once: which ones are not is remembered.  A place that is taken stays so. */
static struct shape {
	atomic_bool is_taken;
	const ProtobufCMessageDescriptor *_Atomic type; /* NULL: not yet */
	uint64_t others; /* bits of its fields */
} shapes[64];

static bool is_number(const ProtobufCFieldDescriptor *field) {
	return field->type < PROTOBUF_C_TYPE_STRING && field->label != PROTOBUF_C_LABEL_REPEATED &&
	       !(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF);
}

static uint64_t others_of(const ProtobufCMessageDescriptor *type) {
	uint64_t others = 0;

	for (unsigned i = 0; i < type->n_fields; i++)
		if (!is_number(&type->fields[i]))
			others |= UINT64_C(1) << i;
	return others;
}

/* `type` has at most 64 fields. */
static uint64_t find_others(const ProtobufCMessageDescriptor *type) {
	struct shape *shape = &shapes[(uintptr_t)type / sizeof(*type) % ARRAY_SIZE(shapes)];

	if (atomic_load_explicit(&shape->type, memory_order_acquire) == type)
		return shape->others;
	if (atomic_exchange_explicit(&shape->is_taken, true, memory_order_relaxed))
		return others_of(type);
	shape->others = others_of(type);
	atomic_store_explicit(&shape->type, type, memory_order_release);
	return shape->others;
}

size_t message_size_bound(const ProtobufCMessage *message) {
	const ProtobufCMessageDescriptor *type = message->descriptor;
	size_t bound = (size_t)type->n_fields * (TAG_MAX + VARINT_MAX);

	if (message->n_unknown_fields > 0 || type->n_fields > 64)
		return protobuf_c_message_get_packed_size(message);
	for (uint64_t others = find_others(type); others > 0; others &= others - 1) {
		size_t more = field_bound(&type->fields[__builtin_ctzll(others)], message);

		if (more == SIZE_MAX)
			return protobuf_c_message_get_packed_size(message);
		bound += more;
	}
	return bound;
}
