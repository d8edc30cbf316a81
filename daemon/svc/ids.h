/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The memory of which ids have been given, so that none is given twice, by this daemon or its successors: a file with the first
 * id that is free.
 */

#include "proto/base.h"

struct ids {
	char *path; /* NULL: nothing is remembered */
};

/*
 * The first id that this daemon may give.  The file then says that it has given IDS_RESERVED of them, so that nothing has to be
 * written while it serves; a crash wastes the rest, and 2^53 is far away.  An unreadable or absent file counts from 1.
 * `path` is copied; NULL: do not remember.  Return: the id; on −errno the file could not be written, and ids may repeat.
 */
#define IDS_RESERVED (INT64_C(1) << 32)
int64_t ids_begin(struct ids *ids, const char *path);

/* A clean end: `next` is the first id that was not given. */
void ids_end(struct ids *ids, uint64_t next);
