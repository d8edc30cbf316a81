/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory that outlives who writes to it: what is read of it is whole, wherever he has stopped. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/core/marks.h"
#include "daemon/svc/note.h"

#define HEAD_SIZE 48 /* magic, and of each place its number and size */
#define PLACE(i) ((off_t)((i) + 1) << 30)

static struct note note;

static int setup(void **state _unused_) {
	int fd = memfd_create("note", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(note_adopt(&note, fd), NOTE_E_UNKNOWN);
	return 0;
}

static int teardown(void **state _unused_) {
	note_close(&note);
	return 0;
}

/* The process dies, and another one has the descriptor. */
static void succeed(int expected) {
	int fd = fcntl(note.fd, F_DUPFD_CLOEXEC, 3);

	assert_true(fd >= 0);
	note_close(&note);
	assert_int_equal(note.fd, -1);
	assert_int_equal(note_adopt(&note, fd), expected);
}

static void write_text(const char *text) {
	assert_int_equal(note_write(&note, text, strlen(text)), 0);
}

static void expect(const char *text) {
	size_t size;
	void *data;

	assert_int_equal(note_read(&note, &data, &size), 0);
	assert_int_equal(size, strlen(text));
	assert_memory_equal(data, text, size);
	free(data);
}

static void expect_none(void) {
	size_t size;
	void *data;

	assert_int_equal(note_read(&note, &data, &size), -ENOENT);
}

static void test_last_one(void **state _unused_) {
	char text[16];

	expect_none();
	for (unsigned i = 0; i < 10; i++) {
		(void)snprintf(text, sizeof(text), "%.*s %u", (int)(i % 4), "xxx", i);
		write_text(text);
		expect(text);
		succeed(0);
		expect(text);
	}
	note_clear(&note);
	expect_none();
	succeed(0);
	expect_none();
	write_text("again");
	expect("again");
}

static void test_marks(void **state _unused_) {
	for (size_t i = 0; i < MARKS_MAX; i++)
		note.marks[i] = i;
	write_text("text");
	succeed(0);
	for (size_t i = 0; i < MARKS_MAX; i++)
		assert_int_equal(note.marks[i], i);
	expect("text");
}

/* Where the writer stops at any byte of what he writes, there is what was there before. */
static void test_torn(void **state _unused_) {
	static const char newer[] = "what has become of it";
	uint64_t none = 0;

	write_text("first");
	write_text("second"); /* in the first place; the other one is next */
	for (size_t n = 0; n <= strlen(newer); n++) {
		assert_int_equal(pwrite(note.fd, &none, sizeof(none), 32), sizeof(none));
		assert_int_equal(pwrite(note.fd, newer, n, PLACE(1)), n);
		succeed(0);
		expect("second");
		/* It is not mistaken for the last one later either. */
		write_text("third");
		expect("third");
		write_text("second");
	}
}

/* Any bytes at all are no reason to break down. */
static void test_damaged_head(void **state _unused_) {
	uint8_t good[HEAD_SIZE], byte;
	size_t size;
	void *data;

	write_text("first");
	write_text("second");
	assert_int_equal(pread(note.fd, good, sizeof(good), 0), sizeof(good));
	for (size_t i = 0; i < sizeof(good); i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			byte = good[i] ^ (uint8_t)(1 << bit);
			assert_int_equal(pwrite(note.fd, &byte, 1, (off_t)i), 1);
			if (i < 16) {
				succeed(NOTE_E_UNKNOWN);
				expect_none();
				assert_int_equal(pwrite(note.fd, good, sizeof(good), 0), sizeof(good));
				continue;
			}
			if (note_read(&note, &data, &size) == 0)
				free(data);
			assert_int_equal(pwrite(note.fd, &good[i], 1, (off_t)i), 1);
		}
}

/* Of a daemon of another version: its memory is used, what it has noted is not. */
static void test_other_version(void **state _unused_) {
	write_text("text");
	note.marks[7] = 7;
	assert_int_equal(pwrite(note.fd, "evloopd note 9\n", 16, 0), 16);
	succeed(NOTE_E_UNKNOWN);
	expect_none();
	assert_int_equal(note.marks[7], 0);
	write_text("text");
	succeed(0);
	expect("text");
}

/* What many limiters took is given back when there are few again. */
static void test_memory(void **state _unused_) {
	size_t size = 4 * 1024 * 1024;
	char *large = calloc(1, size);
	struct stat before, after;

	assert_non_null(large);
	memset(large, 'x', size);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(note_write(&note, large, size), 0);
	free(large);
	assert_int_equal(fstat(note.fd, &before), 0);
	write_text("small");
	write_text("and small");
	expect("and small");
	assert_int_equal(fstat(note.fd, &after), 0);
	assert_true(before.st_blocks * 512 >= (blkcnt_t)(2 * size));
	assert_true(after.st_blocks * 512 <= before.st_blocks * 512 - (blkcnt_t)(2 * size) + 4 * 4096);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_last_one),     TEST(test_marks),         TEST(test_torn),
		TEST(test_damaged_head), TEST(test_other_version), TEST(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
