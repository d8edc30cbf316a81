/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns how sessions get rid of what may not be closed by the daemon itself: descriptors that a peer has sent, and sockets with such ones
 * still in them.  Another process closes them.  Where that takes long and many of them wait for it, their uid is not read until it
 * has got on.
 */

#include "daemon/peer/session-private.h"

#define CLOSER_RETRY_NS NSEC_PER_SEC
#define UNCLOSED_MAX 64 /* descriptors of a uid that wait to be closed, before it is not read any more */

bool session_is_crowded(const struct account *account) {
	return closer_load(&account->closer) > UNCLOSED_MAX;
}

static void watch_sessions(struct session_list *list, const struct account *account) {
	struct session *session, *next;

	for (session = TAILQ_FIRST(list); session; session = next) {
		next = TAILQ_NEXT(session, link);
		if (session->account != account)
			continue;
		session_watch(session);
		session_schedule_rest(session);
	}
}

/* The uid is read from now on, or no more. */
static void watch_account(struct sessions *sessions, const struct account *account) {
	watch_sessions(&sessions->greeting, account);
	watch_sessions(&sessions->all, account);
}

/* Nobody says when processes can be made again. */
static void schedule_retry(struct sessions *sessions, const struct account *account) {
	if (closer_is_stalled(&account->closer) && sessions->retry_ns == 0)
		sessions->retry_ns = loop_now(sessions->loop)->ns[TIMER_CLOCK_BOOTTIME] + CLOSER_RETRY_NS;
}

static void closer_done(void *userdata, struct closer *closer) {
	struct account *account = container_of(closer, struct account, closer);

	schedule_retry(userdata, account);
	if (!session_is_crowded(account))
		watch_account(userdata, account);
	if (!closer_is_busy(closer))
		account_unref(account);
}

void sessions_retry_closing(struct sessions *sessions) {
	struct account *account, *next;

	sessions->retry_ns = 0;
	for (account = LIST_FIRST(&sessions->quota->accounts); account; account = next) {
		next = LIST_NEXT(account, link);
		account->refs++;
		closer_retry(&account->closer);
		schedule_retry(sessions, account);
		account_unref(account);
	}
}

static void close_elsewhere(struct sessions *sessions, struct account *account, const int *fds, size_t n) {
	bool was_crowded = session_is_crowded(account);

	if (closer_add(&account->closer, &sessions->closers, fds, n, closer_done, sessions))
		account->refs++;
	schedule_retry(sessions, account);
	if (session_is_crowded(account) != was_crowded)
		watch_account(sessions, account);
}

void session_drop_fds(struct sessions *sessions, struct account *account, struct packet *packet) {
	size_t n = 0;

	for (size_t i = 0; i < packet->n_fds; i++)
		if (packet->fds[i] >= 0)
			packet->fds[n++] = packet->fds[i];
	close_elsewhere(sessions, account, packet->fds, n);
	packet->n_fds = packet->fd_position = 0;
}

void session_close_socket(struct sessions *sessions, struct account *account, int fd) {
	int socket = CLOSER_SOCKET(fd);

	if (closer_is_safe(fd))
		close_fd(fd);
	else
		close_elsewhere(sessions, account, &socket, 1);
}

void session_discard(struct owner *owner, int fd) {
	struct session *session = container_of(owner, struct session, owner);

	close_elsewhere(session->sessions, session->account, &fd, 1);
}
