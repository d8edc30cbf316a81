/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A timer: when it fires, how often, what it is called, and where a command hangs on it.
 *
 * An anonymous one-shot timer is the common case, is one cache line or little more and has no
 * extension.  Name, repetition, command, slack and detachment live in one, allocated where used.
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
	struct command *command; /* NULL: none.  Taken over on success, then NULL */
};

enum {
	TIMER_E_HANDLE_EXISTS = 1,
	TIMER_E_NAME_EXISTS, /* ret_timer is its holder */
	TIMER_E_PAST_UNTIL, /* no nominal time lies before `until` */
	TIMER_E_NOT_DELAYED, /* poke: it was given as a time */
	TIMER_E_NO_COMMAND,
	TIMER_E_NOT_RUNNING,
	TIMER_E_UNCHANGED, /* already so, or finished */
};

/*
 * Arm a timer for `owner`.  With a name that exists, name_mode decides.
 * Return: 0, TIMER_E_HANDLE_EXISTS, TIMER_E_NAME_EXISTS, TIMER_E_PAST_UNTIL, -ENOMEM.
 */
int timer_arm(struct scheduler *scheduler, struct owner *owner, struct timer_spec *spec, struct timer **ret_timer,
	      enum timer_change *ret_change);

/* A new deadline and a new place in the order; merges nothing, an unsent fire is withdrawn. */
int timer_restart(struct timer *timer, int64_t deadline_ns, int64_t delay_ns);

/* Each returns 0 or one of TIMER_E_NOT_DELAYED, TIMER_E_UNCHANGED.  All are legal from within any dispatch. */
enum cancel_outcome timer_cancel(struct timer *timer, enum source_end end);
int timer_pause(struct timer *timer);
int timer_resume(struct timer *timer);
int timer_trigger(struct timer *timer);
int timer_poke(struct timer *timer);

/* Signal the running job: 0: TERM, KILL after JOB_KILL_DELAY_NS.  Return: 0, TIMER_E_NO_COMMAND, TIMER_E_NOT_RUNNING, −errno. */
int timer_kill(struct timer *timer, int signal_number);

/* Follow a timer from `owner` under `handle`.  A finished one has its events pending at once.
 * Return: 0, TIMER_E_HANDLE_EXISTS, -ENOMEM. */
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
	int64_t created_realtime_ns, finished_realtime_ns;
};

void timer_describe(const struct timer *timer, struct timer_info *ret);

uint64_t timer_id(const struct timer *timer);

/* The kept output of its job from byte `offset` on, at most `size` bytes; *ret_offset is that of the first one.
 * Return: bytes copied, or -ENOENT: no command. */
ssize_t timer_read_output(const struct timer *timer, uint64_t offset, void *buffer, size_t size, uint64_t *ret_offset);
