/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory of a limiter when its daemon is killed: who takes from it, for how long, and who does not any more, for the next daemon
 * grants from memory of its own.
 */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "client/internal.h"
#include "proto/shared.h"
#include "tests/unit/client-peer.h"

#define BURST 10

int64_t __real_clock_ns(clockid_t clock);
int64_t __wrap_clock_ns(clockid_t clock);

/* What a daemon shares of a limiter. */
struct pages {
	struct shared_config *config;
	struct shared_state *state;
	int config_fd, state_fd;
};

static struct peer peer, next;
static struct evl *evl;
static struct evl_limiter *limiter;
static struct pages pages, next_pages;
static pid_t pid, next_pid;
static bool is_hidden; /* its number is another in the client's namespace */
static _Atomic int64_t passed_ns;

int64_t __wrap_clock_ns(clockid_t clock) {
	return __real_clock_ns(clock) + passed_ns;
}

static void *make_page(int *ret_fd) {
	void *page;

	*ret_fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(*ret_fd, SHARED_SIZE), 0);
	assert_int_equal(fcntl(*ret_fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	page = mmap(NULL, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *ret_fd, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	return page;
}

/* Full; nothing comes in the time of a test. */
static struct pages make_pages(void) {
	struct pages made;
	struct gcra_rule rule;
	uint64_t now;

	assert_int_equal(gcra_rule_init(&rule, 1, 3600 * NSEC_PER_SEC, BURST), 0);
	assert_int_equal(gcra_ticks(clock_ns(CLOCK_BOOTTIME), &now), 0);
	made.config = make_page(&made.config_fd);
	made.state = make_page(&made.state_fd);
	shared_init(made.config, made.state, &rule, now, 2 * rule.tolerance);
	return made;
}

static void free_pages(struct pages *made) {
	(void)munmap(made->config, SHARED_SIZE);
	(void)munmap(made->state, SHARED_SIZE);
	close_fd(made->config_fd);
	close_fd(made->state_fd);
}

static pid_t start_daemon(void) {
	pid_t started = fork();

	assert_true(started >= 0);
	if (started == 0)
		for (;;)
			(void)pause();
	return started;
}

static void kill_daemon(pid_t which) {
	assert_int_equal(kill(which, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)which, &(siginfo_t){ 0 }, WEXITED), 0);
}

static void answer_share(struct peer *p, uint64_t serial, const struct pages *shared) {
	Evloop__LimiterShareReply reply = EVLOOP__LIMITER_SHARE_REPLY__INIT;
	int pid_fd = p == &peer && is_hidden ? pidfd_open(pid, 0) : -1;
	const int fds[] = { shared->config_fd, shared->state_fd, pid_fd };
	uint8_t buffer[256];
	struct packet packet;

	reply.shared = true;
	packet_init(&packet, buffer, sizeof(buffer));
	assert_int_equal(packet_put(&packet, FRAME_REPLY, EVLOOP__METHOD__METHOD_LIMITER_SHARE, serial, &reply.base,
				    fds, fds[2] < 0 ? 2 : 3),
			 0);
	assert_int_equal(packet_send(p->fd, &packet), 0);
	close_fd(pid_fd);
}

static void answer(struct peer *p, const struct frame *frame) {
	Evloop__LimiterSetReply set = EVLOOP__LIMITER_SET_REPLY__INIT;
	Evloop__Grant grant = EVLOOP__GRANT__INIT;

	grant.allowed = true;
	if (frame->method == EVLOOP__METHOD__METHOD_LIMITER_SET)
		peer_send(p, FRAME_REPLY, frame->method, frame->serial, &set.base);
	else if (frame->method == EVLOOP__METHOD__METHOD_LIMITER_SHARE)
		answer_share(p, frame->serial, p == &next ? &next_pages : &pages);
	else
		peer_send(p, FRAME_REPLY, frame->method, frame->serial, &grant.base);
}

static int begin(void) {
	struct evl_limit limit = EVL_RATE(1, EVL_SEC(3600));

	limit.rates[0].burst = BURST;
	passed_ns = 0;
	pages = make_pages();
	next_pages = make_pages();
	peer_init(&peer);
	pid = start_daemon();
	peer.daemon_pid = is_hidden ? INT32_MAX : (uint64_t)pid;
	assert_int_equal(peer_connect(&peer, &evl), 0);
	peer_serve(&peer, 2, answer);
	assert_int_equal(evl_limiter_open(evl, &limiter, "name", &limit), 0);
	peer_join(&peer);
	memset(&next, 0, sizeof(next));
	next.fd = -1;
	next_pid = start_daemon();
	next.daemon_pid = (uint64_t)next_pid;
	packet_init(&next.in, next.buffer, sizeof(next.buffer));
	return 0;
}

static int setup(void **state _unused_) {
	is_hidden = false;
	return begin();
}

static int setup_hidden(void **state _unused_) {
	is_hidden = true;
	return begin();
}

static void die(void) {
	kill_daemon(pid);
	pid = 0;
}

static int teardown(void **state _unused_) {
	if (pid)
		die();
	kill_daemon(next_pid);
	evl_limiter_close(limiter);
	evl = evl_close(evl);
	close_fd(next.fd);
	peer_deinit(&peer);
	free_pages(&pages);
	free_pages(&next_pages);
	return 0;
}

static int try_one(void) {
	return evl_limiter_try(limiter, NULL, 1, NULL);
}

static uint64_t taken(const struct pages *of) {
	return atomic_load(&of->state->allowed);
}

/* The next daemon comes as soon as it is let, and answers so many requests. */
static pthread_mutex_t absent = PTHREAD_MUTEX_INITIALIZER;
static size_t n_requests;

static void *play_next(void *userdata _unused_) {
	pthread_mutex_lock(&absent);
	pthread_mutex_unlock(&absent);
	assert_int_equal(poll(&(struct pollfd){ .fd = peer.listen_fd, .events = POLLIN }, 1, 5000), 1);
	next.fd = accept4(peer.listen_fd, NULL, NULL, SOCK_CLOEXEC);
	peer_greet(&next, peer_expect_hello(&next));
	for (size_t i = 0; i < n_requests; i++) {
		struct frame frame;

		peer_expect(&next, &frame);
		answer(&next, &frame);
	}
	return NULL;
}

/* ---- one thread ---- */

static void test_until_it_is_seen(void **state _unused_) {
	pthread_t thread;

	assert_int_equal(try_one(), 1);
	passed_ns += SHARED_LOOK_NS;
	assert_int_equal(try_one(), 1);
	die();
	passed_ns += SHARED_LOOK_NS / 2;
	assert_int_equal(try_one(), 1);
	passed_ns += SHARED_LOOK_NS / 2;
	n_requests = 2; /* it is told what the limiter is, and asked for its memory */
	assert_int_equal(pthread_create(&thread, NULL, play_next, NULL), 0);
	assert_int_equal(try_one(), 1);
	assert_int_equal(try_one(), 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(taken(&pages), 3);
	assert_int_equal(taken(&next_pages), 2);
}

/* It dies when it has answered, and nothing has been taken yet. */
static void test_at_once(void **state _unused_) {
	pthread_t thread;

	die();
	n_requests = 2;
	assert_int_equal(pthread_create(&thread, NULL, play_next, NULL), 0);
	assert_int_equal(try_one(), 1);
	assert_int_equal(taken(&pages), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* In a namespace of its own the client knows the daemon by no number. */
static void test_hidden(void **state) {
	test_until_it_is_seen(state);
}

static void test_nobody_listens(void **state _unused_) {
	(void)unlink(peer.path);
	die();
	for (unsigned i = 1; i <= 3; i++) {
		passed_ns += SHARED_LOOK_NS;
		assert_int_equal(try_one(), 1);
		assert_int_equal(taken(&pages), i);
	}
}

/* Somebody listens, so somebody may grant. */
static void test_no_answer(void **state _unused_) {
	die();
	passed_ns += SHARED_LOOK_NS;
	close_fd(peer.listen_fd);
	peer.listen_fd = -1;
	(void)unlink(peer.path);
	/* A socket of another kind. */
	peer.listen_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	{
		struct sockaddr_un address = { .sun_family = AF_UNIX };

		(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", peer.path);
		assert_int_equal(bind(peer.listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	}
	assert_int_equal(try_one(), -EPROTO);
	assert_int_equal(taken(&pages), 0);
}

/* ---- who cannot ask ---- */

static void test_closed(void **state _unused_) {
	evl = evl_close(evl);
	assert_int_equal(try_one(), 1);
	die();
	passed_ns += SHARED_LOOK_NS;
	assert_int_equal(try_one(), -ENOTCONN);
	assert_int_equal(taken(&pages), 1);
}

static void test_child(void **state _unused_) {
	int status;
	pid_t child;

	die();
	passed_ns += SHARED_LOOK_NS;
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(try_one() != -ECHILD);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(taken(&pages), 0);
}

/* ---- two threads ---- */

static void *try_there(void *userdata _unused_) {
	return (void *)(intptr_t)try_one();
}

/* While one asks the next daemon, the other one does not take from the memory of the dead one. */
static void test_while_another_asks(void **state _unused_) {
	pthread_t daemon, asking, other;
	struct timespec patience;
	void *result;

	die();
	passed_ns += SHARED_LOOK_NS;
	pthread_mutex_lock(&absent);
	n_requests = 3;
	assert_int_equal(pthread_create(&daemon, NULL, play_next, NULL), 0);
	assert_int_equal(pthread_create(&asking, NULL, try_there, NULL), 0);
	assert_int_equal(poll(&(struct pollfd){ .fd = peer.listen_fd, .events = POLLIN }, 1, 5000), 1);
	assert_int_equal(pthread_create(&other, NULL, try_there, NULL), 0);
	clock_gettime(CLOCK_REALTIME, &patience);
	patience.tv_nsec += 50 * NSEC_PER_MSEC;
	patience.tv_sec += patience.tv_nsec / NSEC_PER_SEC;
	patience.tv_nsec %= NSEC_PER_SEC;
	assert_int_equal(pthread_timedjoin_np(other, &result, &patience), ETIMEDOUT);
	pthread_mutex_unlock(&absent);
	assert_int_equal(pthread_join(asking, &result), 0);
	assert_int_equal((intptr_t)result, 1);
	assert_int_equal(pthread_join(other, &result), 0);
	assert_int_equal((intptr_t)result, 1);
	assert_int_equal(pthread_join(daemon, NULL), 0);
	assert_int_equal(taken(&pages), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_until_it_is_seen),
		TEST(test_at_once),
		cmocka_unit_test_setup_teardown(test_hidden, setup_hidden, teardown),
		TEST(test_nobody_listens),
		TEST(test_no_answer),
		TEST(test_closed),
		TEST(test_child),
		TEST(test_while_another_asks),
	};

	if (is_not_for_valgrind("valgrind knows no pidfds"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
