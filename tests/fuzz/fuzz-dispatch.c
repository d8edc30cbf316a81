/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The request handlers, and all that is behind them: the input is a script of what peers do while time passes.  Each step is
 * a byte that says what, a byte that says who or how, and what belongs to it; the end of the input may come anywhere.
 */

#undef NDEBUG

#include <assert.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/world.h"

int fuzz_accepted;

enum step {
	STEP_TURN, /* nothing else */
	STEP_CONNECT,
	STEP_DISCONNECT,
	STEP_FRAME, /* method, kind, length: 2 bytes, body: gathers in the peer's packet */
	STEP_SEND, /* what has gathered; who >> 4: descriptors */
	STEP_RAW, /* length: 2 bytes, bytes: a packet */
	STEP_RECEIVE, /* who >> 4: packets */
	STEP_PASS, /* how: so much time, 2^n ns */
	STEP_STEP, /* how: the realtime clock is set by 2^n ns, back with bit 7 */
	STEP_RUN, /* who: a run; a byte: what becomes of it */
	STEP_REFUSE, /* how: commands can be started or not */
	STEP_CHOOSE, /* how: the first of the descriptors that are sent next */
	STEP_TOUCH, /* how: what happens to those that were sent */
	STEP_PATH, /* who: a watched path, and what is seen; length: 2 bytes, name */
	STEP_TAKE_OVER, /* who: a peer, whose daemon has died */
	STEP_MAX,
};

struct input {
	const uint8_t *data;
	size_t size;
};

static unsigned take_byte(struct input *input) {
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->data++;
}

static struct input take_bytes(struct input *input) {
	unsigned n = take_byte(input);
	struct input bytes = { input->data, 0 };

	n |= take_byte(input) << 8;
	bytes.data = input->data;
	bytes.size = MIN((size_t)n, input->size);
	input->data += bytes.size;
	input->size -= bytes.size;
	return bytes;
}

/* Packets that peers put together frame by frame. */
struct gathered {
	uint8_t data[PACKET_SIZE_MAX];
	size_t size;
	uint64_t serial;
};

static void gather(struct gathered *gathered, struct input *input) {
	unsigned method = take_byte(input), kind = take_byte(input);
	struct input body = take_bytes(input);

	if (FRAME_HEADER_SIZE + body.size > sizeof(gathered->data) - gathered->size)
		return;
	frame_encode(gathered->data + gathered->size, &(struct frame){ .method = (uint16_t)method,
								       .kind = (uint8_t)(kind & 15),
								       .n_fds = (uint8_t)(kind >> 4),
								       .serial = ++gathered->serial,
								       .body_size = body.size });
	gathered->size += FRAME_HEADER_SIZE;
	if (body.size > 0)
		memcpy(gathered->data + gathered->size, body.data, body.size);
	gathered->size += body.size;
}

static void play_run(struct world *world, unsigned who, unsigned what) {
	static const char text[40000];

	switch (what % 4) {
	case 0:
		world_run_started(world, who);
		break;
	case 1:
		world_run_wrote(world, who, text, what * sizeof(text) / 256);
		break;
	default:
		world_run_ended(world, who, (int)what, what % 4 == 2);
		break;
	}
}

static void play_path(struct world *world, unsigned who, const void *name, size_t size) {
	unsigned what = who / WORLD_PATHS;

	/* Names have no NUL. */
	size = strnlen(name, size);
	if (what == 0)
		world_path_failed(world, who, ENOENT);
	else if (what == 1)
		world_path_lost_track(world, who);
	else
		world_path_changed(world, who, name, MIN(size, (size_t)PATH_MAX), what & 15);
}

static void play_step(struct world *world, struct gathered *gathered, struct input *input) {
	unsigned step = take_byte(input) % STEP_MAX, who = take_byte(input), peer = who % WORLD_PEERS;
	struct input bytes;

	switch ((enum step)step) {
	case STEP_TURN:
		break;
	case STEP_CONNECT:
		world_connect(world, peer);
		break;
	case STEP_DISCONNECT:
		world_disconnect(world, peer);
		break;
	case STEP_FRAME:
		gather(&gathered[peer], input);
		return;
	case STEP_SEND:
		world_send(world, peer, gathered[peer].data, gathered[peer].size, who >> 4);
		gathered[peer].size = 0;
		break;
	case STEP_RAW:
		bytes = take_bytes(input);
		world_send(world, peer, bytes.data, bytes.size, 0);
		break;
	case STEP_RECEIVE:
		world_receive(world, peer, who >> 4);
		break;
	case STEP_PASS:
		world_pass(world, INT64_C(1) << (who % 62));
		break;
	case STEP_STEP:
		world_step(world, (INT64_C(1) << (who % 62)) * (who & 0x80 ? -1 : 1));
		break;
	case STEP_RUN:
		play_run(world, who, take_byte(input));
		break;
	case STEP_REFUSE:
		world->starter_refuses = who & 1;
		break;
	case STEP_CHOOSE:
		world->next_fd = who % WORLD_FDS;
		return;
	case STEP_TOUCH:
		world_touch(world, who);
		break;
	case STEP_PATH:
		bytes = take_bytes(input);
		play_path(world, who, bytes.data, bytes.size);
		break;
	case STEP_TAKE_OVER:
		world_take_over(world, peer);
		break;
	case STEP_MAX:
		break;
	}
	world_turn(world);
}

static unsigned count_descriptors(void) {
	DIR *directory = opendir("/proc/self/fd");
	unsigned n = 0;

	assert(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

/* Whatever has been played, who connects now is served. */
static void check_service(struct world *world) {
	static const uint8_t hello[] = { 18, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x08, 1 };

	for (unsigned i = 0; i < WORLD_PEERS; i++)
		world_disconnect(world, i);
	for (unsigned i = 0; i < 8; i++)
		world_turn(world);
	world_connect(world, 0);
	world_send(world, 0, hello, sizeof(hello), 0);
	for (unsigned i = 0; i < 4; i++)
		world_turn(world);
	world_receive(world, 0, 4);
	assert(world->peers[0].n_replies == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct gathered gathered[WORLD_PEERS];
	struct input input = { data, size };
	unsigned descriptors = count_descriptors();
	struct world world;

	for (unsigned i = 0; i < WORLD_PEERS; i++)
		gathered[i].size = gathered[i].serial = 0;
	world_init(&world);
	while (input.size > 0)
		play_step(&world, gathered, &input);
	/* What becomes of the seeds: the first peer is still connected, and nothing was refused. */
	fuzz_accepted = world.peers[0].fd >= 0 && world.peers[0].n_errors == 0 && world.peers[0].n_refused == 0;
	check_service(&world);
	world_deinit(&world);
	assert(count_descriptors() == descriptors);
	return 0;
}

/* ---- seeds ---- */

struct script {
	seed_taker take;
	void *userdata;
	uint8_t data[65536];
	size_t size;
};

static void put(struct script *script, unsigned step, unsigned who) {
	script->data[script->size++] = (uint8_t)step;
	script->data[script->size++] = (uint8_t)who;
}

static void put_frame(struct script *script, unsigned peer, enum frame_kind kind, unsigned method,
		      const void *message) {
	size_t n = message ? protobuf_c_message_get_packed_size(message) : 0;

	put(script, STEP_FRAME, peer);
	put(script, method, (unsigned)kind);
	put(script, n & 0xff, (unsigned)(n >> 8));
	assert(script->size + n <= sizeof(script->data));
	if (message)
		script->size += protobuf_c_message_pack(message, script->data + script->size);
}

/* Send what has gathered, let turns pass, and read. */
static void put_go(struct script *script, unsigned peer) {
	put(script, STEP_SEND, peer);
	put(script, STEP_PASS, 24);
	put(script, STEP_TURN, 0);
	put(script, STEP_RECEIVE, peer | 0xf0);
}

static void put_hello(struct script *script, unsigned peer) {
	Evloop__HelloRequest hello = EVLOOP__HELLO_REQUEST__INIT;

	hello.version = 1;
	hello.resumes = true;
	put_frame(script, peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_HELLO, &hello);
}

static void begin(struct script *script, unsigned n_peers) {
	script->size = 0;
	for (unsigned i = 0; i < n_peers; i++) {
		put(script, STEP_CONNECT, i);
		put_hello(script, i);
		put_go(script, i);
	}
}

static void end(struct script *script, const char *name) {
	script->take(script->userdata, name, script->data, script->size);
}

static void put_every(struct script *script, unsigned peer, uint64_t handle, const char *name) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;

	spec.handle = handle;
	spec.kind = EVLOOP__KIND__KIND_EVERY;
	spec.relative = true;
	spec.deadline_ns = spec.period_ns = 10 * NSEC_PER_MSEC;
	spec.count = 5;
	spec.slack_ns = 1000;
	spec.name = (char *)name;
	put_frame(script, peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_ARM, &spec);
}

static void put_job(struct script *script, unsigned peer, uint64_t handle, Evloop__Overlap overlap) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	Evloop__Command command = EVLOOP__COMMAND__INIT;
	ProtobufCBinaryData argv[] = { { 5, (uint8_t *)"sleep" }, { 1, (uint8_t *)"5" } };
	ProtobufCBinaryData environment = { 3, (uint8_t *)"A=B" };

	command.argv = argv;
	command.n_argv = 2;
	command.environment = &environment;
	command.n_environment = 1;
	command.overlap = overlap;
	command.timeout_ns = NSEC_PER_SEC;
	spec.handle = handle;
	spec.kind = EVLOOP__KIND__KIND_EVERY;
	spec.relative = true;
	spec.deadline_ns = spec.period_ns = 10 * NSEC_PER_MSEC;
	spec.name = (char *)"job";
	spec.name_mode = EVLOOP__NAME_MODE__NAME_ENSURE;
	spec.command = &command;
	put_frame(script, peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_ARM, &spec);
}

static void put_verb(struct script *script, unsigned peer, unsigned method, const char *name, const char *glob) {
	Evloop__ManageRequest request = EVLOOP__MANAGE_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;

	if (name)
		target.name = (char *)name;
	if (glob)
		target.glob = (char *)glob;
	request.target = &target;
	put_frame(script, peer, FRAME_REQUEST, method, &request);
	put_go(script, peer);
}

static void put_look(struct script *script, unsigned peer, const char *name) {
	Evloop__AttachRequest attach = EVLOOP__ATTACH_REQUEST__INIT;
	Evloop__ListRequest list = EVLOOP__LIST_REQUEST__INIT;
	Evloop__LogRequest log = EVLOOP__LOG_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;

	target.name = (char *)name;
	attach.target = log.target = &target;
	attach.handle = 1000;
	attach.output = true;
	put_frame(script, peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_ATTACH, &attach);
	list.finished = list.anonymous = list.details = true;
	put_frame(script, peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_LIST, &list);
	put_frame(script, peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_LOG, &log);
	put_go(script, peer);
}

static void put_handle(struct script *script, unsigned peer, unsigned method, uint64_t handle) {
	Evloop__HandleRequest request = EVLOOP__HANDLE_REQUEST__INIT;

	request.handle = handle;
	put_frame(script, peer, FRAME_REQUEST, method, &request);
}

static void seed_timers(struct script *script) {
	Evloop__RestartRequest restart = EVLOOP__RESTART_REQUEST__INIT;

	begin(script, 1);
	put_every(script, 0, 1, "a");
	put_every(script, 0, 2, "b");
	put_go(script, 0);
	put_handle(script, 0, EVLOOP__METHOD__METHOD_IDENTIFY, 1);
	restart.handle = 2;
	restart.relative = true;
	restart.deadline_ns = NSEC_PER_SEC;
	put_frame(script, 0, FRAME_REQUEST, EVLOOP__METHOD__METHOD_RESTART_HANDLE, &restart);
	put_go(script, 0);
	put_handle(script, 0, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, 1);
	put_go(script, 0);
	for (unsigned method = EVLOOP__METHOD__METHOD_PAUSE; method <= EVLOOP__METHOD__METHOD_TRIGGER; method++)
		put_verb(script, 0, method, "b", NULL);
	put_verb(script, 0, EVLOOP__METHOD__METHOD_CANCEL, NULL, "*");
	put(script, STEP_STEP, 40);
	put(script, STEP_STEP, 0x80 | 50);
	end(script, "y_timers");
}

static void seed_jobs(struct script *script) {
	for (unsigned overlap = 0; overlap < 4; overlap++) {
		const char *const names[] = { "y_jobs_skip", "y_jobs_queue", "y_jobs_restart", "y_jobs_allow" };

		begin(script, 2);
		put_job(script, 0, 1, (Evloop__Overlap)overlap);
		put_go(script, 0);
		put(script, STEP_RUN, 0);
		put(script, 0, 0); /* its pid is known, and a turn */
		put_look(script, 1, "job");
		put(script, STEP_RUN, 0);
		script->data[script->size++] = 201; /* writes */
		put_look(script, 0, "job");
		put(script, STEP_PASS, 31);
		put(script, STEP_RUN, 0);
		script->data[script->size++] = 2; /* ends */
		put_verb(script, 1, EVLOOP__METHOD__METHOD_KILL, "job", NULL);
		put(script, STEP_PASS, 35);
		put_verb(script, 1, EVLOOP__METHOD__METHOD_CANCEL, "job", NULL);
		put(script, STEP_RECEIVE, 0xf0);
		end(script, names[overlap]);
	}
}

static void put_subscribe(struct script *script, unsigned peer, uint64_t handle, uint32_t queue, Evloop__Gate *gate) {
	Evloop__SubscribeRequest request = EVLOOP__SUBSCRIBE_REQUEST__INIT;

	request.handle = handle;
	request.topic = (char *)"t";
	request.queue = queue;
	request.gate = gate;
	put_frame(script, peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_SUBSCRIBE, &request);
}

static void put_emit(struct script *script, unsigned peer, const char *text) {
	Evloop__EmitRequest request = EVLOOP__EMIT_REQUEST__INIT;

	request.topic = (char *)"t";
	request.data = (ProtobufCBinaryData){ .data = (uint8_t *)text, .len = strlen(text) };
	put_frame(script, peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_EMIT, &request);
}

/* Messages and timers, with and without a gate, beside who takes from its limiter. */
static void seed_topics(struct script *script) {
	Evloop__LimiterRule rule = EVLOOP__LIMITER_RULE__INIT, *rules = &rule;
	Evloop__LimiterSpec limiter = EVLOOP__LIMITER_SPEC__INIT;
	Evloop__LimiterRequest request = EVLOOP__LIMITER_REQUEST__INIT;
	Evloop__TimerSpec timer = EVLOOP__TIMER_SPEC__INIT;
	Evloop__Gate gate = EVLOOP__GATE__INIT;

	begin(script, 2);
	limiter.name = request.name = gate.limiter = (char *)"l";
	rule.tokens = 1;
	rule.period_ns = 20 * NSEC_PER_MSEC;
	limiter.rules = &rules;
	limiter.n_rules = 1;
	put_frame(script, 0, FRAME_REQUEST, EVLOOP__METHOD__METHOD_LIMITER_SET, &limiter);
	put_subscribe(script, 0, 1, 2, NULL);
	put_subscribe(script, 0, 2, 0, NULL);
	put_subscribe(script, 0, 3, 4, &gate);
	timer.handle = 4;
	timer.kind = EVLOOP__KIND__KIND_EVERY;
	timer.relative = true;
	timer.period_ns = NSEC_PER_MSEC;
	timer.gate = &gate;
	put_frame(script, 0, FRAME_REQUEST, EVLOOP__METHOD__METHOD_ARM, &timer);
	put_go(script, 0);
	for (unsigned i = 0; i < 4; i++)
		put_emit(script, 1, "hello");
	put_go(script, 1);
	put(script, STEP_RECEIVE, 0xf0);
	request.cost = 1;
	put_frame(script, 0, FRAME_REQUEST, EVLOOP__METHOD__METHOD_LIMITER_REFUND, &request);
	put_handle(script, 0, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, 3);
	put_go(script, 0);
	rule.tokens = 7;
	limiter.mode = EVLOOP__LIMITER_MODE__LIMITER_UPDATE;
	put_frame(script, 0, FRAME_REQUEST, EVLOOP__METHOD__METHOD_LIMITER_SET, &limiter);
	put_emit(script, 0, "");
	put_go(script, 0);
	end(script, "y_topics");
}

static void put_watch_fd(struct script *script, unsigned peer, uint64_t handle, unsigned events, int64_t timeout_ns) {
	Evloop__WatchFdRequest request = EVLOOP__WATCH_FD_REQUEST__INIT;

	request.handle = handle;
	request.events = events;
	request.timeout_ns = timeout_ns;
	put_frame(script, peer, FRAME_REQUEST | 0x10, EVLOOP__METHOD__METHOD_WATCH_FD, &request);
}

static void put_ack(struct script *script, unsigned peer, uint64_t *handles, size_t n) {
	Evloop__AckRequest request = EVLOOP__ACK_REQUEST__INIT;

	request.handles = handles;
	request.n_handles = n;
	put_frame(script, peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_ACK, &request);
	put_go(script, peer);
}

/* Each in one packet, with its descriptor. */
static void seed_watches(struct script *script) {
	Evloop__WatchPidRequest process = EVLOOP__WATCH_PID_REQUEST__INIT;
	uint64_t handles[] = { 1, 2, 3, 4, 5, 99 };

	begin(script, 1);
	put(script, STEP_CHOOSE, 0);
	for (unsigned handle = 1; handle <= 5; handle++)
		put_watch_fd(script, 0, handle, handle % 2 ? 1 : 3, handle == 5 ? NSEC_PER_MSEC : 0);
	process.handle = 6;
	process.timeout_ns = NSEC_PER_MSEC;
	put_frame(script, 0, FRAME_REQUEST | 0x10, EVLOOP__METHOD__METHOD_WATCH_PID, &process);
	put(script, STEP_SEND, 0x60);
	for (unsigned how = 0; how < 8; how++) {
		put(script, STEP_TOUCH, how);
		put(script, STEP_PASS, 24);
		put(script, STEP_RECEIVE, 0xf0);
		put_ack(script, 0, handles, ARRAY_SIZE(handles));
	}
	put_handle(script, 0, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, 5);
	put_go(script, 0);
	end(script, "y_watches");

	begin(script, 1);
	put(script, STEP_CHOOSE, 5);
	for (unsigned handle = 1; handle <= 3; handle++)
		put_watch_fd(script, 0, handle, 1, 0);
	put(script, STEP_SEND, 0x30);
	put(script, STEP_RECEIVE, 0xf0);
	end(script, "n_watches");
}

static void put_seen(struct script *script, unsigned place, unsigned what, const char *name) {
	size_t n = strlen(name);

	put(script, STEP_PATH, what * WORLD_PATHS + place);
	put(script, n & 0xff, (unsigned)(n >> 8));
	memcpy(script->data + script->size, name, n);
	script->size += n;
}

static void seed_paths(struct script *script) {
	ProtobufCBinaryData exclude[] = { { 3, (uint8_t *)"*.o" }, { 4, (uint8_t *)".git" } };
	Evloop__WatchPathRequest watch = EVLOOP__WATCH_PATH_REQUEST__INIT;
	Evloop__AckRequest ack = EVLOOP__ACK_REQUEST__INIT;
	uint64_t handles[] = { 1, 2 };
	char name[16];

	begin(script, 1);
	watch.path = (ProtobufCBinaryData){ 4, (uint8_t *)"/a/b" };
	ack.handles = handles;
	ack.n_handles = 2;
	for (watch.handle = 1; watch.handle < 4; watch.handle++) {
		put_frame(script, 0, FRAME_REQUEST, EVLOOP__METHOD__METHOD_WATCH_PATH, &watch);
		watch.exclude = exclude;
		watch.n_exclude = 2;
		watch.recursive = true;
		watch.settle_ns = 10 * NSEC_PER_MSEC;
		watch.timeout_ns = 100 * NSEC_PER_MSEC;
	}
	put_go(script, 0);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "c/%u", i);
		put_seen(script, i % 2, 4, name);
		put_seen(script, 2, 2, "d");
	}
	put(script, STEP_PASS, 24); /* 17 ms: it has settled */
	put(script, STEP_RECEIVE, 0xf0);
	put_seen(script, 0, 1, "");
	put_frame(script, 0, FRAME_REQUEST, EVLOOP__METHOD__METHOD_ACK, &ack);
	put_go(script, 0);
	put(script, STEP_PASS, 27); /* 134 ms: the timeout */
	put_seen(script, 0, 0, "");
	put_handle(script, 0, EVLOOP__METHOD__METHOD_CANCEL_HANDLE, 3);
	put_frame(script, 0, FRAME_REQUEST, EVLOOP__METHOD__METHOD_ACK, &ack);
	put_go(script, 0);
	end(script, "y_paths");
}

static void seed_slow(struct script *script) {
	begin(script, 1);
	for (unsigned i = 1; i < 20; i++)
		put_every(script, 0, i, i % 2 ? NULL : "x");
	put(script, STEP_SEND, 0);
	for (unsigned i = 0; i < 10; i++)
		put(script, STEP_PASS, 24);
	put(script, STEP_DISCONNECT, 0);
	put(script, STEP_TURN, 0);
	end(script, "n_leaves");
}

static void seed_wrong(struct script *script) {
	static const uint8_t garbage[] = { STEP_RAW, 0, 7, 0, 'g', 'a', 'r', 'b', 'a', 'g', 'e' };

	begin(script, 1);
	memcpy(script->data + script->size, garbage, sizeof(garbage));
	script->size += sizeof(garbage);
	put(script, STEP_RECEIVE, 0xf0);
	end(script, "n_garbage");

	begin(script, 1);
	put_frame(script, 0, FRAME_REQUEST | 0x30, EVLOOP__METHOD__METHOD_PING, NULL);
	put(script, STEP_SEND, 0x30);
	put(script, STEP_RECEIVE, 0xf0);
	end(script, "n_descriptors");

	begin(script, 1);
	put_handle(script, 0, EVLOOP__METHOD__METHOD_IDENTIFY, 99);
	put_go(script, 0);
	end(script, "n_unknown_handle");

	script->size = 0;
	put(script, STEP_CONNECT, 0);
	put(script, STEP_PASS, 40);
	put(script, STEP_TURN, 0);
	put(script, STEP_RECEIVE, 0xf0);
	end(script, "n_no_hello");

	begin(script, 1);
	for (unsigned i = 0; i < 500; i++)
		put_frame(script, 0, FRAME_REQUEST, EVLOOP__METHOD__METHOD_TIME, NULL);
	put(script, STEP_SEND, 0);
	for (unsigned i = 0; i < 20; i++) {
		put(script, STEP_PASS, 24);
		put(script, STEP_RECEIVE, 0xf0);
	}
	end(script, "y_many");
}

/* A session that goes on with another daemon, and what was asked of it meanwhile. */
static void seed_death(struct script *script) {
	script->size = 0;
	put(script, STEP_TAKE_OVER, 0);
	put_every(script, 0, 1, "");
	put_frame(script, 0, FRAME_REQUEST, EVLOOP__METHOD__METHOD_PING, NULL);
	put_go(script, 0);
	put_hello(script, 0);
	put_every(script, 0, 1, "");
	put_go(script, 0);
	end(script, "y_taken_over");

	put_hello(script, 0);
	put_go(script, 0);
	end(script, "y_third_hello");
}

void fuzz_seeds(seed_taker take, void *userdata) {
	struct script *script = calloc(1, sizeof(*script));

	assert(script);
	script->take = take;
	script->userdata = userdata;
	seed_timers(script);
	seed_jobs(script);
	seed_watches(script);
	seed_topics(script);
	seed_paths(script);
	seed_slow(script);
	seed_death(script);
	seed_wrong(script);
	free(script);
}
