/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A daemon that is killed at any moment, again and again, while programs use it by the library: no call of theirs hangs, what was armed
 * to be armed again fires after evl_reconnect(), and no id is given twice.
 *
 *     test-kill [CYCLES]
 */

#undef NDEBUG

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/evloop.h"
#include "tests/e2e/daemon-fixture.h"

#define CYCLES 200
#define CLIENTS 3
#define LIFE_US 20000 /* of a daemon, at most */
#define CALL_NS (3 * NSEC_PER_SEC) /* of a call, at most; it may wait for 5 s where nobody answers */
#define AGAIN_NS (5 * NSEC_PER_SEC) /* until the timer fires again, on a busy machine */

struct client {
	struct evl *evl;
	struct evl_limiter *limiter;
	unsigned ticks; /* since it has connected */
};

static struct daemon *server;
static struct client clients[CLIENTS];
static uint64_t highest_id, highest_before; /* of all daemons; of those before this one */
static unsigned n_ids, n_calls;
static int64_t longest_ns;

static int64_t now_ns(void) {
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static uint64_t walk(uint64_t *state) {
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Whatever it is, it returns. */
#define CALL(expression)                                                                                               \
	({                                                                                                             \
		int64_t begin_ns = now_ns();                                                                           \
		int result = (expression);                                                                             \
		returned(#expression, now_ns() - begin_ns);                                                            \
		result;                                                                                                \
	})

static void returned(const char *what, int64_t took_ns) {
	n_calls++;
	longest_ns = MAX(longest_ns, took_ns);
	if (took_ns < CALL_NS)
		return;
	printf("FAILED: %s took %.3f s\n", what, (double)took_ns / 1e9);
	exit(1);
}

static void tick(struct evl_source *source, const struct evl_event *event, void *userdata) {
	(void)source;
	(void)event;
	((struct client *)userdata)->ticks++;
}

static void nothing(struct evl_source *source, const struct evl_event *event, void *userdata) {
	(void)source;
	(void)event;
	(void)userdata;
}

static void look_at_id(uint64_t id) {
	n_ids++;
	if (id <= highest_before) {
		printf("FAILED: id %llu was given before, as was %llu\n", (unsigned long long)id,
		       (unsigned long long)highest_before);
		exit(1);
	}
	highest_id = MAX(highest_id, id);
}

/* ---- what a client does ---- */

static void begin(struct client *client) {
	struct evl_timer timer = EVL_TIMER_INIT;

	assert(evl_connect(&client->evl, daemon_socket(server)) == 0);
	timer.period_ns = timer.deadline_ns = EVL_MSEC(2);
	timer.rearm = true;
	assert(evl_timer_add(client->evl, NULL, &timer, tick, client) == 0);
	assert(evl_limiter_open(client->evl, &client->limiter, "kill", &(struct evl_limit)EVL_RATE(1000, EVL_SEC(1))) ==
	       0);
}

/* A timer that has an id.  Return: 0, or the daemon is gone. */
static int arm(struct client *client) {
	struct evl_timer timer = EVL_TIMER_INIT;
	struct evl_source *source;
	uint64_t id;
	int r;

	timer.deadline_ns = EVL_SEC(3600);
	r = evl_timer_add(client->evl, &source, &timer, nothing, NULL);
	if (r < 0)
		return r;
	(void)evl_source_id(source, &id);
	r = CALL(evl_roundtrip(client->evl));
	if (r == 0 && evl_source_id(source, &id) == 0)
		look_at_id(id);
	evl_source_unref(source);
	return r;
}

static int use(struct client *client, uint64_t *seed) {
	switch (walk(seed) % 5) {
	case 0:
		return arm(client);
	case 1:
		return CALL(evl_emit(client->evl, "kill", "word", 4));
	case 2:
		return CALL(evl_limiter_wait(client->limiter, NULL, 1, EVL_MSEC(1), NULL));
	case 3:
		return CALL(evl_limiter_peek(client->limiter, NULL, 1, NULL));
	default:
		return CALL(evl_dispatch(client->evl, EVL_MSEC(1)));
	}
}

static bool is_loss(int r) {
	return r == -ECONNRESET || r == -ENOTCONN;
}

/* It has lost its connection, or is about to notice. */
static void lose(struct client *client) {
	int r = 0;

	while (!is_loss(r) && r != -EINVAL)
		r = CALL(evl_dispatch(client->evl, EVL_SEC(1)));
	assert(is_loss(r));
}

static void come_again(struct client *client) {
	int64_t until_ns = now_ns() + AGAIN_NS;

	assert(CALL(evl_reconnect(client->evl)) == 0);
	evl_limiter_close(client->limiter);
	assert(CALL(evl_limiter_open(client->evl, &client->limiter, "kill",
				     &(struct evl_limit)EVL_RATE(1000, EVL_SEC(1)))) == 0);
	client->ticks = 0;
	while (client->ticks == 0 && now_ns() < until_ns)
		assert(CALL(evl_dispatch(client->evl, EVL_MSEC(100))) >= 0);
	if (client->ticks > 0)
		return;
	puts("FAILED: what was armed does not fire again");
	exit(1);
}

/* ---- killing ---- */

static void *kill_later(void *userdata) {
	uint64_t us = *(const uint64_t *)userdata;

	(void)nanosleep(&(struct timespec){ .tv_nsec = (long)us * 1000 }, NULL);
	(void)kill(daemon_pid(server), SIGKILL);
	return NULL;
}

static void cycle(uint64_t *seed) {
	uint64_t us = walk(seed) % LIFE_US;
	pthread_t killer;
	int r = 0;

	assert(pthread_create(&killer, NULL, kill_later, &us) == 0);
	while (!is_loss(r))
		r = use(&clients[walk(seed) % CLIENTS], seed);
	assert(pthread_join(killer, NULL) == 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		lose(&clients[i]);
	daemon_kill(server);
	highest_before = highest_id;
	assert(daemon_again(server) == 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		come_again(&clients[i]);
}

int main(int argc, char **argv) {
	unsigned cycles = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : CYCLES;
	uint64_t seed = 4711;

	assert(daemon_start(&server, NULL) == 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		begin(&clients[i]);
	for (unsigned i = 0; i < cycles; i++)
		cycle(&seed);
	for (unsigned i = 0; i < CLIENTS; i++) {
		evl_limiter_close(clients[i].limiter);
		evl_close(clients[i].evl);
	}
	assert(daemon_stop(server) == 0);
	printf("%u kills, %u calls, the longest %.1f ms, %u ids, none twice\n", cycles, n_calls,
	       (double)longest_ns / 1e6, n_ids);
	return 0;
}
