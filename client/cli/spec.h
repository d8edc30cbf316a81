/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What follows from the definition of a limiter, without asking the daemon that will have it. */

#include <stdbool.h>
#include <stddef.h>

#include "proto/evloop.pb-c.h"

/* The burst of a rule, as it is or as it will be where it says none. */
uint64_t spec_burst(const Evloop__LimiterRule *rule);

/* Can it ever grant so many at once, if it can be at all?  *ret_rule: which of its rules does not; 0 where its concurrency does not. */
bool spec_fits(const Evloop__LimiterSpec *spec, uint64_t cost, size_t *ret_rule);
