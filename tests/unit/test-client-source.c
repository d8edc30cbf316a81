/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sources of the library: who holds them, how they end, how a cancel ended, and that destructors run once. */

#include "tests/unit/test.h"

#include <string.h>

#include "tests/unit/client-peer.h"

static struct peer peer;
static struct evl *evl;
static int n_called, n_destroyed;
static struct evl_event last;

static int setup(void **state _unused_) {
	peer_init(&peer);
	n_called = n_destroyed = 0;
	return peer_connect(&peer, &evl);
}

static int teardown(void **state _unused_) {
	evl = evl_close(evl);
	peer_deinit(&peer);
	return 0;
}

static void count(struct evl_source *source _unused_, const struct evl_event *event, void *userdata _unused_) {
	last = *event;
	n_called++;
}

static void destroyed(void *userdata) {
	assert_ptr_equal(userdata, &peer);
	n_destroyed++;
}

/* An armed one-shot timer with a destructor.  Return: its handle. */
static uint64_t arm(struct evl_source **ret, evl_callback callback) {
	assert_int_equal(evl_call_later(evl, ret, EVL_SEC(60), callback, &peer), 0);
	evl_source_set_destroy(*ret, destroyed);
	assert_int_equal(evl_flush(evl), 0);
	return peer_expect_arm(&peer, NULL);
}

static void test_fire(void **state _unused_) {
	int64_t before = evl_time(evl);
	Evloop__TimerSpec *spec;
	struct evl_source *source;

	assert_int_equal(evl_call_later(evl, &source, EVL_SEC(60), count, NULL), 0);
	assert_int_equal(evl_flush(evl), 0);
	peer_fire_last(&peer, peer_expect_arm(&peer, &spec), 1);
	assert_in_range(spec->deadline_ns, before + EVL_SEC(60), evl_time(evl) + EVL_SEC(60));
	assert_false(spec->relative);
	evloop__timer_spec__free_unpacked(spec, NULL);

	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(n_called, 1);
	assert_int_equal(last.type, EVL_EVENT_FIRED);
	assert_int_equal(last.size, sizeof(last));
	assert_int_equal(last.fire_seq, 1);
	assert_int_equal(last.scheduled_ns, 5000);
	assert_int_equal(last.first_scheduled_ns, 5000);
	assert_int_equal(last.lateness_ns, 7);
	assert_int_equal(last.generation, 1);
	assert_null(last.name);
	assert_false(evl_cancelled(source));
	assert_int_equal(evl_cancel(source), 0);
	evl_source_unref(source);
}

static void test_destroyed_after_last_event(void **state _unused_) {
	struct evl_source *source;

	peer_fire_last(&peer, arm(&source, count), 1);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(evl_source_restart(source, 0), -ECANCELED);
	evl_source_unref(source);
	assert_int_equal(n_destroyed, 1);
}

static void test_destroyed_by_cancel(void **state _unused_) {
	struct evl_source *source;
	uint64_t handle = arm(&source, count);

	assert_int_equal(evl_cancel(source), 1);
	assert_int_equal(n_destroyed, 1);
	assert_true(evl_cancelled(source));
	assert_int_equal(evl_cancel(source), 0);
	evl_flush(evl);
	assert_int_equal(peer_expect_cancel(&peer), handle);
	peer_fire_last(&peer, handle, 1); /* it was on its way */
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(n_called, 0);
	evl_source_unref(source);
	assert_int_equal(n_destroyed, 1);
}

static void test_destroyed_by_unref(void **state _unused_) {
	struct evl_source *source;
	uint64_t handle = arm(&source, count);

	evl_source_ref(source);
	assert_null(evl_source_unref(source));
	assert_int_equal(n_destroyed, 0);
	assert_null(evl_source_unref(source));
	assert_int_equal(n_destroyed, 1);
	evl_flush(evl);
	assert_int_equal(peer_expect_cancel(&peer), handle);
	assert_null(evl_source_unref(NULL));
}

static void test_destroyed_by_close(void **state _unused_) {
	struct evl_source *source;

	arm(&source, count);
	evl = evl_close(evl);
	assert_null(evl);
	assert_int_equal(n_destroyed, 1);
	/* It survives, inert. */
	assert_null(evl_source_evl(source));
	assert_ptr_equal(evl_source_userdata(source), &peer);
	assert_int_equal(evl_cancel(source), 0);
	assert_int_equal(evl_cancel_sync(source, NULL), 0);
	assert_int_equal(evl_source_restart(source, 0), -ENOTCONN);
	evl_source_ref(source);
	evl_source_unref(source);
	evl_source_unref(source);
	assert_int_equal(n_destroyed, 1);
}

static void test_floating(void **state _unused_) {
	assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), 0);
	assert_int_equal(evl_call_later(evl, NULL, 0, count, NULL), 0);
	evl_flush(evl);
	peer_fire_last(&peer, peer_expect_arm(&peer, NULL), 1);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	/* The other one goes with the connection. */
}

static void cancel_self(struct evl_source *source, const struct evl_event *event, void *userdata _unused_) {
	count(source, event, userdata);
	assert_int_equal(evl_cancel(source), 1);
	assert_int_equal(n_destroyed, 0); /* its userdata is still in use */
}

static void test_cancel_in_callback(void **state _unused_) {
	struct evl_source *source;
	uint64_t handle;

	assert_int_equal(evl_call_every(evl, &source, EVL_SEC(1), cancel_self, &peer), 0);
	evl_source_set_destroy(source, destroyed);
	evl_flush(evl);
	handle = peer_expect_arm(&peer, NULL);
	peer_fire(&peer, handle, 1);
	peer_fire(&peer, handle, 2);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(n_destroyed, 1);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(n_called, 1);
	assert_int_equal(peer_expect_cancel(&peer), handle);
	evl_source_unref(source);
}

static void free_self(struct evl_source *source, const struct evl_event *event, void *userdata) {
	count(source, event, userdata);
	evl_source_unref(source);
	assert_int_equal(n_destroyed, 0);
}

static void test_free_in_callback(void **state _unused_) {
	struct evl_source *source;

	peer_fire_last(&peer, arm(&source, free_self), 1);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(n_destroyed, 1);
}

static void keep_self(struct evl_source *source, const struct evl_event *event, void *userdata _unused_) {
	count(source, event, userdata);
	*(struct evl_source **)userdata = evl_source_ref(source);
}

static void test_floating_kept_in_callback(void **state _unused_) {
	struct evl_source *kept = NULL;

	assert_int_equal(evl_call_later(evl, NULL, 0, keep_self, &kept), 0);
	evl_flush(evl);
	peer_fire_last(&peer, peer_expect_arm(&peer, NULL), 1);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(evl_source_restart(kept, 0), 0);
	evl_source_unref(kept);
}

static struct evl_source *other;

static void free_other(struct evl_source *source, const struct evl_event *event, void *userdata) {
	count(source, event, userdata);
	other = evl_source_unref(other);
}

static void test_free_other_in_callback(void **state _unused_) {
	struct evl_source *source;
	uint64_t handle = arm(&source, free_other), handle_other = arm(&other, count);

	peer_fire_last(&peer, handle, 1);
	peer_fire_last(&peer, handle_other, 1);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(n_called, 1);
	assert_int_equal(n_destroyed, 2);
	evl_source_unref(source);
}

static void close_all(struct evl_source *source, const struct evl_event *event, void *userdata) {
	count(source, event, userdata);
	evl = evl_close(evl);
	assert_null(evl_source_evl(source));
	assert_int_equal(n_destroyed, 1); /* that of the other */
	assert_int_equal(event->fire_seq, 1); /* still there */
}

static void test_close_in_callback(void **state _unused_) {
	struct evl_source *source;
	uint64_t handle = arm(&source, close_all), handle_other = arm(&other, count);

	peer_fire_last(&peer, handle, 1);
	peer_fire_last(&peer, handle_other, 1);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_null(evl);
	assert_int_equal(n_called, 1);
	assert_int_equal(n_destroyed, 2);
	evl_source_unref(source);
	other = evl_source_unref(other);
	assert_int_equal(n_destroyed, 2);
}

static void close_in_destructor(void *userdata _unused_) {
	n_destroyed++;
	evl = evl_close(evl);
}

static void test_close_in_destructor(void **state _unused_) {
	struct evl_source *source;

	arm(&source, count);
	evl_source_set_destroy(source, close_in_destructor);
	arm(&other, count);
	assert_int_equal(evl_cancel(source), 1);
	assert_null(evl);
	assert_int_equal(n_destroyed, 2);
	evl_source_unref(source);
	other = evl_source_unref(other);
}

static void test_discarded_without_destructor(void **state _unused_) {
	struct evl_source *source = NULL;

	assert_int_equal(evl_call_later(evl, &source, -1, count, NULL), -ERANGE);
	assert_int_equal(evl_call_later(evl, &source, INT64_MAX, count, NULL), -ERANGE);
	assert_int_equal(evl_call_later(evl, &source, 0, NULL, NULL), -EINVAL);
	assert_int_equal(evl_call_at(evl, &source, CLOCK_PROCESS_CPUTIME_ID, 0, count, NULL), -EINVAL);
	assert_int_equal(evl_call_at(evl, &source, CLOCK_REALTIME, INT64_MAX, count, NULL), -ERANGE);
	assert_int_equal(evl_call_every(evl, &source, 0, count, NULL), -ERANGE);
	assert_null(source);
	assert_int_equal(evl_flush(evl), 0);
	assert_true(peer_is_quiet(&peer));
}

/* ---- outcomes -------------------------------------------------------------------------------------------- */

static Evloop__Outcome outcome_to_say;
static bool fires_first;

static void answer_cancel(struct peer *p, const struct frame *frame) {
	Evloop__HandleRequest *request;

	assert_int_equal(frame->method, EVLOOP__METHOD__METHOD_CANCEL_HANDLE);
	request = evloop__handle_request__unpack(NULL, frame->body_size, frame->body);
	if (fires_first)
		peer_fire_last(p, request->handle, 1);
	peer_cancel_reply(p, frame->serial, outcome_to_say);
	evloop__handle_request__free_unpacked(request, NULL);
}

static int cancel_answered(struct evl_source *source, Evloop__Outcome outcome, bool fires) {
	int ret = -1;

	outcome_to_say = outcome;
	fires_first = fires;
	peer_serve(&peer, 1, answer_cancel);
	assert_int_equal(evl_cancel_sync(source, &ret), 0);
	peer_join(&peer);
	assert_int_equal(n_destroyed, 1);
	assert_true(evl_cancelled(source));
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(n_called, 0);
	evl_source_unref(source);
	return ret;
}

static void test_outcome_cancelled(void **state _unused_) {
	struct evl_source *source;

	arm(&source, count);
	assert_int_equal(cancel_answered(source, EVLOOP__OUTCOME__OUTCOME_CANCELLED, false), EVL_OUTCOME_CANCELLED);
}

static void test_outcome_withdrawn(void **state _unused_) {
	struct evl_source *source;

	arm(&source, count);
	assert_int_equal(cancel_answered(source, EVLOOP__OUTCOME__OUTCOME_WITHDRAWN, false), EVL_OUTCOME_WITHDRAWN);
}

static void test_outcome_too_late(void **state _unused_) {
	struct evl_source *source;

	arm(&source, count);
	assert_int_equal(cancel_answered(source, EVLOOP__OUTCOME__OUTCOME_GONE, true), EVL_OUTCOME_TOO_LATE);
}

static void test_outcome_too_late_received_before(void **state _unused_) {
	struct evl_source *source;
	uint64_t handle = arm(&source, count);

	peer_fire_last(&peer, handle, 1);
	peer_serve(&peer, 1, NULL);
	assert_int_equal(evl_roundtrip(evl), 0);
	peer_join(&peer);
	assert_int_equal(cancel_answered(source, EVLOOP__OUTCOME__OUTCOME_GONE, false), EVL_OUTCOME_TOO_LATE);
}

static void test_outcome_done(void **state _unused_) {
	struct evl_source *source;
	int outcome = -1;

	peer_fire_last(&peer, arm(&source, count), 1);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(evl_cancel_sync(source, &outcome), 0);
	assert_int_equal(outcome, EVL_OUTCOME_DONE);
	evl_source_unref(source);
}

static void test_outcome_of_posted(void **state _unused_) {
	struct evl_source *source;
	int outcome = -1;

	assert_int_equal(evl_call_soon(evl, &source, count, NULL), 0);
	assert_int_equal(evl_cancel_sync(source, &outcome), 0);
	assert_int_equal(outcome, EVL_OUTCOME_CANCELLED);
	evl_source_unref(source);
	assert_int_equal(evl_dispatch(evl, 0), 0);
}

/* ---- restart --------------------------------------------------------------------------------------------- */

static void test_restart_live(void **state _unused_) {
	struct evl_source *source;
	uint64_t handle = arm(&source, count), fresh;

	assert_int_equal(evl_source_restart(source, EVL_SEC(5)), 0);
	evl_flush(evl);
	assert_int_equal(peer_expect_cancel(&peer), handle);
	fresh = peer_expect_arm(&peer, NULL);
	assert_int_not_equal(fresh, handle);
	peer_fire_last(&peer, handle, 1); /* the old deadline had passed */
	peer_fire_last(&peer, fresh, 1);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(evl_dispatch(evl, 0), 0);
	assert_int_equal(n_called, 1);
	evl_source_unref(source);
	assert_int_equal(n_destroyed, 1);
}

static void restart_once(struct evl_source *source, const struct evl_event *event, void *userdata) {
	count(source, event, userdata);
	if (n_called == 1)
		assert_int_equal(evl_source_restart(source, 0), 0);
}

static void test_restart_in_callback(void **state _unused_) {
	struct evl_source *source;

	peer_fire_last(&peer, arm(&source, restart_once), 1);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(n_destroyed, 0);
	peer_fire_last(&peer, peer_expect_arm(&peer, NULL), 1);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(n_called, 2);
	assert_int_equal(n_destroyed, 1);
	evl_source_unref(source);
}

static void test_restart_cancelled(void **state _unused_) {
	struct evl_source *source;

	assert_int_equal(evl_call_every(evl, &source, EVL_SEC(7), count, NULL), 0);
	evl_cancel(source);
	assert_int_equal(evl_source_restart(source, EVL_SEC(1)), 0);
	assert_false(evl_cancelled(source));
	evl_flush(evl);
	peer_expect_arm(&peer, NULL);
	peer_expect_cancel(&peer);
	{
		Evloop__TimerSpec *spec;

		peer_expect_arm(&peer, &spec);
		assert_int_equal(spec->kind, EVLOOP__KIND__KIND_EVERY);
		assert_int_equal(spec->period_ns, EVL_SEC(7));
		evloop__timer_spec__free_unpacked(spec, NULL);
	}
	evl_source_unref(source);
}

static void test_restart_not_a_timer(void **state _unused_) {
	struct evl_source *source;

	assert_int_equal(evl_call_soon(evl, &source, count, NULL), 0);
	assert_int_equal(evl_source_restart(source, 0), -EINVAL);
	evl_source_unref(source);
}

/* ---- ids ------------------------------------------------------------------------------------------------- */

static void answer_identify(struct peer *p, const struct frame *frame) {
	Evloop__Armed armed = EVLOOP__ARMED__INIT;

	armed.id = 77;
	if (frame->method == EVLOOP__METHOD__METHOD_IDENTIFY)
		peer_send(p, FRAME_REPLY, EVLOOP__METHOD__METHOD_IDENTIFY, frame->serial, &armed.base);
}

static void test_id(void **state _unused_) {
	struct evl_source *source;
	uint64_t id = 0;

	arm(&source, count);
	assert_int_equal(evl_source_id(source, &id), -EAGAIN);
	assert_int_equal(evl_source_id(source, &id), -EAGAIN); /* asks once */
	peer_serve(&peer, 2, answer_identify);
	assert_int_equal(evl_roundtrip(evl), 0);
	peer_join(&peer);
	assert_int_equal(evl_source_id(source, &id), 0);
	assert_int_equal(id, 77);
	evl_source_unref(source);
}

static void test_id_times_out(void **state _unused_) {
	struct evl_source *source;
	uint64_t id;

	arm(&source, count);
	assert_int_equal(evl_set_timeout(evl, EVL_MSEC(1)), 0);
	assert_int_equal(evl_source_id(source, &id), -EAGAIN);
	assert_int_equal(evl_dispatch(evl, EVL_MSEC(20)), 0);
	assert_int_equal(evl_source_id(source, &id), -ETIMEDOUT);
	assert_int_equal(evl_source_id(source, &id), -EAGAIN);
	evl_source_unref(source);
}

/* ---- what ends a source ---------------------------------------------------------------------------------- */

static void test_count_ends(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;
	struct evl_source *source;
	uint64_t handle;

	timer.period_ns = timer.deadline_ns = EVL_SEC(1);
	timer.count = 2;
	assert_int_equal(evl_timer_add(evl, &source, &timer, count, &peer), 0);
	evl_source_set_destroy(source, destroyed);
	evl_flush(evl);
	handle = peer_expect_arm(&peer, NULL);
	peer_fire(&peer, handle, 1);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(n_destroyed, 0);
	peer_fire_last(&peer, handle, 2);
	assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(n_destroyed, 1);
	evl_source_unref(source);
}

static void test_detached_until_ended(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;
	struct evl_source *source;
	uint64_t handle;

	timer.detached = true;
	timer.name = "job";
	assert_int_equal(evl_timer_add(evl, &source, &timer, count, &peer), 0);
	evl_source_set_destroy(source, destroyed);
	evl_flush(evl);
	handle = peer_expect_arm(&peer, NULL);
	peer_fire(&peer, handle, 1);
	peer_end(&peer, handle, EVLOOP__END__END_DONE);
	while (n_called < 2)
		assert_int_equal(evl_dispatch(evl, -1), 1);
	assert_int_equal(last.type, EVL_EVENT_ENDED);
	assert_int_equal(last.end, EVL_END_DONE);
	assert_int_equal(n_destroyed, 1);
	evl_source_unref(source);
}

static void test_nobody_told(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;

	timer.detached = true;
	assert_int_equal(evl_timer_add(evl, NULL, &timer, NULL, NULL), 0);
	evl_flush(evl);
	assert_int_equal(peer_expect_arm(&peer, NULL), 0);
	assert_int_equal(evl_run(evl), 0); /* there is nothing to wait for */
}

static void test_cancelled_by_others(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;
	struct evl_source *source;

	timer.name = "mine";
	assert_int_equal(evl_timer_add(evl, &source, &timer, count, &peer), 0);
	evl_source_set_destroy(source, destroyed);
	evl_flush(evl);
	peer_end(&peer, peer_expect_arm(&peer, NULL), EVLOOP__END__END_REPLACED);
	assert_int_equal(evl_dispatch(evl, -1), -ECANCELED);
	assert_non_null(strstr(evl_error_message(evl), "replaced"));
	assert_int_equal(n_called, 0);
	assert_int_equal(n_destroyed, 1);
	evl_source_unref(source);
}

/* With a limiter before its events; a program that was built before there was one has a shorter structure, and none. */
static void test_timer_limiter(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;
	Evloop__TimerSpec *spec;

	timer.limiter = "rate";
	timer.limiter_key = "key";
	for (int i = 0; i < 2; i++) {
		assert_int_equal(evl_timer_add(evl, NULL, &timer, count, NULL), 0);
		evl_flush(evl);
		peer_expect_arm(&peer, &spec);
		if (i == 0) {
			assert_string_equal(spec->gate->limiter, "rate");
			assert_int_equal(spec->gate->key.len, 3);
		} else {
			assert_null(spec->gate);
		}
		evloop__timer_spec__free_unpacked(spec, NULL);
		timer.size = offsetof(struct evl_timer, limiter);
	}
	timer.size = sizeof(timer);
	timer.detached = true;
	assert_int_equal(evl_timer_add(evl, NULL, &timer, count, NULL), -EINVAL);
	timer.detached = false;
	timer.limiter = NULL;
	assert_int_equal(evl_timer_add(evl, NULL, &timer, count, NULL), -EINVAL);
}

static void test_bad_timers(void **state _unused_) {
	struct {
		struct evl_timer timer;
		uint64_t later;
	} longer = { .timer = EVL_TIMER_INIT };
	struct evl_timer timer = EVL_TIMER_INIT;

	timer.size = 4;
	assert_int_equal(evl_timer_add(evl, NULL, &timer, count, NULL), -EINVAL);
	longer.timer.size = sizeof(longer);
	assert_int_equal(evl_timer_add(evl, NULL, &longer.timer, count, NULL), 0);
	longer.later = 1;
	assert_int_equal(evl_timer_add(evl, NULL, &longer.timer, count, NULL), -EOPNOTSUPP);

	timer = (struct evl_timer)EVL_TIMER_INIT;
	assert_int_equal(evl_timer_add(evl, NULL, &timer, NULL, NULL), -EINVAL);
	timer.count = 3;
	assert_int_equal(evl_timer_add(evl, NULL, &timer, count, NULL), -EINVAL);
	timer.count = 0;
	timer.slack_ns = -1;
	assert_int_equal(evl_timer_add(evl, NULL, &timer, count, NULL), -ERANGE);
	assert_string_not_equal(evl_error_message(evl), "");
	timer.slack_ns = 0;
	timer.argv = (const char *const[]){ NULL };
	assert_int_equal(evl_timer_add(evl, NULL, &timer, count, NULL), -EINVAL);
}

static void test_command(void **state _unused_) {
	struct evl_timer timer = EVL_TIMER_INIT;
	Evloop__TimerSpec *spec;
	bool path = false;

	setenv("LISTEN_PID", "1", 1);
	timer.argv = (const char *const[]){ "echo", "a b", "", "-c", "\n", NULL };
	assert_int_equal(evl_timer_add(evl, NULL, &timer, NULL, NULL), 0);
	evl_flush(evl);
	assert_int_equal(peer_expect_arm(&peer, &spec), 0);
	assert_int_equal(spec->command->n_argv, 5);
	assert_memory_equal(spec->command->argv[1].data, "a b", 3);
	assert_int_equal(spec->command->argv[2].len, 0);
	assert_memory_equal(spec->command->argv[4].data, "\n", 1);
	assert_int_equal(spec->command->directory.data[0], '/');
	for (size_t i = 0; i < spec->command->n_environment; i++) {
		const char *variable = (const char *)spec->command->environment[i].data;

		assert_int_not_equal(strncmp(variable, "LISTEN_", 7), 0);
		path = path || strncmp(variable, "PATH=", 5) == 0;
	}
	assert_true(path);
	evloop__timer_spec__free_unpacked(spec, NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_fire),
		TEST(test_destroyed_after_last_event),
		TEST(test_destroyed_by_cancel),
		TEST(test_destroyed_by_unref),
		TEST(test_destroyed_by_close),
		TEST(test_floating),
		TEST(test_cancel_in_callback),
		TEST(test_free_in_callback),
		TEST(test_floating_kept_in_callback),
		TEST(test_free_other_in_callback),
		TEST(test_close_in_callback),
		TEST(test_close_in_destructor),
		TEST(test_discarded_without_destructor),
		TEST(test_outcome_cancelled),
		TEST(test_outcome_withdrawn),
		TEST(test_outcome_too_late),
		TEST(test_outcome_too_late_received_before),
		TEST(test_outcome_done),
		TEST(test_outcome_of_posted),
		TEST(test_restart_live),
		TEST(test_restart_in_callback),
		TEST(test_restart_cancelled),
		TEST(test_restart_not_a_timer),
		TEST(test_id),
		TEST(test_id_times_out),
		TEST(test_count_ends),
		TEST(test_detached_until_ended),
		TEST(test_nobody_told),
		TEST(test_cancelled_by_others),
		TEST(test_timer_limiter),
		TEST(test_bad_timers),
		TEST(test_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
