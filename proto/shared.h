/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A rate limiter in memory that clients share with the daemon: the same decisions as by request, without one.
 *
 * Two pages, two owners.  The configuration is the daemon's: clients can only read it, and read it under a sequence lock,
 * so that rules change under their hands.  The state is one word of proto/gcra.h that everybody changes by
 * compare-and-swap; a client that scribbles on it cheats the limiter that it may use anyway, and nobody else:
 * what is read from it is checked as anything from outside is.
 *
 * Only limiters with one rule and without keys; everything else, and everybody who has to wait, goes by request.
 */

#include <stdatomic.h>

#include "proto/gcra.h"

#define SHARED_MAGIC UINT32_C(0x45564c31) /* "EVL1" */
#define SHARED_SIZE 4096 /* bytes of each of the two */
#define SHARED_LOOK_NS                                                                                                 \
	(100 *                                                                                                         \
	 NSEC_PER_MSEC) /* for so long a client takes on, when its daemon has been killed, until it has seen that */

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "words in shared memory have to be lock-free");

enum shared_flags {
	SHARED_ENABLED = 1, /* else: by request, until it is set again */
	SHARED_DEAD = 2, /* these pages are abandoned: ask the daemon for others */
};

struct shared_config {
	uint32_t magic;
	uint32_t size; /* of this structure; later versions append */
	_Atomic uint32_t sequence; /* odd: being changed */
	_Atomic uint32_t flags;
	_Atomic uint64_t interval, burst, tolerance; /* struct gcra_rule */
	_Atomic uint64_t not_before; /* ticks: a hold; 0: none */
	_Atomic uint64_t farthest; /* ticks: no honest word is farther from now than this */
};

struct shared_state {
	_Atomic uint64_t word;
	/* On cache lines of their own; a client that lies here spoils statistics. */
	_Alignas(128) _Atomic uint64_t allowed; /* tokens */
	_Atomic uint64_t denied; /* requests */
};

enum {
	SHARED_E_REQUEST = 1, /* not decided here: ask the daemon */
	SHARED_E_COST, /* as GCRA_E_COST */
};

/* The daemon: fill in both pages, which are zero.  The bucket is full. */
void shared_init(struct shared_config *config, struct shared_state *state, const struct gcra_rule *rule, uint64_t now,
		 uint64_t farthest);

/*
 * The daemon: between these two the rule, the hold and the word may change; who decides meanwhile waits a moment, then asks
 * the daemon.  A word that is converted in between fails everybody who read it before.
 */
void shared_begin(struct shared_config *config);
void shared_end(struct shared_config *config);
void shared_set_rule(struct shared_config *config, const struct gcra_rule *rule, uint64_t farthest);

/* The client: is it one of ours? */
bool shared_is_valid(const struct shared_config *config);

/*
 * The client, any thread of it: may `cost` tokens be taken at `now_ns` of boottime?  If so they are.
 * Return: 0 (see ret->allowed), SHARED_E_COST; with both *ret_limit is the burst.  SHARED_E_REQUEST.
 */
int shared_try(const struct shared_config *config, struct shared_state *state, int64_t now_ns, uint64_t cost,
	       struct gcra_decision *ret, uint64_t *ret_limit);
