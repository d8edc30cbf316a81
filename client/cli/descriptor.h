/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Descriptors of other processes. */

#include "proto/base.h"

/*
 * Descriptor `fd` of process `pid`, or, of a pipe or a terminal that may not be taken, another one of the same.
 * Return: it; -ESRCH (no such process), -EBADF (it has no such descriptor), -EPERM, −errno.
 */
int descriptor_take(pid_t pid, int fd);

/* The second of these ways.  Return: it; -EPERM (it is neither, or this user may not open it). */
int descriptor_reopen(pid_t pid, int fd);
