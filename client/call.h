/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * One generic call to the daemon, for the evloop command: it manages other people's timers, which the library
 * has no nouns for.  Not installed.
 */

#include <protobuf-c/protobuf-c.h>

#include "client/evloop.h"
#include "proto/evloop.pb-c.h"

/*
 * As evl_connect_with(); where the daemon refuses, *ret_refusal is why, to be freed by evloop__error__free_unpacked();
 * else NULL.
 */
int evl_connect_explained(struct evl **ret, const char *path, unsigned flags, Evloop__Error **ret_refusal);

/*
 * Send `request` as that method and wait for the answer.  The reply belongs to the caller: free it with
 * protobuf_c_message_free_unpacked(reply, NULL).
 * Return: 0, or −errno as every call of the library; then evl_call_error() has the whole of it.
 */
int evl_call(struct evl *evl, Evloop__Method method, const ProtobufCMessage *request, ProtobufCMessage **ret_reply);

/* The same, and a descriptor goes along (-1: none); it stays the caller's.  Where it is to be watched, keep it open as long as
 * that: by its number it is found for the next daemon. */
int evl_call_with_fd(struct evl *evl, Evloop__Method method, const ProtobufCMessage *request, int fd,
		     ProtobufCMessage **ret_reply);

/* A request without an answer; a copy of `fd` goes along (-1: none).  Does not wait.  Return: 0, or −errno. */
int evl_call_oneway(struct evl *evl, Evloop__Method method, const ProtobufCMessage *request, int fd);

/* The daemon's last refusal on this connection, with limit and existing definition; NULL: none.  Borrowed until the next call. */
const Evloop__Error *evl_call_error(struct evl *evl);

/* The same for tokens and places: where the daemon died over it the next one is asked.  At worst they are taken twice from a limiter that is
 * meant to hold this caller up, who would otherwise be told that nobody knows.  Once, for a daemon that dies of it would die again. */
int evl_call_to_take(struct evl *evl, Evloop__Method method, const ProtobufCMessage *request, int fd,
		     ProtobufCMessage **ret_reply);

/* What the daemon said in its hello: pid, uid, whether it runs commands.  Borrowed. */
const Evloop__HelloReply *evl_call_hello(struct evl *evl);

/*
 * A handle that no source of this connection has, for requests of one's own; events for it go to `callback` until the handle is
 * dropped, with the event as it came.  What was armed under it by one of the calls above is armed again where the daemon dies and
 * another one goes on; then a subscription hears of a message with an empty `gap` and no `fires`, and a path of a `rescan`.  What
 * cannot be armed is over: the error handler has its source, whose evl_source_userdata() is `userdata`.
 */
typedef void (*evl_call_event)(struct evl *evl, const Evloop__Event *event, void *userdata);
int evl_call_handle(struct evl *evl, uint64_t *ret_handle, evl_call_event callback, void *userdata);
void evl_call_drop(struct evl *evl, uint64_t handle);

/* The last event for that handle, READY, CHANGED or TIMEOUT, has been dealt with: the daemon may send the next.  Within a callback it is
 * told after the batch, in one frame with all others; else at once.  Return: 0, -ENOENT (no such handle), -ENOTCONN. */
int evl_call_ack(struct evl *evl, uint64_t handle);

/*
 * What a timer's command takes along of this process, as evl_timer_add() has it; `timer` says which words, environment and directory.
 * Borrows the words; free with command_free().  Return: 0, −EINVAL (no word, a relative directory), −E2BIG, −errno.
 */
int command_new(const struct evl_timer *timer, Evloop__Command **ret);
Evloop__Command *command_free(Evloop__Command *command);

/* Is that variable ("NAME=VALUE") left out where evl_timer::environment is NULL? */
bool command_leaves_out(const char *variable);

/* The daemon's deadline for one that was read from this process's clock: the same, or relative where their clocks differ. */
int64_t evl_call_deadline(const struct evl *evl, Evloop__Clock clock, int64_t deadline_ns,
			  protobuf_c_boolean *ret_relative);

/*
 * Which socket `path` (NULL: none given) means, by the rule of libevloop(3).  *ret_path is allocated; *ret_private: it is the
 * private daemon's, which may be started.  Return: 0, −ENOMEM, −ENAMETOOLONG.
 */
int evl_locate(const char *path, char **ret_path, bool *ret_private);

/* What there is of a user's own instance where a private daemon is used. */
enum own_instance {
	OWN_INSTANCE_NONE, /* none is to be expected */
	OWN_INSTANCE_SILENT, /* its socket is enabled, and nobody listens */
	OWN_INSTANCE_LISTENS,
};

/* `evl` has come to a private daemon that it has not named: should it have come to the user's own instance?  Which is not started by that. */
enum own_instance evl_own_instance(const struct evl *evl);

/* Has the administrator enabled the socket of the system's instance? */
bool evl_system_is_enabled(void);

/* The program that is started as a private daemon. */
const char *evl_daemon_program(void);
