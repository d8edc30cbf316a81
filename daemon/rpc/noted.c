/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what is noted of limiters, and what that is worth after the death of who has noted it:
 *
 *     noted, and its mark is not later      as it was noted
 *     noted, and taken from since           empty, each of its cells; where clients may have memory of it, when they have let go of that
 *     keys of a limiter that has too many   empty at the time of the note
 *     not noted, and taken from             there is a mark that nobody has: whatever comes new begins empty, for it may be that one
 */

#include "daemon/rpc/noted.h"

#include "daemon/core/marks.h"
#include "daemon/core/scheduler.h"
#include "proto/shared.h"

#define KEYS_NOTED 1000 /* of all limiters: it must not take long */

/* ---- noting ---- */

static void describe(struct limiter *limiter, void *userdata, Evloop__SavedLimiter *ret) {
	const struct noting *noting = userdata;
	struct limiter_info info;

	limiter_describe(limiter, &info);
	state_save_counts(limiter, ret);
	ret->mark = limiter_mark(limiter);
	ret->changes = scheduler_marks(noting->saver.scheduler)->changes;
	ret->shared = info.shared;
}

int noting_begin(struct noting *noting, struct scheduler *scheduler, const struct holder_store *holders) {
	int r;

	*noting = (struct noting){
		.saver = { .scheduler = scheduler, .describe = describe, .userdata = noting, .keys = KEYS_NOTED },
		.holders = holders,
	};
	noting->saver.file = open_memstream(&noting->data, &noting->size);
	if (!noting->saver.file)
		return -ENOMEM;
	marks_begin(scheduler_marks(scheduler));
	r = state_begin(scheduler, noting->saver.file);
	if (r < 0)
		noting_free(noting, false);
	return r;
}

int noting_go_on(struct noting *noting, size_t n) {
	return state_save_limiters(&noting->saver, n);
}

int noting_finish(struct noting *noting) {
	int r = noting->holders ? holder_store_save(noting->holders, noting->saver.file) : 0;

	if (fclose(noting->saver.file) != 0 && r == 0)
		r = -ENOMEM;
	noting->saver.file = NULL;
	return r;
}

void noting_free(struct noting *noting, bool written) {
	marks_end(scheduler_marks(noting->saver.scheduler), written);
	if (noting->saver.file)
		(void)fclose(noting->saver.file);
	free(noting->data);
	*noting = (struct noting){ 0 };
}

/* ---- reading ---- */

struct reading {
	struct state_loader loader;
	const struct noted *noted;
	uint64_t changes; /* up to where limiters are noted, if they are */
	uint64_t seen[MARKS_MAX / 64]; /* a bit for each mark that one of them has */
	unsigned n_taken;
	bool lacks; /* one that was noted */
};

static void read_limiter(struct reading *reading, const Evloop__SavedLimiter *saved) {
	if (saved->mark < MARKS_MAX)
		reading->seen[saved->mark / 64] |= UINT64_C(1) << saved->mark % 64;
	if (!reading->loader.limiter) {
		reading->lacks = true;
		return;
	}
	state_load_counts(reading->loader.limiter, saved);
	reading->n_taken += reading->loader.taken;
}

static void read_record(struct reading *reading, enum record record, const ProtobufCMessage *message) {
	const struct noted *noted = reading->noted;

	if (record == RECORD_CLOCK)
		reading->changes = ((const Evloop__SavedClock *)message)->changes;
	else if (record == RECORD_LIMITER)
		read_limiter(reading, (const Evloop__SavedLimiter *)message);
	else if (record == RECORD_CLAIM && noted->holders)
		holder_store_load(noted->holders, reading->loader.scheduler, (const Evloop__SavedClaim *)message,
				  noted->stored, noted->n_stored);
}

static int read_all(struct reading *reading, FILE *file) {
	ProtobufCMessage *message;
	enum record record;
	int r = state_is_known(file) ? 0 : -EPROTO;

	while (r == 0 && (message = record_read(file, &record))) {
		(void)state_loader_take(&reading->loader, record, message, &r);
		if (r == 0)
			read_record(reading, record, message);
		protobuf_c_message_free_unpacked(message, NULL);
	}
	return r == 0 && ftello(file) != (off_t)reading->noted->size ? -EPROTO : r;
}

/* Was something taken from a limiter that is not among those? */
static bool was_taken_elsewhere(const struct reading *reading) {
	const uint64_t *marks = reading->loader.marks;

	if (marks[MARKS_SHARED] > reading->changes)
		return true;
	for (size_t i = 0; i < MARKS_MAX; i++)
		if (marks[i] > reading->changes && !(reading->seen[i / 64] >> i % 64 & 1))
			return true;
	return false;
}

int noted_load(struct scheduler *scheduler, const struct noted *noted, unsigned *ret_taken) {
	struct reading reading = {
		.loader = { .scheduler = scheduler, .same_boot = true, .marks = noted->marks },
		.noted = noted,
	};
	FILE *file = noted->size > 0 ? fmemopen((void *)noted->data, noted->size, "r") : NULL;
	int r = -EPROTO;

	if (file) {
		r = read_all(&reading, file);
		(void)fclose(file);
	}
	if (r < 0 || reading.lacks || was_taken_elsewhere(&reading))
		scheduler_set_drained(scheduler, scheduler_now(scheduler)->ns[TIMER_CLOCK_BOOTTIME] + SHARED_LOOK_NS);
	*ret_taken = reading.n_taken;
	return r < 0 ? r : reading.loader.n;
}
