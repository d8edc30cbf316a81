/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions that outlive their daemon: which are kept, and how they begin again with the next one. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/peer/session-store.h"
#include "daemon/rpc/handover.h"
#include "tests/unit/handover-world.h"

#define METHOD(name) EVLOOP__METHOD__METHOD_##name
#define HOUR (3600 * NSEC_PER_SEC)

/* ---- who keeps ---- */

static int64_t next_ns; /* when he may be asked */
static int refusal;
static unsigned n_kept, n_forgotten;
static char last_name[32];
static bool forgets_any; /* not only the one that was kept last */
static int kept_fd;

static int64_t keeper_next(void *userdata _unused_) {
	return next_ns;
}

static int keeper_keep(void *userdata _unused_, const char *name, int fd) {
	if (refusal < 0)
		return refusal;
	n_kept++;
	(void)snprintf(last_name, sizeof(last_name), "%s", name);
	(void)close_fd(kept_fd);
	kept_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return 0;
}

static void keeper_forget(void *userdata _unused_, const char *name) {
	n_forgotten++;
	if (!forgets_any)
		assert_string_equal(name, last_name);
}

static const struct keeper keeper = { .next = keeper_next, .keep = keeper_keep, .forget = keeper_forget };

static int setup(void **state) {
	next_ns = 0;
	refusal = 0;
	n_kept = n_forgotten = 0;
	forgets_any = false;
	kept_fd = -1;
	(void)handover_setup(state);
	peer_deinit(&peer);
	peer_world_settle(&before);
	before.sessions.kept.keeper = after.sessions.kept.keeper = &keeper;
	peer_init(&peer, &before);
	return 0;
}

static int teardown(void **state) {
	kept_fd = close_fd(kept_fd);
	return handover_teardown(state);
}

static void say_hello(bool resumes) {
	Evloop__HelloRequest hello = EVLOOP__HELLO_REQUEST__INIT;

	hello.version = 1;
	hello.client_name = (char *)"survivor";
	hello.resumes = resumes;
	(void)peer_call(&peer, METHOD(HELLO), &hello, NULL);
}

/* It has been there for long enough. */
static void grow_old(void) {
	struct session *session = peer_world_newest(&before);

	sessions_tick(&before.sessions, session->kept.offered_ns + SESSION_KEPT_AGE_NS);
}

/* The daemon is gone; nobody has said anything to anybody, and the next one finds what was kept. */
static size_t die(void) {
	struct kept_copy stored = { .fd = kept_fd };

	kept_fd = -1;
	before.sessions.kept.keeper = NULL;
	sessions_release(&before.sessions);
	peer_world_deinit(&before);
	before = (struct peer_world){ 0 };
	peer.world = &after;
	peer.sequence = UINT64_MAX; /* TakenOver is number 0 */
	assert_true(session_store_parse_name(last_name, &stored.id));
	return session_store_take(&after.sessions, &stored, 1);
}

static void expect_taken_over(void) {
	const Evloop__TakenOver *message;
	struct frame frame;

	assert_true(peer_take(&peer, &frame));
	assert_int_equal(frame.kind, FRAME_EVENT);
	assert_int_equal(frame.method, METHOD(TAKEN_OVER));
	assert_int_equal(frame.serial, 0);
	assert_int_equal(peer.in.position, peer.in.size); /* alone in its packet */
	message = peer_unpack(&peer, &evloop__taken_over__descriptor, &frame);
	assert_int_equal(message->daemon_pid, (uint64_t)getpid());
}

static uint64_t arm(uint64_t handle) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	const Evloop__Armed *armed;

	spec.handle = handle;
	spec.deadline_ns = HOUR;
	spec.relative = true;
	armed = peer_call(&peer, METHOD(ARM), &spec, NULL);
	return armed->id;
}

/* ---- names ---- */

static void test_names(void **state _unused_) {
	static const char *const bad[] = { "",
					   "session",
					   "session-",
					   "session-0",
					   "session-G",
					   "session--1",
					   "session-1 ",
					   "session-0x1",
					   "session-A",
					   "escrow-in",
					   "session-10000000000000000" };
	uint64_t id = 0;

	assert_true(session_store_parse_name("session-1f", &id));
	assert_int_equal(id, 0x1f);
	assert_true(session_store_parse_name("session-ffffffffffffffff", &id));
	assert_true(id == UINT64_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (session_store_parse_name(bad[i], &id))
			fail_msg("'%s' is the name of session %llu", bad[i], (unsigned long long)id);
}

/* ---- which are kept ---- */

static void test_age(void **state _unused_) {
	struct session *session;
	int64_t due_ns;

	say_hello(true);
	session = peer_world_newest(&before);
	due_ns = session->kept.offered_ns + SESSION_KEPT_AGE_NS;
	assert_int_equal(sessions_next(&before.sessions), due_ns);
	sessions_tick(&before.sessions, due_ns - 1);
	assert_int_equal(n_kept, 0);
	sessions_tick(&before.sessions, due_ns);
	assert_int_equal(n_kept, 1);
	assert_int_equal(session->kept.state, KEPT_STORED);
	/* And then there is nothing to wake up for. */
	assert_true(sessions_next(&before.sessions) == INT64_MAX);
	peer_hang_up(&peer);
	peer_world_settle(&before);
	assert_int_equal(n_forgotten, 1);
	assert_int_equal(before.sessions.kept.n_stored, 0);
}

/* One that ends early costs the keeper nothing; nor does one whose client would not know what to do. */
static void test_not_kept(void **state _unused_) {
	say_hello(false);
	assert_true(sessions_next(&before.sessions) == INT64_MAX);
	peer_deinit(&peer);
	peer_world_settle(&before);
	peer_init(&peer, &before);
	say_hello(true);
	assert_true(sessions_next(&before.sessions) < INT64_MAX);
	peer_hang_up(&peer);
	peer_world_settle(&before);
	assert_true(sessions_next(&before.sessions) == INT64_MAX);
	assert_int_equal(n_kept + n_forgotten, 0);
}

static void test_as_fast_as_he_likes(void **state _unused_) {
	int64_t due_ns;

	say_hello(true);
	due_ns = peer_world_newest(&before)->kept.offered_ns + SESSION_KEPT_AGE_NS;
	next_ns = due_ns + 5;
	assert_int_equal(sessions_next(&before.sessions), next_ns);
	sessions_tick(&before.sessions, next_ns - 1);
	assert_int_equal(n_kept, 0);
	sessions_tick(&before.sessions, next_ns);
	assert_int_equal(n_kept, 1);
}

static void test_as_many_as_there_is_room_for(void **state _unused_) {
	say_hello(true);
	before.sessions.store_max = 0;
	grow_old();
	assert_int_equal(n_kept, 0);
	/* It is not asked for again and again. */
	assert_true(sessions_next(&before.sessions) == INT64_MAX);
}

/* As if it were another user's. */
static void give_to(struct session *session, uid_t uid) {
	struct account *account;

	assert_int_equal(quota_account(&before.quota, uid, &account), 0);
	account_count_sessions(session->account, -1);
	account_unref(session->account);
	session->account = account;
	account_count_sessions(account, 1);
}

/* Who has taken all room gives some of it to who comes later, and no more than is fair. */
static void test_fair(void **state _unused_) {
	struct session *mine[4], *theirs[3];
	struct peer peers[ARRAY_SIZE(mine) + ARRAY_SIZE(theirs)];
	unsigned n = 0;

	say_hello(false); /* whoever has not is the newest */
	before.sessions.store_max = ARRAY_SIZE(mine);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		Evloop__HelloRequest hello = EVLOOP__HELLO_REQUEST__INIT;

		hello.version = 1;
		hello.resumes = true;
		peer_init(&peers[i], &before);
		(void)peer_call(&peers[i], METHOD(HELLO), &hello, NULL);
		if (i >= ARRAY_SIZE(mine))
			give_to(theirs[i - ARRAY_SIZE(mine)] = peer_world_newest(&before), 4242);
		else
			mine[i] = peer_world_newest(&before);
		forgets_any = true;
		grow_old();
	}
	for (size_t i = 0; i < ARRAY_SIZE(mine); i++)
		n += mine[i]->kept.state == KEPT_STORED;
	assert_int_equal(n, 2);
	assert_int_equal(before.sessions.kept.n_stored, 4);
	assert_true(mine[0]->kept.state == KEPT_STORED && mine[1]->kept.state == KEPT_STORED);
	assert_true(theirs[0]->kept.state == KEPT_STORED && theirs[1]->kept.state == KEPT_STORED);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		peer_deinit(&peers[i]);
	peer_world_settle(&before);
	assert_int_equal(before.sessions.kept.n_stored, 0);
	assert_int_equal(before.sessions.n_store_uids, 0);
}

static void test_keeper_says_no(void **state _unused_) {
	say_hello(true);
	refusal = -EOPNOTSUPP;
	grow_old();
	assert_int_equal(before.sessions.kept.n_stored, 0);
	assert_true(sessions_next(&before.sessions) == INT64_MAX); /* and is not asked again and again */
	peer_hang_up(&peer);
	peer_world_settle(&before);
	assert_int_equal(n_forgotten, 0);
}

/* A daemon that ends for good leaves nothing: whoever closes a socket last closes what strangers have put into it. */
static void test_end(void **state _unused_) {
	say_hello(true);
	grow_old();
	assert_int_equal(n_kept, 1);
	sessions_deinit(&before.sessions);
	assert_int_equal(n_forgotten, 1);
	assert_int_equal(sessions_init(&before.sessions, before.loop, before.scheduler, &before.quota, &rpc_session_ops,
				       &before.rpc),
			 0);
}

/* ---- going on ---- */

static void test_goes_on(void **state _unused_) {
	uint64_t id;

	say_hello(true);
	id = peer_world_newest(&before)->id;
	(void)arm(1);
	grow_old();
	assert_int_equal(die(), 1);
	assert_int_equal(after.sessions.n, 1);
	expect_taken_over();
	assert_int_equal(peer_world_newest(&after)->id, id);
	/* It is served, as before; what was armed is not there, so the handle is free. */
	(void)arm(1);
	say_hello(true);
	assert_string_equal(peer_world_newest(&after)->client_name, "survivor");
	/* Hello has dropped that one: the handle is free again. */
	(void)arm(1);
	/* And it is kept, without being asked for. */
	assert_int_equal(n_kept, 1);
	assert_int_equal(after.sessions.kept.n_stored, 1);
	peer_hang_up(&peer);
	peer_world_settle(&after);
	assert_int_equal(n_forgotten, 1);
}

/* So is a timer that would outlive the session: else there would be two when it is armed again, or none, for its name is taken. */
static void test_detached(void **state _unused_) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	struct scheduler_stats stats;

	say_hello(true);
	grow_old();
	spec.handle = 1;
	spec.kind = EVLOOP__KIND__KIND_EVERY;
	spec.deadline_ns = spec.period_ns = HOUR;
	spec.relative = spec.detached = true;
	spec.name = (char *)"name";
	/* The daemon that died had not received it. */
	(void)peer_put(&peer, FRAME_ONEWAY, METHOD(ARM), &spec);
	assert_true(peer_flush(&peer));
	assert_int_equal(die(), 1);
	peer_world_settle(&after);
	expect_taken_over();
	say_hello(true);
	peer_world_settle(&after);
	assert_non_null(peer_call(&peer, METHOD(ARM), &spec, NULL));
	scheduler_stats(after.scheduler, &stats);
	assert_int_equal(stats.timers, 1);
}

/* Two have died, one behind the other, before the client has read anything: it says hello to each, and this one hears both.  What was armed
 * in between is dropped, but turn by turn, and what comes behind waits for that. */
static void test_hello_again(void **state _unused_) {
	Evloop__HelloRequest hello = EVLOOP__HELLO_REQUEST__INIT;
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	struct session *session;

	say_hello(true);
	grow_old();
	assert_int_equal(die(), 1);
	expect_taken_over();
	say_hello(true);
	session = peer_world_newest(&after);
	spec.deadline_ns = HOUR;
	spec.relative = true;
	for (uint64_t handle = 1; handle <= 10000; handle++) {
		spec.handle = handle;
		(void)peer_put(&peer, FRAME_ONEWAY, METHOD(ARM), &spec);
		if (handle % 400 == 0) {
			assert_true(peer_flush(&peer));
			peer_world_settle(&after);
		}
	}
	assert_int_equal(session->owner.handles.count, 10000);
	hello.version = 1;
	hello.resumes = true;
	(void)peer_put(&peer, FRAME_REQUEST, METHOD(HELLO), &hello);
	(void)peer_put(&peer, FRAME_ONEWAY, METHOD(ARM), &spec);
	assert_true(peer_flush(&peer));
	peer_world_turn(&after);
	assert_true(session->dropping);
	assert_true(session->owner.handles.count > 0);
	while (session->dropping)
		peer_world_turn(&after);
	peer_world_settle(&after);
	assert_int_equal(session->owner.handles.count, 1);
}

/* Nor is it one without an answer. */
static void test_hello_is_a_request(void **state _unused_) {
	Evloop__HelloRequest hello = EVLOOP__HELLO_REQUEST__INIT;
	struct frame frame;

	say_hello(true);
	grow_old();
	assert_int_equal(die(), 1);
	expect_taken_over();
	(void)arm(1);
	hello.version = 1;
	(void)peer_put(&peer, FRAME_ONEWAY, METHOD(HELLO), &hello);
	assert_true(peer_flush(&peer));
	peer_world_settle(&after);
	assert_true(peer_take(&peer, &frame));
	assert_int_equal(frame.method, METHOD(REFUSED));
	assert_int_equal(peer_world_newest(&after)->owner.handles.count, 1);
}

/* In a session that was never taken over there is one hello. */
static void test_one_hello(void **state _unused_) {
	const Evloop__Error *error = NULL;

	say_hello(true);
	assert_null(peer_call(&peer, METHOD(HELLO), &(Evloop__HelloRequest)EVLOOP__HELLO_REQUEST__INIT, &error));
	assert_int_equal(error->status, EVLOOP__STATUS__STATUS_INVALID);
}

/* What the daemon that died had not received is handled by the next one. */
static void test_unreceived(void **state _unused_) {
	struct frame frame;
	uint64_t serial;

	say_hello(true);
	grow_old();
	serial = peer_put(&peer, FRAME_REQUEST, METHOD(PING), NULL);
	assert_true(peer_flush(&peer));
	assert_int_equal(die(), 1);
	peer_world_settle(&after);
	expect_taken_over();
	assert_true(peer_take(&peer, &frame));
	assert_int_equal(frame.kind, FRAME_REPLY);
	assert_int_equal(frame.serial, serial);
}

/* The client has ended while there was no daemon. */
static void test_gone_meanwhile(void **state _unused_) {
	say_hello(true);
	grow_old();
	peer_hang_up(&peer);
	assert_int_equal(die(), 1);
	peer_world_settle(&after);
	assert_int_equal(after.sessions.n, 0);
	assert_int_equal(n_forgotten, 1);
}

/* No session at all: nobody knows what that is. */
static void test_no_socket(void **state _unused_) {
	struct kept_copy stored = { .id = 7, .fd = open("/dev/null", O_RDONLY | O_CLOEXEC) };

	(void)snprintf(last_name, sizeof(last_name), "session-7");
	assert_int_equal(session_store_take(&after.sessions, &stored, 1), 0);
	assert_int_equal(n_forgotten, 1);
	assert_int_equal(fcntl(stored.fd, F_GETFD), -1);
}

/* It dies again before the client has said hello. */
static void test_twice(void **state _unused_) {
	struct kept_copy stored = { 0 };

	say_hello(true);
	grow_old();
	assert_int_equal(die(), 1);
	expect_taken_over();
	assert_true(session_store_parse_name(last_name, &stored.id));
	stored.fd = fcntl(peer_world_newest(&after)->fd, F_DUPFD_CLOEXEC, 3);
	sessions_release(&after.sessions);
	peer.sequence = UINT64_MAX;
	assert_int_equal(session_store_take(&after.sessions, &stored, 1), 1);
	expect_taken_over();
	say_hello(true);
	(void)arm(1);
}

/* ---- a restart, by which nobody has died ---- */

static void test_handed_over(void **state _unused_) {
	struct kept_copy stored = { 0 };
	struct frame frame;
	int fd;

	say_hello(true);
	grow_old();
	assert_true(session_store_parse_name(last_name, &stored.id));
	stored.fd = fd = TAKE_FD(kept_fd);
	hand_over();
	assert_int_equal(session_store_take(&after.sessions, &stored, 1), 0);
	assert_int_equal(after.sessions.n, 1);
	assert_int_equal(after.sessions.kept.n_stored, 1);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_false(peer_take(&peer, &frame)); /* nothing is said of it */
	assert_int_equal(n_forgotten, 0);
	(void)arm(1);
	peer_hang_up(&peer);
	peer_world_settle(&after);
	assert_int_equal(n_forgotten, 1);
}

/* One that had not been old enough becomes so. */
static void test_handed_over_young(void **state _unused_) {
	say_hello(true);
	hand_over();
	assert_int_equal(session_store_take(&after.sessions, NULL, 0), 0);
	sessions_tick(&after.sessions, peer_world_newest(&after)->kept.offered_ns + SESSION_KEPT_AGE_NS);
	assert_int_equal(n_kept, 1);
}

int main(void) {
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(test_names),
		test(test_age),
		test(test_not_kept),
		test(test_as_fast_as_he_likes),
		test(test_as_many_as_there_is_room_for),
		test(test_fair),
		test(test_keeper_says_no),
		test(test_end),
		test(test_goes_on),
		test(test_detached),
		test(test_hello_again),
		test(test_hello_is_a_request),
		test(test_one_hello),
		test(test_unreceived),
		test(test_gone_meanwhile),
		test(test_no_socket),
		test(test_twice),
		test(test_handed_over),
		test(test_handed_over_young),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
