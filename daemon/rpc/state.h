/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What a daemon leaves for its successor: limiters, and what has been taken of them.  Never more tokens come of it than there would have
 * been: after another boot buckets fill by the civil time that has passed, and not at all if that went backwards.
 */

#include <stdio.h>

struct scheduler;

/* Write it; nobody may be in line any more.  Return: 0, −errno. */
int state_save(const struct scheduler *scheduler, FILE *file);

/* Read it into a scheduler without limiters.  What does not make sense is left out.
 * Return: how many limiters there are, −errno: it is no such file, or not of this version. */
int state_load(struct scheduler *scheduler, FILE *file);
