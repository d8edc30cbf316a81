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

/* Of a message that no client has sent: where it makes no sense, there is nobody to tell.  Borrows the name.
 * Return: false: it makes none. */
bool convert_to_limiter_spec(const Evloop__LimiterSpec *message, struct limiter_spec *ret);
