/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * How soon to look again at a descriptor that has been told to be ready.  Whoever should read it is somebody else, CMD or a
 * process behind our standard output; where it does not, the descriptor stays ready, and we must neither spin nor flood.
 */

#include "proto/base.h"

struct pace {
	int fd;
	int edge_fd; /* an epoll of ours that tells when something has come in; -1: none */
	uint32_t seen; /* what it was ready for when we looked last; bits of poll(2) */
	int available; /* bytes in it then; -1: not known */
	unsigned fruitless; /* runs of CMD that left it as it was, one after the other */
	int64_t delay_ns; /* the last one; 0: none */
	bool warned;
};

/* `fd` stays the caller's. */
void pace_init(struct pace *pace, int fd);
void pace_deinit(struct pace *pace);

/* CMD is about to be run, or a line to be printed: from now on changes count. */
void pace_before(struct pace *pace);

/* CMD has been run.  Return: how long to wait before it may be run again. */
int64_t pace_after_run(struct pace *pace);

/* A line has been printed, or the time has come to look again.  Return: 0: it has changed since; else when to look again. */
int64_t pace_after_line(struct pace *pace);
