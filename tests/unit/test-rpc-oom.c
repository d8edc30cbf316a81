/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A daemon without memory: each allocation that a conversation takes fails once.  Every request is answered, or the session ends; and
 * whoever comes afterwards is served as if nothing had been.
 */

#include "tests/unit/test.h"

#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/unit/fake-starter.h"
#include "tests/unit/peer-world.h"

#define METHOD(name) EVLOOP__METHOD__METHOD_##name
#define TURNS 64
#define PATIENCE_MS 10000

/* The linker gives every call of these to the functions below. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *text);
void *__real_mmap(void *p, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *text);
void *__wrap_mmap(void *p, size_t size, int protection, int flags, int fd, off_t offset);

static long fail_in; /* allocations of the daemon until the one that fails; −1: none does */
static bool inside, failed;

static bool fails(void) {
	if (!inside || fail_in < 0 || fail_in-- > 0)
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

void *__wrap_mmap(void *p, size_t size, int protection, int flags, int fd, off_t offset) {
	return fails() ? MAP_FAILED : __real_mmap(p, size, protection, flags, fd, offset);
}

static void enter(bool now_inside) {
	inside = now_inside;
}

static struct peer_world world;
static struct fake_starter fake;

/* ---- a conversation ---- */

enum fate {
	REPLIED,
	REFUSED,
	ENDED,
};

/*
 * A request, and turns until it has had its answer or the session is over.  It must come to one of them; after a moment, for where
 * another session has ended unread, a process closes its socket, and the uid waits for that.
 */
static enum fate ask(struct peer *peer, unsigned method, const void *message) {
	uint64_t serial = peer_put(peer, FRAME_REQUEST, method, message);
	struct pollfd answer = { .fd = peer->fd, .events = POLLIN };
	struct frame frame;

	(void)peer_flush(peer);
	for (unsigned i = 0; i < PATIENCE_MS; i++) {
		peer_world_turn(&world);
		(void)poll(&answer, 1, i < TURNS ? 0 : 1);
		while (peer_take(peer, &frame)) {
			if (frame.serial == serial && frame.kind == FRAME_REPLY)
				return REPLIED;
			if (frame.serial == serial && frame.kind == FRAME_ERROR)
				return REFUSED;
		}
		if (peer_is_ended(peer))
			return ENDED;
	}
	fail_msg("method %u: no answer and no end", method);
	return ENDED;
}

static enum fate hello(struct peer *peer) {
	Evloop__HelloRequest request = EVLOOP__HELLO_REQUEST__INIT;

	request.version = PROTOCOL_VERSION;
	return ask(peer, METHOD(HELLO), &request);
}

static enum fate arm(struct peer *peer, uint64_t handle, const char *name, bool command) {
	ProtobufCBinaryData argv = { .data = (uint8_t *)"true", .len = 4 };
	Evloop__Command of = EVLOOP__COMMAND__INIT;
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;

	of.argv = &argv;
	of.n_argv = 1;
	spec.handle = handle;
	spec.name = (char *)name;
	spec.name_mode = EVLOOP__NAME_MODE__NAME_REPLACE;
	spec.relative = true;
	spec.deadline_ns = command ? 0 : 1000 * NSEC_PER_SEC;
	spec.command = command ? &of : NULL;
	return ask(peer, METHOD(ARM), &spec);
}

static enum fate manage(struct peer *peer, unsigned method, const char *glob) {
	Evloop__ManageRequest request = EVLOOP__MANAGE_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;

	target.glob = (char *)glob;
	request.target = &target;
	return ask(peer, method, &request);
}

static enum fate attach(struct peer *peer, uint64_t handle, const char *name) {
	Evloop__AttachRequest request = EVLOOP__ATTACH_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;

	target.name = (char *)name;
	request.target = &target;
	request.handle = handle;
	return ask(peer, METHOD(ATTACH), &request);
}

static enum fate list(struct peer *peer) {
	Evloop__ListRequest request = EVLOOP__LIST_REQUEST__INIT;

	request.details = request.anonymous = true;
	return ask(peer, METHOD(LIST), &request);
}

static enum fate limit(struct peer *peer) {
	Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;

	spec.name = (char *)"l";
	return ask(peer, METHOD(LIMITER_SET), &spec);
}

static enum fate subscribe(struct peer *peer, uint64_t handle, bool gated) {
	Evloop__SubscribeRequest request = EVLOOP__SUBSCRIBE_REQUEST__INIT;
	Evloop__Gate gate = EVLOOP__GATE__INIT;

	request.handle = handle;
	request.topic = (char *)"t";
	request.queue = 2;
	request.gate = gated ? &gate : NULL;
	gate.limiter = (char *)"l";
	return ask(peer, METHOD(SUBSCRIBE), &request);
}

static enum fate emit(struct peer *peer) {
	Evloop__EmitRequest request = EVLOOP__EMIT_REQUEST__INIT;

	request.topic = (char *)"t";
	return ask(peer, METHOD(EMIT), &request);
}

/* So many answers that some must be kept, and the rest of a packet, too.  Return: false: the session is over. */
static bool flood(struct peer *peer) {
	struct frame frame;

	for (unsigned i = 0; i < 40; i++) {
		for (unsigned j = 0; j < 500; j++)
			(void)peer_put(peer, FRAME_REQUEST, METHOD(TIME), NULL);
		(void)peer_flush(peer);
		peer_world_turn(&world);
	}
	for (unsigned i = 0; i < TURNS; i++) {
		while (peer_take(peer, &frame))
			;
		if (peer_is_ended(peer))
			return false;
		peer_world_turn(&world);
	}
	return true;
}

/* Everything once.  What is refused changes nothing for what follows, until the session ends. */
static void converse(struct peer *peer) {
	if (hello(peer) == ENDED || arm(peer, 1, "", false) == ENDED || arm(peer, 2, "named", false) == ENDED ||
	    arm(peer, 3, "named", false) == ENDED || arm(peer, 4, "job", true) == ENDED ||
	    attach(peer, 5, "named") == ENDED || list(peer) == ENDED || manage(peer, METHOD(PAUSE), "n*") == ENDED ||
	    manage(peer, METHOD(RESUME), "*") == ENDED || subscribe(peer, 6, false) == ENDED || emit(peer) == ENDED ||
	    limit(peer) == ENDED || subscribe(peer, 7, true) == ENDED || emit(peer) == ENDED)
		return;
	for (uint64_t handle = 100; handle < 200; handle++)
		if (arm(peer, handle << 32, "", false) == ENDED)
			return;
	if (flood(peer))
		(void)manage(peer, METHOD(CANCEL), "*");
}

/* A socket with something unread in it is closed by another process. */
static void settle(void) {
	for (unsigned i = 0; i < 1000 && !LIST_EMPTY(&world.quota.accounts); i++) {
		(void)sched_yield();
		peer_world_settle(&world);
	}
}

static void test_each_allocation(void **state _unused_) {
	long n = 0;

	do {
		struct peer first, second;

		fake_starter_init(&fake);
		world.starter = &fake.starter;
		world.enter = enter;
		fail_in = n++;
		failed = false;
		if (peer_world_init(&world, NULL, NULL) < 0) {
			assert_true(failed);
			continue;
		}
		peer_init(&first, &world);
		converse(&first);
		/* It may have been the one that was there first; the next one has nothing to fear. */
		fail_in = -1;
		peer_init(&second, &world);
		assert_int_equal(hello(&second), REPLIED);
		assert_int_equal(arm(&second, 1, "later", false), REPLIED);
		assert_int_equal(list(&second), REPLIED);
		assert_int_equal(limit(&second), REPLIED);
		assert_int_equal(subscribe(&second, 2, true), REPLIED);
		assert_int_equal(emit(&second), REPLIED);
		peer_deinit(&second);
		peer_deinit(&first);
		settle();
		assert_int_equal(world.sessions.n, 0);
		assert_true(LIST_EMPTY(&world.quota.accounts));
		peer_world_deinit(&world);
	} while (failed);
	assert_true(n > 30); /* it has met some */
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
