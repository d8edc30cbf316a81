/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ten thousand pipes, watched by a hundred clients, with random writes: every byte is read by whom it was meant for, in order, nobody is
 * called behind its end, and the daemon has no descriptor more than before.
 */

#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/evloop.h"
#include "tests/e2e/daemon-fixture.h"

#define WORKERS 10 /* processes: one alone may not have as many descriptors */
#define CLIENTS 10 /* of each */
#define PIPES 100 /* of each client */
#define WRITES 40 /* to each pipe, about */
#define SIZE_MAX_WRITTEN 200
#define PATIENCE_S 17
#define SPARE 500 /* descriptors that a daemon needs beside these */

/* A complaint ends its worker. */
#define DEMAND(condition)                                                                                              \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__, #condition);                                \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

struct tube {
	int read_fd, write_fd; /* write_fd −1: closed */
	struct evl_source *source;
	uint64_t written, read; /* bytes; the nth byte is n */
	bool cancelled, hung_up;
};

struct client {
	struct evl *evl;
	struct tube tubes[PIPES];
};

struct worker {
	struct client clients[CLIENTS];
	struct random random;
	unsigned pipes; /* of each client: PIPES, or fewer where so many descriptors may not be open */
	uint64_t events;
};

static struct worker worker;

static uint64_t roll(uint64_t n) {
	return random_below(&worker.random, n);
}

/* ---- reading ---- */

static size_t take(struct tube *tube, size_t size) {
	uint8_t data[4096];
	ssize_t n = read(tube->read_fd, data, MIN(size, sizeof(data)));

	if (n < 0)
		DEMAND(errno == EAGAIN);
	for (ssize_t i = 0; i < n; i++)
		DEMAND(data[i] == (uint8_t)tube->read++);
	return n > 0 ? (size_t)n : 0;
}

/* Sometimes not all of it: then there must be another event. */
static void ready(struct evl_source *source, const struct evl_event *event, void *userdata) {
	struct tube *tube = userdata;

	worker.events++;
	DEMAND(event->type == EVL_EVENT_READY);
	DEMAND(source == tube->source && !tube->cancelled && !tube->hung_up);
	DEMAND(!(event->revents & (EVL_WRITABLE | EVL_ERROR)));
	if (event->revents & EVL_READABLE)
		DEMAND(take(tube, roll(4) == 0 ? 1 + roll(100) : 4096) > 0);
	if (!event->more) {
		DEMAND(event->revents == EVL_HANGUP && tube->write_fd < 0);
		DEMAND(tube->read == tube->written);
		tube->hung_up = true;
	}
	if (roll(500) == 0) {
		tube->cancelled = true;
		(void)evl_cancel(source);
	}
}

/* ---- writing ---- */

static void put(struct tube *tube) {
	uint8_t data[SIZE_MAX_WRITTEN];
	size_t n = 1 + roll(SIZE_MAX_WRITTEN);
	ssize_t r;

	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)(tube->written + i);
	r = write(tube->write_fd, data, n);
	if (r > 0)
		tube->written += (uint64_t)r;
}

static void act(struct tube *tube) {
	if (tube->write_fd >= 0)
		put(tube);
	if (roll(50) == 0)
		tube->write_fd = close_fd(tube->write_fd);
	if (roll(50) == 0 && !tube->cancelled && !tube->hung_up) {
		tube->cancelled = true;
		(void)evl_cancel(tube->source);
	}
}

static void dispatch(int timeout_ms) {
	struct pollfd poll_fds[CLIENTS];

	for (size_t i = 0; i < CLIENTS; i++)
		poll_fds[i] = (struct pollfd){ .fd = evl_fd(worker.clients[i].evl), .events = POLLIN };
	if (poll(poll_fds, CLIENTS, timeout_ms) <= 0)
		return;
	for (size_t i = 0; i < CLIENTS; i++)
		if (poll_fds[i].revents)
			DEMAND(evl_dispatch(worker.clients[i].evl, 0) >= 0);
}

/* ---- one worker ---- */

static void open_client(struct client *client, const char *path) {
	DEMAND(evl_connect(&client->evl, path) == 0);
	for (size_t i = 0; i < worker.pipes; i++) {
		struct tube *tube = &client->tubes[i];
		int fds[2];

		DEMAND(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
		*tube = (struct tube){ .read_fd = fds[0], .write_fd = fds[1] };
		DEMAND(evl_add_reader(client->evl, &tube->source, tube->read_fd, ready, tube) == 0);
	}
	DEMAND(evl_roundtrip(client->evl) == 0);
}

/* What is watched has been read, to the end; of what is not, the rest is still there. */
static bool is_done(const struct tube *tube) {
	if (tube->cancelled)
		return true;
	return tube->write_fd < 0 ? tube->hung_up : tube->read == tube->written;
}

static bool all_done(void) {
	for (size_t i = 0; i < CLIENTS; i++)
		for (size_t j = 0; j < worker.pipes; j++)
			if (!is_done(&worker.clients[i].tubes[j]))
				return false;
	return true;
}

static void close_client(struct client *client) {
	for (size_t i = 0; i < worker.pipes; i++) {
		struct tube *tube = &client->tubes[i];

		evl_source_unref(tube->source);
		while (take(tube, 4096) > 0)
			;
		DEMAND(tube->read == tube->written);
		close_fd(tube->read_fd);
		close_fd(tube->write_fd);
	}
	evl_close(client->evl);
}

static _Noreturn void work(const char *path, unsigned number, unsigned pipes) {
	time_t end = time(NULL) + PATIENCE_S;

	worker.random = (struct random)RANDOM_INIT;
	worker.random.state += number;
	worker.pipes = pipes;
	for (size_t i = 0; i < CLIENTS; i++)
		open_client(&worker.clients[i], path);
	for (unsigned i = 0; i < CLIENTS * pipes * WRITES; i++) {
		act(&worker.clients[roll(CLIENTS)].tubes[roll(pipes)]);
		if (i % 16 == 0)
			dispatch(1);
	}
	while (!all_done() && time(NULL) < end)
		dispatch(1000);
	DEMAND(all_done());
	DEMAND(worker.events > CLIENTS * pipes);
	for (size_t i = 0; i < CLIENTS; i++)
		close_client(&worker.clients[i]);
	_exit(0);
}

/* ---- all of them ---- */

static unsigned count_descriptors(pid_t pid) {
	char path[64];
	unsigned n = 0;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	directory = opendir(path);
	assert_non_null(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

/* How many pipes each client may have, so that the daemon may have them all. */
static unsigned pipes_allowed(void) {
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max >= SPARE + WORKERS * CLIENTS * PIPES)
		return PIPES;
	print_message("so many descriptors may not be open here: of %d pipes only %llu are watched\n",
		      WORKERS * CLIENTS * PIPES, (unsigned long long)limit.rlim_max - SPARE);
	return (unsigned)((limit.rlim_max - SPARE) / (WORKERS * CLIENTS));
}

static void test_every_byte(void **state) {
	unsigned pipes = pipes_allowed(), before, after = 0;
	pid_t workers[WORKERS];
	struct daemon *daemon;
	struct evl *witness;

	(void)state;
	assert_true(pipes > 0);
	assert_int_equal(daemon_start(&daemon, NULL), 0);
	assert_int_equal(evl_connect(&witness, daemon_socket(daemon)), 0);
	before = count_descriptors(daemon_pid(daemon));
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i] = fork();
		if (workers[i] == 0)
			work(daemon_socket(daemon), i, pipes);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		int status;

		assert_int_equal(waitpid(workers[i], &status, 0), workers[i]);
		assert_int_equal(status, 0);
	}
	for (unsigned i = 0; i < 200 && (after = count_descriptors(daemon_pid(daemon))) != before; i++)
		(void)poll(NULL, 0, 10);
	assert_int_equal(after, before);
	evl_close(witness);
	assert_int_equal(daemon_stop(daemon), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_byte) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
