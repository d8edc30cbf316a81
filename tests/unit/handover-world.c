/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the two daemons, and what is carried from one to the other. */

#include "tests/unit/handover-world.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/rpc/handover.h"
#include "tests/unit/test.h"

struct peer_world before, after;
struct fake_starter fake_before, fake_after;
struct peer peer;
unsigned n_flushes;
int lost_fd;

static int carried[512];
static size_t n_carried;

static int carry(void *userdata _unused_, int fd) {
	assert_true(n_carried < ARRAY_SIZE(carried));
	if (fd == lost_fd)
		return -ETOOMANYREFS;
	carried[n_carried] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return carried[n_carried] < 0 ? -errno : (int)++n_carried;
}

static void let_go(void *userdata _unused_) {
	n_flushes++;
}

int handover_setup(void **state _unused_) {
	n_carried = 0;
	n_flushes = 0;
	lost_fd = -1;
	fake_starter_init(&fake_before);
	fake_starter_init(&fake_after);
	before.starter = &fake_before.starter;
	after.starter = &fake_after.starter;
	assert_int_equal(peer_world_init(&before, NULL, NULL), 0);
	assert_int_equal(peer_world_init(&after, NULL, NULL), 0);
	peer_init(&peer, &before);
	peer_open(&peer);
	return 0;
}

int handover_teardown(void **state _unused_) {
	peer_deinit(&peer);
	peer_world_deinit(&before);
	peer_world_deinit(&after);
	return 0;
}

/* What one daemon says, and the other hears: as it is, or with records that it does not know. */
static FILE *open_state(char *state, size_t size, bool unknown) {
	static const uint8_t record[] = { 3, 0, 0, 0, 200, 'x', 'y', 'z' };
	static const uint8_t field[] = { 0x82, 0x7d, 2, 'h', 'i' }; /* number 2000, two bytes */
	const char *end = state + size, *p = strchr(state, '\n') + 1;
	FILE *file = unknown ? tmpfile() : fmemopen(state, size, "r");

	assert_non_null(file);
	if (!unknown)
		return file;
	assert_int_equal(fwrite(state, (size_t)(p - state), 1, file), 1);
	while (p < end) {
		uint32_t length, longer;

		memcpy(&length, p, sizeof(length)); /* this machine's is that of the file */
		longer = length + (uint32_t)sizeof(field);
		assert_int_equal(fwrite(&longer, sizeof(longer), 1, file), 1);
		assert_int_equal(fwrite(p + 4, 1 + length, 1, file), 1);
		assert_int_equal(fwrite(field, sizeof(field), 1, file), 1);
		assert_int_equal(fwrite(record, sizeof(record), 1, file), 1);
		p += 5 + length;
	}
	rewind(file);
	return file;
}

void hand_over_with(bool unknown) {
	_cleanup_free_ char *state = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&state, &size);
	size_t n;

	assert_int_equal(
		handover_save(&before.rpc, &before.sessions, file, &(struct carrier){ .put = carry, .flush = let_go }),
		0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(before.sessions.n, 0);
	peer_world_deinit(&before);
	before = (struct peer_world){ 0 };

	file = open_state(state, size, unknown);
	n = (size_t)handover_load(&after.rpc, &after.sessions, file, carried, n_carried);
	assert_int_equal(after.sessions.n, n);
	assert_int_equal(fclose(file), 0);
	for (size_t i = 0; i < n_carried; i++)
		if (carried[i] >= 0)
			(void)close(carried[i]);
	peer.world = &after;
}

void hand_over(void) {
	hand_over_with(false);
}

bool next_event(Evloop__Event **ret) {
	struct frame frame;

	for (unsigned i = 0; i < 100; i++) {
		peer_world_turn(peer.world);
		while (peer_take(&peer, &frame))
			if (frame.kind == FRAME_EVENT && frame.method == EVLOOP__METHOD__METHOD_EVENT) {
				*ret = (Evloop__Event *)peer_unpack(&peer, &evloop__event__descriptor, &frame);
				return true;
			}
	}
	return false;
}

const Evloop__Event *expect(uint64_t handle, Evloop__EventType type) {
	Evloop__Event *event = NULL;

	assert_true(next_event(&event));
	assert_int_equal(event->handle, handle);
	assert_int_equal(event->type, type);
	return event;
}

void expect_none(void) {
	Evloop__Event *event;

	assert_false(next_event(&event));
}

void make_limiter(const char *name, uint64_t tokens, uint64_t burst, uint64_t concurrency) {
	Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;
	Evloop__LimiterRule rule = EVLOOP__LIMITER_RULE__INIT, *rules = &rule;

	rule.tokens = tokens;
	rule.period_ns = NSEC_PER_SEC;
	rule.burst = burst;
	spec.name = (char *)name;
	spec.concurrency = concurrency;
	spec.kind = concurrency > 0 ? EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY : EVLOOP__LIMITER_KIND__LIMITER_RATE;
	if (concurrency == 0) {
		spec.rules = &rules;
		spec.n_rules = 1;
	}
	(void)peer_call(&peer, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec, NULL);
}

void ack(uint64_t handle) {
	Evloop__AckRequest request = EVLOOP__ACK_REQUEST__INIT;

	request.handles = &handle;
	request.n_handles = 1;
	(void)peer_call(&peer, EVLOOP__METHOD__METHOD_ACK, &request, NULL);
}
