/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limiters with many keys that become others, and go: at once for who looks, and in many turns for the daemon. */

#include "daemon/core/progress.h"
#include "tests/unit/limiter-fixture.h"

#define MANY 5000

static struct limiter_spec spec_keyed(const char *name, uint64_t tokens, uint64_t burst) {
	struct limiter_spec spec = spec_rate(name, tokens, SEC, burst);

	spec.keyed = true;
	spec.max_keys = 2 * MANY;
	return spec;
}

static struct limiter_key key_number(uint32_t i) {
	static uint32_t number;

	number = i;
	return (struct limiter_key){ .data = &number, .size = sizeof(number) };
}

/* How many tokens that key has taken. */
static uint64_t taken_by(uint32_t i) {
	return 1 + i % 10;
}

static struct limiter *make_many(struct fixture *f, const char *name) {
	struct limiter_spec spec = spec_keyed(name, 10, 10);
	struct limiter *limiter = make(f, &spec);

	for (uint32_t i = 0; i < MANY; i++)
		assert_true(try(limiter, key_number(i), taken_by(i)));
	return limiter;
}

static int change(struct fixture *f, const struct limiter_spec *spec) {
	enum limiter_change change;
	struct limiter *limiter;
	int r = limiter_set(f->a.owner.tenant, spec, LIMITER_MODE_UPDATE, &limiter, &change);

	if (r == 0)
		assert_int_equal(change, LIMITER_CHANGE_UPDATED);
	return r;
}

/* Turns until nothing is left to do. */
static unsigned turns(struct fixture *f) {
	unsigned n = 0;

	while (world_turn(&f->world))
		n++;
	return n;
}

/* Limiters without keys are changed at once: a key has to be as one of those. */
static void expect_as_twin(struct limiter *limiter, struct limiter *const *twins, uint32_t i) {
	struct grant grant, twin;

	assert_int_equal(limiter_peek(limiter, key_number(i), 1, &grant), 0);
	assert_int_equal(limiter_peek(twins[taken_by(i)], none, 1, &twin), 0);
	assert_int_equal(grant.allowed, twin.allowed);
	assert_int_equal(grant.remaining, twin.remaining);
	assert_int_equal(grant.retry_after_ns, twin.retry_after_ns);
	assert_int_equal(grant.reset_after_ns, twin.reset_after_ns);
}

/* `to` as it is without keys, under that name. */
static struct limiter_spec without_keys(const struct limiter_spec *to, const char *name) {
	struct limiter_spec spec = *to;

	spec.name = name;
	spec.keyed = false;
	return spec;
}

/* Change it with its twins, and look at its keys at any time. */
static void change_and_look(struct fixture *f, const struct limiter_spec *to) {
	struct limiter *limiter = make_many(f, "many"), *twins[11];
	uint32_t next = 0;

	for (uint32_t i = 0; i < 10; i++) {
		char name[] = { 't', (char)('0' + i), '\0' };
		struct limiter_spec spec = spec_rate(name, 10, SEC, 10);

		twins[taken_by(i)] = make(f, &spec);
		assert_true(try(twins[taken_by(i)], none, taken_by(i)));
	}
	world_pass(&f->world, 50 * MSEC);
	(void)world_turn(&f->world);
	assert_int_equal(change(f, to), 0);
	for (uint32_t i = 0; i < 10; i++) {
		char name[] = { 't', (char)('0' + i), '\0' };
		struct limiter_spec spec = without_keys(to, name);

		assert_int_equal(change(f, &spec), 0);
	}
	for (; next < 100; next++)
		expect_as_twin(limiter, twins, next);
	for (; next < MANY; next += 7) {
		world_pass(&f->world, MSEC);
		(void)world_turn(&f->world);
		expect_as_twin(limiter, twins, next);
	}
	assert_int_equal(turns(f), 0);
	assert_int_equal(limiter_go_on(limiter, 0), 0);
	for (uint32_t i = 0; i < MANY; i++)
		expect_as_twin(limiter, twins, i);
}

static void test_slower(void **state) {
	struct limiter_spec to = spec_keyed("many", 1, 10);

	change_and_look(*state, &to);
}

static void test_faster(void **state) {
	struct limiter_spec to = spec_keyed("many", 1000, 2000);

	change_and_look(*state, &to);
}

/* Words of its own for each key. */
static void test_several_rules(void **state) {
	struct limiter_spec to = spec_keyed("many", 5, 20);
	unsigned rule;

	to.rates[1] = (struct limiter_rate){ .tokens = 3, .period_ns = 60 * SEC, .burst = 30 };
	to.n_rates = 2;
	assert_int_equal(limiter_spec_check(&to, &rule), 0);
	change_and_look(*state, &to);
}

/* What nobody has come to yet obeys the one before the last, so there is no third; and all the keys are met, whoever comes and goes. */
static void test_changed_again(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make_many(f, "many");
	struct limiter_spec slow = spec_keyed("many", 1, 10), fast = spec_keyed("many", 1000000, 10);
	uint32_t next = MANY;

	assert_int_equal(change(f, &slow), 0);
	assert_int_equal(change(f, &fast), LIMITER_E_BUSY);

	while (world_turn(&f->world)) {
		assert_int_equal(change(f, &fast), LIMITER_E_BUSY);
		for (unsigned i = 0; i < 20 && next < 2 * MANY; i++)
			assert_true(try(limiter, key_number(next++), 1));
	}
	assert_true(next > MANY + 500);
	assert_int_equal(change(f, &fast), 0);
	assert_int_equal(limiter_go_on(limiter, 100), 1);
	assert_int_equal(limiter_go_on(limiter, SIZE_MAX), 0);
	world_pass(&f->world, SEC);
	(void)world_turn(&f->world);
	for (uint32_t i = 0; i < next; i++)
		assert_true(try(limiter, key_number(i), 10));
}

/* Who waits is moved at once, however many keys there are. */
static void test_who_waits(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make_many(f, "many");
	struct limiter_spec fast = spec_keyed("many", 1000, 10);
	struct claim *claim;
	struct grant grant;

	assert_int_equal(limiter_wait(limiter, &f->a.owner, 1, key_number(MANY - 1), 10, -1, false, &claim, &grant),
			 LIMITER_E_QUEUED);
	assert_int_equal(change(f, &fast), 0);
	world_pass(&f->world, 10 * MSEC);
	(void)world_turn(&f->world);
	(void)expect(&f->a, 1, CLAIM_GRANTED);
}

static struct limiter *make_waiting(struct fixture *f) {
	struct limiter_spec spec = spec_keyed("waits", 1, 1);
	struct limiter *limiter;
	struct claim *claim;
	struct grant grant;

	spec.max_waiters = MANY;
	limiter = make(f, &spec);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_true(try(limiter, key_number(i), 1));
		assert_int_equal(limiter_wait(limiter, &f->a.owner, i + 1, key_number(i), 1, -1, false, &claim, &grant),
				 LIMITER_E_QUEUED);
	}
	return limiter;
}

/* There may be too many keys at which somebody waits to look at all of them at once; by what was before, nobody is
 * granted anything. */
static void test_waits_at_each(void **state) {
	struct fixture *f = *state;
	struct limiter_spec slow = spec_keyed("waits", 1, 1), fast;
	struct claim_info info;
	struct limiter *limiter = make_waiting(f);

	slow.rates[0].period_ns = 10 * SEC;
	slow.max_waiters = MANY;
	fast = slow;
	assert_int_equal(limiter_spec_check(&slow, &(unsigned){ 0 }), 0);
	world_run(&f->world, SEC / 2);
	assert_int_equal(change(f, &slow), 0);
	assert_int_equal(limiter_go_on(limiter, 0), 1);
	claim_describe(limiter_next_claim(limiter, 0), &info);
	assert_int_equal(info.expected_ns, world_boottime(&f->world) + 5 * SEC);
	world_pass(&f->world, SEC / 2);
	assert_int_equal(owner_cancel(&f->a.owner, 1000), CANCEL_CANCELLED);
	assert_true(world_turn(&f->world));
	client_expect_none(&f->a);
	(void)turns(f);
	world_run(&f->world, 4500 * MSEC - 1);
	client_expect_none(&f->a);
	assert_int_equal(owner_cancel(&f->a.owner, 999), CANCEL_CANCELLED);
	fast.rates[0].period_ns = SEC / 1000;
	assert_int_equal(limiter_spec_check(&fast, &(unsigned){ 0 }), 0);
	assert_int_equal(change(f, &fast), 0);
	world_pass(&f->world, MSEC);
	(void)turns(f);
	for (uint64_t i = 1; i <= 998; i++) {
		struct event event;

		assert_true(client_take(&f->a, &event));
		assert_int_equal(event.claim_state, CLAIM_GRANTED);
	}
	client_expect_none(&f->a);
}

/* Nobody else's keys are in the way of those that somebody waits for. */
static void test_waits_behind_others(void **state) {
	struct fixture *f = *state;
	struct limiter_spec slow = spec_keyed("many", 1, 10), fast = spec_keyed("waits", 1000, 1);
	struct event event;

	fast.max_waiters = MANY;
	(void)make_many(f, "many");
	(void)make_waiting(f);
	assert_int_equal(change(f, &slow), 0);
	assert_int_equal(change(f, &fast), 0);
	world_pass(&f->world, MSEC);
	for (unsigned i = 0; i < 1000 / 16 + 1; i++)
		(void)world_turn(&f->world);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(client_take(&f->a, &event));
	assert_true(turns(f) > 10);
}

/* Those who come and go all the time do not keep a change from its end, nor what is removed in memory. */
static void test_come_and_go(void **state) {
	struct fixture *f = *state;
	struct limiter_spec to = spec_keyed("waits", 1, 10);
	struct limiter *limiter = make_waiting(f), *many = make_many(f, "many");
	struct claim *claim;
	struct grant grant;
	uint64_t handle = 10000;
	unsigned n = 0;

	to.max_waiters = MANY;
	assert_int_equal(change(f, &to), 0);
	limiter_remove(many);
	while (world_turn(&f->world)) {
		assert_in_range(n++, 0, 1000);
		for (unsigned i = 0; i < 40; i++) {
			assert_int_equal(limiter_wait(limiter, &f->a.owner, ++handle, key_number(i), 10, -1, false,
						      &claim, &grant),
					 LIMITER_E_QUEUED);
			if (handle > 10040)
				assert_int_equal(owner_cancel(&f->a.owner, handle - 40), CANCEL_CANCELLED);
		}
	}
	assert_int_equal(limiter_go_on(limiter, 0), 0);
}

/* Those to whom a change says that they are never granted hear it one after the other, in many turns, and are in
 * nobody's way. */
static void change_unfit(struct fixture *f, const struct limiter_spec *from, const struct limiter_spec *to) {
	const struct tenant_use *use = tenant_use(f->a.owner.tenant);
	struct limiter *limiter = make(f, from);
	struct claim_progress progress;
	struct limiter_info info;
	struct event event;
	unsigned n = 0;

	assert_int_equal(wait_for(&f->b, limiter, 1, from->n_rates > 0 ? 10 : 9, -1), 0);
	for (uint64_t i = 1; i <= 900; i++)
		assert_int_equal(wait_for(&f->a, limiter, i, 10, i == 700 ? MSEC : -1),
				 i == 700 && from->n_rates > 0 ? LIMITER_E_DENIED : LIMITER_E_QUEUED);
	assert_int_equal(change(f, to), 0);
	while (client_take(&f->a, &event))
		assert_int_equal(event.handle, ++n);
	assert_in_range(n, 1, 200);
	assert_int_equal(wait_for(&f->b, limiter, 2, 1, -1), LIMITER_E_QUEUED);

	assert_true(claim_progress(owner_find(&f->a.owner, 800), &progress));
	assert_true(progress.over);
	assert_true(progress.pending);
	assert_int_equal(progress.state, CLAIM_TIMED_OUT);
	assert_int_equal(owner_cancel(&f->a.owner, 800), CANCEL_CANCELLED);
	assert_int_equal(change(f, from), LIMITER_E_BUSY);
	(void)world_turn(&f->world);
	assert_in_range(use->claims, 500, 900);
	world_pass(&f->world, MSEC);
	(void)turns(f);
	limiter_describe(limiter, &info);
	assert_int_equal(info.waiting, 1);
	while (client_take(&f->a, &event)) {
		assert_int_equal(event.claim_state, CLAIM_TIMED_OUT);
		n++;
	}
	assert_int_equal(n, from->n_rates > 0 ? 898 : 899);
	assert_int_equal(change(f, from), 0);
	limiter_remove(limiter);
	(void)turns(f);
}

static void test_unfit(void **state) {
	struct limiter_spec from = spec_rate("unfit", 100, SEC, 10), to = spec_rate("unfit", 100, SEC, 9);

	change_unfit(*state, &from, &to);
}

static void test_unfit_permits(void **state) {
	struct limiter_spec from = spec_permits("unfit", 10), to = spec_permits("unfit", 9);

	change_unfit(*state, &from, &to);
}

/* It goes while they have not all heard of the change: the others hear that. */
static void test_unfit_and_removed(void **state) {
	struct fixture *f = *state;
	struct limiter_spec from = spec_rate("unfit", 100, SEC, 10), to = spec_rate("unfit", 100, SEC, 9);
	struct limiter *limiter = make(f, &from);
	struct event event;

	assert_int_equal(wait_for(&f->b, limiter, 1, 10, -1), 0);
	for (uint64_t i = 1; i <= 900; i++)
		assert_int_equal(wait_for(&f->a, limiter, i, 10, -1), LIMITER_E_QUEUED);
	assert_int_equal(change(f, &to), 0);
	limiter_remove(limiter);
	(void)turns(f);
	for (uint64_t i = 1; i <= 900; i++) {
		assert_true(client_take(&f->a, &event));
		assert_int_equal(event.handle, i);
		assert_true(event.claim_state == (i < 50 ? CLAIM_TIMED_OUT : CLAIM_REMOVED) || (i >= 50 && i < 100));
	}
	assert_int_equal(tenant_use(f->a.owner.tenant)->claims, 0);
}

/* A debt that cannot be counted under the new rule is as if all had been taken; without keys, it is refused. */
static void test_too_much_owed(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_keyed("many", 1, 1), to = spec_keyed("many", 1, 1);
	struct limiter_spec plain = without_keys(&spec, "plain");
	struct limiter *limiter;
	struct grant grant;
	unsigned rule;

	spec.rules.max_debt = plain.rules.max_debt = to.rules.max_debt = 1000;
	to.rates[0].period_ns = 365 * 86400 * SEC;
	assert_int_equal(limiter_spec_check(&to, &rule), 0);
	limiter = make(f, &plain);
	assert_int_equal(limiter_charge(limiter, none, 100), 0);
	plain = without_keys(&to, "plain");
	assert_int_equal(change(f, &plain), LIMITER_E_RANGE);
	limiter = make(f, &spec);
	assert_int_equal(limiter_charge(limiter, key("much"), 100), 0);
	assert_true(try(limiter, key("little"), 1));
	assert_int_equal(limiter_hold(limiter, key("much"), 5 * SEC), 0);
	assert_int_equal(change(f, &to), 0);
	assert_int_equal(limiter_peek(limiter, key("much"), 1, &grant), 0);
	assert_false(grant.allowed);
	assert_int_equal(grant.retry_after_ns, 365 * 86400 * SEC);
	assert_int_equal(limiter_peek(limiter, key("little"), 1, &grant), 0);
	assert_int_equal(grant.retry_after_ns, 365 * 86400 * SEC);
	assert_int_equal(turns(f), 0);
}

/* Who waits while it is held stands on a bucket that is full at the end of that, whatever its rate. */
static void test_held(void **state) {
	struct fixture *f = *state;
	struct limiter_spec fast = spec_rate("held", 10, SEC, 10), slow = spec_rate("held", 1, SEC, 1);
	struct limiter *limiter = make(f, &fast);

	assert_int_equal(limiter_hold(limiter, none, 60 * SEC), 0);
	assert_int_equal(wait_for(&f->a, limiter, 1, 1, -1), LIMITER_E_QUEUED);
	assert_int_equal(wait_for(&f->a, limiter, 2, 1, -1), LIMITER_E_QUEUED);
	assert_int_equal(change(f, &slow), 0);
	world_run(&f->world, 60 * SEC);
	(void)expect(&f->a, 1, CLAIM_GRANTED);
	client_expect_none(&f->a);
	world_run(&f->world, SEC);
	(void)expect(&f->a, 2, CLAIM_GRANTED);
}

/* It makes no difference to what is left after a hold whether somebody has waited meanwhile. */
static void hold_and_change(struct fixture *f, unsigned n_rates, bool waits) {
	struct limiter_spec fast = spec_rate(waits ? "line" : "alone", 1000, SEC, 100000), slow = fast;
	struct limiter *limiter;
	struct grant grant;
	unsigned rule;

	slow.rates[0].period_ns = 60000 * SEC;
	fast.rates[1] = slow.rates[1] = (struct limiter_rate){ .tokens = 1000000, .period_ns = SEC, .burst = 1000000 };
	fast.n_rates = slow.n_rates = n_rates;
	assert_int_equal(limiter_spec_check(&fast, &rule), 0);
	assert_int_equal(limiter_spec_check(&slow, &rule), 0);
	limiter = make(f, &fast);
	assert_true(try(limiter, none, 100000));
	assert_int_equal(limiter_hold(limiter, none, 60 * SEC), 0);
	if (waits)
		assert_int_equal(wait_for(&f->a, limiter, 1, 1, -1), LIMITER_E_QUEUED);
	assert_int_equal(change(f, &slow), 0);
	if (waits)
		(void)owner_cancel(&f->a.owner, 1);
	world_run(&f->world, 60 * SEC + MSEC);
	assert_int_equal(limiter_peek(limiter, none, 1, &grant), 0);
	assert_int_equal(grant.remaining, 1);
}

static void test_held_and_changed(void **state) {
	for (unsigned n_rates = 1; n_rates <= 2; n_rates++) {
		hold_and_change(*state, n_rates, false);
		hold_and_change(*state, n_rates, true);
		limiter_remove(limiter_find(((struct fixture *)*state)->a.owner.tenant, "line"));
		limiter_remove(limiter_find(((struct fixture *)*state)->a.owner.tenant, "alone"));
	}
}

/* Who waited during a hold has gone: what he stood on is no debt. */
static void test_held_and_left(void **state) {
	struct fixture *f = *state;
	struct limiter_spec fast = spec_rate("held", 100, SEC, 100), slow = spec_rate("held", 1, 3600 * SEC, 1);
	struct limiter *limiter = make(f, &fast);
	struct claim *claim;
	struct grant grant;

	assert_int_equal(wait_for(&f->a, limiter, 1, 100, -1), 0);
	world_run(&f->world, SEC);
	assert_int_equal(limiter_hold(limiter, none, 3600 * SEC), 0);
	assert_int_equal(limiter_wait(limiter, &f->a.owner, 1, none, 1, -1, false, &claim, &grant), LIMITER_E_QUEUED);
	(void)owner_cancel(&f->a.owner, 1);
	assert_int_equal(change(f, &slow), 0);
	world_run(&f->world, 3600 * SEC - 1);
	assert_false(try(limiter, none, 1));
	world_run(&f->world, 1);
	assert_true(try(limiter, none, 1));
	assert_false(try(limiter, none, 1));
}

/* A hold for ever ends some day, and is one for clients, too. */
static void test_held_for_ever(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("held", 1, SEC, 1), faster = spec_rate("held", 2, SEC, 1);
	struct limiter *limiter = make(f, &spec);
	struct claim *claim;
	struct grant grant;

	assert_int_equal(wait_for(&f->a, limiter, 1, 1, -1), 0);
	assert_int_equal(limiter_hold(limiter, none, INT64_MAX / 2), 0);
	assert_int_equal(limiter_wait(limiter, &f->a.owner, 1, none, 1, -1, false, &claim, &grant), LIMITER_E_QUEUED);
	assert_int_equal(change(f, &faster), 0);
	world_run(&f->world, 4 * 365 * 86400 * SEC);
	assert_false(try(limiter, none, 1));
	client_expect_none(&f->a);
}

/* All of a long line are due at one instant: none of them later than the next turns take, and nobody before them. */
static void test_granted_in_parts(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("many", 1000, SEC, 1000);
	struct limiter *limiter = make(f, &spec);
	struct grant grant;

	assert_int_equal(limiter_hold(limiter, none, SEC), 0);
	for (uint64_t i = 1; i <= 900; i++)
		assert_int_equal(wait_for(&f->a, limiter, i, 1, -1), LIMITER_E_QUEUED);
	world_pass(&f->world, SEC);
	assert_true(world_turn(&f->world) ||
		    scheduler_next(f->world.scheduler, TIMER_CLOCK_BOOTTIME) <= world_boottime(&f->world));
	assert_int_equal(limiter_try(limiter, none, 1, &grant), 0);
	assert_false(grant.allowed);
	assert_true(grant.retry_after_ns > 0);
	for (unsigned i = 0; i < 10; i++)
		(void)world_turn(&f->world);
	for (uint64_t i = 1; i <= 900; i++)
		(void)expect(&f->a, i, CLAIM_GRANTED);
	assert_true(try(limiter, none, 100));
}

/* ---- going ---- */

static void test_remove(void **state) {
	struct fixture *f = *state;
	const struct tenant_use *use = tenant_use(f->a.owner.tenant);
	struct limiter *limiter = make_many(f, "many");

	limiter_remove(limiter);
	assert_null(limiter_find(f->a.owner.tenant, "many"));
	assert_int_equal(use->limiters, 0);
	assert_int_equal(use->keys, 0);
	assert_in_range(turns(f), 20, MANY);
	limiter_remove(make_many(f, "many"));
	/* The next one goes on with the rest of it. */
	limiter = make_many(f, "many");
	assert_in_range(turns(f), 0, 1);
	assert_false(try(limiter, key_number(9), 10));
}

/* Nobody is granted anything any more, though all of them cannot hear at once that it is gone; and who leaves first, leaves. */
static void test_remove_with_a_long_line(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("line", 1000, SEC, 1);
	struct limiter *limiter;
	struct event event;

	spec.max_waiters = 1000;
	limiter = make(f, &spec);
	assert_true(try(limiter, none, 1));
	for (uint64_t i = 1; i <= 1000; i++)
		assert_int_equal(wait_for(&f->a, limiter, i, 1, -1), LIMITER_E_QUEUED);
	limiter_remove(limiter);
	assert_true(scheduler_next(f->world.scheduler, TIMER_CLOCK_BOOTTIME) <= world_boottime(&f->world));
	for (uint64_t i = 900; i <= 950; i++)
		assert_int_equal(owner_cancel(&f->a.owner, i), CANCEL_CANCELLED);
	world_pass(&f->world, 500 * MSEC);
	for (uint64_t i = 1; i < 900; i++) {
		while (!client_take(&f->a, &event))
			assert_true(world_turn(&f->world));
		assert_int_equal(event.handle, i);
		assert_int_equal(event.type, EVENT_TYPE_GRANTED);
		assert_int_equal(event.claim_state, CLAIM_REMOVED);
	}
	assert_int_equal(owner_cancel(&f->a.owner, 1000), CANCEL_CANCELLED);
	(void)turns(f);
	for (uint64_t i = 951; i < 1000; i++)
		(void)expect(&f->a, i, CLAIM_REMOVED);
	client_expect_none(&f->a);
	assert_int_equal(tenant_use(f->a.owner.tenant)->claims, 0);
	assert_int_equal(scheduler_next(f->world.scheduler, TIMER_CLOCK_BOOTTIME), INT64_MAX);
}

/* What is left of a change goes with it; and with its uid, and with the daemon. */
static void test_remove_what_changes(void **state) {
	struct fixture *f = *state;
	struct limiter_spec two = spec_keyed("many", 5, 20);
	unsigned rule;

	two.rates[1] = (struct limiter_rate){ .tokens = 3, .period_ns = 60 * SEC, .burst = 30 };
	two.n_rates = 2;
	assert_int_equal(limiter_spec_check(&two, &rule), 0);
	for (unsigned i = 0; i < 3; i++) {
		struct limiter *limiter = make_many(f, "many");

		assert_int_equal(change(f, &two), 0);
		for (unsigned turn = 0; turn < 10; turn++)
			assert_true(world_turn(&f->world));
		limiter_remove(limiter);
		for (unsigned turn = 0; i > 0 && turn < 10; turn++)
			assert_true(world_turn(&f->world));
		if (i == 1)
			(void)turns(f);
	}
}

/* The state that another daemon goes on with is that of the new rules. */
static void test_saved(void **state) {
	struct fixture *f = *state;
	struct limiter *limiter = make_many(f, "many");
	struct limiter_spec to = spec_keyed("many", 1, 10);
	struct limiter_bucket bucket;
	size_t position = 0, n = 0;
	uint64_t now;

	assert_int_equal(gcra_ticks(world_boottime(&f->world), &now), 0);
	assert_int_equal(change(f, &to), 0);
	while (limiter_next_bucket(limiter, &position, &bucket)) {
		assert_true(bucket.words[0] >= now + (uint64_t)SEC * GCRA_TICKS_PER_NSEC);
		n++;
	}
	assert_int_equal(n, MANY);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_slower),
		TEST(test_faster),
		TEST(test_several_rules),
		TEST(test_changed_again),
		TEST(test_who_waits),
		TEST(test_waits_at_each),
		TEST(test_waits_behind_others),
		TEST(test_come_and_go),
		TEST(test_unfit),
		TEST(test_unfit_permits),
		TEST(test_unfit_and_removed),
		TEST(test_too_much_owed),
		TEST(test_held),
		TEST(test_held_and_changed),
		TEST(test_held_and_left),
		TEST(test_held_for_ever),
		TEST(test_granted_in_parts),
		TEST(test_remove),
		TEST(test_remove_what_changes),
		TEST(test_saved),
		TEST(test_remove_with_a_long_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
