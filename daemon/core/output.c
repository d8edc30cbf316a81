/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the ring of kept output.  Knows nothing of runs, nor who writes and reads. */

#include "daemon/core/output.h"

#include <string.h>

void output_deinit(struct output *output) {
	free(output->data);
	*output = (struct output){ 0 };
}

/* Grow while nothing has been dropped yet: then the ring begins at byte 0, and nothing has to be moved. */
static void make_room(struct output *output, size_t size, size_t bound) {
	size_t capacity = MAX(output->capacity, (size_t)OUTPUT_SIZE_MIN);
	char *data;

	while (capacity < bound && output->end + size > capacity)
		capacity *= 2;
	if (size == 0 || capacity == output->capacity || output->end > output->capacity)
		return;
	data = realloc(output->data, capacity);
	if (!data)
		return;
	output->data = data;
	output->capacity = capacity;
}

void output_write(struct output *output, const void *data, size_t size, size_t bound) {
	const char *p = data;

	make_room(output, size, bound);
	if (output->capacity > 0 && size > output->capacity) {
		p += size - output->capacity;
		output->end += size - output->capacity;
		size = output->capacity;
	}
	for (size_t n; size > 0 && output->capacity > 0; size -= n, p += n) {
		size_t at = output->end & (output->capacity - 1);

		n = MIN(size, output->capacity - at);
		memcpy(output->data + at, p, n);
		output->end += n;
	}
	output->end += size; /* not kept: there was no memory at all */
}

size_t output_read(const struct output *output, uint64_t offset, void *buffer, size_t size, uint64_t *ret_offset) {
	uint64_t first = output->end > output->capacity ? output->end - output->capacity : 0;
	size_t done = 0;

	offset = MIN(MAX(offset, first), output->end);
	size = (size_t)MIN((uint64_t)size, output->capacity > 0 ? output->end - offset : 0);
	*ret_offset = offset;
	while (done < size) {
		size_t at = (offset + done) & (output->capacity - 1), n = MIN(size - done, output->capacity - at);

		memcpy((char *)buffer + done, output->data + at, n);
		done += n;
	}
	return done;
}
