/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the records of saved state, see proto/state.proto.  Knows nothing of where they are kept.
 */

#include "daemon/rpc/state.h"

#include <string.h>

#include "daemon/core/limiter.h"
#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/convert-limiter.h"
#include "proto/limits.h"
#include "proto/state.pb-c.h"

#define MAGIC "evloopd state 1\n"
#define RECORD_SIZE_MAX 65536

enum record {
	RECORD_CLOCK = 1,
	RECORD_LIMITER,
	RECORD_BUCKET,
};

#define BOOT_ID_MAX 64

/* Return: its size; 0: it is not known. */
static size_t read_boot_id(uint8_t *buffer) {
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	size_t n = 0;

	if (file) {
		n = fread(buffer, 1, BOOT_ID_MAX, file);
		(void)fclose(file);
	}
	return n;
}

/* ---- saving ---- */

static int write_record(FILE *file, enum record record, const ProtobufCMessage *message) {
	static uint8_t buffer[RECORD_SIZE_MAX];
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t header[5] = { (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), (uint8_t)(size >> 24),
			      (uint8_t)record };

	if (size > sizeof(buffer))
		return -EMSGSIZE;
	(void)protobuf_c_message_pack(message, buffer);
	if (fwrite(header, sizeof(header), 1, file) != 1 || (size > 0 && fwrite(buffer, size, 1, file) != 1))
		return -EIO;
	return 0;
}

static int save_clock(const struct scheduler *scheduler, FILE *file) {
	Evloop__SavedClock clock = EVLOOP__SAVED_CLOCK__INIT;
	const struct instant *now = scheduler_now(scheduler);
	uint8_t boot_id[BOOT_ID_MAX];

	clock.boot_id = (ProtobufCBinaryData){ .data = boot_id, .len = read_boot_id(boot_id) };
	clock.boottime_ns = now->ns[TIMER_CLOCK_BOOTTIME];
	clock.realtime_ns = now->ns[TIMER_CLOCK_REALTIME];
	return write_record(file, RECORD_CLOCK, &clock.base);
}

static int save_buckets(struct limiter *limiter, FILE *file) {
	struct limiter_bucket bucket;
	size_t position = 0;
	int r = 0;

	while (r == 0 && limiter_next_bucket(limiter, &position, &bucket)) {
		Evloop__SavedBucket saved = EVLOOP__SAVED_BUCKET__INIT;

		saved.key = (ProtobufCBinaryData){ .data = (uint8_t *)bucket.key.data, .len = bucket.key.size };
		saved.words = bucket.words;
		saved.n_words = bucket.n;
		saved.hold_until_ns = bucket.hold_until_ns;
		r = write_record(file, RECORD_BUCKET, &saved.base);
	}
	return r;
}

static int save_limiter(struct limiter *limiter, uid_t uid, FILE *file) {
	Evloop__SavedLimiter saved = EVLOOP__SAVED_LIMITER__INIT;
	struct limiter_message message;
	int r;

	convert_limiter_spec(limiter_spec(limiter), &message);
	saved.uid = uid;
	saved.spec = &message.spec;
	r = write_record(file, RECORD_LIMITER, &saved.base);
	return r == 0 ? save_buckets(limiter, file) : r;
}

int state_save(const struct scheduler *scheduler, FILE *file) {
	struct tenant *tenant;
	int r = fputs(MAGIC, file) < 0 ? -EIO : save_clock(scheduler, file);

	for (tenant = scheduler_next_tenant(scheduler, 0); tenant && r == 0;
	     tenant = scheduler_next_tenant(scheduler, (uint64_t)tenant_uid(tenant) + 1))
		for (struct limiter *limiter = limiter_next(tenant, 0); limiter && r == 0;
		     limiter = limiter_next(tenant, limiter_id(limiter)))
			r = save_limiter(limiter, tenant_uid(tenant), file);
	return r;
}

/* ---- loading ---- */

struct loading {
	struct scheduler *scheduler;
	int64_t shift_ns; /* from boottime as it was to boottime as it is */
	struct limiter *limiter; /* the last one; NULL: it was left out */
	bool clock; /* it is known */
	int n;
};

/* Return: the message, to be freed; NULL: the end, or nothing that makes sense any more. */
static ProtobufCMessage *read_record(FILE *file, enum record *ret) {
	static const ProtobufCMessageDescriptor *const types[] = {
		[RECORD_CLOCK] = &evloop__saved_clock__descriptor,
		[RECORD_LIMITER] = &evloop__saved_limiter__descriptor,
		[RECORD_BUCKET] = &evloop__saved_bucket__descriptor,
	};
	static uint8_t buffer[RECORD_SIZE_MAX];
	uint8_t header[5];
	size_t size;

	if (fread(header, sizeof(header), 1, file) != 1)
		return NULL;
	size = header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16 | (size_t)header[3] << 24;
	*ret = header[4];
	if (size > sizeof(buffer) || *ret >= ARRAY_SIZE(types) || !types[*ret] ||
	    (size > 0 && fread(buffer, size, 1, file) != 1))
		return NULL;
	return protobuf_c_message_unpack(types[*ret], NULL, size, buffer);
}

static void load_clock(struct loading *loading, const Evloop__SavedClock *clock) {
	const struct instant *now = scheduler_now(loading->scheduler);
	uint8_t boot_id[BOOT_ID_MAX];
	size_t n = read_boot_id(boot_id);
	int64_t elapsed_ns;

	loading->clock = clock->boottime_ns >= 0 && clock->boottime_ns <= TIME_NS_MAX && clock->realtime_ns >= 0 &&
			 clock->realtime_ns <= TIME_NS_MAX;
	if (n > 0 && n == clock->boot_id.len && memcmp(boot_id, clock->boot_id.data, n) == 0)
		return;
	/* Another boot: boottime began anew.  A civil clock that was set back has stood still. */
	elapsed_ns = MAX(now->ns[TIMER_CLOCK_REALTIME] - clock->realtime_ns, 0);
	loading->shift_ns = now->ns[TIMER_CLOCK_BOOTTIME] - clock->boottime_ns - elapsed_ns;
}

/* Is it one that could have been saved?  Nobody is there to be told why not. */
static bool makes_sense(const Evloop__LimiterSpec *spec) {
	bool is_rate = spec->kind == EVLOOP__LIMITER_KIND__LIMITER_RATE;

	if (spec->name[0] == '\0' || strlen(spec->name) > NAME_LENGTH_MAX || spec->n_rules > BUCKET_RULES_MAX ||
	    spec->max_keys > LIMITER_KEYS_MAX)
		return false;
	for (size_t i = 0; i < spec->n_rules; i++)
		if (spec->rules[i]->period_ns < 1 || spec->rules[i]->period_ns > TIME_NS_MAX)
			return false;
	return is_rate ? spec->concurrency == 0 : spec->concurrency > 0 && spec->n_rules == 0;
}

static int load_limiter(struct loading *loading, const Evloop__SavedLimiter *saved) {
	enum limiter_change change;
	struct limiter_spec spec;
	struct tenant *tenant;
	unsigned rule;
	int r;

	loading->limiter = NULL;
	if (saved->uid > UINT32_MAX || !saved->spec || !makes_sense(saved->spec) ||
	    !convert_to_limiter_spec(saved->spec, &spec, &rule))
		return 0;
	r = scheduler_tenant(loading->scheduler, (uid_t)saved->uid, &tenant);
	if (r < 0)
		return r;
	r = limiter_set(tenant, &spec, LIMITER_MODE_CREATE, &loading->limiter, &change);
	if (r == 0)
		loading->n++;
	else
		loading->limiter = NULL;
	tenant_unref(tenant);
	return MIN(r, 0);
}

static uint64_t shift_ticks(uint64_t ticks, int64_t shift_ns) {
	__int128 shifted = (__int128)ticks + (__int128)shift_ns * GCRA_TICKS_PER_NSEC;

	return (uint64_t)MIN(MAX(shifted, (__int128)0), (__int128)GCRA_TICKS_MAX);
}

static int load_bucket(const struct loading *loading, const Evloop__SavedBucket *saved) {
	struct limiter_bucket bucket = { .key = { .data = saved->key.data, .size = saved->key.len },
					 .n = (unsigned)saved->n_words };
	int r;

	if (!loading->limiter || saved->key.len > LIMITER_KEY_MAX || saved->n_words > BUCKET_RULES_MAX)
		return 0;
	for (unsigned i = 0; i < bucket.n; i++)
		bucket.words[i] = shift_ticks(saved->words[i], loading->shift_ns);
	if (saved->hold_until_ns > 0 && saved->hold_until_ns <= TIME_NS_MAX)
		bucket.hold_until_ns = MAX(saved->hold_until_ns + loading->shift_ns, 0);
	r = limiter_restore_bucket(loading->limiter, &bucket);
	return MIN(r, 0);
}

static int load_record(struct loading *loading, enum record record, const ProtobufCMessage *message) {
	switch (record) {
	case RECORD_CLOCK:
		load_clock(loading, (const Evloop__SavedClock *)message);
		return 0;
	case RECORD_LIMITER:
		return loading->clock ? load_limiter(loading, (const Evloop__SavedLimiter *)message) : -EPROTO;
	case RECORD_BUCKET:
		return loading->clock ? load_bucket(loading, (const Evloop__SavedBucket *)message) : -EPROTO;
	}
	return -EPROTO;
}

int state_load(struct scheduler *scheduler, FILE *file) {
	struct loading loading = { .scheduler = scheduler };
	char magic[sizeof(MAGIC) - 1];
	ProtobufCMessage *message;
	enum record record;
	int r = 0;

	if (fread(magic, sizeof(magic), 1, file) != 1 || memcmp(magic, MAGIC, sizeof(magic)) != 0)
		return -EPROTO;
	while (r == 0 && (message = read_record(file, &record))) {
		r = load_record(&loading, record, message);
		protobuf_c_message_free_unpacked(message, NULL);
	}
	return r < 0 ? r : loading.n;
}
