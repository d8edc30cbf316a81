/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What evloopd and evloop-exec tell each other through a pair of SOCK_SEQPACKET sockets, a packet each.  Beside the daemon it is the
 * one that was there when the daemon began; in a unit of the service manager it may be of another version, and so says which.
 */

#include <stdint.h>

#define EXEC_SOCKET_FD 3 /* evloop-exec is started with it */
#define EXEC_IN_UNIT                                                                                                   \
	"unit" /* its argument in a unit: it is to become a single command; the socket is its standard input then */
#define EXEC_VERSION 1 /* of what is said in a unit: one more with each change of START or READY */

/* To evloop-exec. */
enum exec_order {
	/* Start a command.  Strings follow, with a NUL behind each: the directory, the words of the command, the environment. */
	EXEC_START,
	/* Nobody reads the output of that run any more; what its processes still write is to be thrown away. */
	EXEC_LEAVE,
	/* Another daemon goes on reading it: nobody else may. */
	EXEC_HAND_OVER,
	/* The read end of a run's output comes along, to be kept as those of runs that it has started itself. */
	EXEC_KEEP,
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
	/* In a unit: it is there, and becomes the command when it is told which; its pidfd comes along. */
	EXEC_READY,
};

struct exec_reply {
	uint64_t token; /* READY: EXEC_VERSION */
	uint32_t answer;
	int32_t pid; /* STARTED, READY */
	int32_t error; /* REFUSED: an errno */
};
