/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Is the system short of memory?  It says so as systemd's MEMORY_PRESSURE.md has it, where the service manager arranges that. */

#include "daemon/core/loop.h"

struct memory_pressure;

/*
 * `rose` is called from the loop whenever the system says so.  Return: 0; -ENOENT: nobody has arranged that ($MEMORY_PRESSURE_WATCH);
 * −errno.
 */
int memory_pressure_new(struct memory_pressure **ret, struct loop *loop, void (*rose)(void *userdata), void *userdata);
struct memory_pressure *memory_pressure_free(struct memory_pressure *pressure);
