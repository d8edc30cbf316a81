/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the files of the session share. */

#include <sys/socket.h>

#include "daemon/peer/session.h"

/* ---- session.c ---- */

/* The socket is taken over where the result is 0, as is the reference to the account.  Return: 0, −errno. */
int session_new(struct session **ret, struct sessions *sessions, int fd, const struct ucred *peer, size_t buffer,
		struct account *account);

/* The socket goes now, the sources go turn by turn: a million of them must not hold up anybody. */
void session_close(struct session *session);
void session_free(struct session *session);
void session_set_state(struct session *session, enum session_state state);

/* Some of the sources of a session that has ended, or begins again.  Return: there are more; if not, one that has ended is no more. */
bool session_drop_sources(struct session *session, size_t most);

/* Count what it costs beside its sources. */
void session_count(struct session *session);

/* What the loop should wait for on the session's socket. */
void session_watch(struct session *session);

/* What is left of a packet is gone on with in the next turn; where answers are not read, when they have been. */
void session_schedule_rest(struct session *session);

/* Keep what is left of the packet, with its descriptors.  Return: 0, -ENOMEM. */
int session_keep_rest(struct session *session, struct packet *packet);

/* How much the kernel may keep of what is sent to the peer; not more than it does by default, whatever that is here. */
size_t session_bound_buffer(int fd);

/* ---- session-discard.c ---- */

/* Has the uid sent more than can be got rid of? */
bool session_is_crowded(const struct account *account);

/* The descriptors of a packet that nobody took. */
void session_drop_fds(struct sessions *sessions, struct account *account, struct packet *packet);

/* A session's socket; what has not been received goes with it. */
void session_close_socket(struct sessions *sessions, struct account *account, int fd);

/* A source of the session lets go of a descriptor. */
void session_discard(struct owner *owner, int fd);

/* It is time to try again what no process could be made for. */
void sessions_retry_closing(struct sessions *sessions);
