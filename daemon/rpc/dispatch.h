/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * From a frame to its handler and back: the only place that looks at a frame's kind and method, and the only one that
 * may tell a peer that memory has run out.
 */

#include "daemon/peer/session.h"
#include "daemon/rpc/holder-store.h"
#include "proto/evloop.pb-c.h"
#include "proto/message.h"

struct deferred; /* rpc/deferred.h */
struct loop;
struct scheduler;

/* What requests need of whoever put the daemon together. */
struct rpc_ops {
	/* Read the configuration again, and answer when it is in force, by a ReloadReply, or not. */
	void (*reload)(void *userdata, struct deferred *deferred);
};

/* What the handlers work on. */
struct rpc {
	const struct rpc_ops *ops; /* NULL: none */
	void *userdata;
	struct loop *loop;
	struct holder_store holders; /* processes that hold permits */
	struct scheduler *scheduler;
	const struct quota *quota;
	bool executes; /* timers may carry commands, those of our own uid */
	uid_t uid; /* our own */
	uint64_t time_namespace; /* inode of our own; 0: unknown */
	int pid_fd; /* of this process, for those who have to know when it is dead; -1: none */
	struct arena arena; /* of the request being handled, and its reply */
};

/* One request being handled. */
struct call {
	struct rpc *rpc;
	struct session *session;
	const struct frame *frame;
	int *fds; /* frame->n_fds of them; who takes one leaves -1 */
	int result; /* −errno: the session cannot go on */
	bool answered;
	bool dear; /* set by a handler that has taken long */
	bool again; /* set by one that has not finished: it is called again, and has session::frame_progress to know by where it was */
};

/* Return: 0, -ENOMEM. */
int rpc_init(struct rpc *rpc, struct loop *loop, struct scheduler *scheduler, const struct quota *quota, bool executes);
void rpc_deinit(struct rpc *rpc);

/* How sessions reach this layer; the userdata is a struct rpc. */
extern const struct session_ops rpc_session_ops;

/* Answer the call; once, and only one of these three.  A oneway call hears nothing of success, and of a refusal by an event. */
void call_reply(struct call *call, const ProtobufCMessage *reply);
/* With descriptors, which are borrowed.  Return: false: they cannot be sent now, and nothing was said. */
bool call_reply_with_fds(struct call *call, const ProtobufCMessage *reply, const int *fds, size_t n_fds);
void call_refuse(struct call *call, Evloop__Status status, const char *format, ...) _printf_(3, 4);
/* `error` has all but the handle, the serial and the method. */
void call_refuse_with(struct call *call, Evloop__Error *error);

/* Say something by an event, at once, that is not pending in any source.  The call is answered. */
void call_event(struct call *call, const struct event *event);

/* The limit is reached, even where the request gives `returned` back first: name it, with its numbers.  Return: true: it is not, and
 * nothing was said. */
bool call_allows(struct call *call, enum quota_limit limit, uint64_t returned, uint64_t asked);

/*
 * A handler answers its call.  Return: 0; −errno where it failed for a reason of our own: the caller answers then.
 */
typedef int (*rpc_handler)(struct call *call, const void *request);

/* rpc-session.c */
int rpc_hello(struct call *call, const void *request);
int rpc_ping(struct call *call, const void *request);
int rpc_time(struct call *call, const void *request);

/* rpc-daemon.c: the daemon as a whole */
int rpc_quota(struct call *call, const void *request);
int rpc_reload(struct call *call, const void *request);

/* rpc-timer.c: the sources of this session, by handle */
int rpc_arm(struct call *call, const void *request);
int rpc_cancel_handle(struct call *call, const void *request);
int rpc_restart_handle(struct call *call, const void *request);
int rpc_identify(struct call *call, const void *request);
int rpc_attach(struct call *call, const void *request);

/* rpc-watch.c: what this session watches, and its acknowledgements of all kinds */
int rpc_watch_fd(struct call *call, const void *request);
int rpc_watch_pid(struct call *call, const void *request);
int rpc_ack(struct call *call, const void *request);

/* rpc-topic.c: of this uid, by name */
int rpc_subscribe(struct call *call, const void *request);
int rpc_emit(struct call *call, const void *request);

/* rpc-manage.c: the timers of this uid, by id, name or pattern */
int rpc_list(struct call *call, const void *request);
int rpc_cancel(struct call *call, const void *request);
int rpc_pause(struct call *call, const void *request);
int rpc_resume(struct call *call, const void *request);
int rpc_trigger(struct call *call, const void *request);
int rpc_poke(struct call *call, const void *request);
int rpc_kill(struct call *call, const void *request);
int rpc_log(struct call *call, const void *request);

/* rpc-path.c */
int rpc_watch_path(struct call *call, const void *request);

/* rpc-limiter.c: to take from the limiters of this uid, by name */
int rpc_limiter_try(struct call *call, const void *request);
int rpc_limiter_peek(struct call *call, const void *request);
int rpc_limiter_take_up_to(struct call *call, const void *request);
int rpc_limiter_wait(struct call *call, const void *request);
int rpc_limiter_refund(struct call *call, const void *request);
int rpc_limiter_charge(struct call *call, const void *request);
int rpc_limiter_hold(struct call *call, const void *request);
int rpc_limiter_reset(struct call *call, const void *request);
int rpc_limiter_multi(struct call *call, const void *request);
int rpc_limiter_share(struct call *call, const void *request);

/* rpc-limiter-manage.c: to define them, and to look at them */
int rpc_limiter_set(struct call *call, const void *request);
int rpc_limiter_list(struct call *call, const void *request);
int rpc_limiter_claims(struct call *call, const void *request);
int rpc_limiter_remove(struct call *call, const void *request);
