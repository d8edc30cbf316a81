/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the choice of the sessions that are kept, and how those of a daemon that has died begin again.
 *
 * Whoever keeps them has other things to do, so a session has to be worth it: one that ends within a second, as those of most commands do,
 * never gets there.
 */

#include "daemon/peer/session-store.h"

#include "daemon/peer/session-private.h"
#include "daemon/peer/stored-name.h"
#include "daemon/svc/log.h"
#include "proto/evloop.pb-c.h"

#define PREFIX "session-"

/* ---- names ---- */

static const char *name_of(const struct session *session, char name[static STORED_NAME_ROOM]) {
	return stored_name(name, PREFIX, session->id);
}

bool session_store_parse_name(const char *name, uint64_t *ret) {
	return stored_name_parse(name, PREFIX, ret);
}

/* ---- keeping ---- */

void session_store_offer(struct session *session) {
	struct sessions *sessions = session->sessions;

	if (!sessions->keeper || session->stored != SESSION_NOT_OFFERED)
		return;
	session->stored = SESSION_OFFERED;
	session->offered_ns = loop_now(sessions->loop)->ns[TIMER_CLOCK_BOOTTIME];
	TAILQ_INSERT_TAIL(&sessions->offered, session, store_link);
}

static void count(struct session *session, int n) {
	struct sessions *sessions = session->sessions;
	struct account *account = session->account;

	if (account->n_stored == 0)
		sessions->n_store_uids++;
	sessions->n_stored += (size_t)n;
	account->n_stored += (size_t)n;
	if (account->n_stored == 0)
		sessions->n_store_uids--;
}

void session_store_leave(struct session *session) {
	struct sessions *sessions = session->sessions;

	if (session->stored == SESSION_OFFERED)
		TAILQ_REMOVE(&sessions->offered, session, store_link);
	else if (session->stored == SESSION_STORED)
		count(session, -1);
	session->stored = SESSION_NOT_OFFERED;
}

static void set_stored(struct session *session) {
	session_store_leave(session);
	session->stored = SESSION_STORED;
	count(session, 1);
}

void session_store_withdraw(struct session *session) {
	const struct session_keeper *keeper = session->sessions->keeper;
	char name[STORED_NAME_ROOM];

	if (session->stored == SESSION_STORED && keeper)
		keeper->forget(keeper->userdata, name_of(session, name));
	session_store_leave(session);
}

int64_t session_store_next(const struct sessions *sessions) {
	const struct session *oldest = TAILQ_FIRST(&sessions->offered);
	const struct session_keeper *keeper = sessions->keeper;

	if (!oldest || !keeper)
		return INT64_MAX;
	return MAX(oldest->offered_ns + SESSION_KEPT_AGE_NS, keeper->next(keeper->userdata));
}

/* The newest of a uid that has more than `fair`. */
static struct session *find_surplus(struct sessions *sessions, size_t fair) {
	struct session *session;

	TAILQ_FOREACH_REVERSE(session, &sessions->all, session_list, link)
	if (session->stored == SESSION_STORED && session->account->n_stored > fair)
		return session;
	return NULL;
}

/* Where all room is taken, each uid may have as much of it as any other. */
static bool make_room(struct session *session) {
	struct sessions *sessions = session->sessions;
	size_t n = session->account->n_stored, fair = sessions->store_max / (sessions->n_store_uids + (n == 0));
	struct session *surplus;

	if (sessions->n_stored < sessions->store_max)
		return true;
	surplus = n < fair ? find_surplus(sessions, fair) : NULL;
	if (surplus)
		session_store_withdraw(surplus);
	return surplus;
}

/* One that finds no room is not looked at again: others wait behind it. */
static void keep(struct session *session) {
	struct sessions *sessions = session->sessions;
	char name[STORED_NAME_ROOM];

	session_store_leave(session);
	if (!make_room(session))
		return;
	if (sessions->keeper->keep(sessions->keeper->userdata, name_of(session, name), session->fd) < 0)
		return;
	set_stored(session);
}

void session_store_tick(struct sessions *sessions, int64_t boottime_ns) {
	while (session_store_next(sessions) <= boottime_ns)
		keep(TAILQ_FIRST(&sessions->offered));
}

/* ---- taking what was kept ---- */

static int compare_ids(const void *a, const void *b) {
	uint64_t x = ((const struct stored_session *)a)->id, y = ((const struct stored_session *)b)->id;

	return x < y ? -1 : x > y;
}

/* Sessions that were handed over: there is one more descriptor of each, which is not needed. */
static void recognize(struct sessions *sessions, struct stored_session *stored, size_t n) {
	struct session *session, *next;

	for (session = TAILQ_FIRST(&sessions->offered); session; session = next) {
		struct stored_session key = { .id = session->id }, *found;

		next = TAILQ_NEXT(session, store_link);
		found = bsearch(&key, stored, n, sizeof(*stored), compare_ids);
		if (!found || found->fd < 0)
			continue;
		found->fd = close_fd(found->fd);
		set_stored(session);
	}
}

/* Its client is told, and says hello again. */
static void begin_again(struct session *session) {
	Evloop__TakenOver message = EVLOOP__TAKEN_OVER__INIT;

	message.daemon_pid = (uint64_t)getpid();
	session->taken_over = true;
	session_push(session,
		     outbox_put(&session->outbox, FRAME_EVENT, EVLOOP__METHOD__METHOD_TAKEN_OVER, 0, &message.base));
}

static bool take_over(struct sessions *sessions, const struct stored_session *stored) {
	const struct session_keeper *keeper = sessions->keeper;
	struct session *session = sessions_adopt(
		sessions, stored->fd, &(struct session_past){ .id = stored->id, .client_name = "", .resumes = true });
	char name[STORED_NAME_ROOM];

	if (!session) {
		if (keeper)
			keeper->forget(keeper->userdata, name_of(&(struct session){ .id = stored->id }, name));
		return false;
	}
	set_stored(session);
	begin_again(session);
	return true;
}

size_t session_store_take(struct sessions *sessions, struct stored_session *stored, size_t n) {
	size_t n_taken = 0;

	if (n == 0)
		return 0;
	qsort(stored, n, sizeof(*stored), compare_ids);
	recognize(sessions, stored, n);
	for (size_t i = 0; i < n; i++)
		if (stored[i].fd >= 0 && take_over(sessions, &stored[i]))
			n_taken++;
	return n_taken;
}
