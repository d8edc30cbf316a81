/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Two owners of one uid, and the kinds of timers that tests arm most. */

#include "tests/unit/core-world.h"
#include "tests/unit/fake-starter.h"
#include "tests/unit/test.h"

struct fixture {
	struct fake_starter fake;
	struct world world;
	struct client client; /* of uid 1000, as `other` */
	struct client other;
};

static inline int setup(void **state) {
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	fake_starter_init(&f->fake);
	world_init_with(&f->world, &f->fake.starter);
	client_init(&f->client, &f->world, 1000);
	client_init(&f->other, &f->world, 1000);
	*state = f;
	return 0;
}

static inline int teardown(void **state) {
	struct fixture *f = *state;

	client_deinit(&f->client);
	client_deinit(&f->other);
	world_deinit(&f->world);
	free(f);
	return 0;
}

static inline struct timer_info describe(const struct timer *timer) {
	struct timer_info info;

	timer_describe(timer, &info);
	return info;
}

static inline struct timer *find(struct fixture *f, const char *name) {
	return tenant_find_name(f->client.owner.tenant, name);
}

/* Every `period_ns`, for the first time then. */
static inline struct timer_spec every(uint64_t handle, int64_t period_ns) {
	return (struct timer_spec){
		.handle = handle,
		.kind = TIMER_KIND_EVERY,
		.deadline_ns = WORLD_START + period_ns,
		.delay_ns = period_ns,
		.period_ns = period_ns,
	};
}

/* After `delay_ns`, with a name. */
static inline struct timer_spec named(uint64_t handle, const char *name, int64_t delay_ns) {
	return (struct timer_spec){
		.handle = handle,
		.kind = TIMER_KIND_AFTER,
		.deadline_ns = WORLD_START + delay_ns,
		.delay_ns = delay_ns,
		.name = name,
	};
}

/* A detached one. */
static inline struct timer_spec detached(uint64_t handle, const char *name, int64_t delay_ns) {
	struct timer_spec spec = named(handle, name, delay_ns);

	spec.detached = true;
	return spec;
}

static inline int arm(struct fixture *f, struct client *client, struct timer_spec spec, struct timer **ret,
		      enum timer_change *ret_change) {
	int r = timer_arm(f->world.scheduler, &client->owner, &spec, ret, ret_change);

	command_free(spec.command);
	return r;
}
