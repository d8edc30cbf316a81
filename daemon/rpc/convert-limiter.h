/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Between a limiter's definition and its message. */

#include "daemon/core/limiter.h"
#include "proto/evloop.pb-c.h"

/* A definition as a message, in one piece; borrows the name. */
struct limiter_message {
	Evloop__LimiterSpec spec;
	Evloop__LimiterRule rules[BUCKET_RULES_MAX], *pointers[BUCKET_RULES_MAX];
};

void convert_limiter_spec(const struct limiter_spec *spec, struct limiter_message *ret);

/* The reverse, with defaults for what is 0; borrows the name.  It has at most BUCKET_RULES_MAX rules, and each field its range.
 * Return: false: the burst of *ret_rule is too large for its rate. */
bool convert_to_limiter_spec(const Evloop__LimiterSpec *message, struct limiter_spec *ret, unsigned *ret_rule);
