/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Descriptors of which somebody keeps a copy for the next daemon, should this one die.  Whoever keeps them has other things to do, so each is
 * offered for a while first: what does not get as old as SESSION_KEPT_AGE_NS was not worth it.
 */

#include <sys/queue.h>

#include "daemon/core/loop.h"

#define KEPT_NAME_ROOM 32

/* Who keeps them. */
struct keeper {
	/* From when on (boottime) keep() may be called. */
	int64_t (*next)(void *userdata);
	/* Keep a copy by that name.  Return: 0, −errno. */
	int (*keep)(void *userdata, const char *name, int fd);
	/* The copy of that name is of no use any more. */
	void (*forget)(void *userdata, const char *name);
	void *userdata;
};

enum kept_state {
	KEPT_NOT_OFFERED,
	KEPT_OFFERED, /* he may keep it, and will */
	KEPT_STORED,
};

/* Within whatever the descriptor belongs to; all zeroes is one that is not offered. */
struct kept_entry {
	TAILQ_ENTRY(kept_entry) link; /* kept::offered or ::stored */
	enum kept_state state;
	uint64_t id; /* by which it is called */
	int64_t offered_ns; /* boottime */
};

TAILQ_HEAD(kept_list, kept_entry);

/* All of one kind. */
struct kept {
	struct loop *loop;
	const char *prefix; /* of the names */
	const struct keeper *keeper; /* borrowed; NULL: nobody keeps them */
	struct kept_list offered, stored; /* the oldest first */
	size_t n_stored;
};

/* A copy that was kept, by its id. */
struct kept_copy {
	uint64_t id;
	int fd; /* −1: somebody has it */
};

void kept_init(struct kept *kept, struct loop *loop, const char *prefix);

/* It may be kept from now on, in its turn. */
void kept_offer(struct kept *kept, struct kept_entry *entry, uint64_t id);

/* When the oldest one that is offered may be kept; INT64_MAX: there is none, or nobody who keeps it. */
int64_t kept_next(const struct kept *kept);

/* Have a copy of it kept now.  Return: whether that is so; else it is not offered any more. */
bool kept_store(struct kept *kept, struct kept_entry *entry, int fd);

/* It is kept already, by that id. */
void kept_set_stored(struct kept *kept, struct kept_entry *entry, uint64_t id);

/* This process has nothing to do with it any more; what is kept of it stays. */
void kept_leave(struct kept *kept, struct kept_entry *entry);

/* The same, and what is kept of it goes. */
void kept_withdraw(struct kept *kept, struct kept_entry *entry);

/* What is kept by that id is nobody's. */
void kept_forget(const struct kept *kept, uint64_t id);

/* Is it a name with that prefix?  Then its id is in *ret. */
bool kept_parse_name(const char *name, const char *prefix, uint64_t *ret);
