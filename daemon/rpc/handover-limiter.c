/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns how those who wait for limiters and hold permits of them go over to another process.  Here they leave, which gives back exactly
 * what they had taken; there they come again, in the order in which they had come, and find what they had left.  Nobody else takes
 * anything meanwhile, but for clients with shared memory, who may overtake a line in that moment.
 */

#include <string.h>

#include "daemon/core/gate.h"
#include "daemon/core/scheduler.h"
#include "daemon/core/shared-memory.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/handover-private.h"
#include "daemon/rpc/holder.h"
#include "daemon/rpc/state.h"
#include "proto/limits.h"

/* ---- telling ---- */

static void save_claim(struct saving *saving, const struct source *source, const struct limiter *limiter,
		       uid_t limiter_uid) {
	Evloop__SavedClaim saved = EVLOOP__SAVED_CLAIM__INIT;
	struct claim_progress progress;
	Evloop__Grant grant;

	if (!claim_progress(source, &progress) || progress.of_gate)
		return;
	saved.uid = tenant_uid(source->owner->tenant);
	saved.session = saving_session(source->owner);
	saved.limiter_uid = limiter_uid;
	if (limiter)
		saved.limiter = (char *)limiter_spec(limiter)->name;
	saved.handle = progress.handle;
	saved.id = progress.id;
	saved.cost = progress.cost;
	saved.key = (ProtobufCBinaryData){ .data = (uint8_t *)progress.key.data, .len = progress.key.size };
	saved.state = convert_claim_state(progress.state);
	saved.since_ns = progress.since_ns;
	saved.latest_ns = progress.latest_ns;
	saved.pending = progress.pending;
	saved.over = progress.over;
	convert_grant(&progress.grant, &grant);
	saved.grant = &grant;
	if (progress.binding)
		saved.pid_fd = saving_put(saving, holder_pid_fd(progress.binding));
	saving_write(saving, saving->claims, RECORD_CLAIM, &saved.base);
}

void save_claims(struct saving *saving, struct tenant *tenant) {
	struct limiter *limiter;
	struct claim *claim;

	for (limiter = limiter_next(tenant, 0); limiter; limiter = limiter_next(tenant, limiter_id(limiter))) {
		uint64_t id = 0;

		for (claim = limiter_next_claim(limiter, id); claim; claim = limiter_next_claim(limiter, id)) {
			const struct source *source = claim_source(claim);

			save_claim(saving, source, limiter, tenant_uid(tenant));
			id = source->id;
		}
	}
}

void save_claim_over(struct saving *saving, const struct source *source) {
	struct claim_progress progress;

	if (claim_progress(source, &progress) && progress.over)
		save_claim(saving, source, NULL, 0);
}

void save_gate(struct saving *saving, const struct source *source) {
	Evloop__SavedGate saved = EVLOOP__SAVED_GATE__INIT;
	struct gate_progress progress;

	if (!gate_progress(source, &progress))
		return;
	saved.session = saving_session(source->owner);
	saved.handle = source->handle;
	saved.limiter_uid = progress.limiter_uid;
	saved.limiter = (char *)limiter_spec(progress.limiter)->name;
	saved.key = (ProtobufCBinaryData){ .data = (uint8_t *)progress.key.data, .len = progress.key.size };
	saved.cost = progress.cost;
	saving_write(saving, saving->claims, RECORD_GATE, &saved.base);
}

static void describe(struct limiter *limiter, void *userdata, Evloop__SavedLimiter *ret) {
	struct saving *saving = userdata;
	struct limiter_progress progress;
	int config_fd, state_fd;

	state_save_counts(limiter, ret);
	limiter_progress(limiter, &progress);
	if (!progress.memory)
		return;
	ret->config_fd = saving_put(saving, progress.memory->config_fd);
	ret->state_fd = saving_put(saving, progress.memory->state_fd);
	/* Where only one of them goes along, clients must ask again. */
	if (!ret->config_fd || !ret->state_fd) {
		ret->config_fd = ret->state_fd = 0;
		return;
	}
	limiter_release_memory(limiter, &config_fd, &state_fd);
	saving_close(saving, config_fd);
	saving_close(saving, state_fd);
}

int save_limiters(struct saving *saving) {
	struct state_saver saver = {
		.scheduler = saving->rpc->scheduler,
		.file = saving->file,
		.describe = describe,
		.userdata = saving,
		.keys = SIZE_MAX,
	};

	return state_save_limiters(&saver, SIZE_MAX);
}

/* ---- taking over ---- */

static bool load_grant(const Evloop__Grant *saved, struct grant *ret) {
	if (!saved)
		return false;
	*ret = (struct grant){
		.allowed = saved->allowed,
		.remaining = saved->remaining,
		.limit = saved->limit,
		.retry_after_ns = saved->retry_after_ns,
		.reset_after_ns = saved->reset_after_ns,
		.now_ns = saved->now_ns,
		.denied_by = saved->denied_by,
	};
	return true;
}

static struct limiter *find_limiter(struct loading *loading, uint64_t uid, const char *name) {
	struct owner *owner = loading_owner(loading, 0, uid);

	return owner ? limiter_find(owner->tenant, name) : NULL;
}

void load_claim(struct loading *loading, const Evloop__SavedClaim *saved) {
	struct owner *owner = loading_owner(loading, saved->session, saved->uid);
	struct limiter *limiter = saved->over ? NULL : find_limiter(loading, saved->limiter_uid, saved->limiter);
	int pid_fd = loading_take(loading, saved->pid_fd), r = owner && (limiter || saved->over) ? 0 : -ENXIO;
	struct claim_progress progress = {
		.handle = saved->handle,
		.id = saved->id,
		.cost = saved->cost,
		.key = { .data = saved->key.data, .size = saved->key.len },
		.since_ns = saved->since_ns,
		.latest_ns = saved->latest_ns,
		.pending = saved->pending,
		.over = saved->over,
	};
	struct claim *claim = NULL;

	/* Nobody can give it back who has neither a session nor a process. */
	if (r == 0 && (!convert_to_claim_state(saved->state, &progress.state) || saved->key.len > LIMITER_KEY_MAX ||
		       !load_grant(saved->grant, &progress.grant) || (saved->session == 0 && pid_fd < 0)))
		r = -EINVAL;
	if (r == 0)
		r = claim_restore(limiter, owner, &progress, &claim);
	if (r == 0 && pid_fd >= 0 && claim)
		r = holder_bind_again(&loading->rpc->holders, claim, TAKE_FD(pid_fd));
	(void)close_fd(pid_fd);
	if (r != 0)
		loading_lost(loading, "a claim of a limiter", saved->id, r);
}

/* A source whose gate cannot be made again is open. */
void load_gate(struct loading *loading, const Evloop__SavedGate *saved) {
	struct owner *owner = loading_owner(loading, saved->session, 0);
	struct limiter *limiter = find_limiter(loading, saved->limiter_uid, saved->limiter);
	struct limiter_key key = { .data = saved->key.data, .size = saved->key.len };
	struct gate *gate;
	int r = -ENXIO;

	if (owner && limiter && key.size <= LIMITER_KEY_MAX)
		r = gate_new(&gate, owner, limiter, key, saved->cost);
	if (r == 0)
		r = gate_set(gate, owner, saved->handle);
	if (r != 0)
		loading_lost(loading, "the gate of handle", saved->handle, r);
}

void load_limiter_progress(struct loading *loading, struct limiter *limiter, const Evloop__SavedLimiter *saved) {
	int config_fd = loading_take(loading, saved->config_fd), state_fd = loading_take(loading, saved->state_fd);
	struct shared_memory *memory;
	int r = 0;

	state_load_counts(limiter, saved);
	if (config_fd >= 0 && state_fd >= 0) {
		r = shared_memory_adopt(&memory, config_fd, state_fd);
		if (r == 0) {
			config_fd = state_fd = -1;
			r = limiter_adopt_memory(limiter, memory);
			if (r != 0)
				shared_memory_free(memory);
		}
	}
	(void)close_fd(config_fd);
	(void)close_fd(state_fd);
	if (r != 0)
		loading_lost(loading, "the memory of limiter", limiter_id(limiter), r);
}
