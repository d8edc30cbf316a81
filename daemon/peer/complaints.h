/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What the log may hear of each uid: so many lines in so long, and then how many more there were.  A client can make mistakes faster
 * than anybody can read, and must not hide those of others.
 */

#include <sys/types.h>

#include "proto/base.h"

#define COMPLAINTS_LINES 10 /* of one uid */
#define COMPLAINTS_WINDOW_NS (30 * NSEC_PER_SEC)
#define COMPLAINTS_UIDS 64 /* that are told apart at one time; what further ones do is only counted */

struct complaints {
	struct complaint {
		uid_t uid;
		int64_t since_ns; /* boottime of the first line; 0: unused */
		unsigned lines;
		uint64_t suppressed;
	} of[COMPLAINTS_UIDS];
	unsigned n_suppressed; /* of them that have suppressed any */
	int64_t unheard_since_ns; /* 0: nothing was */
	uint64_t unheard; /* of uids that found no place */
};

/* May the log hear of what the uid has just done? */
bool complaints_allow(struct complaints *complaints, uid_t uid, int64_t now_ns);

/* When there will be something to say of what was suppressed; INT64_MAX: never, as things stand. */
int64_t complaints_next(const struct complaints *complaints);

/* Say what is due. */
void complaints_tick(struct complaints *complaints, int64_t now_ns);
