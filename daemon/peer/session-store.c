/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the choice of the sessions that are kept, and how those of a daemon that has died begin again.
 *
 * Whoever keeps them has other things to do, so a session has to be worth it: one that ends within a second, as those of most commands do,
 * never gets there.
 */

#include "daemon/peer/session-store.h"

#include "daemon/peer/session-private.h"
#include "daemon/svc/log.h"
#include "proto/evloop.pb-c.h"

#define PREFIX "session-"

void session_store_init(struct sessions *sessions, struct loop *loop) {
	kept_init(&sessions->kept, loop, PREFIX);
}

bool session_store_parse_name(const char *name, uint64_t *ret) {
	return kept_parse_name(name, PREFIX, ret);
}

static struct session *session_of(struct kept_entry *entry) {
	return container_of(entry, struct session, kept);
}

/* ---- keeping ---- */

void session_store_offer(struct session *session) {
	kept_offer(&session->sessions->kept, &session->kept, session->id);
}

/* Of those that are stored: one more of the uid, or one less. */
static void count(struct session *session, int n) {
	struct account *account = session->account;

	if (account->n_stored == 0)
		session->sessions->n_store_uids++;
	account->n_stored += (size_t)n;
	if (account->n_stored == 0)
		session->sessions->n_store_uids--;
}

void session_store_leave(struct session *session) {
	if (session->kept.state == KEPT_STORED)
		count(session, -1);
	kept_leave(&session->sessions->kept, &session->kept);
}

static void set_stored(struct session *session) {
	session_store_leave(session);
	kept_set_stored(&session->sessions->kept, &session->kept, session->id);
	count(session, 1);
}

void session_store_withdraw(struct session *session) {
	if (session->kept.state == KEPT_STORED)
		count(session, -1);
	kept_withdraw(&session->sessions->kept, &session->kept);
}

int64_t session_store_next(const struct sessions *sessions) {
	return kept_next(&sessions->kept);
}

/* The newest of a uid that has more than `fair`. */
static struct session *find_surplus(struct sessions *sessions, size_t fair) {
	struct kept_entry *entry;

	TAILQ_FOREACH_REVERSE(entry, &sessions->kept.stored, kept_list, link)
	if (session_of(entry)->account->n_stored > fair)
		return session_of(entry);
	return NULL;
}

/* Where all room is taken, each uid may have as much of it as any other. */
static bool make_room(struct session *session) {
	struct sessions *sessions = session->sessions;
	size_t n = session->account->n_stored, fair = sessions->store_max / (sessions->n_store_uids + (n == 0));
	struct session *surplus;

	if (sessions->kept.n_stored < sessions->store_max)
		return true;
	surplus = n < fair ? find_surplus(sessions, fair) : NULL;
	if (surplus)
		session_store_withdraw(surplus);
	return surplus;
}

/* One that finds no room is not looked at again: others wait behind it. */
static void keep(struct session *session) {
	if (!make_room(session))
		session_store_leave(session);
	else if (kept_store(&session->sessions->kept, &session->kept, session->fd))
		count(session, 1);
}

void session_store_tick(struct sessions *sessions, int64_t boottime_ns) {
	while (session_store_next(sessions) <= boottime_ns)
		keep(session_of(TAILQ_FIRST(&sessions->kept.offered)));
}

/* ---- taking what was kept ---- */

static int compare_ids(const void *a, const void *b) {
	uint64_t x = ((const struct kept_copy *)a)->id, y = ((const struct kept_copy *)b)->id;

	return x < y ? -1 : x > y;
}

/* Sessions that were handed over: there is one more descriptor of each, which is not needed. */
static void recognize(struct sessions *sessions, struct kept_copy *copies, size_t n) {
	struct kept_entry *entry, *next;

	for (entry = TAILQ_FIRST(&sessions->kept.offered); entry; entry = next) {
		struct kept_copy key = { .id = entry->id }, *found;

		next = TAILQ_NEXT(entry, link);
		found = bsearch(&key, copies, n, sizeof(*copies), compare_ids);
		if (!found || found->fd < 0)
			continue;
		found->fd = close_fd(found->fd);
		set_stored(session_of(entry));
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

static bool take_over(struct sessions *sessions, const struct kept_copy *copy) {
	struct session *session = sessions_adopt(
		sessions, copy->fd, &(struct session_past){ .id = copy->id, .client_name = "", .resumes = true });

	if (!session) {
		kept_forget(&sessions->kept, copy->id);
		return false;
	}
	set_stored(session);
	begin_again(session);
	return true;
}

size_t session_store_take(struct sessions *sessions, struct kept_copy *copies, size_t n) {
	size_t n_taken = 0;

	if (n == 0)
		return 0;
	qsort(copies, n, sizeof(*copies), compare_ids);
	recognize(sessions, copies, n);
	for (size_t i = 0; i < n; i++)
		if (copies[i].fd >= 0 && take_over(sessions, &copies[i]))
			n_taken++;
	return n_taken;
}
