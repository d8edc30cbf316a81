/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests to watch paths: what is refused and in which words, what is counted, and what is told. */

#include "tests/unit/test.h"

#include <limits.h>
#include <string.h>

#include "daemon/core/tenant.h"
#include "proto/limits.h"
#include "tests/unit/fake-watcher.h"
#include "tests/unit/peer-world.h"

#define METHOD(name) EVLOOP__METHOD__METHOD_##name
#define STATUS(name) EVLOOP__STATUS__STATUS_##name
#define BYTES(text)                                                                                                    \
	{ .data = (uint8_t *)(text), .len = sizeof(text) - 1 }

static struct peer_world world;
static struct peer peer;
static struct fake_watcher fake;
static Evloop__WatchPathRequest request;

static int setup(void **state _unused_) {
	assert_int_equal(peer_world_init(&world, NULL, NULL), 0);
	world.rpc.executes = true; /* a user's own instance */
	fake_watcher_init(&fake);
	scheduler_set_path_watcher(world.scheduler, &fake.watcher);
	peer_init(&peer, &world);
	peer_open(&peer);
	evloop__watch_path_request__init(&request);
	request.handle = 7;
	request.path = (ProtobufCBinaryData)BYTES("/a/b");
	return 0;
}

static int teardown(void **state _unused_) {
	peer_deinit(&peer);
	peer_world_deinit(&world);
	return 0;
}

static void watch(void) {
	const Evloop__Watched *reply = peer_call(&peer, METHOD(WATCH_PATH), &request, NULL);

	assert_true(reply->id > 0);
}

static void expect_refusal(Evloop__Status status, const char *words) {
	const Evloop__Error *error = NULL;
	unsigned adds = fake.adds;

	assert_null(peer_call(&peer, METHOD(WATCH_PATH), &request, &error));
	assert_int_equal(error->status, status);
	if (!strstr(error->message, words))
		fail_msg("'%s' is not in '%s'", words, error->message);
	if (fake.result == 0)
		assert_int_equal(fake.adds, adds);
	assert_int_equal(tenant_use(peer_world_newest(&world)->owner.tenant)->claims, 0);
}

static const Evloop__Event *next_event(void) {
	struct frame frame;

	for (unsigned i = 0; i < 8; i++) {
		peer_world_turn(&world);
		if (!peer_take(&peer, &frame))
			continue;
		assert_int_equal(frame.method, METHOD(EVENT));
		return peer_unpack(&peer, &evloop__event__descriptor, &frame);
	}
	return NULL;
}

static const Evloop__Event *expect(Evloop__EventType type) {
	const Evloop__Event *event = next_event();

	assert_non_null(event);
	assert_int_equal(event->handle, 7);
	assert_int_equal(event->type, type);
	assert_true(event->fired_ns > 0);
	return event;
}

static void ack(void) {
	Evloop__AckRequest acknowledgement = EVLOOP__ACK_REQUEST__INIT;

	acknowledgement.handles = &request.handle;
	acknowledgement.n_handles = 1;
	(void)peer_put(&peer, FRAME_ONEWAY, METHOD(ACK), &acknowledgement);
	assert_true(peer_flush(&peer));
}

static void test_told(void **state _unused_) {
	ProtobufCBinaryData exclude[] = { BYTES("*.o"), BYTES(".git") };
	const Evloop__Event *event;

	request.recursive = true;
	request.exclude = exclude;
	request.n_exclude = 2;
	watch();
	assert_string_equal(fake.path, "/a/b");
	assert_string_equal(fake.exclude, "*.o");
	assert_int_equal(fake.n_exclude, 2);
	assert_true(fake.recursive);
	path_watch_changed(fake.watch, "c/d", 3, PATH_CREATED | PATH_MODIFIED);
	path_watch_changed(fake.watch, "\xff", 1, PATH_DELETED); /* names are bytes */
	event = expect(EVLOOP__EVENT_TYPE__EVENT_CHANGED);
	assert_int_equal(event->n_changes, 2);
	assert_int_equal(event->changes[0]->path.len, 3);
	assert_memory_equal(event->changes[0]->path.data, "c/d", 3);
	assert_int_equal(event->changes[0]->changes, EVLOOP__CHANGE__CHANGE_CREATED | EVLOOP__CHANGE__CHANGE_MODIFIED);
	assert_memory_equal(event->changes[1]->path.data, "\xff", 1);
	assert_int_equal(event->changes[1]->changes, EVLOOP__CHANGE__CHANGE_DELETED);
	assert_true(event->more);
	assert_false(event->rescan);
	assert_int_equal(event->fires, 2);
	assert_int_equal(event->fire_seq, 2);
	path_watch_lost_track(fake.watch);
	assert_null(next_event());
	ack();
	assert_true(expect(EVLOOP__EVENT_TYPE__EVENT_CHANGED)->rescan);
	ack();
	peer_world_settle(&world);
	path_watch_failed(TAKE_PTR(fake.watch), EACCES);
	event = expect(EVLOOP__EVENT_TYPE__EVENT_CHANGED);
	assert_int_equal(event->error, EACCES);
	assert_false(event->more);
}

/* As much as an event can tell fits into a packet. */
static void test_full(void **state _unused_) {
	char name[PATH_CHANGES_SIZE_MAX / PATH_CHANGES_MAX + 1];
	const Evloop__Event *event;

	watch();
	for (unsigned i = 0; i < PATH_CHANGES_MAX; i++) {
		snprintf(name, sizeof(name), "%0*u", (int)sizeof(name) - 1, i);
		path_watch_changed(fake.watch, name, sizeof(name) - 1, 15);
	}
	event = expect(EVLOOP__EVENT_TYPE__EVENT_CHANGED);
	assert_int_equal(event->n_changes, PATH_CHANGES_MAX);
	assert_false(event->rescan);
}

static void test_timeout(void **state _unused_) {
	const Evloop__Event *event;

	request.timeout_ns = 1;
	watch();
	event = expect(EVLOOP__EVENT_TYPE__EVENT_TIMEOUT);
	assert_true(event->more);
	assert_int_equal(event->fires, 0);
	assert_int_equal(event->n_changes, 0);
}

static void test_path_refused(void **state _unused_) {
	static char longest[PATH_MAX + 1];

	request.handle = 0;
	expect_refusal(STATUS(INVALID), "handle");
	request.handle = 7;
	request.path = (ProtobufCBinaryData)BYTES("");
	expect_refusal(STATUS(INVALID), "not absolute");
	request.path = (ProtobufCBinaryData)BYTES("a/b");
	expect_refusal(STATUS(INVALID), "not absolute");
	request.path = (ProtobufCBinaryData)BYTES("/a\0b");
	expect_refusal(STATUS(INVALID), "NUL");
	memset(longest, '/', sizeof(longest));
	request.path = (ProtobufCBinaryData){ .data = (uint8_t *)longest, .len = PATH_MAX };
	expect_refusal(STATUS(OUT_OF_RANGE), "4096 bytes, more than 4095");
	request.path.len = PATH_MAX - 1;
	watch();
}

static void test_exclude_refused(void **state _unused_) {
	ProtobufCBinaryData exclude[PATH_EXCLUDES_MAX + 1];
	uint8_t longest[PATH_EXCLUDE_LENGTH_MAX + 1];

	memset(longest, 'x', sizeof(longest));
	for (size_t i = 0; i < ARRAY_SIZE(exclude); i++)
		exclude[i] = (ProtobufCBinaryData){ .data = longest, .len = PATH_EXCLUDE_LENGTH_MAX };
	request.exclude = exclude;
	request.n_exclude = ARRAY_SIZE(exclude);
	expect_refusal(STATUS(OUT_OF_RANGE), "65 patterns");
	request.n_exclude--;
	exclude[3].len++;
	expect_refusal(STATUS(OUT_OF_RANGE), "exclude[3] has 256 bytes");
	exclude[3].len = 0;
	expect_refusal(STATUS(INVALID), "exclude[3] is empty");
	exclude[3] = (ProtobufCBinaryData)BYTES("a\0");
	expect_refusal(STATUS(INVALID), "exclude[3] has a NUL");
	exclude[3] = exclude[2];
	watch();
}

static void test_times_refused(void **state _unused_) {
	request.settle_ns = -1;
	expect_refusal(STATUS(OUT_OF_RANGE), "settle_ns");
	request.settle_ns = INT64_MAX;
	expect_refusal(STATUS(OUT_OF_RANGE), "settle_ns");
	request.settle_ns = TIME_NS_MAX;
	request.timeout_ns = -1;
	expect_refusal(STATUS(OUT_OF_RANGE), "timeout_ns");
	request.timeout_ns = TIME_NS_MAX;
	watch();
	path_watch_changed(fake.watch, "a", 1, PATH_CREATED); /* and no sum of times goes wrong */
	assert_null(next_event());
}

static void test_counted(void **state _unused_) {
	Evloop__HandleRequest handle = EVLOOP__HANDLE_REQUEST__INIT;
	const Evloop__CancelReply *cancelled;

	assert_null(quota_set(&world.quota, "paths=1"));
	watch();
	request.handle++;
	expect_refusal(STATUS(QUOTA), "paths");
	handle.handle = 7;
	cancelled = peer_call(&peer, METHOD(CANCEL_HANDLE), &handle, NULL);
	assert_int_equal(cancelled->outcome, EVLOOP__OUTCOME__OUTCOME_CANCELLED);
	assert_int_equal(fake.removes, 1);
	watch();
}

static void test_handle_exists(void **state _unused_) {
	watch();
	expect_refusal(STATUS(EXISTS), "handle 7");
}

static void test_nobody_looks(void **state _unused_) {
	fake.result = PATH_WATCH_E_STUCK;
	expect_refusal(STATUS(INTERNAL), "do not answer");
	fake.result = 0;
	scheduler_set_path_watcher(world.scheduler, NULL);
	expect_refusal(STATUS(UNSUPPORTED), "evloop-paths");
}

static void test_other_people(void **state _unused_) {
	world.rpc.uid++;
	expect_refusal(STATUS(UNSUPPORTED), "use your own");
	world.rpc.uid--;
	world.rpc.executes = false;
	expect_refusal(STATUS(UNSUPPORTED), "evloop without --system");
}

static void test_gate(void **state _unused_) {
	Evloop__LimiterRule rule = EVLOOP__LIMITER_RULE__INIT, *rules = &rule;
	Evloop__LimiterSpec limiter = EVLOOP__LIMITER_SPEC__INIT;
	Evloop__Gate gate = EVLOOP__GATE__INIT;

	limiter.name = gate.limiter = (char *)"l";
	request.gate = &gate;
	expect_refusal(STATUS(NOT_FOUND), "'l'");
	rule.tokens = rule.burst = 1;
	rule.period_ns = 3600 * NSEC_PER_SEC;
	limiter.rules = &rules;
	limiter.n_rules = 1;
	assert_non_null(peer_call(&peer, METHOD(LIMITER_SET), &limiter, NULL));
	fake.result = PATH_WATCH_E_STUCK;
	expect_refusal(STATUS(INTERNAL), "do not answer");
	fake.result = 0;
	watch();
	path_watch_changed(fake.watch, "a", 1, PATH_CREATED);
	assert_int_equal(expect(EVLOOP__EVENT_TYPE__EVENT_CHANGED)->n_changes, 1);
	ack();
	peer_world_settle(&world);
	path_watch_changed(fake.watch, "a", 1, PATH_CREATED);
	assert_null(next_event());
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_path_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exclude_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_times_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_handle_exists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_looks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_people, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gate, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
