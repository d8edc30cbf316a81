/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A session: one peer, its sources, and the packets it sends and receives; and the set of all sessions.
 *
 * Every fault of a peer ends in one place, session_fail(), in one of three ways: a request that cannot be granted is answered,
 * and the peer lives; a peer that breaks the protocol gets a last word, is not read any more, and is closed when that
 * has left; a peer that is gone is closed.  None of them reaches anybody else.
 */

#include "daemon/core/loop.h"
#include "daemon/core/source.h"
#include "daemon/peer/complaints.h"
#include "daemon/peer/kept.h"
#include "daemon/peer/outbox.h"
#include "daemon/peer/quota.h"
#include "proto/limits.h"

struct session;

/* What sessions need of whoever understands frames. */
struct session_ops {
	/*
	 * Frames of a packet that has passed packet_check(), by packet_next(), until session_goes_on() says no: then the
	 * rest comes in a later call, from packet::position on.  Return: 0; −errno: the session cannot go on.
	 */
	int (*dispatch)(void *userdata, struct session *session, struct packet *packet);
	/* Put an event into the session's outbox.  Return: 0; −errno: the session cannot go on. */
	int (*notify)(void *userdata, struct session *session, const struct event *event);
};

/* Somebody who has an answer for the session later; embedded. */
struct session_waiter {
	LIST_ENTRY(session_waiter) link; /* session::waiters, while `session` */
	struct session *session; /* NULL: it is gone */
};

enum session_state {
	SESSION_GREETING, /* connected, has not said hello */
	SESSION_OPEN,
	SESSION_FAILED, /* the last word has been put into the outbox; closed when it has left */
	SESSION_CLOSED, /* the socket is gone, the sources are being freed, some in every turn */
};

struct session {
	struct sessions *sessions;
	TAILQ_ENTRY(session) link; /* sessions::greeting while it is, else sessions::all */
	TAILQ_ENTRY(session) ready_link;
	struct ready *ready; /* where it waits for the next turn; NULL: there is nothing to be done for it */
	struct owner owner;
	struct account *account; /* of its uid */
	struct outbox outbox;
	struct loop_io *io;
	LIST_HEAD(, session_waiter) waiters;
	struct packet *rest; /* of a packet whose frames have not all been handled; NULL: none */
	int fd;
	enum session_state state;
	size_t frame_progress; /* of whoever handles the first frame of the rest in parts, see session_has_time() */
	unsigned n_unlooked; /* frames handled since the clock was looked at */
	bool unheard; /* its socket was readable, when the time of its uid was up */
	bool resumes; /* its client can go on with another daemon, should this one die */
	bool taken_over; /* from a daemon that has died */
	bool dropping; /* what it has armed, turn by turn; nothing else is done for it meanwhile */
	struct kept_entry kept; /* its socket, for the next daemon */
	size_t buffer; /* bytes that its socket may take of the kernel's memory */
	size_t bytes; /* that are counted for its uid: these, and what it keeps */
	uint64_t id;
	uint64_t number; /* among those that are handed over */
	uint64_t sequence; /* of the last event put into a packet */
	uid_t uid;
	gid_t gid;
	gid_t group_asked; /* what session_in_group() was last asked, and its answer */
	bool in_group;
	int64_t connected_ns; /* boottime */
	char client_name[CLIENT_NAME_LENGTH_MAX + 1];
};

TAILQ_HEAD(session_list, session);

/* Sessions with something to say, or to be read without being asked for, in the order in which a turn comes to them. */
enum ready_class {
	READY_QUIET, /* of uids with next to nothing */
	READY_LATE, /* who got nothing in the last turn, for the time of their uid was up */
	READY_OTHERS,
	READY_MAX,
};

struct ready {
	struct session_list list;
	size_t n;
};

struct sessions {
	struct loop *loop;
	struct scheduler *scheduler;
	struct quota *quota;
	const struct session_ops *ops;
	void *userdata;
	struct session_list greeting; /* the oldest first */
	struct session_list all; /* the others */
	struct ready ready[READY_MAX];
	struct kept kept; /* sockets, for the next daemon */
	size_t n_store_uids; /* that have any that are stored */
	size_t store_max; /* how many may be */
	size_t n; /* that are not SESSION_CLOSED */
	uint64_t last_id, turn;
	int64_t share_ns; /* of this turn, for each uid */
	uid_t last_uid; /* that was served */
	int64_t contended_until_ns; /* boottime: until then there was more than one of late */
	int64_t retry_ns; /* boottime: when to try again to close what no process could be made for; 0: there is nothing */
	struct closers closers;
	struct complaints complaints;
	struct packet input, output; /* shared by all */
	uint8_t *buffers;
};

/* Return: 0, -ENOMEM. */
int sessions_init(struct sessions *sessions, struct loop *loop, struct scheduler *scheduler, struct quota *quota,
		  const struct session_ops *ops, void *userdata);
void sessions_deinit(struct sessions *sessions);

/* A session as another process had it. */
struct session_past {
	uint64_t id, sequence;
	bool greeting, resumes, taken_over;
	const char *client_name;
};

/* Go on with it; `fd` is taken over in any case.  Its sources are the caller's to make.  NULL: it is gone, or there is no memory. */
struct session *sessions_adopt(struct sessions *sessions, int fd, const struct session_past *past);
/* What its socket did not take, and what is left of the last packet; descriptors are taken over in any case.  Return: 0, -ENOMEM. */
int session_adopt_unsent(struct session *session, const void *data, size_t size);
int session_adopt_rest(struct session *session, const void *data, size_t size, const int *fds, size_t n_fds);

/* End those that have failed at once, with all that is theirs: whoever goes on has nothing to do with them. */
void sessions_end_failed(struct sessions *sessions);

/* Let go of all sessions: somebody else goes on with them.  Nobody is told anything, and no socket is shut down. */
void sessions_release(struct sessions *sessions);

/* A peer has connected; `fd` is taken over in any case. */
void sessions_accept(struct sessions *sessions, int fd);

/* Send what there is to say, some of it.  Return: true: there is more that can be sent now.  For loop_ops::flush. */
bool sessions_flush(struct sessions *sessions);

/* For loop_ops: when a peer will have been silent for too long, or something is to be tried again or kept, and what to do then. */
int64_t sessions_next(const struct sessions *sessions);
void sessions_tick(struct sessions *sessions, int64_t boottime_ns);

/* The hello was good.  Control characters in the name become question marks; `resumes` as in the session. */
void session_open(struct session *session, const char *client_name, bool resumes);

/* The same of one that was taken over: what it has armed since then is dropped. */
void session_resume(struct session *session, const char *client_name, bool resumes);

/* The peer has broken the protocol: say so, and close.  `format` becomes Error.message. */
void session_fail(struct session *session, int status, const char *format, ...) _printf_(3, 4);

/* Have an answer later; until then, or until the session is gone. */
void session_wait(struct session *session, struct session_waiter *waiter);
void session_wait_no_more(struct session_waiter *waiter);

/* Send what has been put into the outbox outside of a request of its own; `result` < 0: it could not be, and the session ends. */
void session_push(struct session *session, int result);

/* A warning about what it does, if the log may hear of its uid.  `fields` as for log_event(), beside those that say who it is. */
void session_warn(struct session *session, const char *message_id, const char *fields, const char *format, ...)
	_printf_(4, 5);

/* Had the peer's process that group, when it connected? */
bool session_in_group(struct session *session, gid_t group);

/*
 * May the next frame be handled now, too?  To be asked behind each; `dear`: that one may have taken long.
 * No: the session has failed, its answers are not read, or the time of its uid is up.
 */
bool session_goes_on(struct session *session, bool dear);

/* Is there time for what will take about so long?  To be asked within a frame. */
bool session_has_time(struct session *session, int64_t needed_ns);

/* The next event's sequence number. */
static inline uint64_t session_next_sequence(struct session *session) {
	return ++session->sequence;
}
