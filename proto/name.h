/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What a timer or a limiter may be called: letters, digits and ._:@/-, a letter or _ first, at most NAME_LENGTH_MAX bytes. */

/* Return: NULL, or what is wrong with the name, which goes behind "the name '…' ". */
const char *name_error(const char *name);
