/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What is kept of a job's output: the last bytes of a stream, addressed by how many came before them.  Costs nothing until
 * something is written, and grows with it up to its bound.
 */

#include "proto/base.h"

struct output {
	char *data; /* a ring: byte number n of the stream is at n % capacity */
	size_t capacity; /* a power of two, or 0 */
	uint64_t end; /* bytes written so far */
};

#define OUTPUT_SIZE_MIN 4096

void output_deinit(struct output *output);

/* Append; what no longer fits `bound` bytes (a power of two, OUTPUT_SIZE_MIN at least) is dropped, the oldest first.  Where
 * there is no memory to grow, less is kept. */
void output_write(struct output *output, const void *data, size_t size, size_t bound);

/* Copy from byte `offset` on, or from the first that is kept, which is told.  Return: bytes copied. */
size_t output_read(const struct output *output, uint64_t offset, void *buffer, size_t size, uint64_t *ret_offset);
