/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The way to a path: folders and links that lead to it, each watched, so that whatever changes where it leads is seen. */

#include "daemon/exec/watched.h"

/*
 * Go the way as it is now; its former interests are replaced.  ret->fd is the caller's.
 * Return: 0, −errno: it cannot be watched: if it is the first time also where its folder does not exist.
 */
int way_go(struct watched *watched, struct target *ret);
