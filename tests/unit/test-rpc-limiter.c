/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests about limiters that take more than one turn. */

#include "tests/unit/test.h"

#include <string.h>

#include "tests/unit/peer-world.h"

#define METHOD(name) EVLOOP__METHOD__METHOD_##name
#define KEYS 2000

static struct peer_world world;
static struct peer peer;

static int setup(void **state _unused_) {
	assert_int_equal(peer_world_init(&world, NULL, NULL), 0);
	peer_init(&peer, &world);
	peer_open(&peer);
	return 0;
}

static int teardown(void **state _unused_) {
	peer_deinit(&peer);
	peer_world_settle(&world);
	peer_world_deinit(&world);
	return 0;
}

/* `burst` tells one definition from the next. */
static uint64_t put_set(uint64_t burst) {
	Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;
	Evloop__LimiterRule rule = EVLOOP__LIMITER_RULE__INIT, *rules = &rule;

	spec.name = (char *)"many";
	spec.mode = EVLOOP__LIMITER_MODE__LIMITER_PUT;
	spec.keyed = true;
	spec.max_keys = 2 * KEYS;
	rule.tokens = 1;
	rule.period_ns = 3600 * NSEC_PER_SEC;
	rule.burst = burst;
	spec.rules = &rules;
	spec.n_rules = 1;
	return peer_put(&peer, FRAME_REQUEST, METHOD(LIMITER_SET), &spec);
}

static uint64_t remaining(uint32_t key) {
	Evloop__LimiterRequest request = EVLOOP__LIMITER_REQUEST__INIT;

	request.name = (char *)"many";
	request.key = (ProtobufCBinaryData){ .data = (uint8_t *)&key, .len = sizeof(key) };
	request.cost = 1;
	return ((const Evloop__Grant *)peer_call(&peer, METHOD(LIMITER_PEEK), &request, NULL))->remaining;
}

static void take_of_each_key(void) {
	Evloop__LimiterRequest request = EVLOOP__LIMITER_REQUEST__INIT;

	request.name = (char *)"many";
	request.cost = 1;
	for (uint32_t key = 0; key < KEYS; key++) {
		request.key = (ProtobufCBinaryData){ .data = (uint8_t *)&key, .len = sizeof(key) };
		(void)peer_put(&peer, FRAME_ONEWAY, METHOD(LIMITER_TRY), &request);
		if (key % 100 == 99) {
			assert_true(peer_flush(&peer));
			peer_world_settle(&world);
		}
	}
}

/* One that is changed three times in one packet: each is answered, in order, and the later ones wait for what the others have left. */
static void test_changed_at_once(void **state _unused_) {
	uint64_t first = put_set(5);
	unsigned turns = 0;
	struct frame frame;

	assert_true(peer_flush(&peer));
	peer_world_settle(&world);
	assert_true(peer_take(&peer, &frame));
	assert_int_equal(frame.serial, first);
	take_of_each_key();
	assert_int_equal(remaining(KEYS - 1), 4);
	peer_world_slow(20 * NSEC_PER_USEC);
	first = put_set(10);
	(void)put_set(3);
	(void)put_set(20);
	assert_true(peer_flush(&peer));
	for (uint64_t serial = first; serial < first + 3; turns++) {
		peer_world_turn(&world);
		while (peer_take(&peer, &frame)) {
			const Evloop__LimiterSetReply *reply;

			assert_int_equal(frame.kind, FRAME_REPLY);
			assert_int_equal(frame.serial, serial++);
			reply = peer_unpack(&peer, &evloop__limiter_set_reply__descriptor, &frame);
			assert_int_equal(reply->change, EVLOOP__LIMITER_SET_REPLY__CHANGE__UPDATED);
		}
	}
	assert_in_range(turns, 5, 2 * KEYS);
	/* What was there, as far as it fitted at each step. */
	for (uint32_t key = 0; key < KEYS; key += 7)
		assert_int_equal(remaining(key), 3);
	assert_int_equal(remaining(KEYS), 20);
}

/* ---- behind a long line ---- */

#define LINE 5000

/* Where two rules rule, to say when somebody would be granted takes a look at each who waits. */
static void define_line(Evloop__LimiterSpec *spec, Evloop__LimiterRule *rule, Evloop__LimiterRule **rules) {
	for (unsigned i = 0; i < 2; i++) {
		rule[i].tokens = i + 1;
		rule[i].period_ns = 3600 * NSEC_PER_SEC;
		rule[i].burst = 1;
	}
	spec->rules = rules;
	spec->n_rules = 2;
	(void)peer_call(&peer, METHOD(LIMITER_SET), spec, NULL);
}

static void stand_in_line(Evloop__LimiterWaitRequest *wait) {
	wait->cost = 1;
	wait->max_wait_ns = -1;
	for (wait->handle = 1; wait->handle <= LINE + 1; wait->handle++) { /* the first is granted at once */
		(void)peer_put(&peer, FRAME_ONEWAY, METHOD(LIMITER_WAIT), wait);
		if (wait->handle % 500 == 0) {
			assert_true(peer_flush(&peer));
			peer_world_settle(&world);
		}
	}
}

static void make_line(void) {
	Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;
	Evloop__LimiterRule rule[2] = { EVLOOP__LIMITER_RULE__INIT, EVLOOP__LIMITER_RULE__INIT };
	Evloop__LimiterRule *rules[2] = { &rule[0], &rule[1] };
	Evloop__LimiterWaitRequest wait = EVLOOP__LIMITER_WAIT_REQUEST__INIT;

	wait.name = spec.name = (char *)"line";
	spec.max_debt = 100;
	define_line(&spec, rule, rules);
	stand_in_line(&wait);
}

/* *ret_grant, unless NULL, gets what is said then; *ret_turns: in how many turns. */
static void ask_for(unsigned method, const ProtobufCMessage *request, unsigned *ret_turns, Evloop__Grant *ret_grant) {
	uint64_t serial = peer_put(&peer, FRAME_REQUEST, method, request);
	struct frame frame;

	assert_true(peer_flush(&peer));
	for (*ret_turns = 1;; ++*ret_turns) {
		assert_in_range(*ret_turns, 1, LINE);
		peer_world_turn(&world);
		while (peer_take(&peer, &frame)) {
			if (frame.serial != serial || frame.kind == FRAME_EVENT)
				continue;
			assert_int_equal(frame.kind, FRAME_REPLY);
			if (ret_grant)
				*ret_grant =
					*(const Evloop__Grant *)peer_unpack(&peer, &evloop__grant__descriptor, &frame);
			return;
		}
	}
}

static Evloop__Grant ask(unsigned method, const ProtobufCMessage *request, unsigned *ret_turns) {
	Evloop__Grant grant;

	ask_for(method, request, ret_turns, &grant);
	return grant;
}

/* When somebody would be granted by that. */
static int64_t time_of(const Evloop__Grant *grant) {
	return grant->now_ns + grant->retry_after_ns;
}

#define EACH (3600 * NSEC_PER_SEC) /* of what a token takes */
#define SLOWLY(turns) assert_in_range(turns, 3, LINE / 256)

/* What changes a limiter changes it once, in however many turns it says what there is then. */
static void test_change_in_parts(void **state _unused_) {
	Evloop__LimiterRequest one = EVLOOP__LIMITER_REQUEST__INIT;
	Evloop__LimiterHoldRequest hold = EVLOOP__LIMITER_HOLD_REQUEST__INIT;
	Evloop__Grant grant;
	int64_t expected_ns;
	unsigned turns;

	make_line();
	one.name = hold.name = (char *)"line";
	one.cost = 1;
	grant = ask(METHOD(LIMITER_PEEK), &one.base, &turns);
	expected_ns = time_of(&grant);
	peer_world_slow(10 * NSEC_PER_USEC); /* each time somebody looks at the clock */
	grant = ask(METHOD(LIMITER_CHARGE), &one.base, &turns);
	SLOWLY(turns);
	assert_int_equal(time_of(&grant), expected_ns + EACH);
	grant = ask(METHOD(LIMITER_TRY), &one.base, &turns);
	assert_int_equal(turns, 1); /* it is known now */
	assert_int_equal(time_of(&grant), expected_ns + EACH);
	grant = ask(METHOD(LIMITER_REFUND), &one.base, &turns);
	SLOWLY(turns);
	assert_int_equal(time_of(&grant), expected_ns);
	hold.duration_ns = 10 * EACH;
	grant = ask(METHOD(LIMITER_HOLD), &hold.base, &turns);
	SLOWLY(turns);
	/* The first in line has had to wait for one token, and now for ten times as long; one is there by then. */
	assert_in_range(time_of(&grant), expected_ns + 9 * EACH - NSEC_PER_SEC, expected_ns + 9 * EACH + NSEC_PER_SEC);
	grant = ask(METHOD(LIMITER_RESET), &one.base, &turns);
	SLOWLY(turns);
	assert_in_range(time_of(&grant), expected_ns - EACH - NSEC_PER_SEC, expected_ns - EACH + NSEC_PER_SEC);

	/* Whoever changes it and does not want to know how it is then. */
	(void)peer_put(&peer, FRAME_ONEWAY, METHOD(LIMITER_CHARGE), &one.base);
	grant = ask(METHOD(LIMITER_TRY), &one.base, &turns);
	SLOWLY(turns);
	assert_in_range(time_of(&grant), expected_ns - NSEC_PER_SEC, expected_ns + NSEC_PER_SEC);
	peer_world_slow(0);
}

static void charge(void) {
	Evloop__LimiterRequest one = EVLOOP__LIMITER_REQUEST__INIT;

	one.name = (char *)"line";
	one.cost = 1;
	(void)peer_put(&peer, FRAME_ONEWAY, METHOD(LIMITER_CHARGE), &one.base);
}

/* Whatever says how it stands does so in parts, after each change. */
static void test_look_in_parts(void **state _unused_) {
	Evloop__LimiterRequest one = EVLOOP__LIMITER_REQUEST__INIT, *items[2] = { &one, &one };
	Evloop__LimiterWaitRequest wait = EVLOOP__LIMITER_WAIT_REQUEST__INIT;
	Evloop__LimiterMultiRequest multi = EVLOOP__LIMITER_MULTI_REQUEST__INIT;
	Evloop__LimiterListRequest list = EVLOOP__LIMITER_LIST_REQUEST__INIT;
	Evloop__LimiterClaimsRequest claims = EVLOOP__LIMITER_CLAIMS_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	const struct {
		unsigned method;
		const ProtobufCMessage *request;
	} table[] = {
		{ METHOD(LIMITER_TRY), &one.base },        { METHOD(LIMITER_PEEK), &one.base },
		{ METHOD(LIMITER_TAKE_UP_TO), &one.base }, { METHOD(LIMITER_WAIT), &wait.base },
		{ METHOD(LIMITER_MULTI), &multi.base },    { METHOD(LIMITER_LIST), &list.base },
		{ METHOD(LIMITER_CLAIMS), &claims.base },
	};
	unsigned turns;

	make_line();
	one.name = wait.name = claims.name = target.name = (char *)"line";
	one.cost = wait.cost = 1;
	wait.handle = LINE + 10;
	wait.max_wait_ns = -1;
	multi.items = items;
	multi.n_items = 1;
	list.target = &target;
	peer_world_slow(10 * NSEC_PER_USEC);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		charge();
		ask_for(table[i].method, table[i].request, &turns, NULL);
		SLOWLY(turns);
	}
	peer_world_slow(0);
}

/* Nor does it take one piece to say who waits behind keys for which there is no room, though they have one line. */
static void test_claims_without_room(void **state _unused_) {
	Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;
	Evloop__LimiterRule rule[2] = { EVLOOP__LIMITER_RULE__INIT, EVLOOP__LIMITER_RULE__INIT };
	Evloop__LimiterRule *rules[2] = { &rule[0], &rule[1] };
	Evloop__LimiterRequest one = EVLOOP__LIMITER_REQUEST__INIT;
	Evloop__LimiterWaitRequest wait = EVLOOP__LIMITER_WAIT_REQUEST__INIT;
	Evloop__LimiterClaimsRequest claims = EVLOOP__LIMITER_CLAIMS_REQUEST__INIT;
	unsigned turns;

	one.name = wait.name = claims.name = spec.name = (char *)"line";
	spec.keyed = true;
	spec.max_keys = 1;
	spec.max_debt = 100;
	define_line(&spec, rule, rules);
	one.cost = 1;
	one.key = (ProtobufCBinaryData){ .data = (uint8_t *)"a", .len = 1 };
	(void)peer_call(&peer, METHOD(LIMITER_TRY), &one, NULL);
	wait.key = one.key = (ProtobufCBinaryData){ .data = (uint8_t *)"b", .len = 1 };
	stand_in_line(&wait);
	peer_world_slow(10 * NSEC_PER_USEC);
	(void)peer_put(&peer, FRAME_ONEWAY, METHOD(LIMITER_CHARGE), &one);
	ask_for(METHOD(LIMITER_CLAIMS), &claims.base, &turns, NULL);
	SLOWLY(turns);
	peer_world_slow(0);
}

/* He who is disturbed in each turn is answered all the same. */
static void test_disturbed(void **state _unused_) {
	Evloop__LimiterRequest one = EVLOOP__LIMITER_REQUEST__INIT;
	struct frame frame;
	unsigned turns = 0;
	struct peer other;
	bool answered = false;
	uint64_t serial;

	make_line();
	peer_init(&other, &world);
	peer_open(&other);
	one.name = (char *)"line";
	one.cost = 1;
	peer_world_slow(10 * NSEC_PER_USEC);
	charge();
	serial = peer_put(&peer, FRAME_REQUEST, METHOD(LIMITER_TRY), &one);
	assert_true(peer_flush(&peer));
	while (!answered) {
		assert_in_range(++turns, 1, 3 * LINE / 256);
		(void)peer_put(&other, FRAME_ONEWAY, METHOD(LIMITER_CHARGE), &one);
		assert_true(peer_flush(&other));
		peer_world_turn(&world);
		while (peer_take(&peer, &frame))
			answered = answered || frame.serial == serial;
	}
	assert_in_range(turns, LINE / 256, 3 * LINE / 256);
	peer_world_slow(0);
	peer_deinit(&other);
}

/* The limiter goes after it was changed, and before that is told. */
static void test_removed_meanwhile(void **state _unused_) {
	Evloop__LimiterRequest one = EVLOOP__LIMITER_REQUEST__INIT;
	Evloop__LimiterRemoveRequest remove_it = EVLOOP__LIMITER_REMOVE_REQUEST__INIT;
	const struct session *session = peer_world_newest(&world);
	struct frame frame;
	struct peer other;
	uint64_t serial;
	bool told = false;

	make_line();
	peer_init(&other, &world);
	peer_open(&other);
	one.name = remove_it.name = (char *)"line";
	one.cost = 1;
	peer_world_slow(10 * NSEC_PER_USEC);
	serial = peer_put(&peer, FRAME_REQUEST, METHOD(LIMITER_CHARGE), &one);
	assert_true(peer_flush(&peer));
	peer_world_turn(&world);
	assert_int_equal(session->frame_progress % 2, 1); /* it is done, and not told */
	(void)peer_put(&other, FRAME_ONEWAY, METHOD(LIMITER_REMOVE), &remove_it);
	assert_true(peer_flush(&other));
	for (unsigned turns = 0; !told; turns++) {
		assert_in_range(turns, 0, LINE);
		peer_world_turn(&world);
		while (peer_take(&peer, &frame)) {
			if (frame.serial != serial || frame.kind == FRAME_EVENT)
				continue;
			assert_int_equal(frame.kind, FRAME_ERROR);
			told = true;
		}
	}
	peer_world_slow(0);
	peer_deinit(&other);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_changed_at_once),     TEST(test_change_in_parts), TEST(test_look_in_parts),
		TEST(test_claims_without_room), TEST(test_disturbed),       TEST(test_removed_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
