/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A topic: a name under which messages are emitted to whoever has subscribed.  A tenant's own one is there while somebody
 * subscribes; what is emitted without subscribers is gone.  Those that configuration defines, of TENANT_OF_ALL, are there until it
 * does not any more.
 */

#include "daemon/core/access.h"
#include "daemon/core/source.h"

struct scheduler;
struct topic;

enum {
	TOPIC_E_HANDLE_EXISTS = 1,
};

/*
 * Subscribe `owner`, under `handle`, to the tenant's topic of that name.  `queue`: how many messages are kept until they are taken, beyond
 * them the oldest is lost; 0: only the last one is kept, with a count.
 * Return: 0, TOPIC_E_HANDLE_EXISTS, -ENOMEM.
 */
int topic_subscribe(struct tenant *tenant, const char *name, struct owner *owner, uint64_t handle, uint32_t queue,
		    uint64_t *ret_id);

/*
 * Tell all who have subscribed to the tenant's topic of that name, in the order in which they did; the time is scheduler_now().
 * *ret_receivers: how many subscriptions have it now.  Return: 0, -ENOMEM: nobody has.
 */
int topic_emit(struct tenant *tenant, const char *name, const void *data, size_t size, size_t *ret_receivers);

/* ---- those of all uids ---- */

/*
 * Let there be one of that name for all uids, or change who may use it: to subscribe takes read, to emit write.  Who has subscribed to
 * another one of that name, or to it while others might, is told that this is over: an event without a message, and `more` false.
 * Return: 0, -ENOMEM.
 */
int topic_define(struct scheduler *scheduler, const char *name, const struct access *access);

/* The same, without one. */
void topic_undefine(struct topic *topic);

/* NULL: there is none of that name for all. */
struct topic *topic_of_all(const struct scheduler *scheduler, const char *name);

/* Of the topics of all, in no order, the one after `topic`; NULL: the first, or no more. */
struct topic *topic_next(const struct scheduler *scheduler, const struct topic *topic);

/* Borrowed. */
const char *topic_name(const struct topic *topic);
const struct access *topic_access(const struct topic *topic);
