/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A file in which an administrator defines something that has a name, see evloopd.limit(5): how it is read, whatever it defines.
 *
 * Reading takes as long as the file system and the user database take: nothing for the loop.
 */

#include <stdio.h>

#include "daemon/core/access.h"
#include "proto/base.h"
#include "proto/limits.h"

/* What all of them define; it begins what a kind of them defines, in one allocation. */
struct definition {
	char *path; /* of the file */
	char name[NAME_LENGTH_MAX + 1];
	struct access access;
};

/* Files that make one definition: the later ones are laid over the first. */
struct config_source {
	const char *path;
	const char *name; /* where no Name= is given */
	char *const *drop_ins;
	size_t n_drop_ins;
};

#define CONFIG_ERROR_MAX 1024
#define CONFIG_SECTION_MAX 49 /* bytes of a section's name: what inih keeps of it */

enum {
	CONFIG_E_MASKED = 1, /* the file is empty, or /dev/null: it defines nothing, on purpose */
	CONFIG_E_INVALID, /* what is wrong is in `error`, after path and line */
	CONFIG_E_IO, /* the file cannot be read, and that is no mistake of anybody's; the same */
};

/* In the course of reading; what a kind of files needs beside it is around it. */
struct config_parser {
	/* A section begins, which may stay empty: is there one of that name?
	 * Return: false: config_fail() has been called. */
	bool (*begin)(struct config_parser *parser, const char *section);
	/* One line.  Return: the same. */
	bool (*take)(struct config_parser *parser, const char *section, const char *key, const char *value);
	const char *bits; /* what Mode= is made of: "read (4) and take (2)" */

	struct definition *definition;
	char *error; /* "": none yet */
	FILE *file; /* that is being read */
	const char *path;
	int line; /* 0: no line is to blame */
	int error_line;
};

/*
 * Read what is defined, line by line; path, access and name are filled in here.  On failure the definition is the caller's to free.
 * Return: 0: and `line` is 0 then; CONFIG_E_*; -ENOMEM.
 */
int config_parse(struct config_parser *parser, const struct config_source *source, struct definition *definition,
		 char error[static CONFIG_ERROR_MAX]);

/*
 * Read one file, line by line, that defines nothing with a name; `begin`, `take` and `error` are set, and *error is ""
 * if nothing has been wrong yet.  Return: 0, CONFIG_E_*, -ENOMEM.
 */
int config_read_file(struct config_parser *parser, const char *path);

struct definition *definition_free(struct definition *definition);

/* Something is wrong at `path` and `line`; of several mistakes the first one counts.  Return: false, always. */
bool config_fail(struct config_parser *parser, const char *format, ...) _printf_(2, 3);

/* Values: each takes one into its place, or fails with what would have been right. */
bool config_take_count(struct config_parser *parser, const char *key, const char *value, uint64_t most, uint64_t *ret);
bool config_take_yes(struct config_parser *parser, const char *key, const char *value, bool *ret);
/* Those of the definition. */
bool config_take_name(struct config_parser *parser, const char *key, const char *value);
bool config_take_owner(struct config_parser *parser, const char *key, const char *value);
bool config_take_group(struct config_parser *parser, const char *key, const char *value);
bool config_take_mode(struct config_parser *parser, const char *key, const char *value);
