/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages from a peer: which text passes, how deep and how large one may be, and what hostile ones cost. */

#undef NDEBUG

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "proto/evloop.pb-c.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/method.h"

#define BODY_SIZE_MAX (PACKET_SIZE_MAX - FRAME_HEADER_SIZE)

/* Wire types. */
enum {
	VARINT,
	FIXED64,
	LENGTH,
	GROUP,
	GROUP_END,
	FIXED32
};

/* Bytes being put together. */
struct bytes {
	uint8_t data[2 * PACKET_SIZE_MAX];
	size_t size;
};

static void put_varint(struct bytes *bytes, uint64_t value) {
	for (; value > 0x7f; value >>= 7)
		bytes->data[bytes->size++] = (uint8_t)(value | 0x80);
	bytes->data[bytes->size++] = (uint8_t)value;
}

static void put_tag(struct bytes *bytes, unsigned field, unsigned wire_type) {
	put_varint(bytes, (uint64_t)field << 3 | wire_type);
}

static void put_bytes(struct bytes *bytes, unsigned field, const void *data, size_t size) {
	put_tag(bytes, field, LENGTH);
	put_varint(bytes, size);
	memcpy(bytes->data + bytes->size, data, size);
	bytes->size += size;
}

static int setup(void **state) {
	struct arena *arena = malloc(sizeof(*arena));

	assert_non_null(arena);
	assert_int_equal(arena_init(arena), 0);
	*state = arena;
	return 0;
}

/* One test's messages are not another's. */
static int reset(void **state) {
	arena_reset(*state);
	return 0;
}

static int teardown(void **state) {
	arena_deinit(*state);
	free(*state);
	return 0;
}

struct text {
	const char *bytes;
	bool valid;
};

static const struct text texts[] = {
	{ "", true },
	{ "a", true },
	{ "plain text, with \x7f and \x01", true },
	/* First and last of each length. */
	{ "\xc2\x80", true },
	{ "\xdf\xbf", true },
	{ "\xe0\xa0\x80", true },
	{ "\xe0\xbf\xbf", true },
	{ "\xe1\x80\x80", true },
	{ "\xec\xbf\xbf", true },
	{ "\xed\x80\x80", true },
	{ "\xed\x9f\xbf", true },
	{ "\xee\x80\x80", true },
	{ "\xef\xbf\xbd", true },
	{ "\xef\xbf\xbf", true },
	{ "\xf0\x90\x80\x80", true },
	{ "\xf1\x80\x80\x80", true },
	{ "\xf3\xbf\xbf\xbf", true },
	{ "\xf4\x8f\xbf\xbf", true },
	/* Longer than it need be. */
	{ "\xc0\x80", false },
	{ "\xc0\xaf", false },
	{ "\xc1\xbf", false },
	{ "\xe0\x80\x80", false },
	{ "\xe0\x80\xaf", false },
	{ "\xe0\x9f\xbf", false },
	{ "\xf0\x80\x80\x80", false },
	{ "\xf0\x80\x80\xaf", false },
	{ "\xf0\x8f\xbf\xbf", false },
	{ "\xf8\x88\x80\x80\x80", false },
	{ "\xfc\x84\x80\x80\x80\x80", false },
	/* Surrogates, alone and in pairs. */
	{ "\xed\xa0\x80", false },
	{ "\xed\xaf\xbf", false },
	{ "\xed\xb0\x80", false },
	{ "\xed\xbf\xbf", false },
	{ "\xed\xa0\x80\xed\xb0\x80", false },
	/* Beyond U+10FFFF. */
	{ "\xf4\x90\x80\x80", false },
	{ "\xf5\x80\x80\x80", false },
	{ "\xf7\xbf\xbf\xbf", false },
	{ "\xfe", false },
	{ "\xff", false },
	/* Continuations without a beginning, beginnings without a continuation. */
	{ "\x80", false },
	{ "\xbf", false },
	{ "\xc2", false },
	{ "\xe1\x80", false },
	{ "\xf1\x80\x80", false },
	{ "\xc2\xc2", false },
	{ "\xc2 ", false },
	{ "\xe1\x80 ", false },
	{ "\xf1\x80\x80\xc0", false },
	{ "good \xe2\x82\xac then \x80", false },
};

static void test_text(void **state _unused_) {
	static const char nul[] = "a\0b";

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (text_is_valid((const uint8_t *)texts[i].bytes, strlen(texts[i].bytes)) != texts[i].valid)
			fail_msg("text %zu: '%s'", i, texts[i].bytes);
	assert_true(text_is_valid((const uint8_t *)nul, 1));
	assert_false(text_is_valid((const uint8_t *)nul, 2));
	assert_false(text_is_valid((const uint8_t *)nul, 3));
	assert_false(text_is_valid((const uint8_t *)"", 1));
}

/* Nothing behind the end is looked at: the bytes that would complete the sequence are there, and are not ours. */
static void test_text_ends(void **state _unused_) {
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		size_t n = strlen(texts[i].bytes);
		uint8_t *exact;

		if (!texts[i].valid || n < 2 || (uint8_t)texts[i].bytes[0] < 0x80)
			continue;
		exact = malloc(n - 1);
		assert_non_null(exact);
		memcpy(exact, texts[i].bytes, n - 1);
		assert_false(text_is_valid(exact, n - 1));
		free(exact);
	}
}

/* Wherever in long text one byte is that may not be there. */
static void test_text_places(void **state _unused_) {
	static const uint8_t wrong[] = { 0x00, 0x80, 0xc3, 0xff };
	uint8_t text[40];

	memset(text, 0x7f, sizeof(text));
	text[3] = 1;
	assert_true(text_is_valid(text, sizeof(text)));
	for (size_t i = 0; i < sizeof(text); i++)
		for (size_t j = 0; j < ARRAY_SIZE(wrong); j++) {
			uint8_t before = text[i];

			text[i] = wrong[j];
			assert_false(text_is_valid(text, sizeof(text)));
			text[i] = before;
		}
}

/* A string is checked wherever it is, bytes are not. */
static void test_text_in_messages(void **state) {
	struct arena *arena = *state;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct bytes direct = { .size = 0 }, target = { .size = 0 }, nested = { .size = 0 },
			     raw = { .size = 0 };
		size_t n = strlen(texts[i].bytes);
		Evloop__HelloRequest *hello;
		Evloop__ManageRequest *manage;
		Evloop__Command *command;

		put_bytes(&direct, 3, texts[i].bytes, n);
		hello = message_unpack(arena, &evloop__hello_request__descriptor, direct.data, direct.size);
		assert_int_equal(hello != NULL, texts[i].valid);
		if (hello)
			assert_string_equal(hello->client_name, texts[i].bytes);

		put_bytes(&target, 2, texts[i].bytes, n);
		put_bytes(&nested, 1, target.data, target.size);
		manage = message_unpack(arena, &evloop__manage_request__descriptor, nested.data, nested.size);
		assert_int_equal(manage != NULL, texts[i].valid);
		if (manage)
			assert_string_equal(manage->target->name, texts[i].bytes);

		put_bytes(&raw, 1, texts[i].bytes, n);
		command = message_unpack(arena, &evloop__command__descriptor, raw.data, raw.size);
		assert_non_null(command);
		assert_int_equal(command->n_argv, 1);
		assert_memory_equal(command->argv[0].data, texts[i].bytes, n);
		arena_reset(arena);
	}
}

static void test_nul(void **state) {
	struct arena *arena = *state;
	struct bytes text = { .size = 0 }, raw = { .size = 0 };
	Evloop__Command *command;

	put_bytes(&text, 3, "a\0b", 3);
	assert_null(message_unpack(arena, &evloop__hello_request__descriptor, text.data, text.size));
	put_bytes(&raw, 1, "a\0b", 3);
	command = message_unpack(arena, &evloop__command__descriptor, raw.data, raw.size);
	assert_non_null(command);
	assert_int_equal(command->argv[0].len, 3);
}

/* What protobuf says a decoder must take, and what it must not. */
static void test_encoding(void **state) {
	static const struct {
		const char *what;
		size_t size;
		uint8_t bytes[24];
		bool valid;
	} table[] = {
		{ "nothing", 0, { 0 }, true },
		{ "a handle", 2, { 0x08, 0x05 }, true },
		{ "the same field twice: the last one counts", 4, { 0x08, 0x05, 0x08, 0x06 }, true },
		{ "an unknown varint", 3, { 0x98, 0x06, 0x01 }, true },
		{ "an unknown fixed64", 10, { 0x99, 0x06, 1, 2, 3, 4, 5, 6, 7, 8 }, true },
		{ "an unknown fixed32", 6, { 0x9d, 0x06, 1, 2, 3, 4 }, true },
		{ "an unknown text that is none", 4, { 0x9a, 0x06, 0x01, 0xff }, true },
		{ "the largest field number", 7, { 0xf8, 0xff, 0xff, 0xff, 0x0f, 0x01, 0 }, false },
		{ "half a tag", 1, { 0x88 }, false },
		{ "a tag alone", 1, { 0x08 }, false },
		{ "half a varint", 2, { 0x08, 0x85 }, false },
		{ "a varint of eleven bytes",
		  12,
		  { 0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00 },
		  false },
		{ "half a fixed64", 6, { 0x99, 0x06, 1, 2, 3, 4 }, false },
		{ "half a fixed32", 4, { 0x9d, 0x06, 1, 2 }, false },
		{ "a length beyond the end", 4, { 0x9a, 0x06, 0x02, 'a' }, false },
		{ "a length of 2^31", 8, { 0x9a, 0x06, 0x80, 0x80, 0x80, 0x80, 0x08, 'a' }, false },
		{ "a length of 2^32 - 1", 8, { 0x9a, 0x06, 0xff, 0xff, 0xff, 0xff, 0x0f, 'a' }, false },
		{ "a length of 2^64 - 1",
		  13,
		  { 0x9a, 0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'a' },
		  false },
		{ "a group", 4, { 0x9b, 0x06, 0x9c, 0x06 }, false },
		{ "the end of a group", 2, { 0x9c, 0x06 }, false },
		{ "wire type 6", 3, { 0x9e, 0x06, 0x01 }, false },
		{ "wire type 7", 3, { 0x9f, 0x06, 0x01 }, false },
		{ "field number 0", 2, { 0x00, 0x01 }, false },
		{ "a tag of more than 32 bits", 7, { 0x88, 0x80, 0x80, 0x80, 0x80, 0x01, 0x01 }, false },
		{ "a handle that is a text", 3, { 0x0a, 0x01, 'a' }, false },
		{ "a handle that is a fixed64", 9, { 0x09, 1, 2, 3, 4, 5, 6, 7, 8 }, false },
	};
	struct arena *arena = *state;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		/* Of its exact size, so that a sanitizer sees what looks beyond it. */
		uint8_t *exact = malloc(MAX(table[i].size, (size_t)1));
		const Evloop__HandleRequest *request;

		assert_non_null(exact);
		memcpy(exact, table[i].bytes, table[i].size);
		request = message_unpack(arena, &evloop__handle_request__descriptor, exact, table[i].size);
		if (strcmp(table[i].what, "the largest field number") == 0) {
			/* 2^29 - 1 is legal, 2^32 >> 3 is the same; one byte too many follows here. */
			assert_null(request);
			request = message_unpack(arena, &evloop__handle_request__descriptor, exact, 6);
			assert_non_null(request);
		} else if ((request != NULL) != table[i].valid) {
			fail_msg("%s", table[i].what);
		}
		free(exact);
		arena_reset(arena);
	}
}

/* A field that is one message, given in parts: protobuf merges them, and so does protobuf-c. */
static void test_merge(void **state) {
	struct arena *arena = *state;
	struct bytes first = { .size = 0 }, second = { .size = 0 }, all = { .size = 0 };
	Evloop__TimerSpec *spec;

	put_bytes(&first, 1, "echo", 4);
	put_bytes(&first, 2, "/", 1);
	put_bytes(&second, 1, "tea", 3);
	put_bytes(&all, 14, first.data, first.size);
	put_bytes(&all, 14, second.data, second.size);
	spec = message_unpack(arena, &evloop__timer_spec__descriptor, all.data, all.size);
	assert_non_null(spec);
	assert_int_equal(spec->command->n_argv, 2);
	assert_memory_equal(spec->command->argv[0].data, "echo", 4);
	assert_memory_equal(spec->command->argv[1].data, "tea", 3);
	assert_int_equal(spec->command->directory.len, 1);
}

/* Types that contain themselves do not exist in evloop.proto; here is one, for the walk. */
static const ProtobufCMessageDescriptor endless;
struct endless {
	ProtobufCMessage base;
	struct endless *inner;
};

static void endless_init(ProtobufCMessage *message) {
	*(struct endless *)message = (struct endless){ .base.descriptor = &endless };
}

static const ProtobufCFieldDescriptor endless_fields[] = {
	{ .name = "inner",
	  .id = 1,
	  .label = PROTOBUF_C_LABEL_NONE,
	  .type = PROTOBUF_C_TYPE_MESSAGE,
	  .offset = offsetof(struct endless, inner),
	  .descriptor = &endless },
};
static const ProtobufCIntRange endless_ranges[] = { { 1, 0 }, { 0, 1 } };
static const ProtobufCMessageDescriptor endless = {
	.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
	.name = "Endless",
	.sizeof_message = sizeof(struct endless),
	.n_fields = 1,
	.fields = endless_fields,
	.n_field_ranges = 1,
	.field_ranges = endless_ranges,
	.message_init = endless_init,
};

/* As many levels as fit into a packet, and all of them refused before the stack knows. */
static void test_depth(void **state) {
	struct arena *arena = *state;
	struct bytes bytes;
	uint8_t *p = bytes.data + sizeof(bytes.data);
	unsigned levels = 1;

	while (p > bytes.data + sizeof(bytes.data) - BODY_SIZE_MAX + 8) {
		struct bytes head = { .size = 0 };

		put_tag(&head, 1, LENGTH);
		put_varint(&head, (uint64_t)(bytes.data + sizeof(bytes.data) - p));
		p -= head.size;
		memcpy(p, head.data, head.size);
		levels++;
	}
	assert_true(levels > 16000);
	assert_null(message_unpack(arena, &endless, p, (size_t)(bytes.data + sizeof(bytes.data) - p)));

	/* The limit itself. */
	assert_non_null(message_unpack(arena, &endless, (const uint8_t *)"\x0a\x04\x0a\x02\x0a\x00", 6));
	assert_null(message_unpack(arena, &endless, (const uint8_t *)"\x0a\x06\x0a\x04\x0a\x02\x0a\x00", 8));
}

/* So many values, and not one more, however they are written. */
static void test_values(void **state) {
	struct arena *arena = *state;
	struct bytes bytes = { .size = 0 };

	arena->values_max = MESSAGE_VALUES_MAX;
	for (unsigned i = 0; i < MESSAGE_VALUES_MAX; i++) {
		put_tag(&bytes, 1, VARINT);
		put_varint(&bytes, i);
	}
	assert_non_null(message_unpack(arena, &evloop__ack_request__descriptor, bytes.data, bytes.size));
	put_tag(&bytes, 1, VARINT);
	put_varint(&bytes, 1);
	assert_null(message_unpack(arena, &evloop__ack_request__descriptor, bytes.data, bytes.size));

	/* Packed: the field itself is one, too. */
	for (size_t n = MESSAGE_VALUES_MAX - 1; n <= MESSAGE_VALUES_MAX; n++) {
		bytes.size = 0;
		put_tag(&bytes, 1, LENGTH);
		put_varint(&bytes, 2 * n);
		for (size_t i = 0; i < n; i++)
			put_varint(&bytes, 300);
		assert_int_equal(message_unpack(arena, &evloop__ack_request__descriptor, bytes.data, bytes.size) !=
					 NULL,
				 n < MESSAGE_VALUES_MAX);
	}
	arena->values_max = SIZE_MAX;
}

/* Every input that makes protobuf-c take much more memory than it has bytes. */
static void test_amplification(void **state) {
	static const struct {
		const char *what;
		const ProtobufCMessageDescriptor *type;
		size_t n;
		uint8_t unit[8];
	} table[] = {
		{ "empty words", &evloop__command__descriptor, 2, { 0x0a, 0x00 } },
		{ "empty names", &evloop__timer_info__descriptor, 3, { 0xb2, 0x01, 0x00 } },
		{ "empty entries of a list", &evloop__list_reply__descriptor, 2, { 0x0a, 0x00 } },
		{ "unknown numbers", &evloop__ping_request__descriptor, 2, { 0x08, 0x00 } },
		{ "unknown empty texts", &evloop__ping_request__descriptor, 2, { 0x0a, 0x00 } },
		{ "commands to be merged", &evloop__timer_spec__descriptor, 4, { 0x72, 0x02, 0x0a, 0x00 } },
		{ "targets to be merged", &evloop__list_request__descriptor, 5, { 0x1a, 0x03, 0x12, 0x01, 'a' } },
		{ "the same number", &evloop__handle_request__descriptor, 2, { 0x08, 0x01 } },
	};
	struct arena *arena = *state;
	struct bytes bytes;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct mallinfo2 before, after;
		void *message;

		for (bytes.size = 0; bytes.size + table[i].n <= BODY_SIZE_MAX; bytes.size += table[i].n)
			memcpy(bytes.data + bytes.size, table[i].unit, table[i].n);
		before = mallinfo2();
		message = message_unpack(arena, table[i].type, bytes.data, bytes.size);
		after = mallinfo2();
		print_message("%s: %s, %zu bytes\n", table[i].what, message ? "taken" : "refused",
			      after.uordblks - before.uordblks);
		assert_true(after.uordblks - before.uordblks <= MESSAGE_ARENA_MAX);
		arena_reset(arena);
	}
}

/* The budget: what is over it is refused, and a reset gives all of it back. */
static void test_budget(void **state) {
	struct arena *arena = *state;
	ProtobufCAllocator *allocator = &arena->allocator;

	for (unsigned round = 0; round < 3; round++) {
		size_t total = 0;
		uint8_t *p;

		while ((p = allocator->alloc(allocator->allocator_data, 1000))) {
			memset(p, 0xaa, 1000);
			assert_int_equal((uintptr_t)p % 16, 0);
			total += 1000;
		}
		assert_true(total <= MESSAGE_ARENA_MAX);
		assert_true(total > MESSAGE_ARENA_MAX * 9 / 10);
		arena_reset(arena);
	}
	/* Of all sizes, and none of them on another. */
	for (size_t i = 1, size = 1; i < 2000; i++, size = size * 7 % 30011) {
		uint8_t *p = arena_alloc(arena, size);

		if (!p)
			break;
		memset(p, (int)i, size);
	}
	arena_reset(arena);
	assert_null(allocator->alloc(allocator->allocator_data, MESSAGE_ARENA_MAX + 1));
	assert_null(allocator->alloc(allocator->allocator_data, SIZE_MAX));
	assert_null(allocator->alloc(allocator->allocator_data, SIZE_MAX - 15));
	assert_null(allocator->alloc(allocator->allocator_data, SIZE_MAX - 31));
	assert_null(allocator->alloc(allocator->allocator_data, SIZE_MAX / 2 + 1));
}

/* As many bytes as a command may have, in words of that length, must fit into the budget, and what is said of them too. */
static void check_command(struct arena *arena, size_t length) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT, *read;
	Evloop__Command command = EVLOOP__COMMAND__INIT;
	static uint8_t letters[COMMAND_SIZE_MAX];
	size_t n = COMMAND_SIZE_MAX / (length + COMMAND_WORD_COST), size;
	ProtobufCBinaryData *words;
	uint8_t *packed;

	words = calloc(n, sizeof(*words));
	packed = malloc(PACKET_SIZE_MAX);
	assert_non_null(words);
	assert_non_null(packed);
	memset(letters, 'x', sizeof(letters));
	for (size_t i = 0; i < n; i++)
		words[i] = (ProtobufCBinaryData){ length, letters };
	command.argv = words;
	command.n_argv = n;
	spec.command = &command;
	size = protobuf_c_message_get_packed_size(&spec.base);
	assert_true(size <= BODY_SIZE_MAX);
	protobuf_c_message_pack(&spec.base, packed);
	read = message_unpack(arena, &evloop__timer_spec__descriptor, packed, size);
	if (!read)
		fail_msg("%zu words of %zu letters", n, length);
	assert_int_equal(read->command->n_argv, n);
	/* The handler makes a list of words from it. */
	assert_non_null(arena_alloc(arena, n * 16));
	arena_reset(arena);
	free(packed);
	free(words);
}

static void test_largest_commands(void **state) {
	static const size_t lengths[] = { 1, 2, 5, 10, 40, 127, 128, 1000, 16000, COMMAND_SIZE_MAX - 1 };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		check_command(*state, lengths[i]);
}

/* Bytes of a fixed walk into every type: what comes out is a message or nothing. */
static void test_random(void **state) {
	struct arena *arena = *state;
	const struct method *all;
	uint64_t x = 88172645463325252;
	unsigned taken = 0;
	size_t n;

	all = method_all(&n);
	for (unsigned round = 0; round < 100000; round++) {
		const struct method *method = &all[round % n];
		uint8_t bytes[16];
		size_t size;

		for (size_t i = 0; i < sizeof(bytes); i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			bytes[i] = (uint8_t)(x >> 32);
			/* Small tags and lengths get further. */
			if (x % 3)
				bytes[i] &= 0x0f;
		}
		size = x % (sizeof(bytes) + 1);
		if (!method->output)
			continue;
		if (message_unpack(arena, method->output, bytes, size))
			taken++;
		if (method->input && message_unpack(arena, method->input, bytes, size))
			taken++;
		arena_reset(arena);
	}
	assert_true(taken > 1000);
}

/* ---- how large one of our own is at most ---- */

static void check_bound(const void *message) {
	size_t size = protobuf_c_message_get_packed_size(message), bound = message_size_bound(message);

	assert_in_range(bound, size, PACKET_SIZE_MAX);
}

static void test_size_bound(void **state _unused_) {
	Evloop__Event event = EVLOOP__EVENT__INIT;
	Evloop__Grant grant = EVLOOP__GRANT__INIT;
	Evloop__PathChange change = EVLOOP__PATH_CHANGE__INIT, *changes[] = { &change, &change };
	char name[3000];

	check_bound(&event);
	/* The largest numbers of each kind, in this and in what is in it. */
	event.type = (Evloop__EventType)INT32_MIN;
	event.handle = event.id = event.fires = event.missed = event.fire_seq = UINT64_MAX;
	event.scheduled_ns = event.first_scheduled_ns = event.fired_ns = event.lateness_ns = INT64_MIN;
	grant.allowed = true;
	grant.remaining = grant.limit = grant.taken = grant.position = UINT64_MAX;
	grant.denied_by = UINT32_MAX;
	grant.retry_after_ns = grant.reset_after_ns = grant.now_ns = INT64_MIN;
	event.grant = &grant;
	check_bound(&event);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	event.name = name;
	event.data = (ProtobufCBinaryData){ .data = (uint8_t *)name, .len = sizeof(name) };
	check_bound(&event);
	assert_true(message_size_bound(&event.base) > 2 * (sizeof(name) - 1));
	/* Where it does not know, it is exact. */
	event.changes = changes;
	event.n_changes = 2;
	change.path = (ProtobufCBinaryData){ .data = (uint8_t *)name, .len = sizeof(name) };
	assert_int_equal(message_size_bound(&event.base), protobuf_c_message_get_packed_size(&event.base));
}

static void test_size_bound_of_unknown(void **state) {
	static const uint8_t unknown[] = { 0xfa, 0x7f, 3, 'a', 'b', 'c' }; /* field 2047 */
	ProtobufCMessage *message = message_unpack(*state, &evloop__ping_request__descriptor, unknown, sizeof(unknown));

	assert_non_null(message);
	check_bound(message);
	assert_int_equal(message->n_unknown_fields, 1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_text, reset),
		cmocka_unit_test_teardown(test_text_ends, reset),
		cmocka_unit_test_teardown(test_text_places, reset),
		cmocka_unit_test_teardown(test_text_in_messages, reset),
		cmocka_unit_test_teardown(test_nul, reset),
		cmocka_unit_test_teardown(test_encoding, reset),
		cmocka_unit_test_teardown(test_merge, reset),
		cmocka_unit_test_teardown(test_depth, reset),
		cmocka_unit_test_teardown(test_values, reset),
		cmocka_unit_test_teardown(test_amplification, reset),
		cmocka_unit_test_teardown(test_budget, reset),
		cmocka_unit_test_teardown(test_largest_commands, reset),
		cmocka_unit_test_teardown(test_random, reset),
		cmocka_unit_test_teardown(test_size_bound, reset),
		cmocka_unit_test_teardown(test_size_bound_of_unknown, reset),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
