/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef EVLOOP_H
#define EVLOOP_H
/*
 * libevloop: callbacks from the event loop that the machine shares.  See libevloop(3).
 *
 *     Return values   0 or more: fine.  Less than 0: −errno; evl_error_message() has the daemon's words.
 *     Times           signed 64-bit nanoseconds; the name of each says so.
 *     Threads         a struct evl and its sources belong to one thread; only evl_call_soon_threadsafe() and
 *                     evl_limiter_try() may be called from others.
 *     fork            in the child every call returns −ECHILD, and evl_close() only frees.
 *     Callbacks       run in evl_dispatch() and evl_run() and nowhere else.  Any call is legal in a callback,
 *                     but those two: −EBUSY.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The library is built with everything hidden that is not declared here. */
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

#define EVL_USEC(n) ((int64_t)(n)*INT64_C(1000))
#define EVL_MSEC(n) ((int64_t)(n)*INT64_C(1000000))
#define EVL_SEC(n) ((int64_t)(n)*INT64_C(1000000000))

struct evl; /* a connection to a daemon */
struct evl_source; /* something that calls back: a timer, a watch, a subscription, a posted function */

/* ---- connecting ------------------------------------------------------------------------------------------ */

/* The socket of the system's instance, for evl_connect(). */
#define EVL_SYSTEM "/run/evloopd/socket"

enum evl_connect_flags {
	EVL_CONNECT_AUTOSTART = 1, /* where the user has no daemon, start a private one */
};

/*
 * Connect and say hello.  `path` is a socket, or EVL_SYSTEM, or NULL: $EVLOOP_SOCKET, else the user's own daemon
 * (a live private one at /tmp/evloopd-UID/socket, else /run/user/UID/evloopd/socket).
 * Waits for the daemon's answer, at most 5 s.
 * Errors: −ENOTCONN (nobody there), −EACCES, −EPROTO (no common version), −EDQUOT, −ETIMEDOUT, −ENAMETOOLONG.
 */
int evl_connect(struct evl **ret, const char *path);

/* The same with flags of enum evl_connect_flags. */
int evl_connect_with(struct evl **ret, const char *path, unsigned flags);

/* Send what has gathered, disconnect and free; NULL is fine.  Sources that are still referenced survive, inert.  Waits
 * for functions that run in the executor; else only where the daemon does not read, as long as other calls would.  Returns NULL. */
struct evl *evl_close(struct evl *evl);

/*
 * A daemon that a service manager keeps running may die and leave its connections to the next one.  That is no loss: what has a source
 * is armed again in its turn, behind the callbacks for all that the dead daemon had told.  Timers, descriptors, processes and claims
 * lose nothing.  A path's callback is told to look for itself (evl_event::rescan).  To the error handler come −ENOBUFS for each
 * subscription, which may have lost messages and goes on; and with the end of the source −EOWNERDEAD for a timer with a command, which
 * could run twice, −EBADF for a descriptor that is not open here any more, and what the next daemon refuses.
 * A call that waits for the daemon returns −EOWNERDEAD where nobody knows whether it was done.
 */

/* Connect again after a loss, to the same socket.  Timers that were armed with `rearm` are armed again, with what is left of
 * their time, and count their fires from 1; so are watches and subscriptions, from now on.  All other sources that the daemon knew are
 * over.  Errors: as evl_connect(); −EISCONN. */
int evl_reconnect(struct evl *evl);

const char *evl_socket_path(struct evl *evl); /* of the daemon's socket; good until evl_close() */
const char *evl_daemon_version(struct evl *evl); /* e.g. "0.1"; borrowed */
const char *evl_version(void); /* of this library */

/* How long calls that wait may wait; 5 s at first, −1: for ever.  Errors: −EINVAL. */
int evl_set_timeout(struct evl *evl, int64_t timeout_ns);

/* ---- the loop -------------------------------------------------------------------------------------------- */

/*
 * A descriptor for poll(2), always for POLLIN and nothing else.  It is readable when evl_dispatch() has something to do,
 * be it to receive, to send, or work that was posted.  It stays the library's and the same until evl_close().
 */
int evl_fd(struct evl *evl);

/* Send what has gathered, as far as the socket takes it.  evl_dispatch() does it too.  Errors: −ECONNRESET. */
int evl_flush(struct evl *evl);

/*
 * Run the callbacks of what is ready; wait for the first at most `timeout_ns` (0: not at all; −1: for ever).
 * Return: how many callbacks ran, the error handler among them; 0 after the timeout or a signal; a refusal that no error
 * handler took; −EBUSY from within a callback; −ECONNRESET once the connection is lost and all that came before has been
 * dispatched, −ENOTCONN afterwards.
 */
int evl_dispatch(struct evl *evl, int64_t timeout_ns);

/* Dispatch until evl_stop(), or until no source is left.  After evl_stop() what was ready still runs.
 * Return: 0, or the error that ended it. */
int evl_run(struct evl *evl);
void evl_stop(struct evl *evl);

/* Wait until the daemon has handled all that was sent before.  Return: 0, or the first refusal since the last
 * roundtrip.  An error handler hears of it all the same, and of which source it is; where there was none, nobody hears
 * of it again. */
int evl_roundtrip(struct evl *evl);

/* CLOCK_BOOTTIME, or −ECHILD after fork. */
int64_t evl_time(struct evl *evl);

/* The words that go with the last error that a call on this connection returned, "" where there are none.  Borrowed
 * until the next call; what other threads call leaves no words. */
const char *evl_error_message(struct evl *evl);

/* Refusals of calls that did not wait; −ECANCELED: somebody else cancelled the timer, or took its name; what the death of a daemon has
 * cost; and the loss of the connection.  `source` is the one concerned or NULL; it is over, unless it was a restart that was refused,
 * or −ENOBUFS. */
typedef void (*evl_error_callback)(struct evl *evl, struct evl_source *source, int error, const char *message,
				   void *userdata);
void evl_set_error_handler(struct evl *evl, evl_error_callback callback, void *userdata);

/* Where the library's own messages go (EVLOOP_DEBUG, slow callbacks); NULL: standard error if EVLOOP_DEBUG is set, else nowhere. */
typedef void (*evl_log_callback)(const char *line, void *userdata);
void evl_set_log(struct evl *evl, evl_log_callback callback, void *userdata);

/* ---- events ---------------------------------------------------------------------------------------------- */

enum evl_event_type {
	EVL_EVENT_SOON, /* evl_call_soon */
	EVL_EVENT_FIRED, /* a timer fired */
	EVL_EVENT_EXITED, /* attached: a run of its job ended; evl_event::status */
	EVL_EVENT_ENDED, /* attached: the timer is over; evl_event::end.  The last event of its source */
	EVL_EVENT_GRANTED, /* evl_limiter_acquire: what it has come to; evl_event::grant */
	EVL_EVENT_READY, /* a descriptor is ready; evl_event::revents */
	EVL_EVENT_PROCESS, /* a process has ended; evl_event::pid, status */
	EVL_EVENT_CHANGED, /* something has changed at a path; evl_event::changes, rescan, error */
	EVL_EVENT_MESSAGE, /* somebody has emitted; evl_event::data, len, gap_first */
	EVL_EVENT_TIMEOUT, /* a watch has had no event for its `timeout_ns` */
	EVL_EVENT_EXECUTED, /* evl_run_in_executor: the function has returned; evl_event::result */
};

/* Bits of what a descriptor is ready for. */
enum evl_readiness {
	EVL_READABLE = 1,
	EVL_WRITABLE = 2,
	EVL_HANGUP = 4, /* the other side is gone.  Without EVL_READABLE the last event */
	EVL_ERROR = 8, /* the last event */
};

/* Bits of what has happened to a path. */
enum evl_change_kind {
	EVL_CREATED = 1,
	EVL_MODIFIED = 2,
	EVL_MOVED = 4, /* it came by a rename, or went by one */
	EVL_DELETED = 8,
};

struct evl_change {
	const char *path; /* relative to the one that is watched; "": that itself */
	uint32_t changes; /* bits of enum evl_change_kind, in no order */
};

/* The answer of a limiter.  Where you provide one, start from EVL_GRANT_INIT. */
struct evl_grant {
	uint32_t size; /* sizeof(struct evl_grant) */
	bool allowed;
	bool removed; /* the limiter went away while it was waited for */
	uint64_t remaining; /* how much could be taken after this; UINT64_MAX: no limit */
	uint64_t limit; /* the burst, the smallest of several; or how many permits there are */
	int64_t retry_after_ns; /* denied: sleep exactly that, alone, and it is allowed */
	int64_t reset_after_ns; /* until it is full again */
	int64_t now_ns; /* CLOCK_BOOTTIME of the decision */
	uint32_t denied_by; /* denied: which of the rates will allow it last */
};

#ifdef __cplusplus
static inline struct evl_grant evl_grant_init() {
	struct evl_grant grant = evl_grant();

	grant.size = sizeof(struct evl_grant);
	return grant;
}
#define EVL_GRANT_INIT evl_grant_init()
#else
#define EVL_GRANT_INIT                                                                                                 \
	{ .size = sizeof(struct evl_grant) }
#endif

enum evl_end {
	EVL_END_NONE,
	EVL_END_DONE,
	EVL_END_CANCELLED,
	EVL_END_REPLACED,
};

/* What happened.  Belongs to the library, valid during the callback; later versions append fields. */
struct evl_event {
	uint32_t size; /* of the structure that the library filled */
	enum evl_event_type type;
	uint64_t id; /* of the timer, for people and other processes */
	uint64_t
		fire_seq; /* FIRED: number of the last nominal fire in this event, 1 at first.  READY, CHANGED, MESSAGE: the same of what has happened */
	uint64_t
		fires; /* FIRED: nominal fires in this event.  READY, CHANGED, MESSAGE: how much has been merged into it */
	uint64_t missed; /* FIRED: those of them that were superseded before they could be dispatched */
	int64_t first_scheduled_ns; /* FIRED: first nominal time in this event, on the timer's clock */
	int64_t scheduled_ns; /* FIRED: last nominal time in this event */
	int64_t fired_ns; /* FIRED: when the daemon dispatched it.  Of watches and topics: when it happened, CLOCK_BOOTTIME */
	int64_t lateness_ns; /* FIRED: fired_ns − scheduled_ns; never negative */
	uint32_t revents; /* READY: bits of enum evl_readiness */
	int32_t status; /* EXITED, ENDED of a job: 0 to 255, 128 + n for signal n; −1: never ran.  PROCESS: the same; −1: not known */
	const struct evl_grant *grant; /* GRANTED; else NULL */
	const void
		*data; /* MESSAGE: what was emitted, the last of `fires`; a NUL follows it that `len` does not count */
	size_t len;
	const char *name; /* of the timer; MESSAGE: of the topic; NULL: none */
	uint64_t generation; /* of the definition that fired; rises with every update */
	uint64_t run; /* EXITED: number of the run */
	enum evl_end end; /* ENDED */
	pid_t pid; /* PROCESS; 0: not known */
	bool more; /* the source is not over: other events may follow */
	bool rescan; /* CHANGED: there was more than could be told; look for yourself */
	int32_t error; /* CHANGED: −errno: the path cannot be watched, or not any more.  The last event */
	const struct evl_change *changes; /* CHANGED: each path once, in the order in which they changed first */
	size_t n_changes;
	uint64_t gap_first,
		gap_last; /* MESSAGE: these were lost before it, by their numbers in this subscription; 0: none */
	void *result; /* EXECUTED: what the function has returned */
};

typedef void (*evl_callback)(struct evl_source *source, const struct evl_event *event, void *userdata);

/* ---- calling back ---------------------------------------------------------------------------------------- */

/*
 * Of all calls below: `ret` receives a reference of the caller's; dropping it cancels the source.  With `ret` NULL
 * the source floats: it lives until it is over or the connection is closed.  None of them blocks.
 * Errors: −EINVAL, −ERANGE (a time out of range), −ENOMEM, −ENOTCONN.
 */

/* Call back in the next round of evl_dispatch(), in the order of posting.  Nothing is sent. */
int evl_call_soon(struct evl *evl, struct evl_source **ret, evl_callback callback, void *userdata);

/* The same from any thread; wakes a waiting evl_dispatch().  `source` of the callback is NULL. */
int evl_call_soon_threadsafe(struct evl *evl, evl_callback callback, void *userdata);

/* Call back once, `delay_ns` >= 0 from now. */
int evl_call_later(struct evl *evl, struct evl_source **ret, int64_t delay_ns, evl_callback callback, void *userdata);

/* Call back once, at that time of CLOCK_BOOTTIME, CLOCK_MONOTONIC or CLOCK_REALTIME; a time gone by fires at once. */
int evl_call_at(struct evl *evl, struct evl_source **ret, clockid_t clock, int64_t deadline_ns, evl_callback callback,
		void *userdata);

/* Call back every `period_ns` > 0, for the first time one period from now.  Does not drift; fires that come faster than they are
 * taken are merged, evl_event::fires counts them. */
int evl_call_every(struct evl *evl, struct evl_source **ret, int64_t period_ns, evl_callback callback, void *userdata);

enum evl_name_mode {
	EVL_NAME_CREATE, /* a name that exists is refused: −EEXIST */
	EVL_NAME_REPLACE, /* the present holder is cancelled */
	EVL_NAME_ENSURE, /* the present holder is kept if it is defined alike, else updated */
};

enum evl_overlap {
	EVL_OVERLAP_SKIP,
	EVL_OVERLAP_QUEUE,
	EVL_OVERLAP_RESTART,
	EVL_OVERLAP_ALLOW,
};

/* Everything that a timer can be.  Start from EVL_TIMER_INIT; what is zero is off. */
struct evl_timer {
	uint32_t size; /* sizeof(struct evl_timer) */
	clockid_t clock; /* CLOCK_BOOTTIME, CLOCK_MONOTONIC or CLOCK_REALTIME */
	bool absolute; /* `deadline_ns` is a time; else a delay from now */
	bool refuse_past; /* a time gone by is −ERANGE; else it fires at once */
	bool detached; /* belongs to the uid and outlives the connection */
	bool rearm; /* evl_reconnect() arms it again */
	int64_t deadline_ns; /* when, for the first time */
	int64_t period_ns; /* > 0: repeat */
	uint64_t count; /* repeat at most this often; 0: no end */
	int64_t until_ns; /* repeat until this time of `clock`; 0: no end */
	int64_t slack_ns; /* may fire this much later, to share a wake-up */
	const char *name; /* NULL: none.  [A-Za-z_][A-Za-z0-9._:@/-]{0,127} */
	enum evl_name_mode name_mode;
	enum evl_overlap overlap; /* of the command */
	const char *const
		*argv; /* NULL: none.  A command that the daemon runs when the timer fires; implies `detached` */
	const char *const *environment; /* of the command; NULL: this process's */
	const char *directory; /* of the command; NULL: this process's */
	int64_t timeout_ns; /* of the command: end it after this time; 0: none */
	const char *limiter,
		*limiter_key; /* a rate that its events are let through by, see evl_watch; not of detached ones */
};

/* For initialising and, in C++, assigning.  The clock is CLOCK_BOOTTIME, a name that <time.h> hides from strict ISO C. */
#ifdef __cplusplus
static inline struct evl_timer evl_timer_init() {
	struct evl_timer timer = evl_timer();

	timer.size = sizeof(struct evl_timer);
	timer.clock = 7;
	return timer;
}
#define EVL_TIMER_INIT evl_timer_init()
#else
#define EVL_TIMER_INIT                                                                                                 \
	{ .size = sizeof(struct evl_timer), .clock = 7 }
#endif

/* Arm a timer.  `callback` may be NULL for a detached one: then nothing is reported.
 * Refused by the daemon, later: −EEXIST, −EDQUOT, −EOPNOTSUPP (no commands there). */
int evl_timer_add(struct evl *evl, struct evl_source **ret, const struct evl_timer *timer, evl_callback callback,
		  void *userdata);

/* Follow a named timer of this uid, or one by its id in decimal digits; see EVL_EVENT_EXITED, EVL_EVENT_ENDED.
 * Cancelling the source ends the following, not the timer.  Refused by the daemon, later: −ENOENT. */
int evl_attach(struct evl *evl, struct evl_source **ret, const char *name, evl_callback callback, void *userdata);

/* ---- watches --------------------------------------------------------------------------------------------- */

/*
 * The daemon watches, and calls back with one event; the next one comes when the callback has returned, and tells what is so then:
 * nothing is lost by it, and nothing floods.  Several may watch the same.  No descriptor is read by it, nor are its flags changed.
 *
 * Of descriptors: pipes, sockets, terminals, pidfds, eventfds, timerfds and inotify.  The daemon has a copy, so `fd` may be closed at
 * once, and the other side sees the end of a connection only when the watch has been cancelled, too.  As long as it is open the watch
 * outlives the daemon.
 * Errors: −EBADF, −EMFILE.  Refused by the daemon, later: −EINVAL (the message says what it is), −EDQUOT.
 */
int evl_add_reader(struct evl *evl, struct evl_source **ret, int fd, evl_callback callback, void *userdata);
int evl_add_writer(struct evl *evl, struct evl_source **ret, int fd, evl_callback callback, void *userdata);

/*
 * The same for what concerns nobody else: the library watches by itself, and nothing is sent.  Calls back in every round in which `fd` is ready,
 * so take what there is, or cancel.  `events`: EVL_READABLE, EVL_WRITABLE or both; hangup and error are always told, and end it as
 * above.  Cancel before you close `fd`.  Goes on where the connection is lost.
 * Errors: −EINVAL, −EBADF, −EPERM (a regular file or a folder: always ready).
 */
int evl_add_local(struct evl *evl, struct evl_source **ret, int fd, uint32_t events, evl_callback callback,
		  void *userdata);

/* Call back once, when that process has ended, whoever's child it is.  Its status is known where the kernel tells it, and of a child that
 * has not been waited for.  Nothing is reaped.  Errors: −ESRCH, −EMFILE. */
int evl_watch_pid(struct evl *evl, struct evl_source **ret, pid_t pid, evl_callback callback, void *userdata);

/* Call back when something changes at that path, which need not exist, but the folder that it is in.  It is watched by its name, whatever
 * is behind it.  A relative one is of the present directory.  Of a folder: what is directly in it.
 * Errors: −ENAMETOOLONG.  Refused by the daemon, later: −EOPNOTSUPP (the system's), −EDQUOT; the rest by evl_event::error. */
int evl_watch_path(struct evl *evl, struct evl_source **ret, const char *path, evl_callback callback, void *userdata);

/* Everything that a watch can be.  Start from EVL_WATCH_INIT; exactly one of fd, pid, pid_fd and path is to be given. */
struct evl_watch {
	uint32_t size; /* sizeof(struct evl_watch) */
	int fd; /* −1: none */
	uint32_t
		events; /* of fd: EVL_READABLE, which 0 means, EVL_WRITABLE or both; hangup and error are always told */
	pid_t pid; /* 0: none */
	int pid_fd; /* a process by its pidfd; −1: none */
	const char *path;
	bool recursive; /* path: all that is below it, also what comes to be */
	bool rearm; /* evl_reconnect() watches again; a copy of the descriptor is kept for that */
	const char *const *exclude; /* path: fnmatch(3) patterns over names and relative paths, ending in NULL */
	int64_t settle_ns; /* path: tell of changes when there was none for so long */
	int64_t timeout_ns; /* EVL_EVENT_TIMEOUT after so long without an event; 0: none */
	/* Each event takes one token of this rate, in line; what happens meanwhile is merged into it.  It must exist; NULL: none. */
	const char *limiter, *limiter_key;
};

#ifdef __cplusplus
static inline struct evl_watch evl_watch_init() {
	struct evl_watch watch = evl_watch();

	watch.size = sizeof(struct evl_watch);
	watch.fd = watch.pid_fd = -1;
	return watch;
}
#define EVL_WATCH_INIT evl_watch_init()
#else
#define EVL_WATCH_INIT                                                                                                 \
	{ .size = sizeof(struct evl_watch), .fd = -1, .pid_fd = -1 }
#endif

int evl_watch_add(struct evl *evl, struct evl_source **ret, const struct evl_watch *watch, evl_callback callback,
		  void *userdata);

/* ---- topics ---------------------------------------------------------------------------------------------- */

/*
 * Tell everybody who has subscribed to `topic`, a name as a timer's: at most 4096 bytes of any kind, in the order of emitting.  Waits.
 * Return: how many subscriptions got it; −EINVAL, −ERANGE (too long), −EACCES (a shared topic), −ENOTCONN, −ETIMEDOUT.
 */
int evl_emit(struct evl *evl, const char *topic, const void *data, size_t len);

/* The same without waiting.  Return: 0; what the daemon refuses comes to the error handler. */
int evl_emit_async(struct evl *evl, const char *topic, const void *data, size_t len);

/* Call back with what is emitted from now on, each message an event of its own.  64 are kept for a program that does not take them; beyond
 * them the oldest are lost, and the next event says so.  Refused by the daemon, later: −EINVAL, −EDQUOT, −EACCES (a shared topic). */
int evl_subscribe(struct evl *evl, struct evl_source **ret, const char *topic, evl_callback callback, void *userdata);

/* Everything that a subscription can be.  Start from EVL_SUBSCRIPTION_INIT. */
struct evl_subscription {
	uint32_t size; /* sizeof(struct evl_subscription) */
	uint32_t queue; /* how many are kept, at most 1024.  0: only the last one, and evl_event::fires counts */
	const char *topic;
	const char *limiter, *limiter_key; /* as in evl_watch */
	bool rearm; /* evl_reconnect() subscribes again */
};

#ifdef __cplusplus
static inline struct evl_subscription evl_subscription_init() {
	struct evl_subscription subscription = evl_subscription();

	subscription.size = sizeof(struct evl_subscription);
	subscription.queue = 64;
	return subscription;
}
#define EVL_SUBSCRIPTION_INIT evl_subscription_init()
#else
#define EVL_SUBSCRIPTION_INIT                                                                                          \
	{ .size = sizeof(struct evl_subscription), .queue = 64 }
#endif

int evl_subscription_add(struct evl *evl, struct evl_source **ret, const struct evl_subscription *subscription,
			 evl_callback callback, void *userdata);

/* ---- the executor ---------------------------------------------------------------------------------------- */

/*
 * Run `work` on another thread, and call back `done` with what it has returned: for what blocks, or takes long.  Both get `userdata`.
 * Threads are made as needed, at most 4 more than there are processors and at most 32, with all signals blocked.
 * Cancelled before it has begun, `work` never runs; else only `done` does not, and the destructor waits for `work`, as evl_close() does.
 * `work` may call evl_call_soon_threadsafe() and evl_limiter_try(), nothing else of this connection.
 * Errors: −EAGAIN (no thread can be made).
 */
int evl_run_in_executor(struct evl *evl, struct evl_source **ret, void *(*work)(void *userdata), evl_callback done,
			void *userdata);

/* ---- sources --------------------------------------------------------------------------------------------- */

enum evl_outcome {
	EVL_OUTCOME_CANCELLED, /* it had not fired */
	EVL_OUTCOME_WITHDRAWN, /* it had fired, the event was taken back on its way */
	EVL_OUTCOME_TOO_LATE, /* its event had left when the cancel arrived; the callback does not run all the same */
	EVL_OUTCOME_DONE, /* it was over before */
};

/* No callback after this.  Nothing is waited for.  Return: 1, or 0 if it was over before. */
int evl_cancel(struct evl_source *source);

/* The same, and wait for how it ended: enum evl_outcome.  `ret_outcome` may be NULL. */
int evl_cancel_sync(struct evl_source *source, int *ret_outcome);

/* Has it been cancelled? */
bool evl_cancelled(const struct evl_source *source);

/* Give a timer a new deadline, `delay_ns` from now; one that is over is armed anew, a repeating one goes on from there.
 * Errors: −EINVAL (not a timer), −ERANGE, −ECANCELED (it is over and its destructor has run), −ENOTCONN. */
int evl_source_restart(struct evl_source *source, int64_t delay_ns);

/* The daemon's id, for people and other processes; the next daemon gives another.  −EAGAIN until the daemon has told it: the first call
 * asks, an event or evl_roundtrip() brings it.  −ENOENT: the source is over, and it never came; −EINVAL: it never has one; −ETIMEDOUT: ask again. */
int evl_source_id(struct evl_source *source, uint64_t *ret);

struct evl_source *evl_source_ref(struct evl_source *source);
/* Returns NULL; NULL is fine.  The last reference of the caller's cancels. */
struct evl_source *evl_source_unref(struct evl_source *source);

struct evl *evl_source_evl(struct evl_source *source); /* NULL after evl_close() */
void *evl_source_userdata(struct evl_source *source);

/* Called exactly once with the userdata, when no callback can come any more: after the last event, or in evl_cancel(), or in
 * evl_close(); but not before the source's own callback, or the function that the executor runs, has returned. */
void evl_source_set_destroy(struct evl_source *source, void (*destroy)(void *userdata));

/* ---- limiters -------------------------------------------------------------------------------------------- */

struct evl_limiter; /* a rate, or a number of permits, that all processes of the user share by its name */

#define EVL_RATES_MAX 8

/* `tokens` come every `period_ns`, and `burst` of them may be taken at one instant; 0: as many as come in a second, at least 1. */
struct evl_rate {
	uint64_t tokens;
	int64_t period_ns;
	uint64_t burst;
};

/* What a limiter is.  Start from EVL_RATE(), EVL_RATE_BURST() or EVL_CONCURRENCY(); what is zero is off. */
struct evl_limit {
	uint32_t size; /* sizeof(struct evl_limit) */
	uint32_t n_rates; /* all of them hold; 0 without concurrency: unlimited */
	struct evl_rate rates[EVL_RATES_MAX];
	uint64_t concurrency; /* permits in place of rates */
	bool keyed; /* one bucket, or so many permits, for each key */
	bool deny_when_full; /* keyed: a key beyond max_keys is denied; else all such keys share one bucket */
	bool update; /* change one that is defined otherwise; else that is −EEXIST */
	uint64_t max_keys; /* keys in use at the same time; 0: 10,000 */
	uint64_t max_waiters; /* 0: 10,000 */
	uint64_t max_debt; /* tokens that evl_limiter_charge() may go below empty */
};

#ifdef __cplusplus
static inline struct evl_limit evl_limit_of(uint64_t tokens, int64_t period_ns, uint64_t burst, uint64_t concurrency) {
	struct evl_limit limit = evl_limit();

	limit.size = sizeof(struct evl_limit);
	limit.n_rates = tokens > 0;
	limit.rates[0].tokens = tokens;
	limit.rates[0].period_ns = period_ns;
	limit.rates[0].burst = burst;
	limit.concurrency = concurrency;
	return limit;
}
#define EVL_RATE_BURST(n, period_ns, burst) evl_limit_of(n, period_ns, burst, 0)
#define EVL_CONCURRENCY(n) evl_limit_of(0, 0, 0, n)
#else
#define EVL_RATE_BURST(n, period_ns, burst)                                                                            \
	{                                                                                                              \
		.size = sizeof(struct evl_limit), .n_rates = 1, .rates = { { n, period_ns, burst } }                   \
	}
#define EVL_CONCURRENCY(n)                                                                                             \
	{ .size = sizeof(struct evl_limit), .concurrency = (n) }
#endif
#define EVL_RATE(n, period_ns) EVL_RATE_BURST(n, period_ns, 0)

/*
 * Open the limiter of that name, making it if there is none; with `limit` NULL it must exist.  Waits for the daemon.
 * Errors: −ENOENT, −EEXIST (defined otherwise), −ERANGE, −EINVAL, −EDQUOT, −ENOTCONN, −ETIMEDOUT.
 */
int evl_limiter_open(struct evl *evl, struct evl_limiter **ret, const char *name, const struct evl_limit *limit);

/* Returns NULL; NULL is fine.  The limiter itself stays.  Before or after evl_close(). */
struct evl_limiter *evl_limiter_close(struct evl_limiter *limiter);

/*
 * Take `cost` tokens if they are there.  From any thread.  A limiter with one rate and without keys is taken from in shared memory, in
 * tens of nanoseconds, also after evl_close() and in a child after fork as long as that daemon lives; else the daemon is asked.  A cost of
 * 0 takes nothing, and tells whether 1 would be allowed.
 * `key` NULL: the limiter has no keys; `ret` may be NULL.
 * Return: 1: allowed, 0: denied; −EINVAL (a key where there are none, or none where there are; permits), −E2BIG (the cost is above the
 * burst, and so would never be allowed), −ENOENT (removed meanwhile), −ENOTCONN, −ETIMEDOUT.
 */
int evl_limiter_try(struct evl_limiter *limiter, const char *key, uint64_t cost, struct evl_grant *ret);

/* The same, waiting in line at most `max_wait_ns` (−1: for ever).  No callback runs meanwhile.  Return: as before; 0 at once if the
 * grant would come too late. */
int evl_limiter_wait(struct evl_limiter *limiter, const char *key, uint64_t cost, int64_t max_wait_ns,
		     struct evl_grant *ret);

/*
 * Take tokens or permits, waiting in line at most `max_wait_ns` (−1: for ever), and call back with EVL_EVENT_GRANTED.  With tokens, and
 * where the grant says no, the source is over then; permits are held until it is cancelled.  Cancelling leaves the line.
 * Does not block.  Refused by the daemon, later: −EINVAL, −E2BIG, −ENOENT, −EDQUOT.
 */
int evl_limiter_acquire(struct evl_limiter *limiter, struct evl_source **ret, const char *key, uint64_t cost,
			int64_t max_wait_ns, evl_callback callback, void *userdata);

/* Give back what evl_limiter_acquire() has got: evl_cancel() by its right name.  Return: 1, or 0 if there was nothing. */
int evl_limiter_release(struct evl_source *source);

/* These wait for the daemon.  `ret` may be NULL.  Return: 1: one more would be allowed, 0: it would not; errors as evl_limiter_try(). */
int evl_limiter_peek(struct evl_limiter *limiter, const char *key, uint64_t cost,
		     struct evl_grant *ret); /* take nothing */
int evl_limiter_refund(struct evl_limiter *limiter, const char *key, uint64_t cost,
		       struct evl_grant *ret); /* give back, never beyond full */
int evl_limiter_charge(struct evl_limiter *limiter, const char *key, uint64_t cost,
		       struct evl_grant *ret); /* take what may not be there, as far as max_debt: else −E2BIG */
int evl_limiter_hold(struct evl_limiter *limiter, const char *key, int64_t duration_ns,
		     struct evl_grant *ret); /* grant nothing for that time */
int evl_limiter_reset(struct evl_limiter *limiter, const char *key, struct evl_grant *ret); /* full again, no hold */

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
