/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* An attachment: an owner follows a timer of its tenant.  From within core/; nobody else includes this. */

#include "daemon/core/progress.h"
#include "daemon/core/source-private.h"

struct timer;

/* Write what `record` says into the event. */
void fire_record_fill(const struct fire_record *record, struct event *ret);

/* One more dispatch: `pending`: `record` has not been taken yet, add to it; else it is forgotten. */
void fire_record_merge(struct fire_record *record, bool pending, const struct fire_record *fire);

struct attachment {
	struct source source;
	struct timer *timer; /* NULL: it is over */
	LIST_ENTRY(attachment) link; /* timer_extra::attachments */
	struct fire_record fire; /* FIRED */
	struct run_info run; /* EXITED, ENDED: the last one known; `run` 0: none */
	uint64_t output_end; /* OUTPUT */
	enum source_end end; /* ENDED */
	bool output; /* OUTPUT events are wanted */
	bool controls; /* it was made by arming: cancelling it cancels the timer as well */
	char name[]; /* of the timer, which may be gone first; "": none */
};

static inline struct attachment *attachment_of(struct source *source) {
	return container_of(source, struct attachment, source);
}

/* Follow a live timer that has its extension.  Return: 0, SOURCE_E_HANDLE_EXISTS, -ENOMEM. */
int attachment_new(struct attachment **ret, struct timer *timer, struct owner *owner, uint64_t handle);

/* Stop following, without a word. */
void attachment_free(struct attachment *attachment);

/* The timer fired; wrote; a run of it ended; it is over: then the attachment follows nothing any more. */
void attachment_fired(struct attachment *attachment, const struct fire_record *fire);
void attachment_wrote(struct attachment *attachment, uint64_t output_end);
void attachment_exited(struct attachment *attachment, const struct run_info *run);
void attachment_ended(struct attachment *attachment, enum source_end end, const struct run_info *last_run);
