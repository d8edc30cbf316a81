/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the journal's socket and the lines of a run know of each other: struct journal_stream. */

#include <sys/queue.h>

#include "daemon/svc/journal.h"

#define JOURNAL_FIELDS_SIZE 832 /* a file name has 255 bytes at most, a name NAME_LENGTH_MAX, a unit RUN_UNIT_MAX */

/* A message that the journal has not taken yet. */
struct journal_entry {
	STAILQ_ENTRY(journal_entry) link; /* journal_stream::entries */
	size_t size;
	char data[];
};

struct journal_stream {
	struct journal *journal;
	uint64_t id;
	char fields[JOURNAL_FIELDS_SIZE]; /* those that every entry has */
	size_t fields_size;
	char *line; /* the beginning of one; NULL: there is none */
	size_t line_size;
	STAILQ_HEAD(, journal_entry) entries; /* that wait, in order */
	TAILQ_ENTRY(journal_stream) link; /* among those who have some */
	size_t waiting_size; /* of these, and of this structure while there are any */
	unsigned long lost; /* lines */
	bool has_ended; /* it is freed when nothing of it waits any more */
};

TAILQ_HEAD(journal_streams, journal_stream);

/* What a field of any bytes begins with: its name, and the size of what follows.  Return: bytes written to `buffer`. */
size_t journal_begin_field(char *buffer, const char *name, size_t size);

/* One entry, behind what waits; what finds no room is counted in journal_stream::lost. */
void journal_post(struct journal *journal, struct journal_stream *stream, const char *data, size_t size);
