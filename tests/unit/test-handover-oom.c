/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handing over without memory: each allocation of it fails once, here or there.  Neither daemon crashes or loses track of what it has,
 * and the client goes on or hears of the end.
 */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "daemon/core/limiter.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/handover.h"
#include "tests/unit/handover-world.h"

#define METHOD(name) EVLOOP__METHOD__METHOD_##name

/* The linker gives every call of these to the functions below. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *text);

static long fail_in = -1; /* allocations until the one that fails; −1: none does */
static bool failed;

static bool fails(void) {
	if (fail_in < 0 || fail_in-- > 0)
		return false;
	failed = true;
	return true;
}

void *__wrap_malloc(size_t size) {
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *text) {
	return fails() ? NULL : __real_strdup(text);
}

/* ---- one of everything ---- */

static int pipe_fds[2];

static void arm_some(void) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	ProtobufCBinaryData argv = { .data = (uint8_t *)"true", .len = 4 };
	Evloop__Command command = EVLOOP__COMMAND__INIT;

	spec.relative = true;
	spec.deadline_ns = 1000 * NSEC_PER_SEC;
	for (spec.handle = 1; spec.handle <= 3; spec.handle++)
		(void)peer_call(&peer, METHOD(ARM), &spec, NULL);
	spec.name = (char *)"named";
	spec.kind = EVLOOP__KIND__KIND_EVERY;
	spec.period_ns = NSEC_PER_SEC;
	(void)peer_call(&peer, METHOD(ARM), &spec, NULL);
	command.argv = &argv;
	command.n_argv = 1;
	spec.handle++;
	spec.name = (char *)"job";
	spec.command = &command;
	spec.kind = EVLOOP__KIND__KIND_SOON;
	spec.period_ns = spec.deadline_ns = 0;
	spec.relative = false;
	(void)peer_call(&peer, METHOD(ARM), &spec, NULL);
}

static void watch_and_subscribe(void) {
	Evloop__WatchFdRequest watch = EVLOOP__WATCH_FD_REQUEST__INIT;
	Evloop__SubscribeRequest subscribe = EVLOOP__SUBSCRIBE_REQUEST__INIT;
	Evloop__EmitRequest emit = EVLOOP__EMIT_REQUEST__INIT;
	Evloop__Gate gate = EVLOOP__GATE__INIT;

	watch.handle = 10;
	watch.events = EVLOOP__READINESS__READINESS_READABLE;
	(void)peer_call_with_fd(&peer, METHOD(WATCH_FD), &watch, pipe_fds[0], NULL);
	subscribe.topic = emit.topic = (char *)"news";
	subscribe.queue = 5;
	gate.limiter = (char *)"slow";
	for (subscribe.handle = 11; subscribe.handle <= 12; subscribe.handle++) {
		(void)peer_call(&peer, METHOD(SUBSCRIBE), &subscribe, NULL);
		subscribe.gate = &gate;
	}
	for (unsigned i = 0; i < 3; i++)
		(void)peer_call(&peer, METHOD(EMIT), &emit, NULL);
}

static void limit_some(void) {
	Evloop__LimiterWaitRequest wait = EVLOOP__LIMITER_WAIT_REQUEST__INIT;

	make_limiter("slow", 1, 1, 0);
	make_limiter("places", 0, 0, 2);
	make_limiter("shared", 1, 10, 0);
	(void)limiter_share(limiter_find(peer_world_newest(&before)->owner.tenant, "shared"));
	wait.cost = 1;
	wait.max_wait_ns = -1;
	for (wait.handle = 20; wait.handle < 26; wait.handle++) {
		wait.name = (char *)(wait.handle < 23 ? "slow" : "places");
		(void)peer_call(&peer, METHOD(LIMITER_WAIT), &wait, NULL);
	}
}

/* ---- carrying ---- */

static int fds[64];
static size_t n_fds;

static int carry(void *userdata _unused_, int fd) {
	assert_true(n_fds < ARRAY_SIZE(fds));
	fds[n_fds] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fds[n_fds] < 0 ? -errno : (int)++n_fds;
}

static void let_go(void *userdata _unused_) {
}

/* Return: whether it is as it should be; *ret_state is allocated. */
static bool save(char **ret_state, size_t *ret_size) {
	FILE *file = open_memstream(ret_state, ret_size);
	int r = handover_save(&before.rpc, &before.sessions, file, &(struct carrier){ .put = carry, .flush = let_go });

	return fclose(file) == 0 && r == 0;
}

/* Whoever has gone over is served, or has heard of the end. */
static void look(void) {
	struct frame frame;
	uint64_t serial;

	peer.world = &after;
	serial = peer_put(&peer, FRAME_REQUEST, METHOD(PING), NULL);
	(void)peer_flush(&peer);
	for (unsigned i = 0; i < 1000; i++) {
		peer_world_turn(&after);
		while (peer_take(&peer, &frame))
			if (frame.kind == FRAME_REPLY && frame.serial == serial)
				return;
		if (peer_is_ended(&peer))
			return;
		(void)sched_yield();
	}
	fail_msg("neither an answer nor an end");
}

/* Return: whether an allocation has failed. */
static bool try_one(long n) {
	_cleanup_free_ char *state = NULL;
	size_t size = 0;
	FILE *file;

	assert_int_equal(handover_setup(NULL), 0);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	n_fds = 0;
	limit_some();
	arm_some();
	watch_and_subscribe();
	failed = false;
	fail_in = n;
	if (save(&state, &size) && size > 0) {
		file = fmemopen(state, size, "r");
		(void)handover_load(&after.rpc, &after.sessions, file, fds, n_fds);
		(void)fclose(file);
	}
	fail_in = -1;
	for (size_t i = 0; i < n_fds; i++)
		(void)close_fd(fds[i]);
	peer_world_deinit(&before);
	before = (struct peer_world){ 0 };
	look();
	assert_int_equal(handover_teardown(NULL), 0);
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
	return failed;
}

static void test_each_allocation(void **state _unused_) {
	long n = 0;

	while (try_one(n))
		n++;
	assert_true(n > 30); /* it has met some */
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
