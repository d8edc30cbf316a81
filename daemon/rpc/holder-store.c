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
#include "daemon/rpc/convert.h"
#include "daemon/svc/log.h"
#include "proto/limits.h"

#define PREFIX "permit-"

void holder_store_init(struct holder_store *store, struct loop *loop) {
	kept_init(&store->kept, loop, PREFIX);
}

bool holder_store_parse_name(const char *name, uint64_t *ret) {
	return kept_parse_name(name, PREFIX, ret);
}

static struct holder *holder_of(struct kept_entry *entry) {
	return container_of(entry, struct holder, kept);
}

/* ---- keeping ---- */

void holder_store_offer(struct holder *holder) {
	kept_offer(&holder->store->kept, &holder->kept, claim_source(holder->claim)->id);
}

void holder_store_withdraw(struct holder *holder) {
	kept_withdraw(&holder->store->kept, &holder->kept);
}

int64_t holder_store_next(const struct holder_store *store) {
	return store->kept.n_stored < PERMITS_KEPT_MAX ? kept_next(&store->kept) : INT64_MAX;
}

void holder_store_tick(struct holder_store *store, int64_t boottime_ns) {
	while (holder_store_next(store) <= boottime_ns) {
		struct holder *holder = holder_of(TAILQ_FIRST(&store->kept.offered));

		(void)kept_store(&store->kept, &holder->kept, holder->pid_fd);
	}
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
	size_t room = PERMITS_KEPT_MAX - store->kept.n_stored;
	struct kept_entry *entry;
	int r = 0;

	TAILQ_FOREACH(entry, &store->kept.stored, link)
	if (r == 0)
		r = save(holder_of(entry), file);
	TAILQ_FOREACH(entry, &store->kept.offered, link) {
		if (r < 0 || room-- == 0)
			break;
		r = save(holder_of(entry), file);
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
	struct kept_entry *entry;

	TAILQ_FOREACH(entry, &store->kept.offered, link)
	if (entry->id == id)
		break;
	if (entry)
		kept_set_stored(&store->kept, entry, id);
	else
		kept_forget(&store->kept, id);
}

void holder_store_load(struct holder_store *store, struct scheduler *scheduler, const Evloop__SavedClaim *saved,
		       struct kept_copy *copies, size_t n) {
	size_t i = 0;
	int r;

	while (i < n && (copies[i].id != saved->id || copies[i].fd < 0))
		i++;
	if (i == n)
		return;
	r = restore(store, scheduler, saved, &copies[i].fd);
	if (copies[i].fd < 0)
		recognize(store, saved->id);
	if (r != 0)
		log_warning("could not give a permit back to its process: %s",
			    r < 0 ? strerror(-r) : "it does not fit in");
}

void holder_store_settle(struct holder_store *store, struct kept_copy *copies, size_t n) {
	for (size_t i = 0; i < n; i++) {
		if (copies[i].fd < 0)
			continue;
		recognize(store, copies[i].id);
		copies[i].fd = close_fd(copies[i].fd);
	}
}
