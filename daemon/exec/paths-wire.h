/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What evloopd and evloop-paths tell each other through a pair of SOCK_SEQPACKET sockets.  Both are built together, so there is no
 * version.
 */

#include <stdint.h>

#define PATHS_SOCKET_FD 3 /* evloop-paths is started with it */

/* To evloop-paths, a packet each. */
enum paths_order {
	/* Watch a path.  Strings follow, with a NUL behind each: the path, the patterns to exclude. */
	PATHS_ADD,
	/* Forget that watch. */
	PATHS_REMOVE,
};

enum paths_flag {
	PATHS_RECURSIVE = 1,
	PATHS_AGAIN = 2, /* it was watched before: when it is again, say RESCAN */
};

struct paths_request {
	uint64_t token; /* says which watch is meant */
	int64_t since_ns; /* ADD: realtime; what has changed after it counts; 0: what changes from now on */
	uint32_t order;
	uint32_t flags; /* ADD: bits of enum paths_flag */
	uint32_t n_exclude; /* ADD */
};

/* From evloop-paths, one after the other in packets of at most PATHS_PACKET_MAX bytes. */
enum paths_word {
	PATHS_BUSY, /* looks at files for that watch from now on: this can take as long as the file system likes */
	PATHS_IDLE, /* does not look at any file */
	PATHS_CHANGED, /* `events` have happened to the path that follows, `size` bytes of it, relative to the watched one */
	PATHS_RESCAN, /* more has happened than is known */
	PATHS_FAILED, /* it cannot be watched, or not any more, for the errno `error`, and is forgotten */
};

struct paths_report {
	uint64_t token; /* all but IDLE */
	uint32_t word;
	uint32_t events; /* CHANGED: bits of enum path_event of core/path-watch.h */
	int32_t error; /* FAILED */
	uint32_t size; /* CHANGED: bytes that follow, and then as many as it takes to a multiple of 8 */
};

#define PATHS_PACKET_MAX 32768

/* Bytes that a report takes in a packet. */
static inline uint32_t paths_report_size(uint32_t path_size) {
	return (uint32_t)sizeof(struct paths_report) + ((path_size + 7) & ~UINT32_C(7));
}
