/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions and their way out, with a protocol of the test's own behind them: what a peer does costs that peer, and nobody else. */

#include "tests/unit/test.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/core/tenant.h"
#include "daemon/core/timer.h"
#include "tests/unit/peer-world.h"

/* The methods.  Each but OPEN has a LogRequest for a body, whose `limit` is its number. */
enum {
	OPEN = 1, /* HelloRequest; no answer */
	ANSWER, /* so many bytes */
	ARM, /* so many timers that are due, and an answer */
	SPIN, /* so many microseconds of work, and an answer */
	BREAK, /* the session cannot go on */
	COMPLAIN, /* the peer has broken the protocol */
};

static struct script {
	struct arena arena;
	unsigned handled;
	uint64_t handle;
	unsigned event_us; /* that it takes to tell of an event */
	uint8_t bytes[60000];
} script;

static struct peer_world world;

static int answer(struct session *session, const struct frame *frame, size_t size) {
	Evloop__LogReply reply = EVLOOP__LOG_REPLY__INIT;

	reply.data = (ProtobufCBinaryData){ .data = script.bytes, .len = size };
	return outbox_put(&session->outbox, FRAME_REPLY, frame->method, frame->serial, &reply.base);
}

static void arm(struct session *session, unsigned n) {
	int64_t now = loop_now(world.loop)->ns[TIMER_CLOCK_BOOTTIME];

	for (unsigned i = 0; i < n; i++) {
		struct timer_spec spec = { .handle = ++script.handle, .deadline_ns = now, .delay_ns = -1 };
		enum timer_change change;
		struct timer *timer;

		assert_int_equal(timer_arm(world.scheduler, &session->owner, &spec, &timer, &change), 0);
	}
}

static int handle(struct session *session, const struct frame *frame) {
	const Evloop__LogRequest *request;

	script.handled++;
	if (frame->method == OPEN) {
		const Evloop__HelloRequest *hello = message_unpack(&script.arena, &evloop__hello_request__descriptor,
								   frame->body, frame->body_size);

		session_open(session, hello->client_name, hello->resumes);
		return 0;
	}
	request = message_unpack(&script.arena, &evloop__log_request__descriptor, frame->body, frame->body_size);
	switch (frame->method) {
	case ARM:
		arm(session, request->limit);
		return answer(session, frame, 0);
	case SPIN:
		peer_world_pass(request->limit * NSEC_PER_USEC);
		return answer(session, frame, 0);
	case BREAK:
		return -ENOMEM;
	case COMPLAIN:
		session_fail(session, EVLOOP__STATUS__STATUS_PROTOCOL, "frame %u", (unsigned)frame->serial);
		return 0;
	default:
		return answer(session, frame, request->limit);
	}
}

static int dispatch(void *userdata _unused_, struct session *session, struct packet *packet) {
	struct frame frame;
	int *fds, r = 0;

	while (r >= 0 && packet_next(packet, &frame, &fds)) {
		r = handle(session, &frame);
		arena_reset(&script.arena);
		if (!session_goes_on(session, frame.method == SPIN))
			break;
	}
	return r;
}

static int notify(void *userdata _unused_, struct session *session, const struct event *event) {
	Evloop__Event message = EVLOOP__EVENT__INIT;

	peer_world_pass(script.event_us * NSEC_PER_USEC);
	message.handle = event->handle;
	return outbox_put(&session->outbox, FRAME_EVENT, EVLOOP__METHOD__METHOD_EVENT, session_next_sequence(session),
			  &message.base);
}

static const struct session_ops ops = { .dispatch = dispatch, .notify = notify };

/* ---- what tests have in common ---- */

static int setup(void **state _unused_) {
	world.starter = NULL;
	assert_int_equal(arena_init(&script.arena), 0);
	script.handled = 0;
	script.handle = 0;
	script.event_us = 0;
	return peer_world_init(&world, &ops, NULL);
}

static int teardown(void **state _unused_) {
	peer_world_deinit(&world);
	assert_true(LIST_EMPTY(&world.quota.accounts));
	assert_int_equal(world.quota.sessions.sum + world.quota.sessions.users, 0);
	assert_int_equal(world.quota.bytes.sum + world.quota.bytes.users, 0);
	arena_deinit(&script.arena);
	return 0;
}

static uint64_t put(struct peer *peer, unsigned method, unsigned number) {
	Evloop__LogRequest request = EVLOOP__LOG_REQUEST__INIT;

	request.limit = number;
	return peer_put(peer, FRAME_REQUEST, method, &request);
}

static void open_as(struct peer *peer, const char *name) {
	Evloop__HelloRequest request = EVLOOP__HELLO_REQUEST__INIT;

	request.client_name = (char *)name;
	(void)peer_put(peer, FRAME_REQUEST, OPEN, &request);
	assert_true(peer_flush(peer));
	peer_world_turn(&world);
}

static struct session *begin(struct peer *peer) {
	peer_init(peer, &world);
	open_as(peer, "test");
	return peer_world_newest(&world);
}

/* The next frame must be the answer to that request. */
static void expect_answer(struct peer *peer, uint64_t serial) {
	struct frame frame;

	assert_true(peer_take(peer, &frame));
	assert_int_equal(frame.kind, FRAME_REPLY);
	assert_int_equal(frame.serial, serial);
}

static void expect_nothing(struct peer *peer) {
	struct frame frame;

	assert_false(peer_take(peer, &frame));
	assert_false(peer_is_ended(peer));
}

/* The next and last frame. */
static const Evloop__Error *expect_last_word(struct peer *peer, Evloop__Status status) {
	const Evloop__Error *error;
	struct frame frame, more;

	assert_true(peer_take(peer, &frame));
	assert_int_equal(frame.kind, FRAME_ERROR);
	assert_int_equal(frame.method, EVLOOP__METHOD__METHOD_NONE);
	assert_int_equal(frame.serial, 0);
	error = peer_unpack(peer, &evloop__error__descriptor, &frame);
	assert_int_equal(error->status, status);
	assert_false(peer_take(peer, &more));
	assert_true(peer_is_ended(peer));
	return error;
}

static void expect_alive(struct peer *peer) {
	uint64_t serial = put(peer, ANSWER, 1);

	assert_true(peer_flush(peer));
	peer_world_settle(&world);
	expect_answer(peer, serial);
	expect_nothing(peer);
}

/* ---- reading ---- */

static void test_answers_share_a_packet(void **state _unused_) {
	uint64_t serials[8]; /* as many as are handled without a look at the clock */
	struct peer peer;
	ssize_t n;

	(void)begin(&peer);
	for (size_t i = 0; i < ARRAY_SIZE(serials); i++)
		serials[i] = put(&peer, ANSWER, 100);
	assert_true(peer_flush(&peer));
	peer_world_turn(&world); /* one is enough */
	n = recv(peer.fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	assert_true(n > 800 && n < 1600);
	for (size_t i = 0; i < ARRAY_SIZE(serials); i++)
		expect_answer(&peer, serials[i]);
	expect_nothing(&peer);
	peer_deinit(&peer);
}

/* One of them alone may be as large as a packet can be; the order stays. */
static void test_large_answers(void **state _unused_) {
	static const unsigned sizes[] = { 10, 60000, 10, 10, 16000, 400, 10, 60000, 60000, 10 };
	uint64_t serials[ARRAY_SIZE(sizes)];
	struct peer peer;

	(void)begin(&peer);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		serials[i] = put(&peer, ANSWER, sizes[i]);
	assert_true(peer_flush(&peer));
	peer_world_settle(&world);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		expect_answer(&peer, serials[i]);
	peer_deinit(&peer);
}

/* The answer first, then the events that the request has caused. */
static void test_events_do_not_overtake(void **state _unused_) {
	struct peer peer;
	struct frame frame;
	uint64_t serial;

	(void)begin(&peer);
	serial = put(&peer, ARM, 3);
	assert_true(peer_flush(&peer));
	peer_world_settle(&world);
	expect_answer(&peer, serial);
	for (uint64_t handle = 1; handle <= 3; handle++) {
		const Evloop__Event *event;

		assert_true(peer_take(&peer, &frame));
		event = peer_unpack(&peer, &evloop__event__descriptor, &frame);
		assert_int_equal(event->handle, handle);
	}
	expect_nothing(&peer);
	peer_deinit(&peer);
}

/* A uid that has had its time waits, with whatever it has sent, but it is not forgotten. */
static void test_share_of_a_turn(void **state _unused_) {
	uint64_t serials[3], other;
	struct peer peer, second;

	(void)begin(&peer);
	(void)begin(&second);
	script.handled = 0;
	for (unsigned i = 0; i < 3; i++)
		serials[i] = put(&peer, SPIN, 1100);
	other = put(&second, SPIN, 1100);
	assert_true(peer_flush(&peer) && peer_flush(&second));
	for (unsigned turn = 1; turn <= 4; turn++) {
		peer_world_turn(&world);
		assert_true(script.handled <=
			    2 * turn); /* the rest of a packet is handled in the flush before and behind */
	}
	peer_world_settle(&world);
	assert_int_equal(script.handled, 4);
	for (unsigned i = 0; i < 3; i++)
		expect_answer(&peer, serials[i]);
	expect_answer(&second, other);
	peer_deinit(&second);
	peer_deinit(&peer);
}

/* So it is before hello, too. */
static void test_share_of_a_greeting(void **state _unused_) {
	uint64_t serials[5];
	struct peer peer;

	peer_init(&peer, &world);
	for (size_t i = 0; i < ARRAY_SIZE(serials); i++)
		serials[i] = put(&peer, SPIN, 1100);
	assert_true(peer_flush(&peer));
	peer_world_settle(&world);
	for (size_t i = 0; i < ARRAY_SIZE(serials); i++)
		expect_answer(&peer, serials[i]);
	open_as(&peer, "late");
	expect_alive(&peer);
	peer_deinit(&peer);
}

/* ---- writing ---- */

/* Who does not read is not read, and keeps what he has asked for; somebody else does not notice. */
static void test_unread_answers(void **state _unused_) {
	const unsigned n = 2000, size = 1000;
	struct peer peer, other;
	uint64_t first = 0, last = 0;
	struct session *session;
	struct frame frame;
	unsigned handled;
	uint64_t bytes;

	session = begin(&peer);
	(void)begin(&other);
	bytes = session->account->bytes;
	script.handled = 0;
	for (unsigned i = 0; i < n; i++) {
		last = put(&peer, ANSWER, size);
		first = first ? first : last;
		if (i % 50 == 49)
			assert_true(peer_flush(&peer));
	}
	peer_world_settle(&world);
	handled = script.handled;
	assert_true(handled < n);
	assert_in_range(session->outbox.kept_bytes, REPLIES_UNSENT_MAX, REPLIES_UNSENT_MAX + PACKET_SIZE_PACK + size);
	assert_in_range(session->account->bytes, bytes + session->outbox.kept_bytes,
			bytes + session->outbox.kept_bytes + PACKET_SIZE_MAX);
	assert_int_equal(world.quota.bytes.sum, session->account->bytes);
	expect_alive(&other);
	peer_world_settle(&world);
	assert_int_equal(script.handled, handled + 1); /* that of the other one */

	for (uint64_t serial = first; serial <= last; serial++) {
		while (!peer_take(&peer, &frame)) {
			assert_false(peer_is_ended(&peer));
			peer_world_turn(&world);
		}
		assert_int_equal(frame.serial, serial);
	}
	assert_int_equal(session->outbox.kept_bytes, 0);
	assert_int_equal(session->account->bytes, bytes);
	expect_alive(&peer);
	peer_deinit(&other);
	peer_deinit(&peer);
}

/* Events wait where they are, and not in packets. */
static void test_unread_events(void **state _unused_) {
	const unsigned n = 20000;
	struct session *session;
	struct peer peer;
	struct frame frame;

	session = begin(&peer);
	for (unsigned i = 0; i < n / 100; i++) {
		(void)put(&peer, ARM, 100);
		assert_true(peer_flush(&peer));
		peer_world_turn(&world);
	}
	peer_world_settle(&world);
	assert_in_range(session->outbox.kept_bytes, 1, REPLIES_UNSENT_MAX - 1);
	assert_false(TAILQ_EMPTY(&session->owner.pending));

	for (unsigned answers = 0; peer.sequence < n || answers < n / 100;) {
		if (peer_take(&peer, &frame))
			answers += frame.kind == FRAME_REPLY;
		else
			peer_world_turn(&world);
	}
	expect_nothing(&peer);
	assert_int_equal(tenant_use(session->owner.tenant)->timers, 0);
	peer_deinit(&peer);
}

/* ---- faults ---- */

static void test_broken_packets(void **state _unused_) {
	static uint8_t large[PACKET_SIZE_MAX + 1];
	static const struct {
		const void *data;
		size_t size;
	} table[] = {
		{ "x", 1 },
		{ "\x10\0\0\0\2\0\1\0\0\0\0\0\0\0\0\0y", 17 }, /* a frame and a byte */
		{ "\x0f\0\0\0\2\0\1\0\0\0\0\0\0\0\0\0", 16 }, /* shorter than its header */
		{ "\x10\0\0\0\2\0\1\1\0\0\0\0\0\0\0\0", 16 }, /* with a descriptor that did not come */
		{ large, sizeof(large) },
	};
	struct peer other;

	(void)begin(&other);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct peer peer;

		(void)begin(&peer);
		script.handled = 0;
		peer_send(&peer, table[i].data, table[i].size);
		peer_world_turn(&world);
		assert_int_equal(script.handled, 0);
		(void)expect_last_word(&peer, EVLOOP__STATUS__STATUS_PROTOCOL);
		peer_deinit(&peer);
		expect_alive(&other);
	}
	peer_world_settle(&world);
	assert_int_equal(world.sessions.n, 1);
	peer_deinit(&other);
}

/* What was asked before is answered, what comes behind is not read, and the last word is the last. */
static void test_last_word(void **state _unused_) {
	const Evloop__Error *error;
	uint64_t before;
	struct peer peer;

	(void)begin(&peer);
	before = put(&peer, ANSWER, 1000);
	(void)put(&peer, COMPLAIN, 0);
	(void)put(&peer, ANSWER, 1000);
	assert_true(peer_flush(&peer));
	script.handled = 0;
	peer_world_turn(&world);
	assert_int_equal(script.handled, 2);
	expect_answer(&peer, before);
	error = expect_last_word(&peer, EVLOOP__STATUS__STATUS_PROTOCOL);
	assert_string_equal(error->message, "frame 3");
	assert_int_equal(world.sessions.n, 0);
	peer_deinit(&peer);
}

/* It waits until what is in front of it has been read. */
static void test_last_word_behind_unread(void **state _unused_) {
	struct peer peer;
	struct frame frame;
	unsigned n = 0;

	(void)begin(&peer);
	for (unsigned i = 0; i < 12; i++) {
		(void)put(&peer, ANSWER, 60000);
		assert_true(peer_flush(&peer));
		peer_world_turn(&world);
		if (peer_world_newest(&world)->outbox.kept_bytes > 0)
			break;
	}
	(void)put(&peer, COMPLAIN, 0);
	assert_true(peer_flush(&peer));
	peer_world_settle(&world);
	assert_int_equal(world.sessions.n, 1);
	for (;;) {
		if (!peer_take(&peer, &frame))
			peer_world_turn(&world);
		else if (frame.kind == FRAME_ERROR)
			break;
		else
			n++;
	}
	assert_true(n > 1);
	peer_world_turn(&world);
	assert_true(peer_is_ended(&peer));
	assert_int_equal(world.sessions.n, 0);
	peer_deinit(&peer);
}

static void test_session_that_cannot_go_on(void **state _unused_) {
	struct peer peer, other;

	(void)begin(&other);
	(void)begin(&peer);
	(void)put(&peer, BREAK, 0);
	(void)put(&peer, ANSWER, 0);
	assert_true(peer_flush(&peer));
	peer_world_turn(&world);
	assert_true(peer_is_ended(&peer));
	expect_alive(&other);
	peer_deinit(&peer);
	peer_deinit(&other);
}

static void test_silence(void **state _unused_) {
	struct peer peer, other;
	int64_t limit;

	assert_true(sessions_next(&world.sessions) == INT64_MAX);
	(void)begin(&other);
	assert_true(sessions_next(&world.sessions) == INT64_MAX);
	peer_init(&peer, &world);
	limit = peer_world_newest(&world)->connected_ns + HELLO_TIMEOUT_NS;
	assert_int_equal(sessions_next(&world.sessions), limit);
	sessions_tick(&world.sessions, limit - 1);
	expect_nothing(&peer);
	sessions_tick(&world.sessions, limit);
	(void)expect_last_word(&peer, EVLOOP__STATUS__STATUS_TIMEOUT);
	assert_true(sessions_next(&world.sessions) == INT64_MAX);
	expect_alive(&other);
	peer_deinit(&peer);
	peer_deinit(&other);
}

/* ---- beginning and end ---- */

static void test_too_many(void **state _unused_) {
	struct peer peers[3];
	const Evloop__Error *error;

	assert_null(quota_set(&world.quota, "sessions=2"));
	(void)begin(&peers[0]);
	(void)begin(&peers[1]);
	peer_init(&peers[2], &world);
	error = expect_last_word(&peers[2], EVLOOP__STATUS__STATUS_QUOTA);
	assert_string_equal(error->limit_name, "sessions");
	assert_int_equal(error->limit, 2);
	assert_int_equal(error->used, 2);
	assert_int_equal(error->asked, 1);
	peer_deinit(&peers[2]);
	/* As soon as one has gone, another one may come. */
	peer_deinit(&peers[0]);
	peer_world_turn(&world);
	(void)begin(&peers[2]);
	expect_alive(&peers[2]);
	peer_deinit(&peers[1]);
	peer_deinit(&peers[2]);
}

/* What a session may cost beside its sources is charged when it begins. */
static void test_too_many_bytes(void **state _unused_) {
	struct peer first, second;
	const Evloop__Error *error;
	struct session *session = begin(&first);

	assert_in_range(session->account->bytes, sizeof(*session), sizeof(*session) + SESSION_BUFFER_MAX);
	world.quota.limits[QUOTA_BYTES] = 2 * session->account->bytes - 1;
	peer_init(&second, &world);
	error = expect_last_word(&second, EVLOOP__STATUS__STATUS_QUOTA);
	assert_string_equal(error->limit_name, "bytes");
	peer_deinit(&second);
	/* The first one takes half of a pool, and who has something is not asked again. */
	world.quota.limits[QUOTA_BYTES] = UINT64_MAX;
	world.quota.pools[QUOTA_BYTES] = 3 * session->account->bytes;
	peer_init(&second, &world);
	error = expect_last_word(&second, EVLOOP__STATUS__STATUS_QUOTA);
	assert_int_equal(error->scope, EVLOOP__QUOTA_SCOPE__QUOTA_SCOPE_POOL);
	assert_int_equal(error->limit, world.quota.pools[QUOTA_BYTES]);
	peer_deinit(&second);
	expect_alive(&first);
	world.quota.pools[QUOTA_BYTES] = 4 * session->account->bytes;
	(void)begin(&second);
	expect_alive(&second);
	peer_deinit(&first);
	peer_deinit(&second);
}

static unsigned take_all(struct peer *peer) {
	struct frame frame;
	unsigned n = 0;

	while (peer_take(peer, &frame))
		n++;
	return n;
}

/* Each of these sessions of one uid could use up its time for ever: each comes up all the same, and so does one that has little to ask. */
static void test_shares_of_requests(void **state _unused_) {
	struct peer greedy[3], modest;
	unsigned answers[3] = { 0 }, answered = 0;

	for (size_t i = 0; i < ARRAY_SIZE(greedy); i++)
		(void)begin(&greedy[i]);
	(void)begin(&modest);
	for (unsigned turn = 0; turn < 60; turn++) {
		for (size_t i = 0; i < ARRAY_SIZE(greedy); i++)
			for (unsigned behind = turn == 0 ? 0 : 1; behind < 2; behind++) {
				(void)put(&greedy[i], SPIN, 100);
				(void)peer_flush(&greedy[i]); /* or it is full */
			}
		if (turn % 10 == 0) {
			(void)put(&modest, ANSWER, 1);
			assert_true(peer_flush(&modest));
		}
		peer_world_turn(&world);
		for (size_t i = 0; i < ARRAY_SIZE(greedy); i++)
			answers[i] += take_all(&greedy[i]);
		answered += take_all(&modest);
	}
	assert_int_equal(answered, 6);
	for (size_t i = 0; i < ARRAY_SIZE(greedy); i++) {
		assert_in_range(answers[i], 10, 100);
		peer_deinit(&greedy[i]);
	}
	peer_deinit(&modest);
}

/* The same of events. */
static void test_shares_of_events(void **state _unused_) {
	struct session *sessions[3], *last;
	struct peer greedy[3], modest;
	unsigned events[3] = { 0 }, told = 0;

	for (size_t i = 0; i < ARRAY_SIZE(greedy); i++)
		sessions[i] = begin(&greedy[i]);
	last = begin(&modest);
	script.event_us = 20;
	for (unsigned turn = 0; turn < 60; turn++) {
		for (size_t i = 0; i < ARRAY_SIZE(greedy); i++)
			arm(sessions[i], 20);
		if (turn % 10 == 0)
			arm(last, 1);
		peer_world_turn(&world);
		for (size_t i = 0; i < ARRAY_SIZE(greedy); i++)
			events[i] += take_all(&greedy[i]);
		told += take_all(&modest);
	}
	assert_in_range(told, 5, 12); /* FIRED, and maybe ENDED */
	for (size_t i = 0; i < ARRAY_SIZE(greedy); i++) {
		assert_in_range(events[i], 60, 1000);
		peer_deinit(&greedy[i]);
	}
	peer_deinit(&modest);
}

/* A session that ends with many timers must not hold up a turn. */
static void test_end_with_many_timers(void **state _unused_) {
	const struct tenant_use *use;
	struct peer peer, other;
	struct session *session;
	unsigned turns = 0;

	session = begin(&other);
	use = tenant_use(session->owner.tenant);
	session = begin(&peer);
	for (unsigned i = 0; i < 20000; i++) {
		struct timer_spec spec = { .handle = i + 1, .deadline_ns = TIME_NS_MAX, .delay_ns = -1 };
		enum timer_change change;
		struct timer *timer;

		assert_int_equal(timer_arm(world.scheduler, &session->owner, &spec, &timer, &change), 0);
	}
	peer_hang_up(&peer);
	for (; use->timers > 0; turns++)
		peer_world_turn(&world);
	/* How many that are is up to the clock. */
	assert_in_range(turns, 3, 20000);
	expect_alive(&other);
	assert_int_equal(world.sessions.n, 1);
	peer_deinit(&peer);
	peer_deinit(&other);
}

static void test_names(void **state _unused_) {
	static const struct {
		const char *name, *shown;
	} table[] = {
		{ "plain", "plain" },
		{ "", "" },
		{ "two\nlines\x1b[2J\x7f", "two?lines?[2J?" },
		{ "\xc2\x9b\x32J \xc3\xa4", "??2J \xc3\xa4" }, /* a control character of C1; an umlaut is none */
		{ "\xc2\xa0", "\xc2\xa0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct session *session;
		struct peer peer;

		peer_init(&peer, &world);
		open_as(&peer, table[i].name);
		session = peer_world_newest(&world);
		assert_int_equal(session->state, SESSION_OPEN);
		assert_string_equal(session->client_name, table[i].shown);
		peer_deinit(&peer);
	}
}

/* Descriptors that nobody takes are closed, though not here; the session waits for that, and goes on. */
static void test_descriptors_that_nobody_takes(void **state _unused_) {
	Evloop__LogRequest request = EVLOOP__LOG_REQUEST__INIT;
	struct pollfd closed = { 0 };
	struct peer peer;
	uint64_t serial;
	int fds[2];

	skip_in_valgrind();
	(void)begin(&peer);
	assert_int_equal(pipe(fds), 0);
	serial = ++peer.serial;
	assert_int_equal(packet_put(&peer.out, FRAME_REQUEST, ANSWER, serial, &request.base, &fds[1], 1), 0);
	assert_true(peer_flush(&peer));
	assert_int_equal(close(fds[1]), 0);
	closed.fd = fds[0];
	assert_int_equal(poll(&closed, 1, 0), 0);
	peer_world_turn(&world);
	expect_answer(&peer, serial);
	assert_int_equal(poll(&closed, 1, 5000), 1);
	assert_true(closed.revents & POLLHUP);
	/* Its process has closed, and then ends; so there is a moment to wait for. */
	serial = put(&peer, ANSWER, 1);
	assert_true(peer_flush(&peer));
	closed.fd = peer.fd;
	closed.events = POLLIN;
	for (unsigned i = 0; i < 5000 && poll(&closed, 1, 1) == 0; i++)
		peer_world_turn(&world);
	expect_answer(&peer, serial);
	assert_int_equal(close(fds[0]), 0);
	peer_deinit(&peer);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_answers_share_a_packet),
		TEST(test_large_answers),
		TEST(test_events_do_not_overtake),
		TEST(test_share_of_a_turn),
		TEST(test_share_of_a_greeting),
		TEST(test_unread_answers),
		TEST(test_unread_events),
		TEST(test_broken_packets),
		TEST(test_last_word),
		TEST(test_last_word_behind_unread),
		TEST(test_session_that_cannot_go_on),
		TEST(test_silence),
		TEST(test_too_many),
		TEST(test_too_many_bytes),
		TEST(test_shares_of_requests),
		TEST(test_shares_of_events),
		TEST(test_end_with_many_timers),
		TEST(test_names),
		TEST(test_descriptors_that_nobody_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
