/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Tables of text: columns two blanks apart. */

#include <libsmartcols/libsmartcols.h>

#include "proto/base.h"

struct table_column {
	const char *title;
	int flags; /* SCOLS_FL_* */
};

/* Free with scols_unref_table(3).  Return: NULL: no memory. */
struct libscols_table *table_new(const struct table_column *columns, size_t n);

/* Add a line; the texts are copied.  Return: 0, -ENOMEM. */
int table_add(struct libscols_table *table, const char *const *cells, size_t n);

/* Print it, but for its titles alone.  Return: the exit status, after a complaint where it is not 0. */
int table_print(struct libscols_table *table);
