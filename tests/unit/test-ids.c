/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No id is given twice, whatever becomes of the daemon and of the file. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <semaphore.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/svc/ids.h"
#include "proto/limits.h"

static char directory[32], path[64];

static int setup(void **state _unused_) {
	strcpy(directory, "/tmp/test-ids-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/ids", directory);
	return 0;
}

static int teardown(void **state _unused_) {
	char temporary[80];

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	(void)unlink(temporary);
	(void)unlink(path);
	return rmdir(directory);
}

static void write_file(const char *text) {
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static void test_clean_ends(void **state _unused_) {
	struct ids ids;

	assert_int_equal(ids_begin(&ids, path), 1);
	ids_end(&ids, 3);
	assert_int_equal(ids_begin(&ids, path), 3);
	ids_end(&ids, 3);
	assert_int_equal(ids_begin(&ids, path), 3);
	ids_end(&ids, 1000000);
	assert_int_equal(ids_begin(&ids, path), 1000000);
	ids_end(&ids, 1000001);
}

static void test_crashes(void **state _unused_) {
	int64_t last = 0;
	struct ids ids;

	for (unsigned i = 0; i < 10; i++) {
		int64_t first = ids_begin(&ids, path);

		assert_true(first > last);
		last = first + IDS_RESERVED - 1; /* it may have given all of them */
		free(ids.path); /* and is gone without a word */
	}
}

/* ---- a thread that is done before its maker goes on ---- */

static bool thread_is_first;

struct first {
	void *(*function)(void *userdata);
	void *userdata;
	sem_t done;
};

static void *run_first(void *userdata) {
	struct first *first = userdata;
	void *result = first->function(first->userdata);

	(void)sem_post(&first->done);
	return result;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *),
			  void *userdata);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *),
			  void *userdata);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *),
			  void *userdata) {
	struct first first = { .function = function, .userdata = userdata };
	int r;

	if (!thread_is_first)
		return __real_pthread_create(thread, attributes, function, userdata);
	assert_int_equal(sem_init(&first.done, 0, 0), 0);
	r = __real_pthread_create(thread, attributes, run_first, &first);
	while (r == 0 && sem_wait(&first.done) < 0)
		;
	(void)sem_destroy(&first.done);
	return r;
}

static struct loop *loop;

static bool stop_when_written(void *userdata) {
	const struct ids *ids = userdata;

	if (ids->background.fd < 0)
		loop_stop(loop);
	return false;
}

/* As the daemon does it in each turn; until the file is written. */
static void look(struct ids *ids, int64_t next) {
	static const struct loop_ops ops = { .flush = stop_when_written };

	ids_look(ids, loop, (uint64_t)next);
	loop_set_ops(loop, &ops, ids);
	if (ids->background.fd >= 0)
		assert_int_equal(loop_run(loop), 0);
}

/* More than were reserved: none of them is given again, and half of what is reserved is always left. */
static void test_many(void **state _unused_) {
	int64_t reserved = IDS_RESERVED;
	struct ids ids;

	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(ids_begin(&ids, path), 1);
	ids_look(&ids, loop, (uint64_t)reserved / 2);
	assert_int_equal(ids.background.fd, -1); /* not yet */
	for (int64_t next = 1; next < 100 * IDS_RESERVED; next += ids.block / 4) {
		look(&ids, next);
		assert_true(ids.reserved >= reserved && ids.reserved - next >= ids.block / 4);
		reserved = ids.reserved;
	}
	assert_true(reserved > 100 * IDS_RESERVED);
	free(ids.path); /* and is gone without a word */
	assert_int_equal(ids_begin(&ids, path), reserved);
	ids_end(&ids, (uint64_t)reserved);
	(void)loop_free(loop);
}

/* The file cannot be written any more: said, tried again later, and no reason to stop. */
static void test_unwritable(void **state _unused_) {
	struct ids ids;

	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(ids_begin(&ids, path), 1);
	free(ids.path);
	ids.path = strdup("/nowhere/ids");
	look(&ids, IDS_RESERVED);
	assert_int_equal(ids.result, -ENOENT);
	assert_int_equal(ids.reserved, 1 + IDS_RESERVED);
	ids_look(&ids, loop, IDS_RESERVED + 1);
	assert_int_equal(ids.background.fd, -1);
	free(ids.path);
	ids.path = strdup(path);
	look(&ids, 3 * IDS_RESERVED);
	assert_int_equal(ids.result, 0);
	assert_true(ids.reserved > 3 * IDS_RESERVED);
	ids_end(&ids, 3 * IDS_RESERVED);
	(void)loop_free(loop);
}

/* The same where the thread is faster than who has started it: what it says is not overwritten. */
static void test_unwritable_at_once(void **state) {
	thread_is_first = true;
	test_unwritable(state);
	thread_is_first = false;
}

/* What is no number, or none that an id can be, counts from the beginning; better than not to begin. */
static void test_strange_files(void **state _unused_) {
	static const char *const texts[] = {
		"", "\n", "x", "-5\n", "0\n", "9007199254740992\n", "99999999999999999999\n"
	};
	struct ids ids;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		write_file(texts[i]);
		assert_int_equal(ids_begin(&ids, path), 1);
		ids_end(&ids, 2);
		assert_int_equal(ids_begin(&ids, path), 2);
		ids_end(&ids, 2);
	}
	write_file("17");
	assert_int_equal(ids_begin(&ids, path), 17);
	ids_end(&ids, 17);
}

/* Nobody is led astray by what somebody has put there. */
static void test_strange_places(void **state _unused_) {
	char target[80];
	struct ids ids;

	snprintf(target, sizeof(target), "%s/target", directory);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(ids_begin(&ids, path), 1); /* the link is replaced, not followed */
	ids_end(&ids, 5);
	assert_int_equal(access(target, F_OK), -1);
	assert_int_equal(ids_begin(&ids, path), 5);
	ids_end(&ids, 5);

	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes to it; it must not be waited for */
	assert_int_equal(ids_begin(&ids, path), 1);
	ids_end(&ids, 5);
}

static void test_no_file(void **state _unused_) {
	struct ids ids;

	assert_int_equal(ids_begin(&ids, NULL), 1);
	ids_end(&ids, 5);
	assert_int_equal(ids_begin(&ids, "/nowhere/ids"), -ENOENT);
	ids_end(&ids, 5);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_clean_ends),
		TEST(test_crashes),
		TEST(test_many),
		TEST(test_unwritable),
		TEST(test_unwritable_at_once),
		TEST(test_strange_files),
		TEST(test_strange_places),
		TEST(test_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
