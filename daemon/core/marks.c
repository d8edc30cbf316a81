/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns which word is whose.  Knows neither limiters nor where the words are kept. */

#include "daemon/core/marks.h"

#include <string.h>

void marks_init(struct marks *marks) {
	*marks = (struct marks){ 0 };
	marks->words = &marks->nowhere;
}

static void set_bit(uint64_t *bits, uint32_t i) {
	bits[i / 64] |= UINT64_C(1) << i % 64;
}

void marks_attach(struct marks *marks, uint64_t *words) {
	marks->words = words ? words : &marks->nowhere;
	marks->mask = words ? MARKS_MAX - 1 : 0;
	for (size_t i = 0; words && i < MARKS_MAX; i++)
		marks->changes = MAX(marks->changes, words[i]);
}

void marks_begin(struct marks *marks) {
	memset(marks->seen, 0, sizeof(marks->seen));
	set_bit(marks->seen, MARKS_SHARED);
}

uint32_t marks_take(struct marks *marks) {
	for (uint32_t i = 0; i < ARRAY_SIZE(marks->known); i++) {
		uint64_t free = ~(marks->known[i] | marks->seen[i]);
		uint32_t mark = i * 64 + (uint32_t)(free ? __builtin_ctzll(free) : 0);

		if (!free)
			continue;
		set_bit(marks->seen, mark);
		return mark;
	}
	return MARKS_SHARED;
}

void marks_keep(struct marks *marks, uint32_t mark) {
	set_bit(marks->seen, mark);
}

void marks_end(struct marks *marks, bool written) {
	for (size_t i = 0; i < ARRAY_SIZE(marks->known); i++)
		marks->known[i] = written ? marks->seen[i] : marks->known[i] | marks->seen[i];
}
