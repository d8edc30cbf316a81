/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Two owners of one uid, and the kinds of limiters that tests make most. */

#include <string.h>

#include "daemon/core/claim.h"
#include "daemon/core/limiter.h"
#include "proto/gcra.h"
#include "tests/unit/core-world.h"
#include "tests/unit/test.h"

#define MSEC NSEC_PER_MSEC
#define SEC NSEC_PER_SEC

struct fixture {
	struct world world;
	struct client a, b;
};

static inline int setup(void **state) {
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	world_init(&f->world);
	client_init(&f->a, &f->world, 1000);
	client_init(&f->b, &f->world, 1000);
	*state = f;
	return 0;
}

static inline int teardown(void **state) {
	struct fixture *f = *state;

	client_deinit(&f->a);
	client_deinit(&f->b);
	world_deinit(&f->world);
	free(f);
	return 0;
}

static inline struct limiter_spec spec_rate(const char *name, uint64_t tokens, int64_t period_ns, uint64_t burst) {
	struct limiter_spec spec = {
		.name = name,
		.kind = LIMITER_KIND_RATE,
		.n_rates = 1,
		.rates = { { .tokens = tokens, .period_ns = period_ns, .burst = burst } },
		.max_keys = 4,
		.max_waiters = 1000,
	};
	unsigned rule;

	assert_int_equal(limiter_spec_check(&spec, &rule), 0);
	return spec;
}

static inline struct limiter_spec spec_permits(const char *name, uint64_t concurrency) {
	return (struct limiter_spec){
		.name = name,
		.kind = LIMITER_KIND_CONCURRENCY,
		.concurrency = concurrency,
		.max_keys = 4,
		.max_waiters = 1000,
	};
}

static inline struct limiter *make(struct fixture *f, const struct limiter_spec *spec) {
	enum limiter_change change;
	struct limiter *limiter;

	assert_int_equal(limiter_set(f->a.owner.tenant, spec, LIMITER_MODE_CREATE, &limiter, &change), 0);
	assert_int_equal(change, LIMITER_CHANGE_CREATED);
	return limiter;
}

static const struct limiter_key none = { 0 };

static inline struct limiter_key key(const char *text) {
	return (struct limiter_key){ .data = text, .size = strlen(text) };
}

static inline bool try(struct limiter *limiter, struct limiter_key k, uint64_t cost) {
	struct grant grant;

	assert_int_equal(limiter_try(limiter, k, cost, &grant), 0);
	return grant.allowed;
}

static inline int wait_for(struct client *client, struct limiter *limiter, uint64_t handle, uint64_t cost,
			   int64_t max_wait_ns) {
	struct claim *claim;
	struct grant grant;
	int r;

	memset(&grant, 0xff, sizeof(grant));
	r = limiter_wait(limiter, &client->owner, handle, none, cost, max_wait_ns, false, &claim, &grant);
	if (r == 0 || r == LIMITER_E_QUEUED || r == LIMITER_E_DENIED) {
		assert_int_equal(grant.allowed, r == 0);
		assert_in_range(grant.reset_after_ns, 0, 1000 * SEC);
		assert_in_range(grant.retry_after_ns, 0, 1000 * SEC);
	}
	return r;
}

/* The next event must say so. */
static inline struct event expect(struct client *client, uint64_t handle, enum claim_state state) {
	struct event event = client_expect(client, handle, EVENT_TYPE_GRANTED);

	assert_int_equal(event.claim_state, state);
	return event;
}
