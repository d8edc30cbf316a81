/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* How what is kept for the next daemon is called: what it is, and an id in hexadecimal.  All names together have to fit into one
 * environment variable. */

#include "proto/base.h"

#define STORED_NAME_ROOM 32

/* Return: `name`. */
const char *stored_name(char name[static STORED_NAME_ROOM], const char *prefix, uint64_t id);

/* Does it begin so?  Then its id is in *ret. */
bool stored_name_parse(const char *name, const char *prefix, uint64_t *ret);
