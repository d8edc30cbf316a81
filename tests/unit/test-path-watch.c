/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Path watches: what is merged, what is too much, when it has settled, and what acknowledging does. */

#include "daemon/core/path-watch.h"

#include <string.h>

#include "proto/limits.h"
#include "tests/unit/core-world.h"
#include "tests/unit/fake-watcher.h"
#include "tests/unit/test.h"

#define HANDLE 7

struct fixture {
	struct world world;
	struct client client;
	struct fake_watcher fake;
};

static int setup(void **state) {
	static struct fixture fixture;

	fake_watcher_init(&fixture.fake);
	world_init(&fixture.world);
	scheduler_set_path_watcher(fixture.world.scheduler, &fixture.fake.watcher);
	client_init(&fixture.client, &fixture.world, 1000);
	*state = &fixture;
	return 0;
}

static int teardown(void **state) {
	struct fixture *fixture = *state;

	client_deinit(&fixture->client);
	world_deinit(&fixture->world);
	assert_null(fixture->fake.watch);
	return 0;
}

static int try_watch(struct fixture *fixture, uint64_t handle, int64_t settle_ns, int64_t timeout_ns) {
	struct path_spec spec = { .path = "/w" };
	struct path_watch *watch;

	return path_watch_new(&watch, &fixture->client.owner, handle, &spec, settle_ns, timeout_ns);
}

static void watch(struct fixture *fixture, int64_t settle_ns, int64_t timeout_ns) {
	assert_int_equal(try_watch(fixture, HANDLE, settle_ns, timeout_ns), 0);
}

static void change(struct fixture *fixture, const char *path, unsigned events) {
	char buffer[PATH_CHANGES_SIZE_MAX + 100];

	/* Not a string, but so many bytes. */
	memset(buffer, '!', sizeof(buffer));
	memcpy(buffer, path, strlen(path));
	path_watch_changed(fixture->fake.watch, buffer, strlen(path), events);
}

/* The event that is pending is left there. */
static struct event peek(struct fixture *fixture) {
	struct event event;

	assert_true(owner_peek_event(&fixture->client.owner, &event));
	assert_int_equal(event.handle, HANDLE);
	assert_int_equal(event.type, EVENT_TYPE_CHANGED);
	return event;
}

static void take(struct fixture *fixture) {
	owner_took_event(&fixture->client.owner);
}

static void take_and_ack(struct fixture *fixture) {
	take(fixture);
	owner_ack(&fixture->client.owner, HANDLE);
}

static void expect_change(const struct event *event, size_t i, const char *path, unsigned events) {
	assert_true(i < event->n_changes);
	assert_string_equal(event->changes[i].path, path);
	assert_int_equal(event->changes[i].events, events);
}

static size_t paths_used(struct fixture *fixture) {
	return tenant_use(fixture->client.owner.tenant)->paths;
}

static void test_merged(void **state) {
	struct fixture *fixture = *state;
	struct event event;

	watch(fixture, 0, 0);
	client_expect_none(&fixture->client);
	change(fixture, "b", PATH_CREATED);
	world_pass(&fixture->world, 5);
	change(fixture, "a/b", PATH_MODIFIED);
	change(fixture, "b", PATH_MODIFIED);
	change(fixture, "", PATH_DELETED);
	change(fixture, "a", PATH_MOVED);
	event = peek(fixture);
	assert_int_equal(event.n_changes, 4);
	expect_change(&event, 0, "b", PATH_CREATED | PATH_MODIFIED);
	expect_change(&event, 1, "a/b", PATH_MODIFIED);
	expect_change(&event, 2, "", PATH_DELETED);
	expect_change(&event, 3, "a", PATH_MOVED);
	assert_int_equal(event.fires, 5);
	assert_int_equal(event.fire_seq, 5);
	assert_int_equal(event.fired_ns, WORLD_START);
	assert_true(event.more);
	assert_false(event.rescan);
	assert_false(event.timed_out);
	assert_int_equal(event.error, 0);
	take_and_ack(fixture);
	change(fixture, "b", PATH_DELETED);
	event = peek(fixture);
	assert_int_equal(event.n_changes, 1);
	expect_change(&event, 0, "b", PATH_DELETED);
	assert_int_equal(event.fires, 1);
	assert_int_equal(event.fire_seq, 6);
}

/* At most one event is out. */
static void test_acknowledged(void **state) {
	struct fixture *fixture = *state;
	struct event event;

	watch(fixture, 0, 0);
	owner_ack(&fixture->client.owner, HANDLE); /* of nothing */
	change(fixture, "a", PATH_CREATED);
	owner_ack(&fixture->client.owner, HANDLE); /* of what it has not got */
	take(fixture);
	change(fixture, "b", PATH_CREATED);
	change(fixture, "c", PATH_CREATED);
	client_expect_none(&fixture->client);
	owner_ack(&fixture->client.owner, HANDLE + 1);
	client_expect_none(&fixture->client);
	owner_ack(&fixture->client.owner, HANDLE);
	event = peek(fixture);
	assert_int_equal(event.n_changes, 2);
	assert_int_equal(event.fires, 2);
	take(fixture);
	owner_ack(&fixture->client.owner, HANDLE);
	owner_ack(&fixture->client.owner, HANDLE);
	client_expect_none(&fixture->client);
}

static void test_settle(void **state) {
	struct fixture *fixture = *state;
	struct event event;

	watch(fixture, 100, 0);
	for (int i = 0; i < 10; i++) {
		change(fixture, "a", PATH_MODIFIED);
		world_run(&fixture->world, 99);
		client_expect_none(&fixture->client);
	}
	world_run(&fixture->world, 1);
	event = peek(fixture);
	assert_int_equal(event.fires, 10);
	assert_int_equal(event.n_changes, 1);
	assert_int_equal(event.fired_ns, WORLD_START);
	/* What comes before it is taken is merged, and waits for nothing. */
	change(fixture, "b", PATH_MODIFIED);
	event = peek(fixture);
	assert_int_equal(event.n_changes, 2);
	take(fixture);
	/* While one is out, changes settle all the same. */
	change(fixture, "c", PATH_MODIFIED);
	world_run(&fixture->world, 100);
	client_expect_none(&fixture->client);
	owner_ack(&fixture->client.owner, HANDLE);
	event = peek(fixture);
	expect_change(&event, 0, "c", PATH_MODIFIED);
	take(fixture);
	change(fixture, "d", PATH_MODIFIED);
	owner_ack(&fixture->client.owner, HANDLE);
	world_run(&fixture->world, 99);
	client_expect_none(&fixture->client);
	world_run(&fixture->world, 1);
	event = peek(fixture);
	expect_change(&event, 0, "d", PATH_MODIFIED);
}

static void test_too_many(void **state) {
	struct fixture *fixture = *state;
	struct event event;
	char name[16];

	watch(fixture, 0, 0);
	for (int i = 0; i < PATH_CHANGES_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		change(fixture, name, PATH_CREATED);
	}
	assert_false(peek(fixture).rescan);
	change(fixture, "0", PATH_MODIFIED);
	assert_false(peek(fixture).rescan);
	change(fixture, "one more", PATH_CREATED);
	event = peek(fixture);
	assert_true(event.rescan);
	assert_int_equal(event.n_changes, PATH_CHANGES_MAX);
	assert_int_equal(event.fires, PATH_CHANGES_MAX + 2);
	expect_change(&event, 0, "0", PATH_CREATED | PATH_MODIFIED);
	expect_change(&event, PATH_CHANGES_MAX - 1, "255", PATH_CREATED);
	take_and_ack(fixture);
	change(fixture, "a", PATH_CREATED);
	event = peek(fixture);
	assert_false(event.rescan);
	assert_int_equal(event.n_changes, 1);
}

static void test_too_large(void **state) {
	struct fixture *fixture = *state;
	char name[PATH_CHANGES_SIZE_MAX / 4 + 1];
	struct event event;

	watch(fixture, 0, 0);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	for (char c = 'a'; c < 'e'; c++) {
		name[0] = c;
		change(fixture, name, PATH_CREATED);
	}
	assert_false(peek(fixture).rescan); /* exactly full */
	change(fixture, "", PATH_MODIFIED); /* takes nothing */
	assert_false(peek(fixture).rescan);
	change(fixture, "y", PATH_CREATED);
	event = peek(fixture);
	assert_true(event.rescan);
	assert_int_equal(event.n_changes, 5);
}

static void test_lost_track(void **state) {
	struct fixture *fixture = *state;
	struct event event;

	watch(fixture, 100, 0);
	path_watch_lost_track(fixture->fake.watch);
	client_expect_none(&fixture->client);
	world_run(&fixture->world, 100);
	event = peek(fixture);
	assert_true(event.rescan);
	assert_int_equal(event.n_changes, 0);
	assert_int_equal(event.fires, 1);
}

static void test_timeout(void **state) {
	struct fixture *fixture = *state;
	struct event event;

	watch(fixture, 100, 1000);
	world_run(&fixture->world, 999);
	client_expect_none(&fixture->client);
	change(fixture, "a", PATH_MODIFIED); /* has not settled */
	world_run(&fixture->world, 1);
	event = peek(fixture);
	assert_true(event.timed_out);
	assert_int_equal(event.n_changes, 0);
	assert_int_equal(event.fires, 0);
	assert_true(event.more);
	/* Settled before that was taken: it is not true any more. */
	world_run(&fixture->world, 100);
	event = peek(fixture);
	assert_false(event.timed_out);
	expect_change(&event, 0, "a", PATH_MODIFIED);
	take(fixture);
	/* It counts from the acknowledgement on. */
	world_run(&fixture->world, 5000);
	client_expect_none(&fixture->client);
	owner_ack(&fixture->client.owner, HANDLE);
	world_run(&fixture->world, 999);
	client_expect_none(&fixture->client);
	world_run(&fixture->world, 1);
	assert_true(peek(fixture).timed_out);
	take(fixture);
	/* Taken, and then something comes. */
	change(fixture, "b", PATH_MODIFIED);
	world_run(&fixture->world, 100);
	client_expect_none(&fixture->client);
	owner_ack(&fixture->client.owner, HANDLE);
	event = peek(fixture);
	assert_false(event.timed_out);
	expect_change(&event, 0, "b", PATH_MODIFIED);
}

static void test_failed(void **state) {
	struct fixture *fixture = *state;
	struct event event;

	watch(fixture, 100, 1000);
	change(fixture, "a", PATH_MODIFIED);
	path_watch_failed(TAKE_PTR(fixture->fake.watch), ENOSPC);
	event = peek(fixture); /* without settling */
	assert_int_equal(event.error, ENOSPC);
	assert_false(event.more);
	assert_int_equal(event.n_changes, 1);
	assert_int_equal(paths_used(fixture), 1);
	take(fixture);
	assert_int_equal(paths_used(fixture), 0);
	assert_null(owner_find(&fixture->client.owner, HANDLE));
	assert_int_equal(fixture->fake.removes, 0);
	/* While one is out: after it. */
	watch(fixture, 0, 0);
	change(fixture, "a", PATH_MODIFIED);
	take(fixture);
	path_watch_failed(TAKE_PTR(fixture->fake.watch), ENOENT);
	client_expect_none(&fixture->client);
	owner_ack(&fixture->client.owner, HANDLE);
	assert_int_equal(peek(fixture).error, ENOENT);
	/* And cancelled before it is taken. */
	assert_int_equal(owner_cancel(&fixture->client.owner, HANDLE), CANCEL_WITHDRAWN);
	assert_int_equal(fixture->fake.removes, 0);
}

static void test_cancel(void **state) {
	struct fixture *fixture = *state;

	watch(fixture, 0, 1000);
	assert_int_equal(paths_used(fixture), 1);
	assert_int_equal(owner_cancel(&fixture->client.owner, HANDLE), CANCEL_CANCELLED);
	assert_int_equal(fixture->fake.removes, 1);
	assert_int_equal(paths_used(fixture), 0);
	watch(fixture, 0, 0);
	change(fixture, "a", PATH_MODIFIED);
	assert_int_equal(owner_cancel(&fixture->client.owner, HANDLE), CANCEL_WITHDRAWN);
	client_expect_none(&fixture->client);
	watch(fixture, 100, 1000);
	change(fixture, "a", PATH_MODIFIED); /* and goes with the owner */
}

static void test_refused(void **state) {
	struct fixture *fixture = *state;

	watch(fixture, 0, 0);
	assert_int_equal(try_watch(fixture, HANDLE, 0, 0), PATH_WATCH_E_HANDLE_EXISTS);
	assert_int_equal(fixture->fake.adds, 1);
	fixture->fake.result = PATH_WATCH_E_STUCK;
	assert_int_equal(try_watch(fixture, HANDLE + 1, 0, 0), PATH_WATCH_E_STUCK);
	fixture->fake.result = -ENOENT;
	assert_int_equal(try_watch(fixture, HANDLE + 1, 0, 0), -ENOENT);
	assert_int_equal(paths_used(fixture), 1);
	assert_int_equal(fixture->fake.removes, 0);
	scheduler_set_path_watcher(fixture->world.scheduler, NULL);
	assert_int_equal(try_watch(fixture, HANDLE + 1, 0, 0), PATH_WATCH_E_NOBODY);
	scheduler_set_path_watcher(fixture->world.scheduler, &fixture->fake.watcher);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_merged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_acknowledged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_settle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost_track, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
