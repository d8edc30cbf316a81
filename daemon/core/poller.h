/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The poller: waits for descriptors of strangers, in an epoll of its own that the loop looks at as one descriptor.
 *
 * Each is told of once and then left alone until it is armed again, which looks at it anew: what is ready then is told of, whether
 * it has just become so or was so before.  So nothing is lost between reading it and arming, and what is always ready costs nothing
 * as long as it is not armed.
 */

#include "proto/base.h"

#define POLLER_EVENTS_PER_TURN 256 /* told of in one poller_dispatch() */

struct poller;

/* What is waited for: embedded in whoever waits. */
struct poll_item {
	struct poller *poller; /* NULL: is not waited for */
	int fd; /* borrowed */
	uint32_t slot; /* of the poller */
	/* It is ready: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR.  May do as it likes, with this item and others. */
	void (*ready)(struct poll_item *item, uint32_t events);
};

int poller_new(struct poller **ret);
/* Nothing is waited for any more. */
struct poller *poller_free(struct poller *poller);

/* Readable while poller_dispatch() has something to do. */
int poller_fd(const struct poller *poller);

/*
 * Wait for `events` on a descriptor, which stays the caller's, and must be taken out before it is closed: a copy that somebody else
 * has would keep it here.  HUP and ERR are always told.
 * Return: 0; −errno as epoll_ctl(2): -EPERM: it cannot be waited for, -ENOSPC: the kernel lets us wait for no more.
 */
int poller_add(struct poller *poller, struct poll_item *item, int fd, uint32_t events,
	       void (*ready)(struct poll_item *item, uint32_t events));

/* It was told of: wait again.  Return: 0, −errno. */
int poller_arm(struct poll_item *item, uint32_t events);

/* No effect on one that is not waited for. */
void poller_remove(struct poll_item *item);

/* Tell of what is ready, POLLER_EVENTS_PER_TURN at most; the rest comes with the next call.  Never waits. */
void poller_dispatch(struct poller *poller);

/* The same where something was armed since the last time, and may well have been ready then: whoever looks here need not wait to be
 * told by poller_fd(). */
void poller_dispatch_armed(struct poller *poller);
