/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Which limiters have been taken from: a word for each, in memory that somebody else provides and that outlives this process.  If it
 * dies, the next one sees by them whether what it knows of a limiter is still true: it is, if the word is no later than what is known.
 *
 * "Later" counts changes, not time: everything that happens to any limiter is one.
 */

#include "proto/base.h"

#define MARKS_MAX 8192 /* words; limiters beyond share the first one */
#define MARKS_SHARED 0 /* of those that have none of their own, as nobody knows of them yet */

struct marks {
	uint64_t *words; /* what `changes` was when it was last taken from */
	uint32_t mask; /* of the numbers of words */
	uint64_t changes; /* so far */
	uint64_t nowhere; /* the only word, while nobody wants to know */
	uint64_t known[MARKS_MAX / 64],
		seen[MARKS_MAX / 64]; /* a bit for each word: whose it is was written down; and is being */
};

void marks_init(struct marks *marks);

/* From now on they are written there, MARKS_MAX of them, which may have others of another process.  NULL: nowhere any more. */
void marks_attach(struct marks *marks, uint64_t *words);

/*
 * All limiters are about to be written down, and this time each has a word of its own, if there are so many: marks_take() gives it one
 * that nobody can mean who reads what was written before, marks_keep() says that it still has it.  Then that counts, or, if
 * it came to nothing, not.
 */
void marks_begin(struct marks *marks);
uint32_t marks_take(struct marks *marks);
void marks_keep(struct marks *marks, uint32_t mark);
void marks_end(struct marks *marks, bool written);

/* Something has happened to a limiter that does no harm if nobody hears of it. */
static inline void marks_change(struct marks *marks) {
	marks->changes++;
}

/* Something was taken from the limiter whose word this is. */
static inline void marks_touch(struct marks *marks, uint32_t mark) {
	marks->words[mark & marks->mask] = ++marks->changes;
}
