/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way of a packet up to its messages: packet_check(), packet_next(), message_unpack().  Input: the number of descriptors
 * that came with it, and the packet.
 */

#undef NDEBUG

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/evloop.pb-c.h"
#include "proto/message.h"
#include "proto/method.h"
#include "proto/packet.h"
#include "tests/fuzz/fuzz.h"

int fuzz_accepted;

/* What has been unpacked can be packed; and what that gives unpacks to what packs to the same. */
static void check_round_trip(struct arena *arena, const ProtobufCMessage *message) {
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *once = malloc(size + 1), *twice = malloc(size + 1);
	const ProtobufCMessage *again;

	assert(once && twice);
	assert(protobuf_c_message_pack(message, once) == size);
	again = message_unpack(arena, message->descriptor, once, size);
	/* The arena holds both, so there may be no room for the second. */
	if (again) {
		assert(protobuf_c_message_get_packed_size(again) == size);
		assert(protobuf_c_message_pack(again, twice) == size);
		assert(memcmp(once, twice, size) == 0);
	}
	free(once);
	free(twice);
}

static bool unpack(struct arena *arena, const ProtobufCMessageDescriptor *type, const struct frame *frame) {
	ProtobufCMessage *message = message_unpack(arena, type, frame->body, frame->body_size);

	if (message)
		check_round_trip(arena, message);
	arena_reset(arena);
	return message;
}

/* As what its method says, in the direction that its kind says; unknown ones as anything. */
static bool unpack_frame(struct arena *arena, const struct frame *frame) {
	const struct method *method = method_find(frame->method), *all;
	bool good = true;
	size_t n;

	if (frame->kind == FRAME_ERROR || frame->method == EVLOOP__METHOD__METHOD_REFUSED)
		return unpack(arena, &evloop__error__descriptor, frame);
	if (method && method->input && (frame->kind == FRAME_REQUEST || frame->kind == FRAME_ONEWAY))
		return unpack(arena, method->input, frame);
	if (method && (frame->kind == FRAME_REPLY || frame->kind == FRAME_EVENT))
		return unpack(arena, method->output, frame);
	all = method_all(&n);
	for (size_t i = 0; i < n; i++) {
		if (all[i].input)
			good = unpack(arena, all[i].input, frame) && good;
		if (all[i].output)
			good = unpack(arena, all[i].output, frame) && good;
	}
	return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct packet packet;
	struct arena arena;
	struct frame frame;
	size_t bytes = 0;

	fuzz_accepted = 0;
	if (size < 1 || size > PACKET_SIZE_MAX + 1)
		return 0;
	packet_init(&packet, (uint8_t *)data + 1, size - 1);
	packet.size = size - 1;
	packet.n_fds = data[0] % (PACKET_FDS_MAX + 1);
	if (packet_check(&packet) != 0)
		return 0;
	assert(arena_init(&arena) == 0);
	fuzz_accepted = 1;
	while (packet_next(&packet, &frame, NULL)) {
		bytes += FRAME_HEADER_SIZE + frame.body_size;
		assert(packet.fd_position <= packet.n_fds);
		if (!unpack_frame(&arena, &frame))
			fuzz_accepted = 0;
	}
	assert(bytes == packet.size && packet.fd_position == packet.n_fds);
	arena_deinit(&arena);
	return 0;
}

/* ---- seeds ---- */

struct seeds {
	seed_taker take;
	void *userdata;
	uint8_t data[PACKET_SIZE_MAX + 1];
	struct packet packet;
	uint64_t serial;
};

static void begin(struct seeds *seeds) {
	packet_init(&seeds->packet, seeds->data + 1, PACKET_SIZE_MAX);
	seeds->data[0] = 0;
}

static void add(struct seeds *seeds, enum frame_kind kind, unsigned method, const void *message) {
	assert(packet_put(&seeds->packet, kind, (uint16_t)method, ++seeds->serial, message, NULL, 0) == 0);
}

static void end(struct seeds *seeds, const char *name) {
	seeds->take(seeds->userdata, name, seeds->data, seeds->packet.size + 1);
}

static void add_timers(struct seeds *seeds) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	Evloop__Command command = EVLOOP__COMMAND__INIT;
	ProtobufCBinaryData argv[] = { { 4, (uint8_t *)"echo" },
				       { 3, (uint8_t *)"t\xff"
						       "a" },
				       { 0, NULL } };
	ProtobufCBinaryData environment = { 9, (uint8_t *)"PATH=/bin" };

	command.argv = argv;
	command.n_argv = 3;
	command.environment = &environment;
	command.n_environment = 1;
	command.directory = (ProtobufCBinaryData){ 4, (uint8_t *)"/tmp" };
	command.umask = 022;
	command.overlap = EVLOOP__OVERLAP__OVERLAP_RESTART;
	command.timeout_ns = NSEC_PER_SEC;
	spec.handle = 1;
	spec.deadline_ns = NSEC_PER_SEC;
	add(seeds, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_ARM, &spec);
	spec.handle = 2;
	spec.kind = EVLOOP__KIND__KIND_EVERY;
	spec.clock = EVLOOP__CLOCK__CLOCK_REALTIME;
	spec.relative = spec.detached = true;
	spec.period_ns = spec.until_ns = spec.slack_ns = spec.delay_ns = INT64_MAX;
	spec.count = UINT64_MAX;
	spec.name = (char *)"n\xc3\xa4me";
	spec.name_mode = EVLOOP__NAME_MODE__NAME_ENSURE;
	spec.if_past = EVLOOP__IF_PAST__PAST_ERROR;
	spec.command = &command;
	add(seeds, FRAME_REQUEST, EVLOOP__METHOD__METHOD_ARM, &spec);
}

static void add_requests(struct seeds *seeds) {
	Evloop__HelloRequest hello = EVLOOP__HELLO_REQUEST__INIT;
	Evloop__HandleRequest handle = EVLOOP__HANDLE_REQUEST__INIT;
	Evloop__RestartRequest restart = EVLOOP__RESTART_REQUEST__INIT;
	Evloop__AttachRequest attach = EVLOOP__ATTACH_REQUEST__INIT;
	Evloop__ListRequest list = EVLOOP__LIST_REQUEST__INIT;
	Evloop__ManageRequest manage = EVLOOP__MANAGE_REQUEST__INIT;
	Evloop__LogRequest log = EVLOOP__LOG_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;

	hello.version = 1;
	hello.client_name = (char *)"seed";
	hello.resumes = true;
	add(seeds, FRAME_REQUEST, EVLOOP__METHOD__METHOD_HELLO, &hello);
	add(seeds, FRAME_REQUEST, EVLOOP__METHOD__METHOD_PING, NULL);
	add(seeds, FRAME_REQUEST, EVLOOP__METHOD__METHOD_TIME, NULL);
	add_timers(seeds);
	handle.handle = restart.handle = attach.handle = UINT64_MAX;
	add(seeds, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, &handle);
	add(seeds, FRAME_REQUEST, EVLOOP__METHOD__METHOD_IDENTIFY, &handle);
	restart.deadline_ns = -1;
	add(seeds, FRAME_REQUEST, EVLOOP__METHOD__METHOD_RESTART_HANDLE, &restart);
	target.id = 5;
	attach.target = list.target = manage.target = log.target = &target;
	add(seeds, FRAME_REQUEST, EVLOOP__METHOD__METHOD_ATTACH, &attach);
	target.glob = (char *)"*[a-z]?\\";
	list.finished = list.details = list.anonymous = true;
	add(seeds, FRAME_REQUEST, EVLOOP__METHOD__METHOD_LIST, &list);
	manage.signal = 15;
	for (unsigned method = EVLOOP__METHOD__METHOD_CANCEL; method <= EVLOOP__METHOD__METHOD_KILL; method++)
		add(seeds, FRAME_ONEWAY, method, &manage);
	log.offset = UINT64_MAX;
	add(seeds, FRAME_REQUEST, EVLOOP__METHOD__METHOD_LOG, &log);
}

static void add_answers(struct seeds *seeds) {
	Evloop__HelloReply hello = EVLOOP__HELLO_REPLY__INIT;
	Evloop__Event event = EVLOOP__EVENT__INIT;
	Evloop__RunInfo run = EVLOOP__RUN_INFO__INIT;
	Evloop__TimerInfo timer = EVLOOP__TIMER_INFO__INIT, *timers[] = { &timer, &timer };
	Evloop__ListReply list = EVLOOP__LIST_REPLY__INIT;
	Evloop__ManageReply manage = EVLOOP__MANAGE_REPLY__INIT;
	Evloop__ManageReply__Result result = EVLOOP__MANAGE_REPLY__RESULT__INIT, *results[] = { &result };
	Evloop__LogReply log = EVLOOP__LOG_REPLY__INIT;
	Evloop__Error error = EVLOOP__ERROR__INIT;
	char *names[] = { (char *)"PATH", (char *)"HOME" };

	hello.daemon_version = (char *)"0.1";
	hello.boottime_ns = INT64_MIN;
	add(seeds, FRAME_REPLY, EVLOOP__METHOD__METHOD_HELLO, &hello);
	run.status = -1;
	event.run = timer.last_run = &run;
	event.name = timer.name = result.name = (char *)"name";
	event.lateness_ns = -1;
	add(seeds, FRAME_EVENT, EVLOOP__METHOD__METHOD_EVENT, &event);
	timer.environment_names = names;
	timer.n_environment_names = 2;
	list.timers = timers;
	list.n_timers = 2;
	add(seeds, FRAME_REPLY, EVLOOP__METHOD__METHOD_LIST, &list);
	manage.results = results;
	manage.n_results = 1;
	add(seeds, FRAME_REPLY, EVLOOP__METHOD__METHOD_CANCEL, &manage);
	log.data = (ProtobufCBinaryData){ 3, (uint8_t *)"\0\xff\n" };
	add(seeds, FRAME_REPLY, EVLOOP__METHOD__METHOD_LOG, &log);
	error.status = EVLOOP__STATUS__STATUS_EXISTS;
	error.existing = &timer;
	add(seeds, FRAME_ERROR, EVLOOP__METHOD__METHOD_ARM, &error);
	add(seeds, FRAME_EVENT, EVLOOP__METHOD__METHOD_REFUSED, &error);
}

/* Bytes in hexadecimal behind a header of that method; the size is put right. */
static void take_raw(struct seeds *seeds, const char *name, unsigned method, const void *body, size_t size) {
	frame_encode(seeds->data + 1,
		     &(struct frame){ .method = (uint16_t)method, .kind = FRAME_REQUEST, .body_size = size });
	memcpy(seeds->data + 1 + FRAME_HEADER_SIZE, body, size);
	seeds->take(seeds->userdata, name, seeds->data, 1 + FRAME_HEADER_SIZE + size);
}

void fuzz_seeds(seed_taker take, void *userdata) {
	struct seeds *seeds = calloc(1, sizeof(*seeds));

	assert(seeds);
	seeds->take = take;
	seeds->userdata = userdata;
	begin(seeds);
	end(seeds, "y_empty");
	add_requests(seeds);
	end(seeds, "y_requests");
	seeds->packet.size--;
	end(seeds, "n_truncated");
	begin(seeds);
	add_answers(seeds);
	end(seeds, "y_answers");
	begin(seeds);
	add(seeds, FRAME_REQUEST, EVLOOP__METHOD__METHOD_PING, NULL);
	seeds->data[0] = 1;
	end(seeds, "n_unclaimed");
	seeds->data[8] = 1;
	end(seeds, "y_claimed");
	seeds->data[8] = 2;
	end(seeds, "n_claimed_too_many");
	begin(seeds);
	take_raw(seeds, "y_unknown_field", EVLOOP__METHOD__METHOD_PING, "\x98\x06\x01", 3);
	take_raw(seeds, "y_merged", EVLOOP__METHOD__METHOD_ATTACH,
		 "\x12\x02\x08\x05\x12\x03\x12\x01"
		 "a",
		 9);
	take_raw(seeds, "n_group", EVLOOP__METHOD__METHOD_PING, "\x9b\x06\x9c\x06", 4);
	take_raw(seeds, "n_text", EVLOOP__METHOD__METHOD_HELLO, "\x1a\x02\xc0\x80", 4);
	take_raw(seeds, "n_nul", EVLOOP__METHOD__METHOD_HELLO, "\x1a\x01\x00", 3);
	take_raw(seeds, "n_wire_type", EVLOOP__METHOD__METHOD_HELLO, "\x0d\x01\x00\x00\x00", 5);
	free(seeds);
}
