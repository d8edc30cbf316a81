/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the kinds of sources in core/ share; nobody else includes this. */

#include "daemon/core/source.h"

enum {
	SOURCE_E_HANDLE_EXISTS = 1,
};

/* What each kind does with its sources; every kind has all of them but the last. */
struct source_ops {
	/* Its owner goes away, and the source with it, or becomes somebody else's. */
	void (*disown)(struct source *source);
	/* Its owner begins anew, and is about to make the same again.  NULL: as disown(). */
	void (*renounce)(struct source *source);
	/* Its owner cancels it.  It is gone afterwards. */
	enum cancel_outcome (*cancel)(struct source *source);
	/* Say what its pending event of ret->type says. */
	void (*fill_event)(struct source *source, struct event *ret);
	/* The owner has taken that event, which is not pending any more.  May free the source. */
	void (*took_event)(struct source *source, enum event_type type);
	/* The owner has dealt with it.  NULL: nothing is acknowledged.  May free the source. */
	void (*ack)(struct source *source);
};

extern const struct source_ops timer_source_ops; /* timer-fire.c */
extern const struct source_ops attachment_source_ops; /* attachment.c */
extern const struct source_ops claim_source_ops; /* claim.c */
extern const struct source_ops subscription_source_ops; /* subscription.c */
extern const struct source_ops watch_source_ops; /* watch.c */
extern const struct source_ops path_source_ops; /* path-watch.c */

/*
 * Make `source` known to its owner by its handle, unless that is 0.  Nothing is pending.
 * Return: 0, SOURCE_E_HANDLE_EXISTS, -ENOMEM.
 */
int source_init(struct source *source, enum source_kind kind, struct owner *owner, uint64_t handle, uint64_t id);

/* The owner forgets the source, and what is pending of it. */
void source_deinit(struct source *source);

/* Would an event of this source reach anybody? */
bool source_is_heard(const struct source *source);

/* An event of that type is pending from now on, if anybody hears it.  A gate may hold it back; then it is pending all the same. */
void source_raise(struct source *source, enum event_type type);

/* No event of that type is pending any more.  Return: true: one was. */
bool source_withdraw(struct source *source, enum event_type type);

/* The owner may see what is pending; no effect on what is not held back. */
void source_release(struct source *source);

static inline bool source_is_pending(const struct source *source, enum event_type type) {
	return source->pending >> type & 1;
}
