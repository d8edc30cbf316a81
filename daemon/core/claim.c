/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns who waits for a limiter and who holds its permits: from the line to the event that tells of the grant, and how each
 * ends.  When something is granted is cell.c's business.
 */

#include "daemon/core/claim.h"

#include <assert.h>

#include "daemon/core/gate-private.h"
#include "daemon/core/limiter-private.h"
#include "daemon/core/progress.h"
#include "daemon/core/scheduler-private.h"

static struct scheduler *scheduler_of(const struct claim *claim) {
	return claim->source.owner->tenant->scheduler;
}

int claim_new(struct claim **ret, struct cell *cell, struct owner *owner, uint64_t handle, uint64_t cost,
	      int64_t max_wait_ns) {
	struct scheduler *scheduler = owner->tenant->scheduler;
	struct claim *claim = calloc(1, sizeof(*claim));
	int64_t now_ns = scheduler->now.ns[TIMER_CLOCK_BOOTTIME];
	int r;

	if (!claim)
		return -ENOMEM;
	r = queue_reserve(&scheduler->patience);
	if (r < 0)
		goto fail;
	r = source_init(&claim->source, SOURCE_CLAIM, owner, handle, scheduler->next_id);
	if (r != 0)
		goto release;
	r = map_insert(&cell->limiter->claims, claim->source.id, claim);
	if (r != 0) {
		source_deinit(&claim->source);
		goto release;
	}
	scheduler->next_id++;
	claim->cell = cell;
	claim->cost = claim->waiter.cost = cost;
	claim->permits = cell_is_permits(cell);
	if (claim->permits)
		claim->permit_waiter.cost = cost;
	claim->since_ns = now_ns;
	claim->latest_ns = max_wait_ns < 0 || max_wait_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + max_wait_ns;
	if (!claim->permits)
		claim->waiter.latest_ns = claim->latest_ns;
	LIST_INSERT_HEAD(&cell->claims, claim, link);
	tenant_charge(owner->tenant, claims, 1);
	*ret = claim;
	return 0;

release:
	queue_release(&scheduler->patience);
fail:
	free(claim);
	return r;
}

/* The cell has nothing more to do with it. */
static void detach(struct claim *claim) {
	struct limiter *limiter = claim->cell->limiter;

	if (claim->state == CLAIM_WAITING)
		limiter->waiting--;
	else if (claim->state == CLAIM_HELD)
		limiter->held--;
	LIST_REMOVE(claim, link);
	(void)map_remove(&limiter->claims, claim->source.id);
	claim->cell = NULL;
}

static void stop_patience(struct claim *claim) {
	if (claim->timed)
		queue_remove(&scheduler_of(claim)->patience, &claim->place);
	claim->timed = false;
}

/* It is in no line any more, and what it held was given back. */
void claim_free(struct claim *claim) {
	struct scheduler *scheduler = scheduler_of(claim);
	struct tenant *tenant = claim->source.owner->tenant;
	struct claim_binding *binding = claim->binding;

	stop_patience(claim);
	queue_release(&scheduler->patience);
	if (claim->cell)
		detach(claim);
	tenant_charge(tenant, claims, -1);
	source_deinit(&claim->source);
	free(claim);
	if (binding)
		binding->unbind(binding);
	tenant_settle(tenant);
}

void claim_wait(struct claim *claim) {
	struct scheduler *scheduler = scheduler_of(claim);

	claim->state = CLAIM_WAITING;
	claim->cell->limiter->waiting++;
	if (!claim->permits || claim->latest_ns == INT64_MAX)
		return;
	queue_insert(&scheduler->patience, &claim->place, claim->latest_ns, scheduler->next_seq++);
	claim->timed = true;
}

static void tell_binding(struct claim *claim) {
	if (claim->binding && claim->binding->held)
		claim->binding->held(claim->binding);
}

void claim_hold(struct claim *claim) {
	claim->state = CLAIM_HELD;
	claim->since_ns = cell_now(claim->cell);
	claim->cell->limiter->held++;
	tell_binding(claim);
}

/* There is nothing but the event to it any more; nobody hears it: not even that. */
static void conclude(struct claim *claim) {
	if (claim->gate)
		gate_answered(claim->gate);
	else if (source_is_heard(&claim->source))
		source_raise(&claim->source, EVENT_TYPE_GRANTED);
	else if (claim->state != CLAIM_HELD)
		claim_free(claim);
}

void claim_tell(struct claim *claim, bool granted, const struct grant *grant) {
	claim->grant = *grant;
	if (!granted)
		claim->state = CLAIM_TIMED_OUT;
	else if (claim->state != CLAIM_HELD)
		claim->state = CLAIM_GRANTED;
	conclude(claim);
}

void claim_granted(struct claim *claim, const struct grant *grant) {
	struct limiter *limiter = claim->cell->limiter;

	stop_patience(claim);
	claim->grant = *grant;
	limiter_taken(limiter, claim->cost);
	if (claim->permits) {
		limiter->waiting--;
		claim_hold(claim);
	}
	/* Tokens that nobody has heard of yet can be given back, so the claim stays with its cell. */
	else {
		limiter->waiting--;
		claim->state = CLAIM_GRANTED;
	}
	conclude(claim);
}

void claim_failed(struct claim *claim, enum claim_state state) {
	bool told = claim->state != CLAIM_WAITING;

	/* A gate is not over by that: the next event may fit again. */
	if (claim->gate && state == CLAIM_TIMED_OUT) {
		claim->cell->limiter->waiting--;
		claim->state = CLAIM_IDLE;
		conclude(claim);
		return;
	}
	stop_patience(claim);
	claim->grant = (struct grant){ .now_ns = cell_now(claim->cell) };
	detach(claim);
	if (told && source_is_pending(&claim->source, EVENT_TYPE_GRANTED))
		return; /* it was granted in time */
	claim->state = state;
	if (!told)
		conclude(claim);
	else if (claim->permits && claim->source.handle == 0)
		claim_free(claim); /* bound to a process, and of no use any more */
}

size_t claim_expire(struct claim *claim) {
	struct cell *cell = claim->cell;

	cell_leave_line(cell, claim);
	claim_failed(claim, CLAIM_TIMED_OUT);
	return 1 + cell_settle(cell); /* who asked for many may have held up others */
}

/* What is due by that is for cell_settle(). */
static void give_back(struct claim *claim) {
	struct cell *cell = claim->cell;
	struct limiter *limiter = cell->limiter;

	if (claim->state == CLAIM_WAITING) {
		cell_leave_line(cell, claim);
		limiter->waiting--;
	} else if (claim->state == CLAIM_HELD) {
		limiter->held--;
		permits_release(cell->permits, claim->cost);
	} else if (claim->state == CLAIM_GRANTED) {
		bucket_refund(&cell->bucket, cell_rules(cell), cell_now(cell), claim->cost);
		limiter->allowed -= claim->cost;
		limiter_changed(limiter);
	}
	claim->state = CLAIM_IDLE;
}

void claim_give_back(struct claim *claim) {
	if (!claim->cell)
		return;
	give_back(claim);
	(void)cell_settle(claim->cell);
}

enum cancel_outcome claim_end(struct claim *claim) {
	bool pending = source_is_pending(&claim->source, EVENT_TYPE_GRANTED);
	struct cell *cell = claim->cell;

	if (cell)
		give_back(claim);
	claim_free(claim);
	if (cell)
		(void)cell_settle(cell);
	if (pending)
		return CANCEL_WITHDRAWN;
	return cell ? CANCEL_CANCELLED : CANCEL_GONE;
}

void claim_bind(struct claim *claim, struct claim_binding *binding) {
	claim->binding = binding;
	if (claim->state == CLAIM_HELD)
		tell_binding(claim);
}

size_t claim_line_length(const struct claim *claim) {
	if (!claim->cell)
		return 0;
	if (claim->permits)
		return claim->cell->permits->n_waiters;
	return claim->cell->bucket.line ? claim->cell->bucket.line->length : 0;
}

static bool is_in_line_for_tokens(const struct claim *claim) {
	return claim->state == CLAIM_WAITING && !claim->unfit && !claim->permits;
}

bool claim_look_ahead(struct claim *claim, size_t n) {
	struct cell *cell = claim->cell;

	return !is_in_line_for_tokens(claim) || bucket_look_along(&cell->bucket, cell_rules(cell), cell_now(cell), n);
}

void claim_describe(struct claim *claim, struct claim_info *ret) {
	struct cell *cell = claim->cell;

	*ret = (struct claim_info){
		.state = claim->state,
		.id = claim->source.id,
		.cost = claim->cost,
		.key = cell->key,
		.key_size = cell->key_size,
		.pid = claim->binding ? claim->binding->pid : claim->source.owner->pid,
		.uid = claim->source.owner->tenant->uid,
		.since_ns = claim->since_ns,
		.expected_ns = INT64_MAX,
	};
	if (is_in_line_for_tokens(claim))
		ret->expected_ns = bucket_expected(&cell->bucket, cell_rules(cell), cell_now(cell), &claim->waiter,
						   &ret->position);
	else if (claim->state == CLAIM_WAITING && !claim->unfit)
		ret->position = permits_position(cell->permits, &claim->permit_waiter);
}

/* ---- going on in another process ---- */

struct source *claim_source(struct claim *claim) {
	return &claim->source;
}

bool claim_progress(const struct source *source, struct claim_progress *ret) {
	const struct claim *claim = container_of(source, struct claim, source);
	bool over;

	if (source->kind != SOURCE_CLAIM)
		return false;
	over = !claim->cell || claim->cell->limiter->removed || claim->unfit;
	*ret = (struct claim_progress){
		.handle = source->handle,
		.id = source->id,
		.cost = claim->cost,
		.state = claim->unfit ? CLAIM_TIMED_OUT : claim->state,
		.since_ns = claim->since_ns,
		.latest_ns = claim->latest_ns,
		.pending = source->pending || claim->unfit,
		.over = over,
		.of_gate = claim->gate,
		.grant = claim->grant,
		.binding = claim->binding,
	};
	if (!over) {
		ret->key = (struct limiter_key){ .data = claim->cell->key, .size = claim->cell->key_size };
		ret->limiter = claim->cell->limiter;
		ret->limiter_uid = ret->limiter->tenant->uid;
	}
	return true;
}

/* Its limiter is gone, or it was not granted: there is only that to be told, or was. */
static int restore_over(struct owner *owner, const struct claim_progress *progress, enum claim_state state) {
	struct scheduler *scheduler = owner->tenant->scheduler;
	struct claim *claim = calloc(1, sizeof(*claim));
	int r = claim ? queue_reserve(&scheduler->patience) : -ENOMEM;

	if (r < 0) {
		free(claim);
		return r;
	}
	r = source_init(&claim->source, SOURCE_CLAIM, owner, progress->handle, progress->id);
	if (r != 0) {
		queue_release(&scheduler->patience);
		free(claim);
		return r == SOURCE_E_HANDLE_EXISTS ? LIMITER_E_HANDLE_EXISTS : r;
	}
	claim->state = state;
	claim->grant = progress->grant;
	claim->cost = progress->cost;
	tenant_charge(owner->tenant, claims, 1);
	if (progress->pending || state != progress->state)
		source_raise(&claim->source, EVENT_TYPE_GRANTED);
	return 0;
}

static int restore_held(struct limiter *limiter, struct owner *owner, const struct claim_progress *progress,
			struct claim **ret) {
	int r = limiter_hold_again(limiter, owner, progress->handle, progress->key, progress->cost, ret);

	if (r != 0)
		return r;
	(*ret)->grant = progress->grant;
	if (progress->pending)
		source_raise(&(*ret)->source, EVENT_TYPE_GRANTED);
	return 0;
}

/* It waits again, or for tokens that it had not been told of. */
static int restore_waiting(struct limiter *limiter, struct owner *owner, const struct claim_progress *progress,
			   struct claim **ret) {
	int64_t now_ns = owner->tenant->scheduler->now.ns[TIMER_CLOCK_BOOTTIME], max_wait_ns = -1;
	struct grant grant;
	int r;

	if (progress->latest_ns != INT64_MAX)
		max_wait_ns = MAX(progress->latest_ns - now_ns, 0);
	r = limiter_wait(limiter, owner, progress->handle, progress->key, progress->cost, max_wait_ns, true, ret,
			 &grant);
	if (r == 0 || r == LIMITER_E_QUEUED || r == LIMITER_E_DENIED)
		return *ret ? 0 : restore_over(owner, progress, CLAIM_TIMED_OUT);
	/* The line, or the burst, is smaller than it was: whoever waits must hear that he does not any more. */
	return r == LIMITER_E_CROWDED || r == LIMITER_E_COST ? restore_over(owner, progress, CLAIM_TIMED_OUT) : r;
}

int claim_restore(struct limiter *limiter, struct owner *owner, const struct claim_progress *progress,
		  struct claim **ret) {
	struct scheduler *scheduler = owner->tenant->scheduler;
	uint64_t next_id = scheduler->next_id;
	int r;

	*ret = NULL;
	if (progress->over)
		return restore_over(owner, progress, progress->state);
	scheduler->next_id = progress->id;
	r = progress->state == CLAIM_HELD ? restore_held(limiter, owner, progress, ret)
					  : restore_waiting(limiter, owner, progress, ret);
	scheduler->next_id = MAX(next_id, progress->id + 1);
	if (r == 0 && *ret)
		(*ret)->since_ns = progress->since_ns;
	return r;
}

/* ---- as a source ---- */

static void disown(struct source *source) {
	struct claim *claim = claim_of(source);
	struct tenant *tenant = source->owner->tenant;

	if (!claim->binding || claim->state != CLAIM_HELD || !claim->cell) {
		(void)claim_end(claim);
		return;
	}
	source_deinit(source);
	source->owner = tenant_owner(tenant);
	source->handle = 0;
}

static enum cancel_outcome cancel(struct source *source) {
	return claim_end(claim_of(source));
}

static void renounce(struct source *source) {
	(void)cancel(source);
}

static void fill_event(struct source *source, struct event *ret) {
	const struct claim *claim = claim_of(source);

	ret->grant = &claim->grant;
	ret->claim_state = claim->state;
	ret->more = claim->state == CLAIM_HELD;
}

/* Permits are held until they are given back; of tokens nothing is left to be said. */
static void took_event(struct source *source, enum event_type type _unused_) {
	struct claim *claim = claim_of(source);

	if (claim->state != CLAIM_HELD)
		claim_free(claim);
}

const struct source_ops claim_source_ops = {
	.disown = disown,
	.renounce = renounce,
	.cancel = cancel,
	.fill_event = fill_event,
	.took_event = took_event,
};
