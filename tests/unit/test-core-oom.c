/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The core without memory: each allocation of each scenario fails once.  A call that fails must say so,
 * change nothing, and work when it is tried again.
 */

#include "tests/unit/test.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "daemon/core/gate.h"
#include "daemon/core/poller.h"
#include "daemon/core/topic.h"
#include "daemon/core/watch.h"
#include "tests/unit/core-world.h"
#include "tests/unit/fake-starter.h"

/* The linker gives every call of these to the functions below. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__real_mmap(void *p, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_mmap(void *p, size_t size, int protection, int flags, int fd, off_t offset);

static long fail_in = -1; /* allocations until the one that fails; −1: none does */
static bool failed;

static long good_for = -1; /* allocations until all fail; −1: none does */

static bool fails(void) {
	if (good_for == 0)
		return true;
	if (good_for > 0)
		good_for--;
	if (fail_in < 0 || fail_in-- > 0)
		return false;
	failed = true;
	return true;
}

void *__wrap_malloc(size_t size) {
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

void *__wrap_mmap(void *p, size_t size, int protection, int flags, int fd, off_t offset) {
	return fails() ? MAP_FAILED : __real_mmap(p, size, protection, flags, fd, offset);
}

struct fixture {
	struct fake_starter fake;
	struct world world;
	struct client client;
	struct timer *timer; /* a named one, detached, that is there already */
	struct timer *anonymous; /* of the client, handle 50 */
	struct poller *poller;
};

static void fixture_init(struct fixture *f) {
	fake_starter_init(&f->fake);
	world_init_with(&f->world, &f->fake.starter);
	client_init(&f->client, &f->world, 1);
	f->timer = world_arm(&f->world, &f->client,
			     &(struct timer_spec){
				     .kind = TIMER_KIND_AFTER,
				     .deadline_ns = WORLD_START + 100,
				     .delay_ns = 100,
				     .name = "present",
				     .detached = true,
			     });
	f->anonymous = world_after(&f->world, &f->client, 50, 100);
	assert_int_equal(poller_new(&f->poller), 0);
}

static void fixture_deinit(struct fixture *f) {
	client_deinit(&f->client);
	poller_free(f->poller);
	world_deinit(&f->world);
}

/* A command for a specification: made by the test, so that does not fail. */
static struct command *make_command(void) {
	struct command *command;
	long saved = fail_in;

	fail_in = -1;
	command = fake_command("true");
	fail_in = saved;
	return command;
}

static int try_arm(struct fixture *f, struct timer_spec spec) {
	enum timer_change change;
	struct timer *timer;
	int r = timer_arm(f->world.scheduler, &f->client.owner, &spec, &timer, &change);

	command_free(spec.command);
	return r;
}

static int arm_anonymous(struct fixture *f) {
	return try_arm(f, (struct timer_spec){ .handle = 1, .deadline_ns = WORLD_START + 1 });
}

/* So many that every structure grows. */
static int arm_many(struct fixture *f) {
	for (uint64_t handle = 1000; handle < 1200; handle++) {
		int r;

		if (owner_find(&f->client.owner, handle))
			continue;
		r = try_arm(f, (struct timer_spec){ .handle = handle << 32, .deadline_ns = WORLD_START + 1 });
		if (r < 0)
			return r;
		if (r == 0)
			assert_int_equal(owner_cancel(&f->client.owner, handle << 32), CANCEL_CANCELLED);
		r = try_arm(f, (struct timer_spec){ .handle = handle, .deadline_ns = WORLD_START + 1 });
		if (r < 0)
			return r;
	}
	return 0;
}

static int arm_command(struct fixture *f) {
	return try_arm(f, (struct timer_spec){
				  .handle = 1,
				  .kind = TIMER_KIND_EVERY,
				  .deadline_ns = WORLD_START + 1,
				  .period_ns = 1,
				  .name = "new",
				  .command = make_command(),
			  });
}

static int replace(struct fixture *f) {
	int r = try_arm(f, (struct timer_spec){
				   .handle = 1,
				   .deadline_ns = WORLD_START + 1,
				   .name = "present",
				   .name_mode = NAME_MODE_REPLACE,
			   });

	/* Refused, the holder is as it was. */
	assert_int_equal(tenant_find_name(f->client.owner.tenant, "present") == f->timer, r < 0);
	return r;
}

static int ensure(struct fixture *f) {
	struct timer_info info;
	int r = try_arm(f, (struct timer_spec){
				   .handle = 1,
				   .clock = TIMER_CLOCK_REALTIME,
				   .kind = TIMER_KIND_AT,
				   .deadline_ns = WORLD_START + 7,
				   .name = "present",
				   .name_mode = NAME_MODE_ENSURE,
				   .detached = true,
				   .command = make_command(),
			   });

	timer_describe(f->timer, &info);
	assert_int_equal(info.clock, r < 0 ? TIMER_CLOCK_BOOTTIME : TIMER_CLOCK_REALTIME);
	assert_int_equal(info.generation, r < 0 ? 1 : 2);
	assert_int_equal(!info.command, r < 0);
	assert_int_equal(info.attached, r == 0);
	return r;
}

static int attach(struct fixture *f) {
	return timer_attach(f->anonymous, &f->client.owner, 2, true);
}

static int trigger(struct fixture *f) {
	return timer_trigger(f->anonymous);
}

static int subscribe(struct fixture *f) {
	uint64_t id;

	return topic_subscribe(f->client.owner.tenant, "t", &f->client.owner, 3, 2, &id);
}

/* Twice, for each of them: what is heard before does not count, and who hears nothing is told of it later. */
static int emit(struct fixture *f) {
	size_t receivers = 0;
	int r = 0;

	if (!owner_find(&f->client.owner, 3))
		r = subscribe(f);
	for (int i = 0; r == 0 && i < 3; i++) {
		struct event event;

		r = topic_emit(f->client.owner.tenant, "t", "x", 1, &receivers);
		assert_true(r == 0 || receivers == 0);
		if (i != 1)
			continue;
		while (client_take(&f->client, &event))
			assert_true(event.fire_seq > event.gap_last);
	}
	while (receivers > 0 && client_take(&f->client, &(struct event){ 0 }))
		;
	return r;
}

static int define(struct fixture *f) {
	static const struct access access = { .mode = 0666 };
	int r = topic_define(f->world.scheduler, "all", &access);

	assert_int_equal(!topic_of_all(f->world.scheduler, "all"), r < 0);
	return r;
}

/* Once it is there, nothing can fail any more. */
static int gate(struct fixture *f) {
	struct limiter_spec spec = {
		.name = "l",
		.n_rates = 1,
		.rates = { { .tokens = 1, .period_ns = NSEC_PER_SEC, .burst = 1 } },
		.max_waiters = 10,
	};
	size_t claims = tenant_use(f->client.owner.tenant)->claims;
	enum limiter_change change;
	struct limiter *limiter;
	struct gate *made;
	unsigned rule;
	int r;

	assert_int_equal(limiter_spec_check(&spec, &rule), 0);
	r = limiter_set(f->client.owner.tenant, &spec, LIMITER_MODE_CREATE, &limiter, &change);
	if (r == 0)
		r = gate_new(&made, &f->client.owner, limiter, (struct limiter_key){ 0 }, 1);
	if (r == 0)
		r = gate_set(made, &f->client.owner, 50);
	assert_int_equal(tenant_use(f->client.owner.tenant)->claims, claims + (r == 0));
	return r;
}

/* Return: as limiter_set(), of a limiter with that many rules. */
static int set_named(struct fixture *f, const char *name, unsigned n_rates, enum limiter_mode mode,
		     struct limiter **ret) {
	struct limiter_spec spec = {
		.name = name,
		.n_rates = n_rates,
		.rates = { { .tokens = 1, .period_ns = NSEC_PER_SEC, .burst = 9 },
			   { .tokens = 1, .period_ns = 60 * NSEC_PER_SEC, .burst = 9 } },
		.keyed = true,
		.max_keys = 100,
		.max_waiters = 10,
	};
	enum limiter_change change;
	unsigned rule;

	assert_int_equal(limiter_spec_check(&spec, &rule), 0);
	return limiter_set(f->client.owner.tenant, &spec, mode, ret, &change);
}

static int set_keyed(struct fixture *f, unsigned n_rates, enum limiter_mode mode, struct limiter **ret) {
	return set_named(f, "k", n_rates, mode, ret);
}

static int take_of_keys(struct limiter *limiter) {
	struct grant grant;
	int r = 0;

	for (uint8_t i = 0; i < 100 && r == 0; i++)
		r = limiter_try(limiter, (struct limiter_key){ &i, 1 }, 1, &grant);
	return r;
}

/* They are all there, and have two words; that many of them are as if all had been taken. */
static void expect_two_rules(struct fixture *f, struct limiter *limiter, size_t n_empty) {
	uint64_t now = (uint64_t)world_boottime(&f->world) * GCRA_TICKS_PER_NSEC;
	const struct bucket_rules *rules = &limiter_spec(limiter)->rules;
	struct limiter_bucket bucket;
	size_t position = 0, n = 0;

	while (limiter_next_bucket(limiter, &position, &bucket)) {
		bool empty = bucket.words[0] >= now + rules->rule[0].tolerance;

		assert_int_equal(bucket.n, 2);
		assert_int_equal(bucket.words[1] >= now + rules->rule[1].tolerance, empty);
		n_empty -= empty;
		n++;
	}
	assert_int_equal(n, 100);
	assert_int_equal(n_empty, 0);
}

/* From one rule to two, for which each key needs memory, now or when somebody comes to it. */
static int change_keys(struct fixture *f) {
	struct limiter *limiter = limiter_find(f->client.owner.tenant, "k");
	int r = limiter ? 0 : set_keyed(f, 1, LIMITER_MODE_CREATE, &limiter);

	if (r == 0)
		r = take_of_keys(limiter);
	if (r == 0)
		r = set_keyed(f, 2, LIMITER_MODE_UPDATE, &limiter);
	if (r == 0)
		(void)world_turn(&f->world);
	if (r == 0)
		r = take_of_keys(limiter);
	if (r < 0)
		return r;
	expect_two_rules(f, limiter, 0);
	limiter_remove(limiter);
	return 0;
}

/* So many that the poller's table grows.  Nothing is taken over from who fails. */
static int watch_many(struct fixture *f) {
	for (uint64_t handle = 300; handle < 350; handle++) {
		struct watch_spec spec = {
			.handle = handle, .readiness = READINESS_READABLE, .timeout_ns = 10, .closes_at_once = true
		};
		size_t before = tenant_use(f->client.owner.tenant)->descriptors;
		int fd, r;
		struct watch *watch;

		if (owner_find(&f->client.owner, handle))
			continue;
		fd = eventfd(0, EFD_CLOEXEC);
		r = watch_new(&watch, f->poller, &f->client.owner, &spec, fd);
		assert_int_equal(tenant_use(f->client.owner.tenant)->descriptors, before + (r == 0));
		if (r < 0)
			assert_int_equal(close(fd), 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static int new_poller(struct fixture *f) {
	struct poller *poller;
	int r = poller_new(&poller);

	(void)f;
	if (r == 0)
		poller_free(poller);
	return r;
}

static int new_tenant(struct fixture *f) {
	struct tenant *tenant;
	int r = scheduler_tenant(f->world.scheduler, 4711, &tenant);

	if (r == 0)
		tenant_unref(tenant);
	return r;
}

static int new_scheduler(struct fixture *f) {
	struct scheduler *scheduler;
	int r = scheduler_new(&scheduler, &f->world.now, NULL);

	if (r == 0)
		scheduler_free(scheduler);
	return r;
}

/* Run `scenario` until none of its allocations is left to fail. */
static void torture(int (*scenario)(struct fixture *f)) {
	for (long n = 0;; n++) {
		struct tenant_use use;
		struct fixture f;
		int r;

		fixture_init(&f);
		use = *tenant_use(f.client.owner.tenant);
		fail_in = n;
		failed = false;
		r = scenario(&f);
		fail_in = -1;
		if (!failed) {
			assert_int_equal(r, 0);
			fixture_deinit(&f);
			assert_true(n > 0);
			return;
		}
		/* What only saves memory may fail unseen. */
		if (r < 0) {
			assert_int_equal(r, -ENOMEM);
			if (scenario != arm_many)
				assert_int_equal(tenant_use(f.client.owner.tenant)->timers, use.timers);
			client_expect_none(&f.client);
			assert_int_equal(scenario(&f), 0);
		}
		world_run(&f.world, 1000);
		fixture_deinit(&f);
	}
}

static void test_arm_anonymous(void **state) {
	(void)state;
	torture(arm_anonymous);
}

static void test_arm_many(void **state) {
	(void)state;
	torture(arm_many);
}

static void test_arm_command(void **state) {
	(void)state;
	torture(arm_command);
}

static void test_replace(void **state) {
	(void)state;
	torture(replace);
}

static void test_ensure(void **state) {
	(void)state;
	torture(ensure);
}

static void test_attach(void **state) {
	(void)state;
	torture(attach);
}

static void test_trigger(void **state) {
	(void)state;
	torture(trigger);
}

static void test_subscribe(void **state) {
	(void)state;
	torture(subscribe);
}

static void test_emit(void **state) {
	(void)state;
	torture(emit);
}

static void test_define(void **state) {
	(void)state;
	torture(define);
}

static void test_gate(void **state) {
	(void)state;
	torture(gate);
}

static void test_watch_many(void **state) {
	(void)state;
	torture(watch_many);
}

static void test_poller(void **state) {
	(void)state;
	torture(new_poller);
}

static void test_tenant(void **state) {
	(void)state;
	torture(new_tenant);
}

static void test_scheduler(void **state) {
	(void)state;
	torture(new_scheduler);
}

static void test_change_keys(void **state) {
	(void)state;
	torture(change_keys);
}

/* What there is no memory to renew is saved as if all had been taken, others are not kept waiting, and the loop does not spin. */
static void test_no_memory_for_keys(void **state _unused_) {
	struct limiter *limiter;
	struct fixture f;

	fixture_init(&f);
	assert_int_equal(set_keyed(&f, 1, LIMITER_MODE_CREATE, &limiter), 0);
	assert_int_equal(take_of_keys(limiter), 0);
	assert_int_equal(set_keyed(&f, 2, LIMITER_MODE_UPDATE, &limiter), 0);
	good_for = 0;
	assert_false(world_turn(&f.world));
	assert_in_range(scheduler_next(f.world.scheduler, TIMER_CLOCK_BOOTTIME), world_boottime(&f.world) + 1,
			world_boottime(&f.world) + NSEC_PER_SEC);
	assert_int_equal(limiter_go_on(limiter, 10), -ENOMEM);
	assert_int_equal(set_keyed(&f, 1, LIMITER_MODE_UPDATE, &limiter), LIMITER_E_BUSY);
	expect_two_rules(&f, limiter, 100 - 64); /* the others were changed at once */
	good_for = -1;
	world_run(&f.world, NSEC_PER_SEC / 5);
	assert_int_equal(limiter_go_on(limiter, 0), 0);
	expect_two_rules(&f, limiter, 0);
	fixture_deinit(&f);
}

static unsigned count_events(struct fixture *f, enum event_type type) {
	struct event event;
	unsigned n = 0;

	while (client_take(&f->client, &event))
		n += event.type == type;
	return n;
}

/* Who waits at a key that there is no memory to change is granted nothing by what was before, and is granted when
 * there is some. */
static void test_no_memory_for_who_waits(void **state _unused_) {
	struct limiter *limiter;
	struct claim *claim;
	struct grant grant;
	struct fixture f;

	fixture_init(&f);
	assert_int_equal(set_keyed(&f, 1, LIMITER_MODE_CREATE, &limiter), 0);
	assert_int_equal(take_of_keys(limiter), 0);
	for (uint64_t i = 0; i < 2; i++) {
		uint8_t key = 99;

		assert_int_equal(limiter_wait(limiter, &f.client.owner, 900 + i, (struct limiter_key){ &key, 1 }, 9, -1,
					      false, &claim, &grant),
				 LIMITER_E_QUEUED);
	}
	good_for = 1; /* the definition that was before */
	assert_int_equal(set_keyed(&f, 2, LIMITER_MODE_UPDATE, &limiter), 0);
	world_run(&f.world, 5 * NSEC_PER_SEC);
	assert_int_equal(count_events(&f, EVENT_TYPE_GRANTED), 0);
	good_for = -1;
	world_run(&f.world, NSEC_PER_SEC);
	assert_int_equal(count_events(&f, EVENT_TYPE_GRANTED), 1); /* the second rule is for the other one */
	fixture_deinit(&f);
}

/* Nor does an event pass that comes to such a key. */
static void test_no_memory_for_a_gate(void **state _unused_) {
	struct limiter *limiter;
	struct gate *gate;
	struct fixture f;
	uint8_t key = 99;

	fixture_init(&f);
	assert_int_equal(set_keyed(&f, 1, LIMITER_MODE_CREATE, &limiter), 0);
	assert_int_equal(take_of_keys(limiter), 0);
	assert_int_equal(gate_new(&gate, &f.client.owner, limiter, (struct limiter_key){ &key, 1 }, 1), 0);
	assert_int_equal(gate_set(gate, &f.client.owner, 50), 0);
	good_for = 1;
	assert_int_equal(set_keyed(&f, 2, LIMITER_MODE_UPDATE, &limiter), 0);
	world_run(&f.world, 100);
	assert_int_equal(count_events(&f, EVENT_TYPE_FIRED), 0);
	good_for = -1;
	world_run(&f.world, NSEC_PER_SEC / 5);
	assert_int_equal(count_events(&f, EVENT_TYPE_FIRED), 1);
	fixture_deinit(&f);
}

/* Two of which each has a key for which there is none, among others that need none any more: they rest for a while. */
static void test_no_memory_for_two(void **state _unused_) {
	const char *const names[] = { "one", "two" };
	struct limiter *limiter;
	struct fixture f;

	fixture_init(&f);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(set_named(&f, names[i], 1, LIMITER_MODE_CREATE, &limiter), 0);
		assert_int_equal(take_of_keys(limiter), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		fail_in = i == 0 ? 10 : 50;
		assert_int_equal(set_named(&f, names[i], 2, LIMITER_MODE_UPDATE, &limiter), 0);
		assert_int_equal(fail_in, -1);
		(void)limiter_go_on(limiter, i == 0 ? 90 : 60);
	}
	good_for = 0;
	for (unsigned i = 0; i < 20; i++)
		(void)world_turn(&f.world);
	assert_false(world_turn(&f.world));
	scheduler_finish(f.world.scheduler);
	assert_int_equal(limiter_go_on(limiter, 110), -ENOMEM);
	good_for = -1;
	fixture_deinit(&f);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arm_anonymous),
		cmocka_unit_test(test_arm_many),
		cmocka_unit_test(test_arm_command),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_ensure),
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_trigger),
		cmocka_unit_test(test_tenant),
		cmocka_unit_test(test_scheduler),
		cmocka_unit_test(test_watch_many),
		cmocka_unit_test(test_poller),
		cmocka_unit_test(test_subscribe),
		cmocka_unit_test(test_emit),
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_define),
		cmocka_unit_test(test_change_keys),
		cmocka_unit_test(test_no_memory_for_keys),
		cmocka_unit_test(test_no_memory_for_who_waits),
		cmocka_unit_test(test_no_memory_for_a_gate),
		cmocka_unit_test(test_no_memory_for_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
