/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What is common to a run beside the daemon and one in a unit: the words to the daemon, and the last steps to the command. */

#include "daemon/exec/exec-wire.h"

/* A program that cannot be one says why by these, as a shell does. */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

/* Say something to the daemon, and let it have `fd`; −1: nothing.  Return: 0, −errno: the daemon has not got it. */
int answer(const struct exec_reply *reply, int fd);

/* The process is that command from now on; its strings lie behind `request`, which is changed.  Descriptors, limits and policy are
 * set already. */
_Noreturn void become(struct exec_request *request);
