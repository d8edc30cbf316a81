/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attacks by sheer number: of timers, of connections, of events that nobody reads. */

#undef NDEBUG

#include <assert.h>
#include <string.h>

#include "tests/hostile/rig.h"

#define SLOW_TIMERS 10000
#define SLOW_PERIOD_NS (10 * MS)
#define SLOW_SECONDS 3 /* $EVLOOP_SLOW_SECONDS, for whoever has a minute */
#define SESSIONS 400 /* the limit that the daemon was started with */

static void put_every(struct peer *peer, uint64_t handle, int64_t period_ns, uint64_t n) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;

	spec.handle = handle;
	spec.kind = EVLOOP__KIND__KIND_EVERY;
	spec.relative = true;
	spec.deadline_ns = spec.period_ns = period_ns;
	spec.count = n;
	peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_ARM, &spec);
}

/*
 * Ten thousand timers a hundred times a second, and nobody reads for some seconds.  Then every fire that there was is accounted
 * for: each event continues where the one before it of the same timer ended.
 */
static void slow_reader(struct rig *rig, char *got, size_t size) {
	const char *setting = getenv("EVLOOP_SLOW_SECONDS");
	int seconds = setting ? atoi(setting) : SLOW_SECONDS;
	uint64_t *fires = calloc(SLOW_TIMERS + 1, sizeof(*fires)), sum = 0;
	uint64_t expected = (uint64_t)(seconds * NSEC_PER_SEC / SLOW_PERIOD_NS);
	struct peer *peer = peer_open(rig);
	unsigned over = 0, events = 0;
	long before, grown;
	struct frame frame;

	assert(fires);
	for (unsigned i = 1; i <= SLOW_TIMERS; i++)
		put_every(peer, i, SLOW_PERIOD_NS, expected);
	peer_flush(peer);
	pause_ms(500);
	before = rig_memory_kib(rig);
	pause_ms(seconds * 1000 - 300);
	grown = rig_memory_kib(rig) - before;
	CHECK(rig, grown < 1024);
	while (over < SLOW_TIMERS && peer_next(peer, &frame, ANSWER_TIMEOUT_MS)) {
		const Evloop__Event *event;

		if (frame.method != EVLOOP__METHOD__METHOD_EVENT)
			continue;
		event = peer_unpack(peer, &evloop__event__descriptor, &frame);
		if (!event || event->handle == 0 || event->handle > SLOW_TIMERS)
			break;
		fires[event->handle] += event->fires;
		sum += event->fires;
		events++;
		if (event->fire_seq != fires[event->handle]) {
			rig_complain(rig, "timer %llu: fire %llu, and %llu were told",
				     (unsigned long long)event->handle, (unsigned long long)event->fire_seq,
				     (unsigned long long)fires[event->handle]);
			break;
		}
		over += !event->more;
	}
	CHECK(rig, over == SLOW_TIMERS && sum == SLOW_TIMERS * expected);
	free(fires);
	peer_close(peer);
	snprintf(got, size, "%llu fires in %u events, +%ld KiB meanwhile", (unsigned long long)sum, events, grown);
}

/* Three hundred sessions that let their events pile up, and take them all at once. */
static void all_at_once(struct rig *rig, char *got, size_t size) {
	unsigned n = 300, n_answers = 2600, each = 300, events = 0;
	struct peer *peers[300];
	unsigned came[300] = { 0 };
	struct frame frame;

	for (unsigned i = 0; i < n; i++) {
		peers[i] = peer_open(rig);
		assert(peers[i]);
		/* Answers that fill the socket first, and not so many that the daemon stops listening: so the events have to wait. */
		for (unsigned j = 0; j < n_answers; j++)
			peer_put(peers[i], FRAME_REQUEST, EVLOOP__METHOD__METHOD_TIME, NULL);
		for (unsigned j = 0; j < each; j++)
			put_every(peers[i], j + 1, NSEC_PER_SEC, 1);
		peer_flush(peers[i]);
	}
	pause_ms(1200);
	/* All answers first: where the daemon does not listen after all, no timer is armed before they are read. */
	for (unsigned i = 0; i < n; i++)
		for (unsigned answers = 0; answers < n_answers && peer_next(peers[i], &frame, ANSWER_TIMEOUT_MS);)
			if (frame.method == EVLOOP__METHOD__METHOD_EVENT)
				came[i]++;
			else
				answers++;
	for (unsigned i = 0; i < n; i++) {
		while (came[i] < each && peer_next(peers[i], &frame, ANSWER_TIMEOUT_MS))
			came[i] += frame.method == EVLOOP__METHOD__METHOD_EVENT;
		events += came[i];
	}
	CHECK(rig, events == n * each);
	for (unsigned i = 0; i < n; i++)
		peer_close(peers[i]);
	snprintf(got, size, "%u events", events);
}

static void too_many_sessions(struct rig *rig, char *got, size_t size) {
	struct peer *peers[SESSIONS + 50];
	unsigned open = 0, quota = 0;

	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		Evloop__Status word = EVLOOP__STATUS__STATUS_OK;

		peers[i] = peer_connect(rig);
		if (peers[i] && i >= SESSIONS) {
			(void)peer_fate(peers[i], NULL);
			word = peers[i]->last_word;
		}
		if (word == EVLOOP__STATUS__STATUS_QUOTA)
			quota++;
		else if (peers[i] && i < SESSIONS)
			open++;
	}
	/* Where the victim is of the same uid, it has one of them. */
	CHECK(rig, quota == 50 && open == SESSIONS);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		peer_close(peers[i]);
	snprintf(got, size, "%u sessions, %u times QUOTA and closed", open, quota);
}

static void churn(struct rig *rig, char *got, size_t size) {
	unsigned n = 5000, welcome = 0;

	for (unsigned i = 0; i < n; i++) {
		struct peer *peer = i % 10 ? peer_connect(rig) : peer_open(rig);

		welcome += peer != NULL;
		if (i % 3 == 0 && peer)
			(void)peer_send(peer, "garbage", 7, NULL, 0);
		peer_close(peer);
	}
	CHECK(rig, welcome == n);
	snprintf(got, size, "%u sessions, one after the other", n);
}

/* They are closed, and not earlier than is written. */
static void silence(struct rig *rig, char *got, size_t size) {
	struct peer *peers[100];
	int64_t begin = now_ns();
	unsigned timeout = 0;
	int64_t waited;

	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		peers[i] = peer_connect(rig);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		struct frame frame;

		while (peer_next(peers[i], &frame, ANSWER_TIMEOUT_MS))
			;
		timeout += peers[i]->ended && peers[i]->last_word == EVLOOP__STATUS__STATUS_TIMEOUT;
		peer_close(peers[i]);
	}
	waited = now_ns() - begin;
	CHECK(rig, timeout == ARRAY_SIZE(peers));
	CHECK(rig, waited >= HELLO_TIMEOUT_NS && waited < HELLO_TIMEOUT_NS + 2 * NSEC_PER_SEC);
	snprintf(got, size, "%u times TIMEOUT and closed after %.3f s", timeout, (double)waited / 1e9);
}

/* More than one may have: a refusal that says how many. */
static const char *const timers_options[] = { "--limit", "timers=1000", NULL };

static void too_many_timers(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig), *other;
	struct frame frame;
	unsigned quota = 0;

	for (unsigned i = 0; i < 1500; i++)
		put_every(peer, i + 1, 3600 * NSEC_PER_SEC, 0);
	peer_flush(peer);
	while (quota < 500 && peer_next(peer, &frame, ANSWER_TIMEOUT_MS)) {
		const Evloop__Error *error = peer_unpack(peer, &evloop__error__descriptor, &frame);

		if (!error || error->status != EVLOOP__STATUS__STATUS_QUOTA ||
		    strcmp(error->limit_name, "timers") != 0 || error->limit != 1000 || error->used != 1000 ||
		    error->asked != 1)
			break;
		quota++;
	}
	CHECK(rig, quota == 500);
	/* Another session of the uid has no more than the uid; when the first one is gone, it has. */
	other = peer_open(rig);
	put_every(other, 1, 3600 * NSEC_PER_SEC, 0);
	CHECK(rig, peer_fate(other, NULL) && other->sequence == 1);
	peer_close(peer);
	pause_ms(100);
	put_every(other, 2, 3600 * NSEC_PER_SEC, 0);
	CHECK(rig, peer_fate(other, NULL) && other->sequence == 1);
	peer_close(other);
	snprintf(got, size, "%u times QUOTA", quota);
}

/* A million timers of one uid, due at one instant, and somebody else who has one. */
static const char *const million_options[] = { "--limit", "timers=1100000", NULL };

static void million(struct rig *rig, char *got, size_t size) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	unsigned n = 1000000;
	struct peer *peer = peer_open(rig);
	int64_t p99, begin, took;
	struct frame frame;
	size_t rounds;

	spec.deadline_ns = now_ns() + 3 * NSEC_PER_SEC;
	for (unsigned i = 0; i < n; i++) {
		spec.handle = i + 1;
		peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_ARM, &spec);
	}
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	while (now_ns() < spec.deadline_ns)
		pause_ms(1);
	rounds = victim_rounds(rig);
	begin = now_ns();
	/* Where to arm them has taken longer, some have fired before. */
	while (peer->sequence < n && peer_next(peer, &frame, ANSWER_TIMEOUT_MS))
		;
	took = now_ns() - begin;
	p99 = victim_delay(rig, rounds, NULL);
	CHECK(rig, peer->sequence == n);
	snprintf(got, size, "%llu fired in %.2f s; the victim's p99 meanwhile %.2f ms",
		 (unsigned long long)peer->sequence, (double)took / 1e9, (double)p99 / 1e6);
	peer_close(peer);
}

const struct attack attacks_by_floods[] = {
	{ .name = "slow reader", .run = slow_reader },
	{ .name = "all events at once", .run = all_at_once, .memory_kib = 32768 },
	{ .name = "too many sessions", .run = too_many_sessions },
	{ .name = "too many timers", .run = too_many_timers, .options = timers_options },
	{ .name = "connecting and leaving", .run = churn },
	{ .name = "silence", .run = silence },
	{ .name = "a million timers due", .run = million, .options = million_options, .own_uid_waits = true },
	{ 0 },
};
