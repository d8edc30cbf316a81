/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The time as files are marked with it.  It goes in ticks of some milliseconds, so of two changes in one tick nobody can say which came
 * first; but where the kernel has finer marks (since 6.13), to ask for one makes all later changes have later ones.
 */

#include "proto/base.h"

struct file_time {
	int fd; /* a file of our own, in memory; −1: none */
};

/* Without a file, the time is the clock's, and a tick before. */
void file_time_init(struct file_time *time);
void file_time_deinit(struct file_time *time);

/* What is marked with a later time has changed after this call; `realtime_ns`: of that clock, just read.  What has not can have
 * changed after it only in the same tick, and where marks are not fine. */
int64_t file_time_mark(struct file_time *time, int64_t realtime_ns);
