/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how sessions leave one process and go on in another.  Must not know how they get there. */

#include "daemon/peer/session-private.h"

#include <string.h>

#include "daemon/core/tenant.h"
#include "daemon/peer/session-store.h"

struct session *sessions_adopt(struct sessions *sessions, int fd, const struct session_past *past) {
	_cleanup_close_ int owned = fd;
	struct session *session;
	struct account *account;
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
	    quota_account(sessions->quota, peer.uid, &account) < 0)
		return NULL;
	if (session_new(&session, sessions, fd, &peer, session_bound_buffer(fd), account) < 0) {
		account_unref(account);
		return NULL;
	}
	(void)TAKE_FD(owned);
	session->id = past->id;
	session->sequence = past->sequence;
	sessions->last_id = MAX(sessions->last_id, past->id);
	session->taken_over = past->taken_over;
	if (!past->greeting)
		session_open(session, past->client_name, past->resumes);
	return session;
}

int session_adopt_unsent(struct session *session, const void *data, size_t size) {
	int r = outbox_keep(&session->outbox, data, size);

	session_watch(session);
	return r;
}

int session_adopt_rest(struct session *session, const void *data, size_t size, const int *fds, size_t n_fds) {
	struct packet packet = { .data = (uint8_t *)data, .size = size };
	int r;

	memcpy(packet.fds, fds, n_fds * sizeof(*fds));
	packet.n_fds = n_fds;
	r = packet_check(&packet) == 0 ? session_keep_rest(session, &packet) : -EINVAL;
	if (r < 0)
		session_drop_fds(session->sessions, session->account, &packet);
	session_watch(session);
	session_schedule_rest(session);
	return r;
}

void sessions_end_failed(struct sessions *sessions) {
	struct session *session, *next;

	for (session = TAILQ_FIRST(&sessions->all); session; session = next) {
		next = TAILQ_NEXT(session, link);
		if (session->state >= SESSION_FAILED) {
			session_close(session);
			session_free(session);
		} else if (session->dropping) {
			session_drop_sources(session, SIZE_MAX);
		}
	}
}

static void session_release(struct session *session) {
	struct session_waiter *waiter;

	while ((waiter = LIST_FIRST(&session->waiters)))
		session_wait_no_more(waiter);
	session_store_leave(session);
	session_set_state(session, SESSION_CLOSED);
	session->owner.ready = NULL;
	session->owner.discard = NULL; /* whoever goes on with them has descriptors of its own */
	session->io = loop_io_remove(session->io);
	if (session->rest)
		packet_close_fds(session->rest);
	free(TAKE_PTR(session->rest));
	outbox_deinit(&session->outbox);
	session->fd = close_fd(session->fd);
	session->sessions->n--;
	account_count_sessions(session->account, -1);
	session_count(session);
	session_free(session);
}

void sessions_release(struct sessions *sessions) {
	struct session *session;

	while ((session = TAILQ_FIRST(&sessions->greeting)) || (session = TAILQ_FIRST(&sessions->all)))
		if (session->state == SESSION_CLOSED)
			session_free(session);
		else
			session_release(session);
}
