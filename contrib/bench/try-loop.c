/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: try-loop COUNT
 *
 * What asking for a decision costs without anybody to ask: the messages that it takes, packed and unpacked in one process by
 * protobuf-c as it comes, and the arithmetic between them.  No daemon, no socket.
 */

#include "contrib/bench/measure.h"
#include "proto/evloop.pb-c.h"
#include "proto/gcra.h"

struct bucket {
	struct gcra_rule rules[2]; /* as many as in try.c */
	uint64_t tat[2];
};

static void pack_request(uint64_t handle, uint8_t *buffer, size_t *ret_size) {
	Evloop__LimiterWaitRequest request = EVLOOP__LIMITER_WAIT_REQUEST__INIT;

	request.handle = handle;
	request.name = (char *)"pipelined";
	request.cost = 1;
	*ret_size = evloop__limiter_wait_request__pack(&request, buffer);
}

static void decide(struct bucket *bucket, Evloop__Grant *grant, uint64_t cost) {
	uint64_t now;

	grant->allowed = true;
	grant->now_ns = measure_now();
	(void)gcra_ticks(grant->now_ns, &now);
	for (unsigned i = 0; i < 2; i++) {
		struct gcra_decision decision;

		if (gcra_decide(&bucket->rules[i], bucket->tat[i], now, 0, cost, &decision) != 0 || !decision.allowed)
			measure_fail("decision", -EAGAIN);
		bucket->tat[i] = decision.tat;
		grant->limit = bucket->rules[i].burst;
		grant->remaining = gcra_available(&bucket->rules[i], decision.tat, now, 0, UINT64_MAX);
	}
}

/* From the request's bytes to those of the event. */
static void serve(struct bucket *bucket, uint8_t *buffer, size_t *size) {
	Evloop__LimiterWaitRequest *request = evloop__limiter_wait_request__unpack(NULL, *size, buffer);
	Evloop__Event event = EVLOOP__EVENT__INIT;
	Evloop__Grant grant = EVLOOP__GRANT__INIT;

	if (!request)
		measure_fail("request", -EPROTO);
	decide(bucket, &grant, request->cost);
	event.type = EVLOOP__EVENT_TYPE__EVENT_GRANTED;
	event.claim = EVLOOP__CLAIM_STATE__CLAIM_GRANTED;
	event.handle = request->handle;
	event.grant = &grant;
	evloop__limiter_wait_request__free_unpacked(request, NULL);
	*size = evloop__event__pack(&event, buffer);
}

static void take_event(const uint8_t *buffer, size_t size, uint64_t handle) {
	Evloop__Event *event = evloop__event__unpack(NULL, size, buffer);

	if (!event || event->handle != handle || !event->grant->allowed)
		measure_fail("event", -EPROTO);
	evloop__event__free_unpacked(event, NULL);
}

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 1), size;
	struct bucket bucket = { .tat = { 0 } };
	uint8_t buffer[512];
	int64_t start;

	for (unsigned i = 0; i < 2; i++)
		(void)gcra_rule_init(&bucket.rules[i], 1000000000, NSEC_PER_SEC, 1000000000);
	start = measure_now();
	for (size_t i = 1; i <= count; i++) {
		pack_request(i, buffer, &size);
		serve(&bucket, buffer, &size);
		take_event(buffer, size, i);
	}
	measure_print("rate", (double)count * 1e9 / (double)(measure_now() - start), "1/s");
}
