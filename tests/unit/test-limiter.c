/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limiters with time played: names, definitions, keys, lines, permits, and what is left when owners go. */

#include "proto/limits.h"
#include "tests/unit/limiter-fixture.h"

static void test_names(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("api", 10, SEC, 10), alike = spec_rate("api", 600, 60 * SEC, 10),
			    other = spec_rate("api", 11, SEC, 10);
	struct limiter *limiter = make(f, &spec), *found;
	enum limiter_change change;

	assert_int_equal(limiter_set(f->a.owner.tenant, &alike, LIMITER_MODE_CREATE, &found, &change), 0);
	assert_int_equal(change, LIMITER_CHANGE_NONE);
	assert_ptr_equal(found, limiter);
	assert_int_equal(limiter_set(f->a.owner.tenant, &other, LIMITER_MODE_CREATE, &found, &change),
			 LIMITER_E_EXISTS);
	assert_ptr_equal(found, limiter);
	assert_ptr_equal(limiter_find(f->a.owner.tenant, "api"), limiter);
	assert_null(limiter_find(f->a.owner.tenant, "apj"));
	assert_ptr_equal(limiter_next(f->a.owner.tenant, 0), limiter);
	assert_null(limiter_next(f->a.owner.tenant, limiter_id(limiter)));
	other.name = "new";
	assert_int_equal(limiter_set(f->a.owner.tenant, &other, LIMITER_MODE_UPDATE, &found, &change), -ENOENT);
	limiter_remove(limiter);
	assert_null(limiter_find(f->a.owner.tenant, "api"));
}

static void test_default_burst(void **state _unused_) {
	assert_int_equal(spec_rate("a", 10, SEC, 0).rates[0].burst, 10);
	assert_int_equal(spec_rate("a", 3, 2 * SEC, 0).rates[0].burst, 2);
	assert_int_equal(spec_rate("a", 1, 3600 * SEC, 0).rates[0].burst, 1);
}

/* 2/s with a burst of two, and six takers: 0, 0, 0.5, 1.0, 1.5, 2.0 s. */
static void test_six_takers(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("two", 2, SEC, 2);
	struct limiter *limiter = make(f, &spec);
	int64_t begin = world_boottime(&f->world);

	assert_int_equal(wait_for(&f->a, limiter, 1, 1, -1), 0);
	assert_int_equal(wait_for(&f->a, limiter, 2, 1, -1), 0);
	for (uint64_t i = 3; i <= 6; i++)
		assert_int_equal(wait_for(&f->a, limiter, i, 1, -1), LIMITER_E_QUEUED);
	client_expect_none(&f->a);
	for (uint64_t i = 3; i <= 6; i++) {
		int64_t due = begin + (int64_t)(i - 2) * 500 * MSEC;

		assert_int_equal(scheduler_next(f->world.scheduler, TIMER_CLOCK_BOOTTIME), due);
		world_run(&f->world, due - world_boottime(&f->world) - 1);
		client_expect_none(&f->a);
		/* Who tries is behind those who wait. */
		assert_false(try(limiter, none, 1) && i < 6);
		world_run(&f->world, 1);
		assert_int_equal(expect(&f->a, i, CLAIM_GRANTED).grant->now_ns, due);
	}
	assert_int_equal(scheduler_next(f->world.scheduler, TIMER_CLOCK_BOOTTIME), INT64_MAX);
}

/* Who leaves the line leaves no trace: those behind him move up. */
static void test_leave(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("one", 1, SEC, 1);
	struct limiter *limiter = make(f, &spec);
	int64_t begin = world_boottime(&f->world);

	assert_true(try(limiter, none, 1));
	assert_int_equal(wait_for(&f->b, limiter, 1, 1, -1), LIMITER_E_QUEUED);
	assert_int_equal(wait_for(&f->a, limiter, 1, 1, -1), LIMITER_E_QUEUED);
	assert_int_equal(wait_for(&f->b, limiter, 2, 1, -1), LIMITER_E_QUEUED);
	assert_int_equal(wait_for(&f->a, limiter, 2, 1, -1), LIMITER_E_QUEUED);
	/* A whole owner goes. */
	assert_false(owner_reduce(&f->b.owner, SIZE_MAX));
	assert_int_equal(owner_cancel(&f->a.owner, 2), CANCEL_CANCELLED);
	assert_int_equal(owner_cancel(&f->a.owner, 2), CANCEL_GONE);
	world_run(&f->world, SEC);
	assert_int_equal(expect(&f->a, 1, CLAIM_GRANTED).grant->now_ns, begin + SEC);
	world_run(&f->world, SEC);
	assert_true(try(limiter, none, 1));
}

/* Granted, and not yet told: who cancels gives it back. */
static void test_withdraw(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("one", 1, SEC, 1);
	struct limiter *limiter = make(f, &spec);

	assert_true(try(limiter, none, 1));
	assert_int_equal(wait_for(&f->a, limiter, 1, 1, -1), LIMITER_E_QUEUED);
	world_run(&f->world, SEC);
	assert_false(try(limiter, none, 1));
	assert_int_equal(owner_cancel(&f->a.owner, 1), CANCEL_WITHDRAWN);
	client_expect_none(&f->a);
	assert_true(try(limiter, none, 1));
	assert_false(try(limiter, none, 1));
}

static void test_max_wait(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("one", 1, SEC, 1);
	struct limiter *limiter = make(f, &spec);
	struct grant grant;

	assert_true(try(limiter, none, 1));
	assert_int_equal(wait_for(&f->a, limiter, 1, 1, 0), LIMITER_E_DENIED);
	assert_int_equal(wait_for(&f->a, limiter, 1, 1, SEC - 1), LIMITER_E_DENIED);
	assert_int_equal(wait_for(&f->a, limiter, 1, 1, SEC), LIMITER_E_QUEUED);
	assert_int_equal(wait_for(&f->a, limiter, 1, 1, -1), LIMITER_E_HANDLE_EXISTS);
	assert_int_equal(wait_for(&f->a, limiter, 2, 2, -1), LIMITER_E_COST);
	/* A change that moves the grant beyond it ends the wait at once. */
	assert_int_equal(limiter_hold(limiter, none, 2 * SEC), 0);
	assert_int_equal(limiter_peek(limiter, none, 0, &grant), 0);
	assert_int_equal(grant.retry_after_ns, 2 * SEC);
	(void)expect(&f->a, 1, CLAIM_TIMED_OUT);
	world_run(&f->world, 2 * SEC);
	assert_true(try(limiter, none, 1));
}

static void test_update(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("r", 1, 10 * SEC, 1), faster = spec_rate("r", 1, SEC, 1),
			    both = spec_rate("r", 1, SEC, 1), permits = spec_permits("r", 1);
	struct limiter *limiter = make(f, &spec);
	int64_t begin = world_boottime(&f->world);
	enum limiter_change change;
	unsigned rule;

	both.rates[1] = (struct limiter_rate){ .tokens = 2, .period_ns = 60 * SEC, .burst = 2 };
	both.n_rates = 2;
	assert_int_equal(limiter_spec_check(&both, &rule), 0);
	assert_true(try(limiter, none, 1));
	assert_int_equal(wait_for(&f->a, limiter, 1, 1, -1), LIMITER_E_QUEUED);
	assert_int_equal(scheduler_next(f->world.scheduler, TIMER_CLOCK_BOOTTIME), begin + 10 * SEC);
	/* The line is re-timed. */
	assert_int_equal(limiter_set(f->a.owner.tenant, &faster, LIMITER_MODE_UPDATE, &limiter, &change), 0);
	assert_int_equal(change, LIMITER_CHANGE_UPDATED);
	assert_int_equal(scheduler_next(f->world.scheduler, TIMER_CLOCK_BOOTTIME), begin + SEC);
	world_run(&f->world, SEC);
	(void)expect(&f->a, 1, CLAIM_GRANTED);
	/* From one rule to two and back. */
	assert_int_equal(limiter_set(f->a.owner.tenant, &both, LIMITER_MODE_UPDATE, &limiter, &change), 0);
	assert_false(try(limiter, none, 1));
	world_run(&f->world, SEC);
	assert_true(try(limiter, none, 1));
	world_run(&f->world, SEC);
	assert_true(try(limiter, none, 1));
	world_run(&f->world, SEC);
	assert_false(try(limiter, none, 1)); /* two a minute */
	assert_int_equal(limiter_set(f->a.owner.tenant, &faster, LIMITER_MODE_PUT, &limiter, &change), 0);
	assert_true(try(limiter, none, 1));
	assert_int_equal(limiter_set(f->a.owner.tenant, &permits, LIMITER_MODE_PUT, &limiter, &change), LIMITER_E_KIND);
}

static void test_remove_with_a_line(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("one", 1, SEC, 1), permits = spec_permits("p", 1);
	struct limiter *limiter = make(f, &spec), *second = make(f, &permits);

	assert_true(try(limiter, none, 1));
	assert_int_equal(wait_for(&f->a, limiter, 1, 1, -1), LIMITER_E_QUEUED);
	assert_int_equal(wait_for(&f->a, second, 2, 1, -1), 0);
	assert_int_equal(wait_for(&f->a, second, 3, 1, -1), LIMITER_E_QUEUED);
	limiter_remove(limiter);
	limiter_remove(second);
	(void)expect(&f->a, 1, CLAIM_REMOVED);
	(void)expect(&f->a, 3, CLAIM_REMOVED);
	assert_int_equal(owner_cancel(&f->a.owner, 1), CANCEL_GONE);
	/* What is held is worth nothing, and can be given back all the same. */
	assert_int_equal(owner_cancel(&f->a.owner, 2), CANCEL_GONE);
	assert_int_equal(scheduler_next(f->world.scheduler, TIMER_CLOCK_BOOTTIME), INT64_MAX);
}

static void test_keys(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("k", 1, SEC, 1);
	struct limiter *limiter;
	struct limiter_info info;
	struct grant grant;
	char text[8];

	spec.keyed = true;
	limiter = make(f, &spec);
	assert_int_equal(limiter_try(limiter, none, 1, &grant), LIMITER_E_KEY);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "%u", i);
		assert_true(try(limiter, key(text), 1));
		assert_false(try(limiter, key(text), 1));
	}
	/* The table is full of those in use: the others share what is left, and none gets a full bucket for being new. */
	assert_true(try(limiter, key("x"), 1));
	assert_false(try(limiter, key("y"), 1));
	limiter_describe(limiter, &info);
	assert_int_equal(info.keys, 4);
	/* Idle ones are forgotten when room is needed. */
	world_run(&f->world, SEC);
	assert_true(try(limiter, key("y"), 1));
	assert_false(try(limiter, key("y"), 1));
	limiter_describe(limiter, &info);
	assert_int_equal(info.keys, 4);
	assert_int_equal(tenant_use(f->a.owner.tenant)->keys, 4);
	limiter_remove(limiter);
	assert_int_equal(tenant_use(f->a.owner.tenant)->keys, 0);
}

/* Every length has its own way to memory, or none. */
static void test_keys_of_all_lengths(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("k", 1, SEC, 1);
	struct limiter *limiter;
	struct limiter_key k;
	char text[LIMITER_KEY_MAX];

	memset(text, 'k', sizeof(text));
	spec.keyed = true;
	spec.max_keys = LIMITER_KEY_MAX;
	limiter = make(f, &spec);
	for (unsigned round = 0; round < 2; round++)
		for (k = (struct limiter_key){ .data = text, .size = 1 }; k.size <= LIMITER_KEY_MAX; k.size++)
			assert_int_equal(try(limiter, k, 1), round == 0);
}

static void test_keys_denied(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("k", 1, SEC, 1);
	struct limiter *limiter;

	spec.keyed = spec.deny_when_full = true;
	spec.max_keys = 1;
	limiter = make(f, &spec);
	assert_true(try(limiter, key("a"), 1));
	assert_false(try(limiter, key("b"), 1));
	world_run(&f->world, SEC);
	assert_true(try(limiter, key("b"), 1));
	assert_false(try(limiter, key("a"), 1));
}

static void test_together(void **state) {
	struct fixture *f = *state;
	struct limiter_spec one = spec_rate("one", 1, SEC, 1), ten = spec_rate("ten", 10, SEC, 10);
	struct limiter_item items[] = { { .limiter = make(f, &ten), .cost = 2 },
					{ .limiter = make(f, &one), .cost = 1 } };
	struct grant grant;
	bool allowed;
	size_t item;

	assert_int_equal(limiter_try_all(items, 2, &allowed, &item), 0);
	assert_true(allowed);
	assert_int_equal(items[0].grant.remaining, 8);
	assert_int_equal(limiter_try_all(items, 2, &allowed, &item), 0);
	assert_false(allowed);
	assert_int_equal(item, 1);
	assert_int_equal(items[1].grant.retry_after_ns, SEC);
	assert_int_equal(limiter_peek(items[0].limiter, none, 1, &grant), 0);
	assert_int_equal(grant.remaining, 8); /* nothing was taken there */
	items[0].cost = 11;
	assert_int_equal(limiter_try_all(items, 2, &allowed, &item), LIMITER_E_COST);
	assert_int_equal(item, 0);
}

static void test_refund_and_charge(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("ten", 10, SEC, 10);
	struct limiter *limiter;
	struct grant grant;
	uint64_t taken;

	spec.rules.max_debt = 10;
	limiter = make(f, &spec);
	assert_int_equal(limiter_take_up_to(limiter, none, 4, &taken, &grant), 0);
	assert_int_equal(taken, 4);
	assert_int_equal(limiter_charge(limiter, none, 16), 0);
	assert_int_equal(limiter_peek(limiter, none, 0, &grant), 0);
	assert_int_equal(grant.remaining, 0);
	assert_int_equal(limiter_charge(limiter, none, 1), LIMITER_E_COST);
	assert_int_equal(limiter_take_up_to(limiter, none, 4, &taken, &grant), 0);
	assert_int_equal(taken, 0);
	assert_int_equal(limiter_refund(limiter, none, 100), 0);
	assert_int_equal(limiter_peek(limiter, none, 0, &grant), 0);
	assert_int_equal(grant.remaining, 10);
	assert_int_equal(limiter_charge(limiter, none, 12), 0);
	assert_int_equal(limiter_reset(limiter, none), 0);
	assert_int_equal(limiter_peek(limiter, none, 0, &grant), 0);
	assert_int_equal(grant.remaining, 10);
}

static void test_permits(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_permits("db", 2);
	struct limiter *limiter = make(f, &spec);
	struct limiter_info info;
	struct grant grant;

	assert_int_equal(limiter_try(limiter, none, 1, &grant), LIMITER_E_KIND);
	assert_int_equal(wait_for(&f->a, limiter, 1, 1, 0), 0);
	assert_int_equal(wait_for(&f->b, limiter, 1, 1, 0), 0);
	assert_int_equal(wait_for(&f->b, limiter, 2, 1, 0), LIMITER_E_DENIED);
	assert_int_equal(wait_for(&f->b, limiter, 3, 3, -1), LIMITER_E_COST);
	assert_int_equal(wait_for(&f->b, limiter, 2, 2, -1), LIMITER_E_QUEUED);
	assert_int_equal(wait_for(&f->b, limiter, 4, 1, 10 * MSEC), LIMITER_E_QUEUED);
	assert_int_equal(wait_for(&f->b, limiter, 5, 1, -1), LIMITER_E_QUEUED);
	limiter_describe(limiter, &info);
	assert_int_equal(info.waiting, 3);
	assert_int_equal(info.held, 2);
	/* Not even one that is free, for who asked for two was first. */
	assert_int_equal(owner_cancel(&f->a.owner, 1), CANCEL_CANCELLED);
	client_expect_none(&f->b);
	world_run(&f->world, 10 * MSEC);
	(void)expect(&f->b, 4, CLAIM_TIMED_OUT);
	/* Who gives up lets those behind him pass. */
	assert_int_equal(owner_cancel(&f->b.owner, 2), CANCEL_CANCELLED);
	assert_true(expect(&f->b, 5, CLAIM_HELD).more);
	assert_false(owner_reduce(&f->b.owner, SIZE_MAX));
	limiter_describe(limiter, &info);
	assert_int_equal(info.held, 0);
	assert_int_equal(scheduler_idle_at(f->world.scheduler), 0);
}

static unsigned unbound;

static void unbind(struct claim_binding *binding _unused_) {
	unbound++;
}

/* Whoever wants to hear everything by an event does. */
/* Fewer of them: none is taken from who holds it; who waits for more than there will be waits no more, and holds up nobody. */
static void test_fewer_permits(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_permits("db", 4);
	struct limiter *limiter = make(f, &spec);
	enum limiter_change change;
	struct limiter_info info;

	assert_int_equal(wait_for(&f->a, limiter, 1, 3, 0), 0);
	assert_int_equal(wait_for(&f->b, limiter, 1, 4, -1), LIMITER_E_QUEUED);
	assert_int_equal(wait_for(&f->b, limiter, 2, 2, -1), LIMITER_E_QUEUED);
	spec.concurrency = 2;
	assert_int_equal(limiter_set(f->a.owner.tenant, &spec, LIMITER_MODE_UPDATE, &limiter, &change), 0);
	(void)expect(&f->b, 1, CLAIM_TIMED_OUT);
	client_expect_none(&f->b);
	limiter_describe(limiter, &info);
	assert_int_equal(info.held, 1);
	assert_int_equal(info.waiting, 1);
	assert_int_equal(owner_cancel(&f->a.owner, 1), CANCEL_CANCELLED);
	assert_true(expect(&f->b, 2, CLAIM_HELD).more);
}

static void test_tell(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("r", 1, SEC, 1), permits = spec_permits("p", 1);
	struct limiter *limiter = make(f, &spec), *second = make(f, &permits);
	struct limiter_info info;
	struct claim *claim;
	struct grant grant;

	assert_int_equal(limiter_wait(limiter, &f->a.owner, 1, none, 1, -1, true, &claim, &grant), 0);
	assert_int_equal(limiter_wait(limiter, &f->a.owner, 2, none, 1, 0, true, &claim, &grant), LIMITER_E_DENIED);
	assert_int_equal(limiter_wait(second, &f->a.owner, 3, none, 1, 0, true, &claim, &grant), 0);
	assert_int_equal(limiter_wait(second, &f->a.owner, 4, none, 1, 0, true, &claim, &grant), LIMITER_E_DENIED);
	assert_true(expect(&f->a, 1, CLAIM_GRANTED).grant->allowed);
	assert_false(expect(&f->a, 2, CLAIM_TIMED_OUT).grant->allowed);
	assert_true(expect(&f->a, 3, CLAIM_HELD).more);
	assert_false(expect(&f->a, 4, CLAIM_TIMED_OUT).more);
	assert_int_equal(owner_cancel(&f->a.owner, 1), CANCEL_GONE);
	assert_int_equal(owner_cancel(&f->a.owner, 3), CANCEL_CANCELLED);
	assert_int_equal(tenant_use(f->a.owner.tenant)->claims, 0);
	/* Taken and not told is given back. */
	world_run(&f->world, SEC);
	assert_int_equal(limiter_wait(limiter, &f->a.owner, 5, none, 1, 0, true, &claim, &grant), 0);
	assert_int_equal(owner_cancel(&f->a.owner, 5), CANCEL_WITHDRAWN);
	assert_int_equal(limiter_wait(limiter, &f->a.owner, 6, none, 1, 0, true, &claim, &grant), 0);
	limiter_describe(limiter, &info);
	assert_int_equal(info.allowed, 2);
	assert_int_equal(info.denied, 1);
}

/* What a process holds is not its connection's. */
static void test_bound_permit(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_permits("db", 1);
	struct limiter *limiter = make(f, &spec);
	struct claim_binding binding = { .pid = 77, .unbind = unbind }, second = binding;
	struct claim *claim, *waiting;
	struct claim_info info;
	struct grant grant;

	unbound = 0;
	assert_int_equal(limiter_wait(limiter, &f->a.owner, 1, none, 1, 0, false, &claim, &grant), 0);
	claim_bind(claim, &binding);
	assert_int_equal(limiter_wait(limiter, &f->a.owner, 2, none, 1, -1, false, &waiting, &grant), LIMITER_E_QUEUED);
	claim_bind(waiting, &second);
	assert_int_equal(wait_for(&f->b, limiter, 1, 1, -1), LIMITER_E_QUEUED);
	/* The one that waited is gone with its owner, the other one stays. */
	assert_false(owner_reduce(&f->a.owner, SIZE_MAX));
	assert_int_equal(unbound, 1);
	client_expect_none(&f->b);
	claim_describe(limiter_next_claim(limiter, 0), &info);
	assert_int_equal(info.state, CLAIM_HELD);
	assert_int_equal(info.pid, 77);
	assert_int_equal(scheduler_idle_at(f->world.scheduler), INT64_MAX);
	assert_int_equal(claim_end(claim), CANCEL_CANCELLED);
	assert_int_equal(unbound, 2);
	(void)expect(&f->b, 1, CLAIM_HELD);
	/* Nobody holds what is removed. */
	claim = limiter_next_claim(limiter, 0);
	claim_bind(claim, &binding);
	assert_false(owner_reduce(&f->b.owner, SIZE_MAX));
	assert_int_equal(unbound, 2);
	limiter_remove(limiter);
	assert_int_equal(unbound, 3);
}

#define CROWD 100

/* A hundred wait for different costs, and half of them die, at random: the others are granted as in a limiter to which only they came. */
static void test_as_if_they_had_never_come(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("all", 100, SEC, 5), same = spec_rate("few", 100, SEC, 5);
	struct limiter *all = make(f, &spec), *few = make(f, &same);
	struct random random = RANDOM_INIT;
	struct client *dying = calloc(CROWD / 2, sizeof(*dying)), *alive[CROWD / 2];
	uint64_t survivors[CROWD];
	unsigned n = 0, n_dying = 0;

	assert_non_null(dying);
	assert_true(try(all, none, 5));
	assert_true(try(few, none, 5));
	for (uint64_t i = 1; i <= CROWD; i++) {
		uint64_t cost = 1 + random_below(&random, 5);

		world_run(&f->world, (int64_t)random_below(&random, MSEC / 20));
		if (random_below(&random, CROWD - i + 1) < CROWD / 2 - n_dying) {
			alive[n_dying] = &dying[n_dying];
			client_init(alive[n_dying], &f->world, 1000);
			assert_int_equal(wait_for(alive[n_dying++], all, i, cost, -1), LIMITER_E_QUEUED);
			continue;
		}
		survivors[n++] = i;
		assert_int_equal(wait_for(&f->a, all, i, cost, -1), LIMITER_E_QUEUED);
		assert_int_equal(wait_for(&f->b, few, i, cost, -1), LIMITER_E_QUEUED);
	}
	assert_int_equal(n, CROWD / 2);
	while (n_dying > 0) {
		unsigned i = (unsigned)random_below(&random, n_dying);

		world_run(&f->world, (int64_t)random_below(&random, MSEC / 20));
		client_deinit(alive[i]);
		alive[i] = alive[--n_dying];
	}
	free(dying);
	client_expect_none(&f->b);
	for (unsigned i = 0; i < 10000; i++)
		world_run(&f->world, (int64_t)random_below(&random, MSEC));
	for (unsigned i = 0; i < n; i++) {
		int64_t granted_ns = expect(&f->a, survivors[i], CLAIM_GRANTED).grant->now_ns;

		assert_int_equal(expect(&f->b, survivors[i], CLAIM_GRANTED).grant->now_ns, granted_ns);
	}
}

static void test_crowd(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("r", 1, SEC, 1);
	struct limiter *limiter;

	spec.max_waiters = 2;
	limiter = make(f, &spec);
	for (uint64_t i = 1; i <= 3; i++)
		(void)wait_for(&f->a, limiter, i, 1, -1);
	assert_int_equal(wait_for(&f->a, limiter, 4, 1, -1), LIMITER_E_CROWDED);
}

static void test_idle(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("r", 1, SEC, 5);
	struct limiter *limiter = make(f, &spec);
	int64_t begin = world_boottime(&f->world);

	assert_int_equal(scheduler_idle_at(f->world.scheduler), 0);
	assert_true(try(limiter, none, 3));
	assert_int_equal(scheduler_idle_at(f->world.scheduler), begin + 3 * SEC);
	assert_int_equal(limiter_hold(limiter, none, 10 * SEC), 0);
	assert_int_equal(scheduler_idle_at(f->world.scheduler), begin + 10 * SEC);
}

/* Of a limiter of all uids: what a process holds outlives its uid's last session, and everything else of that uid. */
static void test_of_all(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_permits("db", 1);
	struct access access = { .owner = 7, .group = 8, .mode = 0660 };
	static struct claim_binding binding = { .pid = 77, .unbind = unbind }; /* lives until the teardown */
	enum limiter_change change;
	struct limiter *limiter;
	struct claim_info info;
	struct claim *claim;
	struct tenant *all;
	struct client c;
	struct grant grant;

	assert_int_equal(scheduler_tenant(f->world.scheduler, TENANT_OF_ALL, &all), 0);
	assert_int_equal(limiter_set(all, &spec, LIMITER_MODE_PUT, &limiter, &change), 0);
	limiter_set_access(limiter, &access);
	assert_int_equal(limiter_access(limiter)->mode, 0660);
	assert_null(limiter_find(f->a.owner.tenant, "db"));
	for (unsigned round = 0; round < 2; round++) {
		client_init(&c, &f->world, 2000);
		assert_int_equal(limiter_wait(limiter, &c.owner, 1, none, 1, 0, false, &claim, &grant), 0);
		unbound = 0;
		claim_bind(claim, &binding);
		client_deinit(&c);
		claim_describe(limiter_next_claim(limiter, 0), &info);
		assert_int_equal(info.uid, 2000);
		assert_int_equal(unbound, 0);
		if (round == 0)
			assert_int_equal(claim_end(claim), CANCEL_CANCELLED);
	}
	/* The second one ends with the scheduler, whatever is freed first. */
	(void)tenant_unref(all);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_default_burst),
		TEST(test_six_takers),
		TEST(test_leave),
		TEST(test_withdraw),
		TEST(test_max_wait),
		TEST(test_update),
		TEST(test_remove_with_a_line),
		TEST(test_keys),
		TEST(test_keys_denied),
		TEST(test_keys_of_all_lengths),
		TEST(test_together),
		TEST(test_refund_and_charge),
		TEST(test_permits),
		TEST(test_fewer_permits),
		TEST(test_tell),
		TEST(test_bound_permit),
		TEST(test_as_if_they_had_never_come),

		TEST(test_crowd),
		TEST(test_idle),
		TEST(test_of_all),

	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
