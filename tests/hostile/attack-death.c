/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Peers that die: at every byte, at every request, with answers unread, with hands full. */

#undef NDEBUG

#include <assert.h>
#include <string.h>

#include "tests/hostile/rig.h"

/* How many timers this uid has that are not finished, but for those of a victim that is of the same uid. */
static size_t count_timers(struct peer *witness) {
	Evloop__ListRequest request = EVLOOP__LIST_REQUEST__INIT;
	size_t n = 0;

	request.anonymous = true;
	for (;;) {
		const Evloop__ListReply *reply = peer_call(witness, EVLOOP__METHOD__METHOD_LIST, &request);

		if (!reply)
			return SIZE_MAX;
		for (size_t i = 0; i < reply->n_timers; i++)
			n += strcmp(reply->timers[i]->owner_name, VICTIM_NAME) != 0;
		if (!reply->more)
			return n;
		request.after = reply->next;
	}
}

/* The dead leave nothing behind, a little later. */
static void check_nothing_left(struct rig *rig, struct peer *witness) {
	size_t n = 1;

	for (unsigned i = 0; i < 500 && n > 0; i++) {
		n = count_timers(witness);
		if (n > 0)
			pause_ms(10);
	}
	if (n > 0)
		rig_complain(rig, "%zu timers of the dead are left", n);
}

/* One of each request that a session makes of its own sources and of others'. */
static void put_script(struct peer *peer, unsigned n) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT, every = EVLOOP__TIMER_SPEC__INIT;
	Evloop__RestartRequest restart = EVLOOP__RESTART_REQUEST__INIT;
	Evloop__HandleRequest handle = EVLOOP__HANDLE_REQUEST__INIT;
	Evloop__ManageRequest manage = EVLOOP__MANAGE_REQUEST__INIT;
	Evloop__AttachRequest attach = EVLOOP__ATTACH_REQUEST__INIT;
	Evloop__ListRequest list = EVLOOP__LIST_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	const struct {
		enum frame_kind kind;
		unsigned method;
		const void *message;
	} script[] = {
		{ FRAME_ONEWAY, EVLOOP__METHOD__METHOD_ARM, &spec },
		{ FRAME_REQUEST, EVLOOP__METHOD__METHOD_ARM, &every },
		{ FRAME_REQUEST, EVLOOP__METHOD__METHOD_IDENTIFY, &handle },
		{ FRAME_REQUEST, EVLOOP__METHOD__METHOD_RESTART_HANDLE, &restart },
		{ FRAME_REQUEST, EVLOOP__METHOD__METHOD_ATTACH, &attach },
		{ FRAME_REQUEST, EVLOOP__METHOD__METHOD_LIST, &list },
		{ FRAME_ONEWAY, EVLOOP__METHOD__METHOD_PAUSE, &manage },
		{ FRAME_REQUEST, EVLOOP__METHOD__METHOD_TRIGGER, &manage },
		{ FRAME_REQUEST, EVLOOP__METHOD__METHOD_RESUME, &manage },
		{ FRAME_ONEWAY, EVLOOP__METHOD__METHOD_POKE, &manage },
		{ FRAME_REQUEST, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, &handle },
		{ FRAME_REQUEST, EVLOOP__METHOD__METHOD_CANCEL, &manage },
	};

	spec.handle = handle.handle = restart.handle = 1;
	spec.relative = every.relative = restart.relative = true;
	spec.deadline_ns = every.deadline_ns = restart.deadline_ns = MS;
	every.handle = 2;
	every.kind = EVLOOP__KIND__KIND_EVERY;
	every.period_ns = MS;
	every.name = target.name = (char *)"death";
	manage.target = attach.target = &target;
	attach.handle = 3;
	for (unsigned i = 0; i < n && i < ARRAY_SIZE(script); i++)
		peer_put(peer, script[i].kind, script[i].method, script[i].message);
}

#define SCRIPT_LENGTH 12

/* Everything up to that byte has been sent when the peer dies. */
static void at_every_byte(struct rig *rig, char *got, size_t size) {
	struct peer *witness = peer_open(rig);
	size_t length = 1;

	for (size_t n = 0; n <= length; n++) {
		struct peer *peer = peer_open(rig);

		put_script(peer, SCRIPT_LENGTH);
		length = peer->out.size;
		(void)peer_send(peer, peer->out.data, n, NULL, 0);
		peer_close(peer);
	}
	check_nothing_left(rig, witness);
	peer_close(witness);
	snprintf(got, size, "%zu deaths, nothing left", length + 1);
}

/* So many requests have been sent, answers read or not, and some time has passed or not. */
static void at_every_request(struct rig *rig, char *got, size_t size) {
	struct peer *witness = peer_open(rig);
	unsigned deaths = 0;

	for (unsigned n = 0; n <= SCRIPT_LENGTH; n++)
		for (unsigned way = 0; way < 8; way++, deaths++) {
			struct peer *peer = peer_open(rig);
			struct frame frame;

			put_script(peer, n);
			if (way & 1) {
				while (peer->out.size > 0)
					peer_flush(peer);
			} else {
				(void)peer_send(peer, peer->out.data, peer->out.size, NULL, 0);
			}
			if (way & 2)
				pause_ms(3);
			if (way & 4)
				(void)peer_next(peer, &frame, 1);
			peer_close(peer);
		}
	check_nothing_left(rig, witness);
	peer_close(witness);
	snprintf(got, size, "%u deaths, nothing left", deaths);
}

/* Before the hello, behind half of one, and by an empty packet. */
static void before_hello(struct rig *rig, char *got, size_t size) {
	for (unsigned i = 0; i < 300; i++) {
		struct peer *peer = peer_connect(rig);

		if (i % 3 == 1)
			(void)peer_send(peer, "\x18\0\0\0\1\0\1", 7, NULL, 0);
		else if (i % 3 == 2)
			(void)peer_send(peer, "", 0, NULL, 0);
		peer_close(peer);
	}
	snprintf(got, size, "300 deaths");
}

/* With a hundred thousand timers: nobody waits until they are gone. */
static void with_many_timers(struct rig *rig, char *got, size_t size) {
	struct peer *witness = peer_open(rig);

	for (unsigned round = 0; round < 3; round++) {
		struct peer *peer = peer_open(rig);

		for (unsigned i = 0; i < 100000; i++) {
			Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;

			spec.handle = i + 1;
			spec.relative = true;
			spec.deadline_ns = 3600 * NSEC_PER_SEC;
			peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_ARM, &spec);
		}
		CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
		peer_close(peer);
		check_nothing_left(rig, witness);
	}
	peer_close(witness);
	snprintf(got, size, "3 deaths with 100,000 timers each");
}

const struct attack attacks_by_death[] = {
	{ .name = "death at every byte", .run = at_every_byte },
	{ .name = "death at every request", .run = at_every_request },
	{ .name = "death before hello", .run = before_hello },
	{ .name = "death with many timers", .run = with_many_timers, .memory_kib = 16384 },
	{ 0 },
};
