/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests that concern the daemon as a whole, and answers that come later. */

#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/reload.h"
#include "daemon/rpc/deferred.h"
#include "tests/unit/peer-world.h"

#define METHOD(name) EVLOOP__METHOD__METHOD_##name

static struct peer_world world;
static struct peer peer;
static struct deferred_list asked = STAILQ_HEAD_INITIALIZER(asked); /* who wants a reload */
static unsigned n_asked;

static void take_note(void *userdata _unused_, struct deferred *deferred) {
	STAILQ_INSERT_TAIL(&asked, deferred, link);
	n_asked++;
}

static const struct rpc_ops ops = { .reload = take_note };

static int setup(void **state _unused_) {
	assert_int_equal(peer_world_init(&world, NULL, NULL), 0);
	peer_init(&peer, &world);
	peer_open(&peer);
	world.rpc.ops = &ops;
	STAILQ_INIT(&asked);
	n_asked = 0;
	return 0;
}

static int teardown(void **state _unused_) {
	peer_deinit(&peer);
	peer_world_deinit(&world);
	return 0;
}

static const Evloop__QuotaReply__Quota *quota(const char *name) {
	Evloop__QuotaRequest request = EVLOOP__QUOTA_REQUEST__INIT;
	const Evloop__QuotaReply *reply = peer_call(&peer, METHOD(QUOTA), &request, NULL);

	assert_int_equal(reply->n_quotas, QUOTA_MAX);
	for (size_t i = 0; i < reply->n_quotas; i++)
		if (strcmp(reply->quotas[i]->name, name) == 0)
			return reply->quotas[i];
	fail_msg("there is no quota %s", name);
	return NULL;
}

static void test_quota(void **state _unused_) {
	Evloop__TimerSpec timer = EVLOOP__TIMER_SPEC__INIT;
	Evloop__LimiterSpec limiter = EVLOOP__LIMITER_SPEC__INIT;
	struct peer second;

	world.quota.limits[QUOTA_TIMERS] = 7;
	assert_int_equal(quota("timers")->limit, 7);
	assert_int_equal(quota("timers")->used, 0);
	assert_int_equal(quota("sessions")->used, 1);

	timer.handle = 1;
	timer.relative = true;
	timer.deadline_ns = NSEC_PER_SEC;
	(void)peer_call(&peer, METHOD(ARM), &timer, NULL);
	limiter.name = (char *)"unlimited";
	(void)peer_call(&peer, METHOD(LIMITER_SET), &limiter, NULL);
	peer_init(&second, &world);
	peer_open(&second);
	assert_int_equal(quota("timers")->used, 1);
	assert_int_equal(quota("limiters")->used, 1);
	assert_int_equal(quota("sessions")->used, 2);
	peer_deinit(&second);
	peer_world_settle(&world);
	assert_int_equal(quota("sessions")->used, 1);
}

/* Return: the answer to that request, if it has come. */
static bool answered(uint64_t serial, struct frame *ret) {
	peer_world_turn(&world);
	return peer_take(&peer, ret) && ret->serial == serial;
}

static void test_answered_later(void **state _unused_) {
	Evloop__ReloadRequest request = EVLOOP__RELOAD_REQUEST__INIT;
	Evloop__PingRequest ping = EVLOOP__PING_REQUEST__INIT;
	Evloop__ReloadReply reply = EVLOOP__RELOAD_REPLY__INIT;
	uint64_t serial = peer_put(&peer, FRAME_REQUEST, METHOD(RELOAD), &request);
	struct frame frame;

	assert_true(peer_flush(&peer));
	assert_false(answered(serial, &frame));
	assert_int_equal(n_asked, 1);
	/* Others are not kept waiting. */
	assert_non_null(peer_call(&peer, METHOD(PING), &ping, NULL));
	deferred_reply_all(&asked, &reply.base);
	assert_true(answered(serial, &frame));
	assert_int_equal(frame.kind, FRAME_REPLY);
	assert_int_equal(frame.method, METHOD(RELOAD));
}

static void test_refused_later(void **state _unused_) {
	Evloop__ReloadRequest request = EVLOOP__RELOAD_REQUEST__INIT;
	uint64_t serial = peer_put(&peer, FRAME_REQUEST, METHOD(RELOAD), &request);
	const Evloop__Error *error;
	struct frame frame;

	assert_true(peer_flush(&peer));
	assert_false(answered(serial, &frame));
	deferred_refuse_all(&asked, EVLOOP__STATUS__STATUS_INVALID, "a.limit:2: no");
	assert_true(answered(serial, &frame));
	assert_int_equal(frame.kind, FRAME_ERROR);
	error = peer_unpack(&peer, &evloop__error__descriptor, &frame);
	assert_int_equal(error->status, EVLOOP__STATUS__STATUS_INVALID);
	assert_string_equal(error->message, "a.limit:2: no");

	/* Who does not want an answer hears only of what went wrong. */
	serial = peer_put(&peer, FRAME_ONEWAY, METHOD(RELOAD), &request);
	assert_true(peer_flush(&peer));
	assert_false(answered(serial, &frame));
	deferred_refuse_all(&asked, EVLOOP__STATUS__STATUS_INVALID, "again");
	peer_world_turn(&world);
	assert_true(peer_take(&peer, &frame));
	assert_int_equal(frame.kind, FRAME_EVENT);
	assert_int_equal(frame.method, METHOD(REFUSED));
}

static void ask(struct peer *from, unsigned n) {
	Evloop__ReloadRequest request = EVLOOP__RELOAD_REQUEST__INIT;

	for (unsigned i = 0; i < n; i++)
		(void)peer_put(from, FRAME_REQUEST, METHOD(RELOAD), &request);
	assert_true(peer_flush(from));
	peer_world_settle(&world);
}

/* As many as there are: neighbours of a session in one packet, and each session what it asked. */
static void test_many_answered_at_once(void **state _unused_) {
	Evloop__ReloadReply reply = EVLOOP__RELOAD_REPLY__INIT;
	struct peer second, gone;
	struct frame frame;

	peer_init(&second, &world);
	peer_open(&second);
	peer_init(&gone, &world);
	peer_open(&gone);
	ask(&peer, 3);
	ask(&second, 1);
	/* Of these two the first finds that nobody is there. */
	ask(&gone, 1);
	ask(&second, 1);
	ask(&gone, 1);
	assert_int_equal(n_asked, 7);
	peer_hang_up(&gone);
	deferred_reply_all(&asked, &reply.base);
	assert_true(STAILQ_EMPTY(&asked));
	for (unsigned i = 0; i < 3; i++) {
		assert_true(peer_take(&peer, &frame));
		assert_int_equal(frame.method, METHOD(RELOAD));
		assert_int_equal(peer.in.size - peer.in.position, (2 - i) * FRAME_HEADER_SIZE);
	}
	for (unsigned i = 0; i < 2; i++)
		assert_true(peer_take(&second, &frame));
	assert_false(peer_take(&second, &frame));
	peer_deinit(&second);
	peer_deinit(&gone);
}

/* ---- reading the configuration again ---- */

static struct reload reload;
static struct scheduler_stats when_changed; /* what there was when all was in force */

static void start_reload(void *userdata _unused_, struct deferred *deferred) {
	reload_start(&reload, deferred);
}

static void take_settings(void *userdata _unused_, const struct settings *settings _unused_) {
	n_asked++;
}

static void look_at_change(void *userdata _unused_) {
	assert_int_equal(n_asked, 1);
	assert_false(STAILQ_EMPTY(&reload.reading)); /* nobody has been answered */
	scheduler_stats(world.scheduler, &when_changed);
}

/* Whoever hears that it is over finds all of it, also in what the service manager was told. */
static void test_changed_before_it_is_answered(void **state _unused_) {
	static const struct reload_ops reload_ops = { .change = take_settings, .changed = look_at_change };
	static const struct rpc_ops real_ops = { .reload = start_reload };
	char directory[] = "/tmp/test-reload-XXXXXX", folder[48], path[64];
	Evloop__ReloadRequest request = EVLOOP__RELOAD_REQUEST__INIT;
	struct settings_source source = { .directories = { directory }, .n_directories = 1 };
	struct frame frame;
	uint64_t serial;
	FILE *file;

	assert_non_null(mkdtemp(directory));
	(void)snprintf(folder, sizeof(folder), "%s/limits.d", directory);
	(void)snprintf(path, sizeof(path), "%s/a.limit", folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs("[Limiter]\nRate=1/h\n", file) >= 0);
	assert_int_equal(fclose(file), 0);

	reload_init(&reload, world.loop, world.scheduler, &source, &reload_ops, NULL);
	world.rpc.ops = &real_ops;
	serial = peer_put(&peer, FRAME_REQUEST, METHOD(RELOAD), &request);
	assert_true(peer_flush(&peer));
	while (!answered(serial, &frame))
		;
	assert_int_equal(frame.kind, FRAME_REPLY);
	assert_int_equal(when_changed.limiters, 1);
	reload_deinit(&reload);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(rmdir(directory), 0);
}

/* Nobody is there any more to be answered. */
static void test_gone_before(void **state _unused_) {
	Evloop__ReloadRequest request = EVLOOP__RELOAD_REQUEST__INIT;
	Evloop__ReloadReply reply = EVLOOP__RELOAD_REPLY__INIT;

	(void)peer_put(&peer, FRAME_REQUEST, METHOD(RELOAD), &request);
	assert_true(peer_flush(&peer));
	peer_world_settle(&world);
	assert_int_equal(n_asked, 1);
	peer_hang_up(&peer);
	peer_world_settle(&world);
	assert_int_equal(world.sessions.n, 0);
	deferred_reply_all(&asked, &reply.base);
}

static void test_not_for_everybody(void **state _unused_) {
	Evloop__ReloadRequest request = EVLOOP__RELOAD_REQUEST__INIT;
	const Evloop__Error *error;

	peer_world_newest(&world)->uid = getuid() + 1;
	world.rpc.uid = getuid() + 2;
	assert_null(peer_call(&peer, METHOD(RELOAD), &request, &error));
	assert_int_equal(error->status, EVLOOP__STATUS__STATUS_PERM);
	assert_int_equal(n_asked, 0);
	world.rpc.uid = getuid() + 1;
	world.rpc.ops = NULL;
	assert_null(peer_call(&peer, METHOD(RELOAD), &request, &error));
	assert_int_equal(error->status, EVLOOP__STATUS__STATUS_UNSUPPORTED);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_quota, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answered_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_answered_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changed_before_it_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_before, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_for_everybody, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
