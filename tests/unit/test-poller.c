/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting for descriptors, on pipes: each is told of once until it is armed, and nobody of what is gone. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "daemon/core/poller.h"

#define MANY 600

struct note {
	struct poll_item item;
	int fd;
	unsigned n;
	uint32_t events;
	struct poll_item *removes; /* when it is told of; NULL: none */
};

static struct poller *poller;

static int setup(void **state) {
	(void)state;
	return poller_new(&poller);
}

static int teardown(void **state) {
	(void)state;
	poller = poller_free(poller);
	return 0;
}

static void ready(struct poll_item *item, uint32_t events) {
	struct note *note = container_of(item, struct note, item);

	note->n++;
	note->events = events;
	if (note->removes)
		poller_remove(note->removes);
}

static void add(struct note *note, int fd, uint32_t events) {
	*note = (struct note){ .fd = fd };
	assert_int_equal(poller_add(poller, &note->item, fd, events, ready), 0);
}

/* An eventfd that can be read from the beginning, and for ever. */
static int always_ready(void) {
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static bool is_readable(int fd) {
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

static void test_once(void **state) {
	struct note note;

	(void)state;
	add(&note, always_ready(), EPOLLIN);
	assert_true(is_readable(poller_fd(poller)));
	for (unsigned i = 0; i < 3; i++)
		poller_dispatch(poller);
	assert_int_equal(note.n, 1);
	assert_int_equal(note.events, EPOLLIN);
	assert_false(is_readable(poller_fd(poller)));

	/* It has been so all the time: arming looks. */
	assert_int_equal(poller_arm(&note.item, EPOLLIN), 0);
	poller_dispatch(poller);
	poller_dispatch(poller);
	assert_int_equal(note.n, 2);
	poller_remove(&note.item);
	poller_remove(&note.item);
	close_fd(note.fd);
}

/* Whoever has armed something looks himself, once. */
static void test_armed(void **state) {
	struct note note;

	(void)state;
	poller_dispatch_armed(poller);
	add(&note, always_ready(), EPOLLIN);
	poller_dispatch_armed(poller);
	assert_int_equal(note.n, 1);
	assert_int_equal(poller_arm(&note.item, EPOLLIN), 0);
	poller_dispatch_armed(poller);
	assert_int_equal(note.n, 2);
	/* What becomes ready by itself is not looked for. */
	assert_int_equal(poller_arm(&note.item, EPOLLIN), 0);
	poller_dispatch(poller);
	assert_int_equal(note.n, 3);
	poller_dispatch_armed(poller);
	assert_int_equal(note.n, 3);
	poller_remove(&note.item);
	close_fd(note.fd);
}

static void test_hang_up(void **state) {
	struct note note;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	add(&note, fds[0], EPOLLIN);
	poller_dispatch(poller);
	assert_int_equal(note.n, 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	close_fd(fds[1]);
	poller_dispatch(poller);
	assert_int_equal(note.events, EPOLLIN | EPOLLHUP);
	poller_remove(&note.item);
	close_fd(fds[0]);
}

/* A copy of the descriptor lives on: what is taken out is gone all the same. */
static void test_removed(void **state) {
	struct note note;
	int copy;

	(void)state;
	add(&note, always_ready(), EPOLLIN);
	copy = fcntl(note.fd, F_DUPFD_CLOEXEC, 0);
	assert_true(copy >= 0);
	poller_remove(&note.item);
	close_fd(note.fd);
	assert_false(is_readable(poller_fd(poller)));
	poller_dispatch(poller);
	assert_int_equal(note.n, 0);
	close_fd(copy);
}

/* Both have been fetched when the first is told of: the other one goes then, and must not be told of. */
static void test_removed_by_the_other(void **state) {
	struct note a, b;

	(void)state;
	add(&a, always_ready(), EPOLLIN);
	add(&b, always_ready(), EPOLLIN);
	a.removes = &b.item;
	b.removes = &a.item;
	poller_dispatch(poller);
	assert_int_equal(a.n + b.n, 1);
	poller_remove(&a.item);
	poller_remove(&b.item);
	close_fd(a.fd);
	close_fd(b.fd);
}

static struct note *replacement;

static void replace(struct poll_item *item, uint32_t events) {
	struct note *note = container_of(item, struct note, item);

	ready(item, events);
	/* In the same slot, and ready, too, but not in what was fetched. */
	poller_remove(note->removes);
	add(replacement, replacement->fd, EPOLLIN);
}

static void test_slot_used_again(void **state) {
	struct note a, b, c = { .fd = always_ready() };

	(void)state;
	a = (struct note){ .fd = always_ready(), .removes = &b.item };
	b = (struct note){ .fd = always_ready(), .removes = &a.item };
	replacement = &c;
	assert_int_equal(poller_add(poller, &a.item, a.fd, EPOLLIN, replace), 0);
	assert_int_equal(poller_add(poller, &b.item, b.fd, EPOLLIN, replace), 0);
	poller_dispatch(poller);
	assert_int_equal(a.n + b.n, 1);
	assert_int_equal(c.n, 0);
	poller_dispatch(poller);
	assert_int_equal(c.n, 1);
	poller_remove(&a.item);
	poller_remove(&b.item);
	poller_remove(&c.item);
	close_fd(a.fd);
	close_fd(b.fd);
	close_fd(c.fd);
}

/* More than one call tells of: the others come with the next ones, and nobody twice. */
static void test_many(void **state) {
	static struct note notes[MANY];
	unsigned told = 0, turns = 0;
	int fd = always_ready();

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		add(&notes[i], fcntl(fd, F_DUPFD_CLOEXEC, 0), EPOLLIN);
	while (is_readable(poller_fd(poller))) {
		poller_dispatch(poller);
		told = 0;
		for (size_t i = 0; i < MANY; i++)
			told += notes[i].n;
		assert_true(told <= ++turns * POLLER_EVENTS_PER_TURN);
	}
	assert_int_equal(told, MANY);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(notes[i].n, 1);
		poller_remove(&notes[i].item);
		close_fd(notes[i].fd);
	}
	close_fd(fd);
}

static void test_refused(void **state) {
	struct poll_item item;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(poller_add(poller, &item, fd, EPOLLIN, ready), -EPERM);
	assert_null(item.poller);
	poller_remove(&item);
	assert_int_equal(poller_add(poller, &item, -1, EPOLLIN, ready), -EBADF);
	close_fd(fd);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_once),
		TEST(test_armed),
		TEST(test_hang_up),
		TEST(test_removed),
		TEST(test_removed_by_the_other),
		TEST(test_slot_used_again),
		TEST(test_many),
		TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
