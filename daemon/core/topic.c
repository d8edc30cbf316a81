/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the names of topics, and who has subscribed to which.
 *
 * Knows nothing of what becomes of a message that was given to a subscription (subscription.c).
 */

#include "daemon/core/topic.h"

#include <search.h>
#include <string.h>

#include "daemon/core/scheduler-private.h"
#include "daemon/core/topic-private.h"

/* ---- names ---- */

static int name_compare(const void *a, const void *b) {
	return strcmp(a, b);
}

static struct topic *topic_find(const struct tenant *tenant, const char *name) {
	char *const *found = tfind(name, &tenant->topics, name_compare);

	return found ? container_of(*found, struct topic, name) : NULL;
}

static struct topic *topic_new(struct tenant *tenant, const char *name) {
	size_t size = strlen(name) + 1;
	struct topic *topic = calloc(1, sizeof(*topic) + size);
	char **place;

	if (!topic)
		return NULL;
	memcpy(topic->name, name, size);
	topic->tenant = tenant;
	LIST_INIT(&topic->audiences);
	place = tsearch(topic->name, &tenant->topics, name_compare);
	if (!place) {
		free(topic);
		return NULL;
	}
	*place = topic->name;
	topic->listed = true;
	return topic;
}

static void topic_unlist(struct topic *topic) {
	if (topic->listed)
		(void)tdelete(topic->name, &topic->tenant->topics, name_compare);
	topic->listed = false;
}

/* Free it if nobody has to do with it any more. */
static void topic_settle(struct topic *topic) {
	if (topic->refs > 0 || topic->defined)
		return;
	topic_unlist(topic);
	free(topic);
}

/* ---- subscribing ---- */

/* The one of that uid, made if need be.  Return: NULL: no memory. */
static struct audience *get_audience(struct topic *topic, struct tenant *tenant) {
	struct audience *audience;

	LIST_FOREACH(audience, &topic->audiences, link)
	if (audience->tenant == tenant)
		return audience;
	audience = calloc(1, sizeof(*audience));
	if (!audience)
		return NULL;
	audience->topic = topic;
	audience->tenant = tenant;
	TAILQ_INIT(&audience->subscriptions);
	LIST_INSERT_HEAD(&topic->audiences, audience, link);
	return audience;
}

static void audience_leave(struct subscription *subscription) {
	struct audience *audience = subscription->audience;

	TAILQ_REMOVE(&audience->subscriptions, subscription, link);
	if (!TAILQ_EMPTY(&audience->subscriptions))
		return;
	LIST_REMOVE(audience, link);
	free(audience);
}

void topic_leave(struct subscription *subscription) {
	struct topic *topic = subscription->topic;

	if (subscription->audience)
		audience_leave(subscription);
	topic->refs--;
	topic_settle(topic);
}

void topic_end(struct subscription *subscription) {
	audience_leave(subscription);
	subscription_end(subscription);
}

int topic_subscribe(struct tenant *tenant, const char *name, struct owner *owner, uint64_t handle, uint32_t queue,
		    uint64_t *ret_id) {
	struct topic *topic = topic_find(tenant, name);
	struct subscription *subscription;
	struct audience *audience;
	int r;

	r = subscription_new(&subscription, owner, handle, queue);
	if (r != 0)
		return r == SOURCE_E_HANDLE_EXISTS ? TOPIC_E_HANDLE_EXISTS : r;
	if (!topic)
		topic = topic_new(tenant, name);
	audience = topic ? get_audience(topic, owner->tenant) : NULL;
	if (!audience) {
		if (topic)
			topic_settle(topic);
		subscription_free(subscription);
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(&audience->subscriptions, subscription, link);
	subscription->audience = audience;
	subscription->topic = topic;
	topic->refs++;
	*ret_id = subscription->source.id;
	return 0;
}

/* ---- emitting ---- */

/* Give each audience the message, or none of them. */
static int distribute(struct topic *topic, const void *data, size_t size) {
	struct audience *audience;
	int r = 0;

	LIST_FOREACH(audience, &topic->audiences, link) {
		audience->message = message_new(audience->tenant, data, size);
		if (!audience->message)
			r = -ENOMEM;
	}
	if (r == 0)
		return 0;
	LIST_FOREACH(audience, &topic->audiences, link)
	if (audience->message)
		message_unref(TAKE_PTR(audience->message));
	return r;
}

/* Return: how many have it. */
static size_t tell(struct audience *audience) {
	struct subscription *subscription;
	size_t n = 0;

	TAILQ_FOREACH(subscription, &audience->subscriptions, link)
	n += subscription_give(subscription, audience->message);
	message_unref(TAKE_PTR(audience->message));
	subscription_trim(audience->tenant);
	return n;
}

int topic_emit(struct tenant *tenant, const char *name, const void *data, size_t size, size_t *ret_receivers) {
	struct topic *topic = topic_find(tenant, name);
	struct audience *audience;
	int r;

	*ret_receivers = 0;
	if (!topic)
		return 0;
	r = distribute(topic, data, size);
	if (r < 0)
		return r;
	LIST_FOREACH(audience, &topic->audiences, link)
	*ret_receivers += tell(audience);
	return 0;
}

/* ---- those of all uids ---- */

/* All who have subscribed are told that it is over. */
static void end_all(struct topic *topic) {
	struct audience *audience;

	while ((audience = LIST_FIRST(&topic->audiences)))
		topic_end(TAILQ_FIRST(&audience->subscriptions));
}

/* What uids have of their own under that name is not to be found any more. */
static void hide_others(struct scheduler *scheduler, const char *name) {
	for (struct tenant *tenant = scheduler_next_tenant(scheduler, 0); tenant && tenant->uid != TENANT_OF_ALL;
	     tenant = scheduler_next_tenant(scheduler, (uint64_t)tenant->uid + 1)) {
		struct topic *topic = topic_find(tenant, name);

		if (!topic)
			continue;
		topic_unlist(topic);
		end_all(topic);
	}
}

static bool access_is_same(const struct access *a, const struct access *b) {
	return a->owner == b->owner && a->group == b->group && a->mode == b->mode;
}

int topic_define(struct scheduler *scheduler, const char *name, const struct access *access) {
	struct topic *topic = topic_of_all(scheduler, name);
	struct tenant *tenant;
	int r;

	if (topic) {
		if (!access_is_same(&topic->access, access))
			end_all(topic);
		topic->access = *access;
		return 0;
	}
	r = scheduler_tenant(scheduler, TENANT_OF_ALL, &tenant);
	if (r < 0)
		return r;
	topic = topic_new(tenant, name);
	if (topic) {
		topic->defined = true;
		topic->access = *access;
		LIST_INSERT_HEAD(&tenant->topics_of_all, topic, link);
		hide_others(scheduler, name);
	}
	tenant_unref(tenant);
	return topic ? 0 : -ENOMEM;
}

void topic_undefine(struct topic *topic) {
	struct tenant *tenant = tenant_ref(topic->tenant);

	LIST_REMOVE(topic, link);
	topic->defined = false;
	topic_unlist(topic);
	end_all(topic);
	topic_settle(topic);
	tenant_unref(tenant);
}

struct topic *topic_of_all(const struct scheduler *scheduler, const char *name) {
	const struct tenant *all = scheduler_next_tenant(scheduler, TENANT_OF_ALL);

	return all ? topic_find(all, name) : NULL;
}

struct topic *topic_next(const struct scheduler *scheduler, const struct topic *topic) {
	const struct tenant *all = scheduler_next_tenant(scheduler, TENANT_OF_ALL);

	if (topic)
		return LIST_NEXT(topic, link);
	return all ? LIST_FIRST(&all->topics_of_all) : NULL;
}

const char *topic_name(const struct topic *topic) {
	return topic->name;
}

const struct access *topic_access(const struct topic *topic) {
	return &topic->access;
}
