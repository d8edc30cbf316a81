/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What every unit test needs: assertions that are never compiled out, and cmocka in the order it wants. */

#undef NDEBUG

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* A random sequence that is the same in every run. */
struct random {
	uint64_t state;
};

#define RANDOM_INIT                                                                                                    \
	{ .state = UINT64_C(88172645463325252) }

static inline uint64_t random_next(struct random *random) {
	random->state ^= random->state << 13;
	random->state ^= random->state >> 7;
	random->state ^= random->state << 17;
	return random->state;
}

/* A number from 0 to n - 1. */
static inline uint64_t random_below(struct random *random, uint64_t n) {
	return random_next(random) % n;
}
