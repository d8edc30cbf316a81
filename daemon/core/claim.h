/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A claim: somebody waits for tokens or permits of a limiter, or holds permits.  A source: its event GRANTED says what became of the
 * waiting, cancelling it leaves the line or gives the permits back, and so does the end of its owner.
 *
 * A permit may be bound to a process instead: then it outlives its owner, and whoever watches the process ends it.
 */

#include "daemon/core/bucket.h"
#include "daemon/core/source.h"

struct claim;
struct limiter;

enum claim_state {
	CLAIM_WAITING,
	CLAIM_HELD, /* permits are out */
	CLAIM_GRANTED, /* tokens were taken: over as soon as that has been told */
	CLAIM_TIMED_OUT, /* as before, without the tokens: a change has moved the grant too far */
	CLAIM_REMOVED, /* as before: the limiter is gone */
	CLAIM_IDLE, /* of a gate: nothing is due */
};

struct claim_info {
	enum claim_state state;
	uint64_t id, cost;
	const void *key; /* borrowed */
	size_t key_size; /* 0: no keys */
	uint64_t pid; /* who holds or waits; 0: not known */
	uid_t uid; /* on whose account */
	int64_t since_ns; /* boottime: in line, or held */
	int64_t expected_ns; /* WAITING for tokens: the time of the grant as things stand; else INT64_MAX */
	size_t position; /* WAITING: 0 is the next */
};

/* How many wait where it does, itself included. */
size_t claim_line_length(const struct claim *claim);

/* To find its place in a line takes a walk along it, if there was none since the line changed: past `n` of them now.
 * Return: false: there are more. */
bool claim_look_ahead(struct claim *claim, size_t n);

/* That walk is done, if it was not. */
void claim_describe(struct claim *claim, struct claim_info *ret);

/* What watches the process that a permit is bound to. */
struct claim_binding {
	uint64_t pid;
	/* Its permits are out from now on.  NULL: nobody wants to know. */
	void (*held)(struct claim_binding *binding);
	/* The claim is gone, whatever ended it: forget it. */
	void (*unbind)(struct claim_binding *binding);
};

/* From now on the process holds it, not its owner. */
void claim_bind(struct claim *claim, struct claim_binding *binding);

/* End it: leave the line, give back what was not taken notice of, or the permits. */
enum cancel_outcome claim_end(struct claim *claim);
