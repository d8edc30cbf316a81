/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What every unit test needs: assertions that are never compiled out, and cmocka in the order it wants. */

#undef NDEBUG

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static inline bool is_in_valgrind(void) {
	return getenv("TEST_IN_VALGRIND");
}

/*
 * Valgrind 3.19 knows no descriptors of processes and no processes that share descriptors, as the one has that closes what the
 * daemon refuses.
 */

/* For main(): a program that valgrind cannot run at all, with the reason.  Return: it is to return 77. */
static inline bool is_not_for_valgrind(const char *reason) {
	if (is_in_valgrind())
		fprintf(stderr, "%s\n", reason);
	return is_in_valgrind();
}

static inline void skip_in_valgrind(void) {
	if (is_in_valgrind())
		skip();
}

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
