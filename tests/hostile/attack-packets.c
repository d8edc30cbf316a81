/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attacks with packets that are none, or whose bodies are not what they seem. */

#undef NDEBUG

#include <assert.h>
#include <string.h>

#include "proto/method.h"
#include "tests/hostile/rig.h"

#define RANDOM_PACKETS 10000

/* Append a frame of raw bytes.  Return: the end. */
static uint8_t *put_raw(uint8_t *p, enum frame_kind kind, unsigned method, const void *body, size_t size) {
	frame_encode(p, &(struct frame){
				.method = (uint16_t)method, .kind = (uint8_t)kind, .serial = 77, .body_size = size });
	if (size > 0)
		memcpy(p + FRAME_HEADER_SIZE, body, size);
	return p + FRAME_HEADER_SIZE + size;
}

static uint8_t *put_message(uint8_t *p, enum frame_kind kind, unsigned method, const ProtobufCMessage *message) {
	uint8_t body[512];

	assert(protobuf_c_message_get_packed_size(message) <= sizeof(body));
	return put_raw(p, kind, method, body, protobuf_c_message_pack(message, body));
}

static uint8_t *put_hello(uint8_t *p, uint32_t version, uint32_t floor) {
	Evloop__HelloRequest request = EVLOOP__HELLO_REQUEST__INIT;

	request.version = version;
	request.floor = floor;
	return put_message(p, FRAME_REQUEST, EVLOOP__METHOD__METHOD_HELLO, &request.base);
}

/* Send bytes on a fresh session, after hello or without, and see what becomes of it. */
static const char *fate_of(struct rig *rig, bool hello, const void *data, size_t size, Evloop__Status *ret_error) {
	struct peer *peer = hello ? peer_open(rig) : peer_connect(rig);
	const char *fate;

	if (!peer) {
		rig_complain(rig, "no session");
		return "no session";
	}
	if (!peer_send(peer, data, size, NULL, 0))
		rig_complain(rig, "%zu bytes cannot be sent", size);
	fate = peer_fate(peer, ret_error);
	peer_close(peer);
	return fate;
}

/* How many of them ended how. */
struct tally {
	unsigned alive, closed, other;
};

static void count(struct rig *rig, struct tally *tally, const char *fate) {
	if (strcmp(fate, "alive") == 0) {
		tally->alive++;
	} else if (strcmp(fate, "PROTOCOL, closed") == 0) {
		tally->closed++;
	} else {
		tally->other++;
		rig_complain(rig, "unexpectedly %s", fate);
	}
}

/* Bytes of all kinds: noise, and frames with noise in them. */
static size_t random_packet(uint64_t *seed, uint8_t *data) {
	size_t size = walk(seed) % 7 == 0 ? walk(seed) % PACKET_SIZE_MAX : walk(seed) % 300;
	bool framed = walk(seed) % 4 != 0;

	size = MAX(size, (size_t)1);
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(walk(seed) >> 24);
	for (size_t at = 0; framed && at < size;) {
		size_t left = size - at, frame_size = FRAME_HEADER_SIZE + walk(seed) % 64;

		if (left < 2 * FRAME_HEADER_SIZE + 64)
			frame_size = left;
		if (frame_size < FRAME_HEADER_SIZE)
			return at > 0 ? at : size;
		frame_encode(data + at, &(struct frame){ .method = (uint16_t)(walk(seed) % 68),
							 .kind = walk(seed) % 2 ? FRAME_REQUEST : FRAME_ONEWAY,
							 .serial = walk(seed),
							 .body_size = frame_size - FRAME_HEADER_SIZE });
		/* Small numbers make bodies that are more often ones. */
		for (size_t i = FRAME_HEADER_SIZE; i < frame_size; i++)
			if (walk(seed) % 2)
				data[at + i] &= 0x1f;
		at += frame_size;
	}
	return size;
}

static void random_bytes(struct rig *rig, char *got, size_t size) {
	uint8_t *data = malloc(PACKET_SIZE_MAX + 256);
	uint64_t seed = 88172645463325252;
	struct tally tally = { 0 };
	struct peer *peer = NULL;
	unsigned sent = 0;

	assert(data);
	while (sent < RANDOM_PACKETS) {
		const char *fate = "not sent";

		peer = walk(&seed) % 8 ? peer_open(rig) : peer_connect(rig);
		if (!peer) {
			rig_complain(rig, "no session");
			break;
		}
		/* As long as it takes them. */
		do {
			sent++;
			if (!peer_send(peer, data, random_packet(&seed, data), NULL, 0))
				break;
			fate = peer_fate(peer, NULL);
		} while (strcmp(fate, "alive") == 0 && sent < RANDOM_PACKETS);
		count(rig, &tally, fate);
		peer = peer_close(peer);
	}
	free(data);
	snprintf(got, size, "%u packets, %u times PROTOCOL and closed", sent, tally.closed);
}

/* How many timers such a list has. */
static size_t count_timers(struct peer *peer, Evloop__ListRequest *list) {
	const Evloop__ListReply *reply;
	size_t n = 0;

	list->after = 0;
	while ((reply = peer_call(peer, EVLOOP__METHOD__METHOD_LIST, list))) {
		n += reply->n_timers;
		list->after = reply->next;
		if (!reply->more)
			return n;
	}
	return SIZE_MAX;
}

static void cancel_timers(struct peer *peer, Evloop__Target *target) {
	Evloop__ManageRequest cancel = EVLOOP__MANAGE_REQUEST__INIT;
	const Evloop__ManageReply *reply;

	cancel.target = target;
	do {
		reply = peer_call(peer, EVLOOP__METHOD__METHOD_CANCEL, &cancel);
		cancel.after = reply ? reply->next : 0;
	} while (reply && reply->more);
}

/* Three frames in a packet, cut at every byte: only at their borders is it one, and else nothing of it is done. */
static void truncated(struct rig *rig, char *got, size_t size) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	Evloop__ListRequest list = EVLOOP__LIST_REQUEST__INIT;
	Evloop__Target all = EVLOOP__TARGET__INIT;
	uint8_t data[1024], *p = data, *borders[3];
	struct tally tally = { 0 };
	struct peer *witness = peer_open(rig);

	spec.relative = true;
	spec.deadline_ns = 3600 * NSEC_PER_SEC;
	spec.detached = true;
	for (unsigned i = 0; i < 3; i++) {
		spec.name = (char *)(const char *[]){ "cut.1", "cut.2", "cut.3" }[i];
		borders[i] = p = put_message(p, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_ARM, &spec.base);
	}
	all.glob = (char *)"cut.*";
	list.target = &all;
	for (size_t n = 1; n <= (size_t)(p - data); n++) {
		size_t whole = 0, listed;
		bool border = false;

		for (size_t i = 0; i < ARRAY_SIZE(borders); i++)
			if (n == (size_t)(borders[i] - data)) {
				border = true;
				whole = i + 1;
			}
		count(rig, &tally, fate_of(rig, true, data, n, NULL));
		listed = count_timers(witness, &list);
		if (listed != (border ? whole : 0))
			rig_complain(rig, "cut at %zu: %zu timers in place of %zu", n, listed, border ? whole : 0);
		if (whole > 0)
			cancel_timers(witness, &all);
	}
	CHECK(rig, tally.alive == 3);
	peer_close(witness);
	snprintf(got, size, "%u times PROTOCOL and closed, 3 were packets", tally.closed);
}

static void versions(struct rig *rig, char *got, size_t size) {
	static const struct {
		uint32_t version, floor;
		bool good;
	} table[] = { { 1, 1, true },           { 1, 0, true },
		      { 2, 1, true },           { UINT32_MAX, 1, true },
		      { UINT32_MAX, 0, false }, { 0, 0, false },
		      { 2, 2, false },          { 0, 1, false },
		      { 1, 2, false },          { UINT32_MAX, UINT32_MAX, false } };
	struct tally tally = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		uint8_t data[64];
		unsigned before = tally.alive;

		count(rig, &tally,
		      fate_of(rig, false, data, (size_t)(put_hello(data, table[i].version, table[i].floor) - data),
			      NULL));
		if ((tally.alive > before) != table[i].good)
			rig_complain(rig, "version %u, floor %u", table[i].version, table[i].floor);
	}
	snprintf(got, size, "%u times PROTOCOL and closed, %u welcome", tally.closed, tally.alive);
}

/* Anything but a hello first; hello as oneway; a name that is too long. */
static void no_hello(struct rig *rig, char *got, size_t size) {
	Evloop__HelloRequest request = EVLOOP__HELLO_REQUEST__INIT;
	struct tally tally = { 0 };
	char name[CLIENT_NAME_LENGTH_MAX + 2];
	uint8_t data[256], *p;
	const char *fate;

	for (unsigned method = 0; method < 70; method++) {
		if (method != EVLOOP__METHOD__METHOD_HELLO)
			count(rig, &tally,
			      fate_of(rig, false, data, (size_t)(put_raw(data, FRAME_REQUEST, method, NULL, 0) - data),
				      NULL));
	}
	request.version = 1;
	p = put_message(data, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_HELLO, &request.base);
	count(rig, &tally, fate_of(rig, false, data, (size_t)(p - data), NULL));
	CHECK(rig, tally.alive == 0);

	memset(name, 'x', sizeof(name));
	name[CLIENT_NAME_LENGTH_MAX + 1] = '\0';
	request.client_name = name;
	p = put_message(data, FRAME_REQUEST, EVLOOP__METHOD__METHOD_HELLO, &request.base);
	fate = fate_of(rig, false, data, (size_t)(p - data), NULL);
	CHECK(rig, strcmp(fate, "INVALID, closed") == 0);
	snprintf(got, size, "%u times PROTOCOL and closed; long name: INVALID", tally.closed);
}

static void hello_twice(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	Evloop__HelloRequest request = EVLOOP__HELLO_REQUEST__INIT;

	request.version = 1;
	for (unsigned i = 0; i < 1000; i++)
		peer_put(peer, i % 2 ? FRAME_REQUEST : FRAME_ONEWAY, EVLOOP__METHOD__METHOD_HELLO, &request);
	CHECK(rig, !peer_call(peer, EVLOOP__METHOD__METHOD_HELLO, &request) &&
			   peer->error == EVLOOP__STATUS__STATUS_INVALID);
	snprintf(got, size, "1001 times INVALID, then %s", peer_fate(peer, NULL));
	peer_close(peer);
}

static void sizes(struct rig *rig, char *got, size_t size) {
	static const uint32_t table[] = { 0,     1,     15,         17,         255,        65535,
					  65536, 65537, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff };
	struct tally tally = { 0 };
	uint8_t *data = calloc(1, 4 * PACKET_SIZE_MAX);

	assert(data);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		put_raw(data, FRAME_REQUEST, EVLOOP__METHOD__METHOD_PING, NULL, 0);
		for (unsigned byte = 0; byte < 4; byte++)
			data[byte] = (uint8_t)(table[i] >> (8 * byte));
		count(rig, &tally, fate_of(rig, true, data, FRAME_HEADER_SIZE, NULL));
	}
	/* Packets that are larger than any may be. */
	memset(data, 0, 4);
	for (size_t bytes = PACKET_SIZE_MAX + 1; bytes < 2 * PACKET_SIZE_MAX; bytes += 9999) {
		put_raw(data, FRAME_REQUEST, EVLOOP__METHOD__METHOD_PING, data + FRAME_HEADER_SIZE,
			bytes - FRAME_HEADER_SIZE);
		count(rig, &tally, fate_of(rig, true, data, bytes, NULL));
	}
	CHECK(rig, tally.alive == 0);
	free(data);
	snprintf(got, size, "%u times PROTOCOL and closed", tally.closed);
}

/* Every method there could be, and every kind. */
static void unknown(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	unsigned unsupported = 0, asked = 0;
	struct tally tally = { 0 };
	struct frame frame;

	for (unsigned method = 0; method <= UINT16_MAX; method++) {
		if (method_find((uint16_t)method) && method_find((uint16_t)method)->input)
			continue;
		peer_put(peer, FRAME_REQUEST, method, NULL);
		asked++;
		/* Not more at once than answers fit into the socket's buffer. */
		if (asked % 512 == 0 || method == UINT16_MAX) {
			peer_flush(peer);
			while (unsupported < asked && peer_next(peer, &frame, ANSWER_TIMEOUT_MS))
				if (frame.kind == FRAME_ERROR &&
				    ((const Evloop__Error *)peer_unpack(peer, &evloop__error__descriptor, &frame))
						    ->status == EVLOOP__STATUS__STATUS_UNSUPPORTED)
					unsupported++;
		}
	}
	CHECK(rig, unsupported == asked);
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	peer_close(peer);
	for (unsigned kind = 0; kind <= UINT8_MAX; kind++) {
		uint8_t data[FRAME_HEADER_SIZE];

		put_raw(data, (enum frame_kind)kind, EVLOOP__METHOD__METHOD_PING, NULL, 0);
		count(rig, &tally, fate_of(rig, true, data, sizeof(data), NULL));
	}
	CHECK(rig, tally.alive == 2);
	snprintf(got, size, "methods: %u UNSUPPORTED; kinds: %u PROTOCOL, closed", unsupported, tally.closed);
}

/* A body made of one unit again and again.  Whether it is refused depends on how much memory it takes. */
static void send_repeated(struct rig *rig, struct peer *peer, unsigned method, const void *unit, size_t n) {
	uint8_t *body = malloc(PACKET_SIZE_MAX), *data = malloc(PACKET_SIZE_MAX);
	size_t size = 0;

	assert(body && data);
	for (; size + n <= PACKET_SIZE_MAX - FRAME_HEADER_SIZE; size += n)
		memcpy(body + size, unit, n);
	(void)put_raw(data, FRAME_REQUEST, method, body, size);
	CHECK(rig, peer_send(peer, data, FRAME_HEADER_SIZE + size, NULL, 0));
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	free(body);
	free(data);
}

/* As deep as a packet allows: each level has its length before it, so it is built from the inside. */
static size_t nest(uint8_t *data, size_t capacity, unsigned tag) {
	size_t size = 0;

	for (;;) {
		uint8_t head[8];
		size_t n = 0, value = size;

		head[n++] = (uint8_t)tag;
		for (; value > 0x7f; value >>= 7)
			head[n++] = (uint8_t)(value | 0x80);
		head[n++] = (uint8_t)value;
		if (size + n > capacity)
			return size;
		memmove(data + n, data, size);
		memcpy(data, head, n);
		size += n;
	}
}

static void nesting(struct rig *rig, char *got, size_t size) {
	static const struct {
		unsigned method, tag;
	} table[] = {
		{ EVLOOP__METHOD__METHOD_ARM, 14 << 3 | 2 }, /* Command */
		{ EVLOOP__METHOD__METHOD_LIST, 3 << 3 | 2 }, /* Target */
		{ EVLOOP__METHOD__METHOD_CANCEL, 1 << 3 | 2 },
		{ EVLOOP__METHOD__METHOD_PING, 1 << 3 | 2 }, /* unknown there */
	};
	struct peer *peer = peer_open(rig);
	uint8_t *body = malloc(PACKET_SIZE_MAX), *data = malloc(PACKET_SIZE_MAX);
	const char *fate = "";

	assert(body && data);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t n = nest(body, PACKET_SIZE_MAX - FRAME_HEADER_SIZE, table[i].tag);
		Evloop__Status error;

		(void)put_raw(data, FRAME_REQUEST, table[i].method, body, n);
		CHECK(rig, peer_send(peer, data, FRAME_HEADER_SIZE + n, NULL, 0));
		fate = peer_fate(peer, &error);
		CHECK(rig, strcmp(fate, "alive") == 0);
	}
	free(body);
	free(data);
	peer_close(peer);
	snprintf(got, size, "refused or ignored, %s", fate);
}

/* What decoders turn into many times its size. */
static void amplification(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	long before = rig_memory_kib(rig), peak = 0;

	for (unsigned i = 0; i < 20; i++) {
		send_repeated(rig, peer, EVLOOP__METHOD__METHOD_PING, "\x08", 2);
		send_repeated(rig, peer, EVLOOP__METHOD__METHOD_PING, "\x0a", 2);
		send_repeated(rig, peer, EVLOOP__METHOD__METHOD_ARM, "\x72\x02\x0a", 4);
		send_repeated(rig, peer, EVLOOP__METHOD__METHOD_CANCEL,
			      "\x0a\x03\x12\x01"
			      "a",
			      5);
		send_repeated(rig, peer, EVLOOP__METHOD__METHOD_LIST, "\x1a", 2);
		send_repeated(rig, peer, EVLOOP__METHOD__METHOD_HELLO, "\x1a", 2);
		send_repeated(rig, peer, EVLOOP__METHOD__METHOD_HELLO,
			      "\x22\x01"
			      "a",
			      3);
		peak = MAX(peak, rig_memory_kib(rig) - before);
	}
	CHECK(rig, peak < 4096);
	peer_close(peer);
	snprintf(got, size, "140 times refused or ignored, at most %ld KiB", peak);
}

/* As many values as a frame may have, in a dozen frames of a packet. */
static void many_values(struct rig *rig, char *got, size_t size) {
	static const struct {
		uint16_t method;
		uint8_t tag, value; /* of an empty item, or of a field that is not known */
	} table[] = {
		{ EVLOOP__METHOD__METHOD_LIMITER_MULTI, 1 << 3 | 2, 0 },
		{ EVLOOP__METHOD__METHOD_PING, 15 << 3, 1 },
		{ EVLOOP__METHOD__METHOD_ACK, 1 << 3, 1 },
	};
	uint8_t *data = malloc(PACKET_SIZE_MAX), body[2 * MESSAGE_VALUES_MAX];
	struct peer *peer = peer_open(rig);
	unsigned n = 0;

	assert(data);
	for (unsigned round = 0; round < 20; round++)
		for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
			uint8_t *p = data;

			for (size_t j = 0; j < sizeof(body); j += 2) {
				body[j] = table[i].tag;
				body[j + 1] = table[i].value;
			}
			for (; p + FRAME_HEADER_SIZE + sizeof(body) <= data + PACKET_SIZE_MAX; n++)
				p = put_raw(p, FRAME_REQUEST, table[i].method, body, sizeof(body));
			CHECK(rig, peer_send(peer, data, (size_t)(p - data), NULL, 0));
			CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
		}
	free(data);
	peer_close(peer);
	snprintf(got, size, "%u frames of %d values, refused or of no use", n, MESSAGE_VALUES_MAX);
}

/* Names that are none, and what terminals and logs would make of them. */
static void names(struct rig *rig, char *got, size_t size) {
	static const char *const table[] = { "../../etc/passwd", "1",    "-",       ".",     "/",        "a\nb",
					     "a\x1b[2J",         "a b",  "a*",      "a%s%n", "\xc3\xa4", "pid:1",
					     "path:x",           "fd:0", "topic:x", "a\x7f" };
	struct peer *peer = peer_open(rig);
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	unsigned invalid = 0;
	char text[NAME_LENGTH_MAX + 2];

	spec.relative = true;
	spec.deadline_ns = NSEC_PER_SEC;
	for (size_t i = 0; i <= ARRAY_SIZE(table); i++) {
		memset(text, 'x', sizeof(text));
		text[NAME_LENGTH_MAX + 1] = '\0';
		spec.handle = i + 1;
		spec.name = i < ARRAY_SIZE(table) ? (char *)table[i] : text;
		if (!peer_call(peer, EVLOOP__METHOD__METHOD_ARM, &spec) &&
		    peer->error == EVLOOP__STATUS__STATUS_INVALID)
			invalid++;
		else
			rig_complain(rig, "name %zu", i);
	}
	snprintf(got, size, "%u times INVALID, %s", invalid, peer_fate(peer, NULL));
	peer_close(peer);
}

/* A client's name appears in logs and lists. */
static void client_name(struct rig *rig, char *got, size_t size) {
	Evloop__HelloRequest hello = EVLOOP__HELLO_REQUEST__INIT;
	Evloop__ListRequest list = EVLOOP__LIST_REQUEST__INIT;
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	struct peer *peer = peer_connect(rig);
	const Evloop__ListReply *reply;

	hello.version = 1;
	hello.client_name = (char *)"a\nb\x1b[2Jc\xc2\x9b"
				    "d\xc3\xa4\x7f";
	CHECK(rig, peer_call(peer, EVLOOP__METHOD__METHOD_HELLO, &hello));
	spec.handle = 1;
	spec.relative = true;
	spec.deadline_ns = NSEC_PER_SEC;
	spec.name = target.name = (char *)"owned";
	list.target = &target;
	CHECK(rig, peer_call(peer, EVLOOP__METHOD__METHOD_ARM, &spec));
	reply = peer_call(peer, EVLOOP__METHOD__METHOD_LIST, &list);
	snprintf(got, size, "%s", reply && reply->n_timers == 1 ? reply->timers[0]->owner_name : "nothing");
	CHECK(rig, strcmp(got, "a?b?[2Jc??d\xc3\xa4?") == 0);
	peer_close(peer);
}

/* As long as a packet is, everywhere where there is text. */
static void long_texts(struct rig *rig, char *got, size_t size) {
	static const struct {
		unsigned method;
		uint8_t field; /* of the text, or of the Target that has it in field 2 and 3 */
		uint8_t inner;
	} table[] = {
		{ EVLOOP__METHOD__METHOD_HELLO, 3, 0 },  { EVLOOP__METHOD__METHOD_ARM, 11, 0 },
		{ EVLOOP__METHOD__METHOD_LIST, 3, 2 },   { EVLOOP__METHOD__METHOD_LIST, 3, 3 },
		{ EVLOOP__METHOD__METHOD_CANCEL, 1, 2 }, { EVLOOP__METHOD__METHOD_CANCEL, 1, 3 },
		{ EVLOOP__METHOD__METHOD_ATTACH, 2, 2 }, { EVLOOP__METHOD__METHOD_LOG, 1, 2 },
	};
	struct peer *peer = peer_open(rig);
	uint8_t *data = malloc(PACKET_SIZE_MAX);
	unsigned refused = 0;

	assert(data);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t n = PACKET_SIZE_MAX - FRAME_HEADER_SIZE;
		uint8_t *p = data + FRAME_HEADER_SIZE;
		Evloop__Status error;

		memset(data, 'a', PACKET_SIZE_MAX);
		(void)put_raw(data, FRAME_REQUEST, table[i].method, NULL, 0);
		frame_encode(data, &(struct frame){ .method = (uint16_t)table[i].method,
						    .kind = FRAME_REQUEST,
						    .serial = 9,
						    .body_size = n });
		for (unsigned level = 0; level < 2; level++) {
			unsigned field = level == 0 ? table[i].field : table[i].inner;

			if (field == 0)
				continue;
			n -= 4;
			*p++ = (uint8_t)(field << 3 | 2);
			*p++ = (uint8_t)(n | 0x80);
			*p++ = (uint8_t)(n >> 7 | 0x80);
			*p++ = (uint8_t)(n >> 14);
		}
		CHECK(rig, peer_send(peer, data, PACKET_SIZE_MAX, NULL, 0));
		CHECK(rig, strcmp(peer_fate(peer, &error), "alive") == 0);
		CHECK(rig, error == EVLOOP__STATUS__STATUS_INVALID || error == EVLOOP__STATUS__STATUS_NOT_FOUND);
		refused++;
	}
	free(data);
	snprintf(got, size, "%u times INVALID or NOT_FOUND, %s", refused, peer_fate(peer, NULL));
	peer_close(peer);
}

const struct attack attacks_on_packets[] = {
	{ .name = "random bytes", .run = random_bytes },
	{ .name = "truncated packets", .run = truncated },
	{ .name = "wrong versions", .run = versions },
	{ .name = "no hello", .run = no_hello },
	{ .name = "hello twice", .run = hello_twice },
	{ .name = "wrong sizes", .run = sizes },
	{ .name = "unknown methods and kinds", .run = unknown },
	{ .name = "deep nesting", .run = nesting },
	{ .name = "amplification", .run = amplification },
	{ .name = "many values", .run = many_values },
	{ .name = "names", .run = names },
	{ .name = "client name", .run = client_name },
	{ .name = "long texts", .run = long_texts },
	{ 0 },
};
