/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the kinds of sources in core/ share; nobody else includes this. */

#include "daemon/core/source.h"

enum {
	SOURCE_E_HANDLE_EXISTS = 1,
};

/*
 * Make `source` known to its owner by its handle, unless that is 0.  Nothing is pending.
 * Return: 0, SOURCE_E_HANDLE_EXISTS, -ENOMEM.
 */
int source_init(struct source *source, enum source_kind kind, struct owner *owner, uint64_t handle, uint64_t id);

/* The owner forgets the source, and what is pending of it. */
void source_deinit(struct source *source);

/* Would an event of this source reach anybody? */
bool source_is_heard(const struct source *source);

/* An event of that type is pending from now on, if anybody hears it. */
void source_raise(struct source *source, enum event_type type);

/* No event of that type is pending any more.  Return: true: one was. */
bool source_withdraw(struct source *source, enum event_type type);

static inline bool source_is_pending(const struct source *source, enum event_type type) {
	return source->pending >> type & 1;
}
