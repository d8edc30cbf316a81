/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A source: something that may have an event for somebody.  Every source has an owner, who chose its
 * handle and receives its events: a session, or the uid itself for what is detached.
 *
 * A source has at most one pending event of each type, and keeps it itself; what happens again before
 * the owner took it is merged into it.  So an owner that takes nothing costs what it armed, nothing more; only the
 * messages of a topic are kept one by one, as many as its subscription asked for.
 */

#include <sys/queue.h>

#include "daemon/core/clock.h"
#include "daemon/core/map.h"

struct grant; /* core/bucket.h */
struct path_change; /* core/path-watch.h */
struct tenant; /* a uid's share of the core: core/tenant.h */
struct source;

enum source_kind {
	SOURCE_TIMER, /* struct timer */
	SOURCE_ATTACHMENT, /* struct attachment: follows a timer of the tenant */
	SOURCE_CLAIM, /* struct claim: waits for a limiter, or holds permits of it */
	SOURCE_SUBSCRIPTION, /* struct subscription: to a topic */
	SOURCE_WATCH, /* struct watch: a descriptor or a process */
	SOURCE_PATH, /* struct path_watch */
};

/* Types of events, in the order in which one source's pending ones are taken. */
enum event_type {
	EVENT_TYPE_FIRED,
	EVENT_TYPE_OUTPUT,
	EVENT_TYPE_EXITED,
	EVENT_TYPE_ENDED,
	EVENT_TYPE_GRANTED,
	EVENT_TYPE_READY, /* of a watched descriptor or process */
	EVENT_TYPE_CHANGED, /* of a watched path */
	EVENT_TYPE_MESSAGE, /* of a topic */
	EVENT_TYPE_MAX,
};

enum source_end {
	SOURCE_END_NONE, /* it is alive */
	SOURCE_END_DONE, /* it fired for the last time, and its job ended */
	SOURCE_END_CANCELLED,
	SOURCE_END_REPLACED, /* another timer took its name */
};

/* How a cancel ended. */
enum cancel_outcome {
	CANCEL_CANCELLED, /* no event was pending */
	CANCEL_WITHDRAWN, /* an unsent event was taken back */
	CANCEL_GONE, /* there was nothing */
};

/* One run of a job. */
enum run_result {
	RUN_RESULT_NONE,
	RUN_RESULT_ACTIVE,
	RUN_RESULT_EXITED,
	RUN_RESULT_TIMED_OUT,
	RUN_RESULT_KILLED,
	RUN_RESULT_NOT_STARTED,
};

#define RUN_UNIT_MAX 136 /* bytes of a unit's name, NUL included */

struct run_info {
	uint64_t run; /* 1 at first */
	enum run_result result;
	int status; /* as the shell has it: 128 + n for signal n */
	pid_t pid;
	uint64_t fire_seq;
	int64_t started_ns, ended_ns; /* boottime */
	int64_t lateness_ns;
	char unit[RUN_UNIT_MAX]; /* of the service manager, that it runs in; "": none */
};

/* How a process ended that is nobody's job. */
struct process_end {
	pid_t pid; /* 0: not known here */
	bool status_known;
	int status; /* as the shell has it */
};

/* An event as it is taken: borrowed from its source, valid until source_took_event(). */
struct event {
	enum event_type type;
	uint64_t handle, id;
	const char *name; /* NULL: none */
	uint64_t generation;
	uint64_t fire_seq, fires, missed;
	int64_t first_scheduled_ns, scheduled_ns, fired_ns;
	const struct run_info *run; /* EXITED, ENDED of a job; else NULL */
	enum source_end end; /* ENDED */
	uint64_t output_end; /* OUTPUT */
	bool more; /* all but OUTPUT, EXITED and ENDED: the source is not over */
	const struct grant *grant; /* GRANTED */
	int claim_state; /* GRANTED: enum claim_state */
	bool timed_out; /* READY, CHANGED: nothing happened within the watch's timeout; then nothing else is told */
	unsigned readiness; /* READY: enum readiness of core/watch.h */
	const struct process_end *process; /* READY of a process; else NULL */
	const struct path_change *changes; /* CHANGED: `n_changes` of them */
	size_t n_changes;
	bool rescan; /* CHANGED: there were more than could be kept */
	int error; /* CHANGED: an errno: it cannot be watched, or not any more */
	const void *data; /* MESSAGE */
	size_t data_size;
	uint64_t gap_first, gap_last; /* MESSAGE: lost before it, by their fire_seq; 0: none */
};

TAILQ_HEAD(pending_list, source);
TAILQ_HEAD(mail_list, delivery); /* core/topic-private.h */

/* Whoever owns sources: embedded in a session, and in the tenant. */
struct owner {
	struct tenant *tenant;
	struct map handles; /* of live sources */
	struct map gates; /* by the handles of sources that have one: core/gate.h */
	struct pending_list pending;
	struct mail_list mail; /* messages of its subscriptions that have no gate, as they came */
	/* `pending` was empty and no longer is.  Called from within the dispatch: must only take note. */
	void (*ready)(struct owner *owner);
	/* Close a descriptor of a stranger's, which may take long.  NULL: it is closed where it is let go of. */
	void (*discard)(struct owner *owner, int fd);
	size_t timeouts; /* of its sources, that count from an acknowledgement: then the clock must be fresh */
	uint64_t pid; /* of the session, 0: the tenant's own; for people */
	const char *name; /* of the session's client, borrowed; for people */
};

struct source {
	struct owner *owner;
	uint64_t handle; /* 0: the owner wants no events */
	uint64_t id; /* of the timer; an attachment has that of the timer it follows */
	TAILQ_ENTRY(source) pending_link; /* owner::pending, while `pending` != 0 and it is not held back */
	uint8_t kind : 6; /* enum source_kind */
	uint8_t gated : 1; /* it has a gate */
	uint8_t held : 1; /* which holds back what is pending */
	uint8_t pending; /* bit per enum event_type */
	uint16_t flags; /* of the kind */
	uint32_t index; /* of the kind */
};

/* Holds a reference to the tenant until owner_deinit().  `ready` may be NULL: then events are dropped as they come. */
void owner_init(struct owner *owner, struct tenant *tenant, void (*ready)(struct owner *owner));

/* Cancels and frees every source of the owner; detached timers are not among them. */
void owner_deinit(struct owner *owner);

/* The same for at most `n` of them, so that the end of a session with a million need not hold up a turn.
 * Return: true: some are left. */
bool owner_reduce(struct owner *owner, size_t n);

/* The same of an owner who begins anew: with those detached timers that it has made and nobody else follows. */
bool owner_renounce(struct owner *owner, size_t n);

/* Return: the live source of that handle, or NULL. */
struct source *owner_find(struct owner *owner, uint64_t handle);

/* The live source with the lowest handle above `after`; NULL: no more. */
struct source *owner_next(const struct owner *owner, uint64_t after);

/* The event that the owner should take next; *ret is valid until the next call on the core.  Return: false: none. */
bool owner_peek_event(struct owner *owner, struct event *ret);

/* The event just peeked has been taken.  May free its source, if that is over. */
void owner_took_event(struct owner *owner);

/* The event of that source has been dealt with; no effect where there is none to acknowledge, or no such source. */
void owner_ack(struct owner *owner, uint64_t handle);

/* Cancel the source of that handle, of whatever kind.  Return: the outcome. */
enum cancel_outcome owner_cancel(struct owner *owner, uint64_t handle);
