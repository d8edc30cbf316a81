/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the correspondence of a limiter's definition and its message, in both directions.  Checks nothing but that. */

#include "daemon/rpc/convert-limiter.h"

#include "proto/limits.h"

void convert_limiter_spec(const struct limiter_spec *spec, struct limiter_message *ret) {
	Evloop__LimiterSpec *message = &ret->spec;

	evloop__limiter_spec__init(message);
	message->name = (char *)spec->name;
	message->kind = spec->kind == LIMITER_KIND_RATE ? EVLOOP__LIMITER_KIND__LIMITER_RATE
							: EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY;
	message->concurrency = spec->concurrency;
	message->keyed = spec->keyed;
	message->max_keys = limiter_keys(spec);
	message->deny_when_full = spec->deny_when_full;
	message->max_waiters = spec->max_waiters;
	message->max_debt = spec->rules.max_debt;
	message->rules = ret->pointers;
	for (; message->n_rules < spec->n_rates; message->n_rules++) {
		const struct limiter_rate *rate = &spec->rates[message->n_rules];
		Evloop__LimiterRule *rule = &ret->rules[message->n_rules];

		evloop__limiter_rule__init(rule);
		rule->tokens = rate->tokens;
		rule->period_ns = rate->period_ns;
		rule->burst = rate->burst;
		ret->pointers[message->n_rules] = rule;
	}
}

bool convert_to_limiter_spec(const Evloop__LimiterSpec *message, struct limiter_spec *ret, unsigned *ret_rule) {
	*ret = (struct limiter_spec){
		.name = message->name,
		.kind = message->kind == EVLOOP__LIMITER_KIND__LIMITER_RATE ? LIMITER_KIND_RATE
									    : LIMITER_KIND_CONCURRENCY,
		.n_rates = (unsigned)message->n_rules,
		.rules = { .max_debt = message->max_debt },
		.concurrency = message->concurrency,
		.keyed = message->keyed,
		.max_keys = message->max_keys > 0 ? message->max_keys : LIMITER_KEYS_DEFAULT,
		.deny_when_full = message->deny_when_full,
		.max_waiters = message->max_waiters > 0 ? message->max_waiters : LIMITER_WAITERS_DEFAULT,
	};
	for (unsigned i = 0; i < ret->n_rates; i++) {
		const Evloop__LimiterRule *given = message->rules[i];

		ret->rates[i] = (struct limiter_rate){ given->tokens, given->period_ns, given->burst };
	}
	return limiter_spec_check(ret, ret_rule) == 0;
}
