/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * How far timers, those who follow them, and their jobs have come: what a successor of this process needs to go on with them as if
 * nothing had been.  Definitions are told as they would be given now; what is borrowed is the timer's.
 */

#include "daemon/core/claim.h"
#include "daemon/core/job.h"
#include "daemon/core/limiter.h"
#include "daemon/core/path-watch.h"
#include "daemon/core/timer.h"
#include "daemon/core/watch.h"

/* What a FIRED event says. */
struct fire_record {
	uint64_t fire_seq, fires, missed, generation;
	int64_t first_scheduled_ns, scheduled_ns, fired_ns;
};

struct timer_progress {
	struct timer_spec spec; /* `deadline_ns`: the next nominal time.  To restore: `command` is taken over */
	uint64_t id;
	unsigned pending; /* a bit per enum event_type */
	bool paused, spent, finished; /* none of them: armed */
	int64_t scheduled_ns; /* as struct timer has it */
	int64_t fired_ns; /* spent, not extended */
	bool extended; /* and then: */
	int64_t anchor_ns, definition_ns, created_realtime_ns, finished_realtime_ns, finished_ns;
	uint64_t left, generation, fire_seq, missed;
	struct fire_record unsent, last;
	enum source_end end;
	struct job *job; /* NULL: none; only told */
};

void timer_progress(const struct timer *timer, struct timer_progress *ret);

/*
 * Make that timer again, without its job's progress and its pending events.  `owner`: of the session, or of the tenant for a
 * detached one.  Return: 0, TIMER_E_*, -ENOMEM.
 */
int timer_restore(struct scheduler *scheduler, struct owner *owner, struct timer_progress *progress,
		  struct timer **ret);

/* All timers of the tenant, in an order in which they can be made again: equal deadlines then leave in the order of now.
 * *ret is freed with free(3).  Return: how many, -ENOMEM. */
ssize_t tenant_timers(const struct tenant *tenant, struct timer ***ret);

/* Somebody follows a timer. */
struct attachment_progress {
	uint64_t handle, id; /* of the timer */
	const char *name; /* of the timer, NULL: none */
	bool live; /* the timer is not over */
	bool output, controls;
	unsigned pending;
	struct fire_record fire;
	struct run_info run;
	uint64_t output_end;
	enum source_end end;
};

/* Is it one? */
bool attachment_progress(const struct source *source, struct attachment_progress *ret);

/* Return: 0, −errno; TIMER_E_HANDLE_EXISTS; TIMER_E_UNCHANGED: there is no such timer. */
int attachment_restore(struct owner *owner, const struct attachment_progress *progress);

/* ---- limiters ---- */

struct limiter_progress {
	uint64_t allowed, denied, repaired;
	int64_t created_realtime_ns;
	int64_t drained_ns; /* limiter_set_drained() */
	const struct shared_memory *memory; /* NULL: it is not shared; only told */
};

void limiter_progress(const struct limiter *limiter, struct limiter_progress *ret);
/* But for its memory. */
void limiter_restore(struct limiter *limiter, const struct limiter_progress *progress);

/* Let go of the memory, in which clients go on taking tokens; its descriptors are the caller's.  −1: there is none. */
void limiter_release_memory(struct limiter *limiter, int *ret_config_fd, int *ret_state_fd);
/* Go on with that memory, which is taken over where the result is 0.  Return: 0, LIMITER_E_KIND: this limiter has none; -ENOMEM. */
int limiter_adopt_memory(struct limiter *limiter, struct shared_memory *memory);

/* Somebody who waits for a limiter, or holds permits of it, or is to hear what became of that. */
struct claim_progress {
	uint64_t handle, id, cost;
	const struct limiter *limiter; /* NULL: over; only told */
	uid_t limiter_uid;
	struct limiter_key key; /* borrowed */
	enum claim_state state;
	int64_t since_ns, latest_ns; /* boottime; INT64_MAX: for ever */
	unsigned pending;
	bool over; /* it has nothing to do with its limiter any more: */
	struct grant grant; /* this is what is to be told */
	bool of_gate; /* it is nobody's but a gate's */
	const struct claim_binding *binding; /* the process that holds it; NULL: its owner; only told */
};

/* Is it one? */
bool claim_progress(const struct source *source, struct claim_progress *ret);
struct source *claim_source(struct claim *claim);

/*
 * Hold again what was held, or join the line again, in the order in which the first ones came; `limiter` NULL: it is over.  What is
 * pending of it, or becomes so by that, is told by an event.  *ret is NULL where it is over.  Return: 0, LIMITER_E_*, -ENOMEM.
 */
int claim_restore(struct limiter *limiter, struct owner *owner, const struct claim_progress *progress,
		  struct claim **ret);

/* ---- jobs ---- */

struct job_progress {
	uint64_t runs, skipped;
	struct run_info last;
	bool wanted; /* one more run is to start */
	struct run_request request; /* that one */
	uint64_t output_end;
};

void job_progress(const struct job *job, struct job_progress *ret);

/* For a job that has not run yet.  `output`: the last bytes of it. */
void job_restore(struct job *job, const struct job_progress *progress, const void *output, size_t size);

/* A run that is active. */
struct run_progress {
	struct run_info info;
	int64_t deadline_ns; /* boottime: of its timeout, or of KILL; INT64_MAX: none */
	bool terminated;
	uint64_t signals;
	struct process_handle process; /* without descriptors: there is none, or it is not known */
};

/* The job's next active run behind `*position`, which is NULL at first.  Return: false: no more. */
bool job_next_run(const struct job *job, const struct run **position, struct run_progress *ret);

/* Go on with it, or, without a process, let it end at once; the descriptors are taken over where the result is 0.
 * Return: 0, −errno: it ends at once. */
int job_adopt_run(struct job *job, const struct run_progress *progress, const struct run_request *request);

/* ---- watches ---- */

/* Of all sources whose events are acknowledged. */
struct acked_progress {
	uint64_t id, fires, fire_seq;
	int64_t timeout_ns;
	int64_t timeout_at_ns; /* boottime; 0: it does not count now, or a new one begins */
	bool unacked;
};

struct watch_progress {
	struct watch_spec spec;
	struct acked_progress acked;
	int fd; /* borrowed; −1: nothing more will come than the event that is pending: */
	unsigned readiness; /* that one's */
	struct process_end end;
};

/* Is it one? */
bool watch_progress(const struct source *source, struct watch_progress *ret);
/* `fd` is taken over where the result is 0; a watch without one is over.  Return: as watch_new(). */
int watch_restore(struct poller *poller, struct owner *owner, const struct watch_progress *progress, int fd);

struct path_watch_progress {
	struct path_spec spec; /* borrowed */
	int64_t settle_ns;
	bool stirred; /* something has happened that was not told */
	int error; /* it is over, and only that is to be told */
	struct acked_progress acked;
};

/* spec.exclude is free(3)d. */
bool path_watch_progress(const struct source *source, struct path_watch_progress *ret);
/* What was not told becomes a rescan; what happens from spec.since_ns on is told.  Return: as path_watch_new(). */
int path_watch_restore(struct owner *owner, uint64_t handle, const struct path_watch_progress *progress);

/* ---- topics ---- */

struct subscription_progress {
	const char *topic; /* borrowed */
	uid_t topic_uid;
	const struct access *topic_access; /* borrowed; of a topic of all, else NULL */
	uint64_t id;
	uint32_t queue;
	uint64_t seq; /* of the last message before those that are kept */
	uint64_t lost_from;
	bool over; /* there is no topic any more: nothing but what is kept, and the news of that */
};

bool subscription_progress(const struct source *source, struct subscription_progress *ret);
/* Return: as topic_subscribe(). */
int subscription_restore(struct tenant *topics, struct owner *owner, uint64_t handle,
			 const struct subscription_progress *progress);

/* A message that an owner has not taken, of whichever of its subscriptions. */
struct mail {
	uint64_t handle;
	const void *data; /* borrowed */
	size_t size;
	int64_t emitted_ns, first_ns;
	uint64_t merged; /* it stands for so many */
};

struct delivery;

/* The owner's next message behind `*position`, which is NULL at first; but for those that wait for a gate.  Return: false: no more. */
bool owner_next_mail(const struct owner *owner, const struct delivery **position, struct mail *ret);
/* The same of one subscription that has a gate, whose messages are not among those.  Of any other source: none. */
bool gated_next_mail(const struct source *source, const struct delivery **position, struct mail *ret);
/* Return: 0, -ENOMEM: it is lost; -ENOENT: no such subscription. */
int owner_restore_mail(struct owner *owner, const struct mail *mail);

/* ---- gates ---- */

struct gate_progress {
	const struct limiter *limiter;
	uid_t limiter_uid;
	struct limiter_key key; /* borrowed */
	uint64_t cost;
};

/* Has the source a gate whose limiter is still there? */
bool gate_progress(const struct source *source, struct gate_progress *ret);

/* ---- what is pending ---- */

/* The owner's next source with events that it has not taken behind `*position`, which is NULL at first; in the order in which it will.
 * Return: NULL: no more. */
const struct source *owner_next_pending(const struct owner *owner, const struct source *position);

/* Those events of the source with that handle are pending again. */
void owner_restore_pending(struct owner *owner, uint64_t handle, unsigned pending);
