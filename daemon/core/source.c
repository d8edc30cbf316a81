/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the tie between owners and their sources: handles, and the order in which pending events are taken.
 * What an event says is kept by the source's kind (timer.c, attachment.c) until it is taken.
 *
 * Knows nothing of time, nor of how an owner sends what it takes.
 */

#include "daemon/core/source-private.h"

#include <assert.h>

#include "daemon/core/attachment.h"
#include "daemon/core/limiter-private.h"
#include "daemon/core/scheduler-private.h"
#include "daemon/core/timer-private.h"

int source_init(struct source *source, enum source_kind kind, struct owner *owner, uint64_t handle, uint64_t id) {
	int r;

	source->owner = owner;
	source->handle = handle;
	source->id = id;
	source->kind = (uint8_t)kind;
	source->pending = 0;
	if (handle == 0)
		return 0;
	r = map_insert(&owner->handles, handle, source);
	return r == MAP_E_EXISTS ? SOURCE_E_HANDLE_EXISTS : r;
}

void source_deinit(struct source *source) {
	if (source->pending) {
		TAILQ_REMOVE(&source->owner->pending, source, pending_link);
		source->pending = 0;
	}
	if (source->handle != 0)
		(void)map_remove(&source->owner->handles, source->handle);
}

bool source_is_heard(const struct source *source) {
	return source->handle != 0 && source->owner->ready;
}

void source_raise(struct source *source, enum event_type type) {
	struct owner *owner = source->owner;
	bool was_pending = source->pending, was_empty;

	if (!source_is_heard(source))
		return;
	source->pending |= (uint8_t)(1u << type);
	if (was_pending)
		return;
	was_empty = TAILQ_EMPTY(&owner->pending);
	TAILQ_INSERT_TAIL(&owner->pending, source, pending_link);
	if (was_empty)
		owner->ready(owner);
}

bool source_withdraw(struct source *source, enum event_type type) {
	if (!source_is_pending(source, type))
		return false;
	source->pending &= (uint8_t) ~(1u << type);
	if (source->pending == 0)
		TAILQ_REMOVE(&source->owner->pending, source, pending_link);
	return true;
}

void owner_init(struct owner *owner, struct tenant *tenant, void (*ready)(struct owner *owner)) {
	*owner = (struct owner){ .tenant = tenant_ref(tenant), .ready = ready };
	map_init(&owner->handles, &tenant->scheduler->maps);
	TAILQ_INIT(&owner->pending);
}

bool owner_reduce(struct owner *owner, size_t n) {
	struct source *source;

	while (n-- > 0 && (source = map_find_from(&owner->handles, 0)))
		switch ((enum source_kind)source->kind) {
		case SOURCE_TIMER:
			(void)timer_drop(timer_of(source));
			break;
		case SOURCE_ATTACHMENT:
			attachment_free(attachment_of(source));
			break;
		case SOURCE_CLAIM:
			claim_disown(claim_of(source));
			break;
		}
	return owner->handles.count > 0;
}

void owner_deinit(struct owner *owner) {
	while (owner_reduce(owner, SIZE_MAX))
		;
	owner->tenant = tenant_unref(owner->tenant);
}

struct source *owner_find(struct owner *owner, uint64_t handle) {
	return map_find(&owner->handles, handle);
}

/* The type of the event to be taken first; one is pending. */
static enum event_type source_next_type(const struct source *source) {
	return (enum event_type)__builtin_ctz(source->pending);
}

bool owner_peek_event(struct owner *owner, struct event *ret) {
	struct source *source = TAILQ_FIRST(&owner->pending);

	if (!source)
		return false;
	*ret = (struct event){ .type = source_next_type(source), .handle = source->handle, .id = source->id };
	switch ((enum source_kind)source->kind) {
	case SOURCE_TIMER:
		timer_fill_event(timer_of(source), ret);
		break;
	case SOURCE_ATTACHMENT:
		attachment_fill_event(attachment_of(source), ret);
		break;
	case SOURCE_CLAIM:
		claim_fill_event(claim_of(source), ret);
		break;
	}
	return true;
}

void owner_took_event(struct owner *owner) {
	struct source *source = TAILQ_FIRST(&owner->pending);
	enum event_type type;

	assert(source);
	type = source_next_type(source);
	(void)source_withdraw(source, type);
	switch ((enum source_kind)source->kind) {
	case SOURCE_TIMER:
		timer_took_event(timer_of(source));
		break;
	case SOURCE_ATTACHMENT:
		attachment_took_event(attachment_of(source), type);
		break;
	case SOURCE_CLAIM:
		claim_took_event(claim_of(source));
		break;
	}
}

enum cancel_outcome owner_cancel(struct owner *owner, uint64_t handle) {
	struct source *source = map_find(&owner->handles, handle);

	if (!source)
		return CANCEL_GONE;
	switch ((enum source_kind)source->kind) {
	case SOURCE_TIMER:
		return timer_drop(timer_of(source));
	case SOURCE_ATTACHMENT:
		return attachment_cancel(attachment_of(source));
	case SOURCE_CLAIM:
		return claim_end(claim_of(source));
	}
	return CANCEL_GONE;
}
