/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests and their answers: what is refused and in which words, what a limit counts, and what fits into a page. */

#include "tests/unit/test.h"

#include <inttypes.h>
#include <string.h>

#include "tests/unit/fake-starter.h"
#include "tests/unit/peer-world.h"

#define METHOD(name) EVLOOP__METHOD__METHOD_##name
#define STATUS(name) EVLOOP__STATUS__STATUS_##name

static struct peer_world world;
static struct fake_starter fake;
static struct peer peer;

static int setup(void **state _unused_) {
	fake_starter_init(&fake);
	world.starter = &fake.starter;
	assert_int_equal(peer_world_init(&world, NULL, NULL), 0);
	peer_init(&peer, &world);
	return 0;
}

static int setup_open(void **state) {
	(void)setup(state);
	peer_open(&peer);
	return 0;
}

static int teardown(void **state _unused_) {
	peer_deinit(&peer);
	peer_world_deinit(&world);
	return 0;
}

static int64_t now(void) {
	return loop_now(world.loop)->ns[TIMER_CLOCK_BOOTTIME];
}

/* ---- hello ---- */

static void test_hello(void **state _unused_) {
	Evloop__HelloRequest request = EVLOOP__HELLO_REQUEST__INIT;
	const Evloop__HelloReply *reply;
	const Evloop__Error *error;

	request.version = PROTOCOL_VERSION + 7;
	request.floor = PROTOCOL_VERSION;
	request.client_name = (char *)"me";
	reply = peer_call(&peer, METHOD(HELLO), &request, NULL);
	assert_int_equal(reply->version, PROTOCOL_VERSION);
	assert_int_equal(reply->floor, PROTOCOL_FLOOR);
	assert_string_equal(reply->daemon_version, PACKAGE_VERSION);
	assert_int_equal(reply->daemon_pid, getpid());
	assert_int_equal(reply->uid, getuid());
	assert_int_equal(reply->max_packet, PACKET_SIZE_MAX);
	assert_true(reply->executes);
	assert_in_range(reply->boottime_ns, 1, now());

	assert_null(peer_call(&peer, METHOD(HELLO), &request, &error));
	assert_int_equal(error->status, STATUS(INVALID));
	assert_non_null(peer_call(&peer, METHOD(PING), NULL, NULL));
}

static void test_wrong_version(void **state _unused_) {
	Evloop__HelloRequest request = EVLOOP__HELLO_REQUEST__INIT;
	const Evloop__Error *error;
	struct frame frame;

	request.version = 7;
	request.floor = 5;
	(void)peer_put(&peer, FRAME_REQUEST, METHOD(HELLO), &request);
	(void)peer_put(&peer, FRAME_REQUEST, METHOD(PING), NULL);
	assert_true(peer_flush(&peer));
	peer_world_turn(&world);
	assert_true(peer_take(&peer, &frame));
	assert_int_equal(frame.method, METHOD(NONE));
	error = peer_unpack(&peer, &evloop__error__descriptor, &frame);
	assert_int_equal(error->status, STATUS(PROTOCOL));
	assert_string_equal(error->message, "the client speaks protocol versions 5 to 7, the daemon 1 to 1");
	assert_false(peer_take(&peer, &frame));
	assert_true(peer_is_ended(&peer));
}

/* Hello comes first, as a request. */
static void test_no_hello(void **state _unused_) {
	static const struct {
		unsigned kind, method;
	} table[] = { { FRAME_REQUEST, METHOD(PING) }, { FRAME_ONEWAY, METHOD(HELLO) }, { FRAME_ONEWAY, 999 } };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct peer rude;
		struct frame frame;

		peer_init(&rude, &world);
		(void)peer_put(&rude, table[i].kind, table[i].method, NULL);
		assert_true(peer_flush(&rude));
		peer_world_turn(&world);
		assert_true(peer_take(&rude, &frame));
		assert_int_equal(frame.method, METHOD(NONE));
		assert_false(peer_take(&rude, &frame));
		assert_true(peer_is_ended(&rude));
		peer_deinit(&rude);
	}
}

/* ---- frames ---- */

static void test_unknown_methods(void **state _unused_) {
	const Evloop__Error *error;
	struct frame frame;
	uint64_t serial;

	assert_null(peer_call(&peer, 999, NULL, &error));
	assert_int_equal(error->status, STATUS(UNSUPPORTED));
	assert_non_null(strstr(error->message, "999"));
	/* An event is no method either. */
	assert_null(peer_call(&peer, METHOD(EVENT), NULL, &error));
	assert_int_equal(error->status, STATUS(UNSUPPORTED));

	serial = peer_put(&peer, FRAME_ONEWAY, 998, NULL);
	assert_true(peer_flush(&peer));
	peer_world_turn(&world);
	assert_true(peer_take(&peer, &frame));
	assert_int_equal(frame.kind, FRAME_EVENT);
	assert_int_equal(frame.method, METHOD(REFUSED));
	error = peer_unpack(&peer, &evloop__error__descriptor, &frame);
	assert_int_equal(error->status, STATUS(UNSUPPORTED));
	assert_int_equal(error->serial, serial);
	assert_int_equal(error->method, 998);
	assert_int_equal(error->handle, 0);
}

static void test_body_that_is_none(void **state _unused_) {
	uint8_t data[FRAME_HEADER_SIZE + 2];
	const Evloop__Error *error;
	struct frame frame;

	frame_encode(data,
		     &(struct frame){ .method = METHOD(ARM), .kind = FRAME_REQUEST, .serial = 7, .body_size = 2 });
	memcpy(data + FRAME_HEADER_SIZE, "\x0a\xff", 2);
	peer_send(&peer, data, sizeof(data));
	peer_world_turn(&world);
	assert_true(peer_take(&peer, &frame));
	assert_int_equal(frame.kind, FRAME_ERROR);
	assert_int_equal(frame.serial, 7);
	error = peer_unpack(&peer, &evloop__error__descriptor, &frame);
	assert_int_equal(error->status, STATUS(INVALID));
	assert_non_null(strstr(error->message, "TimerSpec"));
	assert_non_null(peer_call(&peer, METHOD(PING), NULL, NULL));
}

/* A client that answers has not understood who is who. */
static void test_frames_of_a_daemon(void **state _unused_) {
	static const unsigned kinds[] = { FRAME_REPLY, FRAME_ERROR, FRAME_EVENT, 0, 99 };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct peer rude;
		struct frame frame;

		peer_init(&rude, &world);
		peer_open(&rude);
		(void)peer_put(&rude, kinds[i], METHOD(PING), NULL);
		assert_true(peer_flush(&rude));
		peer_world_turn(&world);
		assert_true(peer_take(&rude, &frame));
		assert_int_equal(frame.method, METHOD(NONE));
		assert_false(peer_take(&rude, &frame));
		assert_true(peer_is_ended(&rude));
		peer_deinit(&rude);
	}
}

/* ---- refusals of ARM ---- */

static Evloop__TimerSpec spec_later(void) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;

	spec.handle = 1;
	spec.relative = true;
	spec.deadline_ns = 1000 * NSEC_PER_SEC;
	return spec;
}

/* It must be refused so, as a request and as oneway, where an event says it with what the frame was. */
static void expect_refusal(const Evloop__TimerSpec *spec, Evloop__Status status, const char *text) {
	const Evloop__Error *error;
	struct frame frame;
	uint64_t serial;

	assert_null(peer_call(&peer, METHOD(ARM), spec, &error));
	if (error->status != status || !strstr(error->message, text))
		fail_msg("'%s' in place of '%s', status %d", error->message, text, error->status);

	serial = peer_put(&peer, FRAME_ONEWAY, METHOD(ARM), spec);
	assert_true(peer_flush(&peer));
	peer_world_turn(&world);
	assert_true(peer_take(&peer, &frame));
	assert_int_equal(frame.kind, FRAME_EVENT);
	assert_int_equal(frame.method, METHOD(REFUSED));
	error = peer_unpack(&peer, &evloop__error__descriptor, &frame);
	assert_int_equal(error->status, status);
	if (!strstr(error->message, text))
		fail_msg("'%s' in place of '%s'", error->message, text);
	assert_int_equal(error->handle, spec->handle);
	assert_int_equal(error->serial, serial);
	assert_int_equal(error->method, METHOD(ARM));
}

#define REFUSED(set, status, text)                                                                                     \
	do {                                                                                                           \
		Evloop__TimerSpec spec = spec_later();                                                                 \
		set;                                                                                                   \
		expect_refusal(&spec, STATUS(status), text);                                                           \
	} while (0)

static void test_refused_times(void **state _unused_) {
	REFUSED(spec.handle = 0, INVALID, "needs a handle above 0");
	REFUSED(spec.deadline_ns = -1, OUT_OF_RANGE, "deadline_ns is -1, not between 0 and 4611686018427387903");
	REFUSED(spec.deadline_ns = TIME_NS_MAX + 1, OUT_OF_RANGE, "deadline_ns is 4611686018427387904");
	REFUSED(spec.deadline_ns = TIME_NS_MAX, OUT_OF_RANGE, "the delay of 4611686018427387903 ns ends beyond");
	REFUSED(spec.slack_ns = -7, OUT_OF_RANGE, "slack_ns is -7");
	REFUSED(spec.delay_ns = -8, OUT_OF_RANGE, "delay_ns is -8");
	REFUSED(spec.kind = EVLOOP__KIND__KIND_EVERY, OUT_OF_RANGE, "period_ns is 0, not between 1 and");
	REFUSED((spec.kind = EVLOOP__KIND__KIND_EVERY, spec.period_ns = 1, spec.until_ns = -2), OUT_OF_RANGE,
		"until_ns is -2");
	REFUSED((spec.kind = EVLOOP__KIND__KIND_EVERY, spec.period_ns = 1, spec.until_ns = 3), OUT_OF_RANGE,
		"until_ns lies before the first time");
	REFUSED((spec.relative = false, spec.deadline_ns = now() - 3 * NSEC_PER_SEC,
		 spec.if_past = EVLOOP__IF_PAST__PAST_ERROR),
		OUT_OF_RANGE, " ms in the past");
	REFUSED(spec.if_past = (Evloop__IfPast)9, INVALID, "if_past has no value 9");
	REFUSED(spec.kind = (Evloop__Kind)-1, INVALID, "kind has no value -1");
	REFUSED(spec.kind = (Evloop__Kind)4, INVALID, "kind has no value 4");
	REFUSED(spec.clock = (Evloop__Clock)3, INVALID, "clock has no value 3");
	REFUSED(spec.name_mode = (Evloop__NameMode)3, INVALID, "name_mode has no value 3");
}

static void test_refused_names(void **state _unused_) {
	char longest[NAME_LENGTH_MAX + 2];

	memset(longest, 'n', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	REFUSED(spec.name = longest, INVALID, "the name has 129 bytes, more than 128");
	REFUSED(spec.name = (char *)"1st", INVALID, "the name '1st' is not made of");
	REFUSED(spec.name = (char *)"a b", INVALID, "the name 'a b' is not made of");
	REFUSED(spec.name = (char *)"\xc3\xa4", INVALID, "is not made of");
	REFUSED(spec.name = (char *)"pid:4", INVALID, "begins with pid:, which is reserved");
	REFUSED(spec.name = (char *)"topic:", INVALID, "begins with topic:, which is reserved");
	longest[NAME_LENGTH_MAX] = '\0';
	for (unsigned i = 0; i < 2; i++) {
		Evloop__TimerSpec spec = spec_later();

		spec.handle = 10 + i;
		spec.name = i == 0 ? longest : (char *)"_a.Z:9@/-pid:";
		assert_non_null(peer_call(&peer, METHOD(ARM), &spec, NULL));
	}
}

static ProtobufCBinaryData bytes(const char *text) {
	return (ProtobufCBinaryData){ .data = (uint8_t *)text, .len = strlen(text) };
}

static void test_refused_commands(void **state _unused_) {
	ProtobufCBinaryData argv[2] = { bytes("true"), bytes("x") }, large;
	Evloop__Command command = EVLOOP__COMMAND__INIT, none = EVLOOP__COMMAND__INIT;
	static uint8_t many[COMMAND_SIZE_MAX];

	command.argv = argv;
	command.n_argv = 2;
	memset(many, 'a', sizeof(many));
	large = (ProtobufCBinaryData){ .data = many, .len = COMMAND_SIZE_MAX - 4 - 1 - 4 * COMMAND_WORD_COST + 1 };
	REFUSED(spec.command = &none, INVALID, "no first word");
	REFUSED((spec.command = &command, argv[0].len = 0), INVALID, "no first word");
	argv[0].len = 4;
	REFUSED((spec.command = &command, argv[1] = (ProtobufCBinaryData){ .data = (uint8_t *)"a\0b", .len = 3 }),
		INVALID, "argv[1] has a NUL in it");
	argv[1] = bytes("x");
	REFUSED((spec.command = &command, command.directory = bytes("tmp")), INVALID, "not absolute");
	command.directory.len = 0;
	REFUSED((spec.command = &command, command.umask = 01000), OUT_OF_RANGE, "umask is 01000");
	command.umask = 0;
	REFUSED((spec.command = &command, command.overlap = (Evloop__Overlap)7), INVALID, "overlap has no value 7");
	command.overlap = EVLOOP__OVERLAP__OVERLAP_SKIP;
	REFUSED((spec.command = &command, command.timeout_ns = -1), OUT_OF_RANGE, "timeout_ns is -1");
	command.timeout_ns = 0;
	REFUSED((spec.command = &command, command.environment = &large, command.n_environment = 1), OUT_OF_RANGE,
		"have 57345 bytes, more than 57344");
	large.len--;
	{
		Evloop__TimerSpec spec = spec_later();

		spec.command = &command;
		assert_non_null(peer_call(&peer, METHOD(ARM), &spec, NULL));
	}
	/* A daemon behind a socket that others reach runs nothing for them, and one that serves all runs nothing. */
	world.rpc.uid++;
	REFUSED(spec.command = &command, PERM, "nobody else may give them");
	world.rpc.executes = false;
	REFUSED(spec.command = &command, UNSUPPORTED, "systemctl --user start evloopd.socket");
}

static void test_name_that_is_taken(void **state _unused_) {
	Evloop__TimerSpec spec = spec_later();
	const Evloop__Error *error;
	const Evloop__Armed *armed;
	uint64_t id;

	spec.name = (char *)"taken";
	armed = peer_call(&peer, METHOD(ARM), &spec, NULL);
	id = armed->id;
	assert_int_equal(armed->change, EVLOOP__ARMED__CHANGE__CREATED);
	assert_int_equal(armed->generation, 1);
	spec.handle = 2;
	assert_null(peer_call(&peer, METHOD(ARM), &spec, &error));
	assert_int_equal(error->status, STATUS(EXISTS));
	assert_int_equal(error->existing->id, id);
	assert_string_equal(error->existing->name, "taken");

	/* A handle is taken, too. */
	spec.handle = 1;
	spec.name = (char *)"";
	assert_null(peer_call(&peer, METHOD(ARM), &spec, &error));
	assert_int_equal(error->status, STATUS(EXISTS));
	assert_null(error->existing);
	assert_string_equal(error->message, "handle 1 is in use");
}

/* ---- the session's own sources ---- */

static void test_handles_that_are_none(void **state _unused_) {
	Evloop__HandleRequest handle = EVLOOP__HANDLE_REQUEST__INIT;
	Evloop__RestartRequest restart = EVLOOP__RESTART_REQUEST__INIT;
	Evloop__AttachRequest attach = EVLOOP__ATTACH_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	const Evloop__CancelReply *cancelled;
	const Evloop__Error *error;

	handle.handle = restart.handle = 5;
	cancelled = peer_call(&peer, METHOD(CANCEL_HANDLE), &handle, NULL);
	assert_int_equal(cancelled->outcome, EVLOOP__OUTCOME__OUTCOME_GONE);
	assert_null(peer_call(&peer, METHOD(IDENTIFY), &handle, &error));
	assert_int_equal(error->status, STATUS(NOT_FOUND));
	assert_null(peer_call(&peer, METHOD(RESTART_HANDLE), &restart, &error));
	assert_int_equal(error->status, STATUS(NOT_FOUND));
	assert_string_equal(error->message, "there is no timer with handle 5");

	assert_null(peer_call(&peer, METHOD(ATTACH), &attach, &error));
	assert_string_equal(error->message, "the handle must be above 0");
	attach.handle = 6;
	assert_null(peer_call(&peer, METHOD(ATTACH), &attach, &error));
	assert_string_equal(error->message, "exactly one of id, name and glob is to be given");
	attach.target = &target;
	target.id = 77;
	assert_null(peer_call(&peer, METHOD(ATTACH), &attach, &error));
	assert_string_equal(error->message, "there is no timer 77");
	target.name = (char *)"x";
	assert_null(peer_call(&peer, METHOD(ATTACH), &attach, &error));
	assert_string_equal(error->message, "exactly one of id, name and glob is to be given");
	target.id = 0;
	assert_null(peer_call(&peer, METHOD(ATTACH), &attach, &error));
	assert_string_equal(error->message, "there is no timer named 'x'");
	target.name = (char *)"";
	target.glob = (char *)"*";
	assert_null(peer_call(&peer, METHOD(ATTACH), &attach, &error));
	assert_string_equal(error->message, "a pattern does not name one timer");
}

static void test_attached_by_many(void **state _unused_) {
	Evloop__AttachRequest attach = EVLOOP__ATTACH_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	Evloop__TimerSpec spec = spec_later();
	const Evloop__Error *error = NULL;

	spec.handle = 5000;
	spec.name = target.name = (char *)"followed";
	attach.target = &target;
	assert_non_null(peer_call(&peer, METHOD(ARM), &spec, NULL));
	for (attach.handle = 1; attach.handle <= ATTACHMENTS_MAX; attach.handle++)
		assert_non_null(peer_call(&peer, METHOD(ATTACH), &attach, NULL));
	assert_null(peer_call(&peer, METHOD(ATTACH), &attach, &error));
	assert_int_equal(error->status, STATUS(QUOTA));
	assert_string_equal(error->message, "1024 are attached to that timer, which is the most");
}

static void test_restart(void **state _unused_) {
	Evloop__TimerSpec spec = spec_later();
	Evloop__RestartRequest restart = EVLOOP__RESTART_REQUEST__INIT;
	Evloop__HandleRequest handle = EVLOOP__HANDLE_REQUEST__INIT;
	const Evloop__Armed *armed;
	const Evloop__Error *error;
	uint64_t id;

	spec.handle = restart.handle = handle.handle = 3;
	armed = peer_call(&peer, METHOD(ARM), &spec, NULL);
	id = armed->id;
	restart.deadline_ns = now() + 77 * NSEC_PER_SEC;
	armed = peer_call(&peer, METHOD(RESTART_HANDLE), &restart, NULL);
	assert_int_equal(armed->id, id);
	assert_int_equal(armed->effective_ns, restart.deadline_ns);
	armed = peer_call(&peer, METHOD(IDENTIFY), &handle, NULL);
	assert_int_equal(armed->id, id);
	assert_int_equal(armed->effective_ns, restart.deadline_ns);
	restart.deadline_ns = -1;
	assert_null(peer_call(&peer, METHOD(RESTART_HANDLE), &restart, &error));
	assert_int_equal(error->status, STATUS(OUT_OF_RANGE));
	assert_non_null(strstr(error->message, "deadline_ns is -1"));
}

/* ---- limits ---- */

static void test_limit_of_timers(void **state _unused_) {
	Evloop__TimerSpec spec = spec_later();
	Evloop__AttachRequest attach = EVLOOP__ATTACH_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	const Evloop__Error *error;
	const Evloop__Armed *armed;

	assert_null(quota_set(&world.quota, "timers=3"));
	spec.name = (char *)"mine";
	assert_non_null(peer_call(&peer, METHOD(ARM), &spec, NULL));
	/* A detached one that is followed is two. */
	spec.detached = true;
	spec.name = (char *)"ours";
	spec.handle = 2;
	assert_non_null(peer_call(&peer, METHOD(ARM), &spec, NULL));
	spec.handle = 3;
	spec.name = (char *)"";
	spec.detached = false;
	assert_null(peer_call(&peer, METHOD(ARM), &spec, &error));
	assert_int_equal(error->status, STATUS(QUOTA));
	assert_string_equal(error->limit_name, "timers");
	assert_int_equal(error->limit, 3);
	assert_int_equal(error->used, 3);
	assert_int_equal(error->asked, 1);
	target.name = (char *)"mine";
	attach.target = &target;
	attach.handle = 9;
	assert_null(peer_call(&peer, METHOD(ATTACH), &attach, &error));
	assert_int_equal(error->status, STATUS(QUOTA));
	/* What takes another one's place takes no more. */
	spec.name = (char *)"mine";
	spec.name_mode = EVLOOP__NAME_MODE__NAME_REPLACE;
	armed = peer_call(&peer, METHOD(ARM), &spec, NULL);
	assert_int_equal(armed->change, EVLOOP__ARMED__CHANGE__REPLACED);
	spec.name_mode = EVLOOP__NAME_MODE__NAME_ENSURE;
	armed = peer_call(&peer, METHOD(ARM), &spec, NULL);
	assert_int_equal(armed->change, EVLOOP__ARMED__CHANGE__UNCHANGED);
	/* But a name that nobody has does. */
	spec.handle = 4;
	spec.name = (char *)"new";
	assert_null(peer_call(&peer, METHOD(ARM), &spec, &error));
	assert_int_equal(error->status, STATUS(QUOTA));
}

static void test_limit_of_commands(void **state _unused_) {
	ProtobufCBinaryData argv = bytes("true");
	Evloop__Command command = EVLOOP__COMMAND__INIT;
	Evloop__TimerSpec spec = spec_later();
	const Evloop__Error *error;

	assert_null(quota_set(&world.quota, "command-bytes=5"));
	command.argv = &argv;
	command.n_argv = 1;
	spec.command = &command;
	assert_null(peer_call(&peer, METHOD(ARM), &spec, &error));
	assert_int_equal(error->status, STATUS(QUOTA));
	assert_string_equal(error->limit_name, "command-bytes");
	assert_int_equal(error->limit, 5);
	assert_int_equal(error->used, 0);
	assert_true(error->asked > 5);
}

/* ---- pages ---- */

/* Commands of which a page has room for a few; each must be listed, however it is made, and with it what is told of it. */
static void test_pages_of_large_commands(void **state _unused_) {
	static ProtobufCBinaryData words[COMMAND_SIZE_MAX / COMMAND_WORD_COST - 2];
	Evloop__ListRequest list = EVLOOP__LIST_REQUEST__INIT;
	Evloop__Command command = EVLOOP__COMMAND__INIT;
	static uint8_t many[COMMAND_SIZE_MAX];
	static const struct {
		size_t words, size, told; /* size: of the second one */
	} table[] = {
		{ 2, 16000, 2 }, /* one long word */
		{ 2, COMMAND_SIZE_MAX - 4 - 3 * COMMAND_WORD_COST, 1 }, /* one that is too long to be told */
		{ ARRAY_SIZE(words), 0, ARRAY_SIZE(words) }, /* very many words */
	};
	size_t pages = 0, listed = 0;
	bool more = true;

	list.details = true;
	memset(many, 'a', sizeof(many));
	for (unsigned i = 0; i < 12; i++) {
		Evloop__TimerSpec spec = spec_later();

		spec.handle = 0;
		spec.command = &command;
		command.argv = words;
		command.n_argv = table[i % 3].words;
		words[0] = bytes("true");
		words[1] = (ProtobufCBinaryData){ .data = many, .len = table[i % 3].size };
		assert_non_null(peer_call(&peer, METHOD(ARM), &spec, NULL));
	}
	for (; more; pages++) {
		const Evloop__ListReply *page = peer_call(&peer, METHOD(LIST), &list, NULL);

		for (size_t i = 0; i < page->n_timers; i++) {
			assert_int_equal(page->timers[i]->words, table[listed % 3].words);
			assert_int_equal(page->timers[i]->n_argv, table[listed % 3].told);
			assert_int_equal(page->timers[i]->id, ++listed);
		}
		more = page->more;
		list.after = page->next;
	}
	assert_int_equal(listed, 12);
	assert_true(pages > 1);
}

/* A pattern is looked for in as many pages as it takes, and every timer is changed once. */
static void test_pages_of_a_verb(void **state _unused_) {
	Evloop__ManageRequest request = EVLOOP__MANAGE_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	unsigned changed = 0, unchanged = 0, pages = 0;
	char name[NAME_LENGTH_MAX + 1];

	for (unsigned i = 1; i <= 2 * SCAN_PAGE_MAX; i++) {
		Evloop__TimerSpec spec = spec_later();

		spec.handle = i;
		snprintf(name, sizeof(name), "%s%0100u", i % 2 ? "odd" : "even", i);
		spec.name = name;
		(void)peer_put(&peer, FRAME_ONEWAY, METHOD(ARM), &spec);
		if (i % 64 == 0) {
			assert_true(peer_flush(&peer));
			peer_world_settle(&world);
		}
	}
	request.target = &target;
	target.glob = (char *)"odd*";
	for (unsigned round = 0; round < 2; round++) {
		bool more = true;

		for (request.after = 0; more; pages++) {
			const Evloop__ManageReply *reply = peer_call(&peer, METHOD(PAUSE), &request, NULL);

			for (size_t i = 0; i < reply->n_results; i++) {
				assert_int_equal(strncmp(reply->results[i]->name, "odd", 3), 0);
				changed += reply->results[i]->outcome == EVLOOP__OUTCOME__OUTCOME_PAUSED;
				unchanged += reply->results[i]->outcome == EVLOOP__OUTCOME__OUTCOME_UNCHANGED;
			}
			more = reply->more;
			request.after = reply->next;
		}
	}
	assert_int_equal(changed, SCAN_PAGE_MAX);
	assert_int_equal(unchanged, SCAN_PAGE_MAX);
	assert_true(pages > 4);
}

static void expect_poke(const char *name, Evloop__Status status, const char *text) {
	Evloop__ManageRequest request = EVLOOP__MANAGE_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	const Evloop__Error *error;

	request.target = &target;
	target.name = (char *)name;
	assert_null(peer_call(&peer, METHOD(POKE), &request, &error));
	assert_int_equal(error->status, status);
	assert_string_equal(error->message, text);
}

/* In words that are nobody's own: whoever reads them may have written a command line, a program or a line of JSON. */
static void test_refused_pokes(void **state _unused_) {
	Evloop__TimerSpec spec = spec_later();

	spec.kind = EVLOOP__KIND__KIND_EVERY;
	spec.name = (char *)"repeating";
	spec.period_ns = spec.delay_ns = spec.deadline_ns;
	spec.until_ns = now() + spec.period_ns + NSEC_PER_SEC;
	assert_non_null(peer_call(&peer, METHOD(ARM), &spec, NULL));
	peer_world_pass(2 * NSEC_PER_SEC);
	expect_poke("repeating", STATUS(OUT_OF_RANGE),
		    "its next time would lie behind the time until which it repeats");

	spec = spec_later();
	spec.handle = 2;
	spec.kind = EVLOOP__KIND__KIND_AT;
	spec.name = (char *)"fixed";
	spec.relative = false;
	spec.deadline_ns = now() + 1000 * NSEC_PER_SEC;
	assert_non_null(peer_call(&peer, METHOD(ARM), &spec, NULL));
	expect_poke(
		"fixed", STATUS(INVALID),
		"it was given as a time, and has no delay to restart: arm it anew under the same name, replacing it");
}

/* The answer to a ping follows what was caused before it. */
static void test_ping_is_the_last(void **state _unused_) {
	Evloop__TimerSpec spec = spec_later();
	struct frame frame;
	uint64_t serial;

	spec.handle = 0;
	(void)peer_put(&peer, FRAME_ONEWAY, METHOD(ARM), &spec);
	serial = peer_put(&peer, FRAME_REQUEST, METHOD(PING), NULL);
	assert_true(peer_flush(&peer));
	peer_world_turn(&world);
	assert_true(peer_take(&peer, &frame));
	assert_int_equal(frame.method, METHOD(REFUSED));
	assert_true(peer_take(&peer, &frame));
	assert_int_equal(frame.kind, FRAME_REPLY);
	assert_int_equal(frame.serial, serial);
	assert_false(peer_take(&peer, &frame));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_open, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hello, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_version, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_hello, setup, teardown),
		TEST(test_unknown_methods),
		TEST(test_body_that_is_none),
		TEST(test_frames_of_a_daemon),
		TEST(test_refused_times),
		TEST(test_refused_names),
		TEST(test_refused_commands),
		TEST(test_name_that_is_taken),
		TEST(test_handles_that_are_none),
		TEST(test_attached_by_many),
		TEST(test_restart),
		TEST(test_limit_of_timers),
		TEST(test_limit_of_commands),
		TEST(test_pages_of_large_commands),
		TEST(test_pages_of_a_verb),
		TEST(test_refused_pokes),
		TEST(test_ping_is_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
