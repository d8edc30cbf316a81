/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Two daemons in one process, and a client of the first one, which goes over to the second. */

#include "tests/unit/fake-starter.h"
#include "tests/unit/peer-world.h"

extern struct peer_world before, after;
extern struct fake_starter fake_before, fake_after;
extern struct peer peer;
extern unsigned n_flushes; /* how often descriptors were sent on their way */
extern int lost_fd; /* the one that cannot go along; −1: all can */

/* cmocka's. */
int handover_setup(void **state);
int handover_teardown(void **state);

/* Everything goes over; the first daemon has nothing left, and ends. */
void hand_over(void);
/* `unknown`: with things in between that the second one does not know. */
void hand_over_with(bool unknown);

/* The client's next event, after as many turns as it takes.  Return: false: there is none. */
bool next_event(Evloop__Event **ret);
const Evloop__Event *expect(uint64_t handle, Evloop__EventType type);
void expect_none(void);

/* Requests of the client. */
void make_limiter(const char *name, uint64_t tokens, uint64_t burst, uint64_t concurrency); /* `tokens` a second */
void ack(uint64_t handle);
