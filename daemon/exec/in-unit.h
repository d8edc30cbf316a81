/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* evloop-exec as the process of a unit that the user's service manager has started for a run. */

/* Become the command that the daemon at the other end of standard input says.  Return: exit status: there is none. */
int run_in_unit(void);
