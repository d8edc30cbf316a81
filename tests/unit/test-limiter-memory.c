/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limiters in memory that clients take from by themselves: what they get, beside what is taken by request, and what they can spoil. */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "daemon/core/shared-memory.h"
#include "tests/unit/limiter-fixture.h"

/* As a client does.  Return: 1, 0, −1: ask the daemon. */
static int take_in_memory(struct fixture *f, const struct shared_memory *memory, uint64_t cost) {
	struct gcra_decision decision;
	uint64_t limit;
	int r = shared_try(memory->config, memory->state, world_boottime(&f->world), cost, &decision, &limit);

	return r == 0 ? decision.allowed : -1;
}

static void test_share(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("r", 10, SEC, 10), slower = spec_rate("r", 10, 10 * SEC, 5),
			    two = spec_rate("r", 10, SEC, 10), permits = spec_permits("p", 1);
	struct limiter *limiter = make(f, &spec), *keyed;
	const struct shared_memory *memory;
	enum limiter_change change;
	struct limiter_info info;
	struct grant grant;
	unsigned rule;

	assert_true(try(limiter, none, 3));
	memory = limiter_share(limiter);
	assert_non_null(memory);
	assert_ptr_equal(limiter_share(limiter), memory);
	/* It goes on where it was, and both see what the other takes. */
	assert_int_equal(take_in_memory(f, memory, 8), 0);
	assert_int_equal(take_in_memory(f, memory, 4), 1);
	assert_int_equal(limiter_peek(limiter, none, 1, &grant), 0);
	assert_int_equal(grant.remaining, 3);
	assert_true(try(limiter, none, 3));
	assert_int_equal(take_in_memory(f, memory, 1), 0);
	limiter_describe(limiter, &info);
	assert_true(info.shared);
	assert_int_equal(info.allowed, 10);
	assert_int_equal(info.denied, 2);
	/* Who waits comes first. */
	assert_int_equal(wait_for(&f->a, limiter, 1, 2, -1), LIMITER_E_QUEUED);
	world_run(&f->world, 150 * MSEC);
	assert_int_equal(take_in_memory(f, memory, 1), 0);
	world_run(&f->world, 50 * MSEC);
	(void)expect(&f->a, 1, CLAIM_GRANTED);
	/* A hold, its end, and other rules. */
	world_run(&f->world, SEC);
	assert_int_equal(limiter_hold(limiter, none, SEC), 0);
	assert_int_equal(take_in_memory(f, memory, 1), 0);
	assert_int_equal(limiter_reset(limiter, none), 0);
	assert_int_equal(take_in_memory(f, memory, 10), 1);
	assert_int_equal(limiter_set(f->a.owner.tenant, &slower, LIMITER_MODE_UPDATE, &limiter, &change), 0);
	world_run(&f->world, SEC);
	assert_int_equal(take_in_memory(f, memory, 2), 0);
	assert_int_equal(take_in_memory(f, memory, 1), 1);
	/* Two rules are not for memory; clients hear of it. */
	two.rates[1] = two.rates[0];
	two.n_rates = 2;
	assert_int_equal(limiter_spec_check(&two, &rule), 0);
	assert_int_equal(limiter_set(f->a.owner.tenant, &two, LIMITER_MODE_UPDATE, &limiter, &change), 0);
	assert_null(limiter_share(limiter));
	two.name = "k";
	two.n_rates = 1;
	two.keyed = true;
	assert_int_equal(limiter_spec_check(&two, &rule), 0);
	keyed = make(f, &two);
	assert_null(limiter_share(keyed));
	assert_null(limiter_share(make(f, &permits)));
}

/* Takes for itself, without the daemon, until there is nothing left. */
struct hand {
	const struct shared_memory *memory;
	int64_t now_ns;
	_Atomic uint64_t begin; /* the round that may begin */
	_Atomic uint64_t taken, rounds;
};

#define ROUNDS 300
#define TOKENS 1000

static void *take_by_hand(void *userdata) {
	struct hand *hand = userdata;
	struct gcra_decision decision = { 0 };
	uint64_t limit;

	for (uint64_t round = 1; round <= ROUNDS; round++) {
		while (atomic_load(&hand->begin) < round)
			(void)sched_yield();
		do {
			int r = shared_try(hand->memory->config, hand->memory->state, hand->now_ns, 1, &decision,
					   &limit);

			if (r == SHARED_E_REQUEST) { /* the other one was faster, several times */
				decision.allowed = true;
				continue;
			}
			assert_int_equal(r, 0);
			if (decision.allowed)
				atomic_fetch_add(&hand->taken, 1);
		} while (decision.allowed);
		atomic_store(&hand->rounds, round);
	}
	return NULL;
}

/* Somebody takes from memory in between: it is still from all or from none, and never one more than there is. */
static void test_together_beside_memory(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_rate("r", 1, SEC, TOKENS), other = spec_rate("o", 1, SEC, 2 * TOKENS);
	struct limiter_item items[] = { { .limiter = make(f, &other), .cost = 1 },
					{ .limiter = make(f, &spec), .cost = 1 } };
	struct hand hand = { .memory = limiter_share(items[1].limiter), .now_ns = world_boottime(&f->world) };
	struct limiter_info info;
	uint64_t allowed = 0;
	struct grant grant;
	pthread_t thread;

	assert_non_null(hand.memory);
	assert_int_equal(pthread_create(&thread, NULL, take_by_hand, &hand), 0);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		uint64_t together = 0;
		bool more = true;
		size_t item;

		atomic_store(&hand.begin, round);
		while (more) {
			assert_int_equal(limiter_try_all(items, 2, &more, &item), 0);
			together += more;
		}
		while (atomic_load(&hand.rounds) < round)
			(void)sched_yield();
		assert_int_equal(together + atomic_exchange(&hand.taken, 0), TOKENS);
		assert_int_equal(limiter_peek(items[0].limiter, none, 1, &grant), 0);
		assert_int_equal(grant.remaining, 2 * TOKENS - together);
		assert_int_equal(limiter_reset(items[0].limiter, none), 0);
		assert_int_equal(limiter_reset(items[1].limiter, none), 0);
		allowed += together;
	}
	pthread_join(thread, NULL);
	limiter_describe(items[0].limiter, &info);
	assert_int_equal(info.allowed, allowed);
	limiter_describe(items[1].limiter, &info);
	assert_int_equal(info.allowed, TOKENS * ROUNDS);
}

/* Somebody scribbles: his limiter goes on without memory, and no other notices. */
static void test_tamper(void **state) {
	static const uint64_t words[] = { 0, UINT64_MAX, UINT64_MAX / 2 };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		char name[] = { 'a', (char)('0' + i), '\0' };
		struct limiter_spec spec = spec_rate(name, 10, SEC, 10);
		struct limiter *limiter = make(f, &spec);
		const struct shared_memory *memory = limiter_share(limiter);
		struct limiter_info info;

		assert_non_null(memory);
		assert_int_equal(wait_for(&f->a, limiter, i + 1, 10, -1), 0);
		assert_int_equal(wait_for(&f->a, limiter, i + 1, 5, -1), LIMITER_E_QUEUED);
		atomic_store(&memory->state->word, words[i]);
		assert_int_equal(take_in_memory(f, memory, 1), -1);
		/* Nothing is given away, and the line goes on. */
		assert_false(try(limiter, none, 1));
		limiter_describe(limiter, &info);
		assert_int_equal(info.repaired, 1);
		assert_false(info.shared);
		assert_null(limiter_share(limiter));
		world_run(&f->world, SEC);
		(void)expect(&f->a, i + 1, CLAIM_GRANTED);
		world_run(&f->world, 2 * SEC);
		assert_true(try(limiter, none, 10));
	}
	/* While it becomes another, too. */
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		char name[] = { 'c', (char)('0' + i), '\0' };
		struct limiter_spec spec = spec_rate(name, 10, SEC, 10), two = spec_rate(name, 5, SEC, 5);
		struct limiter *limiter = make(f, &spec);
		const struct shared_memory *memory = limiter_share(limiter);
		enum limiter_change change;
		unsigned rule;

		two.rates[1] = two.rates[0];
		two.n_rates = 2;
		assert_int_equal(limiter_spec_check(&two, &rule), 0);
		assert_non_null(memory);
		atomic_store(&memory->state->word, words[i]);
		assert_int_equal(limiter_set(f->a.owner.tenant, &two, LIMITER_MODE_UPDATE, &limiter, &change), 0);
		assert_false(try(limiter, none, 1));
		world_run(&f->world, 2 * SEC);
		assert_true(try(limiter, none, 5));
		limiter_remove(limiter);
	}
	/* A word that could be honest is only cheating at one's own game. */
	{
		struct limiter_spec spec = spec_rate("b", 10, SEC, 10);
		struct limiter *limiter = make(f, &spec);
		const struct shared_memory *memory = limiter_share(limiter);

		assert_true(try(limiter, none, 10));
		atomic_store(&memory->state->word, 1);
		assert_true(try(limiter, none, 10));
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_share),
		TEST(test_together_beside_memory),
		TEST(test_tamper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
