/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What a daemon notes for the one that comes when it dies: memory that the service manager keeps, too.  In it there are two places, of
 * which one is valid while the other is written, and the marks of core/marks.h, which are written at any moment.
 *
 * What is noted is bytes here.  Whoever reads them finds them whole, at whatever instruction their writer has ended.
 */

#include "proto/base.h"

#define NOTE_NAME "note" /* as the service manager knows it */

struct note_head;

struct note {
	int fd; /* −1: nothing is noted */
	struct note_head *head; /* mapped */
	uint64_t *marks; /* mapped: MARKS_MAX of them */
};

#define NOTE_INIT                                                                                                      \
	{ .fd = -1 }

enum {
	NOTE_E_UNKNOWN = 1,
};

/* Make one, and let the service manager keep it.  Return: 0, −errno. */
int note_new(struct note *ret);

/* One that was kept; the descriptor is taken over.  Return: 0; NOTE_E_UNKNOWN: it was of another version, and is blank now; −errno. */
int note_adopt(struct note *ret, int fd);

void note_close(struct note *note);

/* Return: 0: it is there, in place of what was noted before; −errno: that is still there. */
int note_write(struct note *note, const void *data, size_t size);

/* Has one been written, and not cleared since? */
bool note_is_there(const struct note *note);

/* The last one that was written.  *ret_data is free(3)d.  Return: 0; -ENOENT: there is none; −errno. */
int note_read(const struct note *note, void **ret_data, size_t *ret_size);

/* From now on there is none. */
void note_clear(struct note *note);
