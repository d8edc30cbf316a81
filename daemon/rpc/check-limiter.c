/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how a limiter is described, and how what it cannot do is refused.  Changes nothing. */

#include "daemon/rpc/check-limiter.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/rpc/check.h"
#include "proto/limits.h"
#include "proto/rate.h"

void describe_limiter(const struct limiter_spec *spec, char *text, size_t size) {
	size_t n = 0;

	if (spec->kind == LIMITER_KIND_CONCURRENCY)
		n = (size_t)snprintf(text, size, "%" PRIu64 " permits", spec->concurrency);
	else if (spec->n_rates == 0)
		n = (size_t)snprintf(text, size, "unlimited");
	for (unsigned i = 0; i < spec->n_rates && n < size; i++) {
		const struct limiter_rate *rate = &spec->rates[i];
		char buffer[RATE_TEXT_MAX];

		rate_format(&(struct rate){ rate->tokens, rate->period_ns }, buffer);
		n += (size_t)snprintf(text + n, size - n, "%s%s with a burst of %" PRIu64, i > 0 ? ", " : "", buffer,
				      rate->burst);
	}
	if (spec->keyed && n < size)
		(void)snprintf(text + n, size - n, ", for each key");
}

bool check_limiter_key(struct call *call, const ProtobufCBinaryData *key, struct limiter_key *ret) {
	if (key->len > LIMITER_KEY_MAX)
		return REFUSE(call, OUT_OF_RANGE, "the key has %zu bytes, more than %d", key->len, LIMITER_KEY_MAX);
	*ret = (struct limiter_key){ .data = key->data, .size = key->len };
	return true;
}

int refuse_limiter(struct call *call, int r, const struct limiter *limiter, uint64_t cost) {
	const struct limiter_spec *spec = limiter_spec(limiter);
	char definition[256];

	describe_limiter(spec, definition, sizeof(definition));
	switch (r) {
	case LIMITER_E_KEY:
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID,
			    spec->keyed ? "the limiter '%s' needs a key" : "the limiter '%s' has no keys", spec->name);
		return 0;
	case LIMITER_E_COST:
		call_refuse(call, EVLOOP__STATUS__STATUS_COST_EXCEEDS_BURST,
			    "%" PRIu64 " is more than the limiter '%s' could ever grant: %s", cost, spec->name,
			    definition);
		return 0;
	case LIMITER_E_RANGE:
		call_refuse(call, EVLOOP__STATUS__STATUS_OUT_OF_RANGE,
			    "%" PRIu64 " would fill the limiter '%s' for more than 4.5 years: %s", cost, spec->name,
			    definition);
		return 0;
	case LIMITER_E_KIND:
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID,
			    "the limiter '%s' has permits, which are waited for and held", spec->name);
		return 0;
	case LIMITER_E_DENIED:
		call_refuse(call, EVLOOP__STATUS__STATUS_QUOTA,
			    "the limiter '%s' has no room for another key: %" PRIu64, spec->name, spec->max_keys);
		return 0;
	case LIMITER_E_CROWDED:
		call_refuse(call, EVLOOP__STATUS__STATUS_QUOTA,
			    "%" PRIu64 " wait for the limiter '%s' already, as many as may", spec->max_waiters,
			    spec->name);
		return 0;
	default:
		return r;
	}
}
