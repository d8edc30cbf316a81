/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Long runs on made-up clocks, against models that are too simple to be wrong. */

#include "tests/unit/test.h"

#include "proto/limits.h"
#include "tests/unit/core-world.h"

/* ---- a million fires ------------------------------------------------------------------------------------- */

#define FIRES 1000000
#define DELAY_MAX (50 * NSEC_PER_MSEC)

/* Random delays: none early, none lost, and always in the order of deadline, then arming. */
static void test_million_fires(void **state) {
	int64_t *deadlines = calloc(FIRES + 1, sizeof(*deadlines)), last = 0;
	struct random random = RANDOM_INIT;
	uint64_t armed = 0, taken = 0, last_handle = 0;
	struct client client;
	struct world world;

	(void)state;
	assert_non_null(deadlines);
	world_init(&world);
	client_init(&client, &world, 1000);
	while (taken < FIRES) {
		struct event event;

		for (uint64_t n = random_below(&random, 200); n > 0 && armed < FIRES; n--) {
			/* Some agree to the nanosecond. */
			int64_t delay = (int64_t)random_below(&random, DELAY_MAX + 1);

			if (n % 4 == 0)
				delay -= delay % NSEC_PER_MSEC;
			armed++;
			deadlines[armed] = world_boottime(&world) + delay;
			world_after(&world, &client, armed, delay);
		}
		world_run(&world, (int64_t)random_below(&random, NSEC_PER_MSEC));
		last = 0;
		while (client_take(&client, &event)) {
			assert_int_equal(event.type, EVENT_TYPE_FIRED);
			assert_int_equal(event.scheduled_ns, deadlines[event.handle]);
			assert_true(event.fired_ns >= event.scheduled_ns);
			assert_int_equal(event.fired_ns, world_boottime(&world));
			assert_true(event.scheduled_ns > last ||
				    (event.scheduled_ns == last && event.handle > last_handle));
			last = event.scheduled_ns;
			last_handle = event.handle;
			deadlines[event.handle] = -1; /* not twice */
			taken++;
		}
	}
	assert_int_equal(armed, FIRES);
	client_deinit(&client);
	world_deinit(&world);
	free(deadlines);
}

/* ---- a million races ------------------------------------------------------------------------------------- */

#define RACES 1000000
#define RACERS 512

struct racer {
	uint64_t handle; /* of the present or the last source in this place */
	bool live;
	bool unsent; /* it fired, and that was not taken */
	int64_t deadline;
	int64_t period; /* 0: once */
};

struct race {
	struct world world;
	struct client client;
	struct random random;
	struct racer racers[RACERS];
	uint64_t outcomes[3];
};

static void race_arm(struct race *race, struct racer *racer) {
	racer->handle += RACERS;
	racer->live = true;
	racer->unsent = false;
	racer->deadline = world_boottime(&race->world) + (int64_t)random_below(&race->random, 50);
	racer->period = random_below(&race->random, 3) ? 0 : 1 + (int64_t)random_below(&race->random, 20);
	world_arm(&race->world, &race->client,
		  &(struct timer_spec){
			  .handle = racer->handle,
			  .kind = racer->period ? TIMER_KIND_EVERY : TIMER_KIND_AFTER,
			  .deadline_ns = racer->deadline,
			  .period_ns = racer->period,
		  });
}

/* Cancel it, be it over or not: what comes back must agree with what was taken before. */
static void race_cancel(struct race *race, struct racer *racer) {
	enum cancel_outcome outcome = owner_cancel(&race->client.owner, racer->handle);

	race->outcomes[outcome]++;
	if (!racer->live)
		assert_int_equal(outcome, CANCEL_GONE);
	else
		assert_int_equal(outcome, racer->unsent ? CANCEL_WITHDRAWN : CANCEL_CANCELLED);
	racer->live = false; /* race_take() fails if anything comes after this */
}

static void race_pass(struct race *race) {
	world_run(&race->world, (int64_t)random_below(&race->random, 10));
	for (size_t i = 0; i < RACERS; i++) {
		struct racer *racer = &race->racers[i];

		if (!racer->live || racer->deadline > world_boottime(&race->world))
			continue;
		racer->unsent = true;
		if (racer->period == 0)
			racer->deadline = INT64_MAX;
		while (racer->deadline <= world_boottime(&race->world))
			racer->deadline += racer->period;
	}
}

static void race_take(struct race *race) {
	for (uint64_t n = random_below(&race->random, 8); n > 0; n--) {
		struct racer *racer;
		struct event event;

		if (!client_take(&race->client, &event))
			return;
		racer = &race->racers[event.handle % RACERS];
		assert_true(racer->live && racer->unsent);
		assert_int_equal(racer->handle, event.handle);
		racer->unsent = false;
		racer->live = racer->period > 0;
	}
}

static void test_million_races(void **state) {
	static struct race race;

	(void)state;
	race = (struct race){ .random = RANDOM_INIT };
	for (size_t i = 0; i < RACERS; i++)
		race.racers[i].handle = RACERS + i;
	world_init(&race.world);
	client_init(&race.client, &race.world, 1000);
	while (race.outcomes[0] + race.outcomes[1] + race.outcomes[2] < RACES) {
		for (unsigned i = 0; i < 40; i++) {
			struct racer *racer = &race.racers[random_below(&race.random, RACERS)];

			if (racer->live || random_below(&race.random, 4) == 0)
				race_cancel(&race, racer);
			else
				race_arm(&race, racer);
		}
		race_pass(&race);
		race_take(&race);
	}
	print_message("           %llu cancelled, %llu withdrawn, %llu gone\n",
		      (unsigned long long)race.outcomes[CANCEL_CANCELLED],
		      (unsigned long long)race.outcomes[CANCEL_WITHDRAWN],
		      (unsigned long long)race.outcomes[CANCEL_GONE]);
	for (unsigned outcome = 0; outcome < ARRAY_SIZE(race.outcomes); outcome++)
		assert_true(race.outcomes[outcome] > RACES / 20);
	client_deinit(&race.client);
	world_deinit(&race.world);
}

/* ---- ten years ------------------------------------------------------------------------------------------- */

#define YEARS (is_in_valgrind() ? 1 : 10)
#define MODELS 40
#define HOUR (3600 * NSEC_PER_SEC)

/* A timer as one would write it without caring how long things take. */
struct model {
	bool live;
	bool extended; /* more than an anonymous one-shot timer */
	struct timer_spec spec;
	struct timer *timer;
	int64_t anchor, next;
	uint64_t left; /* nominal times to come, if spec.count */
	bool paused, spent, ended;
	int64_t rest; /* paused one-shots */
	uint64_t fire_seq;
	uint64_t fires, missed; /* unsent */
	int64_t first, last, fired;
};

struct history {
	struct world world;
	struct client client;
	struct random random;
	struct model models[MODELS];
	uint64_t last_handle;
	uint64_t fires, steps, suspends, wakes;
};

static int64_t history_now(const struct history *history, const struct model *model) {
	return history->world.now.ns[model->spec.clock];
}

/* From about a minute to a week. */
static int64_t history_span(struct history *history) {
	int64_t minutes = 1 + (int64_t)random_below(&history->random, 2);

	minutes <<= random_below(&history->random, 13);
	return minutes * 60 * NSEC_PER_SEC + (int64_t)random_below(&history->random, NSEC_PER_SEC);
}

static int64_t model_effective(const struct model *model) {
	int64_t grain = 1;

	while (grain * 2 <= model->spec.slack_ns)
		grain *= 2;
	return (model->next + grain - 1) / grain * grain;
}

static bool model_is_armed(const struct model *model) {
	return model->live && !model->paused && !model->spent;
}

static bool model_is_over(const struct model *model) {
	return (model->spec.count > 0 && model->left == 0) ||
	       (model->spec.until_ns > 0 && model->next > model->spec.until_ns);
}

static void model_note(struct model *model, uint64_t fires, int64_t first, int64_t last, int64_t now) {
	if (model->fires == 0)
		model->first = first;
	model->fires += fires;
	model->missed += fires - 1;
	model->fire_seq += fires;
	model->last = last;
	model->fired = now;
}

static void model_dispatch(struct history *history, struct model *model) {
	int64_t now = history_now(history, model), first = model->next, last = 0;
	uint64_t fires = 0;

	if (!model_is_armed(model) || model_effective(model) > now)
		return;
	if (model->spec.period_ns == 0) {
		model->spent = true;
		fires = 1;
		last = first;
	}
	while (!model->spent && model->next <= now) {
		last = model->next;
		fires++;
		model->left--;
		model->next += model->spec.period_ns;
		model->spent = model_is_over(model);
	}
	history->fires += fires;
	model_note(model, fires, first, last, now);
}

/* To the first nominal time after now, forward or back. */
static void model_find_next(struct history *history, struct model *model) {
	int64_t now = history_now(history, model), period = model->spec.period_ns;

	while (model->next <= now)
		model->next += period;
	while (model->next - period >= model->anchor && model->next - period > now)
		model->next -= period;
}

static void history_arm(struct history *history, struct model *model) {
	int64_t span = history_span(history), now;

	*model = (struct model){ .live = true };
	model->spec.handle = ++history->last_handle;
	model->spec.clock = random_below(&history->random, TIMER_CLOCK_MAX);
	now = history_now(history, model);
	model->spec.delay_ns = random_below(&history->random, 4) ? span : -1;
	model->spec.deadline_ns = now + span;
	model->spec.kind = TIMER_KIND_AFTER;
	if (random_below(&history->random, 8)) {
		model->spec.kind = TIMER_KIND_EVERY;
		model->spec.period_ns = history_span(history);
		if (random_below(&history->random, 3) == 0)
			model->spec.count = 1 + random_below(&history->random, 1000);
		if (random_below(&history->random, 3) == 0)
			model->spec.until_ns =
				model->spec.deadline_ns + (int64_t)random_below(&history->random, 5000 * HOUR);
	}
	if (random_below(&history->random, 4) == 0)
		model->spec.slack_ns = (int64_t)random_below(&history->random, 100 * NSEC_PER_SEC);
	model->left = model->spec.count;
	model->anchor = model->next = model->spec.deadline_ns;
	model->extended = model->spec.period_ns > 0 || model->spec.slack_ns > 0;
	model->timer = world_arm(&history->world, &history->client, &model->spec);
}

static struct model *history_find(struct history *history, uint64_t handle) {
	for (size_t i = 0; i < MODELS; i++)
		if (history->models[i].live && history->models[i].spec.handle == handle)
			return &history->models[i];
	fail_msg("event of a handle that is over");
	return NULL;
}

static void history_take(struct history *history, bool all) {
	for (uint64_t n = all ? UINT64_MAX : random_below(&history->random, 4); n > 0; n--) {
		struct model *model;
		struct event event;

		if (!client_take(&history->client, &event))
			return;
		model = history_find(history, event.handle);
		if (event.type == EVENT_TYPE_ENDED) {
			assert_true(model->ended);
			assert_int_equal(event.end, SOURCE_END_DONE);
			model->live = false;
			continue;
		}
		assert_true(model->fires > 0);
		assert_int_equal(event.fires, model->fires);
		assert_int_equal(event.missed, model->missed);
		assert_int_equal(event.fire_seq, model->fire_seq);
		assert_int_equal(event.first_scheduled_ns, model->first);
		assert_int_equal(event.scheduled_ns, model->last);
		assert_int_equal(event.fired_ns, model->fired);
		assert_true(event.fired_ns >= event.scheduled_ns);
		assert_int_equal(event.more, !model->spent);
		model->fires = model->missed = 0;
		model->live = !model->spent || model->ended;
	}
}

static void history_cancel(struct history *history, struct model *model) {
	enum cancel_outcome expected = model->fires > 0 ? CANCEL_WITHDRAWN
				       : model->spent   ? CANCEL_GONE
							: CANCEL_CANCELLED;

	assert_int_equal(owner_cancel(&history->client.owner, model->spec.handle), expected);
	model->live = false;
}

static void history_restart(struct history *history, struct model *model) {
	int64_t delay = history_span(history), deadline = history_now(history, model) + delay;

	if (model->ended) {
		assert_int_equal(timer_restart(model->timer, deadline, delay), TIMER_E_UNCHANGED);
		return;
	}
	if (model->spec.period_ns > 0 && model->spec.until_ns > 0 && deadline > model->spec.until_ns) {
		assert_int_equal(timer_restart(model->timer, deadline, delay), TIMER_E_PAST_UNTIL);
		return;
	}
	assert_int_equal(timer_restart(model->timer, deadline, delay), 0);
	model->extended = model->extended || model->spent;
	if (model->extended)
		model->spec.delay_ns = delay;
	model->anchor = model->next = deadline;
	model->left = model->spec.count;
	model->paused = model->spent = false;
	model->fires = model->missed = 0;
}

static void history_pause(struct history *history, struct model *model) {
	assert_int_equal(timer_pause(model->timer), model_is_armed(model) ? 0 : TIMER_E_UNCHANGED);
	if (!model_is_armed(model))
		return;
	model->paused = true;
	model->rest = MAX(model->next - history_now(history, model), 0);
}

static void history_resume(struct history *history, struct model *model) {
	assert_int_equal(timer_resume(model->timer), model->paused ? 0 : TIMER_E_UNCHANGED);
	if (!model->paused)
		return;
	model->paused = false;
	if (model->spec.period_ns == 0) {
		model->next = history_now(history, model) + model->rest;
		return;
	}
	model_find_next(history, model);
	model->ended = model->spent = model_is_over(model);
}

static void history_poke(struct history *history, struct model *model) {
	int64_t deadline = history_now(history, model) + model->spec.delay_ns;
	int expected = 0;

	if (model->spent)
		expected = TIMER_E_UNCHANGED;
	else if (model->spec.delay_ns < 0 || !model->extended)
		expected = TIMER_E_NOT_DELAYED;
	else if (model->spec.period_ns > 0 && model->spec.until_ns > 0 && deadline > model->spec.until_ns)
		expected = TIMER_E_PAST_UNTIL;
	assert_int_equal(timer_poke(model->timer), expected);
	if (expected != 0)
		return;
	model->anchor = model->next = deadline;
	model->rest = model->spec.delay_ns;
}

static void history_trigger(struct history *history, struct model *model) {
	int64_t now = history_now(history, model);

	assert_int_equal(timer_trigger(model->timer), model->spent ? TIMER_E_UNCHANGED : 0);
	if (model->spent)
		return;
	if (!model->extended) { /* the delay that it was armed with had not been kept */
		model->extended = true;
		model->spec.delay_ns = -1;
	}
	model_note(model, 1, now, now, now);
}

static void history_manage(struct history *history) {
	struct model *model = &history->models[random_below(&history->random, MODELS)];
	uint64_t chance = random_below(&history->random, 60);

	if (!model->live) {
		history_arm(history, model);
		return;
	}
	if (chance == 0)
		history_cancel(history, model);
	else if (chance == 1)
		history_restart(history, model);
	else if (chance < 4)
		history_pause(history, model);
	else if (chance < 10)
		history_resume(history, model);
	else if (chance == 10)
		history_poke(history, model);
	else if (chance == 11)
		history_trigger(history, model);
}

/* The earliest deadline on a clock, by looking at all. */
static int64_t history_next(const struct history *history, enum timer_clock clock) {
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < MODELS; i++) {
		const struct model *model = &history->models[i];

		if (model_is_armed(model) && model->spec.clock == clock)
			next = MIN(next, model_effective(model));
	}
	return next;
}

/* Let time pass: mostly until something is due, as a loop would; sometimes the machine sleeps, or the clock is set. */
static bool history_pass(struct history *history) {
	struct instant *now = &history->world.now;
	uint64_t chance = random_below(&history->random, 1000);
	int64_t wait = HOUR;

	for (enum timer_clock clock = 0; clock < TIMER_CLOCK_MAX; clock++) {
		int64_t next = scheduler_next(history->world.scheduler, clock);

		assert_int_equal(next, history_next(history, clock));
		if (next != INT64_MAX)
			wait = MIN(wait, MAX(next - now->ns[clock], 0));
	}
	history->wakes++;
	if (chance < 200)
		wait += (int64_t)random_below(&history->random, 5 * NSEC_PER_SEC); /* the machine is busy */
	world_pass(&history->world, wait);
	now->ns[TIMER_CLOCK_REALTIME] += (int64_t)random_below(&history->random, 2000) - 1000; /* it is being slewed */
	if (chance == 999) {
		int64_t asleep = (int64_t)random_below(&history->random, 12 * HOUR);

		now->ns[TIMER_CLOCK_BOOTTIME] += asleep;
		now->ns[TIMER_CLOCK_REALTIME] += asleep;
		history->suspends++;
	}
	if (chance != 998)
		return false;
	now->ns[TIMER_CLOCK_REALTIME] += (int64_t)random_below(&history->random, 4 * HOUR) - 2 * HOUR;
	now->ns[TIMER_CLOCK_REALTIME] = MAX(now->ns[TIMER_CLOCK_REALTIME], 0);
	history->steps++;
	return true;
}

static void history_turn(struct history *history) {
	bool stepped = history_pass(history);

	scheduler_advance(history->world.scheduler, &history->world.now, stepped);
	for (size_t i = 0; i < MODELS; i++) {
		struct model *model = &history->models[i];

		if (stepped && model_is_armed(model) && model->spec.period_ns > 0 &&
		    model->spec.clock == TIMER_CLOCK_REALTIME && model->next > history_now(history, model))
			model_find_next(history, model);
		model_dispatch(history, model);
	}
	assert_false(scheduler_dispatch(history->world.scheduler));
	history_take(history, false);
	history_manage(history);
}

static void test_ten_years(void **state) {
	static struct history history;
	struct scheduler_stats stats;
	unsigned years = YEARS;

	(void)state;
	history = (struct history){ .random = RANDOM_INIT };
	world_init(&history.world);
	client_init(&history.client, &history.world, 1000);
	while (world_boottime(&history.world) - WORLD_START < years * 365 * 24 * HOUR)
		history_turn(&history);
	history_take(&history, true);
	assert_true(history.fires > years * 200000);
	assert_true(history.steps > years * 100 && history.suspends > years * 100);
	scheduler_stats(history.world.scheduler, &stats);
	assert_true(stats.fires >= history.fires); /* and those that were triggered */
	print_message("           %llu fires in %llu wake-ups, %llu clock steps, %llu suspends\n",
		      (unsigned long long)history.fires, (unsigned long long)history.wakes,
		      (unsigned long long)history.steps, (unsigned long long)history.suspends);
	client_deinit(&history.client);
	world_deinit(&history.world);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_million_fires),
		cmocka_unit_test(test_million_races),
		cmocka_unit_test(test_ten_years),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
