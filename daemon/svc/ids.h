/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The memory of which ids have been given, so that none is given twice, by this daemon or its successors: a file with the first
 * id that is free.  It says so of some ids in advance, so that giving one writes nothing; a crash wastes what is left of them.
 */

#include "daemon/svc/background.h"

/* How many are reserved at first; each further time it is twice as many, up to IDS_RESERVED_MAX. */
#define IDS_RESERVED (INT64_C(1) << 20)
#define IDS_RESERVED_MAX (INT64_C(1) << 32)

struct ids {
	char *path; /* NULL: nothing is remembered */
	int64_t reserved; /* the first id that the file calls free */
	int64_t block; /* how many were reserved last */
	int64_t look_at; /* the first id that makes us reserve more */
	struct background background; /* writes the file; in between these two are its own: */
	int64_t wanted;
	int result;
};

/*
 * The first id that this daemon may give.  An unreadable or absent file counts from 1.  `path` is copied; NULL: do not remember.
 * Return: the id; on −errno the file could not be written, and ids may repeat.
 */
int64_t ids_begin(struct ids *ids, const char *path);

/* In each turn: `next` is the first id that was not given.  Where half of what is reserved has been, more is, in the background. */
void ids_look(struct ids *ids, struct loop *loop, uint64_t next);

/* A clean end; the loop must still be there.  Return: false: a thread hangs and may still write the file, which is nobody else's until this
 * process has ended. */
bool ids_end(struct ids *ids, uint64_t next);
