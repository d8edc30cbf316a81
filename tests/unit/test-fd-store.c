/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How fast descriptors go to the service manager: some at once, then a few a second, by the clock that is given. */

#include "tests/unit/test.h"

#include "daemon/svc/fd-store.h"
#include "daemon/svc/systemd.h"

#define BEGIN (1000 * NSEC_PER_SEC)

static unsigned n_stored;

int __wrap_systemd_store_always(const char *name, int fd);

int __wrap_systemd_store_always(const char *name, int fd) {
	assert_string_equal(name, "thing");
	assert_int_equal(fd, 5);
	n_stored++;
	return 0;
}

/* As many as may go there now.  Return: how many those are. */
static unsigned put_all(struct fd_store *store, int64_t now_ns) {
	unsigned n = 0;

	while (fd_store_may(store, now_ns)) {
		assert_int_equal(fd_store_put(store, "thing", 5, now_ns), 0);
		n++;
	}
	return n;
}

static void test_rate(void **state _unused_) {
	struct fd_store store = { 0 };
	int64_t next_ns;

	n_stored = 0;
	assert_int_equal(put_all(&store, BEGIN), 200);
	assert_int_equal(n_stored, 200);
	next_ns = fd_store_next(&store);
	assert_int_equal(next_ns, BEGIN + NSEC_PER_SEC / 50);
	assert_int_equal(put_all(&store, next_ns - 1), 0);
	assert_int_equal(put_all(&store, next_ns), 1);
	assert_int_equal(put_all(&store, next_ns + NSEC_PER_SEC), 50);
	/* After a long rest there are no more than at first. */
	assert_int_equal(put_all(&store, BEGIN + 3600 * NSEC_PER_SEC), 200);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
