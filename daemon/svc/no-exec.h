/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * From now on neither this process nor its children run a program, whatever somebody makes of them.  Mounts that forbid it do not know
 * of memory that can be run as a file.  Return: 0; −errno: they still can; -EOPNOTSUPP: on such a processor nobody has seen to it.
 */
int no_exec(void);
