/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The file in which a daemon leaves its state: there only between a clean end and the next start. */

#include <stdio.h>

/* For reading; the file is gone from its directory from now on, so that a daemon that crashes does not leave old state.  Return: NULL: there is none. */
FILE *state_file_take(const char *path);

/* For writing, beside it.  Return: NULL, and errno. */
FILE *state_file_begin(const char *path);

/* Closes the file; it takes its place where `r` is 0 and all of it is written, else it is removed.  Return: 0, −errno. */
int state_file_end(FILE *file, const char *path, int r);
