/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Permits of processes over the death of a daemon: whose pidfd was kept has what it had, and nobody else. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/core/limiter.h"
#include "daemon/core/marks.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/noted.h"
#include "proto/method.h"
#include "tests/unit/peer-world.h"

#define METHOD(name) EVLOOP__METHOD__METHOD_##name

static struct peer_world before, after;
static struct peer peer;
static struct kept_copy kept[PERMITS_KEPT_MAX + 10];
static size_t n_kept, n_forgotten;
static uint64_t marks[MARKS_MAX];
static pid_t child;
static int pid_fd;

/* ---- a keeper ---- */

static int64_t keeper_next(void *userdata _unused_) {
	return 0;
}

static int keeper_keep(void *userdata _unused_, const char *name, int fd) {
	assert_true(n_kept < ARRAY_SIZE(kept));
	assert_true(holder_store_parse_name(name, &kept[n_kept].id));
	kept[n_kept].fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	assert_true(kept[n_kept++].fd >= 0);
	return 0;
}

static void keeper_forget(void *userdata _unused_, const char *name) {
	uint64_t id;

	assert_true(holder_store_parse_name(name, &id));
	n_forgotten++;
	for (size_t i = 0; i < n_kept; i++)
		if (kept[i].id == id) {
			(void)close_fd(kept[i].fd);
			kept[i] = kept[--n_kept];
			return;
		}
}

static const struct keeper keeper = { .next = keeper_next, .keep = keeper_keep, .forget = keeper_forget };

/* ---- */

static int setup(void **state _unused_) {
	n_kept = n_forgotten = 0;
	memset(marks, 0, sizeof(marks));
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)pause();
		_exit(0);
	}
	pid_fd = (int)syscall(SYS_pidfd_open, child, 0);
	assert_true(pid_fd >= 0);
	assert_int_equal(peer_world_init(&before, NULL, NULL), 0);
	assert_int_equal(peer_world_init(&after, NULL, NULL), 0);
	before.rpc.holders.kept.keeper = after.rpc.holders.kept.keeper = &keeper;
	peer_init(&peer, &before);
	peer_open(&peer);
	return 0;
}

static void end_child(void) {
	if (child > 0) {
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, NULL, 0), child);
	}
	child = 0;
}

static int teardown(void **state _unused_) {
	end_child();
	(void)close_fd(pid_fd);
	peer_deinit(&peer);
	before.rpc.holders.kept.keeper = after.rpc.holders.kept.keeper = NULL;
	if (before.loop)
		peer_world_deinit(&before);
	peer_world_deinit(&after);
	while (n_kept > 0)
		(void)close_fd(kept[--n_kept].fd);
	return 0;
}

static void make(const char *name, uint64_t concurrency) {
	Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;

	spec.name = (char *)name;
	spec.kind = EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY;
	spec.concurrency = concurrency;
	assert_non_null(peer_call(&peer, METHOD(LIMITER_SET), &spec, NULL));
}

static Evloop__Grant take(const char *name, uint64_t handle, uint64_t cost) {
	Evloop__LimiterWaitRequest request = EVLOOP__LIMITER_WAIT_REQUEST__INIT;
	const Evloop__Grant *grant;

	request.handle = handle;
	request.name = (char *)name;
	request.cost = cost;
	request.max_wait_ns = -1;
	grant = peer_call_with_fd(&peer, METHOD(LIMITER_WAIT), &request, pid_fd, NULL);
	assert_non_null(grant);
	return *grant;
}

static void cancel(uint64_t handle) {
	Evloop__HandleRequest request = EVLOOP__HANDLE_REQUEST__INIT;

	request.handle = handle;
	assert_non_null(peer_call(&peer, METHOD(CANCEL_HANDLE), &request, NULL));
}

/* It is so much later, as far as what is kept is concerned. */
static void tick(struct peer_world *world, int64_t ns) {
	holder_store_tick(&world->rpc.holders, loop_refresh(world->loop)->ns[TIMER_CLOCK_BOOTTIME] + ns);
}

static struct limiter_info info_of(struct peer_world *world, const char *name) {
	struct limiter_info info = { 0 };
	struct tenant *tenant;
	struct limiter *limiter;

	assert_int_equal(scheduler_tenant(world->scheduler, geteuid(), &tenant), 0);
	limiter = limiter_find(tenant, name);
	if (limiter)
		limiter_describe(limiter, &info);
	tenant_unref(tenant);
	return info;
}

/* The first daemon dies, and the second one has what was noted and kept. */
static void crash(void) {
	struct kept_copy stored[ARRAY_SIZE(kept)];
	struct noting noting;
	size_t n = n_kept;
	unsigned n_taken;

	assert_int_equal(noting_begin(&noting, before.scheduler, &before.rpc.holders), 0);
	assert_int_equal(noting_go_on(&noting, SIZE_MAX), 0);
	assert_int_equal(noting_finish(&noting), 0);
	before.rpc.holders.kept.keeper = NULL;
	for (size_t i = 0; i < n; i++)
		stored[i] = (struct kept_copy){ .id = kept[i].id, .fd = fcntl(kept[i].fd, F_DUPFD_CLOEXEC, 3) };
	(void)loop_refresh(after.loop);
	assert_true(noted_load(after.scheduler,
			       &(struct noted){ .data = noting.data,
						.size = noting.size,
						.marks = marks,
						.holders = &after.rpc.holders,
						.stored = stored,
						.n_stored = n },
			       &n_taken) >= 0);
	holder_store_settle(&after.rpc.holders, stored, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(stored[i].fd, -1);
	noting_free(&noting, true);
}

/* ---- */

static void test_age(void **state _unused_) {
	make("four", 4);
	assert_int_equal(holder_store_next(&before.rpc.holders), INT64_MAX);
	assert_true(take("four", 1, 1).allowed);
	tick(&before, 0);
	assert_int_equal(n_kept, 0);
	cancel(1);
	tick(&before, SESSION_KEPT_AGE_NS);
	assert_int_equal(n_kept, 0);
	assert_int_equal(n_forgotten, 0);
	assert_true(take("four", 2, 1).allowed);
	tick(&before, SESSION_KEPT_AGE_NS);
	assert_int_equal(n_kept, 1);
	assert_int_equal(holder_store_next(&before.rpc.holders), INT64_MAX);
	cancel(2);
	assert_int_equal(n_kept, 0);
	assert_int_equal(n_forgotten, 1);
}

/* Who waits has nothing that could be lost. */
static void test_who_waits(void **state _unused_) {
	make("one", 1);
	assert_true(take("one", 1, 1).allowed);
	assert_true(take("one", 2, 1).queued);
	tick(&before, SESSION_KEPT_AGE_NS);
	assert_int_equal(n_kept, 1);
	cancel(1);
	assert_int_equal(n_kept, 0);
	tick(&before, SESSION_KEPT_AGE_NS);
	assert_int_equal(n_kept, 1);
}

static void test_as_many(void **state _unused_) {
	make("many", 1000);
	for (uint64_t handle = 1; handle <= PERMITS_KEPT_MAX + 1; handle++)
		assert_true(take("many", handle, 1).allowed);
	tick(&before, SESSION_KEPT_AGE_NS);
	assert_int_equal(n_kept, PERMITS_KEPT_MAX);
	assert_int_equal(holder_store_next(&before.rpc.holders), INT64_MAX);
	crash();
	assert_int_equal(info_of(&after, "many").held, PERMITS_KEPT_MAX);
}

static void test_held_again(void **state _unused_) {
	uint64_t id;

	make("four", 4);
	assert_true(take("four", 1, 3).allowed);
	tick(&before, SESSION_KEPT_AGE_NS);
	assert_int_equal(n_kept, 1);
	id = kept[0].id;
	crash();
	assert_int_equal(info_of(&after, "four").held, 1);
	/* It is kept as before. */
	assert_int_equal(n_forgotten, 0);
	assert_int_equal(holder_store_next(&after.rpc.holders), INT64_MAX);
	assert_int_equal(kept[0].id, id);
	end_child();
	peer_world_settle(&after);
	assert_int_equal(info_of(&after, "four").held, 0);
	assert_int_equal(n_forgotten, 1);
	assert_int_equal(n_kept, 0);
}

static void test_ended_meanwhile(void **state _unused_) {
	make("four", 4);
	assert_true(take("four", 1, 1).allowed);
	tick(&before, SESSION_KEPT_AGE_NS);
	end_child();
	crash();
	assert_int_equal(info_of(&after, "four").held, 0);
	assert_int_equal(n_kept, 0);
}

/* One without the other is of no use. */
static void test_not_noted_or_not_kept(void **state _unused_) {
	make("four", 4);
	assert_true(take("four", 1, 1).allowed);
	assert_int_equal(keeper_keep(NULL, "permit-abcdef", pid_fd), 0);
	crash();
	assert_int_equal(info_of(&after, "four").held, 0);
	assert_int_equal(n_kept, 0);
}

static void test_names(void **state _unused_) {
	uint64_t id;

	assert_true(holder_store_parse_name("permit-1f", &id));
	assert_int_equal(id, 0x1f);
	assert_false(holder_store_parse_name("permit-", &id));
	assert_false(holder_store_parse_name("permit-0", &id));
	assert_false(holder_store_parse_name("permit-1F", &id));
	assert_false(holder_store_parse_name("permit-11111111111111111", &id));
	assert_false(holder_store_parse_name("session-1", &id));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_age),        TEST(test_who_waits),       TEST(test_as_many),
		TEST(test_held_again), TEST(test_ended_meanwhile), TEST(test_not_noted_or_not_kept),
		TEST(test_names),
	};

	/* It knows no descriptors of processes. */
	if (is_not_for_valgrind("valgrind knows no pidfds"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
