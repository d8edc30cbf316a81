/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ring of kept output, against a stream that is kept whole. */

#include "tests/unit/test.h"

#include <string.h>

#include "daemon/core/output.h"

#define BOUND 65536

static char byte_at(uint64_t n) {
	return (char)(n * 7 + n / 251);
}

static void write_bytes(struct output *output, size_t size, size_t bound) {
	static char data[4 * BOUND];

	assert_true(size <= sizeof(data));
	for (size_t i = 0; i < size; i++)
		data[i] = byte_at(output->end + i);
	output_write(output, data, size, bound);
}

/* What is kept is the end of the stream, and at least `least` bytes of it. */
static void check(const struct output *output, size_t least) {
	static char data[BOUND];
	uint64_t offset, first;
	size_t n;

	n = output_read(output, 0, data, sizeof(data), &first);
	assert_int_equal(first + n, output->end);
	assert_true(n >= MIN(least, output->end));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(data[i], byte_at(first + i));
	assert_int_equal(output_read(output, output->end, data, sizeof(data), &offset), 0);
	assert_int_equal(offset, output->end);
	assert_int_equal(output_read(output, UINT64_MAX, data, sizeof(data), &offset), 0);
	assert_int_equal(offset, output->end);
}

static void test_silence(void **state _unused_) {
	struct output output = { 0 };

	check(&output, 0);
	output_write(&output, "", 0, BOUND);
	assert_null(output.data);
	output_deinit(&output);
}

static void test_growth(void **state _unused_) {
	struct output output = { 0 };

	write_bytes(&output, 1, BOUND);
	assert_int_equal(output.capacity, OUTPUT_SIZE_MIN);
	while (output.end < 3 * BOUND) {
		write_bytes(&output, 1000, BOUND);
		assert_true(output.capacity <= BOUND && output.capacity < 2 * output.end + OUTPUT_SIZE_MIN);
		check(&output, BOUND);
	}
	assert_int_equal(output.capacity, BOUND);
	output_deinit(&output);
	assert_int_equal(output.end, 0);
}

static void test_pieces(void **state _unused_) {
	static const size_t sizes[] = { 1, 4095, 4096, 4097, 65535, 65536, 65537, 200000 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
			struct output output = { 0 };

			write_bytes(&output, sizes[i], BOUND);
			check(&output, BOUND);
			write_bytes(&output, sizes[k], BOUND);
			check(&output, BOUND);
			assert_int_equal(output.end, sizes[i] + sizes[k]);
			output_deinit(&output);
		}
}

/* A page after the other is the whole. */
static void test_pages(void **state _unused_) {
	struct output output = { 0 };
	uint64_t offset = 0, got;
	char data[1000];
	size_t n;

	write_bytes(&output, 100000, BOUND);
	while ((n = output_read(&output, offset, data, sizeof(data), &got)) > 0) {
		assert_true(got == offset || (offset == 0 && got == 100000 - BOUND));
		for (size_t i = 0; i < n; i++)
			assert_int_equal(data[i], byte_at(got + i));
		offset = got + n;
	}
	assert_int_equal(offset, 100000);
	output_deinit(&output);
}

/* A bound that falls keeps what there is room for already, and lets nothing grow. */
static void test_bound(void **state _unused_) {
	struct output output = { 0 };

	write_bytes(&output, 10000, BOUND);
	assert_int_equal(output.capacity, 16384);
	write_bytes(&output, 100000, OUTPUT_SIZE_MIN);
	assert_int_equal(output.capacity, 16384);
	check(&output, 16384);
	output_deinit(&output);

	write_bytes(&output, 5000, OUTPUT_SIZE_MIN);
	assert_int_equal(output.capacity, OUTPUT_SIZE_MIN);
	write_bytes(&output, 5000, BOUND);
	check(&output, OUTPUT_SIZE_MIN);
	output_deinit(&output);
}

static void test_random(void **state _unused_) {
	struct random random = RANDOM_INIT;
	struct output output = { 0 };

	for (unsigned i = 0; i < 2000; i++) {
		write_bytes(&output, random_below(&random, i % 10 ? 300 : 30000), BOUND);
		check(&output, BOUND);
	}
	output_deinit(&output);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silence), cmocka_unit_test(test_growth), cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_pages),   cmocka_unit_test(test_bound),  cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
