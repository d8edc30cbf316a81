/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What a daemon that dies leaves for the next one: its limiters, noted once a second at most and only when something has happened to
 * them, in memory that the service manager keeps.  Where there is none, none of this does anything.
 */

#include "daemon/rpc/noted.h"
#include "daemon/svc/note.h"

struct crash_note {
	struct note *note; /* NULL: nothing is noted */
	struct scheduler *scheduler;
	const struct holder_store *holders;
	struct noting noting;
	bool running; /* it is in the middle of noting */
	bool failed; /* the last time */
	uint64_t changes; /* of limiters, when it was noted last */
	int64_t begun_ns; /* boottime: then */
	int64_t due_ns; /* boottime: when to begin again; 0: not known */
};

/*
 * Take over limiters from a daemon that has died, if that is why this one is there, and, where there are `holders`, what processes hold of
 * them whose pidfds are among those.  Return: it is.
 */
bool crash_note_load(struct note *note, struct scheduler *scheduler, struct holder_store *holders,
		     struct kept_copy *stored, size_t n_stored);

/* Note that nothing is known: should this daemon die as well before it has noted what there is, all limiters begin empty. */
void crash_note_spoil(struct note *note);

/* Note all that there is, before anything happens to it, and go on noting.  All are borrowed. */
void crash_note_start(struct crash_note *crash_note, struct note *note, struct scheduler *scheduler,
		      const struct holder_store *holders);

/* For loop_ops: when there is something to be noted, INT64_MAX: never, as things stand; and to note it, or some of it. */
int64_t crash_note_next(struct crash_note *crash_note);
void crash_note_tick(struct crash_note *crash_note);

/* The daemon does not die, but leaves; `kept`: what was noted is kept elsewhere. */
void crash_note_end(struct crash_note *crash_note, bool kept);
