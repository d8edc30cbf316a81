/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the life of a session, and who is read and written in which turn.
 *
 * Reading: one packet at a time, whole or not at all; not while REPLIES_UNSENT_MAX bytes of answers have not been read, and not
 * while the sessions of the uid have had their share of this turn.  Both are looked at behind each frame, for a packet has
 * room for thousands of small questions with large answers: what is left of it waits in the session, and nothing further is
 * received meanwhile.  Writing: at most PACKETS_PER_TURN a turn, and while the sessions of the uid have had no more than their share
 * of it; events stay in their sources until the socket takes them.  Who got nothing for want of time is first in the next turn.
 *
 * Must not know what a frame means: that is behind session_ops.
 */

#include "daemon/peer/session-private.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/peer/session-store.h"
#include "daemon/svc/log.h"
#include "proto/evloop.pb-c.h"

/*
 * Of one uid, before it is another one's turn: so long for its requests, as long for its events, and for what its sessions have left behind.
 * To come to each of many sessions that are ready takes long, too; where nobody else waits, they get more at once.
 */
#define UID_TIME_PER_TURN_NS (30 * NSEC_PER_USEC)
#define UID_TIME_ALONE_MAX_NS (300 * NSEC_PER_USEC)
#define SESSION_TIME_NS (NSEC_PER_USEC) /* more, for each that is ready */
#define CONTENDED_NS (100 * NSEC_PER_MSEC) /* after another uid was served */
#define FRAMES_UNLOOKED 8 /* handled between two looks at the clock */
#define SOURCES_UNLOOKED 16 /* dropped between two */

/* Has it had next to nothing to say, of late?  Whoever has delays nobody, and need not wait for those who would. */
static bool is_quiet(const struct session *session) {
	const struct turn_share *told = &session->account->told;

	return session->state < SESSION_FAILED && !session->dropping && !session->rest && !session->unheard &&
	       (told->turn + 1 < session->sessions->turn || told->spent_ns < UID_TIME_PER_TURN_NS / 4);
}

static void clear_ready(struct session *session) {
	if (!session->ready)
		return;
	TAILQ_REMOVE(&session->ready->list, session, ready_link);
	session->ready->n--;
	session->ready = NULL;
}

static void put_ready(struct session *session, enum ready_class class) {
	struct ready *ready = &session->sessions->ready[class];

	clear_ready(session);
	TAILQ_INSERT_TAIL(&ready->list, session, ready_link);
	ready->n++;
	session->ready = ready;
}

static void set_ready(struct session *session) {
	if (!session->ready)
		put_ready(session, is_quiet(session) ? READY_QUIET : READY_OTHERS);
}

/* May more of its requests be handled?  Not if its answers are not read, too much of what its uid has sent is still being closed, or its
 * sources are still being dropped. */
static bool is_heard(const struct session *session) {
	return session->state < SESSION_FAILED && session->outbox.kept_bytes < REPLIES_UNSENT_MAX &&
	       !session->dropping && !session_is_crowded(session->account);
}

void session_schedule_rest(struct session *session) {
	if (session->rest && is_heard(session))
		set_ready(session);
}

/* ---- the end of a session ---- */

static void drop_rest(struct session *session) {
	if (session->rest)
		session_drop_fds(session->sessions, session->account, session->rest);
	free(TAKE_PTR(session->rest));
}

void session_free(struct session *session) {
	clear_ready(session);
	TAILQ_REMOVE(&session->sessions->all, session, link);
	owner_deinit(&session->owner);
	account_unref(session->account);
	free(session);
}

void session_set_state(struct session *session, enum session_state state) {
	struct sessions *sessions = session->sessions;

	if (session->state == SESSION_GREETING && state != SESSION_GREETING) {
		TAILQ_REMOVE(&sessions->greeting, session, link);
		TAILQ_INSERT_TAIL(&sessions->all, session, link);
	}
	session->state = state;
}

void session_count(struct session *session) {
	size_t bytes = 0;

	if (session->state != SESSION_CLOSED)
		bytes = sizeof(*session) + session->buffer + session->outbox.kept_bytes +
			(session->rest ? session->rest->size : 0);
	account_count_bytes(session->account, (int64_t)bytes - (int64_t)session->bytes);
	session->bytes = bytes;
}

void session_close(struct session *session) {
	struct sessions *sessions = session->sessions;
	struct session_waiter *waiter;

	if (session->state == SESSION_CLOSED)
		return;
	while ((waiter = LIST_FIRST(&session->waiters)))
		session_wait_no_more(waiter);
	log_info("session %llu of uid %u closed", (unsigned long long)session->id, (unsigned)session->uid);
	session_store_withdraw(session);
	session_set_state(session, SESSION_CLOSED);
	session->owner.ready = NULL;
	session->io = loop_io_remove(session->io);
	drop_rest(session);
	outbox_deinit(&session->outbox);
	session->outbox.lost = true;
	packet_clear(&sessions->output); /* what it has of this session is nobody else's */
	account_count_sessions(session->account, -1);
	session_count(session);
	session_close_socket(sessions, session->account, TAKE_FD(session->fd));
	sessions->n--;
	set_ready(session);
}

void session_wait(struct session *session, struct session_waiter *waiter) {
	waiter->session = session;
	LIST_INSERT_HEAD(&session->waiters, waiter, link);
}

void session_wait_no_more(struct session_waiter *waiter) {
	if (waiter->session)
		LIST_REMOVE(waiter, link);
	waiter->session = NULL;
}

void session_watch(struct session *session) {
	int events = 0;

	if (session->state == SESSION_CLOSED)
		return;
	session_count(session);
	if (!session->rest && is_heard(session))
		events |= LOOP_READ;
	if (outbox_is_blocked(&session->outbox))
		events |= LOOP_WRITE;
	if (loop_io_set(session->io, events) < 0)
		session_close(session);
}

static bool may_warn(struct sessions *sessions, uid_t uid) {
	return complaints_allow(&sessions->complaints, uid, loop_now(sessions->loop)->ns[TIMER_CLOCK_BOOTTIME]);
}

void session_warn(struct session *session, const char *message_id, const char *fields, const char *format, ...) {
	char all[512], message[256];
	va_list args;

	if (!may_warn(session->sessions, session->uid))
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	snprintf(all, sizeof(all), "EVLOOPD_UID=%u\nEVLOOPD_SESSION=%llu\nEVLOOPD_PID=%llu\nEVLOOPD_CLIENT=%s\n%s",
		 (unsigned)session->uid, (unsigned long long)session->id, (unsigned long long)session->owner.pid,
		 session->client_name, fields);
	log_event(LOG_WARNING, message_id, all, "session %llu of uid %u, pid %llu (%s): %s",
		  (unsigned long long)session->id, (unsigned)session->uid, (unsigned long long)session->owner.pid,
		  session->client_name, message);
}

void session_fail(struct session *session, int status, const char *format, ...) {
	char message[256];
	Evloop__Error error = EVLOOP__ERROR__INIT;
	va_list args;

	if (session->state == SESSION_FAILED || session->state == SESSION_CLOSED)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	session_warn(session, MESSAGE_PROTOCOL_BROKEN, "", "%s", message);
	error.status = (Evloop__Status)status;
	error.message = message;
	session_set_state(session, SESSION_FAILED);
	(void)outbox_put(&session->outbox, FRAME_ERROR, EVLOOP__METHOD__METHOD_NONE, 0, &error.base);
}

/* ---- reading ---- */

static int64_t now_of(const struct sessions *sessions) {
	return loop_refresh(sessions->loop)->ns[TIMER_CLOCK_BOOTTIME];
}

/* In a new turn nothing of it is spent. */
static void renew(const struct sessions *sessions, struct turn_share *share) {
	if (share->turn != sessions->turn)
		*share = (struct turn_share){ .turn = sessions->turn };
}

/* Time has passed in the service of the uid, which has that share of it. */
static void charge(struct sessions *sessions, struct account *account, struct turn_share *share) {
	int64_t now = now_of(sessions);

	if (account->uid != sessions->last_uid) {
		sessions->last_uid = account->uid;
		sessions->contended_until_ns = now + CONTENDED_NS;
		sessions->share_ns = UID_TIME_PER_TURN_NS;
	}
	renew(sessions, share);
	share->spent_ns += now - account->charged_ns;
	account->charged_ns = now;
}

/* Has the uid more than that left of its share of this turn?  If not, whatever waits is found again by the next turn. */
static bool has_time(const struct sessions *sessions, struct turn_share *share, int64_t needed_ns) {
	renew(sessions, share);
	return share->spent_ns + needed_ns < sessions->share_ns;
}

bool session_has_time(struct session *session, int64_t needed_ns) {
	struct account *account = session->account;

	session->n_unlooked = 0;
	charge(session->sessions, account, &account->heard);
	return has_time(session->sessions, &account->heard, needed_ns);
}

bool session_goes_on(struct session *session, bool dear) {
	if (!is_heard(session))
		return false;
	if (!dear && ++session->n_unlooked < FRAMES_UNLOOKED)
		return true;
	return session_has_time(session, 0);
}

int session_keep_rest(struct session *session, struct packet *packet) {
	size_t size = packet->size - packet->position;
	struct packet *rest = malloc(sizeof(*rest) + size);

	if (!rest)
		return -ENOMEM;
	packet_init(rest, rest + 1, size);
	memcpy(rest->data, packet->data + packet->position, size);
	rest->size = size;
	for (size_t i = packet->fd_position; i < packet->n_fds; i++)
		rest->fds[rest->n_fds++] = TAKE_FD(packet->fds[i]);
	session->rest = rest;
	return 0;
}

/* Handle frames, as long as it goes on; `packet` is the session's rest, or has just been received. */
static void handle(struct session *session, struct packet *packet) {
	struct sessions *sessions = session->sessions;

	if (sessions->ops->dispatch(sessions->userdata, session, packet) < 0) {
		session_close(session);
	} else if (packet->position == packet->size || session->state >= SESSION_FAILED) {
		if (packet == session->rest)
			drop_rest(session);
	} else if (packet != session->rest && session_keep_rest(session, packet) < 0) {
		session_close(session);
	}
}

/* What has been received, by packet_receive() with that result. */
static void take(struct session *session, struct packet *packet, int received) {
	switch (received) {
	case 0:
		if (packet_check(packet) != 0)
			session_fail(session, EVLOOP__STATUS__STATUS_PROTOCOL, "a packet is not made of whole frames");
		else
			handle(session, packet);
		return;
	case PACKET_E_AGAIN:
		return;
	case PACKET_E_TOO_LARGE:
		session_fail(session, EVLOOP__STATUS__STATUS_PROTOCOL, "a packet is larger than %d bytes",
			     PACKET_SIZE_MAX);
		return;
	case PACKET_E_FD_LOST:
		session_fail(session, EVLOOP__STATUS__STATUS_FD_LOST, "descriptors of a packet did not arrive");
		return;
	default: /* PACKET_E_END, or whatever is wrong with the connection: it is over */
		session_close(session);
		return;
	}
}

void session_push(struct session *session, int result) {
	if (session->state == SESSION_CLOSED)
		return;
	if (result < 0 || outbox_push(&session->outbox) < 0 || session->outbox.lost)
		session_close(session);
	session_watch(session);
}

/* Take what a peer has sent, or what is left of it.  The account may go with the session. */
static void session_read(struct session *session) {
	struct sessions *sessions = session->sessions;
	struct packet *input = &sessions->input;
	struct account *account = session->account;

	/* Else those whose sockets are looked at first would be the only ones that are read. */
	if (!has_time(sessions, &account->heard, 0)) {
		session->unheard = true;
		set_ready(session);
		return;
	}
	session->unheard = false;
	account->refs++;
	account->charged_ns = loop_now(sessions->loop)->ns[TIMER_CLOCK_BOOTTIME];
	session->n_unlooked = 0;
	if (session->rest)
		handle(session, session->rest);
	else
		take(session, input, packet_receive(session->fd, input));
	session_drop_fds(sessions, account, input);
	if (outbox_push(&session->outbox) < 0 || session->outbox.lost)
		session_close(session);
	if (session->state == SESSION_FAILED && !outbox_is_blocked(&session->outbox))
		session_close(session);
	session_watch(session);
	session_schedule_rest(session);
	charge(sessions, account, &account->heard);
	account_unref(account);
}

/* ---- writing ---- */

/* Put pending events into a packet, and send those that are full.  Return: 0; −1: the session cannot go on. */
static int put_events(struct session *session) {
	struct sessions *sessions = session->sessions;
	struct account *account = session->account;
	struct event event;
	unsigned n_packets = 0, n_unlooked = 0;

	while (n_packets < PACKETS_PER_TURN && !outbox_is_blocked(&session->outbox)) {
		size_t before = sessions->output.size;

		if (!owner_peek_event(&session->owner, &event))
			return 0;
		if (sessions->ops->notify(sessions->userdata, session, &event) < 0)
			return -1;
		owner_took_event(&session->owner);
		if (sessions->output.size < before) /* one has been sent to make room */
			n_packets++;
		if (++n_unlooked < FRAMES_UNLOOKED)
			continue;
		n_unlooked = 0;
		charge(sessions, account, &account->told);
		if (!has_time(sessions, &account->told, 0))
			return 0;
	}
	return 0;
}

/* There is time for it.  Return: true: there are more, and the socket takes them. */
static bool send_events(struct session *session) {
	struct sessions *sessions = session->sessions;
	struct account *account = session->account;

	account->charged_ns = now_of(sessions);
	if (put_events(session) < 0 || outbox_push(&session->outbox) < 0 || session->outbox.lost) {
		session_close(session);
		return false;
	}
	charge(sessions, account, &account->told);
	return !outbox_is_blocked(&session->outbox) && !TAILQ_EMPTY(&session->owner.pending);
}

static void session_write(struct session *session) {
	struct sessions *sessions = session->sessions;
	struct account *account = session->account;

	account->charged_ns = now_of(sessions);
	if (!outbox_flush(&session->outbox, PACKETS_PER_TURN))
		goto out;
	if (session->state == SESSION_FAILED) {
		session_close(session);
		return;
	}
	if (!TAILQ_EMPTY(&session->owner.pending))
		set_ready(session);
out:
	if (session->outbox.lost)
		session_close(session);
	session_watch(session);
	session_schedule_rest(session);
	charge(sessions, account, &account->told);
}

static void session_event(void *userdata, int fd _unused_, int events) {
	struct session *session = userdata;

	if (events & LOOP_WRITE)
		session_write(session);
	else
		session_read(session);
}

/* The owner's first event is pending. */
static void session_has_event(struct owner *owner) {
	set_ready(container_of(owner, struct session, owner));
}

/* Events first, for they are older than the answers to what is left of a packet.  Return: false: there was no time for one of both. */
static bool session_turn(struct session *session) {
	struct sessions *sessions = session->sessions;
	bool served = true;

	if (!TAILQ_EMPTY(&session->owner.pending) && !outbox_is_blocked(&session->outbox)) {
		served = has_time(sessions, &session->account->told, 0);
		if (served && send_events(session))
			set_ready(session);
	}
	session_watch(session);
	if ((!session->rest && !session->unheard) || !is_heard(session))
		return served;
	if (!has_time(sessions, &session->account->heard, 0))
		return false;
	(void)loop_refresh(sessions->loop);
	session_read(session);
	return served;
}

bool session_drop_sources(struct session *session, size_t most) {
	bool more = session->dropping && session->state != SESSION_CLOSED ? owner_renounce(&session->owner, most)
									  : owner_reduce(&session->owner, most);

	if (more)
		return true;
	session->dropping = false;
	if (session->state == SESSION_CLOSED) {
		session_free(session);
	} else {
		session_watch(session);
		session_schedule_rest(session);
	}
	return false;
}

/* Return: false: there is more, but no time. */
static bool drop_some(struct session *session) {
	struct sessions *sessions = session->sessions;
	struct account *account = session->account;
	bool more = true;

	account->refs++;
	account->charged_ns = now_of(sessions);
	while (more && has_time(sessions, &account->dropped, 0)) {
		more = session_drop_sources(session, SOURCES_UNLOOKED);
		charge(sessions, account, &account->dropped);
	}
	account_unref(account);
	return !more;
}

/* Return: false: it goes on in the next turn, before those who were served in this one. */
static bool take_turn(struct session *session) {
	if (session->state == SESSION_CLOSED || session->dropping)
		return drop_some(session);
	if (session->state < SESSION_FAILED)
		return session_turn(session) || session->state == SESSION_CLOSED;
	return true;
}

/* So many sessions are ready. */
static int64_t share_of(const struct sessions *sessions, size_t n_ready) {
	if (loop_now(sessions->loop)->ns[TIMER_CLOCK_BOOTTIME] < sessions->contended_until_ns)
		return UID_TIME_PER_TURN_NS;
	return MIN(UID_TIME_PER_TURN_NS + (int64_t)n_ready * SESSION_TIME_NS, UID_TIME_ALONE_MAX_NS);
}

bool sessions_flush(struct sessions *sessions) {
	size_t n[READY_MAX], n_ready = 0;
	bool more = false;

	sessions->turn++;
	/* Those that come to be ready meanwhile wait for the next turn. */
	for (unsigned i = 0; i < READY_MAX; i++)
		n_ready += n[i] = sessions->ready[i].n;
	sessions->share_ns = share_of(sessions, n_ready);
	for (unsigned i = 0; i < READY_MAX; i++)
		while (n[i] > 0 && sessions->ready[i].n > 0) {
			struct session *session = TAILQ_FIRST(&sessions->ready[i].list);

			n[i]--;
			clear_ready(session);
			if (!take_turn(session))
				put_ready(session, READY_LATE);
		}
	for (unsigned i = 0; i < READY_MAX; i++)
		more = more || sessions->ready[i].n > 0;
	return more;
}

/* ---- the beginning of a session ---- */

int session_new(struct session **ret, struct sessions *sessions, int fd, const struct ucred *peer, size_t buffer,
		struct account *account) {
	struct session *session = calloc(1, sizeof(*session));
	struct tenant *tenant;
	int r;

	if (!session)
		return -ENOMEM;
	r = scheduler_tenant(sessions->scheduler, peer->uid, &tenant);
	if (r < 0) {
		free(session);
		return r;
	}
	*session = (struct session){
		.sessions = sessions,
		.fd = fd,
		.buffer = buffer,
		.id = ++sessions->last_id,
		.uid = peer->uid,
		.gid = peer->gid,
		.group_asked = peer->gid,
		.connected_ns = loop_now(sessions->loop)->ns[TIMER_CLOCK_BOOTTIME],
	};
	owner_init(&session->owner, tenant, session_has_event);
	tenant_unref(tenant);
	session->owner.discard = session_discard;
	session->owner.pid = (uint64_t)peer->pid;
	session->owner.name = session->client_name;
	outbox_init(&session->outbox, fd, &sessions->output);
	r = loop_add_io(sessions->loop, &session->io, fd, LOOP_READ, session_event, session);
	if (r < 0) {
		owner_deinit(&session->owner);
		free(session);
		return r;
	}
	session->account = account;
	account_count_sessions(account, 1);
	TAILQ_INSERT_TAIL(&sessions->greeting, session, link);
	sessions->n++;
	log_info("session %llu of uid %u, pid %d", (unsigned long long)session->id, (unsigned)session->uid,
		 (int)peer->pid);
	session_watch(session);
	*ret = session;
	return 0;
}

/* Too many: said in one packet, which an empty socket always takes; the peer reads it in place of a hello. */
static void refuse(struct sessions *sessions, int fd, const struct quota_refusal *refusal) {
	if (may_warn(sessions, refusal->uid))
		log_event(LOG_WARNING, MESSAGE_LIMIT_REACHED, refusal->fields, "%s", refusal->message);
	packet_clear(&sessions->output);
	sessions->output.capacity = PACKET_SIZE_MAX;
	if (packet_put(&sessions->output, FRAME_ERROR, EVLOOP__METHOD__METHOD_NONE, 0, &refusal->error.base, NULL, 0) ==
	    0)
		(void)packet_send(fd, &sessions->output);
	packet_clear(&sessions->output);
}

/* May the uid have one more session, and what that costs? */
static bool has_room(struct sessions *sessions, const struct account *account, size_t buffer,
		     struct quota_refusal *ret) {
	/* Neither is counted by the core. */
	struct quota_use n = quota_used(QUOTA_SESSIONS, account, NULL, NULL),
			 bytes = quota_used(QUOTA_BYTES, account, NULL, NULL);

	return quota_allows(sessions->quota, account->uid, QUOTA_SESSIONS, &n, 1, ret) &&
	       quota_allows(sessions->quota, account->uid, QUOTA_BYTES, &bytes, sizeof(struct session) + buffer, ret);
}

size_t session_bound_buffer(int fd) {
	int half = SESSION_BUFFER_MAX / 2, size = 0; /* the kernel takes the double */
	socklen_t n = sizeof(size);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &n) == 0 && size <= SESSION_BUFFER_MAX)
		return (size_t)size;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &half, sizeof(half));
	return SESSION_BUFFER_MAX;
}

void sessions_accept(struct sessions *sessions, int fd) {
	_cleanup_close_ int owned = fd;
	struct quota_refusal refusal;
	struct account *account;
	struct session *session;
	struct ucred peer;
	socklen_t size = sizeof(peer);
	size_t buffer = session_bound_buffer(fd);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
	    quota_account(sessions->quota, peer.uid, &account) < 0)
		return;
	if (!has_room(sessions, account, buffer, &refusal)) {
		refuse(sessions, fd, &refusal);
	} else if (session_new(&session, sessions, fd, &peer, buffer, account) == 0) {
		(void)TAKE_FD(owned);
		return;
	}
	session_close_socket(sessions, account, TAKE_FD(owned));
	account_unref(account);
}

bool session_in_group(struct session *session, gid_t group) {
	_cleanup_free_ gid_t *groups = NULL;
	socklen_t size = 0;

	if (group == session->gid || group == session->group_asked)
		return group == session->gid || session->in_group;
	/* The first call says how large the answer is. */
	if (getsockopt(session->fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 && errno == ERANGE) {
		groups = malloc(size);
		if (!groups || getsockopt(session->fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
			return false;
	}
	session->group_asked = group;
	session->in_group = false;
	for (size_t i = 0; groups && i < size / sizeof(*groups); i++)
		session->in_group = session->in_group || groups[i] == group;
	return session->in_group;
}

/* Nothing that would do something to a terminal, or make a second line in the log: C0, DEL and C1. */
static void set_client_name(struct session *session, const char *name) {
	char *p = session->client_name;

	snprintf(p, sizeof(session->client_name), "%s", name);
	for (; *p; p++) {
		unsigned char c = (unsigned char)p[0], next = (unsigned char)p[1];

		if (c < ' ' || c == 0x7f)
			p[0] = '?';
		else if (c == 0xc2 && next >= 0x80 && next <= 0x9f)
			p[0] = p[1] = '?';
	}
}

void session_open(struct session *session, const char *client_name, bool resumes) {
	session_set_state(session, SESSION_OPEN);
	set_client_name(session, client_name);
	session->resumes = resumes;
	if (resumes)
		session_store_offer(session);
	else
		session_store_withdraw(session);
}

void session_resume(struct session *session, const char *client_name, bool resumes) {
	session->dropping = true;
	set_ready(session);
	session_open(session, client_name, resumes);
}

/* ---- all of them ---- */

/* When the peer that has been silent for longest has been so for too long. */
static int64_t next_silent(const struct sessions *sessions) {
	const struct session *oldest = TAILQ_FIRST(&sessions->greeting);

	return oldest ? oldest->connected_ns + HELLO_TIMEOUT_NS : INT64_MAX;
}

int64_t sessions_next(const struct sessions *sessions) {
	int64_t next = MIN(next_silent(sessions), complaints_next(&sessions->complaints));

	next = MIN(next, session_store_next(sessions));
	next = MIN(next, closers_next(&sessions->closers));
	return MIN(next, sessions->retry_ns > 0 ? sessions->retry_ns : INT64_MAX);
}

void sessions_tick(struct sessions *sessions, int64_t boottime_ns) {
	struct session *session;

	if (sessions->retry_ns > 0 && sessions->retry_ns <= boottime_ns)
		sessions_retry_closing(sessions);
	closers_tick(&sessions->closers, boottime_ns);
	complaints_tick(&sessions->complaints, boottime_ns);
	session_store_tick(sessions, boottime_ns);
	while (next_silent(sessions) <= boottime_ns) {
		session = TAILQ_FIRST(&sessions->greeting);
		session_fail(session, EVLOOP__STATUS__STATUS_TIMEOUT, "no hello came within %d s",
			     (int)(HELLO_TIMEOUT_NS / NSEC_PER_SEC));
		(void)outbox_push(&session->outbox);
		if (outbox_is_blocked(&session->outbox))
			session_watch(session);
		else
			session_close(session);
	}
}

int sessions_init(struct sessions *sessions, struct loop *loop, struct scheduler *scheduler, struct quota *quota,
		  const struct session_ops *ops, void *userdata) {
	*sessions = (struct sessions){
		.loop = loop,
		.scheduler = scheduler,
		.quota = quota,
		.ops = ops,
		.userdata = userdata,
		.buffers = malloc(2 * (size_t)PACKET_SIZE_MAX),
		.store_max = SESSIONS_KEPT_MAX,
		.share_ns = UID_TIME_PER_TURN_NS,
	};
	if (!sessions->buffers)
		return -ENOMEM;
	closers_init(&sessions->closers, loop);
	TAILQ_INIT(&sessions->greeting);
	TAILQ_INIT(&sessions->all);
	for (unsigned i = 0; i < READY_MAX; i++)
		TAILQ_INIT(&sessions->ready[i].list);
	session_store_init(sessions, loop);
	packet_init(&sessions->input, sessions->buffers, PACKET_SIZE_MAX);
	packet_init(&sessions->output, sessions->buffers + PACKET_SIZE_MAX, PACKET_SIZE_MAX);
	return 0;
}

void sessions_deinit(struct sessions *sessions) {
	struct session *session;

	if (!sessions->buffers)
		return;
	/* The keeper is told of each: what is still in its socket shall not be his to close when this process is gone. */
	while ((session = TAILQ_FIRST(&sessions->greeting)))
		session_close(session);
	while ((session = TAILQ_FIRST(&sessions->all))) {
		session_close(session);
		session_free(session);
	}
	quota_deinit(sessions->quota);
	closers_deinit(&sessions->closers);
	free(TAKE_PTR(sessions->buffers));
}
