/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what is written down of limiters, and how that is read under another clock.  Knows nothing of where it is kept.
 */

#include "daemon/rpc/state.h"

#include <string.h>

#include "daemon/core/limiter.h"
#include "daemon/core/marks.h"
#include "daemon/core/progress.h"
#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/convert-limiter.h"
#include "daemon/rpc/record.h"
#include "proto/limits.h"
#include "proto/shared.h"

#define MAGIC "evloopd state 1\n"
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

static int64_t boottime_now(const struct scheduler *scheduler) {
	return scheduler_now(scheduler)->ns[TIMER_CLOCK_BOOTTIME];
}

/* ---- saving ---- */

static int save_clock(struct scheduler *scheduler, FILE *file) {
	Evloop__SavedClock clock = EVLOOP__SAVED_CLOCK__INIT;
	const struct instant *now = scheduler_now(scheduler);
	uint8_t boot_id[BOOT_ID_MAX];

	clock.boot_id = (ProtobufCBinaryData){ .data = boot_id, .len = read_boot_id(boot_id) };
	clock.boottime_ns = now->ns[TIMER_CLOCK_BOOTTIME];
	clock.realtime_ns = now->ns[TIMER_CLOCK_REALTIME];
	clock.drained_ns = scheduler_drained(scheduler);
	clock.settled_ns = scheduler_settled(scheduler);
	clock.changes = scheduler_marks(scheduler)->changes;
	return record_write(file, RECORD_CLOCK, &clock.base);
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
		r = record_write(file, RECORD_BUCKET, &saved.base);
	}
	return r;
}

/* Is there room for all of its keys? */
static bool take_room(struct state_saver *saver, const struct limiter *limiter) {
	struct limiter_info info;

	limiter_describe(limiter, &info);
	if (info.keys > saver->keys)
		return false;
	saver->keys -= info.keys;
	return true;
}

static int save_limiter(struct state_saver *saver, struct limiter *limiter) {
	Evloop__SavedLimiter saved = EVLOOP__SAVED_LIMITER__INIT;
	bool fits = take_room(saver, limiter);
	struct limiter_progress progress;
	struct limiter_message message;
	int r;

	convert_limiter_spec(limiter_spec(limiter), &message);
	limiter_progress(limiter, &progress);
	saved.uid = saver->uid;
	saved.spec = &message.spec;
	saved.drained_ns = fits ? progress.drained_ns : boottime_now(saver->scheduler);
	if (saver->describe)
		saver->describe(limiter, saver->userdata, &saved);
	r = record_write(saver->file, RECORD_LIMITER, &saved.base);
	return r == 0 && fits ? save_buckets(limiter, saver->file) : r;
}

/* The one behind the last. */
static struct limiter *next_limiter(struct state_saver *saver) {
	struct limiter *limiter = NULL;
	struct tenant *tenant;

	for (tenant = scheduler_next_tenant(saver->scheduler, saver->uid); tenant && !limiter;
	     tenant = scheduler_next_tenant(saver->scheduler, saver->uid + 1)) {
		if (saver->uid != tenant_uid(tenant))
			saver->id = 0;
		saver->uid = tenant_uid(tenant);
		limiter = limiter_next(tenant, saver->id);
	}
	if (limiter)
		saver->id = limiter_id(limiter);
	return limiter;
}

int state_begin(struct scheduler *scheduler, FILE *file) {
	return fputs(MAGIC, file) < 0 ? -EIO : save_clock(scheduler, file);
}

int state_save_limiters(struct state_saver *saver, size_t n) {
	struct limiter *limiter;
	int r = 0;

	while (r == 0 && n-- > 0) {
		limiter = next_limiter(saver);
		if (!limiter)
			return 0;
		r = save_limiter(saver, limiter);
	}
	return r == 0 ? STATE_E_MORE : r;
}

int state_save(struct scheduler *scheduler, FILE *file) {
	struct state_saver saver = { .scheduler = scheduler, .file = file, .keys = SIZE_MAX };
	int r = state_begin(scheduler, file);

	return r == 0 ? state_save_limiters(&saver, SIZE_MAX) : r;
}

void state_save_counts(const struct limiter *limiter, Evloop__SavedLimiter *ret) {
	struct limiter_progress progress;

	limiter_progress(limiter, &progress);
	ret->allowed = progress.allowed;
	ret->denied = progress.denied;
	ret->repaired = progress.repaired;
	ret->created_realtime_ns = progress.created_realtime_ns;
}

/* ---- loader ---- */

/* A time as it is on this daemon's clock; 0, which is none, stays so, and what makes no sense becomes it. */
static int64_t shift(const struct state_loader *loader, int64_t boottime_ns) {
	if (boottime_ns <= 0 || boottime_ns > TIME_NS_MAX)
		return 0;
	return MAX(boottime_ns + loader->shift_ns, 1);
}

static void load_clock(struct state_loader *loader, const Evloop__SavedClock *clock) {
	const struct instant *now = scheduler_now(loader->scheduler);
	uint8_t boot_id[BOOT_ID_MAX];
	size_t n = loader->same_boot ? 0 : read_boot_id(boot_id);
	int64_t elapsed_ns;

	loader->clock = clock->boottime_ns >= 0 && clock->boottime_ns <= TIME_NS_MAX && clock->realtime_ns >= 0 &&
			clock->realtime_ns <= TIME_NS_MAX;
	if (n > 0 && n == clock->boot_id.len && memcmp(boot_id, clock->boot_id.data, n) == 0)
		loader->same_boot = true;
	/* Another boot: boottime began anew.  A civil clock that was set back has stood still. */
	elapsed_ns = MAX(now->ns[TIMER_CLOCK_REALTIME] - clock->realtime_ns, 0);
	if (!loader->same_boot)
		loader->shift_ns = now->ns[TIMER_CLOCK_BOOTTIME] - clock->boottime_ns - elapsed_ns;
	scheduler_set_drained(loader->scheduler, shift(loader, clock->drained_ns));
	scheduler_set_settled(loader->scheduler, MAX(scheduler_settled(loader->scheduler),
						     MIN(shift(loader, clock->settled_ns),
							 now->ns[TIMER_CLOCK_BOOTTIME] + PERMITS_SETTLE_NS)));
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

/* May something have been taken from it since?  By clients that have its memory, nobody knows. */
static bool was_taken(const struct state_loader *loader, const Evloop__SavedLimiter *saved) {
	return loader->marks &&
	       (saved->shared || saved->mark >= MARKS_MAX || loader->marks[saved->mark] > saved->changes);
}

/*
 * Up to when all has been taken from it.  Clients that have the memory of the dead daemon go on to take from that until they see it, as if
 * nothing had happened; from then on this one fills, so both together grant no more than one would have.  Nobody has memory of keys.
 */
static int64_t taken_until(const struct state_loader *loader) {
	int64_t now_ns = boottime_now(loader->scheduler);

	return limiter_spec(loader->limiter)->keyed ? now_ns : now_ns + SHARED_LOOK_NS;
}

static int load_limiter(struct state_loader *loader, const Evloop__SavedLimiter *saved) {
	enum limiter_change change;
	struct limiter_spec spec;
	struct tenant *tenant;
	unsigned rule;
	int r;

	loader->limiter = NULL;
	if (saved->uid > UINT32_MAX || !saved->spec || !makes_sense(saved->spec) ||
	    !convert_to_limiter_spec(saved->spec, &spec, &rule))
		return 0;
	r = scheduler_tenant(loader->scheduler, (uid_t)saved->uid, &tenant);
	if (r < 0)
		return r;
	r = limiter_set(tenant, &spec, LIMITER_MODE_CREATE, &loader->limiter, &change);
	if (r == 0) {
		loader->n++;
		loader->taken = was_taken(loader, saved);
		limiter_set_drained(loader->limiter,
				    loader->taken ? taken_until(loader) : shift(loader, saved->drained_ns));
	} else {
		loader->limiter = NULL;
	}
	tenant_unref(tenant);
	return MIN(r, 0);
}

static uint64_t shift_ticks(uint64_t ticks, int64_t shift_ns) {
	__int128 shifted = (__int128)ticks + (__int128)shift_ns * GCRA_TICKS_PER_NSEC;

	return (uint64_t)MIN(MAX(shifted, (__int128)0), (__int128)GCRA_TICKS_MAX);
}

static int load_bucket(const struct state_loader *loader, const Evloop__SavedBucket *saved) {
	struct limiter_bucket bucket = { .key = { .data = saved->key.data, .size = saved->key.len },
					 .n = (unsigned)saved->n_words };
	int r;

	if (!loader->limiter || saved->key.len > LIMITER_KEY_MAX || saved->n_words > BUCKET_RULES_MAX)
		return 0;
	for (unsigned i = 0; i < bucket.n; i++)
		bucket.words[i] = shift_ticks(saved->words[i], loader->shift_ns);
	bucket.hold_until_ns = shift(loader, saved->hold_until_ns);
	bucket.taken = loader->taken;
	r = limiter_restore_bucket(loader->limiter, &bucket);
	return MIN(r, 0);
}

bool state_loader_take(struct state_loader *loader, enum record record, const ProtobufCMessage *message,
		       int *ret_error) {
	*ret_error = 0;
	if (record == RECORD_CLOCK)
		load_clock(loader, (const Evloop__SavedClock *)message);
	else if (record != RECORD_LIMITER && record != RECORD_BUCKET)
		return false;
	else if (!loader->clock)
		*ret_error = -EPROTO;
	else if (record == RECORD_LIMITER)
		*ret_error = load_limiter(loader, (const Evloop__SavedLimiter *)message);
	else
		*ret_error = load_bucket(loader, (const Evloop__SavedBucket *)message);
	return true;
}

void state_load_counts(struct limiter *limiter, const Evloop__SavedLimiter *saved) {
	limiter_restore(limiter, &(struct limiter_progress){
					 .allowed = saved->allowed,
					 .denied = saved->denied,
					 .repaired = saved->repaired,
					 .created_realtime_ns = saved->created_realtime_ns,
				 });
}

bool state_is_known(FILE *file) {
	char magic[sizeof(MAGIC) - 1];

	return fread(magic, sizeof(magic), 1, file) == 1 && memcmp(magic, MAGIC, sizeof(magic)) == 0;
}

int state_load(struct scheduler *scheduler, FILE *file) {
	struct state_loader loader = { .scheduler = scheduler };
	ProtobufCMessage *message;
	enum record record;
	int r = 0;

	if (!state_is_known(file))
		return -EPROTO;
	while (r == 0 && (message = record_read(file, &record))) {
		(void)state_loader_take(&loader, record, message, &r);
		protobuf_c_message_free_unpacked(message, NULL);
	}
	return r < 0 ? r : loader.n;
}
