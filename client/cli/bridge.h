/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What the files of the verb bridge share, file by file.  Lines come in one by one; each is a call that is answered by one line
 * before the next is looked at, so nothing of a request is kept but the sources that it has made.
 */

#include <jansson.h>
#include <stdio.h>
#include <sys/queue.h>

#include "client/call.h"
#include "client/cli/json-message.h"
#include "proto/base.h"

#define BRIDGE_LINE_MAX (1024 * 1024) /* bytes of a line; a longer one is refused */

struct bridge;

/* The daemon and the other processes, as the bridge needs them.  Tests play them. */
struct bridge_ops {
	int (*call)(struct evl *evl, Evloop__Method method, const ProtobufCMessage *request, int fd,
		    ProtobufCMessage **ret_reply); /* evl_call_with_fd(); `fd` -1: none */
	const Evloop__Error *(*error)(struct evl *evl); /* evl_call_error() */
	int (*handle)(struct evl *evl, uint64_t *ret, evl_call_event callback, void *userdata); /* evl_call_handle() */
	void (*drop)(struct evl *evl, uint64_t handle); /* evl_call_drop() */
	int64_t (*deadline)(const struct evl *evl, Evloop__Clock clock, int64_t deadline_ns,
			    protobuf_c_boolean *ret_relative); /* evl_call_deadline() */
	int (*take_descriptor)(pid_t pid, int fd); /* descriptor_take() */
	int (*open_process)(pid_t pid); /* pidfd_open(2), or -errno */
	void (*dispatch)(struct bridge *bridge); /* write the events that have come, without waiting */
};

struct bridge {
	struct evl *evl;
	const struct bridge_ops *ops;
	FILE *out;
	bool shell; /* words of a shell, not JSON */
	const char *prefix; /* --shell=PREFIX: before each name, which is in capitals then; NULL: none */
	uint64_t line; /* number of the present one, for complaints */
	uint64_t n_refused; /* lines so far that were answered by an error */
	bool lost; /* the daemon has gone */
	void *named; /* sources by the id of their request */
	LIST_HEAD(, bridge_source) sources;
};

/* ---- bridge-source.c: what requests have made, and what they are called ------------------------------------- */

struct bridge_source {
	LIST_ENTRY(bridge_source) link; /* bridge::sources */
	struct bridge *bridge;
	json_t *request; /* the "id" of its request; NULL: it has none */
	char *key; /* the same, to be compared; NULL */
	uint64_t handle;
	uint64_t id; /* the daemon's; 0: not known */
	bool follows; /* attached: it lives until ENDED */
	int fd; /* of another process, kept for the daemon that may follow; -1: none */
	int pid; /* of the process that is watched; 0: none */
};

/* One under a new handle.  `request`: the id it is called by, or NULL.  Return: 0, -EEXIST (the id is in use), -ENOMEM, −errno. */
int bridge_source_new(struct bridge *bridge, json_t *request, struct bridge_source **ret);

/* It is over, or never came to be. */
void bridge_source_free(struct bridge_source *source);

/* The source of the request with that id, or NULL. */
struct bridge_source *bridge_source_find(struct bridge *bridge, json_t *request);

void bridge_sources_free(struct bridge *bridge);

/* ---- bridge-call.c: the calls by their names ---------------------------------------------------------------- */

/* One call, from its line to its answer. */
struct bridge_call {
	struct bridge *bridge;
	const struct bridge_verb *verb;
	json_t *given; /* the line; borrowed */
	json_t *fields; /* a copy without what belongs to the bridge: becomes the message */
	Evloop__Method method;
	struct bridge_source *source; /* that it makes; NULL: none */
	bool follows; /* see bridge_source */
	int pid; /* the same */
	struct bridge_source *subject; /* of the request that "request" names; NULL: none */
	json_t *definition; /* of a limiter that is to be there; NULL */
	int fd; /* goes along; -1: none */
	bool fd_is_ours; /* to be closed */
	json_t *reply; /* what is answered */
	const char *error; /* "INVALID"; NULL: none so far */
	char message[512];
};

/* What a name stands for. */
struct bridge_verb {
	const char *name; /* words are parted by blanks */
	Evloop__Method method; /* METHOD_NONE: answered here */
	bool makes_source; /* events follow, under the handle of the request */
	/* Works on call::fields before they become the message.  NULL: nothing to do.  Return: 0, -EINVAL (refused), −errno. */
	int (*prepare)(struct bridge_call *call);
	/* Fills in the message what has not been given.  NULL: nothing to do. */
	int (*complete)(struct bridge_call *call, ProtobufCMessage *request);
	/* Looks at the reply, and may add to call::reply.  NULL: nothing to do. */
	int (*finish)(struct bridge_call *call, const ProtobufCMessage *reply);
};

/* The verb of that name, in which _ and - are blanks; NULL: there is none. */
const struct bridge_verb *bridge_verb_find(const char *name);

/* Refuse the call.  Return: -EINVAL. */
int bridge_refuse(struct bridge_call *call, const char *error, const char *format, ...) _printf_(3, 4);

/* The value of a key in what was given, or NULL; the name without _ns counts as well. */
json_t *bridge_given(const struct bridge_call *call, const char *key);

/* ---- bridge-timer.c, bridge-limiter.c, bridge-watch.c: the verbs that need more than their fields -------------- */

int bridge_prepare_timer(struct bridge_call *call);
int bridge_complete_soon(struct bridge_call *call, ProtobufCMessage *request);
int bridge_complete_after(struct bridge_call *call, ProtobufCMessage *request);
int bridge_complete_at(struct bridge_call *call, ProtobufCMessage *request);
int bridge_complete_every(struct bridge_call *call, ProtobufCMessage *request);
int bridge_complete_sleep(struct bridge_call *call, ProtobufCMessage *request);
int bridge_complete_wait(struct bridge_call *call, ProtobufCMessage *request);
int bridge_prepare_restart(struct bridge_call *call);
int bridge_complete_restart(struct bridge_call *call, ProtobufCMessage *request);
int bridge_prepare_manage(struct bridge_call *call);
int bridge_prepare_cancel(struct bridge_call *call);
int bridge_complete_cancel(struct bridge_call *call, ProtobufCMessage *request);
int bridge_finish_cancel(struct bridge_call *call, const ProtobufCMessage *reply);

int bridge_prepare_limit(struct bridge_call *call);
int bridge_complete_limit(struct bridge_call *call, ProtobufCMessage *request);
int bridge_finish_limit(struct bridge_call *call, const ProtobufCMessage *reply);
int bridge_prepare_limiter_set(struct bridge_call *call);
int bridge_complete_limiter_set(struct bridge_call *call, ProtobufCMessage *request);
int bridge_complete_named(struct bridge_call *call, ProtobufCMessage *request);
int bridge_complete_cost(struct bridge_call *call, ProtobufCMessage *request);
int bridge_finish_explain(struct bridge_call *call, const ProtobufCMessage *reply);
int bridge_complete_items(struct bridge_call *call, ProtobufCMessage *request);

int bridge_prepare_watch(struct bridge_call *call);
int bridge_complete_watch(struct bridge_call *call, ProtobufCMessage *request);
int bridge_complete_subscribe(struct bridge_call *call, ProtobufCMessage *request);
int bridge_complete_ack(struct bridge_call *call, ProtobufCMessage *request);
int bridge_prepare_ack(struct bridge_call *call);

/* ---- bridge-line.c: a line, and its answer --------------------------------------------------------------------- */

/* Do what the line says, and write the answer.  `size` bytes, without the newline; an empty line is passed over. */
void bridge_line(struct bridge *bridge, const char *line, size_t size);

/* A line of more than BRIDGE_LINE_MAX bytes has been thrown away. */
void bridge_line_too_long(struct bridge *bridge);

/* One request, and its reply; an error is noted in `call`.  Return: 0, -EINVAL. */
int bridge_ask(struct bridge_call *call, Evloop__Method method, const ProtobufCMessage *request, int fd,
	       ProtobufCMessage **ret_reply);

/* ---- bridge-event.c: an event, and its line ---------------------------------------------------------------------- */

/* As evl_call_event; `userdata` is the struct bridge_source. */
void bridge_event(struct evl *evl, const Evloop__Event *event, void *userdata);

/* A source is over, for the daemon has refused what had not been waited for: with the next one it could not be gone on with. */
void bridge_ended_with_error(struct bridge_source *source, int error, const char *message);

/* The daemon has gone. */
void bridge_disconnected(struct bridge *bridge);

/* ---- bridge-output.c: objects to lines ------------------------------------------------------------------------------- */

/* Write one line, and drop the reference.  NULL: no memory, a line says so. */
void bridge_write(struct bridge *bridge, json_t *object);
