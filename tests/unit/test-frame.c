/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames: the bytes of a header, and what is no frame. */

#undef NDEBUG

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "proto/frame.h"
#include "proto/limits.h"

static void put_size(uint8_t *p, uint32_t size) {
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(size >> (8 * i));
}

/* The example of PROTOCOL.md, byte for byte. */
static void test_vector(void **state _unused_) {
	static const uint8_t expected[] = { 0x12, 0, 0, 0, 0x11, 0, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t large[] = { 0x0f, 0x00, 0x01, 0x00, 0xfe, 0xca, 0xff, 0x10,
					 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01 };
	uint8_t bytes[FRAME_HEADER_SIZE];

	frame_encode(bytes, &(struct frame){ .method = 17, .kind = FRAME_ONEWAY, .serial = 7, .body_size = 2 });
	assert_memory_equal(bytes, expected, sizeof(expected));
	frame_encode(bytes, &(struct frame){ .method = 0xcafe,
					     .kind = 0xff,
					     .n_fds = 16,
					     .serial = UINT64_C(0x0123456789abcdef),
					     .body_size = 65535 });
	assert_memory_equal(bytes, large, sizeof(large));
}

/* What is encoded is decoded, whatever the fields: nothing of a header is judged here. */
static void test_round_trip(void **state _unused_) {
	static const struct frame table[] = {
		{ 0 },
		{ .method = 1, .kind = FRAME_REQUEST, .serial = 1, .body_size = 9 },
		{ .method = 64, .kind = FRAME_EVENT, .n_fds = 255, .serial = UINT64_MAX, .body_size = 1 },
		{ .method = UINT16_MAX,
		  .kind = UINT8_MAX,
		  .serial = UINT64_C(1) << 63,
		  .body_size = PACKET_SIZE_MAX - FRAME_HEADER_SIZE },
	};
	uint8_t *bytes = calloc(1, PACKET_SIZE_MAX);

	assert_non_null(bytes);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const uint8_t *data = bytes;
		size_t size = FRAME_HEADER_SIZE + table[i].body_size;
		struct frame frame;

		frame_encode(bytes, &table[i]);
		assert_int_equal(frame_decode(&data, &size, &frame), 0);
		assert_int_equal(size, 0);
		assert_ptr_equal(data, bytes + FRAME_HEADER_SIZE + table[i].body_size);
		assert_ptr_equal(frame.body, bytes + FRAME_HEADER_SIZE);
		assert_int_equal(frame.body_size, table[i].body_size);
		assert_int_equal(frame.method, table[i].method);
		assert_int_equal(frame.kind, table[i].kind);
		assert_int_equal(frame.n_fds, table[i].n_fds);
		assert_true(frame.serial == table[i].serial);
	}
	free(bytes);
}

/* The size field against what is there; `good`: the bytes of the frame. */
static void test_sizes(void **state _unused_) {
	static const struct {
		uint32_t size;
		size_t there;
		size_t good;
	} table[] = {
		{ 0, 64, 0 },          { 1, 64, 0 },          { 15, 64, 0 },         { 16, 64, 16 },
		{ 17, 64, 17 },        { 64, 64, 64 },        { 65, 64, 0 },         { 16, 16, 16 },
		{ 17, 16, 0 },         { 0x7fffffff, 64, 0 }, { 0x80000000, 64, 0 }, { 0xfffffff0, 64, 0 },
		{ 0xffffffff, 64, 0 }, { 0x10000010, 64, 0 }, /* 16 in its low bits */
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		uint8_t bytes[64] = { 0 };
		const uint8_t *data = bytes;
		size_t size = table[i].there;
		struct frame frame = { .serial = 4711 };
		int r;

		put_size(bytes, table[i].size);
		r = frame_decode(&data, &size, &frame);
		if (table[i].good == 0) {
			assert_int_equal(r, FRAME_E_MALFORMED);
			assert_ptr_equal(data, bytes);
			assert_int_equal(size, table[i].there);
			assert_int_equal(frame.serial, 4711);
		} else {
			assert_int_equal(r, 0);
			assert_ptr_equal(data, bytes + table[i].good);
			assert_int_equal(size, table[i].there - table[i].good);
		}
	}
}

/* Fewer bytes than a header are none, from a buffer that really ends there. */
static void test_short(void **state _unused_) {
	for (size_t there = 0; there < FRAME_HEADER_SIZE; there++) {
		uint8_t *bytes = calloc(1, there > 0 ? there : 1);
		const uint8_t *data = bytes;
		size_t size = there;
		struct frame frame;

		assert_non_null(bytes);
		if (there >= 4)
			put_size(bytes, FRAME_HEADER_SIZE);
		assert_int_equal(frame_decode(&data, &size, &frame), FRAME_E_MALFORMED);
		assert_int_equal(size, there);
		free(bytes);
	}
}

/* Frames in a row, at addresses that no integer would be aligned to. */
static void test_row(void **state _unused_) {
	uint8_t bytes[1 + 3 * FRAME_HEADER_SIZE + 1 + 2];
	const uint8_t *data = bytes + 1;
	size_t size = sizeof(bytes) - 1;
	uint8_t *p = bytes + 1;
	struct frame frame;

	for (unsigned i = 0; i < 3; i++) {
		frame_encode(p, &(struct frame){ .method = (uint16_t)(300 + i), .serial = i, .body_size = i });
		memset(p + FRAME_HEADER_SIZE, 0xff, i);
		p += FRAME_HEADER_SIZE + i;
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(frame_decode(&data, &size, &frame), 0);
		assert_int_equal(frame.method, 300 + i);
		assert_int_equal(frame.serial, i);
		assert_int_equal(frame.body_size, i);
	}
	assert_int_equal(size, 0);
	assert_int_equal(frame_decode(&data, &size, &frame), FRAME_E_MALFORMED);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector), cmocka_unit_test(test_round_trip), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_short),  cmocka_unit_test(test_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
