/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the tie between owners and their sources: handles, and the order in which pending events are taken.
 * What an event says is kept by the source's kind until it is taken.
 *
 * Knows nothing of time, of what the kinds are for, nor of how an owner sends what it takes.
 */

#include "daemon/core/source-private.h"

#include <assert.h>

#include "daemon/core/gate-private.h"
#include "daemon/core/progress.h"
#include "daemon/core/scheduler-private.h"

/* What a gate holds back.  That something is over is told at once. */
#define GATED_EVENTS                                                                                                   \
	(1u << EVENT_TYPE_FIRED | 1u << EVENT_TYPE_READY | 1u << EVENT_TYPE_CHANGED | 1u << EVENT_TYPE_MESSAGE)

static const struct source_ops *const kinds[] = {
	[SOURCE_TIMER] = &timer_source_ops, [SOURCE_ATTACHMENT] = &attachment_source_ops,
	[SOURCE_CLAIM] = &claim_source_ops, [SOURCE_SUBSCRIPTION] = &subscription_source_ops,
	[SOURCE_WATCH] = &watch_source_ops, [SOURCE_PATH] = &path_source_ops,
};

int source_init(struct source *source, enum source_kind kind, struct owner *owner, uint64_t handle, uint64_t id) {
	int r;

	source->owner = owner;
	source->handle = handle;
	source->id = id;
	source->kind = (uint8_t)kind;
	source->pending = 0;
	source->gated = source->held = false;
	if (handle == 0)
		return 0;
	r = map_insert(&owner->handles, handle, source);
	return r == MAP_E_EXISTS ? SOURCE_E_HANDLE_EXISTS : r;
}

/* Nothing is pending of it: the owner will not see it. */
static void hide(struct source *source) {
	if (!source->held)
		TAILQ_REMOVE(&source->owner->pending, source, pending_link);
	source->held = false;
}

/* The owner will see it, behind all others. */
static void show(struct source *source) {
	struct owner *owner = source->owner;
	bool was_empty = TAILQ_EMPTY(&owner->pending);

	TAILQ_INSERT_TAIL(&owner->pending, source, pending_link);
	if (was_empty && owner->ready)
		owner->ready(owner);
}

void source_deinit(struct source *source) {
	if (source->pending) {
		source->pending = 0;
		hide(source);
	}
	if (source->gated)
		gate_drop(source);
	if (source->handle != 0)
		(void)map_remove(&source->owner->handles, source->handle);
}

bool source_is_heard(const struct source *source) {
	return source->handle != 0 && source->owner->ready;
}

void source_release(struct source *source) {
	if (!source->held)
		return;
	source->held = false;
	show(source);
}

void source_raise(struct source *source, enum event_type type) {
	bool was_pending = source->pending;

	if (!source_is_heard(source))
		return;
	source->pending |= (uint8_t)(1u << type);
	if (was_pending)
		return;
	if (!source->gated || !(1u << type & GATED_EVENTS)) {
		show(source);
		return;
	}
	source->held = true;
	if (gate_asks(source))
		source_release(source);
}

/* No event of that type is pending any more; one was. */
static void lower(struct source *source, enum event_type type) {
	source->pending &= (uint8_t) ~(1u << type);
	if (source->pending == 0)
		hide(source);
}

bool source_withdraw(struct source *source, enum event_type type) {
	if (!source_is_pending(source, type))
		return false;
	lower(source, type);
	if (source->gated && !(source->pending & GATED_EVENTS)) {
		gate_left(source);
		source_release(source); /* what is left waits for nothing */
	}
	return true;
}

void owner_init(struct owner *owner, struct tenant *tenant, void (*ready)(struct owner *owner)) {
	*owner = (struct owner){ .tenant = tenant_ref(tenant), .ready = ready };
	map_init(&owner->handles, &tenant->scheduler->maps);
	map_init(&owner->gates, &tenant->scheduler->maps);
	TAILQ_INIT(&owner->pending);
	TAILQ_INIT(&owner->mail);
}

bool owner_reduce(struct owner *owner, size_t n) {
	struct source *source;

	while (n-- > 0 && (source = map_find_from(&owner->handles, 0)))
		kinds[source->kind]->disown(source);
	return owner->handles.count > 0;
}

bool owner_renounce(struct owner *owner, size_t n) {
	struct source *source;

	while (n-- > 0 && (source = map_find_from(&owner->handles, 0)))
		(kinds[source->kind]->renounce ?: kinds[source->kind]->disown)(source);
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

struct source *owner_next(const struct owner *owner, uint64_t after) {
	return after < UINT64_MAX ? map_find_from(&owner->handles, after + 1) : NULL;
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
	kinds[source->kind]->fill_event(source, ret);
	return true;
}

void owner_took_event(struct owner *owner) {
	struct source *source = TAILQ_FIRST(&owner->pending);
	enum event_type type;

	assert(source);
	type = source_next_type(source);
	lower(source, type);
	if (source->gated && !(source->pending & GATED_EVENTS))
		gate_taken(source);
	kinds[source->kind]->took_event(source, type);
}

void owner_ack(struct owner *owner, uint64_t handle) {
	struct source *source = map_find(&owner->handles, handle);

	if (source && kinds[source->kind]->ack)
		kinds[source->kind]->ack(source);
}

enum cancel_outcome owner_cancel(struct owner *owner, uint64_t handle) {
	struct source *source = map_find(&owner->handles, handle);

	return source ? kinds[source->kind]->cancel(source) : CANCEL_GONE;
}

/* Those that their gates hold back are in no order. */
static const struct source *next_held(const struct owner *owner, uint64_t after) {
	const struct source *source = owner_next(owner, after);

	while (source && !source->held)
		source = owner_next(owner, source->handle);
	return source;
}

const struct source *owner_next_pending(const struct owner *owner, const struct source *position) {
	const struct source *next = position ? NULL : TAILQ_FIRST(&owner->pending);

	if (position && position->held)
		return next_held(owner, position->handle);
	if (position)
		next = TAILQ_NEXT(position, pending_link);
	return next ? next : next_held(owner, 0);
}

void owner_restore_pending(struct owner *owner, uint64_t handle, unsigned pending) {
	struct source *source = map_find(&owner->handles, handle);

	for (unsigned type = 0; source && type < EVENT_TYPE_MAX; type++)
		if (pending >> type & 1)
			source_raise(source, type);
}
