/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything that can be done to timers, in no order: names, detached ones, followers, commands, owners that come
 * and go; and watches of pipes among them.  What must hold in between is counted anew each time.
 */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <signal.h>

#include "daemon/core/poller.h"
#include "daemon/core/scheduler-private.h"
#include "daemon/core/timer-private.h"
#include "daemon/core/watch.h"
#include "proto/limits.h"
#include "tests/unit/core-world.h"
#include "tests/unit/fake-starter.h"

#define CLIENTS 6 /* three of each uid */
#define STEPS 150000
#define HANDLES 40
#define RUNS 64
#define PIPES 4

/* A starter that many runs are left with. */
struct many_starter {
	struct starter starter;
	struct run *runs[RUNS];
};

struct monkey {
	struct many_starter many;
	struct world world;
	struct client clients[CLIENTS];
	struct poller *poller;
	int pipes[PIPES][2];
	struct random random;
};

static int many_start(struct starter *starter, struct run *run, const struct run_request *request _unused_,
		      void **ret) {
	struct many_starter *many = container_of(starter, struct many_starter, starter);

	for (size_t i = 0; i < RUNS; i++)
		if (!many->runs[i]) {
			many->runs[i] = run;
			*ret = &many->runs[i];
			return 0;
		}
	return -EAGAIN;
}

static int many_kill(struct starter *starter _unused_, void *process _unused_, int signal_number _unused_) {
	return 0;
}

static void many_abandon(struct starter *starter _unused_, void *process) {
	*(struct run **)process = NULL;
}

static uint64_t roll(struct monkey *monkey, uint64_t n) {
	return random_below(&monkey->random, n);
}

/* ---- what must hold -------------------------------------------------------------------------------------- */

struct census {
	size_t live, finished, followers;
};

static struct census count_timers(struct tenant *tenant) {
	struct census census = { 0 };
	struct timer *timer;

	for (uint64_t after = 0; (timer = tenant_next(tenant, after)); after = timer_id(timer)) {
		struct timer_info info;

		timer_describe(timer, &info);
		assert_ptr_equal(tenant_find_id(tenant, info.id), timer);
		if (info.name && !timer_has(timer, TIMER_SPENT)) /* whoever may still fire has its name */
			assert_ptr_equal(tenant_find_name(tenant, info.name), timer);
		if (timer_has(timer, TIMER_FINISHED))
			census.finished++;
		else
			census.live++;
		if (info.state == TIMER_STATE_ARMED)
			assert_true(timer_kind(timer) == TIMER_KIND_SOON ||
				    tenant->clocks[info.clock].queue.entries[timer->source.index].deadline ==
					    info.next_ns);
	}
	return census;
}

static size_t count_kind(const struct monkey *monkey, const struct tenant *tenant, enum source_kind kind) {
	size_t n = 0;

	for (size_t i = 0; i < CLIENTS; i++) {
		const struct owner *owner = &monkey->clients[i].owner;
		struct source *source;

		if (owner->tenant != tenant)
			continue;
		for (uint64_t handle = 0; (source = map_find_from(&owner->handles, handle));
		     handle = source->handle + 1)
			n += source->kind == kind;
	}
	return n;
}

/* As the scheduler keeps it. */
static void add_use(struct shared_use *shared, const struct tenant_use *use) {
	size_t *sum = (size_t *)&shared->sum, *users = (size_t *)&shared->users;
	const size_t *own = (const size_t *)use;

	for (size_t i = 0; i < sizeof(*use) / sizeof(size_t); i++) {
		bool is_shared = &own[i] != &use->command_bytes && &own[i] != &use->jobs;

		sum[i] += is_shared ? own[i] : 0;
		users[i] += is_shared && own[i] > 0;
	}
}

static void check_all(struct monkey *monkey) {
	struct scheduler_stats stats;
	const struct shared_use *shared = scheduler_shared_use(monkey->world.scheduler);
	struct shared_use expected = { 0 };
	size_t live = 0, finished = 0;

	scheduler_stats(monkey->world.scheduler, &stats);
	for (size_t uid = 0; uid < 2; uid++) {
		struct tenant *tenant = monkey->clients[uid].owner.tenant;
		struct census census = count_timers(tenant);

		assert_int_equal(tenant_use(tenant)->timers,
				 census.live + count_kind(monkey, tenant, SOURCE_ATTACHMENT));
		/* Of some only the last event is left. */
		assert_true(tenant_use(tenant)->descriptors <= count_kind(monkey, tenant, SOURCE_WATCH));
		add_use(&expected, tenant_use(tenant));
		live += census.live;
		finished += census.finished;
	}
	assert_memory_equal(shared, &expected, sizeof(expected));
	assert_int_equal(stats.timers, live);
	assert_int_equal(stats.finished, finished);
}

/* ---- what is done ---------------------------------------------------------------------------------------- */

static struct client *some_client(struct monkey *monkey) {
	return &monkey->clients[roll(monkey, CLIENTS)];
}

static struct timer *some_timer(struct monkey *monkey, struct client *client) {
	uint64_t last = monkey->world.scheduler->next_id;

	return tenant_next(client->owner.tenant, last - MIN(last, 1 + roll(monkey, 100)));
}

static void arm(struct monkey *monkey, struct client *client) {
	static const char *const names[] = { "a", "b", "c" };
	struct timer_spec spec = { .handle = 1 + roll(monkey, HANDLES), .delay_ns = -1 };
	struct timer *timer = NULL;
	enum timer_change change;
	int r;

	spec.clock = roll(monkey, TIMER_CLOCK_MAX);
	spec.kind = roll(monkey, 4);
	spec.deadline_ns = monkey->world.now.ns[spec.clock] + (int64_t)roll(monkey, 100);
	if (spec.kind == TIMER_KIND_EVERY) {
		spec.period_ns = 1 + (int64_t)roll(monkey, 60);
		spec.count = roll(monkey, 2) * roll(monkey, 5);
		spec.until_ns = roll(monkey, 3) ? 0 : spec.deadline_ns - 5 + (int64_t)roll(monkey, 300);
	}
	if (spec.kind == TIMER_KIND_AFTER)
		spec.delay_ns = spec.deadline_ns - monkey->world.now.ns[spec.clock];
	if (roll(monkey, 4) == 0)
		spec.slack_ns = (int64_t)roll(monkey, 20);
	if (roll(monkey, 3) == 0)
		spec.name = names[roll(monkey, ARRAY_SIZE(names))];
	spec.name_mode = roll(monkey, 3);
	spec.detached = roll(monkey, 3) == 0;
	if (roll(monkey, 5) == 0)
		spec.command = fake_command(roll(monkey, 2) ? "true" : "false");
	if (spec.command)
		spec.command->overlap = roll(monkey, 4);
	if ((spec.detached || spec.command) && roll(monkey, 2))
		spec.handle = 0;

	r = timer_arm(monkey->world.scheduler, &client->owner, &spec, &timer, &change);
	assert_true(r == 0 || r == TIMER_E_HANDLE_EXISTS || r == TIMER_E_NAME_EXISTS || r == TIMER_E_PAST_UNTIL);
	if (r == 0 && spec.handle != 0) {
		assert_non_null(owner_find(&client->owner, spec.handle));
		/* ENSURE may have left it without a time to come. */
		if (!timer_has(timer, TIMER_SPENT))
			assert_ptr_equal(timer_of_source(owner_find(&client->owner, spec.handle)), timer);
	}
	command_free(spec.command);
}

static void manage(struct monkey *monkey, struct client *client) {
	struct timer *timer = some_timer(monkey, client);
	int64_t delay = (int64_t)roll(monkey, 50);

	if (!timer)
		return;
	switch (roll(monkey, 8)) {
	case 0:
		(void)timer_cancel(timer, SOURCE_END_CANCELLED);
		break;
	case 1:
		(void)timer_pause(timer);
		break;
	case 2:
		(void)timer_resume(timer);
		break;
	case 3:
		(void)timer_trigger(timer);
		break;
	case 4:
		(void)timer_poke(timer);
		break;
	case 5:
		(void)timer_kill(timer, (int)roll(monkey, 3));
		break;
	case 6:
		(void)timer_restart(timer, monkey->world.now.ns[timer_clock(timer)] + delay, delay);
		break;
	default:
		(void)timer_attach(timer, &client->owner, 1 + roll(monkey, HANDLES), roll(monkey, 2));
	}
}

static void watch(struct monkey *monkey, struct client *client) {
	int *fds = monkey->pipes[roll(monkey, PIPES)];
	struct watch_spec spec = { .handle = 1 + roll(monkey, HANDLES), .closes_at_once = true };
	bool taken = owner_find(&client->owner, spec.handle);
	int fd = fcntl(fds[roll(monkey, 2)], F_DUPFD_CLOEXEC, 0), r;
	struct watch *watch;

	assert_true(fd >= 0);
	spec.readiness = 1 + (unsigned)roll(monkey, 3);
	spec.timeout_ns = (int64_t)roll(monkey, 50);
	r = watch_new(&watch, monkey->poller, &client->owner, &spec, fd);
	assert_int_equal(r, taken ? WATCH_E_HANDLE_EXISTS : 0);
	if (r != 0)
		close_fd(fd);
}

static void open_pipe(int fds[2]) {
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
}

/* Something is written, read, or hung up. */
static void use_pipe(struct monkey *monkey) {
	int *fds = monkey->pipes[roll(monkey, PIPES)];
	char data[64] = "";

	switch (roll(monkey, 8)) {
	case 0:
		close_fd(fds[0]);
		close_fd(fds[1]);
		open_pipe(fds);
		break;
	case 1:
	case 2:
	case 3:
		(void)!write(fds[1], data, 1 + roll(monkey, sizeof(data)));
		break;
	default:
		(void)!read(fds[0], data, sizeof(data));
	}
	poller_dispatch(monkey->poller);
}

static void take(struct monkey *monkey, struct client *client) {
	struct event event;

	for (uint64_t n = roll(monkey, 8); n > 0 && owner_peek_event(&client->owner, &event); n--) {
		bool last = event.type == EVENT_TYPE_ENDED || (event.type == EVENT_TYPE_READY && !event.more) ||
			    (event.type == EVENT_TYPE_FIRED && !event.more &&
			     owner_find(&client->owner, event.handle)->kind == SOURCE_TIMER &&
			     owner_find(&client->owner, event.handle)->pending == 1u << EVENT_TYPE_FIRED);
		uint64_t handle = event.handle;

		assert_int_equal(owner_find(&client->owner, handle)->id, event.id);
		if (event.type == EVENT_TYPE_FIRED) {
			assert_true(event.fires >= 1 && event.missed < event.fires && event.fire_seq >= event.fires);
			assert_true(event.first_scheduled_ns <= event.scheduled_ns || event.fires > 1);
			assert_true(event.fired_ns >= event.scheduled_ns);
		}
		owner_took_event(&client->owner);
		assert_int_equal(!owner_find(&client->owner, handle), last);
	}
}

static void end_run(struct monkey *monkey) {
	struct run **place = &monkey->many.runs[roll(monkey, RUNS)], *run = TAKE_PTR(*place);

	if (!run)
		return;
	if (roll(monkey, 2))
		run_output(run, "output", 6);
	run_exited(run, (int)roll(monkey, 256), roll(monkey, 4), world_boottime(&monkey->world));
}

static void pass(struct monkey *monkey) {
	bool stepped = roll(monkey, 40) == 0;

	world_pass(&monkey->world, (int64_t)roll(monkey, 20));
	if (roll(monkey, 200) == 0)
		world_pass(&monkey->world, FINISHED_KEPT_NS / 2);
	if (stepped)
		monkey->world.now.ns[TIMER_CLOCK_REALTIME] += (int64_t)roll(monkey, 200) - 100;
	scheduler_advance(monkey->world.scheduler, &monkey->world.now, stepped);
	(void)scheduler_dispatch(monkey->world.scheduler);
}

static void come_and_go(struct monkey *monkey) {
	size_t i = 2 + roll(monkey, CLIENTS - 2);
	struct client *client = &monkey->clients[i];

	while (roll(monkey, 2) && owner_reduce(&client->owner, 1))
		;
	client_deinit(client);
	client_init(client, &monkey->world, 1 + i % 2);
}

static void act(struct monkey *monkey) {
	struct client *client = some_client(monkey);
	uint64_t chance = roll(monkey, 120);

	if (chance >= 115)
		watch(monkey, client);
	else if (chance >= 106)
		use_pipe(monkey);
	else if (chance >= 100)
		owner_ack(&client->owner, 1 + roll(monkey, HANDLES));
	else if (chance < 30)
		arm(monkey, client);
	else if (chance < 55)
		manage(monkey, client);
	else if (chance < 70)
		take(monkey, client);
	else if (chance < 78)
		(void)owner_cancel(&client->owner, 1 + roll(monkey, HANDLES));
	else if (chance < 86)
		end_run(monkey);
	else if (chance < 99)
		pass(monkey);
	else
		come_and_go(monkey);
}

static void test_anything(void **state) {
	static struct monkey monkey;
	int last_fd;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	monkey = (struct monkey){
		.many.starter = { .start = many_start, .kill = many_kill, .abandon = many_abandon },
		.random = RANDOM_INIT,
	};
	world_init_with(&monkey.world, &monkey.many.starter);
	assert_int_equal(poller_new(&monkey.poller), 0);
	last_fd = dup(0);
	close_fd(last_fd);
	for (size_t i = 0; i < PIPES; i++)
		open_pipe(monkey.pipes[i]);
	scheduler_set_job_limit(monkey.world.scheduler, 20);
	for (size_t i = 0; i < CLIENTS; i++)
		client_init(&monkey.clients[i], &monkey.world, 1 + i % 2);
	for (unsigned step = 0; step < (is_in_valgrind() ? STEPS / 10 : STEPS); step++) {
		act(&monkey);
		if (step % 8 == 0)
			check_all(&monkey);
	}
	for (size_t i = 0; i < CLIENTS; i++)
		client_deinit(&monkey.clients[i]);
	for (size_t i = 0; i < PIPES; i++) {
		close_fd(monkey.pipes[i][0]);
		close_fd(monkey.pipes[i][1]);
	}
	assert_int_equal(dup(0), last_fd); /* nothing is open that was not */
	close_fd(last_fd);
	poller_free(monkey.poller);
	world_deinit(&monkey.world);
	for (size_t i = 0; i < RUNS; i++)
		assert_null(monkey.many.runs[i]);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
