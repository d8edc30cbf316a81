/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the choice of the pidfds that are kept, and how the permits of a daemon that has died come to their processes again: what they hold
 * is written down, and who they are is known by a descriptor alone.
 */

#include "daemon/rpc/holder-store.h"

#include <string.h>

#include "daemon/core/progress.h"
#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/peer/stored-name.h"
#include "daemon/rpc/convert.h"
#include "daemon/svc/log.h"
#include "proto/limits.h"

#define PREFIX "permit-"

void holder_store_init(struct holder_store *store, struct loop *loop) {
	*store = (struct holder_store){ .loop = loop };
	TAILQ_INIT(&store->offered);
	TAILQ_INIT(&store->kept);
}

bool holder_store_parse_name(const char *name, uint64_t *ret) {
	return stored_name_parse(name, PREFIX, ret);
}

/* ---- keeping ---- */

static void forget(const struct holder_store *store, uint64_t id) {
	char name[STORED_NAME_ROOM];

	if (store->keeper)
		store->keeper->forget(store->keeper->userdata, stored_name(name, PREFIX, id));
}

static void set_kept(struct holder *holder) {
	struct holder_store *store = holder->store;

	holder->stored = HOLDER_KEPT;
	TAILQ_INSERT_TAIL(&store->kept, holder, link);
	store->n_kept++;
}

void holder_store_offer(struct holder *holder) {
	struct holder_store *store = holder->store;

	if (!store->keeper || holder->stored != HOLDER_NOT_OFFERED)
		return;
	holder->stored = HOLDER_OFFERED;
	holder->id = claim_source(holder->claim)->id;
	holder->offered_ns = loop_now(store->loop)->ns[TIMER_CLOCK_BOOTTIME];
	TAILQ_INSERT_TAIL(&store->offered, holder, link);
}

/* It is in neither list any more. */
static void leave(struct holder *holder) {
	struct holder_store *store = holder->store;

	if (holder->stored == HOLDER_OFFERED)
		TAILQ_REMOVE(&store->offered, holder, link);
	else if (holder->stored == HOLDER_KEPT) {
		TAILQ_REMOVE(&store->kept, holder, link);
		store->n_kept--;
	}
	holder->stored = HOLDER_NOT_OFFERED;
}

void holder_store_withdraw(struct holder *holder) {
	if (holder->stored == HOLDER_KEPT)
		forget(holder->store, holder->id);
	leave(holder);
}

int64_t holder_store_next(const struct holder_store *store) {
	const struct holder *oldest = TAILQ_FIRST(&store->offered);

	if (!oldest || !store->keeper || store->n_kept >= PERMITS_KEPT_MAX)
		return INT64_MAX;
	return MAX(oldest->offered_ns + SESSION_KEPT_AGE_NS, store->keeper->next(store->keeper->userdata));
}

static void keep(struct holder *holder) {
	const struct session_keeper *keeper = holder->store->keeper;
	char name[STORED_NAME_ROOM];

	leave(holder);
	if (keeper->keep(keeper->userdata, stored_name(name, PREFIX, holder->id), holder->pid_fd) == 0)
		set_kept(holder);
}

void holder_store_tick(struct holder_store *store, int64_t boottime_ns) {
	while (holder_store_next(store) <= boottime_ns)
		keep(TAILQ_FIRST(&store->offered));
}

/* ---- what they hold ---- */

static int save(const struct holder *holder, FILE *file) {
	const struct source *source = claim_source(holder->claim);
	Evloop__SavedClaim saved = EVLOOP__SAVED_CLAIM__INIT;
	struct claim_progress progress;

	if (!claim_progress(source, &progress) || progress.over)
		return 0;
	saved.uid = tenant_uid(source->owner->tenant);
	saved.limiter_uid = progress.limiter_uid;
	saved.limiter = (char *)limiter_spec(progress.limiter)->name;
	saved.id = progress.id;
	saved.cost = progress.cost;
	saved.key = (ProtobufCBinaryData){ .data = (uint8_t *)progress.key.data, .len = progress.key.size };
	saved.state = convert_claim_state(progress.state);
	saved.since_ns = progress.since_ns;
	return record_write(file, RECORD_CLAIM, &saved.base);
}

int holder_store_save(const struct holder_store *store, FILE *file) {
	size_t room = PERMITS_KEPT_MAX - store->n_kept;
	const struct holder *holder;
	int r = 0;

	TAILQ_FOREACH(holder, &store->kept, link)
	if (r == 0)
		r = save(holder, file);
	TAILQ_FOREACH(holder, &store->offered, link) {
		if (r < 0 || room-- == 0)
			break;
		r = save(holder, file);
	}
	return r;
}

/* ---- taking what was kept ---- */

static int restore(struct holder_store *store, struct scheduler *scheduler, const Evloop__SavedClaim *saved,
		   int *pid_fd) {
	struct tenant *limiter_tenant = scheduler_next_tenant(scheduler, saved->limiter_uid), *tenant;
	struct limiter *limiter = NULL;
	struct claim *claim;
	int r;

	if (limiter_tenant && tenant_uid(limiter_tenant) == saved->limiter_uid)
		limiter = limiter_find(limiter_tenant, saved->limiter);
	if (!limiter || saved->uid > UINT32_MAX || saved->key.len > LIMITER_KEY_MAX)
		return -ENXIO;
	r = scheduler_tenant(scheduler, (uid_t)saved->uid, &tenant);
	if (r < 0)
		return r;
	r = claim_restore(limiter, tenant_owner(tenant),
			  &(struct claim_progress){
				  .id = saved->id,
				  .cost = saved->cost,
				  .key = { .data = saved->key.data, .size = saved->key.len },
				  .state = CLAIM_HELD,
				  .since_ns = saved->since_ns,
			  },
			  &claim);
	if (r == 0)
		r = holder_bind_again(store, claim, TAKE_FD(*pid_fd));
	tenant_unref(tenant);
	return r;
}

/* It is there, and its pidfd is kept already; or that is of no use. */
static void recognize(struct holder_store *store, uint64_t id) {
	struct holder *holder;

	TAILQ_FOREACH(holder, &store->offered, link)
	if (holder->id == id)
		break;
	if (holder) {
		leave(holder);
		set_kept(holder);
	} else {
		forget(store, id);
	}
}

void holder_store_load(struct holder_store *store, struct scheduler *scheduler, const Evloop__SavedClaim *saved,
		       struct stored_holder *stored, size_t n) {
	size_t i = 0;
	int r;

	while (i < n && (stored[i].id != saved->id || stored[i].fd < 0))
		i++;
	if (i == n)
		return;
	r = restore(store, scheduler, saved, &stored[i].fd);
	if (stored[i].fd < 0)
		recognize(store, saved->id);
	if (r != 0)
		log_warning("could not give a permit back to its process: %s",
			    r < 0 ? strerror(-r) : "it does not fit in");
}

void holder_store_settle(struct holder_store *store, struct stored_holder *stored, size_t n) {
	for (size_t i = 0; i < n; i++) {
		if (stored[i].fd < 0)
			continue;
		recognize(store, stored[i].id);
		stored[i].fd = close_fd(stored[i].fd);
	}
}
