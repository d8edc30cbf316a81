/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What a daemon leaves for its successor: limiters, and what has been taken of them.  Never more tokens come of it than there would have
 * been: after another boot buckets fill by the civil time that has passed, and not at all if that went backwards.
 */

#include "daemon/core/limiter.h"
#include "daemon/rpc/record.h"

struct scheduler;

/* Write it; nobody may be in line any more.  Return: 0, −errno. */
int state_save(const struct scheduler *scheduler, FILE *file);

/* In two steps: the beginning of every such file; and all limiters, with something more of each that `describe` adds to its message. */
int state_begin(const struct scheduler *scheduler, FILE *file);
int state_save_limiters(const struct scheduler *scheduler, FILE *file,
			void (*describe)(struct limiter *limiter, void *userdata, Evloop__SavedLimiter *ret),
			void *userdata);

/*
 * Reading, record by record.  state_loader_take() takes those of limiters; *ret_limiter: the one that this record was of, NULL: none.
 * Return: true: it was one of those; in *ret_error 0, -errno: it cannot go on.
 */
struct state_loader {
	struct scheduler *scheduler;
	int64_t shift_ns; /* from boottime as it was to boottime as it is */
	struct limiter *limiter; /* the last one; NULL: it was left out */
	bool clock; /* it is known */
	int n; /* limiters that are there */
};
bool state_loader_take(struct state_loader *loader, enum record record, const ProtobufCMessage *message,
		       int *ret_error);

/* The beginning of every file of records.  Return: is it there? */
bool state_is_known(FILE *file);

/* Read it into a scheduler without limiters.  What does not make sense is left out.
 * Return: how many limiters there are, −errno: it is no such file, or not of this version. */
int state_load(struct scheduler *scheduler, FILE *file);
