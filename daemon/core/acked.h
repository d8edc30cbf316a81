/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What sources have in common whose events are acknowledged: one event, then none until the acknowledgement, which arms the source
 * anew.  What happens meanwhile is the kind's to keep.  Such a source may have a timeout, an event of its own after so long
 * without another one.
 *
 *     ARMED  -- acked_raise(), the timeout -->  PENDING  -- taken -->  UNACKED  -- acked_ack() -->  ARMED
 */

#include "daemon/core/reminder.h"
#include "daemon/core/source.h"

enum acked_state {
	ACKED_ARMED,
	ACKED_PENDING, /* an event waits to be taken */
	ACKED_UNACKED, /* it was taken */
};

struct acked {
	struct source source;
	enum event_type type; /* the only one it has */
	enum acked_state state;
	bool timed_out; /* PENDING: nothing but that is to be told */
	int64_t timeout_ns; /* 0: none */
	int64_t fired_ns; /* boottime: the first of what was counted, or of the timeout */
	uint64_t fires; /* counted since the last event was taken */
	uint64_t fire_seq; /* counted at all */
	struct reminder timeout;
};

/* An armed source.  Return: as source_init(), on failure nothing is to be undone. */
int acked_init(struct acked *acked, enum source_kind kind, enum event_type type, struct owner *owner, uint64_t handle,
	       int64_t timeout_ns);
void acked_deinit(struct acked *acked);

/* Something has happened that the next event tells of. */
void acked_count(struct acked *acked);

/* There is something to tell: in the event that is pending, in a new one, or, while one is unacknowledged, not yet. */
void acked_raise(struct acked *acked);

struct acked_progress; /* core/progress.h */

/* What a successor of this process needs to go on with it; and there, for one that has just been made. */
void acked_progress(const struct acked *acked, struct acked_progress *ret);
void acked_restore(struct acked *acked, const struct acked_progress *progress);

/* What the event says for all kinds. */
void acked_fill_event(const struct acked *acked, struct event *ret);

/* The event has been taken, and is not the last one. */
void acked_took_event(struct acked *acked);

/* Its event has been dealt with.  Return: false: there was none. */
bool acked_ack(struct acked *acked);
