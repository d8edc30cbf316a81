/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What a user names to be watched: a descriptor, a process, a path or a topic; and how the daemon is asked to watch it. */

#include "client/call.h"
#include "client/cli/verb.h"

enum watched_kind {
	WATCHED_FD,
	WATCHED_PID,
	WATCHED_PATH,
	WATCHED_TOPIC,
};

/* How it is to be watched; what does not concern a kind is 0. */
struct watch_options {
	uint32_t events; /* FD: bits of enum Readiness */
	bool recursive; /* PATH, with the next three */
	const char **exclude; /* patterns, borrowed */
	size_t n_exclude;
	int64_t settle_ns;
	uint32_t queue; /* TOPIC: as in SubscribeRequest */
};

struct watched {
	enum watched_kind kind;
	const char *verb; /* that has named it */
	const char *operand; /* as the user wrote it, without what says its kind; borrowed */
	char *path; /* PATH: the same from the root */
	int pid; /* PID: it */
	int fd; /* FD: it, not ours to close; PID: a pidfd, until it is armed; else -1 */
	uint64_t handle; /* of its events, once it is armed; and its id for people */
	uint64_t id;
	bool over; /* no more events will come */
};

/*
 * Look at what is named, before any daemon is asked: is it there at all?  A path that does not exist yet is waited for, and
 * that is said.  What it holds is freed by watched_deinit().  Return: 0, or the exit status after a complaint.
 */
int watched_init(const struct invocation *inv, enum watched_kind kind, const char *operand, struct watched *ret);
void watched_deinit(struct watched *watched);

/* Watch it; its events go to `callback`.  Return: 0, or the exit status after a complaint. */
int watched_arm(struct watched *watched, struct evl *evl, const struct watch_options *options, evl_call_event callback,
		void *userdata);

/* Its event says that it cannot be watched, by errno.  Return: the exit status after a complaint. */
int watched_fail(const struct watched *watched, const struct invocation *inv, int error);
