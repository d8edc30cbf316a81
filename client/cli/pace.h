/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * How soon to look again at a descriptor that has been told to be ready.  Whoever should read it is somebody else, CMD or a
 * process behind our standard output; where it does not, the descriptor stays ready, and we must neither spin nor flood.
 */

#include "proto/base.h"

struct pace {
	int fd;
	uint32_t seen; /* what it was ready for when we looked last; bits of poll(2) */
	int before; /* bytes in it before CMD, -1: not known */
	unsigned fruitless; /* runs of CMD that left it as it was, one after the other */
	int64_t delay_ns; /* the last one; 0: none */
	bool warned;
};

static inline struct pace pace_init(int fd) {
	return (struct pace){ .fd = fd, .before = -1 };
}

/* CMD is about to be run. */
void pace_before(struct pace *pace);

/* CMD has been run.  Return: how long to wait before it may be run again. */
int64_t pace_after_run(struct pace *pace);

/* A line has been printed, or the time has come to look again.  Return: 0: others have dealt with it; else when to look again. */
int64_t pace_after_line(struct pace *pace);
