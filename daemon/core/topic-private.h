/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Topics, subscriptions and messages from within core/; nobody else includes this. */

#include "daemon/core/source-private.h"
#include "daemon/core/topic.h"

struct audience;

LIST_HEAD(audience_list, audience);
TAILQ_HEAD(subscription_list, subscription);
STAILQ_HEAD(own_deliveries, delivery);

struct topic {
	struct tenant *tenant; /* whose name it is */
	size_t refs; /* subscriptions, those included that are over */
	bool listed; /* it is found by its name */
	bool defined; /* by configuration */
	struct access access; /* defined */
	LIST_ENTRY(topic) link; /* tenant::topics_of_all, while it is defined */
	struct audience_list audiences;
	char name[];
};

/* Those of one uid who have subscribed: they share each message, and that uid pays for it. */
struct audience {
	struct topic *topic;
	struct tenant *tenant;
	LIST_ENTRY(audience) link; /* topic::audiences */
	struct subscription_list subscriptions; /* in the order in which they came */
	struct message *message; /* what is being emitted */
};

/* What was emitted, as it is kept for one audience.  Not changed until the last delivery of it has gone. */
struct message {
	struct tenant *tenant; /* who pays */
	size_t refs;
	int64_t emitted_ns; /* boottime */
	size_t size;
	uint8_t data[];
};

/* A message that a subscription has and its owner has not taken.  There may be very many. */
struct delivery {
	struct message *message;
	struct subscription *subscription;
	STAILQ_ENTRY(delivery) link; /* subscription::deliveries */
	TAILQ_ENTRY(delivery) mail_link; /* owner::mail */
	TAILQ_ENTRY(delivery) old_link; /* tenant::old_mail, while it is not its subscription's last */
};

struct subscription {
	struct source source;
	struct topic *topic; /* NULL: none yet */
	struct audience *audience; /* NULL: it is over, or has not begun */
	TAILQ_ENTRY(subscription) link; /* audience::subscriptions */
	struct own_deliveries deliveries;
	struct delivery *last; /* of them, if there are any */
	uint32_t n; /* of them */
	uint32_t queue; /* how many there may be; 0: one, into which others are merged */
	uint64_t seq; /* of the last message that was for it, taken, kept or lost */
	uint64_t merged; /* queue 0: how many the one stands for */
	int64_t first_ns; /* queue 0: boottime of the first of those */
	uint64_t lost_from; /* the first that was lost and not told of; all up to the first delivery were.  0: none */
};

static inline struct subscription *subscription_of(struct source *source) {
	return container_of(source, struct subscription, source);
}

/* ---- subscription.c ---- */

/* Of no topic yet.  Return: 0, SOURCE_E_HANDLE_EXISTS, -ENOMEM. */
int subscription_new(struct subscription **ret, struct owner *owner, uint64_t handle, uint32_t queue);
/* With all that it has; leaves its topic. */
void subscription_free(struct subscription *subscription);

/* It has left its audience: nothing more will come but what it has, and the news of that. */
void subscription_end(struct subscription *subscription);

/* One more message.  Return: false: it is lost for this one, for there is no memory, or nobody hears it. */
bool subscription_give(struct subscription *subscription, struct message *message);

/* Let the oldest go that the tenant keeps, as far as something newer follows them, until it has no more bytes of messages than it may. */
void subscription_trim(struct tenant *tenant);

/* A reference is the caller's.  Return: NULL: no memory. */
struct message *message_new(struct tenant *tenant, const void *data, size_t size);
void message_unref(struct message *message);

/* ---- topic.c ---- */

/* It hears nothing more of its topic, and is told so. */
void topic_end(struct subscription *subscription);

/* The last one may be the end of the topic. */
void topic_leave(struct subscription *subscription);
