/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the waiting for a limiter.  For one there is the daemon's line: first come, first served, and who is killed has never been
 * there.  For several at once there is no line: they are asked again when the one that denied them will allow it.
 */

#include "client/cli/take.h"

#include <string.h>
#include <time.h>

#include "client/cli/daemon.h"
#include "client/cli/error.h"

#define PAUSE_NS (10 * NSEC_PER_USEC) /* between two attempts at least */

static ProtobufCBinaryData bytes_of(const char *key) {
	return (ProtobufCBinaryData){ .data = (uint8_t *)(key ? key : ""), .len = key ? strlen(key) : 0 };
}

/* ---- one ---- */

struct line {
	struct taken *taken;
	bool over;
};

static void keep(struct taken *taken, const Evloop__Grant *grant) {
	taken->grant = *grant;
	taken->grant.basis = NULL; /* the rest is numbers, which outlive the message */
}

static void on_event(struct evl *evl _unused_, const Evloop__Event *event, void *userdata) {
	struct line *line = userdata;

	if (event->type != EVLOOP__EVENT_TYPE__EVENT_GRANTED || !event->grant)
		return;
	keep(line->taken, event->grant);
	line->taken->removed = event->claim == EVLOOP__CLAIM_STATE__CLAIM_REMOVED;
	line->over = true;
}

static int take_one(struct evl *evl, const struct take *take, struct taken *ret) {
	Evloop__LimiterWaitRequest request = EVLOOP__LIMITER_WAIT_REQUEST__INIT;
	_cleanup_message_ ProtobufCMessage *reply = NULL;
	struct line line = { .taken = ret };
	int r = evl_call_handle(evl, &request.handle, on_event, &line);

	if (r < 0)
		return complain_call(evl, r, take->name);
	request.name = (char *)take->name;
	request.key = bytes_of(take->key);
	request.cost = take->cost;
	request.max_wait_ns = take->max_wait_ns;
	r = evl_call_to_take(evl, EVLOOP__METHOD__METHOD_LIMITER_WAIT, &request.base, take->pid_fd, &reply);
	if (r < 0)
		return complain_call(evl, r, NULL);
	keep(ret, (const Evloop__Grant *)reply);
	ret->denied_by = take->name;
	if (!ret->grant.queued)
		line.over = true;
	while (!line.over) {
		r = evl_dispatch(evl, -1);
		if (r < 0)
			return complain_call(evl, r, take->name);
	}
	evl_call_drop(evl, request.handle);
	return 0;
}

/* ---- several ---- */

static void sleep_until(int64_t time_ns) {
	struct timespec until = { .tv_sec = time_ns / NSEC_PER_SEC, .tv_nsec = time_ns % NSEC_PER_SEC };

	while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

/* One attempt.  Return: 0, or the exit status after a complaint. */
static int try_all(struct evl *evl, Evloop__LimiterMultiRequest *request, struct taken *ret) {
	_cleanup_message_ ProtobufCMessage *message = NULL;
	const Evloop__LimiterMultiReply *reply;
	int r = evl_call_to_take(evl, EVLOOP__METHOD__METHOD_LIMITER_MULTI, &request->base, -1, &message);

	if (r < 0)
		return complain_call(evl, r, NULL);
	reply = (const Evloop__LimiterMultiReply *)message;
	if (reply->n_grants != request->n_items || reply->denied_by >= reply->n_grants)
		return complain_call(evl, -EPROTO, NULL);
	keep(ret, reply->grants[reply->allowed ? 0 : reply->denied_by]);
	ret->denied_by = request->items[reply->denied_by]->name;
	return 0;
}

static int take_all(struct evl *evl, const struct take *take, struct taken *ret) {
	int64_t latest_ns = take->max_wait_ns < 0 ? INT64_MAX : evl_time(evl) + take->max_wait_ns;
	Evloop__LimiterMultiRequest request = EVLOOP__LIMITER_MULTI_REQUEST__INIT;
	Evloop__LimiterRequest first = EVLOOP__LIMITER_REQUEST__INIT;
	Evloop__LimiterRequest *items[LIMITER_ITEMS_MAX] = { &first };

	first.name = (char *)take->name;
	first.key = bytes_of(take->key);
	first.cost = take->cost;
	for (size_t i = 0; i < take->n_also; i++)
		items[i + 1] = (Evloop__LimiterRequest *)&take->also[i];
	request.items = items;
	request.n_items = take->n_also + 1;
	for (;;) {
		int r = try_all(evl, &request, ret);

		if (r != 0 || ret->grant.allowed)
			return r;
		/* Later than it would be of use: it is known now. */
		if (ret->grant.retry_after_ns > latest_ns - ret->grant.now_ns)
			return 0;
		sleep_until(ret->grant.now_ns + MAX(ret->grant.retry_after_ns, PAUSE_NS));
	}
}

int take(struct evl *evl, const struct take *take, struct taken *ret) {
	*ret = (struct taken){ 0 };
	return take->n_also > 0 ? take_all(evl, take, ret) : take_one(evl, take, ret);
}
