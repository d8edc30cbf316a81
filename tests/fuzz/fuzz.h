/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What libFuzzer calls, and what replay.c calls in its place.  Each target comes with seeds: inputs made by this code itself, so that
 * they are never out of date.  What a seed is called says what becomes of it: y_… is accepted, n_… is not.
 */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the last input: was all of it accepted? */
extern int fuzz_accepted;

typedef void (*seed_taker)(void *userdata, const char *name, const uint8_t *data, size_t size);
void fuzz_seeds(seed_taker take, void *userdata);
