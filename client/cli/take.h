/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* To take from limiters, waiting for it in line or, from several at once, asking again. */

#include "client/call.h"
#include "proto/base.h"
#include "proto/limits.h"

/* What is to be taken. */
struct take {
	const char *name;
	const char *key; /* NULL: none */
	uint64_t cost;
	int64_t max_wait_ns; /* 0: now or not at all; -1: for ever */
	const Evloop__LimiterRequest *also; /* others, all or nothing; rates only */
	size_t n_also;
	int pid_fd; /* who is to hold the permits; -1: this session */
};

/* The answer. */
struct taken {
	Evloop__Grant grant; /* of the limiter named first, or of the one that denies */
	const char *denied_by; /* denied: the name of that one */
	bool removed; /* the limiter went away while it was waited for */
};

/* Return: 0: see ret->grant.allowed; else the exit status after a complaint. */
int take(struct evl *evl, const struct take *take, struct taken *ret);
