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
int state_save(struct scheduler *scheduler, FILE *file);

/*
 * In steps: the beginning of every such file; then `n` limiters at a time, with something more of each that `describe` adds to its
 * message.  Return: 0: that was all; STATE_E_MORE; −errno.
 */
struct state_saver {
	struct scheduler *scheduler;
	FILE *file;
	void (*describe)(struct limiter *limiter, void *userdata, Evloop__SavedLimiter *ret); /* NULL: nothing */
	void *userdata;
	size_t keys; /* of how many there is room: a limiter that has more goes without, as if all had been taken of each */
	uint64_t uid, id; /* of the last limiter */
};
enum {
	STATE_E_MORE = 1,
};
int state_begin(struct scheduler *scheduler, FILE *file);
int state_save_limiters(struct state_saver *saver, size_t n);

/* What a limiter has done, for its message; and that it has, where that is read. */
void state_save_counts(const struct limiter *limiter, Evloop__SavedLimiter *ret);
void state_load_counts(struct limiter *limiter, const Evloop__SavedLimiter *saved);

/*
 * Reading, record by record.  state_loader_take() takes those of limiters; *ret_limiter: the one that this record was of, NULL: none.
 * Return: true: it was one of those; in *ret_error 0, -errno: it cannot go on.
 */
struct state_loader {
	struct scheduler *scheduler;
	int64_t shift_ns; /* from boottime as it was to boottime as it is */
	bool same_boot; /* for sure: both times are of one clock */
	const uint64_t
		*marks; /* MARKS_MAX, as they were when it ended that wrote this; NULL: nothing has happened since */
	struct limiter *limiter; /* the last one; NULL: it was left out */
	bool taken; /* something was taken from it since */
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
