/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A timer: when it fires, how often, what it is called, and where a command hangs on it.
 *
 * An anonymous one-shot timer is the common case, is one cache line and has no extension.  Name, repetition, command, slack and detachment live in one, allocated where used.
 */

#include "daemon/core/source.h"

struct scheduler;
struct command; /* core/command.h */
struct job; /* core/job.h */

enum timer_kind {
	TIMER_KIND_AFTER,
	TIMER_KIND_AT,
	TIMER_KIND_EVERY,
	TIMER_KIND_SOON,
};

enum name_mode {
	NAME_MODE_CREATE,
	NAME_MODE_REPLACE,
	NAME_MODE_ENSURE,
};

enum timer_change {
	TIMER_CHANGE_CREATED,
	TIMER_CHANGE_REPLACED,
	TIMER_CHANGE_UPDATED,
	TIMER_CHANGE_UNCHANGED,
};

enum timer_state {
	TIMER_STATE_ARMED,
	TIMER_STATE_PAUSED,
	TIMER_STATE_RUNNING, /* not armed any more, its job runs */
	TIMER_STATE_FINISHED, /* kept so that it can be asked about */
};

struct timer; /* private to core/ : core/timer-private.h */

/* A definition whose ranges have been checked: 0 <= deadline, period, until, slack <= TIME_NS_MAX, name valid. */
struct timer_spec {
	uint64_t handle;
	enum timer_kind kind;
	enum timer_clock clock;
	int64_t deadline_ns; /* absolute, before slack */
	int64_t delay_ns; /* the delay it was made of, for poke; -1: it was given as a time */
	int64_t period_ns; /* 0: once */
	uint64_t count;
	int64_t until_ns;
	int64_t slack_ns;
	const char *name; /* NULL: none */
	enum name_mode name_mode;
	bool detached;
	struct command *command; /* NULL: none; implies `detached`.  NULL afterwards if it was taken over */
};

enum {
	TIMER_E_HANDLE_EXISTS = 1,
	TIMER_E_NAME_EXISTS, /* ret_timer is its holder */
	TIMER_E_PAST_UNTIL, /* no nominal time lies before `until` */
	TIMER_E_NOT_DELAYED, /* poke: it was given as a time, or is an anonymous one-shot, whose delay is not kept */
	TIMER_E_NO_COMMAND,
	TIMER_E_NOT_RUNNING,
	TIMER_E_UNCHANGED, /* already so, or finished */
	TIMER_E_CROWDED, /* ATTACHMENTS_MAX are attached to it */
};

/*
 * Arm a timer for `owner`.  With a name that exists, name_mode decides; a finished or cancelled one just loses it.
 * A detached timer belongs to the tenant: `owner` follows it under `handle`, unless that is 0, and its owner_cancel()
 * cancels the timer.  So it is with ENSURE where the name's holder is not the source with that handle; a holder that is
 * detached where `spec` is not, or the other way round, is not updated: TIMER_E_NAME_EXISTS.
 * Return: 0, TIMER_E_HANDLE_EXISTS, TIMER_E_NAME_EXISTS, TIMER_E_PAST_UNTIL, TIMER_E_CROWDED, -ENOMEM.
 */
int timer_arm(struct scheduler *scheduler, struct owner *owner, struct timer_spec *spec, struct timer **ret_timer,
	      enum timer_change *ret_change);

/* The timer that is this source, or that it follows; NULL: that one is over. */
struct timer *timer_of_source(struct source *source);

/*
 * A new deadline and a new place in the order, also for one that has fired for the last time; merges nothing, an
 * unsent fire is withdrawn.  A repeating one counts from there.
 * Return: 0, TIMER_E_PAST_UNTIL, TIMER_E_UNCHANGED: finished, cancelled, or its name is another one's by now, -ENOMEM.
 */
int timer_restart(struct timer *timer, int64_t deadline_ns, int64_t delay_ns);

/*
 * Cancel on behalf of somebody who need not be its owner: an unsent fire is withdrawn, and the session that owns it gets
 * ENDED, as all that follow it do.  A running job goes on.
 */
enum cancel_outcome timer_cancel(struct timer *timer, enum source_end end);

/* Each returns 0 or TIMER_E_UNCHANGED; poke also TIMER_E_NOT_DELAYED, TIMER_E_PAST_UNTIL; trigger also -ENOMEM.  All count from
 * scheduler_now(), which scheduler_refresh() should have made fresh. */
int timer_pause(struct timer *timer);
int timer_resume(struct timer *timer);
int timer_trigger(struct timer *timer);
int timer_poke(struct timer *timer);

/* Signal the running job: 0: TERM, KILL after JOB_KILL_DELAY_NS.  Return: 0, TIMER_E_NO_COMMAND, TIMER_E_NOT_RUNNING, −errno. */
int timer_kill(struct timer *timer, int signal_number);

/* Follow a timer from `owner` under `handle`.  A finished one has its events pending at once.
 * `handle` is not 0.  Return: 0, TIMER_E_HANDLE_EXISTS, TIMER_E_CROWDED, -ENOMEM. */
int timer_attach(struct timer *timer, struct owner *owner, uint64_t handle, bool output);

/* Everything that can be said of a timer; borrowed, valid until the next call on the core. */
struct timer_info {
	uint64_t id;
	const char *name; /* NULL: none */
	enum timer_kind kind;
	enum timer_state state;
	enum timer_clock clock;
	int64_t next_ns; /* 0: none; PAUSED one-shots: what is left */
	int64_t period_ns, until_ns, slack_ns;
	uint64_t count, generation, fire_seq, missed;
	int64_t last_fired_ns, last_lateness_ns;
	bool detached, attached;
	const struct owner *owner;
	enum source_end end;
	const struct command *command; /* NULL: none */
	struct run_info last_run;
	uint64_t runs, skipped, output_bytes;
	unsigned active;
	int64_t created_realtime_ns; /* 0: not kept, an anonymous one-shot */
	int64_t finished_realtime_ns; /* 0: not finished, or not kept */
};

void timer_describe(const struct timer *timer, struct timer_info *ret);

uint64_t timer_id(const struct timer *timer);

/* The kept output of its job from byte `offset` on, at most `size` bytes; *ret_offset is that of the first one.
 * Return: bytes copied, or -ENOENT: no command. */
ssize_t timer_read_output(const struct timer *timer, uint64_t offset, void *buffer, size_t size, uint64_t *ret_offset);
