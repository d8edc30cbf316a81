/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what the tests of core/ have in common. */

#include "tests/unit/core-world.h"

#include "daemon/core/bucket.h"

#include <string.h>

#include "tests/unit/test.h"

void world_init_with(struct world *world, struct starter *starter) {
	for (unsigned clock = 0; clock < TIMER_CLOCK_MAX; clock++)
		world->now.ns[clock] = WORLD_START;
	assert_int_equal(scheduler_new(&world->scheduler, &world->now, starter), 0);
}

void world_init(struct world *world) {
	world_init_with(world, NULL);
}

void world_deinit(struct world *world) {
	world->scheduler = scheduler_free(world->scheduler);
}

static void client_ready(struct owner *owner) {
	struct client *client = container_of(owner, struct client, owner);

	client->readies++;
	if (client->on_ready)
		client->on_ready(client);
}

void client_init(struct client *client, struct world *world, uid_t uid) {
	struct tenant *tenant;

	*client = (struct client){ .readies = 0 };
	assert_int_equal(scheduler_tenant(world->scheduler, uid, &tenant), 0);
	owner_init(&client->owner, tenant, client_ready);
	tenant_unref(tenant);
}

void client_deinit(struct client *client) {
	owner_deinit(&client->owner);
}

void world_pass(struct world *world, int64_t ns) {
	for (unsigned clock = 0; clock < TIMER_CLOCK_MAX; clock++)
		world->now.ns[clock] += ns;
}

bool world_turn(struct world *world) {
	scheduler_advance(world->scheduler, &world->now, false);
	return scheduler_dispatch(world->scheduler);
}

void world_run(struct world *world, int64_t ns) {
	world_pass(world, ns);
	while (world_turn(world))
		;
}

struct timer *world_arm(struct world *world, struct client *client, const struct timer_spec *spec) {
	struct timer_spec copy = *spec;
	struct timer *timer = NULL;
	enum timer_change change;

	assert_int_equal(timer_arm(world->scheduler, &client->owner, &copy, &timer, &change), 0);
	assert_null(copy.command);
	return timer;
}

struct timer *world_after(struct world *world, struct client *client, uint64_t handle, int64_t delay_ns) {
	return world_arm(world, client,
			 &(struct timer_spec){
				 .handle = handle,
				 .kind = TIMER_KIND_AFTER,
				 .deadline_ns = world_boottime(world) + delay_ns,
				 .delay_ns = delay_ns,
			 });
}

bool client_take(struct client *client, struct event *ret) {
	static struct run_info run;
	static struct grant grant;
	static struct process_end process;
	static char name[256];

	if (!owner_peek_event(&client->owner, ret))
		return false;
	if (ret->name) {
		snprintf(name, sizeof(name), "%s", ret->name);
		ret->name = name;
	}
	if (ret->run) {
		run = *ret->run;
		ret->run = &run;
	}
	if (ret->grant) {
		grant = *ret->grant;
		ret->grant = &grant;
	}
	if (ret->process) {
		process = *ret->process;
		ret->process = &process;
	}
	owner_took_event(&client->owner);
	return true;
}

struct event client_expect(struct client *client, uint64_t handle, enum event_type type) {
	struct event event;

	assert_true(client_take(client, &event));
	assert_int_equal(event.handle, handle);
	assert_int_equal(event.type, type);
	return event;
}

void client_expect_none(struct client *client) {
	struct event event;

	assert_false(client_take(client, &event));
}

int64_t world_boottime(const struct world *world) {
	return world->now.ns[TIMER_CLOCK_BOOTTIME];
}
