/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One clear line on standard error, beginning with "evloop: ", and the exit status that goes with it. */

#include "client/call.h"
#include "client/cli/verb.h"

/* Only the line. */
void complain(const char *format, ...) _printf_(1, 2);

/* The verb was used wrongly: names it.  Return: EX_USAGE. */
int complain_usage(const struct invocation *inv, const char *format, ...) _printf_(2, 3);

/* A value was refused: names the verb.  Return: EX_DATAERR. */
int complain_value(const struct invocation *inv, const char *format, ...) _printf_(2, 3);

/* A word that should not be there; `word` is quoted.  Return: EX_USAGE. */
int complain_extra(const struct invocation *inv, const char *word);

/*
 * A call on the connection returned `error` (−errno): say what the daemon said, about `subject` (an operand or the verb; NULL: none).
 * Return: the exit status by proto/status.h; EX_UNAVAILABLE where the daemon did not answer at all.
 */
int complain_call(struct evl *evl, int error, const char *subject);

/* The daemon died, and with the next one what `operand` names could not be gone on with.  Return: the exit status. */
int complain_gone(const char *operand, int error, const char *message);

/* There is no timer of that id or name.  Return: EX_NOINPUT. */
int complain_no_timer(const char *operand);
