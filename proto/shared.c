/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the layout and the rules of a limiter in shared memory, for both sides.  Knows nothing of how the memory came
 * here.  Never waits for anybody: a daemon that died in the middle of a change, or a client that scribbles, costs
 * a bounded number of tries and then a request.
 */

#include "proto/shared.h"

#define READ_TRIES 100 /* of the configuration, while the daemon changes it */
#define SWAP_TRIES 64 /* of the word, while others are faster */

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

struct snapshot {
	struct gcra_rule rule;
	uint64_t not_before, farthest;
	uint32_t flags;
};

/* H. Boehm, Can seqlocks get along with programming language memory models? (MSPC 2012), figure 6. */
static bool read_config(const struct shared_config *config, struct snapshot *ret) {
	for (unsigned i = 0; i < READ_TRIES; i++) {
		uint32_t before = atomic_load_explicit(&config->sequence, memory_order_acquire), after;

		ret->rule.interval = atomic_load_explicit(&config->interval, memory_order_relaxed);
		ret->rule.burst = atomic_load_explicit(&config->burst, memory_order_relaxed);
		ret->rule.tolerance = atomic_load_explicit(&config->tolerance, memory_order_relaxed);
		ret->not_before = atomic_load_explicit(&config->not_before, memory_order_relaxed);
		ret->farthest = atomic_load_explicit(&config->farthest, memory_order_relaxed);
		ret->flags = atomic_load_explicit(&config->flags, memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&config->sequence, memory_order_relaxed);
		if (before == after && before % 2 == 0)
			return true;
		relax();
	}
	return false;
}

void shared_set_rule(struct shared_config *config, const struct gcra_rule *rule, uint64_t farthest) {
	atomic_store_explicit(&config->interval, rule->interval, memory_order_relaxed);
	atomic_store_explicit(&config->burst, rule->burst, memory_order_relaxed);
	atomic_store_explicit(&config->tolerance, rule->tolerance, memory_order_relaxed);
	atomic_store_explicit(&config->farthest, farthest, memory_order_relaxed);
}

void shared_init(struct shared_config *config, struct shared_state *state, const struct gcra_rule *rule, uint64_t now,
		 uint64_t farthest) {
	config->size = sizeof(*config);
	shared_set_rule(config, rule, farthest);
	atomic_store_explicit(&config->flags, SHARED_ENABLED, memory_order_relaxed);
	/* Not 0, which is what a page reads that somebody has punched out. */
	atomic_store_explicit(&state->word, MAX(now, 1), memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	config->magic = SHARED_MAGIC;
}

void shared_begin(struct shared_config *config) {
	uint32_t sequence = atomic_load_explicit(&config->sequence, memory_order_relaxed);

	/* It is odd already where the last daemon died in between. */
	atomic_store_explicit(&config->sequence, sequence | 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

void shared_end(struct shared_config *config) {
	uint32_t sequence = atomic_load_explicit(&config->sequence, memory_order_relaxed);

	atomic_store_explicit(&config->sequence, sequence + 1, memory_order_release);
}

bool shared_is_valid(const struct shared_config *config) {
	return config->magic == SHARED_MAGIC && config->size >= sizeof(*config);
}

int shared_try(const struct shared_config *config, struct shared_state *state, int64_t now_ns, uint64_t cost,
	       struct gcra_decision *ret, uint64_t *ret_limit) {
	struct gcra_decision decision;
	struct snapshot snapshot;
	uint64_t now, word;
	int r;

	if (gcra_ticks(now_ns, &now) != 0)
		return SHARED_E_REQUEST;
	for (unsigned i = 0; i < SWAP_TRIES; i++) {
		if (!read_config(config, &snapshot) || snapshot.flags != SHARED_ENABLED)
			return SHARED_E_REQUEST;
		word = atomic_load_explicit(&state->word, memory_order_acquire);
		/* Nobody honest wrote that: the daemon repairs it, and counts. */
		if (word == 0 || word > now + snapshot.farthest)
			return SHARED_E_REQUEST;
		*ret_limit = snapshot.rule.burst;
		r = gcra_decide(&snapshot.rule, word, now, snapshot.not_before, cost, &decision);
		if (r != 0)
			return r == GCRA_E_COST ? SHARED_E_COST : SHARED_E_REQUEST;
		if (decision.tat == word ||
		    atomic_compare_exchange_strong_explicit(&state->word, &word, decision.tat, memory_order_acq_rel,
							    memory_order_acquire)) {
			if (cost > 0)
				atomic_fetch_add_explicit(decision.allowed ? &state->allowed : &state->denied,
							  decision.allowed ? cost : 1, memory_order_relaxed);
			*ret = decision;
			return 0;
		}
		relax();
	}
	return SHARED_E_REQUEST;
}
