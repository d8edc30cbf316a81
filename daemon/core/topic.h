/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A topic: a name under which messages are emitted to whoever has subscribed.  A tenant's own one is there while somebody
 * subscribes; what is emitted without subscribers is gone.
 */

#include "daemon/core/source.h"

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
