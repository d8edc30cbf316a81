/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What evloopd and evloop-exec tell each other through a pair of SOCK_SEQPACKET sockets, a packet each.  Both are built
 * together, so there is no version.
 */

#include <stdint.h>

#define EXEC_SOCKET_FD 3 /* evloop-exec is started with it */

/* To evloop-exec. */
enum exec_order {
	/* Start a command.  Strings follow, with a NUL behind each: the directory, the words of the command, the environment. */
	EXEC_START,
	/* Nobody reads the output of that run any more; what its processes still write is to be thrown away. */
	EXEC_LEAVE,
	/* Another daemon goes on reading it: nobody else may. */
	EXEC_HAND_OVER,
};

struct exec_request {
	uint64_t token; /* says in the replies which run is meant */
	uint32_t order;
	uint32_t n_argv, n_environment; /* START */
	uint32_t umask; /* START */
};

/* From evloop-exec. */
enum exec_answer {
	/* There is a process, which is a child of evloopd's; the read end of its output comes along. */
	EXEC_STARTED,
	/* There is none, and `error` says why. */
	EXEC_REFUSED,
	/* The process will not become the command, and ends; sent by itself, before that. */
	EXEC_FAILED,
};

struct exec_reply {
	uint64_t token;
	uint32_t answer;
	int32_t pid; /* STARTED */
	int32_t error; /* REFUSED: an errno */
};
