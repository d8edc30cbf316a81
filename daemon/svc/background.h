/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Work that may block, such as reading files, beside the loop: on a thread, one piece at a time. */

#include "daemon/core/loop.h"

struct background {
	void (*done)(void *userdata);
	void *userdata;
	struct loop_io *io;
	int fd; /* an eventfd: the work is done; -1: there is none */
	void (*work)(void *userdata);
};

#define BACKGROUND_INIT                                                                                                \
	{ .fd = -1 }

/*
 * Call `work` on a thread, in which all signals are blocked, and then `done` from the loop.  What `userdata` points at is the
 * thread's in between.  Return: 0, -EBUSY: the piece before is not done, −errno.
 */
int background_run(struct background *background, struct loop *loop, void (*work)(void *userdata),
		   void (*done)(void *userdata), void *userdata);

/* Before the process ends: wait for the work, but not for long.  `done` is not called any more.  Return: there was some, and it is done. */
bool background_end(struct background *background);
