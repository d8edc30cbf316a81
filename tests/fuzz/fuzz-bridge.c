/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lines of evloop bridge.  The first byte says how it writes; the rest is what a program sends.  The daemon is played: it takes
 * any request that fits into a packet, and answers and tells whatever its messages can hold, by chance that the input decides.
 */

#undef NDEBUG

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "client/cli/bridge.h"
#include "proto/limits.h"
#include "proto/method.h"
#include "tests/fuzz/fuzz.h"

int fuzz_accepted;

static struct {
	struct bridge bridge;
	uint64_t chance;
	uint64_t last_handle;
	Evloop__Error error; /* the last refusal */
	bool refused;
} world;

/* ---- messages of any content ---- */

static uint64_t draw(uint64_t n) {
	world.chance = world.chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (world.chance >> 33) % n;
}

static const char *const texts[] = { "", "a", "it's", "$(x) `x` \"x\"", "\xc3\xa9", "a\nb\x1b[m", "*", "a b=c" };
static const char *const byte_texts[] = { "", "plain", "\xff\xfe", "a\0b", "'\\'" };
static const size_t byte_sizes[] = { 0, 5, 2, 3, 3 };
static const uint64_t numbers[] = { 0, 1, 2, 7, UINT32_MAX, INT64_MAX, UINT64_MAX, UINT64_C(1) << 53 };

static void fill(ProtobufCMessage *message);

static void fill_value(const ProtobufCFieldDescriptor *field, void *p) {
	size_t n = draw(ARRAY_SIZE(byte_texts));
	const ProtobufCMessageDescriptor *type;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)p = strdup(texts[draw(ARRAY_SIZE(texts))]);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		((ProtobufCBinaryData *)p)->data = malloc(byte_sizes[n] + 1);
		memcpy(((ProtobufCBinaryData *)p)->data, byte_texts[n], byte_sizes[n]);
		((ProtobufCBinaryData *)p)->len = byte_sizes[n];
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		type = field->descriptor;
		*(ProtobufCMessage **)p = calloc(1, type->sizeof_message);
		type->message_init(*(ProtobufCMessage **)p);
		fill(*(ProtobufCMessage **)p);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)p = (protobuf_c_boolean)draw(2);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		/* Also of a later protocol. */
		*(int *)p = (int)draw(12);
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
		*(uint32_t *)p = (uint32_t)numbers[draw(ARRAY_SIZE(numbers))];
		break;
	default:
		*(uint64_t *)p = numbers[draw(ARRAY_SIZE(numbers))];
		break;
	}
}

static void fill(ProtobufCMessage *message) {
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		char *p = (char *)message + field->offset;

		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t n = draw(3);

			/* As large as the largest of them is. */
			*(void **)p = n > 0 ? calloc(n, sizeof(ProtobufCBinaryData)) : NULL;
			*(size_t *)((char *)message + field->quantifier_offset) = n;
			for (size_t j = 0; j < n; j++)
				fill_value(field, *(char **)p + j * (field->type == PROTOBUF_C_TYPE_BYTES
									     ? sizeof(ProtobufCBinaryData)
									     : sizeof(uint64_t)));
		} else if (draw(3) > 0) {
			fill_value(field, p);
		}
	}
}

static ProtobufCMessage *new_message(const ProtobufCMessageDescriptor *type) {
	ProtobufCMessage *message = calloc(1, type->sizeof_message);

	assert(message);
	type->message_init(message);
	fill(message);
	return message;
}

/* ---- the daemon ---- */

static void tell(struct bridge *bridge) {
	Evloop__Event *event = (Evloop__Event *)new_message(&evloop__event__descriptor);
	struct bridge_source *source = LIST_FIRST(&bridge->sources);

	for (uint64_t n = draw(4); source && LIST_NEXT(source, link) && n > 0; n--)
		source = LIST_NEXT(source, link);
	if (source)
		bridge_event(NULL, event, source);
	evloop__event__free_unpacked(event, NULL);
}

static int play_call(struct evl *evl _unused_, Evloop__Method method, const ProtobufCMessage *request, int fd,
		     ProtobufCMessage **ret_reply) {
	const struct method *description = method_find((uint16_t)method);
	size_t size = protobuf_c_message_get_packed_size(request);
	uint8_t *packed = malloc(MAX(size, (size_t)1));
	ProtobufCMessage *copy;

	assert(packed && description && description->input == request->descriptor);
	assert(fd < 0 || description->max_fds == 1);
	/* What was made of the line can be sent. */
	assert(protobuf_c_message_check(request) && protobuf_c_message_pack(request, packed) == size);
	copy = protobuf_c_message_unpack(description->input, NULL, size, packed);
	free(packed);
	assert(copy);
	protobuf_c_message_free_unpacked(copy, NULL);
	world.refused = false;
	if (size > PACKET_SIZE_MAX)
		return -EMSGSIZE;
	switch (draw(16)) {
	case 0:
		world.refused = true;
		world.error.status = (Evloop__Status)draw(14);
		return -EINVAL;
	case 1:
		return draw(8) == 0 ? -ECONNRESET : -ENOMEM;
	default:
		*ret_reply = new_message(description->output);
		return 0;
	}
}

static const Evloop__Error *play_error(struct evl *evl _unused_) {
	return world.refused ? &world.error : NULL;
}

static int play_handle(struct evl *evl _unused_, uint64_t *ret, evl_call_event callback, void *userdata) {
	assert(callback == bridge_event && userdata);
	*ret = ++world.last_handle;
	return 0;
}

static void play_drop(struct evl *evl _unused_, uint64_t handle) {
	assert(handle > 0 && handle <= world.last_handle);
}

static int64_t play_deadline(const struct evl *evl _unused_, Evloop__Clock clock _unused_, int64_t deadline_ns,
			     protobuf_c_boolean *ret_relative) {
	*ret_relative = false;
	return deadline_ns;
}

static int play_take_descriptor(pid_t pid, int fd _unused_) {
	static const int errors[] = { -ESRCH, -EBADF, -EPERM, -ENOSYS };

	return pid % 2 ? eventfd(0, EFD_CLOEXEC) : errors[draw(ARRAY_SIZE(errors))];
}

static int play_open_process(pid_t pid) {
	return play_take_descriptor(pid, 0);
}

static const struct bridge_ops ops = {
	.call = play_call,
	.error = play_error,
	.handle = play_handle,
	.drop = play_drop,
	.deadline = play_deadline,
	.take_descriptor = play_take_descriptor,
	.open_process = play_open_process,
	.dispatch = tell,
};

/* ---- what was written ---- */

static void check_line(const char *line, size_t size) {
	json_t *object;

	if (world.bridge.shell) {
		for (size_t i = 0; i < size; i++)
			assert((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
		return;
	}
	object = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	assert(json_is_object(object));
	/* An answer, or an event; and an answer is one of two. */
	assert(!json_object_get(object, "ok") || !json_is_string(json_object_get(object, "error")));
	json_decref(object);
}

static void check_output(const char *text, size_t size, size_t n_expected) {
	size_t n = 0;

	while (size > 0) {
		const char *newline = memchr(text, '\n', size);

		assert(newline);
		check_line(text, (size_t)(newline - text));
		size -= (size_t)(newline + 1 - text);
		text = newline + 1;
		n++;
	}
	/* Events are more. */
	assert(n >= n_expected);
}

static void play(const char *data, size_t size) {
	char *text = NULL;
	size_t length = 0, n_answers = 0;

	world.bridge.out = open_memstream(&text, &length);
	assert(world.bridge.out);
	while (size > 0) {
		const char *newline = memchr(data, '\n', size);
		size_t n = newline ? (size_t)(newline - data) : size;

		world.chance ^= n;
		bridge_line(&world.bridge, data, n);
		n_answers += n > 0 && strspn(data, " \t\r") < n;
		if (draw(2))
			tell(&world.bridge);
		data += n + (newline ? 1 : 0);
		size -= n + (newline ? 1 : 0);
	}
	fclose(world.bridge.out);
	check_output(text, length, n_answers);
	free(text);
}

static int first_free_descriptor(void) {
	int fd = eventfd(0, EFD_CLOEXEC);

	assert(fd >= 0);
	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	unsigned how = size > 0 ? data[0] : 0;
	int fd = first_free_descriptor();
	char *text;

	memset(&world, 0, sizeof(world));
	evloop__error__init(&world.error);
	world.error.message = (char *)"refused";
	world.chance = how >> 2;
	world.bridge.ops = &ops;
	world.bridge.shell = how & 1;
	world.bridge.prefix = how & 2 ? "EV_" : NULL;
	/* With a NUL behind it, for strspn() above. */
	text = calloc(1, size + 1);
	assert(text);
	if (size > 1)
		memcpy(text, data + 1, size - 1);
	play(text, size > 0 ? size - 1 : 0);
	fuzz_accepted = world.bridge.n_refused == 0;
	bridge_sources_free(&world.bridge);
	assert(!world.bridge.named && LIST_EMPTY(&world.bridge.sources));
	free(text);
	assert(first_free_descriptor() == fd);
	return 0;
}

/* ---- seeds ---- */

/* The first byte: what the played daemon's chance begins with is seen to by trying. */
static const struct {
	const char *name, *lines;
} seeds[] = {
	{ "y_ping", "\x50{\"id\":1,\"call\":\"ping\"}\n" },
	{ "x_timers", "\x50{\"id\":1,\"call\":\"after\",\"delay\":\"5s\",\"name\":\"a\",\"name_mode\":\"replace\"}\n"
		      "{\"id\":\"x\",\"call\":\"every\",\"period_ns\":1000.0,\"count\":3,\"clock\":\"realtime\"}\n"
		      "{\"id\":3,\"call\":\"at\",\"deadline\":\"tomorrow 09:00\",\"until_ns\":\"5\"}\n"
		      "{\"id\":4,\"call\":\"restart\",\"request\":1,\"delay\":\"1ms\"}\n"
		      "{\"id\":5,\"call\":\"cancel\",\"request\":\"x\"}\n{\"call\":\"soon\"}\n"
		      "{\"id\":6,\"call\":\"pause\",\"request\":3}\n{\"call\":\"cancel\",\"target\":\"a*\"}\n" },
	{ "x_jobs",
	  "\x51{\"id\":1,\"call\":\"soon\",\"command\":[\"sh\",[104,105]]}\n"
	  "{\"id\":2,\"call\":\"sleep\",\"delay_ns\":1,\"command\":{\"argv\":[\"x\"],\"environment\":[\"A=b\"],"
	  "\"directory\":\"/\",\"umask\":18}}\n{\"id\":3,\"call\":\"wait\",\"name\":\"a\",\"output\":true}\n"
	  "{\"call\":\"kill\",\"request\":1,\"signal\":9}\n{\"call\":\"log\",\"target\":{\"id\":5}}\n"
	  "{\"call\":\"list\",\"finished\":true}\n{\"call\":\"show\",\"target\":7}\n" },
	{ "x_limiters",
	  "\x52{\"id\":1,\"call\":\"limit\",\"name\":\"a\",\"rate\":\"10/s\",\"burst\":3,\"key\":\"k\"}\n"
	  "{\"id\":2,\"call\":\"acquire\",\"name\":\"a\",\"pid\":1,\"concurrency\":2}\n"
	  "{\"call\":\"limiter set\",\"name\":\"a\",\"rules\":[\"5/s\",{\"tokens\":3,\"period\":\"1s\"}]}\n"
	  "{\"call\":\"try\",\"name\":\"a\"}\n{\"call\":\"limiter_hold\",\"name\":\"a\",\"duration\":\"1s\"}\n"
	  "{\"call\":\"multi\",\"items\":[{\"name\":\"a\"},{\"name\":\"b\",\"cost\":2}]}\n"
	  "{\"call\":\"release\",\"request\":1}\n{\"call\":\"limiter list\",\"name\":\"a\"}\n" },
	{ "x_watches",
	  "\x53{\"id\":1,\"call\":\"watch\",\"fd\":5,\"pid\":1,\"events\":[\"readable\",\"writable\"]}\n"
	  "{\"id\":2,\"call\":\"watch\",\"path\":\"src\",\"recursive\":true,\"exclude\":[\"*.o\"],\"settle\":\"1s\"}\n"
	  "{\"id\":3,\"call\":\"watch\",\"pid\":3}\n{\"call\":\"ack\",\"requests\":[1,2,9]}\n"
	  "{\"call\":\"emit\",\"topic\":\"t\",\"data\":[0,255]}\n{\"call\":\"version\"}\n"
	  "{\"id\":4,\"call\":\"subscribe\",\"topic\":\"t\",\"gate\":{\"limiter\":\"a\"}}\n"
	  "{\"call\":\"time\"}\n{\"call\":\"quota\"}\n" },
	{ "n_garbage", "\x50nonsense\n{\"call\":5}\n[]\n{\"id\":[],\"call\":\"ping\"}\n" },
	{ "n_field", "\x50{\"call\":\"after\",\"delay_ns\":\"5\"}\n" },
	{ "n_call", "\x50{\"call\":\"nonsense\"}" },
};

void fuzz_seeds(seed_taker take, void *userdata) {
	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++)
		take(userdata, seeds[i].name, (const uint8_t *)seeds[i].lines, strlen(seeds[i].lines));
}
