/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what can be told of a limiter from its definition alone.  Complains of nothing. */

#include "client/cli/spec.h"

#include "proto/gcra.h"

uint64_t spec_burst(const Evloop__LimiterRule *rule) {
	return rule->burst > 0 ? rule->burst : gcra_default_burst(rule->tokens, rule->period_ns);
}

bool spec_fits(const Evloop__LimiterSpec *spec, uint64_t cost, size_t *ret_rule) {
	*ret_rule = 0;
	if (spec->kind == EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY)
		return spec->concurrency == 0 || cost <= spec->concurrency;
	for (; *ret_rule < spec->n_rules; ++*ret_rule) {
		const Evloop__LimiterRule *rule = spec->rules[*ret_rule];

		if (rule->tokens > 0 && rule->period_ns > 0 && cost > spec_burst(rule))
			return false;
	}
	return true;
}
