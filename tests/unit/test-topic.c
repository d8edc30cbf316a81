/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Topics: who hears what is emitted, in which order, what is kept for those who are slow, and what they lose. */

#include "tests/unit/test.h"

#include <string.h>

#include "daemon/core/topic.h"
#include "tests/unit/core-world.h"

struct fixture {
	struct world world;
	struct client a, b; /* of the same uid */
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
	for (uint64_t handle = 1; handle < 100; handle++)
		(void)owner_cancel(&f->a.owner, handle);
	assert_int_equal(use->subscriptions, 0);
	assert_int_equal(use->message_bytes, 0);
	client_deinit(&f->a);
	world_deinit(&f->world);
	free(f);
	return 0;
}

static uint64_t subscribe(struct client *client, uint64_t handle, const char *topic, uint32_t queue) {
	uint64_t id;

	assert_int_equal(topic_subscribe(client->owner.tenant, topic, &client->owner, handle, queue, &id), 0);
	return id;
}

static size_t emit_data(struct client *client, const char *topic, const void *data, size_t size) {
	size_t receivers;

	assert_int_equal(topic_emit(client->owner.tenant, topic, data, size, &receivers), 0);
	return receivers;
}

static size_t emit(struct client *client, const char *topic, const char *text) {
	return emit_data(client, topic, text, strlen(text));
}

/* The next event is that message. */
static struct event expect_with(struct client *client, uint64_t handle, const char *text, uint64_t fire_seq,
				bool more) {
	struct event event;

	assert_true(owner_peek_event(&client->owner, &event));
	assert_int_equal(event.type, EVENT_TYPE_MESSAGE);
	assert_int_equal(event.handle, handle);
	assert_int_equal(event.data_size, strlen(text));
	assert_memory_equal(event.data, text, strlen(text));
	assert_int_equal(event.fire_seq, fire_seq);
	assert_int_equal(event.more, more);
	owner_took_event(&client->owner);
	return event;
}

static struct event expect(struct client *client, uint64_t handle, const char *text, uint64_t fire_seq) {
	return expect_with(client, handle, text, fire_seq, true);
}

static void expect_gap(struct event event, uint64_t first, uint64_t last) {
	assert_int_equal(event.gap_first, first);
	assert_int_equal(event.gap_last, last);
}

static void test_to_all(void **state) {
	struct fixture *f = *state;
	struct event event;
	uint64_t id;

	assert_int_equal(emit(&f->a, "t", "nobody hears it"), 0);
	id = subscribe(&f->a, 1, "t", 4);
	assert_true(subscribe(&f->b, 1, "t", 4) > id);
	subscribe(&f->b, 2, "other", 4);
	client_expect_none(&f->a);

	world_pass(&f->world, 7);
	world_turn(&f->world);
	assert_int_equal(emit(&f->a, "t", "hello"), 2);
	assert_int_equal(f->a.readies, 1);
	world_pass(&f->world, 1000);
	world_turn(&f->world);

	/* Who emits hears it, too, if he has subscribed. */
	assert_true(owner_peek_event(&f->a.owner, &event));
	assert_string_equal(event.name, "t");
	event = expect(&f->a, 1, "hello", 1);
	assert_int_equal(event.id, id);
	assert_int_equal(event.fires, 1);
	assert_int_equal(event.fired_ns, WORLD_START + 7);
	expect_gap(event, 0, 0);
	expect(&f->b, 1, "hello", 1);
	client_expect_none(&f->a);
	client_expect_none(&f->b);

	/* Of nothing at all, and of bytes of any kind. */
	assert_int_equal(emit_data(&f->a, "other", NULL, 0), 1);
	expect(&f->b, 2, "", 1);
	assert_int_equal(emit_data(&f->a, "other", "\0\xff", 2), 1);
	client_expect(&f->b, 2, EVENT_TYPE_MESSAGE);
}

static void test_names_are_of_a_uid(void **state) {
	struct fixture *f = *state;
	struct client stranger;

	client_init(&stranger, &f->world, 1001);
	subscribe(&f->a, 1, "t", 4);
	subscribe(&stranger, 1, "t", 4);
	assert_int_equal(emit(&stranger, "t", "theirs"), 1);
	client_expect_none(&f->a);
	expect(&stranger, 1, "theirs", 1);
	client_deinit(&stranger);
}

static void test_handles(void **state) {
	struct fixture *f = *state;
	uint64_t id = 77;

	world_after(&f->world, &f->a, 1, 10);
	assert_int_equal(topic_subscribe(f->a.owner.tenant, "t", &f->a.owner, 1, 0, &id), TOPIC_E_HANDLE_EXISTS);
	assert_int_equal(id, 77);
	assert_int_equal(emit(&f->a, "t", ""), 0);
	subscribe(&f->a, 2, "t", 0);
	assert_int_equal(topic_subscribe(f->a.owner.tenant, "u", &f->a.owner, 2, 0, &id), TOPIC_E_HANDLE_EXISTS);
	/* It is no timer. */
	assert_null(timer_of_source(owner_find(&f->a.owner, 2)));
	/* Twice is twice. */
	subscribe(&f->a, 3, "t", 0);
	assert_int_equal(emit(&f->a, "t", "x"), 2);
	expect(&f->a, 2, "x", 1);
	expect(&f->a, 3, "x", 1);
}

static void test_cancel(void **state) {
	struct fixture *f = *state;

	subscribe(&f->a, 1, "t", 4);
	subscribe(&f->b, 1, "t", 4);
	assert_int_equal(owner_cancel(&f->a.owner, 1), CANCEL_CANCELLED);
	assert_int_equal(owner_cancel(&f->a.owner, 1), CANCEL_GONE);
	assert_int_equal(emit(&f->a, "t", "1"), 1);
	assert_int_equal(emit(&f->a, "t", "2"), 1);
	expect(&f->b, 1, "1", 1);
	assert_int_equal(owner_cancel(&f->b.owner, 1), CANCEL_WITHDRAWN);
	client_expect_none(&f->b);
	assert_int_equal(emit(&f->a, "t", "3"), 0);
	assert_int_equal(tenant_use(f->a.owner.tenant)->message_bytes, 0);

	/* A new one begins anew. */
	subscribe(&f->b, 1, "t", 4);
	assert_int_equal(emit(&f->a, "t", "4"), 1);
	expect(&f->b, 1, "4", 1);
}

/* Its session ends, and frees its sources one by one: nothing is kept for it meanwhile. */
static void test_end_of_a_session(void **state) {
	struct fixture *f = *state;

	subscribe(&f->b, 1, "t", 4);
	subscribe(&f->b, 2, "t", 4);
	assert_int_equal(emit(&f->a, "t", "1"), 2);
	f->b.owner.ready = NULL;
	assert_true(owner_reduce(&f->b.owner, 1));
	assert_int_equal(emit(&f->a, "t", "2"), 0);
	assert_false(owner_reduce(&f->b.owner, 1));
	assert_int_equal(emit(&f->a, "t", "3"), 0);
}

static void test_merged(void **state) {
	struct fixture *f = *state;
	struct event event;

	subscribe(&f->a, 1, "t", 0);
	for (int i = 0; i < 5; i++) {
		char text[2] = { (char)('a' + i), '\0' };

		world_pass(&f->world, 10);
		world_turn(&f->world);
		assert_int_equal(emit(&f->a, "t", text), 1);
	}
	event = expect(&f->a, 1, "e", 5);
	assert_int_equal(event.fires, 5);
	assert_int_equal(event.fired_ns, WORLD_START + 10);
	expect_gap(event, 0, 0);
	client_expect_none(&f->a);
	assert_int_equal(emit(&f->a, "t", "f"), 1);
	event = expect(&f->a, 1, "f", 6);
	assert_int_equal(event.fires, 1);
	assert_int_equal(event.fired_ns, WORLD_START + 50);
}

static void test_queued(void **state) {
	struct fixture *f = *state;
	struct event event;
	char text[16];

	subscribe(&f->a, 1, "t", 3);
	for (int i = 1; i <= 3; i++) {
		snprintf(text, sizeof(text), "%d", i);
		assert_int_equal(emit(&f->a, "t", text), 1);
	}
	expect_gap(expect(&f->a, 1, "1", 1), 0, 0);

	/* The oldest goes, and the next event says so, once. */
	for (int i = 4; i <= 10; i++) {
		snprintf(text, sizeof(text), "%d", i);
		assert_int_equal(emit(&f->a, "t", text), 1);
	}
	event = expect(&f->a, 1, "8", 8);
	assert_int_equal(event.fires, 1);
	expect_gap(event, 2, 7);
	expect_gap(expect(&f->a, 1, "9", 9), 0, 0);
	assert_int_equal(emit(&f->a, "t", "11"), 1);
	expect_gap(expect(&f->a, 1, "10", 10), 0, 0);
	expect_gap(expect(&f->a, 1, "11", 11), 0, 0);
	client_expect_none(&f->a);

	/* One is kept: that is not merging. */
	subscribe(&f->a, 2, "u", 1);
	assert_int_equal(emit(&f->a, "u", "1"), 1);
	assert_int_equal(emit(&f->a, "u", "2"), 1);
	event = expect(&f->a, 2, "2", 2);
	assert_int_equal(event.fires, 1);
	expect_gap(event, 1, 1);
}

/* A loss that has been told is told no more, and one behind it is another. */
static void test_two_gaps(void **state) {
	struct fixture *f = *state;

	subscribe(&f->a, 1, "t", 2);
	for (int i = 0; i < 3; i++)
		assert_int_equal(emit(&f->a, "t", "x"), 1);
	expect_gap(expect(&f->a, 1, "x", 2), 1, 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(emit(&f->a, "t", "y"), 1);
	expect_gap(expect(&f->a, 1, "y", 4), 3, 3);
	expect_gap(expect(&f->a, 1, "y", 5), 0, 0);
}

/* What one emits is heard in that order, over all topics and between those who have subscribed twice. */
static void test_order(void **state) {
	struct fixture *f = *state;
	static const char topics[] = "aabcbbacacbaabc";
	uint64_t seqs[3] = { 0 };
	char data[2] = { 0 };

	for (uint64_t handle = 1; handle <= 3; handle++)
		subscribe(&f->b, handle, (const char[]){ (char)('a' + handle - 1), '\0' }, 64);
	for (size_t i = 0; topics[i]; i++) {
		data[0] = (char)('A' + i);
		assert_int_equal(emit(&f->a, (const char[]){ topics[i], '\0' }, data), 1);
	}
	/* Cancelled in between, the others keep their order. */
	assert_int_equal(owner_cancel(&f->b.owner, 2), CANCEL_WITHDRAWN);
	for (size_t i = 0; topics[i]; i++) {
		data[0] = (char)('A' + i);
		if (topics[i] != 'b')
			expect(&f->b, (uint64_t)(topics[i] - 'a' + 1), data, ++seqs[topics[i] - 'a']);
	}
	client_expect_none(&f->b);
}

/* Messages that are many do not keep other sources from being heard, nor the other way round. */
static void test_beside_timers(void **state) {
	struct fixture *f = *state;

	subscribe(&f->a, 1, "t", 8);
	subscribe(&f->a, 2, "t", 8);
	for (int i = 0; i < 4; i++)
		assert_int_equal(emit(&f->a, "t", "x"), 2);
	for (uint64_t handle = 10; handle < 14; handle++)
		world_after(&f->world, &f->a, handle, 1);
	world_run(&f->world, 1);
	expect(&f->a, 1, "x", 1);
	expect(&f->a, 2, "x", 1);
	for (uint64_t handle = 10; handle < 14; handle++)
		client_expect(&f->a, handle, EVENT_TYPE_FIRED);
	for (uint64_t i = 2; i <= 4; i++) {
		expect(&f->a, 1, "x", i);
		expect(&f->a, 2, "x", i);
	}
	client_expect_none(&f->a);
}

/* ---- what it takes ---- */

/* A payload is there once for a uid, however many have it. */
static void test_shared_payload(void **state) {
	struct fixture *f = *state;
	const struct tenant_use *use = tenant_use(f->a.owner.tenant);
	char data[4096] = { 0 };
	size_t one;

	for (uint64_t handle = 1; handle <= 50; handle++)
		subscribe(&f->a, handle, "t", 4);
	assert_int_equal(use->subscriptions, 50);
	assert_int_equal(emit_data(&f->a, "t", data, sizeof(data)), 50);
	assert_in_range(use->message_bytes, sizeof(data) + 50, sizeof(data) + 50 * 100);
	one = use->message_bytes;
	assert_int_equal(emit_data(&f->a, "t", data, sizeof(data)), 50);
	assert_int_equal(use->message_bytes, 2 * one);
	for (unsigned i = 0; i < 50; i++)
		client_expect(&f->a, i + 1, EVENT_TYPE_MESSAGE);
	assert_int_equal(use->message_bytes, one);
}

/* Of a pool one gets half, and the next one a sixth, though nobody is over his own limit. */
static void test_pool_of_bytes(void **state) {
	struct fixture *f = *state;
	const struct tenant_use *a = tenant_use(f->a.owner.tenant), *other;
	char data[1000] = { 0 };
	struct client client;

	client_init(&client, &f->world, 4711);
	other = tenant_use(client.owner.tenant);
	scheduler_set_message_limits(f->world.scheduler, SIZE_MAX, 60000);
	subscribe(&f->a, 1, "t", 1000);
	subscribe(&client, 1, "t", 1000);
	for (unsigned i = 0; i < 100; i++)
		(void)emit_data(&f->a, "t", data, sizeof(data));
	assert_in_range(a->message_bytes, 28000, 30000);
	for (unsigned i = 0; i < 100; i++)
		(void)emit_data(&client, "t", data, sizeof(data));
	assert_in_range(other->message_bytes, 8000, 10000);
	assert_in_range(a->message_bytes, 28000, 30000);
	client_deinit(&client);
}

static void test_limit_of_bytes(void **state) {
	struct fixture *f = *state;
	const struct tenant_use *use = tenant_use(f->a.owner.tenant);
	char data[1000] = { 0 };
	struct event event;

	scheduler_set_message_limits(f->world.scheduler, 10 * 1200, SIZE_MAX);
	subscribe(&f->a, 1, "slow", 1000);
	subscribe(&f->b, 1, "quick", 1000);
	for (int i = 0; i < 5; i++)
		assert_int_equal(emit_data(&f->a, "slow", data, sizeof(data)), 1);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(emit_data(&f->a, "quick", data, sizeof(data)), 1);
		assert_in_range(use->message_bytes, 1000, 10 * 1200);
		event = client_expect(&f->b, 1, EVENT_TYPE_MESSAGE);
		assert_int_equal(event.gap_first, 0);
	}
	/* Whoever keeps most of them loses, the oldest first; who takes his own does not. */
	for (int i = 0; i < 20; i++)
		assert_int_equal(emit_data(&f->a, "slow", data, sizeof(data)), 1);
	assert_in_range(use->message_bytes, 9 * 1000, 10 * 1200);
	event = client_expect(&f->a, 1, EVENT_TYPE_MESSAGE);
	assert_int_equal(event.gap_first, 1);
	assert_int_equal(event.gap_last, event.fire_seq - 1);
	assert_in_range(event.fire_seq, 14, 17);
}

/* The last one is kept whatever the limit, so that a loss is always told of. */
static void test_limit_of_nothing(void **state) {
	struct fixture *f = *state;

	scheduler_set_message_limits(f->world.scheduler, 0, SIZE_MAX);
	subscribe(&f->a, 1, "t", 8);
	subscribe(&f->b, 1, "t", 0);
	for (int i = 1; i <= 4; i++)
		assert_int_equal(emit(&f->a, "t", "x"), 2);
	expect_gap(expect(&f->a, 1, "x", 4), 1, 3);
	assert_int_equal(expect(&f->b, 1, "x", 4).fires, 4);
	assert_int_equal(emit(&f->a, "t", "y"), 2);
	expect_gap(expect(&f->a, 1, "y", 5), 0, 0);
}

/* ---- those of all uids ---- */

static const struct access anybody = { .owner = 1, .group = 2, .mode = 0666 };
static const struct access nobody = { .owner = 1, .group = 2, .mode = 0600 };

static void define(struct fixture *f, const char *name, const struct access *access) {
	assert_int_equal(topic_define(f->world.scheduler, name, access), 0);
}

static void subscribe_to_all(struct fixture *f, struct client *client, uint64_t handle, uint32_t queue) {
	struct tenant *all = scheduler_next_tenant(f->world.scheduler, TENANT_OF_ALL);
	uint64_t id;

	assert_int_equal(topic_subscribe(all, "t", &client->owner, handle, queue, &id), 0);
}

static size_t emit_to_all(struct fixture *f, const char *text) {
	struct tenant *all = scheduler_next_tenant(f->world.scheduler, TENANT_OF_ALL);
	size_t receivers;

	assert_int_equal(topic_emit(all, "t", text, strlen(text), &receivers), 0);
	return receivers;
}

/* The last event, without a message. */
static void expect_over(struct client *client, uint64_t handle, uint64_t fire_seq) {
	struct event event;

	assert_true(owner_peek_event(&client->owner, &event));
	assert_int_equal(event.type, EVENT_TYPE_MESSAGE);
	assert_int_equal(event.handle, handle);
	assert_string_equal(event.name, "t");
	assert_int_equal(event.fires, 0);
	assert_int_equal(event.fire_seq, fire_seq);
	assert_int_equal(event.data_size, 0);
	assert_false(event.more);
	owner_took_event(&client->owner);
	assert_null(owner_find(&client->owner, handle));
}

static void test_shared(void **state) {
	struct fixture *f = *state;
	const struct tenant_use *mine = tenant_use(f->a.owner.tenant), *theirs;
	struct client stranger;
	struct topic *topic;

	assert_null(topic_of_all(f->world.scheduler, "t"));
	assert_null(topic_next(f->world.scheduler, NULL));
	define(f, "t", &anybody);
	define(f, "u", &nobody);
	topic = topic_of_all(f->world.scheduler, "t");
	assert_string_equal(topic_name(topic), "t");
	assert_int_equal(topic_access(topic)->mode, 0666);
	topic = topic_next(f->world.scheduler, NULL);
	assert_non_null(topic_next(f->world.scheduler, topic));
	assert_null(topic_next(f->world.scheduler, topic_next(f->world.scheduler, topic)));

	client_init(&stranger, &f->world, 1001);
	theirs = tenant_use(stranger.owner.tenant);
	subscribe_to_all(f, &f->a, 1, 4);
	subscribe_to_all(f, &stranger, 1, 4);
	subscribe_to_all(f, &stranger, 2, 0);
	subscribe_to_all(f, &f->b, 1, 4);
	assert_int_equal(emit_to_all(f, "hello"), 4);
	/* Who has subscribed pays, each uid for itself. */
	assert_true(mine->message_bytes > 5);
	assert_int_equal(mine->message_bytes, theirs->message_bytes);
	expect(&f->a, 1, "hello", 1);
	expect(&f->b, 1, "hello", 1);
	assert_int_equal(mine->message_bytes, 0);
	expect(&stranger, 1, "hello", 1);
	expect(&stranger, 2, "hello", 1);
	assert_int_equal(theirs->message_bytes, 0);
	client_deinit(&stranger);
	/* It is there also while nobody has subscribed. */
	assert_int_equal(owner_cancel(&f->a.owner, 1), CANCEL_CANCELLED);
	assert_int_equal(owner_cancel(&f->b.owner, 1), CANCEL_CANCELLED);
	assert_int_equal(emit_to_all(f, "hello"), 0);
	assert_non_null(topic_of_all(f->world.scheduler, "t"));
	topic_undefine(topic_of_all(f->world.scheduler, "u"));
}

/* A name that all have means that to everybody. */
static void test_defined_over_others(void **state) {
	struct fixture *f = *state;
	struct client stranger;

	client_init(&stranger, &f->world, 1001);
	subscribe(&f->a, 1, "t", 4);
	subscribe(&stranger, 1, "t", 0);
	subscribe(&f->b, 1, "other", 4);
	assert_int_equal(emit(&f->a, "t", "1"), 1);
	define(f, "t", &anybody);
	/* What it had been given is still told. */
	assert_int_equal(expect_with(&f->a, 1, "1", 1, false).fires, 1);
	assert_null(owner_find(&f->a.owner, 1));
	expect_over(&stranger, 1, 0);
	client_expect_none(&f->b);
	assert_int_equal(emit(&f->a, "other", "2"), 1);
	expect(&f->b, 1, "2", 1);
	assert_int_equal(emit_to_all(f, "3"), 0);

	/* And no more: it is one's own again. */
	subscribe_to_all(f, &stranger, 2, 4);
	topic_undefine(topic_of_all(f->world.scheduler, "t"));
	expect_over(&stranger, 2, 0);
	subscribe(&stranger, 3, "t", 4);
	assert_int_equal(emit(&stranger, "t", "4"), 1);
	expect(&stranger, 3, "4", 1);
	client_deinit(&stranger);
}

static void test_access_changes(void **state) {
	struct fixture *f = *state;

	define(f, "t", &anybody);
	subscribe_to_all(f, &f->a, 1, 4);
	define(f, "t", &anybody);
	client_expect_none(&f->a);
	assert_int_equal(emit_to_all(f, "1"), 1);
	assert_int_equal(emit_to_all(f, "2"), 1);
	define(f, "t", &nobody);
	assert_int_equal(topic_access(topic_of_all(f->world.scheduler, "t"))->mode, 0600);
	assert_int_equal(emit_to_all(f, "3"), 0);
	expect(&f->a, 1, "1", 1);
	(void)expect_with(&f->a, 1, "2", 2, false);
	client_expect_none(&f->a);
	assert_null(owner_find(&f->a.owner, 1));

	/* One that is over can be cancelled, and its session can end. */
	subscribe_to_all(f, &f->a, 1, 4);
	subscribe_to_all(f, &f->a, 2, 4);
	subscribe_to_all(f, &f->b, 1, 4);
	subscribe_to_all(f, &f->b, 2, 4);
	assert_int_equal(emit_to_all(f, "4"), 4);
	expect(&f->a, 1, "4", 1);
	topic_undefine(topic_of_all(f->world.scheduler, "t"));
	assert_int_equal(tenant_use(f->a.owner.tenant)->subscriptions, 4);
	assert_int_equal(owner_cancel(&f->a.owner, 1), CANCEL_WITHDRAWN);
	assert_int_equal(owner_cancel(&f->a.owner, 2), CANCEL_WITHDRAWN);
	client_expect_none(&f->a);
}

/* The news that one is over does not come before another one's mail, nor does it hold that up. */
static void test_over_beside_mail(void **state) {
	struct fixture *f = *state;

	define(f, "t", &anybody);
	subscribe_to_all(f, &f->b, 1, 4);
	subscribe_to_all(f, &f->b, 2, 4);
	subscribe(&f->b, 3, "own", 4);
	assert_int_equal(emit(&f->a, "own", "1"), 1);
	assert_int_equal(owner_cancel(&f->b.owner, 1), CANCEL_CANCELLED);
	topic_undefine(topic_of_all(f->world.scheduler, "t"));
	assert_int_equal(emit(&f->a, "own", "2"), 1);
	expect(&f->b, 3, "1", 1);
	expect_over(&f->b, 2, 0);
	expect(&f->b, 3, "2", 2);
	client_expect_none(&f->b);
}

/* Against a model, with everything mixed. */
static void test_random(void **state) {
	struct fixture *f = *state;
	struct random random = RANDOM_INIT;
	const struct tenant_use *use = tenant_use(f->a.owner.tenant);
	uint64_t told[9] = { 0 }, last_emitted[2] = { 0 }, n = 0;
	struct event event;

	scheduler_set_message_limits(f->world.scheduler, 4000, SIZE_MAX);
	for (uint64_t handle = 1; handle <= 8; handle++)
		subscribe(&f->b, handle, handle % 2 ? "odd" : "even", (uint32_t)(handle / 2));
	for (unsigned i = 0; i < 20000; i++) {
		if (random_below(&random, 3) > 0) {
			unsigned parity = (unsigned)random_below(&random, 2);

			n++;
			last_emitted[parity]++;
			assert_int_equal(emit_data(&f->a, parity ? "odd" : "even", &n, sizeof(n)), 4);
			assert_in_range(use->message_bytes, 1, 4000);
		} else if (client_take(&f->b, &event)) {
			uint64_t from = event.gap_first ? event.gap_first : event.fire_seq - event.fires + 1;

			/* Nothing is left out, and nothing comes twice. */
			assert_int_equal(from, told[event.handle] + 1);
			if (event.gap_first)
				assert_int_equal(event.gap_last, event.fire_seq - event.fires);
			told[event.handle] = event.fire_seq;
		}
	}
	while (client_take(&f->b, &event))
		told[event.handle] = event.fire_seq;
	for (uint64_t handle = 1; handle <= 8; handle++)
		assert_int_equal(told[handle], last_emitted[handle % 2]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_to_all),
		TEST(test_names_are_of_a_uid),
		TEST(test_handles),
		TEST(test_cancel),
		TEST(test_end_of_a_session),
		TEST(test_merged),
		TEST(test_queued),
		TEST(test_two_gaps),
		TEST(test_order),
		TEST(test_beside_timers),
		TEST(test_shared_payload),
		TEST(test_limit_of_bytes),
		TEST(test_pool_of_bytes),
		TEST(test_limit_of_nothing),
		TEST(test_shared),
		TEST(test_defined_over_others),
		TEST(test_access_changes),
		TEST(test_over_beside_mail),
		TEST(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
