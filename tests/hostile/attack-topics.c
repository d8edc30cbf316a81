/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attacks by topics and gates: messages that nobody takes, more than may be, about everything, and through doors that come and go. */

#undef NDEBUG

#include <assert.h>
#include <string.h>

#include "tests/hostile/rig.h"

#define AUDIENCE 100

static bool subscribe_behind(struct peer *peer, uint64_t handle, const char *topic, uint32_t queue,
			     Evloop__Gate *gate) {
	Evloop__SubscribeRequest request = EVLOOP__SUBSCRIBE_REQUEST__INIT;

	request.handle = handle;
	request.topic = (char *)topic;
	request.queue = queue;
	request.gate = gate;
	return peer_call(peer, EVLOOP__METHOD__METHOD_SUBSCRIBE, &request);
}

static bool subscribe(struct peer *peer, uint64_t handle, const char *topic, uint32_t queue) {
	return subscribe_behind(peer, handle, topic, queue, NULL);
}

static void put_emit(struct peer *peer, const char *topic, const void *data, size_t size) {
	Evloop__EmitRequest request = EVLOOP__EMIT_REQUEST__INIT;

	request.topic = (char *)topic;
	request.data = (ProtobufCBinaryData){ .data = (uint8_t *)data, .len = size };
	peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_EMIT, &request);
}

static void put_cancel(struct peer *peer, uint64_t handle) {
	Evloop__HandleRequest request = EVLOOP__HANDLE_REQUEST__INIT;

	request.handle = handle;
	peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, &request);
}

/* A limiter of so many a second; `tokens` 0: it is removed. */
static void put_limiter(struct peer *peer, const char *name, uint64_t tokens) {
	Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;
	Evloop__LimiterRule rule = EVLOOP__LIMITER_RULE__INIT, *rules = &rule;
	Evloop__LimiterRemoveRequest request = EVLOOP__LIMITER_REMOVE_REQUEST__INIT;

	if (tokens == 0) {
		request.name = (char *)name;
		peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_LIMITER_REMOVE, &request);
		return;
	}
	rule.tokens = tokens;
	rule.period_ns = NSEC_PER_SEC;
	rule.burst = 1;
	spec.name = (char *)name;
	spec.mode = EVLOOP__LIMITER_MODE__LIMITER_PUT;
	spec.rules = &rules;
	spec.n_rules = 1;
	peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec);
}

/* Messages of all that have come within that time, one after the other.  Return: how many. */
static unsigned count_messages(struct peer *peer, int timeout_ms, uint64_t *ret_lost) {
	struct frame frame;
	unsigned n = 0;

	*ret_lost = 0;
	while (peer_next(peer, &frame, timeout_ms)) {
		const Evloop__Event *event;

		if (frame.method != EVLOOP__METHOD__METHOD_EVENT)
			continue;
		event = peer_unpack(peer, &evloop__event__descriptor, &frame);
		if (event && event->type == EVLOOP__EVENT_TYPE__EVENT_MESSAGE)
			n++;
		if (event && event->gap)
			*ret_lost += event->gap->count;
	}
	return n;
}

/* A hundred hear what one says, and none of them reads: what is kept has a limit, and what is lost is told. */
static void unread_messages(struct rig *rig, char *got, size_t size) {
	struct peer *speaker = peer_open(rig), *deaf = peer_open(rig);
	static char data[TOPIC_DATA_MAX];
	long before = rig_memory_kib(rig), grown;
	uint64_t lost;
	unsigned n;

	for (uint64_t i = 1; i <= AUDIENCE; i++)
		CHECK(rig, subscribe(deaf, i, "unread", SUBSCRIPTION_QUEUE_MAX));
	for (unsigned i = 0; i < 5000; i++)
		put_emit(speaker, "unread", data, sizeof(data));
	CHECK(rig, strcmp(peer_fate(speaker, NULL), "alive") == 0);
	grown = rig_memory_kib(rig) - before;
	CHECK(rig, grown < LIMIT_MESSAGE_BYTES_USER / 1024 + 16384);
	n = count_messages(deaf, 300, &lost);
	CHECK(rig, n + lost == 5000u * AUDIENCE);
	snprintf(got, size, "%u come, %llu are told as lost, +%ld KiB meanwhile", n, (unsigned long long)lost, grown);
	peer_close(deaf);
	peer_close(speaker);
}

/* Each message causes two more, for ever. */
static void echo_storm(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	int64_t until = now_ns() + NSEC_PER_SEC / 2;
	struct frame frame;
	unsigned n = 0;

	CHECK(rig, subscribe(peer, 1, "echo", SUBSCRIPTION_QUEUE_MAX) && subscribe(peer, 2, "echo", 16));
	put_emit(peer, "echo", "x", 1);
	peer_flush(peer);
	while (now_ns() < until && peer_next(peer, &frame, 1000)) {
		if (frame.method != EVLOOP__METHOD__METHOD_EVENT)
			continue;
		put_emit(peer, "echo", "x", 1);
		n++;
		peer_flush(peer);
	}
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	peer_close(peer);
	snprintf(got, size, "%u messages, and alive", n);
}

static void topic_names(struct rig *rig, char *got, size_t size) {
	static const char *const bad[] = { "",     "../up",  "a b", "a\nb",     "a\tb", "\x1b[2J", "1st",
					   "%s%n", "-minus", "a*",  "\xc3\xa4", "a\\b", "$(id)",   "a;b" };
	static char data[TOPIC_DATA_MAX + 1];
	struct peer *peer = peer_open(rig);
	Evloop__EmitRequest emit = EVLOOP__EMIT_REQUEST__INIT;
	unsigned refused = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(rig, !subscribe(peer, i + 1, bad[i], 1) && peer->error == EVLOOP__STATUS__STATUS_INVALID);
		emit.topic = (char *)bad[i];
		CHECK(rig, !peer_call(peer, EVLOOP__METHOD__METHOD_EMIT, &emit));
		refused += peer->error == EVLOOP__STATUS__STATUS_INVALID;
	}
	CHECK(rig, refused == ARRAY_SIZE(bad));
	emit.topic = (char *)"fine";
	emit.data = (ProtobufCBinaryData){ .data = (uint8_t *)data, .len = sizeof(data) };
	CHECK(rig, !peer_call(peer, EVLOOP__METHOD__METHOD_EMIT, &emit) &&
			   peer->error == EVLOOP__STATUS__STATUS_OUT_OF_RANGE);
	CHECK(rig, !subscribe(peer, 100, "fine", SUBSCRIPTION_QUEUE_MAX + 1));
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	peer_close(peer);
	snprintf(got, size, "%u names INVALID, 4097 bytes OUT_OF_RANGE", refused);
}

/* Topics that come and go, each with a message in the middle of it. */
static void topic_churn(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	char topic[32];

	for (unsigned i = 0; i < 30000; i++) {
		Evloop__SubscribeRequest request = EVLOOP__SUBSCRIBE_REQUEST__INIT;

		snprintf(topic, sizeof(topic), "churn-%u", i % 1000);
		request.handle = i + 1;
		request.topic = topic;
		request.queue = i % 3;
		peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_SUBSCRIBE, &request);
		put_emit(peer, topic, "x", 1);
		put_cancel(peer, i + 1);
	}
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	peer_close(peer);
	snprintf(got, size, "30,000 topics made and gone");
}

static const char *const too_many_options[] = { "--limit", "subscriptions=20", "--limit", "message-bytes=20000", NULL };

static void too_many_subscriptions(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	static char data[TOPIC_DATA_MAX];
	unsigned refused = 0, n;
	uint64_t lost;

	for (uint64_t i = 1; i <= 20; i++)
		CHECK(rig, subscribe(peer, i, "some", 100));
	for (uint64_t i = 21; i <= 500; i++)
		refused += !subscribe(peer, i, "some", 1) && peer->error == EVLOOP__STATUS__STATUS_QUOTA;
	CHECK(rig, refused == 480);
	for (unsigned i = 0; i < 200; i++)
		put_emit(peer, "some", data, sizeof(data));
	peer_flush(peer);
	n = count_messages(peer, 300, &lost);
	CHECK(rig, n + lost == 200 * 20);
	peer_close(peer);
	snprintf(got, size, "%u times QUOTA; of 4000 messages %llu told as lost", refused, (unsigned long long)lost);
}

/* What one uid says another one does not hear, whatever the topic is called. */
static void topics_of_others(struct rig *rig, char *got, size_t size) {
	struct peer *speaker = peer_open(rig), *stranger;
	Evloop__EmitRequest emit = EVLOOP__EMIT_REQUEST__INIT;
	const Evloop__EmitReply *reply;
	uint64_t lost;

	if (rig->victim_uid == 0) {
		peer_close(speaker);
		snprintf(got, size, "not tried: only root can be others");
		return;
	}
	CHECK(rig, seteuid(VICTIM_UID) == 0);
	stranger = peer_open(rig);
	CHECK(rig, seteuid(0) == 0);
	CHECK(rig, subscribe(stranger, 1, "secret", 10));
	emit.topic = (char *)"secret";
	emit.data = (ProtobufCBinaryData){ .data = (uint8_t *)"x", .len = 1 };
	reply = peer_call(speaker, EVLOOP__METHOD__METHOD_EMIT, &emit);
	CHECK(rig, reply && reply->receivers == 0);
	CHECK(rig, count_messages(stranger, 50, &lost) == 0 && lost == 0);
	peer_close(stranger);
	peer_close(speaker);
	snprintf(got, size, "nothing");
}

/* ---- gates ---- */

static void bad_gates(struct rig *rig, char *got, size_t size) {
	static const struct {
		const char *limiter;
		uint64_t cost;
		size_t key;
		Evloop__Status error;
	} table[] = {
		{ "none", 1, 0, EVLOOP__STATUS__STATUS_NOT_FOUND },
		{ "", 1, 0, EVLOOP__STATUS__STATUS_NOT_FOUND },
		{ "../limits", 1, 0, EVLOOP__STATUS__STATUS_NOT_FOUND },
		{ "door", UINT64_MAX, 0, EVLOOP__STATUS__STATUS_COST_EXCEEDS_BURST },
		{ "door", 2, 0, EVLOOP__STATUS__STATUS_COST_EXCEEDS_BURST },
		{ "door", 1, 5, EVLOOP__STATUS__STATUS_INVALID },
		{ "door", 1, LIMITER_KEY_MAX + 1, EVLOOP__STATUS__STATUS_OUT_OF_RANGE },
	};
	static uint8_t key[LIMITER_KEY_MAX + 1];
	struct peer *peer = peer_open(rig);

	put_limiter(peer, "door", 10);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		Evloop__Gate gate = EVLOOP__GATE__INIT;

		gate.limiter = (char *)table[i].limiter;
		gate.cost = table[i].cost;
		gate.key = (ProtobufCBinaryData){ .data = key, .len = table[i].key };
		CHECK(rig, !subscribe_behind(peer, i + 1, "gated", 1, &gate));
		if (peer->error != table[i].error)
			rig_complain(rig, "gate %zu: %s", i, status_name(peer->error));
		/* Refused is not half made. */
		CHECK(rig, subscribe(peer, i + 1, "gated", 1));
	}
	put_limiter(peer, "door", 0);
	peer_close(peer);
	snprintf(got, size, "each refused for what it is, nothing half made");
}

/* The limiter is changed, removed and made anew while messages wait behind it. */
static void doors_that_go(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig), *owner = peer_open(rig);
	Evloop__Gate gate = EVLOOP__GATE__INIT;
	uint64_t handle = 0, seed = 99, lost;
	unsigned n;

	gate.limiter = (char *)"door";
	for (unsigned round = 0; round < 300; round++) {
		put_limiter(owner, "door", 1 + walk(&seed) % 50);
		CHECK(rig, strcmp(peer_fate(owner, NULL), "alive") == 0);
		for (unsigned i = 0; i < 5; i++)
			CHECK(rig, subscribe_behind(peer, ++handle, "gated", 4, &gate));
		for (unsigned i = 0; i < 6; i++)
			put_emit(owner, "gated", "x", 1);
		if (round % 3 == 0)
			put_limiter(owner, "door", 0);
		put_cancel(peer, handle - round % 5);
		peer_flush(owner);
		peer_flush(peer);
	}
	put_limiter(owner, "door", 0);
	CHECK(rig, strcmp(peer_fate(owner, NULL), "alive") == 0);
	n = count_messages(peer, 200, &lost);
	CHECK(rig, n > 0 && strcmp(peer_fate(peer, NULL), "alive") == 0);
	peer_close(peer);
	peer_close(owner);
	snprintf(got, size, "%u messages, %llu told as lost, alive", n, (unsigned long long)lost);
}

/* Thousands wait at one door, and all of them go at once. */
static void crowd_at_a_door(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	Evloop__Gate gate = EVLOOP__GATE__INIT;
	unsigned refused = 0;

	put_limiter(peer, "narrow", 1);
	gate.limiter = (char *)"narrow";
	for (uint64_t i = 1; i <= 9000; i++)
		refused += !subscribe_behind(peer, i, "crowd", 1, &gate);
	CHECK(rig, refused == 0);
	put_emit(peer, "crowd", "x", 1);
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	peer_close(peer);
	peer = peer_open(rig);
	put_limiter(peer, "narrow", 0);
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	peer_close(peer);
	snprintf(got, size, "9,000 wait, and are gone with their session");
}

const struct attack attacks_by_topics[] = {
	{ .name = "messages, nothing read", .run = unread_messages, .memory_kib = 32768 },
	{ .name = "echo storm", .run = echo_storm },
	{ .name = "names of topics", .run = topic_names },
	{ .name = "topics come and go", .run = topic_churn },
	{ .name = "too many subscriptions", .run = too_many_subscriptions, .options = too_many_options },
	{ .name = "topics of others", .run = topics_of_others },
	{ .name = "gates that cannot be", .run = bad_gates },
	{ .name = "gates that go", .run = doors_that_go },
	{ .name = "crowd at a gate", .run = crowd_at_a_door },
	{ 0 },
};
