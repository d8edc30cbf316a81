/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attacks by limiters, quotas and the configuration: numbers at their ends, keys without end, lines that come and go, and what is not theirs. */

#undef NDEBUG

#include <assert.h>
#include <string.h>

#include "tests/hostile/rig.h"

#define STORM_KEYS 190000
#define LINE 9000

static Evloop__LimiterRule *rules_of(Evloop__LimiterRule *rule, uint64_t tokens, int64_t period_ns, uint64_t burst) {
	evloop__limiter_rule__init(rule);
	rule->tokens = tokens;
	rule->period_ns = period_ns;
	rule->burst = burst;
	return rule;
}

/* With one rule. */
static Evloop__LimiterSpec spec_of(const char *name, Evloop__LimiterRule **rules) {
	Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;

	spec.name = (char *)name;
	spec.mode = EVLOOP__LIMITER_MODE__LIMITER_PUT;
	spec.rules = rules;
	spec.n_rules = 1;
	return spec;
}

static bool define(struct peer *peer, const char *name, uint64_t tokens, bool keyed) {
	Evloop__LimiterSpec spec;
	Evloop__LimiterRule rule, *rules = rules_of(&rule, tokens, NSEC_PER_SEC, 1);

	spec = spec_of(name, &rules);
	spec.keyed = keyed;
	spec.max_keys = keyed ? 1000 : 0;
	return peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec);
}

static void forget(struct peer *peer, const char *name) {
	Evloop__LimiterRemoveRequest request = EVLOOP__LIMITER_REMOVE_REQUEST__INIT;

	request.name = (char *)name;
	(void)peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_REMOVE, &request);
}

/* Definitions with the numbers at the ends of their ranges, in all combinations. */
static void extreme_rules(struct rig *rig, char *got, size_t size) {
	static const uint64_t numbers[] = { 0, 1, 2, 1000000007, UINT64_C(1) << 32, UINT64_C(1) << 62, UINT64_MAX };
	struct peer *peer = peer_open(rig);
	unsigned refused = 0, made = 0;

	for (unsigned i = 0; i < 7 * 7 * 7; i++) {
		Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;
		Evloop__LimiterRule rule,
			*rules = rules_of(&rule, numbers[i % 7], (int64_t)numbers[i / 7 % 7], numbers[i / 49]);
		Evloop__LimiterRequest request = EVLOOP__LIMITER_REQUEST__INIT;
		const Evloop__Grant *grant;

		spec.name = request.name = (char *)"extreme";
		spec.rules = &rules;
		spec.n_rules = 1;
		spec.max_debt = numbers[(i + 3) % 7];
		if (!peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec)) {
			refused++;
			CHECK(rig, peer->error == EVLOOP__STATUS__STATUS_OUT_OF_RANGE ||
					   peer->error == EVLOOP__STATUS__STATUS_INVALID);
			continue;
		}
		made++;
		for (unsigned j = 0; j < 7; j++) {
			request.cost = numbers[j];
			grant = peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_TRY, &request);
			CHECK(rig,
			      !grant || !grant->allowed || numbers[j] <= grant->limit || grant->limit == UINT64_MAX);
			(void)peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_CHARGE, &request);
			(void)peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_REFUND, &request);
		}
		forget(peer, "extreme");
	}
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	peer_close(peer);
	snprintf(got, size, "%u refused, %u made, no cost above the burst is allowed", refused, made);
}

/* A hold for ever, and one that ends before it has begun. */
static void holds(struct rig *rig, char *got, size_t size) {
	static const int64_t durations[] = { INT64_MAX, INT64_MIN, -1, TIME_NS_MAX, TIME_NS_MAX + 1 };
	struct peer *peer = peer_open(rig);
	unsigned refused = 0;

	CHECK(rig, define(peer, "held", 10, false));
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		Evloop__LimiterHoldRequest request = EVLOOP__LIMITER_HOLD_REQUEST__INIT;

		request.name = (char *)"held";
		request.duration_ns = durations[i];
		refused += !peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_HOLD, &request);
	}
	CHECK(rig, refused >= 3);
	forget(peer, "held");
	peer_close(peer);
	snprintf(got, size, "%u of 5 refused", refused);
}

/* Every key is new. */
static void key_flood(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	long before = rig_memory_kib(rig), grown;
	uint8_t key[LIMITER_KEY_MAX];

	memset(key, 'k', sizeof(key));
	CHECK(rig, define(peer, "keys", 1000, true));
	for (uint64_t i = 0; i < 50000; i++) {
		Evloop__LimiterRequest request = EVLOOP__LIMITER_REQUEST__INIT;

		memcpy(key, &i, sizeof(i));
		request.name = (char *)"keys";
		request.key = (ProtobufCBinaryData){ .data = key, .len = sizeof(key) };
		request.cost = 1;
		peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_LIMITER_TRY, &request);
	}
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	grown = rig_memory_kib(rig) - before;
	CHECK(rig, grown < 4096);
	forget(peer, "keys");
	peer_close(peer);
	snprintf(got, size, "50,000 keys share room for 1,000: +%ld KiB", grown);
}

/* As many keys as one may have, in a limiter that becomes another again and again, and goes, and comes. */
static void key_storm(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	Evloop__LimiterRequest request = EVLOOP__LIMITER_REQUEST__INIT;
	Evloop__LimiterSpec spec;
	Evloop__LimiterRule rule, *rules = rules_of(&rule, 1, 3600 * NSEC_PER_SEC, 5);
	uint32_t key;

	spec = spec_of("storm", &rules);
	request.name = spec.name;
	spec.keyed = true;
	spec.max_keys = STORM_KEYS;
	request.cost = 1;
	request.key = (ProtobufCBinaryData){ .data = (uint8_t *)&key, .len = sizeof(key) };
	for (unsigned round = 0; round < 3; round++) {
		rule.burst = 5;
		CHECK(rig, peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec));
		for (key = 0; key < STORM_KEYS; key++)
			peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_LIMITER_TRY, &request);
		for (rule.burst = 6; rule.burst < 12; rule.burst++)
			CHECK(rig, peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec));
		forget(peer, "storm");
	}
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	peer_close(peer);
	snprintf(got, size, "%d keys, changed 18 times, gone 3 times", STORM_KEYS);
}

static void put_wait(struct peer *peer, const char *name, uint64_t handle, uint64_t cost) {
	Evloop__LimiterWaitRequest request = EVLOOP__LIMITER_WAIT_REQUEST__INIT;

	request.handle = handle;
	request.name = (char *)name;
	request.cost = cost;
	request.max_wait_ns = -1;
	peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_LIMITER_WAIT, &request);
}

/* A long line, left from its end to its beginning while it is looked at, and then its limiter goes. */
static void lines_that_go(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig), *witness = peer_open(rig);
	Evloop__LimiterClaimsRequest claims = EVLOOP__LIMITER_CLAIMS_REQUEST__INIT;
	Evloop__HandleRequest cancel = EVLOOP__HANDLE_REQUEST__INIT;

	claims.name = (char *)"line";
	for (unsigned round = 0; round < 3; round++) {
		uint64_t first = 9000 * round + 1;

		CHECK(rig, define(peer, "line", 1, false));
		for (uint64_t i = 0; i < 9000; i++)
			put_wait(peer, "line", first + i, 1);
		for (uint64_t i = 8999; i >= 4500; i--) {
			cancel.handle = first + i;
			peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, &cancel);
			/* Whoever does not read how they end is not listened to any more. */
			if (i % 1000 == 0)
				CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
		}
		peer_flush(peer);
		for (unsigned i = 0; i < 20; i++)
			CHECK(rig, peer_call(witness, EVLOOP__METHOD__METHOD_LIMITER_CLAIMS, &claims) ||
					   peer_fate(witness, NULL));
		CHECK(rig, define(witness, "line", 2 + round, false));
		forget(witness, "line");
		CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	}
	peer_close(witness);
	peer_close(peer);
	snprintf(got, size, "27,000 waited, half of them left, then it was removed");
}

/* All of a long line are granted at one instant. */
static void line_let_go(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	Evloop__LimiterHoldRequest hold = EVLOOP__LIMITER_HOLD_REQUEST__INIT;
	Evloop__LimiterSpec spec;
	Evloop__LimiterRule rule, *rules = rules_of(&rule, 1000000, NSEC_PER_SEC, LINE);

	spec = spec_of("let-go", &rules);
	hold.name = spec.name;
	CHECK(rig, peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec));
	hold.duration_ns = 100 * MS;
	for (uint64_t round = 0; round < 10; round++) {
		CHECK(rig, peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_HOLD, &hold));
		for (uint64_t i = 1; i <= LINE; i++) {
			put_wait(peer, "let-go", LINE * round + i, 1);
			if (i % 500 == 0)
				CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
		}
		pause_ms(100);
		CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	}
	forget(peer, "let-go");
	peer_close(peer);
	snprintf(got, size, "%d at once, ten times", LINE);
}

/* What pushes a long line back, for nothing: each of them has to be looked at. */
static void line_pushed(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	Evloop__LimiterWaitRequest wait = EVLOOP__LIMITER_WAIT_REQUEST__INIT;
	Evloop__LimiterRequest charge = EVLOOP__LIMITER_REQUEST__INIT;
	Evloop__LimiterSpec spec;
	Evloop__LimiterRule rule, *rules = rules_of(&rule, 1, NSEC_PER_SEC, 1);

	spec = spec_of("pushed", &rules);
	wait.name = charge.name = spec.name;
	spec.max_debt = 1000000;
	CHECK(rig, peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec));
	wait.cost = charge.cost = 1;
	for (wait.handle = 1; wait.handle <= LINE; wait.handle++) {
		wait.max_wait_ns = (int64_t)(wait.handle + 10 * LINE) * NSEC_PER_SEC;
		peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_LIMITER_WAIT, &wait);
	}
	for (unsigned i = 0; i < 2000; i++)
		peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_LIMITER_CHARGE, &charge);
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	forget(peer, "pushed");
	peer_close(peer);
	snprintf(got, size, "%d waited, pushed back 2,000 times", LINE);
}

/* The id of whoever has come last. */
static uint64_t last_claim(struct peer *peer, char *name) {
	Evloop__LimiterClaimsRequest request = EVLOOP__LIMITER_CLAIMS_REQUEST__INIT;
	const Evloop__LimiterClaimsReply *reply;

	request.name = name;
	do {
		reply = peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_CLAIMS, &request);
		for (size_t i = 0; reply && i < reply->n_claims; i++)
			request.after = reply->claims[i]->id;
	} while (reply && reply->more);
	return request.after;
}

/* The same line, where each place in it depends on all before, for there are eight rules. */
static void line_pushed_by_rules(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig), *other = peer_open(rig);
	Evloop__LimiterRequest charge = EVLOOP__LIMITER_REQUEST__INIT;
	Evloop__LimiterClaimsRequest claims = EVLOOP__LIMITER_CLAIMS_REQUEST__INIT;
	Evloop__LimiterSpec spec;
	Evloop__LimiterRule rule[8], *rules[8];

	for (unsigned i = 0; i < ARRAY_SIZE(rule); i++)
		rules[i] = rules_of(&rule[i], 3, NSEC_PER_SEC - (int64_t)i, 3);
	spec = spec_of("ruled", rules);
	spec.n_rules = ARRAY_SIZE(rule);
	spec.max_debt = 1000000;
	CHECK(rig, peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec));
	charge.name = spec.name;
	charge.cost = 1;
	for (uint64_t i = 1; i <= LINE; i++)
		put_wait(peer, spec.name, i, 1 + i % 3);
	for (unsigned i = 0; i < 1000; i++) {
		peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_LIMITER_CHARGE, &charge);
		peer_put(peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_LIMITER_TRY, &charge);
	}
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	/* And one who has the line change while another looks along it. */
	for (unsigned i = 0; i < 1000; i++) {
		peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_LIMITER_CHARGE, &charge);
		peer_put(other, FRAME_REQUEST, EVLOOP__METHOD__METHOD_LIMITER_TRY, &charge);
		if (i % 10 == 9) {
			peer_flush(other);
			peer_flush(peer);
		}
	}
	CHECK(rig, strcmp(peer_fate(other, NULL), "alive") == 0);
	/* To say where the last one stands takes the same. */
	claims.name = spec.name;
	claims.after = last_claim(peer, spec.name);
	CHECK(rig, claims.after-- > 0);
	for (unsigned i = 0; i < 1000; i++) {
		peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_LIMITER_CHARGE, &charge);
		peer_put(peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_LIMITER_CLAIMS, &claims);
	}
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	forget(peer, spec.name);
	peer_close(other);
	peer_close(peer);
	snprintf(got, size, "%d waited, pushed back 3,000 times, asked as often", LINE);
}

/* A line, and then a definition below which nobody in it can ever be granted: all are told. */
static void line_unfit(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	Evloop__LimiterSpec spec;
	Evloop__LimiterRule rule, *rules = rules_of(&rule, 1, NSEC_PER_SEC, 10);

	spec = spec_of("unfit", &rules);
	for (uint64_t round = 0; round < 10; round++) {
		rule.burst = 10;
		CHECK(rig, peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec));
		for (uint64_t i = 1; i <= LINE; i++)
			put_wait(peer, spec.name, LINE * round + i, 10);
		rule.burst = 1;
		CHECK(rig, peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec));
		CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	}
	forget(peer, spec.name);
	peer_close(peer);
	snprintf(got, size, "%d at once, ten times", LINE);
}

/* Somebody waits at each of many keys, and all of them get other rules, again and again. */
static void line_at_each_key(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	Evloop__LimiterWaitRequest wait = EVLOOP__LIMITER_WAIT_REQUEST__INIT;
	Evloop__LimiterSpec spec;
	Evloop__LimiterRule rule, *rules = rules_of(&rule, 1, 1000 * NSEC_PER_SEC, 1);
	uint64_t key;

	spec = spec_of("at-keys", &rules);
	spec.keyed = true;
	spec.max_keys = LINE;
	CHECK(rig, peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec));
	wait.name = spec.name;
	wait.cost = 1;
	wait.max_wait_ns = -1;
	wait.key = (ProtobufCBinaryData){ .data = (uint8_t *)&key, .len = sizeof(key) };
	for (wait.handle = 1; wait.handle <= 2 * (LINE - 1); wait.handle++) {
		key = wait.handle / 2; /* the first of two is granted at once */
		peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_LIMITER_WAIT, &wait);
		if (wait.handle % 500 == 0)
			CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	}
	for (unsigned i = 0; i < 50; i++) {
		rule.period_ns++;
		CHECK(rig, peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec));
	}
	forget(peer, spec.name);
	peer_close(peer);
	snprintf(got, size, "%d keys, changed 50 times", LINE);
}

/* Who never says what he got, asks for what cannot be, or under a handle that is taken. */
static void bad_waits(struct rig *rig, char *got, size_t size) {
	static const struct {
		uint64_t handle, cost;
		int64_t max_wait_ns;
		Evloop__Status error;
	} table[] = {
		{ 0, 1, -1, EVLOOP__STATUS__STATUS_INVALID },
		{ 1, 0, -1, EVLOOP__STATUS__STATUS_OUT_OF_RANGE },
		{ 1, 2, -1, EVLOOP__STATUS__STATUS_COST_EXCEEDS_BURST },
		{ 1, UINT64_MAX, -1, EVLOOP__STATUS__STATUS_COST_EXCEEDS_BURST },
		{ 1, 1, INT64_MIN, EVLOOP__STATUS__STATUS_OUT_OF_RANGE },
		{ 77, 1, -1, EVLOOP__STATUS__STATUS_EXISTS },
	};
	struct peer *peer = peer_open(rig);

	CHECK(rig, define(peer, "waits", 1, false));
	put_wait(peer, "waits", 76, 1);
	put_wait(peer, "waits", 77, 1);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		Evloop__LimiterWaitRequest request = EVLOOP__LIMITER_WAIT_REQUEST__INIT;

		request.name = (char *)"waits";
		request.handle = table[i].handle;
		request.cost = table[i].cost;
		request.max_wait_ns = table[i].max_wait_ns;
		CHECK(rig, !peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_WAIT, &request));
		if (peer->error != table[i].error)
			rig_complain(rig, "wait %zu: %s", i, status_name(peer->error));
	}
	forget(peer, "waits");
	peer_close(peer);
	snprintf(got, size, "each refused for what it is");
}

/* The limits of limiters, keys and claims. */
static const char *const too_many_options[] = { "--limit", "limiters=10", "--limit", "keys=5000",
						"--limit", "claims=20",   NULL };

static void too_many(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	unsigned refused = 0;
	char name[32];

	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "limiter-%u", i);
		refused += !define(peer, name, 1, i < 8) && peer->error == EVLOOP__STATUS__STATUS_QUOTA;
	}
	/* Five with a thousand keys each, and five more without. */
	CHECK(rig, refused == 90);
	for (uint64_t i = 1; i <= 100; i++) {
		Evloop__LimiterWaitRequest request = EVLOOP__LIMITER_WAIT_REQUEST__INIT;

		request.name = (char *)"limiter-9";
		request.handle = i;
		request.cost = 1;
		request.max_wait_ns = -1;
		refused += !peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_WAIT, &request) &&
			   peer->error == EVLOOP__STATUS__STATUS_QUOTA;
	}
	CHECK(rig, refused >= 90 + 78);
	peer_close(peer);
	snprintf(got, size, "%u times QUOTA", refused);
}

/* Ten thousand looks at one's quota, at lists and at limiters, answers unread. */
static void looks(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	Evloop__LimiterListRequest list = EVLOOP__LIMITER_LIST_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	char name[32];
	unsigned n = 0;

	for (unsigned i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "look-%u", i);
		CHECK(rig, define(peer, name, 1, false));
	}
	target.glob = (char *)"*l*o*o*k*-*[0-9]*x";
	list.target = &target;
	for (; n < 300; n++) {
		peer_put(peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_QUOTA, NULL);
		peer_put(peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_LIMITER_LIST, n % 2 ? &list : NULL);
	}
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	for (unsigned i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "look-%u", i);
		forget(peer, name);
	}
	peer_close(peer);
	snprintf(got, size, "%u lists of 500, %u quotas, all answered", n, n);
}

/* ---- the configuration ---- */

static void put_reloads(struct peer *peer, unsigned n) {
	for (unsigned i = 0; i < n; i++)
		peer_put(peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_RELOAD, NULL);
	peer_flush(peer);
}

/* Somebody who may, all the time; each is answered, but the files are not read for each. */
static void reload_storm(struct rig *rig, char *got, size_t size) {
	struct peer *peers[20];
	struct frame frame;
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		peers[i] = peer_open(rig);
		put_reloads(peers[i], 50);
	}
	/* Half of them do not wait for it. */
	for (size_t i = 0; i < ARRAY_SIZE(peers); i += 2)
		peers[i] = peer_close(peers[i]);
	for (size_t i = 1; i < ARRAY_SIZE(peers); i += 2) {
		unsigned answers = 0;

		while (answers < 50 && peer_next(peers[i], &frame, ANSWER_TIMEOUT_MS))
			answers += frame.kind == FRAME_REPLY && frame.method == EVLOOP__METHOD__METHOD_RELOAD;
		n += answers;
		peer_close(peers[i]);
	}
	CHECK(rig, n == 500);
	snprintf(got, size, "%u answers", n);
}

static void reload_by_others(struct rig *rig, char *got, size_t size) {
	struct peer *stranger;
	unsigned refused = 0;

	if (rig->victim_uid == 0) {
		snprintf(got, size, "not tried: only root can be others");
		return;
	}
	CHECK(rig, seteuid(VICTIM_UID) == 0);
	stranger = peer_open(rig);
	CHECK(rig, seteuid(0) == 0);
	for (unsigned i = 0; i < 1000; i++)
		refused += !peer_call(stranger, EVLOOP__METHOD__METHOD_RELOAD, NULL) &&
			   stranger->error == EVLOOP__STATUS__STATUS_PERM;
	CHECK(rig, refused == 1000);
	peer_close(stranger);
	snprintf(got, size, "%u times PERM", refused);
}

/* ---- acknowledgements ---- */

/* Of handles that are none, that were never told, and of sources that know no such thing, by the thousand. */
static void acks_of_nothing(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	Evloop__AckRequest request = EVLOOP__ACK_REQUEST__INIT;
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	static uint64_t handles[ACK_HANDLES_MAX];
	uint64_t seed = 5;

	for (size_t i = 0; i < ARRAY_SIZE(handles); i++)
		handles[i] = i % 3 == 0 ? 1 : walk(&seed);
	spec.handle = 1;
	spec.relative = true;
	spec.deadline_ns = 3600 * NSEC_PER_SEC;
	peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_ARM, &spec);
	request.handles = handles;
	request.n_handles = ARRAY_SIZE(handles);
	for (unsigned i = 0; i < 1000; i++)
		peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_ACK, &request);
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	peer_close(peer);
	snprintf(got, size, "a million passed over");
}

const struct attack attacks_by_limiters[] = {
	{ .name = "rules at their ends", .run = extreme_rules },
	{ .name = "holds for ever", .run = holds },
	{ .name = "keys without end", .run = key_flood },
	{ .name = "keys by the hundred thousand", .run = key_storm, .memory_kib = 64 * 1024 },
	{ .name = "lines that go", .run = lines_that_go },
	{ .name = "a line that is let go", .run = line_let_go },
	{ .name = "a line that is pushed back", .run = line_pushed },
	{ .name = "a line behind eight rules", .run = line_pushed_by_rules },
	{ .name = "a line that fits no more", .run = line_unfit },
	{ .name = "a line at each key", .run = line_at_each_key },
	{ .name = "waits that cannot be", .run = bad_waits },
	{ .name = "too many limiters", .run = too_many, .options = too_many_options },
	{ .name = "looking all the time", .run = looks },
	{ .name = "reload storm", .run = reload_storm },
	{ .name = "reload by others", .run = reload_by_others },
	{ .name = "acknowledging nothing", .run = acks_of_nothing },
	{ 0 },
};
