/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what those who have subscribed have not taken yet, and what they lose by being slow.
 *
 * What one emits on several topics is heard in that order by an owner who has subscribed to all of them.  So an owner has one line of
 * its mail, owner::mail, and takes from that, whichever of its subscriptions comes up in the order of its sources.
 * What is merged keeps the place of the first.  A subscription with a gate has its messages to itself: when they are heard is up to
 * the gate.
 *
 * A subscription never loses the last message: whatever was lost is told with one that follows.
 */

#include "daemon/core/topic-private.h"

#include <assert.h>
#include <string.h>

#include "daemon/core/progress.h"
#include "daemon/core/scheduler-private.h"

static struct tenant *tenant_of(const struct subscription *subscription) {
	return subscription->source.owner->tenant;
}

/* ---- messages ---- */

struct message *message_new(struct tenant *tenant, const void *data, size_t size) {
	struct message *message = malloc(sizeof(*message) + size);

	if (!message)
		return NULL;
	*message = (struct message){
		.tenant = tenant,
		.refs = 1,
		.emitted_ns = tenant->scheduler->now.ns[TIMER_CLOCK_BOOTTIME],
		.size = size,
	};
	if (size > 0)
		memcpy(message->data, data, size);
	tenant_charge(tenant, message_bytes, sizeof(*message) + size);
	return message;
}

void message_unref(struct message *message) {
	if (--message->refs > 0)
		return;
	tenant_charge(message->tenant, message_bytes, -(sizeof(*message) + message->size));
	free(message);
}

static struct message *message_ref(struct message *message) {
	message->refs++;
	return message;
}

/* ---- deliveries ---- */

static struct delivery *first_of(const struct subscription *subscription) {
	return STAILQ_FIRST(&subscription->deliveries);
}

/* How many messages a delivery stands for. */
static uint64_t fires_of(const struct subscription *subscription) {
	return subscription->queue == 0 ? subscription->merged : 1;
}

/* The number of the first delivery, the last where it is several. */
static uint64_t first_seq(const struct subscription *subscription) {
	return subscription->queue == 0 ? subscription->seq : subscription->seq - subscription->n + 1;
}

/* Behind all others of the subscription, and of its owner. */
static void append(struct subscription *subscription, struct delivery *delivery, struct message *message) {
	*delivery = (struct delivery){ .message = message_ref(message), .subscription = subscription };
	if (subscription->n > 0)
		TAILQ_INSERT_TAIL(&tenant_of(subscription)->old_mail, subscription->last, old_link);
	STAILQ_INSERT_TAIL(&subscription->deliveries, delivery, link);
	subscription->last = delivery;
	if (!subscription->source.gated)
		TAILQ_INSERT_TAIL(&subscription->source.owner->mail, delivery, mail_link);
	subscription->n++;
}

/* The first one is out.  Return: what is left of it, to be used again or freed. */
static struct delivery *remove_first(struct subscription *subscription) {
	struct delivery *delivery = first_of(subscription);

	if (delivery != subscription->last)
		TAILQ_REMOVE(&tenant_of(subscription)->old_mail, delivery, old_link);
	STAILQ_REMOVE_HEAD(&subscription->deliveries, link);
	if (!subscription->source.gated)
		TAILQ_REMOVE(&subscription->source.owner->mail, delivery, mail_link);
	subscription->n--;
	message_unref(delivery->message);
	return delivery;
}

static void delivery_free(struct tenant *tenant, struct delivery *delivery) {
	tenant_charge(tenant, message_bytes, -sizeof(*delivery));
	free(delivery);
}

/* The first one is lost.  There is one. */
static struct delivery *lose_first(struct subscription *subscription) {
	if (subscription->lost_from == 0)
		subscription->lost_from = first_seq(subscription);
	return remove_first(subscription);
}

/* Does the tenant keep too much, or leave too little of the pool for the others? */
static bool is_full(const struct tenant *tenant) {
	const struct scheduler *scheduler = tenant->scheduler;

	return tenant->use.message_bytes > scheduler->message_limit ||
	       !is_fair_share(tenant->use.message_bytes, scheduler->shared_use.users.message_bytes,
			      scheduler->shared_use.sum.message_bytes, scheduler->message_pool);
}

void subscription_trim(struct tenant *tenant) {
	struct delivery *delivery;

	while (is_full(tenant) && (delivery = TAILQ_FIRST(&tenant->old_mail))) {
		/* What comes before it in its subscription has become old before it. */
		assert(delivery == first_of(delivery->subscription));
		delivery_free(tenant, lose_first(delivery->subscription));
	}
}

/* ---- giving ---- */

/* Room for one more delivery: that of the oldest, where there may be no more or there is no memory.  Return: NULL: none. */
static struct delivery *make_room(struct subscription *subscription) {
	struct delivery *delivery = NULL;

	if (subscription->n < subscription->queue || subscription->n == 0)
		delivery = malloc(sizeof(*delivery));
	if (delivery) {
		tenant_charge(tenant_of(subscription), message_bytes, sizeof(*delivery));
		return delivery;
	}
	return subscription->n > 0 ? lose_first(subscription) : NULL;
}

/* Into the one that is there. */
static void merge(struct subscription *subscription, struct message *message) {
	struct delivery *delivery = first_of(subscription);

	message_unref(delivery->message);
	delivery->message = message_ref(message);
	subscription->seq++;
	subscription->merged++;
}

bool subscription_give(struct subscription *subscription, struct message *message) {
	struct delivery *delivery;

	if (!source_is_heard(&subscription->source))
		return false;
	if (subscription->queue == 0 && subscription->n > 0) {
		merge(subscription, message);
		return true;
	}
	delivery = make_room(subscription);
	subscription->seq++;
	if (!delivery) {
		if (subscription->lost_from == 0)
			subscription->lost_from = subscription->seq;
		return false;
	}
	append(subscription, delivery, message);
	subscription->merged = 1;
	subscription->first_ns = message->emitted_ns;
	source_raise(&subscription->source, EVENT_TYPE_MESSAGE);
	return true;
}

/* ---- coming and going ---- */

int subscription_new(struct subscription **ret, struct owner *owner, uint64_t handle, uint32_t queue) {
	struct scheduler *scheduler = owner->tenant->scheduler;
	struct subscription *subscription = calloc(1, sizeof(*subscription));
	int r;

	if (!subscription)
		return -ENOMEM;
	r = source_init(&subscription->source, SOURCE_SUBSCRIPTION, owner, handle, scheduler->next_id);
	if (r != 0) {
		free(subscription);
		return r;
	}
	scheduler->next_id++;
	subscription->queue = queue;
	STAILQ_INIT(&subscription->deliveries);
	tenant_charge(owner->tenant, subscriptions, 1);
	*ret = subscription;
	return 0;
}

void subscription_free(struct subscription *subscription) {
	struct tenant *tenant = tenant_of(subscription);

	while (subscription->n > 0)
		delivery_free(tenant, remove_first(subscription));
	if (subscription->topic)
		topic_leave(subscription);
	tenant_charge(tenant, subscriptions, -1);
	source_deinit(&subscription->source);
	free(subscription);
}

static bool is_over(const struct subscription *subscription) {
	return !subscription->audience;
}

void subscription_end(struct subscription *subscription) {
	subscription->audience = NULL;
	if (subscription->n > 0)
		return;
	subscription->merged = 0;
	subscription->first_ns = tenant_of(subscription)->scheduler->now.ns[TIMER_CLOCK_BOOTTIME];
	source_raise(&subscription->source, EVENT_TYPE_MESSAGE);
}

/* ---- going on in another process ---- */

bool subscription_progress(const struct source *source, struct subscription_progress *ret) {
	const struct subscription *subscription = container_of(source, struct subscription, source);
	const struct topic *topic = subscription->topic;

	if (source->kind != SOURCE_SUBSCRIPTION)
		return false;
	/* Of a topic that is gone there is only the name, by which there may be another one by now. */
	*ret = (struct subscription_progress){
		.topic = topic->name,
		.over = is_over(subscription),
		.topic_uid = is_over(subscription) ? tenant_of(subscription)->uid : topic->tenant->uid,
		.topic_access = topic->defined && !is_over(subscription) ? &topic->access : NULL,
		.id = source->id,
		.queue = subscription->queue,
		.seq = subscription->seq,
		.lost_from = subscription->lost_from,
	};
	if (subscription->n > 0)
		ret->seq = first_seq(subscription) - fires_of(subscription);
	return true;
}

int subscription_restore(struct tenant *topics, struct owner *owner, uint64_t handle,
			 const struct subscription_progress *progress) {
	struct scheduler *scheduler = owner->tenant->scheduler;
	uint64_t next_id = scheduler->next_id, id;
	struct subscription *subscription;
	int r;

	scheduler->next_id = progress->id;
	r = topic_subscribe(topics, progress->topic, owner, handle, progress->queue, &id);
	scheduler->next_id = MAX(next_id, progress->id + 1);
	if (r != 0)
		return r;
	subscription = subscription_of(owner_find(owner, handle));
	subscription->seq = progress->seq;
	subscription->lost_from = progress->lost_from;
	if (progress->over)
		topic_end(subscription);
	return 0;
}

/* Return: there is one. */
static bool tell_mail(const struct delivery *delivery, struct mail *ret) {
	if (!delivery)
		return false;
	*ret = (struct mail){
		.handle = delivery->subscription->source.handle,
		.data = delivery->message->data,
		.size = delivery->message->size,
		.emitted_ns = delivery->message->emitted_ns,
		.first_ns = delivery->subscription->first_ns,
		.merged = fires_of(delivery->subscription),
	};
	return true;
}

bool owner_next_mail(const struct owner *owner, const struct delivery **position, struct mail *ret) {
	*position = *position ? TAILQ_NEXT(*position, mail_link) : TAILQ_FIRST(&owner->mail);
	return tell_mail(*position, ret);
}

bool gated_next_mail(const struct source *source, const struct delivery **position, struct mail *ret) {
	if (source->kind != SOURCE_SUBSCRIPTION || !source->gated)
		return false;
	*position =
		*position ? STAILQ_NEXT(*position, link) : first_of(container_of(source, struct subscription, source));
	return tell_mail(*position, ret);
}

int owner_restore_mail(struct owner *owner, const struct mail *mail) {
	struct source *source = owner_find(owner, mail->handle);
	struct subscription *subscription;
	struct message *message;
	bool given;

	if (!source || source->kind != SOURCE_SUBSCRIPTION)
		return -ENOENT;
	subscription = subscription_of(source);
	message = message_new(owner->tenant, mail->data, mail->size);
	if (!message)
		return -ENOMEM;
	message->emitted_ns = mail->emitted_ns;
	subscription->seq += mail->merged - 1;
	given = subscription_give(subscription, message);
	message_unref(message);
	subscription->merged = mail->merged;
	subscription->first_ns = mail->first_ns;
	return given ? 0 : -ENOMEM;
}

/* ---- as a source ---- */

static void disown(struct source *source) {
	subscription_free(subscription_of(source));
}

static enum cancel_outcome cancel(struct source *source) {
	bool pending = source_is_pending(source, EVENT_TYPE_MESSAGE);

	subscription_free(subscription_of(source));
	return pending ? CANCEL_WITHDRAWN : CANCEL_CANCELLED;
}

/* The subscription whose turn it is when `source` comes up: that of the owner's first mail. */
static struct subscription *subscription_due(struct source *source) {
	struct subscription *subscription = subscription_of(source);

	/* One that has no mail is over, and its last word its own. */
	if (source->gated || subscription->n == 0)
		return subscription;
	return TAILQ_FIRST(&source->owner->mail)->subscription;
}

static void fill_event(struct source *source, struct event *ret) {
	const struct subscription *subscription = subscription_due(source);
	const struct message *message = subscription->n > 0 ? first_of(subscription)->message : NULL;

	ret->handle = subscription->source.handle;
	ret->id = subscription->source.id;
	ret->name = subscription->topic->name;
	ret->fires = message ? fires_of(subscription) : 0;
	ret->fire_seq = message ? first_seq(subscription) : subscription->seq;
	ret->fired_ns = message && subscription->queue > 0 ? message->emitted_ns : subscription->first_ns;
	ret->data = message ? message->data : NULL;
	ret->data_size = message ? message->size : 0;
	ret->more = !is_over(subscription) || subscription->n > 1;
	if (subscription->lost_from > 0) {
		ret->gap_first = subscription->lost_from;
		ret->gap_last = ret->fire_seq - ret->fires;
	}
}

/* `source` has lent its place to the one whose turn it was; both stay in the order if they have more. */
static void took_event(struct source *source, enum event_type type) {
	struct subscription *taken = subscription_due(source), *lender = subscription_of(source);

	taken->lost_from = 0;
	if (taken->n > 0)
		delivery_free(tenant_of(taken), remove_first(taken));
	if (lender->n > 0)
		source_raise(source, type);
	if (taken->n == 0 && is_over(taken))
		subscription_free(taken);
	else if (taken->n == 0)
		(void)source_withdraw(&taken->source, type);
}

const struct source_ops subscription_source_ops = {
	.disown = disown,
	.cancel = cancel,
	.fill_event = fill_event,
	.took_event = took_event,
};
