/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A daemon that notes its limiters and dies, and the next one. */

#include "tests/unit/test.h"

#include <string.h>

#include "daemon/core/limiter.h"
#include "daemon/core/marks.h"
#include "daemon/rpc/noted.h"
#include "tests/unit/core-world.h"

#define SEC NSEC_PER_SEC
#define MSEC NSEC_PER_MSEC

/* Beside `noted` and `marks`, nothing outlives the daemon. */
struct fixture {
	struct world world;
	struct client client;
	struct noting noting;
	bool running; /* noting */
	char *noted; /* the last one that was finished */
	size_t noted_size;
	uint64_t marks[MARKS_MAX];
	unsigned n_taken; /* limiters of which the last start did not know what was left */
};

static inline void note_some(struct fixture *f, size_t n) {
	if (!f->running)
		assert_int_equal(noting_begin(&f->noting, f->world.scheduler, NULL), 0);
	f->running = true;
	if (noting_go_on(&f->noting, n) == STATE_E_MORE)
		return;
	assert_int_equal(noting_finish(&f->noting), 0);
	free(f->noted);
	f->noted = TAKE_PTR(f->noting.data);
	f->noted_size = f->noting.size;
	noting_free(&f->noting, true);
	f->running = false;
}

static inline void note_all(struct fixture *f) {
	do
		note_some(f, SIZE_MAX);
	while (f->running);
}

static inline int load(struct scheduler *scheduler, const void *data, size_t size, const uint64_t *marks,
		       unsigned *ret_taken) {
	return noted_load(scheduler, &(struct noted){ .data = data, .size = size, .marks = marks }, ret_taken);
}

static inline void begin(struct fixture *f, const struct instant *now) {
	world_init(&f->world);
	f->world.now = *now;
	scheduler_refresh(f->world.scheduler, now);
	f->n_taken = 0;
	if (f->noted)
		assert_true(load(f->world.scheduler, f->noted, f->noted_size, f->marks, &f->n_taken) >= 0);
	client_init(&f->client, &f->world, 1000);
	marks_attach(scheduler_marks(f->world.scheduler), f->marks);
	note_all(f);
}

/* It writes nothing any more, whatever becomes of its memory. */
static inline void die(struct fixture *f) {
	marks_attach(scheduler_marks(f->world.scheduler), NULL);
	if (f->running)
		noting_free(&f->noting, false);
	f->running = false;
	client_deinit(&f->client);
	world_deinit(&f->world);
}

/* Another one comes after that time. */
static inline void crash(struct fixture *f, int64_t ns) {
	struct instant now;

	world_pass(&f->world, ns);
	now = f->world.now;
	die(f);
	begin(f, &now);
}

static inline int setup(void **state) {
	struct fixture *f = calloc(1, sizeof(*f));
	struct instant now;

	assert_non_null(f);
	for (unsigned clock = 0; clock < TIMER_CLOCK_MAX; clock++)
		now.ns[clock] = WORLD_START;
	begin(f, &now);
	*state = f;
	return 0;
}

static inline int teardown(void **state) {
	struct fixture *f = *state;

	die(f);
	free(f->noted);
	free(f);
	return 0;
}

static inline void pass(struct fixture *f, int64_t ns) {
	world_run(&f->world, ns);
}

static inline struct limiter *find(struct fixture *f, const char *name) {
	return limiter_find(f->client.owner.tenant, name);
}

/* A token a second under each rule, ten at once under the first one, eleven under the second. */
static inline struct limiter_spec spec_of(const char *name, unsigned rules, bool keyed) {
	struct limiter_spec spec = {
		.name = name,
		.kind = LIMITER_KIND_RATE,
		.n_rates = rules,
		.keyed = keyed,
		.max_keys = 2000,
		.max_waiters = 10,
	};
	unsigned rule;

	for (unsigned i = 0; i < rules; i++)
		spec.rates[i] = (struct limiter_rate){ .tokens = 1, .period_ns = SEC, .burst = 10 + i };
	assert_int_equal(limiter_spec_check(&spec, &rule), 0);
	return spec;
}

static inline struct limiter *make(struct fixture *f, const char *name, unsigned rules, bool keyed) {
	struct limiter_spec spec = spec_of(name, rules, keyed);
	enum limiter_change change;
	struct limiter *limiter;

	assert_int_equal(limiter_set(f->client.owner.tenant, &spec, LIMITER_MODE_CREATE, &limiter, &change), 0);
	return limiter;
}

static inline struct limiter_key key_of(const char *word) {
	return (struct limiter_key){ .data = word, .size = strlen(word) };
}
