/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limiters over the death of a daemon: what is known goes on, what is not counts as taken, and nothing else does. */

#include "tests/unit/noted-fixture.h"

#include "daemon/core/claim.h"
#include "daemon/core/shared-memory.h"

static void take(struct fixture *f, const char *name, const char *word, uint64_t cost) {
	struct grant grant;

	assert_int_equal(limiter_try(find(f, name), key_of(word), cost, &grant), 0);
	assert_true(grant.allowed);
}

static uint64_t left(struct fixture *f, const char *name, const char *word) {
	struct grant grant;

	assert_non_null(find(f, name));
	assert_int_equal(limiter_peek(find(f, name), key_of(word), 1, &grant), 0);
	return grant.remaining;
}

static void test_untouched_is_as_noted(void **state) {
	struct fixture *f = *state;

	make(f, "plain", 1, false);
	make(f, "both", 2, false);
	make(f, "keyed", 1, true);
	make(f, "full", 1, false);
	take(f, "plain", "", 8);
	take(f, "both", "", 5);
	take(f, "keyed", "a", 9);
	note_all(f);
	crash(f, 2 * SEC);
	assert_int_equal(f->n_taken, 0);
	assert_int_equal(left(f, "plain", ""), 4);
	assert_int_equal(left(f, "both", ""), 7);
	assert_int_equal(left(f, "keyed", "a"), 3);
	assert_int_equal(left(f, "keyed", "b"), 10);
	assert_int_equal(left(f, "full", ""), 10);
	assert_int_equal(left(f, "both", ""), 7);
	/* A limiter that was never there is full. */
	make(f, "new", 1, false);
	assert_int_equal(left(f, "new", ""), 10);
}

static void test_touched_is_empty(void **state) {
	struct fixture *f = *state;

	make(f, "plain", 1, false);
	make(f, "both", 2, false);
	make(f, "keyed", 1, true);
	make(f, "full", 1, false);
	take(f, "keyed", "a", 1);
	note_all(f);
	take(f, "plain", "", 1);
	take(f, "both", "", 1);
	take(f, "keyed", "b", 1);
	crash(f, 0);
	assert_int_equal(f->n_taken, 3);
	assert_int_equal(left(f, "plain", ""), 0);
	assert_int_equal(left(f, "both", ""), 0);
	assert_int_equal(left(f, "keyed", "a"), 0);
	assert_int_equal(left(f, "keyed", "b"), 0);
	assert_int_equal(left(f, "keyed", "c"), 0);
	assert_int_equal(left(f, "full", ""), 10);
	pass(f, 3 * SEC + SHARED_LOOK_NS);
	assert_int_equal(left(f, "plain", ""), 3);
	assert_int_equal(left(f, "both", ""), 3);
	assert_int_equal(left(f, "keyed", "d"), 3);
	pass(f, 7 * SEC);
	assert_int_equal(left(f, "both", ""), 10); /* of eleven under the second rule */
	assert_int_equal(left(f, "keyed", "e"), 10);
}

/* To ask, to give back and to define is not to take. */
static void test_what_is_no_touch(void **state) {
	struct fixture *f = *state;
	struct grant grant;

	make(f, "plain", 1, false);
	take(f, "plain", "", 5);
	note_all(f);
	assert_int_equal(left(f, "plain", ""), 5);
	assert_int_equal(limiter_try(find(f, "plain"), key_of(""), 6, &grant), 0);
	assert_false(grant.allowed);
	assert_int_equal(limiter_try(find(f, "plain"), key_of(""), 0, &grant), 0);
	assert_int_equal(limiter_refund(find(f, "plain"), key_of(""), 2), 0);
	crash(f, 0);
	assert_int_equal(left(f, "plain", ""), 5);
}

static void test_each_way_to_take(void **state) {
	struct fixture *f = *state;

	for (unsigned way = 0; way < 5; way++) {
		struct limiter *limiter;
		struct claim *claim = NULL;
		struct grant grant;
		uint64_t taken;

		if (!find(f, "plain"))
			make(f, "plain", 1, false);
		pass(f, 100 * SEC);
		limiter = find(f, "plain");
		if (way == 4)
			take(f, "plain", "", 10);
		if (way == 4)
			assert_int_equal(
				limiter_wait(limiter, &f->client.owner, 1, key_of(""), 1, -1, true, &claim, &grant),
				LIMITER_E_QUEUED);
		note_all(f);
		if (way == 0)
			assert_int_equal(limiter_take_up_to(limiter, key_of(""), 1, &taken, &grant), 0);
		else if (way == 1)
			assert_int_equal(limiter_charge(limiter, key_of(""), 1), 0);
		else if (way == 2)
			assert_int_equal(
				limiter_wait(limiter, &f->client.owner, 1, key_of(""), 1, 0, false, &claim, &grant), 0);
		else if (way == 3)
			assert_non_null(limiter_share(limiter)); /* from now on nobody says so */
		else
			pass(f, SEC);
		crash(f, 0);
		assert_int_equal(f->n_taken, 1);
		assert_int_equal(left(f, "plain", ""), 0);
	}
}

/* Clients take from it, and nobody notes that. */
static void test_shared_is_empty(void **state) {
	struct fixture *f = *state;

	make(f, "plain", 1, false);
	assert_non_null(limiter_share(find(f, "plain")));
	note_all(f);
	crash(f, 0);
	assert_int_equal(left(f, "plain", ""), 0);
	/* It is shared no more, and known again. */
	pass(f, 4 * SEC + SHARED_LOOK_NS);
	note_all(f);
	crash(f, 0);
	assert_int_equal(left(f, "plain", ""), 4);
}

/* A hundred tokens a second, a hundred at once. */
static void make_fast(struct fixture *f) {
	struct limiter_spec spec = spec_of("fast", 1, false);
	enum limiter_change change;
	struct limiter *limiter;
	unsigned rule;

	spec.rates[0] = (struct limiter_rate){ .tokens = 100, .period_ns = SEC, .burst = 100 };
	spec.max_waiters = 0;
	assert_int_equal(limiter_spec_check(&spec, &rule), 0);
	assert_int_equal(limiter_set(f->client.owner.tenant, &spec, LIMITER_MODE_CREATE, &limiter, &change), 0);
}

/* The two pages as clients have them, of a daemon that has no time to say that it dies. */
static void map_pages(struct fixture *f, void *pages[static 2]) {
	const struct shared_memory *memory = limiter_share(find(f, "fast"));
	const void *shared[] = { memory->config, memory->state };

	for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
		pages[i] = aligned_alloc(SHARED_SIZE, SHARED_SIZE);
		memcpy(pages[i], shared[i], SHARED_SIZE);
	}
}

static unsigned take_from_pages(struct fixture *f, void *const pages[static 2]) {
	struct gcra_decision decision;
	uint64_t limit;
	unsigned n = 0;

	while (shared_try(pages[0], pages[1], f->world.now.ns[TIMER_CLOCK_BOOTTIME], 1, &decision, &limit) == 0 &&
	       decision.allowed)
		n++;
	return n;
}

static unsigned take_all(struct fixture *f) {
	struct grant grant;
	unsigned n = 0;

	while (limiter_try(find(f, "fast"), key_of(""), 1, &grant) == 0 && grant.allowed)
		n++;
	return n;
}

/* Clients go on to take from the memory of the dead daemon until they notice: together with what the next one grants it is no more. */
static void test_memory_of_the_dead(void **state) {
	struct fixture *f = *state;

	for (int is_noted = 0; is_noted < 2; is_noted++) {
		unsigned n = 0;
		void *pages[2];

		make_fast(f);
		if (is_noted)
			note_all(f);
		map_pages(f, pages);
		crash(f, 0);
		if (!is_noted)
			make_fast(f);
		for (unsigned ms = 0; ms <= 2000; ms++) {
			if (ms < SHARED_LOOK_NS / MSEC)
				n += take_from_pages(f, pages);
			n += take_all(f);
			assert_in_range(n, 0, 100 + ms / 10);
			/* It is shared anew, and nobody finds anything wrong with that. */
			if (ms == 50)
				assert_non_null(limiter_share(find(f, "fast")));
			pass(f, MSEC);
		}
		assert_in_range(n, 100 + 200 - 1 - SHARED_LOOK_NS / (10 * MSEC), 100 + 200);
		assert_non_null(limiter_share(find(f, "fast")));
		limiter_remove(find(f, "fast"));
		note_all(f);
		free(pages[0]);
		free(pages[1]);
	}
}

/* The line is gone with those who were in it, and with what they would have got. */
static void test_line(void **state) {
	struct fixture *f = *state;
	struct claim *claim;
	struct grant grant;

	make(f, "plain", 1, false);
	take(f, "plain", "", 10);
	for (uint64_t handle = 1; handle <= 5; handle++)
		assert_int_equal(limiter_wait(find(f, "plain"), &f->client.owner, handle, key_of(""), 1, -1, true,
					      &claim, &grant),
				 LIMITER_E_QUEUED);
	note_all(f);
	crash(f, 2 * SEC);
	assert_int_equal(left(f, "plain", ""), 2);
}

static void test_hold_and_debt(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_of("deep", 1, false);
	enum limiter_change change;
	struct limiter *limiter;

	spec.rules.max_debt = 100;
	assert_int_equal(limiter_set(f->client.owner.tenant, &spec, LIMITER_MODE_CREATE, &limiter, &change), 0);
	make(f, "held", 1, false);
	assert_int_equal(limiter_hold(find(f, "held"), key_of(""), 100 * SEC), 0);
	assert_int_equal(limiter_charge(limiter, key_of(""), 30), 0);
	note_all(f);
	assert_int_equal(limiter_charge(limiter, key_of(""), 1), 0);
	crash(f, 0);
	/* Of the debt, what is known. */
	pass(f, 20 * SEC);
	assert_int_equal(left(f, "deep", ""), 0);
	pass(f, SEC);
	assert_int_equal(left(f, "deep", ""), 1);
	pass(f, 78 * SEC);
	assert_int_equal(left(f, "held", ""), 0);
	pass(f, SEC);
	assert_int_equal(left(f, "held", ""), 10);
}

/* ---- what is not noted ---- */

static void test_never_noted(void **state) {
	struct fixture *f = *state;

	make(f, "known", 1, false);
	note_all(f);
	make(f, "new", 1, false);
	take(f, "new", "", 10);
	crash(f, 0);
	assert_null(find(f, "new"));
	assert_int_equal(left(f, "known", ""), 10);
	pass(f, 2 * SEC + SHARED_LOOK_NS);
	/* It may have been any. */
	make(f, "new", 1, false);
	make(f, "other", 1, false);
	assert_int_equal(left(f, "new", ""), 2);
	assert_int_equal(left(f, "other", ""), 2);
	/* The daemon after that knows as much. */
	crash(f, 0);
	make(f, "third", 1, false);
	assert_int_equal(left(f, "third", ""), 2);
	pass(f, 8 * SEC);
	make(f, "last", 1, false);
	assert_int_equal(left(f, "last", ""), 10);
}

/* One that was defined and not used costs nobody anything. */
static void test_never_noted_nor_used(void **state) {
	struct fixture *f = *state;

	make(f, "new", 1, false);
	crash(f, 0);
	make(f, "new", 1, false);
	assert_int_equal(left(f, "new", ""), 10);
}

/* It was there, and another one of its name has come. */
static void test_removed_and_made_again(void **state) {
	struct fixture *f = *state;

	make(f, "plain", 1, false);
	note_all(f);
	limiter_remove(find(f, "plain"));
	make(f, "plain", 1, false);
	take(f, "plain", "", 10);
	crash(f, 0);
	assert_int_equal(left(f, "plain", ""), 0);
}

/* While others are being noted. */
static void test_in_the_middle(void **state) {
	struct fixture *f = *state;

	make(f, "a", 1, false);
	make(f, "b", 1, false);
	note_all(f);
	make(f, "c", 1, false);
	note_some(f, 1); /* a */
	take(f, "a", "", 1);
	note_some(f, 2); /* b, c */
	take(f, "c", "", 1);
	take(f, "b", "", 1);
	crash(f, 0); /* what was noted before counts, and in that there is no c */
	assert_int_equal(left(f, "a", ""), 0);
	assert_int_equal(left(f, "b", ""), 0);
	make(f, "c", 1, false);
	assert_int_equal(left(f, "c", ""), 0);

	pass(f, 20 * SEC);
	note_all(f);
	take(f, "b", "", 1);
	note_some(f, 1);
	take(f, "a", "", 1);
	note_all(f);
	crash(f, 0);
	assert_int_equal(left(f, "a", ""), 0);
	assert_int_equal(left(f, "b", ""), 9);
	assert_int_equal(left(f, "c", ""), 10);
}

/* Too many keys are not noted: each of them may have been emptied just before. */
static void test_many_keys(void **state) {
	struct fixture *f = *state;
	char word[16];

	make(f, "few", 1, true);
	make(f, "many", 1, true);
	take(f, "few", "a", 9);
	for (unsigned i = 0; i < 1500; i++) {
		(void)snprintf(word, sizeof(word), "%u", i);
		take(f, "many", word, 1);
	}
	note_all(f);
	crash(f, 4 * SEC);
	assert_int_equal(f->n_taken, 0);
	assert_int_equal(left(f, "few", "a"), 5);
	assert_int_equal(left(f, "few", "b"), 10);
	assert_int_equal(left(f, "many", "1"), 4);
	assert_int_equal(left(f, "many", "another"), 4);
}

/* A rule that comes later cannot know what was granted before the crash. */
static void test_rule_is_added(void **state) {
	struct fixture *f = *state;
	struct limiter_spec spec = spec_of("plain", 2, false);
	enum limiter_change change;
	struct limiter *limiter;

	make(f, "plain", 1, false);
	note_all(f);
	assert_int_equal(limiter_set(f->client.owner.tenant, &spec, LIMITER_MODE_PUT, &limiter, &change), 0);
	take(f, "plain", "", 10);
	crash(f, 0);
	assert_int_equal(limiter_spec(find(f, "plain"))->n_rates, 1);
	pass(f, 3 * SEC + SHARED_LOOK_NS);
	assert_int_equal(limiter_set(f->client.owner.tenant, &spec, LIMITER_MODE_PUT, &limiter, &change), 0);
	assert_int_equal(left(f, "plain", ""), 3);
	pass(f, 7 * SEC);
	take(f, "plain", "", 10);
	assert_int_equal(left(f, "plain", ""), 0);
	pass(f, SEC);
	assert_int_equal(left(f, "plain", ""), 1);
}

/* What a reset gives stays given. */
static void test_reset(void **state) {
	struct fixture *f = *state;

	make(f, "keyed", 1, true);
	note_all(f);
	take(f, "keyed", "a", 1);
	crash(f, 0);
	assert_int_equal(limiter_reset(find(f, "keyed"), key_of("a")), 0);
	assert_int_equal(left(f, "keyed", "a"), 10);
	note_all(f);
	crash(f, 0);
	assert_int_equal(left(f, "keyed", "a"), 10);
	assert_int_equal(left(f, "keyed", "b"), 0);
}

static void test_counts(void **state) {
	struct fixture *f = *state;
	struct limiter_info info;
	struct grant grant;
	int64_t created_ns;

	created_ns = f->world.now.ns[TIMER_CLOCK_REALTIME];
	make(f, "plain", 1, false);
	take(f, "plain", "", 7);
	assert_int_equal(limiter_try(find(f, "plain"), key_of(""), 7, &grant), 0);
	note_all(f);
	crash(f, SEC);
	limiter_describe(find(f, "plain"), &info);
	assert_int_equal(info.allowed, 7);
	assert_int_equal(info.denied, 1);
	assert_int_equal(info.created_realtime_ns, created_ns);
}

/* Marks are given again when nobody can mean the one who had them before; where there are none, one stands for several. */
static void test_marks_come_back(void **state) {
	struct fixture *f = *state;
	char name[16];

	for (unsigned i = 0; i < MARKS_MAX + 10; i++) {
		(void)snprintf(name, sizeof(name), "n%u", i);
		make(f, name, 1, false);
	}
	note_all(f);
	take(f, "n1", "", 1);
	snprintf(name, sizeof(name), "n%u", MARKS_MAX + 5);
	take(f, name, "", 1);
	crash(f, 0);
	assert_int_equal(f->n_taken, 1 + 11); /* the first one of MARKS_MAX words is nobody's own */
	assert_int_equal(left(f, "n1", ""), 0);
	assert_int_equal(left(f, "n2", ""), 10);
	/* That one is also the one of those that were never noted. */
	pass(f, 20 * SEC);
	make(f, "other", 1, false);
	take(f, "other", "", 1);
	crash(f, 0);
	assert_int_equal(scheduler_drained(f->world.scheduler), WORLD_START + 20 * SEC + SHARED_LOOK_NS);
	for (unsigned i = 10; i < MARKS_MAX + 10; i++) {
		(void)snprintf(name, sizeof(name), "n%u", i);
		limiter_remove(find(f, name));
	}
	note_all(f);
	pass(f, 20 * SEC);
	make(f, "new", 1, false);
	note_all(f);
	note_all(f);
	take(f, "new", "", 1);
	crash(f, 0);
	assert_int_equal(f->n_taken, 1);
	assert_int_equal(left(f, "new", ""), 0);
}

static void make_of(struct fixture *f, uid_t uid, const char *name) {
	struct limiter_spec spec = spec_of(name, 1, false);
	enum limiter_change change;
	struct limiter *limiter;
	struct tenant *tenant;

	assert_int_equal(scheduler_tenant(f->world.scheduler, uid, &tenant), 0);
	assert_int_equal(limiter_set(tenant, &spec, LIMITER_MODE_CREATE, &limiter, &change), 0);
	tenant_unref(tenant);
}

/* Nobody gets the mark of one who comes behind him, whatever has become of noting before. */
static void test_own_marks(void **state) {
	struct fixture *f = *state;

	make(f, "plain", 1, false);
	note_all(f);
	make_of(f, 500, "before");
	note_some(f, 1);
	noting_free(&f->noting, false);
	f->running = false;
	make_of(f, 400, "first");
	note_all(f);
	take(f, "plain", "", 1);
	crash(f, 0);
	assert_int_equal(f->n_taken, 1);
	make_of(f, 300, "zero");
	note_all(f);
	crash(f, 0);
	assert_int_equal(f->n_taken, 0);
	pass(f, 20 * SEC);
	take(f, "plain", "", 1);
	crash(f, 0);
	assert_int_equal(f->n_taken, 1);
}

/* Where it is not what was written, that is no reason to break down, nor to begin full. */
static void test_damaged(void **state) {
	struct fixture *f = *state;
	struct world world;
	unsigned n_taken;

	make(f, "plain", 1, false);
	take(f, "plain", "", 8);
	note_all(f);
	for (size_t size = 0; size < f->noted_size; size++) {
		world_init(&world);
		if (load(world.scheduler, f->noted, size, f->marks, &n_taken) < 0)
			assert_int_equal(scheduler_drained(world.scheduler), WORLD_START + SHARED_LOOK_NS);
		world_deinit(&world);
	}
	for (size_t i = 0; i < f->noted_size; i++) {
		f->noted[i] ^= (char)(1 << i % 8);
		world_init(&world);
		(void)load(world.scheduler, f->noted, f->noted_size, f->marks, &n_taken);
		world_deinit(&world);
		f->noted[i] ^= (char)(1 << i % 8);
	}
	world_init(&world);
	assert_int_equal(load(world.scheduler, "something else", 14, f->marks, &n_taken), -EPROTO);
	assert_int_equal(scheduler_drained(world.scheduler), WORLD_START + SHARED_LOOK_NS);
	world_deinit(&world);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_untouched_is_as_noted),
		TEST(test_touched_is_empty),
		TEST(test_what_is_no_touch),
		TEST(test_each_way_to_take),
		TEST(test_shared_is_empty),
		TEST(test_memory_of_the_dead),
		TEST(test_line),
		TEST(test_hold_and_debt),
		TEST(test_never_noted),
		TEST(test_never_noted_nor_used),
		TEST(test_removed_and_made_again),
		TEST(test_in_the_middle),
		TEST(test_many_keys),
		TEST(test_rule_is_added),
		TEST(test_reset),
		TEST(test_counts),
		TEST(test_marks_come_back),
		TEST(test_own_marks),
		TEST(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
