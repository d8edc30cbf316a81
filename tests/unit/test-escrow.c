/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors that wait for another process: that each comes out in its place, and what happens where one cannot. */

#include "tests/unit/test.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "daemon/svc/escrow.h"

static struct escrow escrow;
static int *fds, state_fd;
static size_t n;

static int setup(void **state _unused_) {
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	escrow_adopt(&escrow, pair[0], pair[1]);
	fds = NULL;
	n = 0;
	state_fd = -1;
	return 0;
}

static int teardown(void **state _unused_) {
	for (size_t i = 0; i < n; i++)
		(void)close_fd(fds[i]);
	free(fds);
	(void)close_fd(state_fd);
	escrow_close(&escrow);
	return 0;
}

/* A descriptor that is known again by its number. */
static int numbered(unsigned number) {
	int fd = eventfd(number, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static void put_numbered(unsigned first, unsigned count) {
	for (unsigned i = first; i < first + count; i++) {
		int fd = numbered(i);

		assert_int_equal(escrow_put(&escrow, fd), i);
		/* It must live until then, so each goes alone. */
		assert_int_equal(escrow_flush(&escrow), 0);
		(void)close(fd);
	}
}

static void finish(void) {
	int fd = memfd_create("state", MFD_CLOEXEC);

	assert_int_equal(write(fd, "state", 5), 5);
	assert_int_equal(escrow_finish(&escrow, fd), 0);
	(void)close(fd);
}

static void take(void) {
	struct stat st;

	assert_true(escrow_take(&escrow, &fds, &n, &state_fd));
	assert_int_equal(fstat(state_fd, &st), 0);
	assert_int_equal(st.st_size, 5);
}

static void assert_number(size_t place, unsigned number) {
	uint64_t value = 0;

	assert_true(place > 0 && place <= n);
	assert_int_equal(read(fds[place - 1], &value, sizeof(value)), sizeof(value));
	assert_int_equal(value, number);
}

static void test_places(void **state _unused_) {
	int many[2 * ESCROW_BATCH + 7];

	for (unsigned i = 0; i < ARRAY_SIZE(many); i++) {
		many[i] = numbered(i + 1);
		assert_int_equal(escrow_put(&escrow, many[i]), i + 1);
	}
	assert_int_equal(escrow_flush(&escrow), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
		(void)close(many[i]);
	finish();
	take();
	assert_int_equal(n, ARRAY_SIZE(many));
	for (unsigned i = 1; i <= n; i++)
		assert_number(i, i);
}

static void test_none(void **state _unused_) {
	finish();
	take();
	assert_int_equal(n, 0);
	assert_false(escrow_take(&escrow, &fds, &n, &state_fd));
}

/* A socket with a socket in it that has a socket in it ..., or, where the kernel passes on even that, no descriptor at all. */
static int make_nest(void) {
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = {
			      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec data = { .iov_base = (void *)"x", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	int inner = -1, pair[2];

	for (unsigned level = 0; level < 8; level++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		memcpy(CMSG_DATA(&control.header), &inner, sizeof(int));
		msg.msg_controllen = inner >= 0 ? sizeof(control) : 0;
		if (sendmsg(pair[0], &msg, 0) < 0) {
			(void)close(pair[0]);
			(void)close(pair[1]);
			return inner;
		}
		(void)close(pair[0]);
		(void)close_fd(inner);
		inner = pair[1];
	}
	(void)close(inner);
	return -1;
}

/* It must keep nobody else's from going, nor bring them into other places. */
static void test_one_that_cannot_go(void **state _unused_) {
	int good[10], nest = make_nest();

	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		good[i] = numbered(i + 1);
		assert_int_equal(escrow_put(&escrow, i == 4 ? nest : good[i]), i + 1);
	}
	assert_int_equal(escrow_flush(&escrow), ESCROW_E_MISSING);
	put_numbered(11, 2);
	finish();
	take();
	assert_int_equal(n, 12);
	for (unsigned i = 1; i <= n; i++)
		if (i == 5)
			assert_int_equal(fds[4], -1);
		else
			assert_number(i, i);
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++)
		(void)close(good[i]);
	(void)close_fd(nest);
}

static void test_full(void **state _unused_) {
	int fd = numbered(1), small = 1, r = 0;

	assert_int_equal(setsockopt(escrow.in, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	for (unsigned i = 0; i < 100 && r >= 0; i++) {
		(void)escrow_put(&escrow, fd);
		r = escrow_flush(&escrow);
	}
	assert_int_equal(r, -EAGAIN);
	/* Nothing comes behind it that would be taken for something else. */
	assert_true(escrow_put(&escrow, fd) < 0);
	assert_true(escrow_finish(&escrow, fd) < 0);
	assert_false(escrow_take(&escrow, &fds, &n, &state_fd));
	(void)close(fd);
}

/* Who may open no more can hand over all the same. */
static void test_no_descriptors_left(void **state _unused_) {
	struct rlimit limit, none;
	int fd = numbered(1), other;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = (rlim_t)fd;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_true(dup(fd) < 0);
	escrow_begin(&escrow);
	other = memfd_create("state", MFD_CLOEXEC);
	assert_true(other >= 0);
	(void)close(other);
	assert_int_equal(escrow_put(&escrow, fd), 1);
	assert_int_equal(escrow_put(&escrow, -1), 2);
	assert_int_equal(escrow_flush(&escrow), ESCROW_E_MISSING);
	finish();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	take();
	assert_int_equal(n, 2);
	assert_number(1, 1);
	(void)close(fd);
}

/* What a daemon left that did not live to its end is not taken for that of another one. */
static void test_rest_of_a_dead_one(void **state _unused_) {
	put_numbered(1, 3);
	escrow.n = 0;
	put_numbered(1, 2);
	finish();
	assert_false(escrow_take(&escrow, &fds, &n, &state_fd));
	escrow.n = 0;
	put_numbered(1, 1);
	assert_false(escrow_take(&escrow, &fds, &n, &state_fd));
	escrow.n = 0;
	put_numbered(1, 1);
	finish();
	take();
	assert_number(1, 1);
}

static void test_last_of_two(void **state _unused_) {
	put_numbered(1, 3);
	finish();
	escrow.n = 0;
	put_numbered(1, 1);
	finish();
	take();
	assert_int_equal(n, 1);
	assert_number(1, 1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_that_cannot_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptors_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest_of_a_dead_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_of_two, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
