/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns when limiters are noted, and in how many turns of the loop.  What of them is noted, and where, others know. */

#include "daemon/crash-note.h"

#include <string.h>

#include "daemon/core/marks.h"
#include "daemon/core/scheduler.h"
#include "daemon/svc/log.h"
#include "proto/limits.h"
#include "proto/shared.h"

#define INTERVAL_NS NSEC_PER_SEC
#define DELAY_NS (5 * NSEC_PER_MSEC) /* who defines a limiter takes from it at once: both are noted together */
#define BATCH 250 /* limiters in a turn: about half a millisecond */

static int64_t now_of(const struct scheduler *scheduler) {
	return scheduler_now(scheduler)->ns[TIMER_CLOCK_BOOTTIME];
}

bool crash_note_load(struct note *note, struct scheduler *scheduler, struct holder_store *holders,
		     struct kept_copy *stored, size_t n_stored) {
	struct noted noted = { .holders = holders, .stored = stored, .n_stored = n_stored };
	_cleanup_free_ void *data = NULL;
	unsigned n_taken = 0;
	int r = note ? note_read(note, &data, &noted.size) : -ENOENT;

	if (r == -ENOENT)
		return false;
	scheduler_set_settled(scheduler, now_of(scheduler) + PERMITS_SETTLE_NS);
	noted.data = data;
	noted.marks = note->marks;
	if (r == 0)
		r = noted_load(scheduler, &noted, &n_taken);
	else
		scheduler_set_drained(scheduler, now_of(scheduler) + SHARED_LOOK_NS);
	if (r < 0)
		log_event(LOG_WARNING, MESSAGE_STATE_NOT_KEPT, NULL,
			  "the daemon before has died, and what it has noted cannot be used: limiters begin empty: %s",
			  strerror(-r));
	else
		log_event(LOG_WARNING, MESSAGE_DAEMON_DIED, NULL,
			  "the daemon before has died; limiters that go on as it has noted them: %d, that begin empty: "
			  "%u",
			  r, n_taken);
	return true;
}

void crash_note_spoil(struct note *note) {
	int r = note ? note_write(note, "", 0) : 0;

	if (r < 0)
		log_warning("cannot note that nothing is known of limiters: %s", strerror(-r));
}

/* That is all of it, if `r` is 0. */
static void finish(struct crash_note *crash_note, int r) {
	struct noting *noting = &crash_note->noting;

	if (r == 0)
		r = noting_finish(noting);
	if (r == 0)
		r = note_write(crash_note->note, noting->data, noting->size);
	noting_free(noting, r == 0);
	crash_note->running = false;
	if (r < 0 && !crash_note->failed)
		log_event(LOG_WARNING, MESSAGE_STATE_NOT_KEPT, NULL, "cannot note limiters for the case of a crash: %s",
			  strerror(-r));
	crash_note->failed = r < 0;
}

static void begin(struct crash_note *crash_note) {
	crash_note->changes = scheduler_marks(crash_note->scheduler)->changes;
	crash_note->begun_ns = now_of(crash_note->scheduler);
	crash_note->due_ns = 0;
	crash_note->running = noting_begin(&crash_note->noting, crash_note->scheduler, crash_note->holders) == 0;
	crash_note->failed = !crash_note->running;
}

/* Some of it, and where that is all, the end. */
static void go_on(struct crash_note *crash_note, size_t n) {
	int r;

	if (!crash_note->running)
		begin(crash_note);
	if (!crash_note->running)
		return;
	r = noting_go_on(&crash_note->noting, n);
	if (r != STATE_E_MORE)
		finish(crash_note, r);
}

void crash_note_start(struct crash_note *crash_note, struct note *note, struct scheduler *scheduler,
		      const struct holder_store *holders) {
	*crash_note = (struct crash_note){ .note = note, .scheduler = scheduler, .holders = holders };
	if (!note)
		return;
	marks_attach(scheduler_marks(scheduler), note->marks);
	go_on(crash_note, SIZE_MAX);
	/* What is there is of another daemon, whose marks are not ours. */
	if (crash_note->failed)
		crash_note_spoil(note);
}

int64_t crash_note_next(struct crash_note *crash_note) {
	int64_t now_ns;

	if (!crash_note->note)
		return INT64_MAX;
	if (crash_note->running)
		return 0;
	if (crash_note->changes == scheduler_marks(crash_note->scheduler)->changes)
		return INT64_MAX;
	now_ns = now_of(crash_note->scheduler);
	if (crash_note->due_ns == 0)
		crash_note->due_ns = MAX(now_ns + DELAY_NS, crash_note->begun_ns + INTERVAL_NS);
	return crash_note->due_ns;
}

void crash_note_tick(struct crash_note *crash_note) {
	if (crash_note->note && crash_note_next(crash_note) <= now_of(crash_note->scheduler))
		go_on(crash_note, BATCH);
}

void crash_note_end(struct crash_note *crash_note, bool kept) {
	if (!crash_note->note)
		return;
	if (crash_note->running)
		noting_free(&crash_note->noting, false);
	/* What becomes of limiters from now on is not meant for anybody. */
	marks_attach(scheduler_marks(crash_note->scheduler), NULL);
	if (kept)
		note_clear(crash_note->note);
	*crash_note = (struct crash_note){ 0 };
}
