/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what an event of the daemon's means to the user's code.  What does not fit into the structure itself lives in the arena of the event. */

#include "client/internal.h"

static enum evl_end end_of(Evloop__End end) {
	switch (end) {
	case EVLOOP__END__END_DONE:
		return EVL_END_DONE;
	case EVLOOP__END__END_CANCELLED:
		return EVL_END_CANCELLED;
	case EVLOOP__END__END_REPLACED:
		return EVL_END_REPLACED;
	default:
		return EVL_END_NONE;
	}
}

/* Return: false: there is no memory for them. */
static bool translate_paths(struct arena *arena, const Evloop__Event *e, struct evl_event *ret) {
	struct evl_change *changes = arena_alloc(arena, MAX(e->n_changes, 1) * sizeof(*changes));

	if (!changes)
		return false;
	for (size_t i = 0; i < e->n_changes; i++) {
		const Evloop__PathChange *change = e->changes[i];

		changes[i].path = arena_copy(arena, change->path.data, change->path.len);
		changes[i].changes = change->changes;
		if (!changes[i].path)
			return false;
	}
	ret->changes = changes;
	ret->n_changes = e->n_changes;
	return true;
}

/* What cannot be told is left to the user's own eyes. */
static void translate_changes(struct arena *arena, const Evloop__Event *e, struct evl_event *ret) {
	ret->rescan = e->rescan;
	ret->error = e->error > 0 ? -e->error : 0;
	if (!translate_paths(arena, e, ret))
		ret->rescan = true;
}

/* Return: false: there is no memory for it. */
static bool translate_message(struct arena *arena, const Evloop__Event *e, struct evl_event *ret) {
	/* With a NUL behind it, so that text can be used as it is. */
	ret->data = arena_copy(arena, e->data.data, e->data.len);
	ret->len = e->data.len;
	if (e->gap) {
		ret->gap_first = e->gap->first;
		ret->gap_last = e->gap->last;
	}
	return ret->data != NULL;
}

static void translate_common(const Evloop__Event *e, struct evl_event *ret) {
	*ret = (struct evl_event){
		.size = sizeof(*ret),
		.id = e->id,
		.fire_seq = e->fire_seq,
		.fires = e->fires,
		.missed = e->missed,
		.first_scheduled_ns = e->first_scheduled_ns ? e->first_scheduled_ns : e->scheduled_ns,
		.scheduled_ns = e->scheduled_ns,
		.fired_ns = e->fired_ns,
		.lateness_ns = e->lateness_ns,
		.status = e->run ? e->run->status : 0,
		.run = e->run ? e->run->run : 0,
		.name = e->name[0] ? e->name : NULL,
		.generation = e->generation ? e->generation : 1,
		.end = end_of(e->end),
		.more = e->more,
	};
}

bool event_translate(struct evl_source *source, const Evloop__Event *e, struct evl_event *ret,
		     struct evl_grant *grant) {
	struct arena *arena = &source->evl->input.arena;

	translate_common(e, ret);
	switch (e->type) {
	case EVLOOP__EVENT_TYPE__EVENT_FIRED:
		ret->type = EVL_EVENT_FIRED;
		return true;
	case EVLOOP__EVENT_TYPE__EVENT_EXITED:
		ret->type = EVL_EVENT_EXITED;
		return true;
	case EVLOOP__EVENT_TYPE__EVENT_ENDED:
		ret->type = EVL_EVENT_ENDED;
		return true;
	case EVLOOP__EVENT_TYPE__EVENT_GRANTED:
		if (!e->grant)
			return false;
		ret->type = EVL_EVENT_GRANTED;
		grant_translate(e->grant, e->claim, grant);
		ret->grant = grant;
		return true;
	case EVLOOP__EVENT_TYPE__EVENT_READY:
		ret->type = EVL_EVENT_READY;
		ret->revents = e->readiness;
		return true;
	case EVLOOP__EVENT_TYPE__EVENT_PROCESS:
		ret->type = EVL_EVENT_PROCESS;
		ret->pid = source->pid ? source->pid : (pid_t)e->pid;
		ret->status = watch_status(source, e);
		return true;
	case EVLOOP__EVENT_TYPE__EVENT_CHANGED:
		ret->type = EVL_EVENT_CHANGED;
		translate_changes(arena, e, ret);
		return true;
	case EVLOOP__EVENT_TYPE__EVENT_MESSAGE:
		ret->type = EVL_EVENT_MESSAGE;
		return translate_message(arena, e, ret);
	case EVLOOP__EVENT_TYPE__EVENT_TIMEOUT:
		ret->type = EVL_EVENT_TIMEOUT;
		return true;
	default:
		return false;
	}
}
