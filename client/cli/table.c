/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how tables look.  Knows nothing of what is in them. */

#include "client/cli/table.h"

#include "client/cli/text.h"

static int set_up(struct libscols_table *table, const struct table_column *columns, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (!scols_table_new_column(table, columns[i].title, 0, columns[i].flags))
			return -ENOMEM;
	/* What is not printable is escaped by text.c. */
	scols_table_enable_noencoding(table, 1);
	return scols_table_set_column_separator(table, "  ");
}

struct libscols_table *table_new(const struct table_column *columns, size_t n) {
	struct libscols_table *table;

	scols_init_debug(0);
	table = scols_new_table();
	if (table && set_up(table, columns, n) < 0) {
		scols_unref_table(table);
		return NULL;
	}
	return table;
}

int table_add(struct libscols_table *table, const char *const *cells, size_t n) {
	struct libscols_line *line = scols_table_new_line(table, NULL);

	for (size_t i = 0; i < n; i++)
		if (!line || scols_line_set_data(line, i, cells[i]) < 0)
			return -ENOMEM;
	return 0;
}

int table_print(struct libscols_table *table) {
	if (scols_table_is_empty(table))
		return 0;
	return scols_print_table(table) < 0 || !text_flush();
}
