/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two daemons in one process: what clients of the first have goes over to the second, and they notice nothing. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/core/limiter.h"
#include "daemon/core/shared-memory.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/handover.h"
#include "tests/unit/handover-world.h"

#define METHOD(name) EVLOOP__METHOD__METHOD_##name
#define SOON (50 * NSEC_PER_MSEC) /* but not before it has gone over */
#define HOUR (3600 * NSEC_PER_SEC)

/* ---- timers ---- */

static uint64_t arm(uint64_t handle, int64_t deadline_ns, int64_t period_ns) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	const Evloop__Armed *armed;

	spec.handle = handle;
	spec.deadline_ns = deadline_ns;
	spec.kind = period_ns > 0 ? EVLOOP__KIND__KIND_EVERY : EVLOOP__KIND__KIND_AT;
	spec.period_ns = period_ns;
	armed = peer_call(&peer, METHOD(ARM), &spec, NULL);
	return armed->id;
}

static const Evloop__TimerInfo *only_timer(void) {
	Evloop__ListRequest request = EVLOOP__LIST_REQUEST__INIT;
	const Evloop__ListReply *reply;

	request.finished = request.anonymous = request.details = true;
	reply = peer_call(&peer, METHOD(LIST), &request, NULL);
	assert_int_equal(reply->n_timers, 1);
	return reply->timers[0];
}

static void test_order_of_deadlines(void **state _unused_) {
	int64_t due_ns = peer_world_now() + SOON;
	uint64_t ids[50];

	for (uint64_t i = 0; i < ARRAY_SIZE(ids); i++)
		ids[i] = arm(i * 7 % ARRAY_SIZE(ids) + 1, due_ns, 0);
	hand_over();
	expect_none();
	peer_world_pass(due_ns - peer_world_now());
	for (uint64_t i = 0; i < ARRAY_SIZE(ids); i++) {
		const Evloop__Event *event = expect(i * 7 % ARRAY_SIZE(ids) + 1, EVLOOP__EVENT_TYPE__EVENT_FIRED);

		assert_int_equal(event->id, ids[i]);
		assert_int_equal(event->scheduled_ns, due_ns);
		assert_true(event->fired_ns >= due_ns);
	}
	expect_none();
	assert_true(scheduler_next_id(after.scheduler) > ids[ARRAY_SIZE(ids) - 1]);
}

/* Its session does not read, so what has happened waits in the timer; nothing of it is lost, or told twice. */
static void test_what_was_not_taken(void **state _unused_) {
	int64_t begin_ns = peer_world_now();
	const Evloop__Event *event;
	struct session *session = peer_world_newest(&before);

	(void)arm(5, begin_ns + NSEC_PER_MSEC, NSEC_PER_MSEC);
	/* As if the socket took nothing. */
	session->outbox.kept_bytes = 1;
	for (unsigned i = 0; i < 6; i++) {
		peer_world_pass(NSEC_PER_MSEC);
		peer_world_turn(&before);
	}
	session->outbox.kept_bytes = 0;
	hand_over();
	event = expect(5, EVLOOP__EVENT_TYPE__EVENT_FIRED);
	assert_true(event->fires >= 5);
	assert_int_equal(event->fire_seq, event->fires);
	assert_int_equal(event->first_scheduled_ns, begin_ns + NSEC_PER_MSEC);
	assert_int_equal(event->scheduled_ns, begin_ns + (int64_t)event->fires * NSEC_PER_MSEC);
	assert_true(event->more);
}

static void test_paused_and_named(void **state _unused_) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	Evloop__ManageRequest manage = EVLOOP__MANAGE_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	Evloop__TimerInfo was;
	const Evloop__TimerInfo *is;
	const Evloop__Armed *armed;
	uint64_t id;

	spec.detached = spec.relative = true;
	spec.name = (char *)"pausing";
	spec.deadline_ns = HOUR;
	spec.slack_ns = NSEC_PER_SEC;
	armed = peer_call(&peer, METHOD(ARM), &spec, NULL);
	id = armed->id;
	manage.target = &target;
	target.id = id;
	(void)peer_call(&peer, METHOD(PAUSE), &manage, NULL);
	was = *only_timer();
	hand_over();
	is = only_timer();
	assert_int_equal(is->id, id);
	assert_string_equal(is->name, "pausing");
	assert_int_equal(is->state, EVLOOP__TIMER_STATE__TIMER_PAUSED);
	assert_int_equal(is->next_ns, was.next_ns);
	assert_int_equal(is->slack_ns, NSEC_PER_SEC);
	assert_int_equal(is->created_realtime_ns, was.created_realtime_ns);
	/* The same definition, so there is nothing to do. */
	spec.name_mode = EVLOOP__NAME_MODE__NAME_ENSURE;
	armed = peer_call(&peer, METHOD(ARM), &spec, NULL);
	assert_int_equal(armed->change, EVLOOP__ARMED__CHANGE__UNCHANGED);
}

/* ---- jobs ---- */

static void arm_job(Evloop__Command *command, ProtobufCBinaryData *word) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;

	evloop__command__init(command);
	*word = (ProtobufCBinaryData){ .data = (uint8_t *)"word", .len = 4 };
	command->argv = word;
	command->n_argv = 1;
	spec.handle = 9;
	spec.kind = EVLOOP__KIND__KIND_SOON;
	spec.command = command;
	(void)peer_call(&peer, METHOD(ARM), &spec, NULL);
	(void)expect(9, EVLOOP__EVENT_TYPE__EVENT_FIRED);
}

static void test_job_that_runs(void **state _unused_) {
	Evloop__LogRequest log = EVLOOP__LOG_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	const Evloop__Event *event;
	const Evloop__LogReply *reply;
	Evloop__Command command;
	ProtobufCBinaryData word;

	arm_job(&command, &word);
	assert_non_null(fake_before.run);
	run_started(fake_before.run, 4711, "a.service");
	run_output(fake_before.run, "one ", 4);
	fake_before.pid = 4711;
	hand_over();
	assert_non_null(fake_after.run);
	assert_int_equal(fake_after.adopted.pid, 4711);
	assert_string_equal(fake_after.adopted.unit, "a.service");
	assert_int_equal(only_timer()->active, 1);
	assert_int_equal(only_timer()->last_run->pid, 4711);
	assert_string_equal(only_timer()->last_run->unit, "a.service");
	run_output(fake_after.run, "two", 3);
	fake_starter_exit(&fake_after, 7, peer_world_now());
	event = expect(9, EVLOOP__EVENT_TYPE__EVENT_EXITED);
	assert_int_equal(event->run->status, 7);
	assert_int_equal(event->run->run, 1);
	(void)expect(9, EVLOOP__EVENT_TYPE__EVENT_ENDED);
	target.id = only_timer()->id;
	log.target = &target;
	reply = peer_call(&peer, METHOD(LOG), &log, NULL);
	assert_int_equal(reply->data.len, 7);
	assert_memory_equal(reply->data.data, "one two", 7);
}

/* Nothing is known yet of its process, and never will be: whoever waits for it waits no longer. */
static void test_job_that_is_lost(void **state _unused_) {
	const Evloop__Event *event;
	Evloop__Command command;
	ProtobufCBinaryData word;

	arm_job(&command, &word);
	hand_over();
	event = expect(9, EVLOOP__EVENT_TYPE__EVENT_EXITED);
	assert_int_equal(event->run->result, EVLOOP__RUN_RESULT__RUN_EXITED);
	assert_int_equal(event->run->status, 255);
	(void)expect(9, EVLOOP__EVENT_TYPE__EVENT_ENDED);
	assert_int_equal(only_timer()->state, EVLOOP__TIMER_STATE__TIMER_FINISHED);
	assert_int_equal(only_timer()->active, 0);
}

/* It was refused, which its timer has not heard of yet. */
static void test_job_that_was_refused(void **state _unused_) {
	const Evloop__Event *event;
	Evloop__Command command;
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	ProtobufCBinaryData word = { .data = (uint8_t *)"word", .len = 4 };

	fake_before.refuses = true;
	evloop__command__init(&command);
	command.argv = &word;
	command.n_argv = 1;
	spec.handle = 9;
	spec.kind = EVLOOP__KIND__KIND_SOON;
	spec.command = &command;
	peer_put(&peer, FRAME_ONEWAY, METHOD(ARM), &spec);
	assert_true(peer_flush(&peer));
	while (fake_before.starts == 0)
		peer_world_turn(&before);
	hand_over();
	(void)expect(9, EVLOOP__EVENT_TYPE__EVENT_FIRED);
	event = expect(9, EVLOOP__EVENT_TYPE__EVENT_EXITED);
	assert_int_equal(event->run->result, EVLOOP__RUN_RESULT__RUN_NOT_STARTED);
	assert_int_equal(event->run->status, 127);
	(void)expect(9, EVLOOP__EVENT_TYPE__EVENT_ENDED);
}

static void test_job_that_has_ended(void **state _unused_) {
	Evloop__Command command;
	ProtobufCBinaryData word;
	int64_t finished_ns;

	arm_job(&command, &word);
	fake_starter_exit(&fake_before, 3, peer_world_now());
	(void)expect(9, EVLOOP__EVENT_TYPE__EVENT_EXITED);
	(void)expect(9, EVLOOP__EVENT_TYPE__EVENT_ENDED);
	finished_ns = only_timer()->finished_realtime_ns;
	hand_over();
	assert_int_equal(only_timer()->state, EVLOOP__TIMER_STATE__TIMER_FINISHED);
	assert_int_equal(only_timer()->last_run->status, 3);
	assert_int_equal(only_timer()->finished_realtime_ns, finished_ns);
	assert_int_equal(tenant_use(peer_world_newest(&after)->owner.tenant)->timers, 0);
}

/* ---- limiters ---- */

static Evloop__Grant wait_for(const char *name, uint64_t handle, uint64_t cost) {
	Evloop__LimiterWaitRequest request = EVLOOP__LIMITER_WAIT_REQUEST__INIT;

	request.handle = handle;
	request.name = (char *)name;
	request.cost = cost;
	request.max_wait_ns = -1;
	return *(const Evloop__Grant *)peer_call(&peer, METHOD(LIMITER_WAIT), &request, NULL);
}

static void test_line(void **state _unused_) {
	int64_t granted_ns;

	make_limiter("slow", 10, 1, 0);
	granted_ns = wait_for("slow", 1, 1).now_ns;
	for (uint64_t i = 2; i <= 6; i++)
		assert_true(wait_for("slow", i, 1).queued);
	hand_over();
	for (uint64_t i = 2; i <= 6; i++) {
		const Evloop__Event *event;

		expect_none();
		peer_world_pass(granted_ns + 100 * NSEC_PER_MSEC - peer_world_now());
		event = expect(i, EVLOOP__EVENT_TYPE__EVENT_GRANTED);
		assert_true(event->grant->allowed);
		/* By the rate, to the nanosecond, whatever happened in between. */
		assert_true(event->grant->now_ns >= granted_ns + 100 * NSEC_PER_MSEC);
		granted_ns = event->grant->now_ns;
	}
	expect_none();
}

/* A limiter that is being removed is not there any more, for all of those who wait for it. */
static void test_removed(void **state _unused_) {
	Evloop__LimiterRemoveRequest request = EVLOOP__LIMITER_REMOVE_REQUEST__INIT;
	struct session *session = peer_world_newest(&before);

	make_limiter("slow", 1, 1, 0);
	(void)wait_for("slow", 1, 1);
	for (uint64_t i = 2; i <= 300; i++)
		assert_true(wait_for("slow", i, 1).queued);
	session->outbox.kept_bytes = 1; /* as if the socket took nothing */
	request.name = (char *)"slow";
	(void)peer_put(&peer, FRAME_ONEWAY, METHOD(LIMITER_REMOVE), &request);
	assert_true(peer_flush(&peer));
	peer_world_turn(&before);
	session->outbox.kept_bytes = 0;
	hand_over();
	for (uint64_t i = 2; i <= 300; i++)
		assert_int_equal(expect(i, EVLOOP__EVENT_TYPE__EVENT_GRANTED)->claim,
				 EVLOOP__CLAIM_STATE__CLAIM_REMOVED);
	expect_none();
	assert_int_equal(tenant_use(peer_world_newest(&after)->owner.tenant)->claims, 0);
}

static void test_permits(void **state _unused_) {
	Evloop__HandleRequest cancel = EVLOOP__HANDLE_REQUEST__INIT;

	make_limiter("places", 0, 0, 2);
	assert_true(wait_for("places", 1, 1).allowed);
	assert_true(wait_for("places", 2, 1).allowed);
	assert_true(wait_for("places", 3, 2).queued);
	assert_true(wait_for("places", 4, 1).queued);
	hand_over();
	expect_none();
	cancel.handle = 1;
	(void)peer_call(&peer, METHOD(CANCEL_HANDLE), &cancel, NULL);
	expect_none(); /* the first in line wants two */
	cancel.handle = 2;
	(void)peer_call(&peer, METHOD(CANCEL_HANDLE), &cancel, NULL);
	(void)expect(3, EVLOOP__EVENT_TYPE__EVENT_GRANTED);
	expect_none();
	cancel.handle = 3;
	(void)peer_call(&peer, METHOD(CANCEL_HANDLE), &cancel, NULL);
	(void)expect(4, EVLOOP__EVENT_TYPE__EVENT_GRANTED);
}

/* A lower maximum revokes nobody, whether he has heard of his permits or not. */
static void test_fewer_permits(void **state _unused_) {
	Evloop__HandleRequest cancel = EVLOOP__HANDLE_REQUEST__INIT;
	enum limiter_change change;
	struct limiter_spec spec;
	struct limiter *limiter;
	struct session *session = peer_world_newest(&before);

	make_limiter("places", 0, 0, 2);
	assert_true(wait_for("places", 1, 1).allowed);
	assert_true(wait_for("places", 2, 1).allowed);
	assert_true(wait_for("places", 3, 1).queued);
	assert_true(wait_for("places", 4, 1).queued);
	/* The first in line is granted, but his socket takes nothing. */
	session->outbox.kept_bytes = 1;
	assert_int_equal(owner_cancel(&session->owner, 2), CANCEL_CANCELLED);
	session->outbox.kept_bytes = 0;
	limiter = limiter_find(session->owner.tenant, "places");
	spec = *limiter_spec(limiter);
	spec.concurrency = 1;
	assert_int_equal(limiter_set(session->owner.tenant, &spec, LIMITER_MODE_UPDATE, &limiter, &change), 0);
	hand_over();
	(void)expect(3, EVLOOP__EVENT_TYPE__EVENT_GRANTED);
	expect_none();
	cancel.handle = 3;
	(void)peer_call(&peer, METHOD(CANCEL_HANDLE), &cancel, NULL);
	expect_none(); /* one is out, and there is one */
	cancel.handle = 1;
	(void)peer_call(&peer, METHOD(CANCEL_HANDLE), &cancel, NULL);
	(void)expect(4, EVLOOP__EVENT_TYPE__EVENT_GRANTED);
}

/* Clients go on taking tokens where they are, and the new daemon sees it. */
static void test_shared_memory(void **state _unused_) {
	Evloop__LimiterRequest request = EVLOOP__LIMITER_REQUEST__INIT;
	const struct shared_memory *memory, *same;
	struct limiter *limiter;
	void *page;
	const Evloop__Grant *grant;
	int fd;

	make_limiter("fast", 1, 10, 0);
	limiter = limiter_find(peer_world_newest(&before)->owner.tenant, "fast");
	memory = limiter_share(limiter);
	assert_non_null(memory);
	fd = fcntl(memory->state_fd, F_DUPFD_CLOEXEC, 3);
	request.name = (char *)"fast";
	request.cost = 4;
	(void)peer_call(&peer, METHOD(LIMITER_TRY), &request, NULL);
	hand_over();

	limiter = limiter_find(peer_world_newest(&after)->owner.tenant, "fast");
	assert_non_null(limiter);
	same = limiter_share(limiter);
	assert_non_null(same);
	assert_true(shared_is_valid(same->config));
	assert_false(atomic_load(&same->config->flags) & SHARED_DEAD);
	page = mmap(NULL, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(atomic_load(&((struct shared_state *)page)->word), atomic_load(&same->state->word));
	request.cost = 6;
	grant = peer_call(&peer, METHOD(LIMITER_TRY), &request, NULL);
	assert_true(grant->allowed);
	assert_int_equal(atomic_load(&((struct shared_state *)page)->word), atomic_load(&same->state->word));
	request.cost = 1;
	grant = peer_call(&peer, METHOD(LIMITER_TRY), &request, NULL);
	assert_false(grant->allowed);
	(void)munmap(page, SHARED_SIZE);
	(void)close(fd);
}

/* They go together, for there is no room for a thousand messages with two descriptors each. */
static void test_memory_of_many(void **state _unused_) {
	struct tenant *tenant = peer_world_newest(&before)->owner.tenant;
	char name[] = "fast-a";

	for (; name[5] < 'u'; name[5]++) {
		make_limiter(name, 1, 10, 0);
		assert_non_null(limiter_share(limiter_find(tenant, name)));
	}
	hand_over();
	assert_int_equal(n_flushes, 2);
	tenant = peer_world_newest(&after)->owner.tenant;
	for (name[5] = 'a'; name[5] < 'u'; name[5]++)
		assert_false(atomic_load(&limiter_share(limiter_find(tenant, name))->config->flags) & SHARED_DEAD);
}

/* ---- sessions ---- */

/* Answers that were not read, and the rest of a packet that was not handled, come in their order. */
static void test_unread(void **state _unused_) {
	Evloop__PingRequest ping = EVLOOP__PING_REQUEST__INIT;
	struct session *session = peer_world_newest(&before);
	uint64_t first, serial;
	struct frame frame;

	first = peer_put(&peer, FRAME_REQUEST, METHOD(PING), &ping);
	assert_true(peer_flush(&peer));
	session->outbox.kept_bytes = 1; /* so the answer is kept */
	peer_world_turn(&before);
	session->outbox.kept_bytes--;
	assert_true(session->outbox.kept_bytes > 0);
	for (unsigned i = 0; i < 10; i++)
		serial = peer_put(&peer, FRAME_REQUEST, METHOD(PING), &ping);
	assert_true(peer_flush(&peer)); /* and these are still in the socket */
	hand_over();
	peer_world_settle(&after);
	for (uint64_t i = first; i <= serial; i++) {
		assert_true(peer_take(&peer, &frame));
		assert_int_equal(frame.serial, i);
	}
	assert_false(peer_take(&peer, &frame));
}

/* A later daemon has told things that this one does not know: they are passed over, and all else is taken. */
static void test_what_is_not_known(void **state _unused_) {
	int64_t due_ns = peer_world_now() + SOON;

	make_limiter("slow", 1, 1, 0);
	(void)arm(5, due_ns, 0);
	hand_over_with(true);
	expect_none();
	peer_world_pass(due_ns - peer_world_now());
	(void)expect(5, EVLOOP__EVENT_TYPE__EVENT_FIRED);
	assert_non_null(limiter_find(peer_world_newest(&after)->owner.tenant, "slow"));
}

/* What belongs to a session that has ended, and is not freed yet, is nobody's afterwards. */
static void test_ended(void **state _unused_) {
	struct peer other;
	int64_t begin_ns = peer_world_now();

	peer_init(&other, &before);
	peer_open(&other);
	(void)arm(1, begin_ns + HOUR, HOUR);
	(void)arm(2, begin_ns + HOUR, 0);
	session_fail(TAILQ_FIRST(&before.sessions.all), EVLOOP__STATUS__STATUS_PROTOCOL, "something is wrong");
	hand_over();
	assert_int_equal(after.sessions.n, 1);
	assert_int_equal(tenant_use(peer_world_newest(&after)->owner.tenant)->timers, 0);
	other.world = &after;
	peer_deinit(&other);
}

static void test_nonsense(void **state _unused_) {
	char text[] = "something else";
	FILE *file = fmemopen(text, sizeof(text), "r");

	assert_int_equal(handover_load(&after.rpc, &after.sessions, file, NULL, 0), -EPROTO);
	(void)fclose(file);
	/* What is cut off is taken as far as it goes. */
	hand_over();
}

#define test(name) cmocka_unit_test_setup_teardown(name, handover_setup, handover_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		test(test_order_of_deadlines),
		test(test_what_was_not_taken),
		test(test_paused_and_named),
		test(test_job_that_runs),
		test(test_job_that_is_lost),
		test(test_job_that_was_refused),
		test(test_job_that_has_ended),
		test(test_line),
		test(test_removed),
		test(test_permits),
		test(test_fewer_permits),
		test(test_shared_memory),
		test(test_memory_of_many),
		test(test_unread),
		test(test_what_is_not_known),
		test(test_ended),
		test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
