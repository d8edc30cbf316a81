/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attacks with requests that are well-formed: too many, at the wrong time, or dear to answer. */

#undef NDEBUG

#include <assert.h>
#include <poll.h>
#include <string.h>

#include "tests/hostile/rig.h"

static void put_arm(struct peer *peer, enum frame_kind kind, uint64_t handle, int64_t delay_ns, const char *name,
		    Evloop__NameMode mode) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;

	spec.handle = handle;
	spec.relative = true;
	spec.deadline_ns = delay_ns;
	spec.name_mode = mode;
	if (name)
		spec.name = (char *)name;
	peer_put(peer, kind, EVLOOP__METHOD__METHOD_ARM, &spec);
}

static void put_handle(struct peer *peer, enum frame_kind kind, unsigned method, uint64_t handle) {
	Evloop__HandleRequest request = EVLOOP__HANDLE_REQUEST__INIT;

	request.handle = handle;
	peer_put(peer, kind, method, &request);
}

/* A verb on what matches, or on the one of that name.  Return: as peer_call(). */
static const Evloop__ManageReply *manage(struct peer *peer, unsigned method, const char *name, const char *glob) {
	Evloop__ManageRequest request = EVLOOP__MANAGE_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;

	if (name)
		target.name = (char *)name;
	if (glob)
		target.glob = (char *)glob;
	request.target = &target;
	return peer_call(peer, method, &request);
}

/* The same on all that match, page by page.  Return: how many. */
static size_t manage_all(struct peer *peer, unsigned method, const char *glob) {
	Evloop__ManageRequest request = EVLOOP__MANAGE_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	const Evloop__ManageReply *reply;
	size_t n = 0;

	target.glob = (char *)glob;
	request.target = &target;
	do {
		reply = peer_call(peer, method, &request);
		if (!reply)
			break;
		n += reply->n_results;
		request.after = reply->next;
	} while (reply->more);
	return n;
}

static bool is_error(struct peer *peer, const struct frame *frame, Evloop__Status status) {
	const Evloop__Error *error;

	if (frame->kind != FRAME_ERROR && frame->method != EVLOOP__METHOD__METHOD_REFUSED)
		return false;
	error = peer_unpack(peer, &evloop__error__descriptor, frame);
	return error && error->status == status;
}

/* A handle in use, a handle used again, and all of it in one packet. */
static void handles(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	unsigned exists = 0, fired = 0, gone = 0, rounds = 2000;
	struct frame frame;

	for (unsigned i = 0; i < rounds; i++) {
		uint64_t handle = i % 3 + 1;

		put_arm(peer, FRAME_ONEWAY, handle, NSEC_PER_SEC, NULL, 0);
		put_arm(peer, FRAME_ONEWAY, handle, 0, NULL, 0); /* EXISTS */
		put_handle(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, handle);
		put_arm(peer, FRAME_ONEWAY, handle, 0, NULL,
			0); /* fires in the next turn, if nobody cancels it before */
		if (i % 2)
			put_handle(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, handle);
		if (i % 5 == 0)
			peer_flush(peer);
		put_handle(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, handle);
		put_handle(peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, handle);
		peer_flush(peer);
		while (gone <= i && peer_next(peer, &frame, ANSWER_TIMEOUT_MS)) {
			if (is_error(peer, &frame, EVLOOP__STATUS__STATUS_EXISTS))
				exists++;
			else if (frame.method == EVLOOP__METHOD__METHOD_EVENT)
				fired++;
			else if (frame.method == EVLOOP__METHOD__METHOD_CANCEL_HANDLE &&
				 ((const Evloop__CancelReply *)peer_unpack(peer, &evloop__cancel_reply__descriptor,
									   &frame))
						 ->outcome == EVLOOP__OUTCOME__OUTCOME_GONE)
				gone++;
			else
				break;
		}
	}
	CHECK(rig, exists == rounds && gone == rounds);
	snprintf(got, size, "%u times EXISTS, %u fired, %s", exists, fired, peer_fate(peer, NULL));
	peer_close(peer);
}

/* Many want one name at the same time: one of them has it. */
static void name_race(struct rig *rig, char *got, size_t size) {
	struct peer *peers[8], *witness = peer_open(rig);
	unsigned won = 0, lost = 0, rounds = 300;

	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		peers[i] = peer_open(rig);
	for (unsigned round = 0; round < rounds; round++) {
		struct frame frame;

		for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
			put_arm(peers[i], FRAME_REQUEST, round + 1, 3600 * NSEC_PER_SEC, "wanted",
				EVLOOP__NAME_MODE__NAME_CREATE);
		for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
			peer_flush(peers[(i + round) % ARRAY_SIZE(peers)]);
		for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
			/* Behind it may be the end of a timer that another one has cancelled. */
			while (peer_next(peers[i], &frame, ANSWER_TIMEOUT_MS) && frame.kind == FRAME_EVENT)
				;
			if (is_error(peers[i], &frame, EVLOOP__STATUS__STATUS_EXISTS))
				lost++;
			else if (frame.kind == FRAME_REPLY)
				won++;
		}
		CHECK(rig, manage(witness, EVLOOP__METHOD__METHOD_CANCEL, "wanted", NULL));
	}
	CHECK(rig, won == rounds && lost == rounds * (ARRAY_SIZE(peers) - 1));
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		peer_close(peers[i]);
	peer_close(witness);
	snprintf(got, size, "%u times one has it, %u times EXISTS", won, lost);
}

/* Arm and cancel, from both sides of the deadline. */
static void cancel_storm(struct rig *rig, char *got, size_t size) {
	unsigned n = 100000, outcomes[16] = { 0 }, fired = 0, answers = 0;
	struct peer *peer = peer_open(rig);
	struct frame frame;

	for (unsigned i = 0; i < n; i++) {
		put_arm(peer, FRAME_ONEWAY, i + 1, i % 4 ? 0 : 3600 * NSEC_PER_SEC, NULL, 0);
		if (i >= 64)
			put_handle(peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, i + 1 - 64 * (i % 2));
		if (i % 256 != 0)
			continue;
		peer_flush(peer);
		/* Whoever only sends is not listened to any more. */
		while (peer_next(peer, &frame, i > 1000 + answers ? ANSWER_TIMEOUT_MS : 0)) {
			if (frame.kind == FRAME_EVENT) {
				fired++;
			} else if (frame.kind == FRAME_REPLY) {
				const Evloop__CancelReply *reply =
					peer_unpack(peer, &evloop__cancel_reply__descriptor, &frame);

				outcomes[reply ? reply->outcome % 16 : 0]++;
				answers++;
			}
		}
	}
	peer_flush(peer);
	while (answers < n - 64 && peer_next(peer, &frame, ANSWER_TIMEOUT_MS))
		if (frame.kind == FRAME_REPLY) {
			const Evloop__CancelReply *reply = peer_unpack(peer, &evloop__cancel_reply__descriptor, &frame);

			outcomes[reply ? reply->outcome % 16 : 0]++;
			answers++;
		}
	CHECK(rig, answers == n - 64);
	snprintf(got, size, "%u CANCELLED, %u WITHDRAWN, %u GONE", outcomes[EVLOOP__OUTCOME__OUTCOME_CANCELLED],
		 outcomes[EVLOOP__OUTCOME__OUTCOME_WITHDRAWN], outcomes[EVLOOP__OUTCOME__OUTCOME_GONE]);
	peer_close(peer);
}

/* Patterns and names that make matching slow where it goes back again and again. */
static void patterns(struct rig *rig, char *got, size_t size) {
	static const char *const units[] = { "*a",           "*?",  "**",    "[!b]*", "a*[a-z]",
					     "*[[:alpha:]]", "[a-", "\\*a*", "*a*b" };
	struct peer *peer = peer_open(rig);
	char name[NAME_LENGTH_MAX + 1], glob[NAME_LENGTH_MAX + 1];
	int64_t slowest = 0;
	unsigned n = 2000;

	memset(name, 'a', NAME_LENGTH_MAX);
	name[NAME_LENGTH_MAX] = '\0';
	for (unsigned i = 0; i < n; i++) {
		/* A different tail each. */
		snprintf(name + NAME_LENGTH_MAX - 6, 7, "%06u", i);
		put_arm(peer, FRAME_ONEWAY, i + 1, 3600 * NSEC_PER_SEC, name, 0);
	}
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		int64_t begin = now_ns();
		size_t length = 0;

		while (length + strlen(units[i]) + 1 <= NAME_LENGTH_MAX) {
			strcpy(glob + length, units[i]);
			length += strlen(units[i]);
		}
		strcpy(glob + length, "z");
		CHECK(rig, manage(peer, EVLOOP__METHOD__METHOD_TRIGGER, NULL, glob));
		slowest = MAX(slowest, now_ns() - begin);
	}
	CHECK(rig, slowest < NSEC_PER_SEC);
	snprintf(got, size, "%u names, slowest pattern %.1f ms", n, (double)slowest / 1e6);
	peer_close(peer);
}

/* Send so many packets full of requests, or as many as the socket takes, and read nothing.  Return: how many requests. */
static unsigned send_until_full(struct peer *peer, unsigned method, const void *message, unsigned packets) {
	struct pollfd poll_fd = { .fd = peer->fd, .events = POLLOUT };
	unsigned sent = 0, gathered = 0;

	packet_clear(&peer->out);
	/* A packet made of nothing else, as large as may be. */
	while (packet_put(&peer->out, FRAME_REQUEST, (uint16_t)method, 1000 + gathered, message, NULL, 0) == 0)
		gathered++;
	while (sent < packets * gathered) {
		if (packet_send(peer->fd, &peer->out) == 0)
			sent += gathered;
		else if (poll(&poll_fd, 1, 200) == 0)
			break;
	}
	pause_ms(200);
	packet_clear(&peer->out);
	return sent;
}

static void flood(struct rig *rig, struct peer *peer, unsigned method, const void *message, unsigned packets, char *got,
		  size_t size) {
	long before = rig_memory_kib(rig), grown;
	unsigned sent = send_until_full(peer, method, message, packets), answers = 0;
	struct frame frame;

	grown = rig_memory_kib(rig) - before;
	CHECK(rig, grown < 4096);
	while (answers < sent && peer_next(peer, &frame, ANSWER_TIMEOUT_MS))
		if (frame.method == method && (frame.kind == FRAME_REPLY || frame.kind == FRAME_ERROR))
			answers++;
	CHECK(rig, answers == sent);
	snprintf(got, size, "%u requests kept waiting at %ld KiB, all answered", sent, grown);
}

static void ping_flood(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);

	flood(rig, peer, EVLOOP__METHOD__METHOD_PING, NULL, 100, got, size);
	peer_close(peer);
}

/* Small questions with large answers. */
static void list_flood(struct rig *rig, char *got, size_t size) {
	Evloop__ListRequest request = EVLOOP__LIST_REQUEST__INIT;
	struct peer *peer = peer_open(rig);

	request.anonymous = true;
	for (unsigned i = 0; i < 1000; i++)
		put_arm(peer, FRAME_ONEWAY, i + 1, 3600 * NSEC_PER_SEC, NULL, 0);
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	flood(rig, peer, EVLOOP__METHOD__METHOD_LIST, &request, 1, got, size);
	peer_close(peer);
}

/* Many sessions of one uid do the same at once. */
static void list_floods(struct rig *rig, char *got, size_t size) {
	Evloop__ListRequest request = EVLOOP__LIST_REQUEST__INIT;
	struct peer *peers[32];
	long before, grown;
	unsigned sent = 0;

	request.anonymous = true;
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		peers[i] = peer_open(rig);
	for (unsigned i = 0; i < 1000; i++)
		put_arm(peers[0], FRAME_ONEWAY, i + 1, 3600 * NSEC_PER_SEC, NULL, 0);
	CHECK(rig, strcmp(peer_fate(peers[0], NULL), "alive") == 0);
	before = rig_memory_kib(rig);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		while (packet_put(&peers[i]->out, FRAME_REQUEST, EVLOOP__METHOD__METHOD_LIST, 1, &request.base, NULL,
				  0) == 0)
			sent++;
		while (packet_send(peers[i]->fd, &peers[i]->out) == 0)
			;
	}
	pause_ms(700);
	grown = rig_memory_kib(rig) - before;
	CHECK(rig, grown < 16384);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		peer_close(peers[i]);
	snprintf(got, size, "32 sessions wait at %ld KiB", grown);
}

/* A job's output, read by many requests at once, signals without end, and a job that writes without end. */
static void job_floods(struct rig *rig, char *got, size_t size) {
	static char *words[] = { (char *)"/bin/sh", (char *)"-c",
				 (char *)"trap : USR1; while :; do echo yyyyyyyyyyyyyyyyyyyy; done" };
	ProtobufCBinaryData argv[ARRAY_SIZE(words)], environment = { 13, (uint8_t *)"PATH=/usr/bin" };
	Evloop__ManageRequest kill = EVLOOP__MANAGE_REQUEST__INIT;
	Evloop__LogRequest log = EVLOOP__LOG_REQUEST__INIT;
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	Evloop__Command command = EVLOOP__COMMAND__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	struct peer *peer = peer_open(rig);
	char text[80];

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		argv[i] = (ProtobufCBinaryData){ strlen(words[i]), (uint8_t *)words[i] };
	command.argv = argv;
	command.n_argv = ARRAY_SIZE(argv);
	command.environment = &environment;
	command.n_environment = 1;
	spec.command = &command;
	spec.relative = true;
	spec.name = target.name = (char *)"flood";
	CHECK(rig, peer_call(peer, EVLOOP__METHOD__METHOD_ARM, &spec));
	pause_ms(200);
	log.target = kill.target = &target;
	flood(rig, peer, EVLOOP__METHOD__METHOD_LOG, &log, 1, text, sizeof(text));
	kill.signal = 10; /* USR1 */
	flood(rig, peer, EVLOOP__METHOD__METHOD_KILL, &kill, 100, got, size);
	kill.signal = 9;
	CHECK(rig, peer_call(peer, EVLOOP__METHOD__METHOD_KILL, &kill));
	for (unsigned i = 0; i < 500; i++) {
		Evloop__ListRequest list = EVLOOP__LIST_REQUEST__INIT;
		const Evloop__ListReply *reply;

		list.target = &target;
		reply = peer_call(peer, EVLOOP__METHOD__METHOD_LIST, &list);
		if (!reply || reply->n_timers != 1 || reply->timers[0]->state == EVLOOP__TIMER_STATE__TIMER_FINISHED)
			break;
		pause_ms(10);
	}
	peer_close(peer);
}

/* Arm a timer with a command of `n` words of `length` letters.  Return: as peer_call(). */
static const Evloop__Armed *arm_words(struct peer *peer, const char *name, size_t n, size_t length) {
	ProtobufCBinaryData *words = calloc(n, sizeof(*words));
	static uint8_t letters[COMMAND_SIZE_MAX];
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	Evloop__Command command = EVLOOP__COMMAND__INIT;
	const Evloop__Armed *armed;

	assert(words);
	memset(letters, 'x', sizeof(letters));
	for (size_t i = 0; i < n; i++)
		words[i] = (ProtobufCBinaryData){ length, letters };
	command.argv = command.environment = words;
	command.n_argv = n;
	spec.command = &command;
	spec.relative = true;
	spec.deadline_ns = 3600 * NSEC_PER_SEC;
	spec.name = (char *)name;
	armed = peer_call(peer, EVLOOP__METHOD__METHOD_ARM, &spec);
	free(words);
	return armed;
}

#define LARGEST_COMMAND_KIB                                                                                            \
	200 /* of many words, in memory; jobs of the daemon's own uid that have ended are kept for a while */

/* What is taken can be told of, however long it is: in lists, and in the refusal of a name that is taken. */
static void large_commands(struct rig *rig, char *got, size_t size) {
	static const struct {
		size_t n, length;
	} table[] = { { 2290, 1 }, { 1900, 5 }, { 700, 55 }, { 10, 5000 }, { 1, 57000 } };
	Evloop__ListRequest list = EVLOOP__LIST_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	struct peer *peer = peer_open(rig);
	unsigned listed = 0;
	char name[16];

	list.details = true;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const Evloop__ListReply *reply;

		snprintf(name, sizeof(name), "large.%zu", i);
		CHECK(rig, arm_words(peer, name, table[i].n, table[i].length));
		CHECK(rig, !arm_words(peer, name, 1, 1) && peer->error == EVLOOP__STATUS__STATUS_EXISTS);
		target.name = name;
		list.target = &target;
		reply = peer_call(peer, EVLOOP__METHOD__METHOD_LIST, &list);
		CHECK(rig, reply && reply->n_timers == 1 && reply->timers[0]->words == table[i].n);
	}
	target.name = (char *)"";
	target.glob = (char *)"large.*";
	for (bool more = true; more;) {
		const Evloop__ListReply *reply = peer_call(peer, EVLOOP__METHOD__METHOD_LIST, &list);

		CHECK(rig, reply);
		listed += reply ? (unsigned)reply->n_timers : 0;
		more = reply && reply->more;
		list.after = reply ? reply->next : 0;
	}
	CHECK(rig, listed == ARRAY_SIZE(table));
	/* One by one: where this is done again and again, a page of that pattern is full of those that are over. */
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		snprintf(name, sizeof(name), "large.%zu", i);
		CHECK(rig, manage(peer, EVLOOP__METHOD__METHOD_CANCEL, name, NULL));
	}
	peer_close(peer);
	snprintf(got, size, "up to 18,000 words armed and listed");
}

/* One timer, followed under ten thousand handles, and triggered. */
static void attach_flood(struct rig *rig, char *got, size_t size) {
	Evloop__AttachRequest request = EVLOOP__ATTACH_REQUEST__INIT;
	Evloop__ManageRequest trigger = EVLOOP__MANAGE_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	unsigned n = 10 * ATTACHMENTS_MAX, fired = 0;
	struct peer *peer = peer_open(rig);
	static unsigned run; /* the timers of the one before may be being dropped still */
	struct frame frame;
	char name[32];

	run++;
	target.name = name;
	request.target = trigger.target = &target;
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "followed%u.%u", run, i / ATTACHMENTS_MAX);
		if (i % ATTACHMENTS_MAX == 0)
			put_arm(peer, FRAME_ONEWAY, n + i + 1, 3600 * NSEC_PER_SEC, name, 0);
		request.handle = i + 1;
		peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_ATTACH, &request);
	}
	request.handle = 3 * n;
	CHECK(rig,
	      !peer_call(peer, EVLOOP__METHOD__METHOD_ATTACH, &request) && peer->error == EVLOOP__STATUS__STATUS_QUOTA);
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "followed%u.%u", run, i);
		peer_put(peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_TRIGGER, &trigger);
	}
	peer_flush(peer);
	while (fired < n + 10 && peer_next(peer, &frame, ANSWER_TIMEOUT_MS))
		fired += frame.method == EVLOOP__METHOD__METHOD_EVENT;
	CHECK(rig, fired == n + 10);
	peer_close(peer);
	snprintf(got, size, "%u events", fired);
}

/* One name replaced again and again, and everything managed by pattern again and again. */
static void update_storm(struct rig *rig, char *got, size_t size) {
	static const unsigned verbs[] = { EVLOOP__METHOD__METHOD_PAUSE, EVLOOP__METHOD__METHOD_RESUME,
					  EVLOOP__METHOD__METHOD_TRIGGER, EVLOOP__METHOD__METHOD_POKE };
	struct peer *peer = peer_open(rig);
	size_t done = 0;
	char name[32];

	for (unsigned i = 0; i < 20000; i++)
		put_arm(peer, FRAME_ONEWAY, i + 1, 3600 * NSEC_PER_SEC, "replaced",
			i % 2 ? EVLOOP__NAME_MODE__NAME_REPLACE : EVLOOP__NAME_MODE__NAME_ENSURE);
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "storm.%u", i);
		put_arm(peer, FRAME_ONEWAY, 100000 + i, 3600 * NSEC_PER_SEC, name, 0);
	}
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	for (unsigned i = 0; i < 20; i++)
		done += manage_all(peer, verbs[i % ARRAY_SIZE(verbs)], "storm.*");
	CHECK(rig, done == 20 * 2000);
	snprintf(got, size, "20,000 replaced, %zu managed, %s", done, peer_fate(peer, NULL));
	peer_close(peer);
}

const struct attack attacks_by_requests[] = {
	{ .name = "handle reuse", .run = handles },
	{ .name = "duplicate names race", .run = name_race },
	{ .name = "cancel storm", .run = cancel_storm },
	{ .name = "pathological patterns", .run = patterns },
	{ .name = "pings, nothing read", .run = ping_flood },
	{ .name = "lists, nothing read", .run = list_flood },
	{ .name = "lists of 32 sessions", .run = list_floods },
	{ .name = "log and kill floods",
	  .run = job_floods,
	  .slow = "its job never sleeps, and takes another processor" },
	{ .name = "large commands", .run = large_commands, .memory_kib = FINISHED_KEPT_MAX * LARGEST_COMMAND_KIB },
	{ .name = "attach flood", .run = attach_flood },
	{ .name = "replace and manage storm", .run = update_storm },
	{ 0 },
};
