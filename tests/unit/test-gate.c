/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gates with time played: when events come through, what happens to them meanwhile, and what is given back. */

#include <string.h>

#include "daemon/core/claim.h"
#include "daemon/core/gate.h"
#include "daemon/core/shared-memory.h"
#include "daemon/core/topic.h"
#include "tests/unit/core-world.h"
#include "tests/unit/test.h"

#define MSEC NSEC_PER_MSEC
#define SEC NSEC_PER_SEC

struct fixture {
	struct world world;
	struct client a, b;
};

static int setup(void **state) {
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	world_init(&f->world);
	client_init(&f->a, &f->world, 1000);
	client_init(&f->b, &f->world, 1000);
	*state = f;
	return 0;
}

static int teardown(void **state) {
	struct fixture *f = *state;
	const struct tenant_use *use = tenant_use(f->a.owner.tenant);

	client_deinit(&f->b);
	while (owner_reduce(&f->a.owner, 100))
		;
	assert_int_equal(use->claims, 0);
	assert_int_equal(use->message_bytes, 0);
	client_deinit(&f->a);
	world_deinit(&f->world);
	free(f);
	return 0;
}

static const struct limiter_key none = { 0 };

static struct limiter_spec spec_of(const char *name, uint64_t tokens, int64_t period_ns, uint64_t burst) {
	struct limiter_spec spec = {
		.name = name,
		.kind = LIMITER_KIND_RATE,
		.n_rates = 1,
		.rates = { { .tokens = tokens, .period_ns = period_ns, .burst = burst } },
		.max_keys = 2,
		.max_waiters = 1000,
	};
	unsigned rule;

	assert_int_equal(limiter_spec_check(&spec, &rule), 0);
	return spec;
}

static struct limiter *put(struct fixture *f, const struct limiter_spec *spec) {
	enum limiter_change change;
	struct limiter *limiter;

	assert_int_equal(limiter_set(f->a.owner.tenant, spec, LIMITER_MODE_PUT, &limiter, &change), 0);
	return limiter;
}

static struct limiter *make(struct fixture *f, const char *name, uint64_t tokens, int64_t period_ns, uint64_t burst) {
	struct limiter_spec spec = spec_of(name, tokens, period_ns, burst);

	return put(f, &spec);
}

static void gate_key(struct client *client, uint64_t handle, struct limiter *limiter, struct limiter_key key,
		     uint64_t cost) {
	struct gate *gate;

	assert_int_equal(gate_new(&gate, &client->owner, limiter, key, cost), 0);
	assert_int_equal(gate_set(gate, &client->owner, handle), 0);
}

static void gate(struct client *client, uint64_t handle, struct limiter *limiter, uint64_t cost) {
	gate_key(client, handle, limiter, none, cost);
}

/* A timer behind a gate that takes `cost`. */
static void after(struct fixture *f, struct client *client, uint64_t handle, int64_t delay_ns, struct limiter *limiter,
		  uint64_t cost) {
	world_after(&f->world, client, handle, delay_ns);
	gate(client, handle, limiter, cost);
}

static void every(struct fixture *f, struct client *client, uint64_t handle, int64_t period_ns,
		  struct limiter *limiter) {
	world_arm(&f->world, client,
		  &(struct timer_spec){ .handle = handle,
					.kind = TIMER_KIND_EVERY,
					.deadline_ns = world_boottime(&f->world) + period_ns,
					.period_ns = period_ns });
	gate(client, handle, limiter, 1);
}

static void subscribe(struct client *client, uint64_t handle, uint32_t queue, struct limiter *limiter) {
	uint64_t id;

	assert_int_equal(topic_subscribe(client->owner.tenant, "t", &client->owner, handle, queue, &id), 0);
	gate(client, handle, limiter, 1);
}

static void emit(struct fixture *f, const char *text) {
	size_t receivers;

	scheduler_advance(f->world.scheduler, &f->world.now, false);
	assert_int_equal(topic_emit(f->a.owner.tenant, "t", text, strlen(text), &receivers), 0);
	assert_int_equal(receivers, 1);
}

/* Does it stand as one of that definition that nobody has touched? */
static void expect_untouched(struct fixture *f, struct limiter *limiter) {
	struct limiter_spec spec = *limiter_spec(limiter);
	struct grant is, should;
	struct limiter *fresh;
	struct limiter_info info;

	spec.name = "fresh";
	fresh = put(f, &spec);
	for (uint64_t cost = 0; cost <= spec.rates[0].burst; cost++) {
		memset(&is, 0, sizeof(is));
		memset(&should, 0, sizeof(should));
		assert_int_equal(limiter_peek(limiter, none, cost, &is), 0);
		assert_int_equal(limiter_peek(fresh, none, cost, &should), 0);
		assert_memory_equal(&is, &should, sizeof(is));
	}
	limiter_describe(limiter, &info);
	assert_int_equal(info.waiting, 0);
	limiter_remove(fresh);
}

static uint64_t count_waiting(struct limiter *limiter) {
	struct limiter_info info;

	limiter_describe(limiter, &info);
	return info.waiting;
}

static void test_exact_times(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make(f, "l", 1, 100 * MSEC, 2);

	for (uint64_t handle = 1; handle <= 5; handle++)
		after(f, &f->a, handle, SEC, limiter, 1);
	expect_untouched(f, limiter);
	world_run(&f->world, SEC - 1);
	client_expect_none(&f->a);
	world_run(&f->world, 1);
	/* The burst, and then one by one, each at its nanosecond, in the order of the timers. */
	client_expect(&f->a, 1, EVENT_TYPE_FIRED);
	assert_int_equal(client_expect(&f->a, 2, EVENT_TYPE_FIRED).fired_ns, WORLD_START + SEC);
	for (uint64_t handle = 3; handle <= 5; handle++) {
		struct event event;

		assert_int_equal(count_waiting(limiter), 6 - handle);
		world_run(&f->world, 100 * MSEC - 1);
		client_expect_none(&f->a);
		assert_int_equal(scheduler_next(f->world.scheduler, TIMER_CLOCK_BOOTTIME),
				 world_boottime(&f->world) + 1);
		world_run(&f->world, 1);
		event = client_expect(&f->a, handle, EVENT_TYPE_FIRED);
		/* When it happened, not when it came through. */
		assert_int_equal(event.fired_ns, WORLD_START + SEC);
		assert_false(event.more);
	}
	client_expect_none(&f->a);
	assert_null(owner_find(&f->a.owner, 5));
	assert_int_equal(tenant_use(f->a.owner.tenant)->claims, 0);
}

static void test_cost(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make(f, "l", 1, 100 * MSEC, 5);

	after(f, &f->a, 1, 0, limiter, 5);
	after(f, &f->b, 1, 0, limiter, 3);
	world_run(&f->world, 0);
	client_expect(&f->a, 1, EVENT_TYPE_FIRED);
	world_run(&f->world, 300 * MSEC - 1);
	client_expect_none(&f->b);
	world_run(&f->world, 1);
	client_expect(&f->b, 1, EVENT_TYPE_FIRED);
}

/* Who has not seen an event has taken nothing. */
static void test_cancel(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make(f, "l", 1, 100 * MSEC, 1);

	/* Armed: nothing is due. */
	after(f, &f->a, 1, SEC, limiter, 1);
	assert_int_equal(owner_cancel(&f->a.owner, 1), CANCEL_CANCELLED);
	expect_untouched(f, limiter);

	/* Through, and not taken. */
	after(f, &f->a, 2, 0, limiter, 1);
	world_run(&f->world, 0);
	assert_int_equal(owner_cancel(&f->a.owner, 2), CANCEL_WITHDRAWN);
	expect_untouched(f, limiter);

	/* Held back: those behind move up. */
	for (uint64_t handle = 3; handle <= 6; handle++)
		after(f, &f->a, handle, 0, limiter, 1);
	world_run(&f->world, 0);
	client_expect(&f->a, 3, EVENT_TYPE_FIRED);
	assert_int_equal(owner_cancel(&f->a.owner, 4), CANCEL_WITHDRAWN);
	world_run(&f->world, 100 * MSEC);
	client_expect(&f->a, 5, EVENT_TYPE_FIRED);
	client_expect_none(&f->a);
	assert_int_equal(owner_cancel(&f->a.owner, 6), CANCEL_WITHDRAWN);
	world_run(&f->world, 100 * MSEC);
	client_expect_none(&f->a);
	expect_untouched(f, limiter);

	/* Taken: that is gone. */
	after(f, &f->a, 7, 0, limiter, 1);
	world_run(&f->world, 0);
	client_expect(&f->a, 7, EVENT_TYPE_FIRED);
	assert_int_equal(owner_cancel(&f->a.owner, 7), CANCEL_GONE);
	after(f, &f->a, 8, 0, limiter, 1);
	world_run(&f->world, 100 * MSEC - 1);
	client_expect_none(&f->a);
	world_run(&f->world, 1);
	client_expect(&f->a, 8, EVENT_TYPE_FIRED);
}

static void test_end_of_an_owner(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make(f, "l", 1, 100 * MSEC, 2);
	struct client c;

	client_init(&c, &f->world, 1000);
	for (uint64_t handle = 1; handle <= 6; handle++)
		after(f, &c, handle, 0, limiter, 1);
	after(f, &f->a, 1, 0, limiter, 1);
	world_run(&f->world, 0);
	client_expect_none(&f->a);
	/* Its session is over, and it is taken apart bit by bit; time passes meanwhile. */
	c.owner.ready = NULL;
	assert_true(owner_reduce(&c.owner, 1));
	world_run(&f->world, 100 * MSEC);
	client_deinit(&c);
	client_expect(&f->a, 1, EVENT_TYPE_FIRED);
	world_run(&f->world, 100 * MSEC);
	expect_untouched(f, limiter);
}

static void test_repeating_merges(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make(f, "l", 1, 100 * MSEC, 1);
	struct event event;

	every(f, &f->a, 1, 10 * MSEC, limiter);
	world_run(&f->world, 10 * MSEC);
	assert_int_equal(client_expect(&f->a, 1, EVENT_TYPE_FIRED).fires, 1);
	for (uint64_t round = 1; round <= 3; round++) {
		for (int i = 0; i < 9; i++) {
			world_run(&f->world, 10 * MSEC);
			client_expect_none(&f->a);
		}
		world_run(&f->world, 10 * MSEC);
		event = client_expect(&f->a, 1, EVENT_TYPE_FIRED);
		assert_int_equal(event.fires, 10);
		assert_int_equal(event.fire_seq, 10 * round + 1);
	}
	/* An event that is through takes no more tokens for what is merged into it. */
	world_run(&f->world, 100 * MSEC);
	world_run(&f->world, 500 * MSEC);
	event = client_expect(&f->a, 1, EVENT_TYPE_FIRED);
	assert_int_equal(event.fires, 60);
	/* Held back, and cancelled. */
	world_run(&f->world, 10 * MSEC);
	client_expect(&f->a, 1, EVENT_TYPE_FIRED);
	world_run(&f->world, 10 * MSEC);
	client_expect_none(&f->a);
	assert_int_equal(owner_cancel(&f->a.owner, 1), CANCEL_WITHDRAWN);
	assert_int_equal(count_waiting(limiter), 0);
}

/* Somebody else cancels it: that is told at once, whatever the gate says. */
static void test_cancelled_by_another(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make(f, "l", 1, 100 * MSEC, 1);
	struct grant grant;
	struct timer *timer;

	timer = world_arm(&f->world, &f->a,
			  &(struct timer_spec){ .handle = 1,
						.kind = TIMER_KIND_AFTER,
						.deadline_ns = WORLD_START + SEC,
						.delay_ns = SEC,
						.name = "n" });
	gate(&f->a, 1, limiter, 1);
	world_pass(&f->world, SEC);
	scheduler_advance(f->world.scheduler, &f->world.now, false);
	assert_int_equal(limiter_try(limiter, none, 1, &grant), 0);
	world_turn(&f->world);
	client_expect_none(&f->a);
	assert_int_equal(count_waiting(limiter), 1);
	assert_int_equal(timer_cancel(timer, SOURCE_END_CANCELLED), CANCEL_WITHDRAWN);
	client_expect(&f->a, 1, EVENT_TYPE_ENDED);
	client_expect_none(&f->a);
	assert_null(owner_find(&f->a.owner, 1));
	world_run(&f->world, 100 * MSEC);
	expect_untouched(f, limiter);
}

static void test_restart(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make(f, "l", 1, 100 * MSEC, 1);
	struct timer *timer;

	after(f, &f->a, 1, 0, limiter, 1);
	after(f, &f->a, 2, 0, limiter, 1);
	after(f, &f->a, 3, 0, limiter, 1);
	world_run(&f->world, 0);
	client_expect(&f->a, 1, EVENT_TYPE_FIRED);
	/* It loses its place, and takes a new one when it is due again. */
	timer = timer_of_source(owner_find(&f->a.owner, 2));
	assert_int_equal(timer_restart(timer, WORLD_START + 50 * MSEC, 50 * MSEC), 0);
	assert_int_equal(count_waiting(limiter), 1);
	world_run(&f->world, 100 * MSEC);
	client_expect(&f->a, 3, EVENT_TYPE_FIRED);
	client_expect_none(&f->a);
	world_run(&f->world, 100 * MSEC);
	assert_int_equal(client_expect(&f->a, 2, EVENT_TYPE_FIRED).fire_seq, 2);
	world_run(&f->world, 100 * MSEC);
	expect_untouched(f, limiter);
}

static void test_limiter_removed(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make(f, "l", 1, 3600 * SEC, 1);

	every(f, &f->a, 1, 10 * MSEC, limiter);
	after(f, &f->a, 2, 5 * MSEC, limiter, 1);
	after(f, &f->a, 3, 3600 * SEC, limiter, 1);
	world_run(&f->world, 5 * MSEC);
	world_run(&f->world, 25 * MSEC);
	limiter_remove(limiter);
	client_expect(&f->a, 2, EVENT_TYPE_FIRED);
	assert_int_equal(client_expect(&f->a, 1, EVENT_TYPE_FIRED).fires, 3);
	for (int i = 0; i < 10; i++) {
		world_run(&f->world, 10 * MSEC);
		assert_int_equal(client_expect(&f->a, 1, EVENT_TYPE_FIRED).fires, 1);
	}
	/* One of that name that comes later is another one. */
	limiter = make(f, "l", 1, 3600 * SEC, 1);
	world_run(&f->world, 10 * MSEC);
	client_expect(&f->a, 1, EVENT_TYPE_FIRED);
	world_run(&f->world, 10 * MSEC);
	client_expect(&f->a, 1, EVENT_TYPE_FIRED);
	expect_untouched(f, limiter);
	assert_int_equal(tenant_use(f->a.owner.tenant)->claims, 2);
}

static void test_live_change(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make(f, "l", 1, SEC, 2);
	struct limiter_spec faster = spec_of("l", 1, 100 * MSEC, 2), smaller = spec_of("l", 1, 100 * MSEC, 1);

	for (uint64_t handle = 1; handle <= 4; handle++)
		after(f, &f->a, handle, 0, limiter, 2);
	every(f, &f->b, 1, 10 * MSEC, limiter);
	world_run(&f->world, 0);
	client_expect(&f->a, 1, EVENT_TYPE_FIRED);
	client_expect_none(&f->a);
	put(f, &faster);
	world_run(&f->world, 200 * MSEC);
	client_expect(&f->a, 2, EVENT_TYPE_FIRED);
	client_expect_none(&f->a);
	/* 2 at once will never be granted any more: that is no reason to be silent for ever. */
	put(f, &smaller);
	client_expect(&f->a, 3, EVENT_TYPE_FIRED);
	client_expect(&f->a, 4, EVENT_TYPE_FIRED);
	after(f, &f->a, 6, 3600 * SEC, limiter, 1);
	assert_int_equal(gate_new(&(struct gate *){ NULL }, &f->a.owner, limiter, none, 2), LIMITER_E_COST);
	assert_int_equal(count_waiting(limiter), 1);
	world_run(&f->world, 100 * MSEC);
	client_expect(&f->b, 1, EVENT_TYPE_FIRED);
}

/* What was too much for some time is held back again when it is not. */
static void test_change_there_and_back(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_of("l", 1, 100 * MSEC, 2), smaller = spec_of("l", 1, 100 * MSEC, 1);
	struct limiter *limiter = put(f, &spec);

	world_arm(&f->world, &f->a,
		  &(struct timer_spec){ .handle = 1,
					.kind = TIMER_KIND_EVERY,
					.deadline_ns = WORLD_START + 10 * MSEC,
					.period_ns = 10 * MSEC });
	gate(&f->a, 1, limiter, 2);
	put(f, &smaller);
	for (int i = 0; i < 5; i++) {
		world_run(&f->world, 10 * MSEC);
		client_expect(&f->a, 1, EVENT_TYPE_FIRED);
	}
	put(f, &spec);
	world_run(&f->world, 450 * MSEC);
	client_expect(&f->a, 1, EVENT_TYPE_FIRED);
	world_run(&f->world, 190 * MSEC);
	client_expect_none(&f->a);
	world_run(&f->world, 20 * MSEC);
	client_expect(&f->a, 1, EVENT_TYPE_FIRED);
}

static void test_keys(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_of("l", 1, 100 * MSEC, 1);
	const struct limiter_key x = { "x", 1 }, y = { "y", 1 }, z = { "z", 1 };
	struct limiter *limiter;
	struct gate *refused;

	spec.keyed = spec.deny_when_full = true;
	limiter = put(f, &spec);
	assert_int_equal(gate_new(&refused, &f->a.owner, limiter, none, 1), LIMITER_E_KEY);
	for (uint64_t handle = 1; handle <= 4; handle++) {
		world_after(&f->world, &f->a, handle, 0);
		gate_key(&f->a, handle, limiter, handle % 2 ? x : y, 1);
	}
	/* A key that has a gate is in use, also while nothing is due. */
	assert_int_equal(gate_new(&refused, &f->a.owner, limiter, z, 1), LIMITER_E_DENIED);
	world_run(&f->world, 0);
	client_expect(&f->a, 1, EVENT_TYPE_FIRED);
	client_expect(&f->a, 2, EVENT_TYPE_FIRED);
	client_expect_none(&f->a);
	world_run(&f->world, 100 * MSEC);
	client_expect(&f->a, 3, EVENT_TYPE_FIRED);
	client_expect(&f->a, 4, EVENT_TYPE_FIRED);
	world_run(&f->world, 100 * MSEC);
	world_after(&f->world, &f->a, 5, 0);
	gate_key(&f->a, 5, limiter, z, 1);
}

static void test_refused(void **state) {
	struct fixture *f = *state;
	struct limiter_spec permits = {
		.name = "p", .kind = LIMITER_KIND_CONCURRENCY, .concurrency = 4, .max_keys = 2, .max_waiters = 1000
	};
	struct limiter_spec narrow = spec_of("l", 1, SEC, 3);
	struct limiter *limiter;
	struct gate *gates[2], *refused;

	assert_int_equal(gate_new(&refused, &f->a.owner, put(f, &permits), none, 1), LIMITER_E_KIND);
	narrow.max_waiters = 2;
	limiter = put(f, &narrow);
	assert_int_equal(gate_new(&refused, &f->a.owner, limiter, (struct limiter_key){ "k", 1 }, 1), LIMITER_E_KEY);
	assert_int_equal(gate_new(&refused, &f->a.owner, limiter, none, 4), LIMITER_E_COST);
	assert_int_equal(tenant_use(f->a.owner.tenant)->claims, 0);
	assert_int_equal(gate_new(&gates[0], &f->a.owner, limiter, none, 3), 0);
	assert_int_equal(gate_new(&gates[1], &f->a.owner, limiter, none, 3), 0);
	assert_int_equal(tenant_use(f->a.owner.tenant)->claims, 2);
	assert_int_equal(gate_new(&refused, &f->a.owner, limiter, none, 1), LIMITER_E_CROWDED);
	gate_free(gates[0]);
	gate_free(gates[1]);
	gate_free(NULL);
	expect_untouched(f, limiter);
}

/* Its place is one like any other's. */
static void test_beside_claims(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make(f, "l", 1, 100 * MSEC, 1);
	struct claim_info info;
	struct claim *claim;
	struct grant grant;

	after(f, &f->a, 1, 0, limiter, 1);
	after(f, &f->a, 2, 0, limiter, 1);
	assert_null(limiter_next_claim(limiter, 0));
	world_run(&f->world, 0);
	client_expect(&f->a, 1, EVENT_TYPE_FIRED);
	f->a.owner.pid = 4711;
	claim = limiter_next_claim(limiter, 0);
	claim_describe(claim, &info);
	assert_int_equal(info.state, CLAIM_WAITING);
	assert_int_equal(info.pid, 4711);
	assert_int_equal(info.since_ns, WORLD_START);
	assert_int_equal(info.expected_ns, WORLD_START + 100 * MSEC);
	assert_null(limiter_next_claim(limiter, info.id));

	assert_int_equal(limiter_wait(limiter, &f->b.owner, 9, none, 1, -1, false, &claim, &grant), LIMITER_E_QUEUED);
	after(f, &f->a, 3, 0, limiter, 1);
	world_run(&f->world, 100 * MSEC);
	client_expect(&f->a, 2, EVENT_TYPE_FIRED);
	assert_int_equal(limiter_try(limiter, none, 1, &grant), 0);
	assert_false(grant.allowed);
	world_run(&f->world, 100 * MSEC);
	client_expect(&f->b, 9, EVENT_TYPE_GRANTED);
	client_expect_none(&f->a);
	world_run(&f->world, 100 * MSEC);
	client_expect(&f->a, 3, EVENT_TYPE_FIRED);
	world_run(&f->world, 100 * MSEC);
	expect_untouched(f, limiter);
}

static void test_several_rules(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = {
		.name = "l",
		.kind = LIMITER_KIND_RATE,
		.n_rates = 2,
		.rates = { { .tokens = 1, .period_ns = 10 * MSEC, .burst = 2 },
			   { .tokens = 3, .period_ns = SEC, .burst = 3 } },
		.max_waiters = 1000,
	};
	struct limiter *limiter;
	unsigned rule;

	assert_int_equal(limiter_spec_check(&spec, &rule), 0);
	limiter = put(f, &spec);
	for (uint64_t handle = 1; handle <= 4; handle++)
		after(f, &f->a, handle, 0, limiter, 1);
	world_run(&f->world, 0);
	client_expect(&f->a, 1, EVENT_TYPE_FIRED);
	client_expect(&f->a, 2, EVENT_TYPE_FIRED);
	client_expect_none(&f->a);
	world_run(&f->world, 10 * MSEC);
	client_expect(&f->a, 3, EVENT_TYPE_FIRED);
	world_run(&f->world, 300 * MSEC);
	client_expect_none(&f->a);
	world_run(&f->world, 24 * MSEC);
	client_expect(&f->a, 4, EVENT_TYPE_FIRED);
}

/* ---- topics ---- */

static void test_queued_messages(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make(f, "l", 1, 100 * MSEC, 1);
	struct event event;

	subscribe(&f->b, 1, 3, limiter);
	for (int i = 0; i < 3; i++)
		emit(f, "x");
	/* Each takes its own token. */
	assert_int_equal(client_expect(&f->b, 1, EVENT_TYPE_MESSAGE).fire_seq, 1);
	client_expect_none(&f->b);
	world_run(&f->world, 100 * MSEC);
	assert_int_equal(client_expect(&f->b, 1, EVENT_TYPE_MESSAGE).fire_seq, 2);
	client_expect_none(&f->b);
	/* What is held back is kept as what is not taken is: three of them. */
	for (int i = 0; i < 4; i++)
		emit(f, "x");
	world_run(&f->world, 100 * MSEC);
	event = client_expect(&f->b, 1, EVENT_TYPE_MESSAGE);
	assert_int_equal(event.fire_seq, 5);
	assert_int_equal(event.gap_first, 3);
	assert_int_equal(event.gap_last, 4);
	client_expect_none(&f->b);
	assert_int_equal(owner_cancel(&f->b.owner, 1), CANCEL_WITHDRAWN);
	world_run(&f->world, 100 * MSEC);
	expect_untouched(f, limiter);
}

static void test_merged_messages(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make(f, "l", 1, 100 * MSEC, 1);
	struct event event;

	subscribe(&f->b, 1, 0, limiter);
	for (int i = 0; i < 3; i++) {
		emit(f, "x");
		if (i == 0)
			client_expect(&f->b, 1, EVENT_TYPE_MESSAGE);
	}
	client_expect_none(&f->b);
	world_run(&f->world, 100 * MSEC);
	event = client_expect(&f->b, 1, EVENT_TYPE_MESSAGE);
	assert_int_equal(event.fires, 2);
	assert_int_equal(event.fire_seq, 3);
	assert_int_equal(event.gap_first, 0);
	client_expect_none(&f->b);
}

/* One that is held back does not hold up those that are not. */
static void test_beside_free_messages(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make(f, "l", 1, 100 * MSEC, 1);
	size_t receivers;
	uint64_t id;

	subscribe(&f->b, 1, 8, limiter);
	assert_int_equal(topic_subscribe(f->b.owner.tenant, "t", &f->b.owner, 2, 8, &id), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(topic_emit(f->a.owner.tenant, "t", "x", 1, &receivers), 0);
	client_expect(&f->b, 1, EVENT_TYPE_MESSAGE);
	for (int i = 0; i < 3; i++)
		client_expect(&f->b, 2, EVENT_TYPE_MESSAGE);
	client_expect_none(&f->b);
	world_run(&f->world, 100 * MSEC);
	client_expect(&f->b, 1, EVENT_TYPE_MESSAGE);
	client_expect_none(&f->b);
}

/* ---- other gates ---- */

static void test_another_gate(void **state) {
	struct fixture *f = *state;
	struct limiter *slow = make(f, "slow", 1, 3600 * SEC, 1), *quick = make(f, "quick", 1, 100 * MSEC, 1);
	struct grant grant;

	assert_int_equal(limiter_try(slow, none, 1, &grant), 0);
	assert_int_equal(limiter_try(quick, none, 1, &grant), 0);
	for (uint64_t handle = 1; handle <= 2; handle++)
		after(f, &f->a, handle, 0, slow, 1);
	world_run(&f->world, 0);
	client_expect_none(&f->a);
	assert_int_equal(gate_set(NULL, &f->a.owner, 1), 0);
	client_expect(&f->a, 1, EVENT_TYPE_FIRED);
	gate(&f->a, 2, quick, 1);
	client_expect_none(&f->a);
	assert_int_equal(count_waiting(slow), 0);
	world_run(&f->world, 100 * MSEC);
	client_expect(&f->a, 2, EVENT_TYPE_FIRED);
	/* There is nothing to take from one that has none. */
	world_after(&f->world, &f->a, 3, 0);
	assert_int_equal(gate_set(NULL, &f->a.owner, 3), 0);
	world_run(&f->world, 0);
	client_expect(&f->a, 3, EVENT_TYPE_FIRED);
}

/* The longest line there can be is no sign that somebody has spoilt the memory. */
static void test_shared_memory(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_of("l", 1, SEC, 4);
	struct limiter_info info;
	struct limiter *limiter;
	struct claim *claim;
	struct grant grant;

	spec.max_waiters = 3;
	limiter = put(f, &spec);
	assert_non_null(limiter_share(limiter));
	for (uint64_t handle = 1; handle <= 3; handle++)
		after(f, &f->a, handle, 1, limiter, 4);
	assert_int_equal(limiter_try(limiter, none, 4, &grant), 0);
	for (uint64_t handle = 1; handle <= 3; handle++)
		assert_int_equal(limiter_wait(limiter, &f->b.owner, handle, none, 4, -1, false, &claim, &grant),
				 LIMITER_E_QUEUED);
	world_run(&f->world, 1);
	assert_int_equal(count_waiting(limiter), 6);
	for (unsigned i = 0; i < 6; i++) {
		world_run(&f->world, 4 * SEC);
		if (i < 3)
			client_expect(&f->b, i + 1, EVENT_TYPE_GRANTED);
		else
			client_expect(&f->a, i - 2, EVENT_TYPE_FIRED);
	}
	limiter_describe(limiter, &info);
	assert_true(info.shared);
	assert_int_equal(info.repaired, 0);
}

/* In every window of time no more events than tokens, whatever is cancelled and restarted; and all are heard in the end. */
static void test_random(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make(f, "l", 1, 10 * MSEC, 5);
	struct random random = RANDOM_INIT;
	int64_t seen[8192];
	size_t n = 0;

	for (unsigned step = 0; step < 6000; step++) {
		struct client *client = random_below(&random, 2) ? &f->a : &f->b;
		uint64_t handle = random_below(&random, 30) + 1;
		struct event event;

		switch (random_below(&random, 4)) {
		case 0:
			if (!owner_find(&client->owner, handle))
				after(f, client, handle, (int64_t)random_below(&random, 20) * MSEC, limiter, 1);
			break;
		case 1:
			if (random_below(&random, 4) == 0)
				(void)owner_cancel(&client->owner, handle);
			break;
		default:
			world_run(&f->world, (int64_t)random_below(&random, 5 * MSEC));
			while (n < ARRAY_SIZE(seen) && (client_take(&f->a, &event) || client_take(&f->b, &event)))
				seen[n++] = world_boottime(&f->world);
		}
	}
	assert_true(n > 500);
	/* What a cancel has let through is seen a step later than it came. */
	for (size_t i = 5; i < n; i++)
		for (size_t k = 5; k <= 50 && k <= i; k *= 2)
			assert_true(seen[i] - seen[i - k] > (int64_t)(k - 4) * 10 * MSEC - 5 * MSEC);
	for (unsigned i = 0; i < 100; i++)
		world_run(&f->world, 10 * MSEC);
	assert_int_equal(count_waiting(limiter), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_exact_times),
		TEST(test_cost),
		TEST(test_cancel),
		TEST(test_end_of_an_owner),
		TEST(test_repeating_merges),
		TEST(test_cancelled_by_another),
		TEST(test_restart),
		TEST(test_limiter_removed),
		TEST(test_live_change),
		TEST(test_change_there_and_back),
		TEST(test_keys),
		TEST(test_refused),
		TEST(test_beside_claims),
		TEST(test_several_rules),
		TEST(test_queued_messages),
		TEST(test_merged_messages),
		TEST(test_beside_free_messages),
		TEST(test_another_gate),
		TEST(test_shared_memory),
		TEST(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
