/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Which sessions outlive the daemon, should it die: those whose sockets somebody keeps for the next one.  They are the ones whose client
 * knows what to do then, from SESSION_KEPT_AGE_NS on, as many as SESSIONS_KEPT_MAX.
 */

#include "daemon/peer/session.h"

void session_store_init(struct sessions *sessions, struct loop *loop);

/* Is that the name of a session's socket?  Then its id is in *ret. */
bool session_store_parse_name(const char *name, uint64_t *ret);

/* It may be kept from now on, in its turn. */
void session_store_offer(struct session *session);

/* It is over, or may be kept no longer. */
void session_store_withdraw(struct session *session);

/* This process has nothing to do with it any more; it is kept as before. */
void session_store_leave(struct session *session);

/* When there is something to be kept, and do it. */
int64_t session_store_next(const struct sessions *sessions);
void session_store_tick(struct sessions *sessions, int64_t boottime_ns);

/*
 * What was kept is there; the descriptors are taken over.  It belongs either to a session that the daemon before has handed over, or to one
 * whose daemon has died: that one goes on, and is told so.  Return: how many of those there are.
 */
size_t session_store_take(struct sessions *sessions, struct kept_copy *copies, size_t n);
