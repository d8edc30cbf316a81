/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gates by messages: which sources may have one, what is refused and in which words, and that it holds back what it should. */

#include "tests/unit/test.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "daemon/core/limiter.h"
#include "daemon/core/path-watch.h"
#include "daemon/core/tenant.h"
#include "tests/unit/fake-starter.h"
#include "tests/unit/peer-world.h"

#define METHOD(name) EVLOOP__METHOD__METHOD_##name
#define STATUS(name) EVLOOP__STATUS__STATUS_##name

static struct peer_world world;
static struct fake_starter fake;
static struct peer peer;

/* One token in 1000 s: what does not come through at once comes when the limiter is reset. */
static void make_limiter(const char *name, uint64_t burst, bool keyed, uint64_t concurrency) {
	Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;
	Evloop__LimiterRule rule = EVLOOP__LIMITER_RULE__INIT, *rules = &rule;

	spec.name = (char *)name;
	spec.keyed = keyed;
	spec.concurrency = concurrency;
	rule.tokens = 1;
	rule.period_ns = 1000 * NSEC_PER_SEC;
	rule.burst = burst;
	if (concurrency == 0) {
		spec.rules = &rules;
		spec.n_rules = 1;
	} else {
		spec.kind = EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY;
	}
	assert_non_null(peer_call(&peer, METHOD(LIMITER_SET), &spec, NULL));
}

static int setup(void **state _unused_) {
	fake_starter_init(&fake);
	world.starter = &fake.starter;
	assert_int_equal(peer_world_init(&world, NULL, NULL), 0);
	peer_init(&peer, &world);
	peer_open(&peer);
	make_limiter("l", 1, false, 0);
	return 0;
}

static int teardown(void **state _unused_) {
	peer_deinit(&peer);
	peer_world_settle(&world);
	peer_world_deinit(&world);
	return 0;
}

static const struct tenant_use *use_of(void) {
	return tenant_use(peer_world_newest(&world)->owner.tenant);
}

static Evloop__Gate gate_of(const char *limiter) {
	Evloop__Gate gate = EVLOOP__GATE__INIT;

	gate.limiter = (char *)limiter;
	return gate;
}

static Evloop__TimerSpec timer_of(uint64_t handle, Evloop__Gate *gate) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;

	spec.handle = handle;
	spec.relative = true;
	spec.gate = gate;
	return spec;
}

static void reset(void) {
	Evloop__LimiterRequest request = EVLOOP__LIMITER_REQUEST__INIT;

	request.name = (char *)"l";
	(void)peer_put(&peer, FRAME_ONEWAY, METHOD(LIMITER_RESET), &request);
	assert_true(peer_flush(&peer));
	peer_world_settle(&world);
}

static void expect_event(uint64_t handle, Evloop__EventType type) {
	const Evloop__Event *event;
	struct frame frame;

	assert_true(peer_take(&peer, &frame));
	assert_int_equal(frame.method, METHOD(EVENT));
	event = peer_unpack(&peer, &evloop__event__descriptor, &frame);
	assert_int_equal(event->handle, handle);
	assert_int_equal(event->type, type);
}

static void expect_none(void) {
	struct frame frame;

	peer_world_settle(&world);
	assert_false(peer_take(&peer, &frame));
}

static void expect_refusal(unsigned method, const void *request, Evloop__Status status, const char *text) {
	const Evloop__Error *error;

	assert_null(peer_call(&peer, method, request, &error));
	if (error->status != status || !strstr(error->message, text))
		fail_msg("'%s' in place of '%s', status %d", error->message, text, error->status);
}

static void refused(Evloop__Gate gate, Evloop__Status status, const char *text) {
	Evloop__SubscribeRequest subscribe = EVLOOP__SUBSCRIBE_REQUEST__INIT;
	Evloop__TimerSpec timer = timer_of(1, &gate);

	subscribe.handle = 1;
	subscribe.topic = (char *)"t";
	subscribe.gate = &gate;
	expect_refusal(METHOD(ARM), &timer, status, text);
	expect_refusal(METHOD(SUBSCRIBE), &subscribe, status, text);
	assert_int_equal(use_of()->claims, 0);
	assert_int_equal(use_of()->timers, 0);
	assert_int_equal(use_of()->subscriptions, 0);
}

static void test_refused(void **state _unused_) {
	uint8_t long_key[LIMITER_KEY_MAX + 1] = { 0 };
	Evloop__Gate gate = gate_of("l");

	make_limiter("keyed", 1, true, 0);
	make_limiter("permits", 0, false, 3);
	refused(gate_of("none"), STATUS(NOT_FOUND), "there is no limiter named 'none'");
	refused(gate_of(""), STATUS(NOT_FOUND), "there is no limiter named ''");
	refused(gate_of("permits"), STATUS(INVALID), "the limiter 'permits' has permits");
	refused(gate_of("keyed"), STATUS(INVALID), "the limiter 'keyed' needs a key");
	gate.key = (ProtobufCBinaryData){ .data = long_key, .len = 1 };
	refused(gate, STATUS(INVALID), "the limiter 'l' has no keys");
	gate.key.len = sizeof(long_key);
	refused(gate, STATUS(OUT_OF_RANGE), "the key has 256 bytes, more than 255");
	gate = gate_of("l");
	gate.cost = 2;
	refused(gate, STATUS(COST_EXCEEDS_BURST), "2 is more than the limiter 'l' could ever grant: 1/1000s");
	world.quota.limits[QUOTA_CLAIMS] = 0;
	refused(gate_of("l"), STATUS(QUOTA), "claims");
}

/* A gate is a place in line, and a key in use, from the beginning. */
static void test_no_room(void **state _unused_) {
	Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;
	Evloop__Gate gate = gate_of("narrow");
	Evloop__TimerSpec timer = timer_of(1, &gate);

	timer.deadline_ns = 1000 * NSEC_PER_SEC;
	spec.name = (char *)"narrow";
	spec.max_waiters = 1;
	assert_non_null(peer_call(&peer, METHOD(LIMITER_SET), &spec, NULL));
	assert_non_null(peer_call(&peer, METHOD(ARM), &timer, NULL));
	timer.handle = 2;
	expect_refusal(METHOD(ARM), &timer, STATUS(QUOTA),
		       "the limiter 'narrow' has 1 gates, as many as may wait for it");

	spec.name = gate.limiter = (char *)"keyed";
	spec.keyed = spec.deny_when_full = true;
	spec.max_keys = 1;
	spec.max_waiters = 0;
	assert_non_null(peer_call(&peer, METHOD(LIMITER_SET), &spec, NULL));
	gate.key = (ProtobufCBinaryData){ .data = (uint8_t *)"a", .len = 1 };
	assert_non_null(peer_call(&peer, METHOD(ARM), &timer, NULL));
	timer.handle = 3;
	gate.key.data = (uint8_t *)"b";
	expect_refusal(METHOD(ARM), &timer, STATUS(QUOTA), "the limiter 'keyed' has no room for another key: 1");
	assert_int_equal(use_of()->claims, 2);
}

/* A timer that outlives the session has nobody whose events could be held back. */
static void test_refused_timers(void **state _unused_) {
	ProtobufCBinaryData argv = { .data = (uint8_t *)"true", .len = 4 };
	Evloop__Command command = EVLOOP__COMMAND__INIT;
	Evloop__Gate gate = gate_of("l");
	Evloop__TimerSpec spec = timer_of(1, &gate);

	spec.detached = true;
	expect_refusal(METHOD(ARM), &spec, STATUS(INVALID), "a gate is for a timer of a session");
	spec.detached = false;
	command.argv = &argv;
	command.n_argv = 1;
	spec.command = &command;
	expect_refusal(METHOD(ARM), &spec, STATUS(INVALID), "a gate is for a timer of a session");
	assert_int_equal(use_of()->timers, 0);
	assert_int_equal(use_of()->claims, 0);
}

/* What is refused for another reason has no gate left behind. */
static void test_handle_in_use(void **state _unused_) {
	Evloop__SubscribeRequest subscribe = EVLOOP__SUBSCRIBE_REQUEST__INIT;
	Evloop__WatchFdRequest watch = EVLOOP__WATCH_FD_REQUEST__INIT;
	Evloop__Gate gate = gate_of("l");
	Evloop__TimerSpec spec = timer_of(1, NULL);
	const Evloop__Error *error;
	int fds[2];

	spec.deadline_ns = 1000 * NSEC_PER_SEC;
	assert_non_null(peer_call(&peer, METHOD(ARM), &spec, NULL));
	spec.gate = subscribe.gate = watch.gate = &gate;
	expect_refusal(METHOD(ARM), &spec, STATUS(EXISTS), "handle 1 is in use");
	subscribe.handle = watch.handle = 1;
	subscribe.topic = (char *)"t";
	expect_refusal(METHOD(SUBSCRIBE), &subscribe, STATUS(EXISTS), "handle 1 is in use");
	skip_in_valgrind(); /* the descriptor that comes with it is closed elsewhere */
	assert_int_equal(pipe(fds), 0);
	watch.events = EVLOOP__READINESS__READINESS_READABLE;
	assert_null(peer_call_with_fd(&peer, METHOD(WATCH_FD), &watch, fds[0], &error));
	assert_int_equal(error->status, STATUS(EXISTS));
	close_fd(fds[0]);
	close_fd(fds[1]);
	assert_int_equal(use_of()->claims, 0);
}

static void test_timers(void **state _unused_) {
	Evloop__HandleRequest cancel = EVLOOP__HANDLE_REQUEST__INIT;
	const Evloop__CancelReply *cancelled;
	Evloop__Gate gate = gate_of("l");
	Evloop__TimerSpec spec;

	for (uint64_t handle = 1; handle <= 4; handle++) {
		spec = timer_of(handle, &gate);
		(void)peer_put(&peer, FRAME_ONEWAY, METHOD(ARM), &spec);
	}
	assert_true(peer_flush(&peer));
	peer_world_settle(&world);
	expect_event(1, EVLOOP__EVENT_TYPE__EVENT_FIRED);
	expect_none();
	assert_int_equal(use_of()->claims, 3);
	cancel.handle = 2;
	cancelled = peer_call(&peer, METHOD(CANCEL_HANDLE), &cancel, NULL);
	assert_int_equal(cancelled->outcome, EVLOOP__OUTCOME__OUTCOME_WITHDRAWN);
	expect_none();
	reset();
	expect_event(3, EVLOOP__EVENT_TYPE__EVENT_FIRED);
	expect_none();
	reset();
	expect_event(4, EVLOOP__EVENT_TYPE__EVENT_FIRED);
	assert_int_equal(use_of()->claims, 0);
}

/* ENSURE says what is wanted, the gate included. */
static void test_ensure(void **state _unused_) {
	Evloop__Gate gate = gate_of("l");
	Evloop__TimerSpec spec = timer_of(1, &gate);

	spec.name = (char *)"n";
	spec.name_mode = EVLOOP__NAME_MODE__NAME_ENSURE;
	spec.deadline_ns = 1000 * NSEC_PER_SEC;
	for (unsigned i = 0; i < 3; i++) {
		assert_non_null(peer_call(&peer, METHOD(ARM), &spec, NULL));
		assert_int_equal(use_of()->claims, 1);
	}
	spec.gate = NULL;
	assert_non_null(peer_call(&peer, METHOD(ARM), &spec, NULL));
	assert_int_equal(use_of()->claims, 0);
}

static void test_topic(void **state _unused_) {
	Evloop__SubscribeRequest subscribe = EVLOOP__SUBSCRIBE_REQUEST__INIT;
	Evloop__EmitRequest emit = EVLOOP__EMIT_REQUEST__INIT;
	Evloop__Gate gate = gate_of("l");
	const Evloop__EmitReply *reply;

	subscribe.handle = 7;
	subscribe.topic = emit.topic = (char *)"t";
	subscribe.queue = 8;
	subscribe.gate = &gate;
	assert_non_null(peer_call(&peer, METHOD(SUBSCRIBE), &subscribe, NULL));
	(void)peer_put(&peer, FRAME_ONEWAY, METHOD(EMIT), &emit);
	(void)peer_put(&peer, FRAME_ONEWAY, METHOD(EMIT), &emit);
	assert_true(peer_flush(&peer));
	peer_world_settle(&world);
	expect_event(7, EVLOOP__EVENT_TYPE__EVENT_MESSAGE);
	expect_none();
	/* It has been given to one, who has not seen it yet. */
	reply = peer_call(&peer, METHOD(EMIT), &emit, NULL);
	assert_int_equal(reply->receivers, 1);
	expect_none();
	for (unsigned i = 0; i < 2; i++) {
		reset();
		expect_event(7, EVLOOP__EVENT_TYPE__EVENT_MESSAGE);
		expect_none();
	}
}

static void test_watch(void **state _unused_) {
	Evloop__WatchFdRequest watch = EVLOOP__WATCH_FD_REQUEST__INIT;
	Evloop__AckRequest ack = EVLOOP__ACK_REQUEST__INIT;
	Evloop__Gate gate = gate_of("l");
	uint64_t handle = 7;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	watch.handle = handle;
	watch.events = EVLOOP__READINESS__READINESS_READABLE;
	watch.gate = &gate;
	assert_non_null(peer_call_with_fd(&peer, METHOD(WATCH_FD), &watch, fds[0], NULL));
	peer_world_settle(&world);
	expect_event(7, EVLOOP__EVENT_TYPE__EVENT_READY);
	ack.handles = &handle;
	ack.n_handles = 1;
	assert_non_null(peer_call(&peer, METHOD(ACK), &ack, NULL));
	expect_none();
	reset();
	expect_event(7, EVLOOP__EVENT_TYPE__EVENT_READY);
	expect_none();
	close_fd(fds[0]);
	close_fd(fds[1]);
}

static struct path_watch *path_watch;

static int add_path(struct path_watcher *watcher _unused_, struct path_watch *watch,
		    const struct path_spec *spec _unused_, void **ret_token) {
	*ret_token = path_watch = watch;
	return 0;
}

static void remove_path(struct path_watcher *watcher _unused_, void *token) {
	assert_ptr_equal(token, path_watch);
	path_watch = NULL;
}

static void test_path(void **state _unused_) {
	static struct path_watcher watcher = { .add = add_path, .remove = remove_path };
	Evloop__WatchPathRequest watch = EVLOOP__WATCH_PATH_REQUEST__INIT;
	Evloop__AckRequest ack = EVLOOP__ACK_REQUEST__INIT;
	Evloop__Gate gate = gate_of("l"), none = gate_of("none");
	uint64_t handle = 7;

	scheduler_set_path_watcher(world.scheduler, &watcher);
	watch.handle = handle;
	watch.path = (ProtobufCBinaryData){ .data = (uint8_t *)"/w", .len = 2 };
	watch.gate = &none;
	expect_refusal(METHOD(WATCH_PATH), &watch, STATUS(NOT_FOUND), "there is no limiter named 'none'");
	assert_null(path_watch);
	watch.gate = &gate;
	assert_non_null(peer_call(&peer, METHOD(WATCH_PATH), &watch, NULL));
	expect_refusal(METHOD(WATCH_PATH), &watch, STATUS(EXISTS), "handle 7 is in use");
	assert_int_equal(use_of()->claims, 1);
	path_watch_changed(path_watch, "a", 1, PATH_CREATED);
	peer_world_settle(&world);
	expect_event(7, EVLOOP__EVENT_TYPE__EVENT_CHANGED);
	ack.handles = &handle;
	ack.n_handles = 1;
	assert_non_null(peer_call(&peer, METHOD(ACK), &ack, NULL));
	path_watch_changed(path_watch, "a", 1, PATH_DELETED);
	expect_none();
	reset();
	expect_event(7, EVLOOP__EVENT_TYPE__EVENT_CHANGED);
	expect_none();
	peer_hang_up(&peer);
	peer_world_settle(&world);
	assert_null(path_watch);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_refused),       TEST(test_no_room), TEST(test_refused_timers),
		TEST(test_handle_in_use), TEST(test_timers),  TEST(test_ensure),
		TEST(test_topic),         TEST(test_watch),   TEST(test_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
