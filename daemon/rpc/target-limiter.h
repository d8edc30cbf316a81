/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Which limiter a name means to a session: one of all uids, that configuration gives, before one of its uid's own; and how it is made
 * ready for a verb. */

#include "daemon/core/limiter.h"
#include "daemon/rpc/dispatch.h"

/* What is wanted of it; the first two as ACCESS_READ and ACCESS_WRITE of rpc/access.h. */
enum limiter_need {
	LIMITER_LOOK = 4,
	LIMITER_TAKE = 2,
	LIMITER_RULE = 8, /* what is its owner's alone */
};

/* Return: the limiter; NULL: the call has been refused. */
struct limiter *target_limiter(struct call *call, const char *name, enum limiter_need need);

/* The same, with fresh clocks. */
struct limiter *target_limiter_now(struct call *call, const char *name, enum limiter_need need);

/* To say something of a bucket takes a look at each in its line.  Return: false: this turn has no more time for that. */
bool target_is_foreseen(struct call *call, struct limiter *limiter, struct limiter_key key);
/* The same to say where somebody is in his line. */
bool target_place_is_foreseen(struct call *call, struct claim *claim);

/*
 * The same for a handler, which returns 0 then.  Return: false: the call goes on in the next turn.  Where the line changes again and
 * again meanwhile, that ends, and what is asked is looked for in one piece.
 */
bool target_look_ahead(struct call *call, struct limiter *limiter, struct limiter_key key);
bool target_look_ahead_to(struct call *call, const struct limiter *limiter, struct claim *claim);
bool target_look_ahead_of_all(struct call *call, const struct limiter_item *items, size_t n);

/* The turns are counted in session::frame_progress, in steps of this; what is below it is the handler's. */
#define LOOK_AHEAD_TURN 2

/* The one of all uids, whoever may use it; NULL: none. */
struct limiter *target_limiter_of_all(struct call *call, const char *name);

/* The first with an id above `after` that the session would find by its name, and may look at; NULL: no more. */
struct limiter *target_next_limiter(struct call *call, uint64_t after);

/* Refuses the call unless the session may do that with it. */
bool target_may(struct call *call, const struct limiter *limiter, enum limiter_need need);
