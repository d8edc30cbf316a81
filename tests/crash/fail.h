/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the library that lets calls fail shares with the test that wants them to. */

#include <stdatomic.h>
#include <stdint.h>

struct fail_page {
	_Atomic uint64_t count; /* calls so far */
	uint64_t fail_at; /* the one that fails, from 1; 0: none */
	char name[32]; /* of that one; "": none has failed yet */
};
