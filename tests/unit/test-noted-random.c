/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Daemons that note at any moment and die at any moment, under limiters that are taken from in every way: whatever happens, no window has
 * more grants than its rate allows, over all daemons together.
 *
 * Who watches is a bucket of its own for each key and rule, which no daemon knows of: it hears of grants alone, and must
 * never go below empty.  That is the same as to look at every window.
 */

#include "tests/unit/noted-fixture.h"

#include "daemon/core/claim.h"
#include "daemon/core/shared-memory.h"

#define LIMITERS 7
#define KEYS 1100 /* more than are noted */
#define ROUNDS (is_in_valgrind() ? 20 : 200)
#define STEPS 400

static struct random dice = RANDOM_INIT;

struct watched {
	char name[8];
	unsigned rules, keys; /* 0 keys: none */
	uint64_t tat[KEYS][2]; /* of the one who watches */
};

static struct watched all[LIMITERS];

/* Somebody in line. */
struct wish {
	struct watched *watched;
	unsigned key;
	uint64_t cost;
};

static struct wish wishes[1000];
static uint64_t n_wishes;

static uint64_t below(uint64_t n) {
	return random_below(&dice, n);
}

static void granted(struct watched *watched, unsigned key, uint64_t cost, int64_t now_ns) {
	struct limiter_spec spec = spec_of(watched->name, watched->rules, watched->keys > 0);
	uint64_t now;

	assert_int_equal(gcra_ticks(now_ns, &now), 0);
	for (unsigned i = 0; i < watched->rules; i++) {
		const struct gcra_rule *rule = &spec.rules.rule[i];
		uint64_t *tat = &watched->tat[key][i];

		*tat = MAX(*tat, now) + cost * rule->interval;
		if (*tat - now > rule->tolerance)
			fail_msg("%s %u: too much by %g s", watched->name, key,
				 (double)(*tat - now - rule->tolerance) / (double)(GCRA_TICKS_PER_NSEC * SEC));
	}
}

static void given_back(struct watched *watched, unsigned key, uint64_t cost, int64_t now_ns) {
	struct limiter_spec spec = spec_of(watched->name, watched->rules, watched->keys > 0);
	uint64_t now;

	assert_int_equal(gcra_ticks(now_ns, &now), 0);
	for (unsigned i = 0; i < watched->rules; i++)
		watched->tat[key][i] = gcra_refund(&spec.rules.rule[i], watched->tat[key][i], now, cost);
}

/* What has been granted meanwhile to those in line. */
static void listen(struct fixture *f) {
	struct event event;

	while (client_take(&f->client, &event)) {
		const struct wish *wish = &wishes[event.handle % ARRAY_SIZE(wishes)];

		if (event.claim_state == CLAIM_GRANTED)
			granted(wish->watched, wish->key, wish->cost, event.grant->now_ns);
	}
}

static struct limiter *limiter_of(struct fixture *f, struct watched *watched) {
	struct limiter *limiter = find(f, watched->name);

	return limiter ? limiter : make(f, watched->name, watched->rules, watched->keys > 0);
}

static void take(struct fixture *f, struct watched *watched, unsigned key, uint64_t cost) {
	struct limiter *limiter = limiter_of(f, watched);
	struct shared_memory const *memory;
	struct claim *claim = NULL;
	struct gcra_decision decision;
	uint64_t taken = 0, limit;
	struct grant grant;
	char word[16];
	struct limiter_key k = { 0 };
	int64_t now_ns = world_boottime(&f->world);

	(void)snprintf(word, sizeof(word), "k%u", key);
	if (watched->keys > 0)
		k = key_of(word);
	switch (below(6)) {
	case 0:
		assert_int_equal(limiter_take_up_to(limiter, k, cost, &taken, &grant), 0);
		break;
	case 1:
		wishes[++n_wishes % ARRAY_SIZE(wishes)] = (struct wish){ watched, key, cost };
		(void)limiter_wait(limiter, &f->client.owner, n_wishes, k, cost, (int64_t)below(20) * SEC, true, &claim,
				   &grant);
		break;
	case 2:
		if (limiter_charge(limiter, k, cost) == 0)
			taken = cost;
		break;
	case 3:
		/* As a client does, of whom the daemon hears nothing. */
		memory = watched == &all[0] ? limiter_share(limiter) : NULL;
		if (memory && shared_try(memory->config, memory->state, now_ns, cost, &decision, &limit) == 0 &&
		    decision.allowed)
			taken = cost;
		break;
	default:
		assert_int_equal(limiter_try(limiter, k, cost, &grant), 0);
		taken = grant.allowed ? cost : 0;
		break;
	}
	if (taken > 0)
		granted(watched, key, taken, now_ns);
	listen(f);
	if (taken > 0 && below(10) == 0) {
		assert_int_equal(limiter_refund(limiter, k, 1), 0);
		given_back(watched, key, 1, now_ns);
		listen(f);
	}
}

static void take_some(struct fixture *f) {
	struct watched *watched = &all[below(LIMITERS)];

	take(f, watched, watched->keys > 0 ? (unsigned)below(watched->keys) : 0, 1 + below(10));
}

/* What comes in its place has nothing to do with it, for who watches and in a daemon that lives. */
static void replace(struct fixture *f) {
	struct watched *watched = &all[below(LIMITERS)];

	if (find(f, watched->name))
		limiter_remove(find(f, watched->name));
	listen(f);
	make(f, watched->name, watched->rules, watched->keys > 0);
	memset(watched->tat, 0, sizeof(watched->tat));
}

static void step(struct fixture *f) {
	switch (below(16)) {
	case 0:
		pass(f, (int64_t)below(15 * SEC));
		listen(f);
		break;
	case 1:
	case 2:
		pass(f, (int64_t)below(SEC));
		listen(f);
		break;
	case 3:
	case 4:
		note_some(f, 1 + below(LIMITERS));
		break;
	case 5:
		note_all(f);
		break;
	case 6:
		if (below(4) == 0)
			replace(f);
		break;
	case 7:
		if (below(2) == 0)
			crash(f, (int64_t)below(3 * SEC));
		break;
	default:
		take_some(f);
		break;
	}
}

static void test_no_window_has_more(void **state) {
	struct fixture *f = *state;

	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < LIMITERS; i++) {
			all[i] = (struct watched){ .rules = 1 + i % 2 };
			all[i].keys = i == 4 || i == 5 ? 3 : i == 6 ? KEYS : 0;
			(void)snprintf(all[i].name, sizeof(all[i].name), "r%u-%u", round, i);
		}
		for (unsigned key = 0; round % 4 == 0 && key < KEYS; key++)
			take(f, &all[6], key, 10);
		for (unsigned i = 0; i < STEPS; i++)
			step(f);
		for (unsigned i = 0; i < LIMITERS; i++)
			if (find(f, all[i].name))
				limiter_remove(find(f, all[i].name));
		listen(f);
		pass(f, 100 * SEC);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_window_has_more, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
