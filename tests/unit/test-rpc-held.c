/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Permits after the death of a daemon: who held them says so, and nobody else gets any meanwhile. */

#include "tests/unit/test.h"

#include <string.h>

#include "daemon/core/limiter.h"
#include "daemon/core/tenant.h"
#include "proto/method.h"
#include "tests/unit/peer-world.h"

#define METHOD(name) EVLOOP__METHOD__METHOD_##name
#define STATUS(name) EVLOOP__STATUS__STATUS_##name
#define SEC NSEC_PER_SEC

static struct peer_world world;
static struct peer kept, fresh; /* a session of before, and one that came later */

static int setup(void **state _unused_) {
	assert_int_equal(peer_world_init(&world, NULL, NULL), 0);
	peer_init(&kept, &world);
	peer_open(&kept);
	peer_world_newest(&world)->taken_over = true;
	peer_init(&fresh, &world);
	peer_open(&fresh);
	return 0;
}

static int teardown(void **state _unused_) {
	peer_deinit(&kept);
	peer_deinit(&fresh);
	peer_world_deinit(&world);
	return 0;
}

static void make(const char *name, uint64_t concurrency, bool keyed) {
	Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;

	spec.name = (char *)name;
	spec.kind = concurrency > 0 ? EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY : EVLOOP__LIMITER_KIND__LIMITER_RATE;
	spec.concurrency = concurrency;
	spec.keyed = keyed;
	assert_non_null(peer_call(&kept, METHOD(LIMITER_SET), &spec, NULL));
}

static Evloop__LimiterWaitRequest wish(const char *name, uint64_t handle, uint64_t cost, bool held) {
	Evloop__LimiterWaitRequest request = EVLOOP__LIMITER_WAIT_REQUEST__INIT;

	request.handle = handle;
	request.name = (char *)name;
	request.cost = cost;
	request.held = held;
	request.max_wait_ns = held ? 0 : -1;
	return request;
}

static const Evloop__Grant *wait_for(struct peer *peer, const Evloop__LimiterWaitRequest *request) {
	const Evloop__Grant *grant = peer_call(peer, METHOD(LIMITER_WAIT), request, NULL);

	assert_non_null(grant);
	return grant;
}

static void expect_refusal(struct peer *peer, const Evloop__LimiterWaitRequest *request, Evloop__Status status,
			   const char *text) {
	const Evloop__Error *error = NULL;

	assert_null(peer_call(peer, METHOD(LIMITER_WAIT), request, &error));
	if (error->status != status || !strstr(error->message, text))
		fail_msg("'%s' in place of '%s', status %d", error->message, text, error->status);
}

static uint64_t held(const char *name) {
	struct limiter_info info;

	limiter_describe(limiter_find(peer_world_newest(&world)->owner.tenant, name), &info);
	return info.held;
}

static void settle_in(int64_t ns) {
	scheduler_set_settled(world.scheduler, loop_refresh(world.loop)->ns[TIMER_CLOCK_BOOTTIME] + ns);
}

static void test_refused(void **state _unused_) {
	Evloop__LimiterWaitRequest request = wish("four", 1, 1, true);

	settle_in(3600 * SEC);
	make("four", 4, false);
	make("rate", 0, false);
	expect_refusal(&fresh, &request, STATUS(INVALID), "not granted in this session");
	request = wish("rate", 1, 1, true);
	expect_refusal(&kept, &request, STATUS(INVALID), "tokens are nobody's");
	request = wish("four", 1, 5, true);
	expect_refusal(&kept, &request, STATUS(COST_EXCEEDS_BURST), "5 is more than");
	request = wish("none", 1, 1, true);
	expect_refusal(&kept, &request, STATUS(NOT_FOUND), "no limiter named");
	request = wish("four", 1, 4, true);
	(void)wait_for(&kept, &request);
	expect_refusal(&kept, &request, STATUS(EXISTS), "handle 1 is in use");
	assert_int_equal(held("four"), 1);
}

static void test_out_at_once(void **state _unused_) {
	Evloop__LimiterWaitRequest request = wish("four", 1, 3, true);
	Evloop__HandleRequest cancel = EVLOOP__HANDLE_REQUEST__INIT;
	const Evloop__Grant *grant;

	make("four", 4, false);
	grant = wait_for(&kept, &request);
	assert_true(grant->allowed);
	assert_false(grant->queued);
	assert_int_equal(grant->remaining, 1);
	request = wish("four", 1, 2, false);
	assert_true(wait_for(&fresh, &request)->queued);
	cancel.handle = 1;
	assert_non_null(peer_call(&kept, METHOD(CANCEL_HANDLE), &cancel, NULL));
	assert_int_equal(held("four"), 1);
}

/* More than there are, where the limiter has become smaller meanwhile: they are out all the same. */
static void test_beyond_the_limit(void **state _unused_) {
	Evloop__LimiterWaitRequest request;

	settle_in(3600 * SEC);
	make("four", 4, false);
	for (uint64_t handle = 1; handle <= 3; handle++) {
		request = wish("four", handle, 2, true);
		assert_true(wait_for(&kept, &request)->allowed);
	}
	request = wish("four", 1, 1, false);
	assert_true(wait_for(&fresh, &request)->queued);
}

/* Who comes too late finds what others have left: by then they may have got any, and he could say what he likes. */
static void test_too_late(void **state _unused_) {
	Evloop__LimiterWaitRequest request;

	make("four", 4, false);
	settle_in(0);
	request = wish("four", 1, 3, false);
	assert_true(wait_for(&fresh, &request)->allowed);
	request = wish("four", 1, 2, true);
	expect_refusal(&kept, &request, STATUS(TIMEOUT), "no longer kept");
	request = wish("four", 1, 1, true);
	assert_true(wait_for(&kept, &request)->allowed);
	request = wish("four", 2, 1, true);
	expect_refusal(&kept, &request, STATUS(TIMEOUT), "no longer kept");
}

static void test_oneway(void **state _unused_) {
	Evloop__LimiterWaitRequest request = wish("four", 1, 1, true);
	const Evloop__Error *error;
	struct frame frame;

	settle_in(3600 * SEC);
	make("four", 4, false);
	(void)peer_put(&kept, FRAME_ONEWAY, METHOD(LIMITER_WAIT), &request);
	(void)peer_flush(&kept);
	peer_world_settle(&world);
	assert_false(peer_take(&kept, &frame));
	assert_int_equal(held("four"), 1);
	/* A refusal is told. */
	(void)peer_put(&kept, FRAME_ONEWAY, METHOD(LIMITER_WAIT), &request);
	(void)peer_flush(&kept);
	peer_world_settle(&world);
	assert_true(peer_take(&kept, &frame));
	assert_int_equal(frame.method, METHOD(REFUSED));
	error = peer_unpack(&kept, &evloop__error__descriptor, &frame);
	assert_int_equal(error->status, STATUS(EXISTS));
	assert_int_equal(error->handle, 1);
}

/* Until all have said what they hold. */
static void test_nobody_else(void **state _unused_) {
	int64_t now_ns = loop_refresh(world.loop)->ns[TIMER_CLOCK_BOOTTIME], settled_ns = now_ns + 3600 * SEC;
	Evloop__LimiterWaitRequest request = wish("four", 1, 1, false);
	Evloop__LimiterRequest reset = EVLOOP__LIMITER_REQUEST__INIT;
	const Evloop__Grant *grant;

	scheduler_set_settled(world.scheduler, settled_ns);
	make("four", 4, false);
	make("keyed", 4, true);
	request.max_wait_ns = 0;
	grant = wait_for(&fresh, &request);
	assert_false(grant->allowed);
	assert_true(grant->retry_after_ns > 3500 * SEC && grant->retry_after_ns <= 3600 * SEC);
	reset.name = (char *)"four";
	assert_non_null(peer_call(&fresh, METHOD(LIMITER_RESET), &reset, NULL));
	assert_false(wait_for(&fresh, &request)->allowed);
	request = wish("keyed", 2, 1, false);
	request.key = (ProtobufCBinaryData){ .data = (uint8_t *)"k", .len = 1 };
	assert_true(wait_for(&fresh, &request)->queued);
	request = wish("four", 1, 2, true);
	grant = wait_for(&kept, &request);
	assert_true(grant->allowed);
	assert_int_equal(grant->retry_after_ns, 0);
	/* What is made later has nobody who could have had permits of before. */
	scheduler_set_settled(world.scheduler, now_ns);
	make("new", 1, false);
	request = wish("new", 3, 1, false);
	assert_true(wait_for(&fresh, &request)->allowed);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_refused),  TEST(test_out_at_once), TEST(test_beyond_the_limit),
		TEST(test_too_late), TEST(test_oneway),      TEST(test_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
