/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What the files of the library share, file by file: who owns which part of a connection, and what the
 * others may ask of it.  Not installed.
 *
 * Two things hold everywhere.  The user's code (callbacks, destructors, handlers) may do anything, also close
 * the connection: so memory that is still in use stays until the last pin is gone, and what ran the
 * user's code looks at evl::closed before it goes on.  And in a child after fork nothing touches the socket.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/un.h>

#include "client/call.h"
#include "client/evloop.h"
#include "proto/base.h"
#include "proto/evloop.pb-c.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "proto/packet.h"

#define DEFAULT_TIMEOUT_NS (5 * NSEC_PER_SEC)
#define MESSAGE_LENGTH_MAX 512 /* bytes of evl_error_message() */

/* ---- source.c: life and death of sources ------------------------------------------------------------------- */

enum source_kind {
	SOURCE_POSTED, /* evl_call_soon */
	SOURCE_REMOTE, /* evl_call_soon_threadsafe: its callback sees no source */
	SOURCE_LOCAL, /* evl_add_local */
	SOURCE_WORK, /* evl_run_in_executor */
	/* The daemon knows the following. */
	SOURCE_TIMER,
	SOURCE_ATTACHED,
	SOURCE_CLAIM, /* evl_limiter_acquire */
	SOURCE_WATCH, /* of a descriptor, a process or a path */
	SOURCE_SUBSCRIPTION,
	SOURCE_RAW, /* evl_call_handle */
};

/*
 * While a source is live it can call back, and the library holds it.  When it ends it becomes inert; its destructor runs
 * and, when the caller holds no reference either, it is freed; both wait until its own callback returned.
 */
struct evl_source {
	struct evl *evl; /* stays allocated as long as a source points to it */
	union {
		evl_callback callback;
		evl_call_event raw;
	};
	void *userdata;
	void (*destroy)(void *userdata);
	uint64_t handle; /* in evl::handles while live; 0: none */
	uint64_t id; /* the daemon's; 0: not known */
	union {
		struct arming *
			arming; /* how the daemon was asked; NULL: SOURCE_TIMER that fires once, SOURCE_RAW that is nothing yet */
		struct work *work; /* SOURCE_WORK */
	};
	union {
		STAILQ_ENTRY(evl_source) link; /* local::posted, local::remote or evl::unacked */
		int64_t deadline_ns; /* SOURCE_TIMER without `arming`, on `clock` */
	};
	uint32_t n_refs; /* of the caller's */
	union {
		int32_t pid; /* SOURCE_WATCH: of the process; 0: none, or not known */
		int32_t fd; /* SOURCE_LOCAL; -1: not watched any more */
	};
	int16_t id_error; /* why the id could not be told; 0 */
	uint16_t session; /* the low bits of evl::session in which it was armed */
	uint8_t kind; /* enum source_kind */
	uint8_t clock; /* enum Clock of evloop.proto */
	bool live : 1;
	bool pinned : 1; /* its callback or destructor runs */
	bool working : 1; /* SOURCE_WORK: a thread has it, or will, and uses its userdata */
	bool fd_is_copy : 1;
	bool queued : 1; /* in local::posted or evl::unacked */
	bool destroyed : 1; /* its destructor has run */
	bool cancelled : 1;
	bool refused : 1; /* the refusal has been received and not yet dispatched */
	bool follows : 1; /* detached or attached: lives until the daemon says ENDED */
	bool at : 1; /* it was given as a time, not as a delay */
	bool rearm : 1; /* evl_reconnect() arms it */
	bool identifying : 1; /* IDENTIFY is on its way */
	bool lost : 1; /* with its daemon messages or changes may have been lost, which has yet to be told */
};

STAILQ_HEAD(source_queue, evl_source);

/* Does the daemon know it by its handle, so that it ends with the session? */
static inline bool source_at_daemon(const struct evl_source *source) {
	return source->kind >= SOURCE_TIMER;
}

/* Was it armed with a daemon that has gone, and not again since? */
bool source_is_stale(const struct evl_source *source);

/* A live source; with `ret` it has one reference, else it floats.  *ret is written by source_publish().
 * Return: 0, -ENOMEM. */
int source_new(struct evl *evl, enum source_kind kind, evl_callback callback, void *userdata,
	       struct evl_source **ret_source);

/* Hand it to the caller, if he wants it. */
static inline void source_publish(struct evl_source *source, struct evl_source **ret) {
	if (ret) {
		source->n_refs = 1;
		*ret = source;
	}
}

/* One that was never armed: no destructor runs. */
void source_discard(struct evl_source *source);

/* It can call back no more: leaves the table.  Nothing of the user's runs. */
void source_retire(struct evl_source *source);

/* The reverse, under a new handle.  Return: 0, -ENOMEM. */
int source_revive(struct evl_source *source);

/* Run the destructor and free what is over, unless it is in use.  May run the user's code: look at evl::closed afterwards. */
void source_settle(struct evl_source *source);

/* ---- handle.c: handle -> source ---------------------------------------------------------------------------- */

struct handle_slot {
	uint64_t handle; /* 0: free */
	union {
		struct evl_source *source;
		uintptr_t next_free; /* index + 1; 0: none */
	};
};

/* The low bits of a handle are its slot, the high ones make it unique: nothing to hash. */
struct handle_table {
	struct handle_slot *slots;
	size_t n_slots, capacity, n_used;
	uintptr_t free; /* index + 1; 0: none */
	uint64_t generation;
};

/* Return: 0, -ENOMEM. */
int handle_add(struct handle_table *table, struct evl_source *source, uint64_t *ret_handle);
void handle_remove(struct handle_table *table, uint64_t handle);
struct evl_source *handle_find(const struct handle_table *table, uint64_t handle); /* or NULL */
/* The source in that slot or NULL, for 0 <= slot < n_slots. */
struct evl_source *handle_in_slot(const struct handle_table *table, size_t slot);
void handle_deinit(struct handle_table *table);

/* ---- output.c: from a message to the socket ---------------------------------------------------------------- */

struct outbound {
	STAILQ_ENTRY(outbound) link; /* output::full */
	size_t size, n_fds;
	int fds[PACKET_FDS_MAX]; /* owned */
	uint8_t data[];
};

struct output {
	struct packet open; /* gathers frames, in `buffer`; owns its descriptors */
	struct outbound *buffer; /* NULL: none */
	STAILQ_HEAD(, outbound) full; /* before `open` in line */
	bool blocked; /* the socket took no more; cleared when it does */
	size_t last; /* where in `open` the frame begins that was put last */
};

void output_init(struct output *output);

/* Throw away what has gathered, and the memory. */
void output_reset(struct output *output);

/* The body of the frame that was put last, as it will be sent; borrowed until the next call. */
const uint8_t *output_last_body(const struct output *output, size_t *ret_size);

/* Is there anything to send? */
static inline bool output_pending(const struct output *output) {
	return output->open.size > 0 || !STAILQ_EMPTY(&output->full);
}

/* Append a frame to what is to be sent; sends only what is full.  A copy of `fd` goes along (-1: none); it stays the caller's.
 * Return: 0, -ENOTCONN, -EMSGSIZE, -ENOMEM, -EBADF, -EMFILE. */
int output_put(struct evl *evl, enum frame_kind kind, Evloop__Method method, uint64_t serial,
	       const ProtobufCMessage *message, int fd);

/* Send as far as the socket takes it; a loss is noticed in evl::link. */
void output_send(struct evl *evl);

/* The same, and wait for the rest until that time of CLOCK_MONOTONIC.  Return: 0, -ETIMEDOUT, -ENOTCONN. */
int output_send_until(struct evl *evl, int64_t deadline_ns);

/* ---- input.c: from the socket to frames -------------------------------------------------------------------- */

struct inbound {
	STAILQ_ENTRY(inbound) link; /* input::packets */
	size_t capacity, size, position;
	size_t last_position; /* of the frame before `position` */
	unsigned session; /* evl::session that it came in */
	uint8_t data[];
};

struct input {
	STAILQ_HEAD(, inbound) packets; /* received, events in them not yet dispatched */
	struct inbound *spare; /* of PACKET_SIZE_MAX; NULL: in use */
	struct arena arena; /* of the event being dispatched */
	uint64_t awaited; /* the serial of a request whose reply waits in line for its turn, as events do; 0: none */
	int *fds; /* that came with the reply that completes a request, as many as its frame says; who takes one leaves -1 */
};

int input_init(struct input *input);
void input_deinit(struct input *input);

static inline bool input_is_empty(const struct input *input) {
	return STAILQ_EMPTY(&input->packets);
}

/* Receive one packet if there is one: completes requests at once, keeps the events.
 * Return: true: there was one.  A loss is noticed in evl::link. */
bool input_receive(struct evl *evl);

/* The next frame in line, of kind EVENT or the reply that is awaited, borrowed until the next call; *ret_session: see inbound.
 * Return: false: the packet has been read and is gone. */
bool input_next(struct evl *evl, struct frame *ret_frame, unsigned *ret_session);

/* The last one will be the next one, too. */
void input_repeat(struct evl *evl);

/* Look at the frames in line without taking them, until `visit` returns true.  Return: it has. */
bool input_any(struct evl *evl, bool (*visit)(const struct frame *frame, unsigned session, const void *userdata),
	       const void *userdata);

/* ---- call.c: requests -------------------------------------------------------------------------------------- */

struct request {
	TAILQ_ENTRY(request) link; /* evl::requests, by deadline */
	uint64_t serial;
	int64_t deadline_ns; /* of CLOCK_MONOTONIC */
	/* Called exactly once; the request is out of the list by then.  `frame` is the reply, NULL: `error` says why there is none. */
	void (*complete)(struct evl *evl, struct request *request, int error, const struct frame *frame);
};

TAILQ_HEAD(request_list, request);

/* Send a request that nobody waits for, until that time of CLOCK_MONOTONIC.  On failure nothing is called. */
int call_async(struct evl *evl, struct request *request, int64_t deadline_ns, Evloop__Method method,
	       const ProtobufCMessage *message);

/* It is of no interest any more: it is not completed. */
void call_forget(struct evl *evl, struct request *request);

/* Send a request without a reply. */
int call_oneway(struct evl *evl, Evloop__Method method, const ProtobufCMessage *message);

/* The same, and a copy of `fd` goes along (-1: none).  Does not wait. */
int call_oneway_with_fd(struct evl *evl, Evloop__Method method, const ProtobufCMessage *message, int fd);

/* Send a request and wait, at most evl::timeout_ns.  *ret_reply is freed with protobuf_c_message_free_unpacked(); it may be NULL.
 * Return: 0, −errno. */
int call_sync(struct evl *evl, Evloop__Method method, const ProtobufCMessage *message, ProtobufCMessage **ret_reply);

/* The same, and a copy of `fd` goes along (-1: none). */
int call_sync_with_fd(struct evl *evl, Evloop__Method method, const ProtobufCMessage *message, int fd,
		      ProtobufCMessage **ret_reply);

/* The same where descriptors may come with the reply; those that do not are −1. */
int call_sync_for_fds(struct evl *evl, Evloop__Method method, const ProtobufCMessage *message,
		      ProtobufCMessage **ret_reply, int *ret_fds, size_t max_fds);

/* A REPLY or ERROR frame has come. */
void call_complete(struct evl *evl, const struct frame *frame);

/* Complete what waited too long (now >= deadline), or everything. */
void call_expire(struct evl *evl);
void call_fail_all(struct evl *evl, int error);

/* Complete what was asked before the request with that serial: the daemon that may have done it is dead. */
void call_fail_before(struct evl *evl, uint64_t serial);

/* The earliest deadline; INT64_MAX: none. */
int64_t call_next_deadline(const struct evl *evl);

/* When a call that begins now has waited too long, of CLOCK_MONOTONIC. */
int64_t call_deadline(const struct evl *evl);

/* ---- event.c: events to callbacks -------------------------------------------------------------------------- */

/* A REFUSED frame has come: take note of it for evl_roundtrip(); it is dispatched in its turn. */
void event_note_refusal(struct evl *evl, const struct frame *frame);

/* evl_roundtrip() returns the first refusal: note that it has been told. */
void event_take_refusal(struct evl *evl);

/* Run the callbacks of the events that have been received.  Return: how many, or −errno of a refusal that nobody took. */
int event_dispatch(struct evl *evl);

/* Is it in line, received and not yet dispatched, that the source is over? */
bool event_ends_soon(const struct evl_source *source);

/* Call back for an event of that source.  Return: how many callbacks ran, or −errno as event_dispatch(). */
int event_deliver(struct evl *evl, struct evl_source *source, Evloop__Event *e);

/* The source is over before anybody hears of it.  Return: as event_tell_error(). */
int event_end_with_error(struct evl *evl, struct evl_source *source, int error, const char *message);

/* Tell the error handler.  Return: 1: a callback ran; `error`: there is none. */
int event_tell_error(struct evl *evl, struct evl_source *source, int error, const char *message);

/* Run `source`'s callback, and what follows from it. */
void event_call(struct evl_source *source, const struct evl_event *event);

/* ---- translate.c -------------------------------------------------------------------------------------------- */

/* What an event means to the user's code; what it needs beside `ret` is in `grant` and the arena.
 * Return: false: of a type that later daemons may have. */
bool event_translate(struct evl_source *source, const Evloop__Event *e, struct evl_event *ret, struct evl_grant *grant);

/* ---- timer.c ----------------------------------------------------------------------------------------------- */

/* Is it a timer, whoever has armed it? */
bool timer_is_behind(const struct evl_source *source);

/* Arm what is left of it, with another daemon. */
int timer_rearm(struct evl_source *source);

/* Count its fires from 1 again. */
void timer_count_anew(struct evl_source *source);

/* A FIRED event has come: from it is known what is left.  The event is made to count on from the daemons before. */
void timer_note_fire(struct evl_source *source, Evloop__Event *event);

/* A spec that was sent as it is, by a message of the caller's own; or a restart of it. */
void timer_note_spec(struct evl_source *source);
void timer_note_restart(struct evl_source *source, const Evloop__RestartRequest *request);

/* ---- arming.c: what the daemon is asked once --------------------------------------------------------------- */

/* How to ask another daemon for the same, and how far it has come. */
struct arming {
	Evloop__Method method;
	ProtobufCMessage *message; /* ARM: as it was sent; else NULL, and `body` has it */
	int fd; /* -1: none */
	bool fd_is_copy; /* owned; else the caller's number, which may come to mean another file than this one: */
	dev_t device;
	ino_t inode;
	int64_t next_ns; /* ARM: the next nominal time, on its clock.  LIMITER_WAIT: when it is waited for in vain, boottime */
	uint64_t fires; /* ARM: since it was armed */
	uint64_t fires_before; /* those of them that the present daemon knows nothing of */
	bool held; /* LIMITER_WAIT: it was granted */
	size_t body_size;
	uint8_t body[];
};

/*
 * Arm `source`, which is new, by a message that has its handle, and hand it to the caller.  A copy of `fd` goes along (-1: none).
 * Both are kept for the next daemon.  Does not wait.  Return: 0, or −errno: the source is gone.
 */
int arming_begin(struct evl_source *source, struct evl_source **ret, Evloop__Method method,
		 const ProtobufCMessage *message, int fd);

/* Keep what a live source is armed by, in place of what was kept before.  Return: 0, -ENOMEM, -EBADF, -EMFILE. */
int arming_keep(struct evl_source *source, Evloop__Method method, const ProtobufCMessage *message, int fd);

/* The source has nothing that another daemon could be asked for. */
void arming_forget(struct evl_source *source);

/* Permits are held by it. */
void arming_note_held(struct evl_source *source);

/* Ask once more.  Return: 0; −EBADF: its descriptor is not that file any more; −errno. */
int arming_repeat(struct evl_source *source);

struct arming *arming_free(struct arming *arming);

/* ---- takeover.c: the next daemon --------------------------------------------------------------------------- */

struct takeover {
	/* Where it stands.  What is waited for is in line, or still on its way. */
	enum {
		TAKEOVER_NONE,
		TAKEOVER_GREETING, /* the reply to Hello: in its turn all is armed again */
		TAKEOVER_CONFIRMING, /* the reply to a Ping: that has been done, and what was lost can be told */
	} phase;
	bool reconnected; /* it is by evl_reconnect() */
	struct request request; /* if `asking` */
	bool asking;
};

/* The event TakenOver has been received. */
void takeover_begin(struct evl *evl);

/* After evl_reconnect() has said hello: the same from here on, at once or, where `awaited`, in the turn of the reply. */
void takeover_reconnect(struct evl *evl, bool awaited);

/* The reply that is awaited has its turn.  Return: as event_dispatch(); < 0: another turn is needed. */
int takeover_turn(struct evl *evl);

/* A new connection has nothing to do with what was going on. */
void takeover_forget(struct evl *evl);

/* ---- ack.c: events that have been dealt with ---------------------------------------------------------------- */

/* The daemon will be told, after the batch. */
void ack_note(struct evl_source *source);

/* Tell it, in one frame. */
void ack_send(struct evl *evl);

/* Forget it: the session is over.  May run the user's code. */
void ack_drop(struct evl *evl);

/* ---- watch.c ------------------------------------------------------------------------------------------------ */

/* How the process of that event has ended, as the shell has it; −1: not known. */
int32_t watch_status(const struct evl_source *source, const Evloop__Event *event);

/* ---- structure.c: structures that grow ---------------------------------------------------------------------- */

/*
 * Read a structure of the caller's, which begins with its size: what an older one lacks is 0.  `first_size` is that of its first version.
 * Return: 0, −EINVAL (not initialised), −EOPNOTSUPP (a newer one that uses what is not known here).
 */
int structure_read(struct evl *evl, const char *name, const void *given, size_t first_size, void *ret, size_t size);

/* ---- local.c: the local queue ------------------------------------------------------------------------------- */

struct local {
	struct source_queue posted;
	size_t n_posted;
	pthread_mutex_t lock; /* of the next two */
	struct source_queue remote; /* posted by other threads */
	bool signalled; /* evl::wake_fd says so */
	atomic_bool waiting; /* `remote` is not empty: a look without the lock */
};

int local_init(struct local *local);
/* What is left is dropped, sources end. */
void local_deinit(struct evl *evl);

/* Take over what other threads have posted. */
void local_fetch(struct evl *evl);

/* Is anything posted, or may it be? */
bool local_pending(struct evl *evl);

/* Post a source that was made before. */
void local_enqueue(struct evl_source *source);

/* From any thread: wake the loop, for something has been done. */
void local_signal(struct evl *evl);

/* Run what was posted before the call.  Return: how many callbacks ran. */
int local_dispatch(struct evl *evl);

/* ---- readiness.c: descriptors watched here -------------------------------------------------------------------- */

/* Call back what is ready, each once.  Return: how many. */
int readiness_dispatch(struct evl *evl);

/* It is not watched any more. */
void readiness_forget(struct evl_source *source);

/* ---- executor.c: functions on other threads ------------------------------------------------------------------- */

struct executor;
struct work;

/* Has anything been done that executor_collect() would find? */
bool executor_pending(const struct evl *evl);

/* Post what has been done.  May run the user's code, for what was cancelled meanwhile: look at evl::closed afterwards. */
void executor_collect(struct evl *evl);

/* What the function has returned. */
void *executor_result(const struct evl_source *source);

/* It can call back no more: what has not been begun never will be. */
void executor_forget(struct evl_source *source);

/* Of one that is forgotten: too late. */
bool executor_has_begun(const struct evl_source *source);

/* Wait for what runs, and end the threads. */
void executor_end(struct evl *evl);

/* ---- loop.c: waiting ---------------------------------------------------------------------------------------- */

struct loop {
	int wake_fd; /* eventfd: another thread posted, or, with poll_fd, there is something to do */
	int poll_fd; /* what evl_fd() has given away; -1: nothing yet */
	int timer_fd; /* in poll_fd: deadlines of requests; -1: not needed yet */
	bool wake_set; /* by this thread */
	bool watches_output; /* poll_fd waits for the socket to take more */
	bool dispatching;
	bool running; /* evl_run() is */
	bool stopping;
	int64_t timer_set_ns;
};

int loop_init(struct loop *loop);
void loop_deinit(struct loop *loop);

/* The socket is a new one. */
int loop_watch_socket(struct evl *evl);

/* There is an epoll of descriptors now. */
int loop_watch_local(struct evl *evl);

/* Make the descriptor of evl_fd() readable if there is something to do.  Cheap where evl_fd() was never called. */
void loop_update(struct evl *evl);

/* Wait for the socket alone: for a packet, and for room where there was none.
 * Return: 0, -ETIMEDOUT (past that time of CLOCK_MONOTONIC). */
int loop_wait_socket(struct evl *evl, int64_t deadline_ns);

/* Now on that clock, ns. */
int64_t clock_ns(clockid_t clock);

/* ---- error.c ------------------------------------------------------------------------------------------------ */

/*
 * A call of the user's begins, and with it the words of those before are over: each function of evloop.h that may fail
 * comes by here first, mostly through connection_begin(), which tests/unit/test-client-error.c holds them to.
 * Return: `error`.
 */
int error_begin(struct evl *evl, int error);

/* The same for what any thread may call.  The words are those of the connection's thread: others leave none.
 * Return: may this one? */
bool error_begin_threadsafe(struct evl *evl);

/* Remember the words for evl_error_message(); `format` NULL: none.  Return: `error`. */
int error_set(struct evl *evl, int error, const char *format, ...) _printf_(3, 4);

/* Return: the −errno for what the daemon said, never 0; NULL: it could not be read. */
int error_of(const Evloop__Error *refusal);

/* Take over what the daemon said; frees the one before.  Return: its −errno. */
int error_take(struct evl *evl, Evloop__Error *refusal);

/* ---- debug.c ------------------------------------------------------------------------------------------------ */

struct debug {
	bool on; /* EVLOOP_DEBUG */
	int64_t slow_ns; /* EVLOOP_SLOW_MS */
	evl_log_callback log;
	void *log_userdata;
};

void debug_init(struct debug *debug);
void debug_packet(struct evl *evl, const char *direction, const uint8_t *data, size_t size);
/* `source`'s callback took that long. */
void debug_slow(struct evl *evl, evl_callback callback, const struct evl_event *event, int64_t took_ns);

/* ---- locate.c, autostart.c ----------------------------------------------------------------------------------- */

/* Where to look for the daemon, in this order. */
struct places {
	size_t n;
	struct place {
		char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
		bool private; /* the one that may be started */
	} place[2];
};

/* Where a daemon was found. */
struct found_path {
	SLIST_ENTRY(found_path) link;
	char path[];
};

/* Return: 0, -ENAMETOOLONG, -EINVAL. */
int locate_places(const char *path, struct places *ret);

/* May the directory of a private daemon's socket be trusted: this uid's, and nobody else's?
 * Return: 0, -ENOENT, -EACCES. */
int locate_check_private(const char *socket_path);

/* Start a private daemon in the background and wait until it listens, at most until that time of CLOCK_MONOTONIC.
 * Return: 0; 1: another one runs or starts already; -ETIMEDOUT, -ENOENT (no such program), -ENOTCONN (it failed). */
int autostart(int64_t deadline_ns);

/* ---- limiter.c: limiters ---------------------------------------------------------------------------------------- */

/* Connections of our own beside the user's, made when they are first needed: they run no callback of his, and one of them may be
 * used by any thread. */
struct side {
	pthread_mutex_t lock; /* of `asking` */
	struct evl *asking; /* evl_limiter_try; NULL: not yet */
	struct evl *waiting; /* evl_limiter_wait; NULL: not yet */
};

void side_init(struct side *side);
void side_deinit(struct side *side);

/* What the user is told of a grant. */
void grant_translate(const Evloop__Grant *grant, Evloop__ClaimState claim, struct evl_grant *ret);

/* The gate that a source's events take from; *ret NULL: none.  Borrows.  Return: 0, -EINVAL. */
int gate_fill(struct evl *evl, const char *limiter, const char *key, Evloop__Gate *gate, Evloop__Gate **ret);

/* ---- hello.c: from a path to a session ----------------------------------------------------------------------- */

/* Find the daemon, connect, say hello.  `held`: its reply shall wait for its turn, behind what is in line.
 * Return: 0, or −errno as evl_connect(). */
int hello_open(struct evl *evl, const char *path, bool held);

/* What is to be said.  Borrows. */
void hello_fill(Evloop__HelloRequest *request);

/* Look at the answer, which is taken over.  Return: 0, -EPROTO. */
int hello_accept(struct evl *evl, Evloop__HelloReply *reply);

/* ---- connection.c: the whole --------------------------------------------------------------------------------- */

enum link_state {
	LINK_DOWN, /* none, or a loss that has been dealt with */
	LINK_UP,
	LINK_LOST, /* a loss that evl_dispatch() has yet to deal with */
};

/* A refusal that nobody is to hear of again. */
struct told_refusal {
	STAILQ_ENTRY(told_refusal) link; /* evl::told_refusals */
	uint64_t number; /* it is that one of all that were received */
};

struct evl {
	const volatile uint32_t *alive; /* wiped to 0 by the kernel in a child after fork */
	int socket; /* -1: none */
	enum link_state link;
	int loss; /* why it was lost */
	bool loss_returned; /* a call has returned that */
	char *last_words; /* why the daemon closed the session; NULL: it did not say */
	bool closed;
	unsigned n_pins; /* the user's code runs */
	size_t n_sources; /* that point here */
	size_t n_live; /* those of them that can call back */
	unsigned session; /* counts daemons */
	atomic_uint deaths; /* those that have died and left the session to the next one; any thread may look */
	struct takeover takeover;

	struct handle_table handles;
	struct source_queue unacked; /* whose events have been dealt with */
	struct output output;
	struct input input;
	struct local local;
	int local_fd; /* of readiness.c; -1: not needed yet */
	struct executor *executor; /* NULL: not needed yet */
	struct loop loop;
	struct debug debug;
	struct side side;

	uint64_t serial; /* of the last frame sent */
	struct request_list requests;
	int64_t timeout_ns; /* INT64_MAX: none */

	char *path; /* as asked for; NULL: the user's own */
	unsigned flags; /* enum evl_connect_flags */
	_Atomic(const char *) socket_path; /* as found, in one of the next; threads read it */
	SLIST_HEAD(found_path_list, found_path) found_paths; /* kept until evl_close() */
	Evloop__HelloReply *hello;
	bool relative; /* the daemon lives in another time namespace: its boottime and monotonic clocks are not ours */

	evl_error_callback error_handler;
	void *error_userdata;
	Evloop__Error *error; /* the daemon's last refusal; NULL: none */
	char message[MESSAGE_LENGTH_MAX];
	_Atomic pthread_t thread; /* that has made the last call which only the connection's may make */

	uint64_t refusals_received, refusals_dispatched;
	uint64_t refusals_taken; /* so many of those received were known when evl_roundtrip() returned one */
	STAILQ_HEAD(, told_refusal) told_refusals; /* returned by it, and yet to have their turn; in order */
	uint64_t first_refusal_at; /* refusals_received when it came */
	int first_refusal; /* −errno of the first one since evl_roundtrip(); 0: none */
	char first_refusal_message[MESSAGE_LENGTH_MAX];
};

/* Keep the memory while the user's code runs; the last unpin after evl_close() frees it. */
static inline void connection_pin(struct evl *evl) {
	evl->n_pins++;
}
void connection_unpin(struct evl *evl);

/* A source that pointed here is gone. */
void connection_drop_source(struct evl *evl);

/* After the user's code has run: is there still a connection to go on with, and is this still the process that has it? */
static inline bool connection_goes_on(const struct evl *evl) {
	return !evl->closed && *evl->alive;
}

/* May a call of the user's go on?  Return: 0, -ECHILD, -ENOTCONN. */
static inline int connection_check(struct evl *evl) {
	if (evl->closed)
		return -ENOTCONN;
	if (!*evl->alive)
		return -ECHILD;
	return evl->link == LINK_UP ? 0 : -ENOTCONN;
}

/* The same where one begins that does not wait.  To one that waits call_sync() tells the loss, which must not be kept from it. */
static inline int connection_begin(struct evl *evl) {
	return error_begin(evl, connection_check(evl));
}

/* The connection is lost: fails what waits, leaves the rest to evl_dispatch().  What was received stays. */
void connection_lost(struct evl *evl, int error);

/* evl->message is what the daemon said before it closed the session. */
void connection_note_last_words(struct evl *evl);

/* What a call that waits returns on a lost connection: the reason once, then -ENOTCONN. */
int connection_error(struct evl *evl);

/* End the sources that a loss ends, tell the error handler.  Return: 1: reconnected or closed by it, else −errno. */
int connection_settle(struct evl *evl);
