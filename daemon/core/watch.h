/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A watch: a descriptor that somebody has given us, and what it is ready for; or a process, by its pidfd.  Its events are
 * acknowledged, see core/acked.h.  It has no event after one that says that nothing more will come: the other side has hung up and
 * nothing is left to be read, or there is an error, or the process has ended.
 *
 * The descriptor is never read, and no flag of it is changed: others have it, too.
 */

#include <sys/types.h>

#include "daemon/core/source.h"

struct poller;
struct watch;

enum readiness {
	READINESS_READABLE = 1,
	READINESS_WRITABLE = 2,
	READINESS_HANGUP = 4,
	READINESS_ERROR = 8,
};

struct watch_spec {
	uint64_t handle; /* not 0 */
	bool is_process; /* the descriptor is a pidfd */
	pid_t pid; /* of the process; 0: not known */
	unsigned readiness; /* READABLE, WRITABLE or both: what is waited for; of a process nothing */
	int64_t timeout_ns; /* 0: none */
	bool closes_at_once; /* closing the descriptor takes no time, whoever has it; else it is its owner's to close */
};

enum {
	WATCH_E_HANDLE_EXISTS = 1,
};

/*
 * Watch a descriptor, which is taken over where the result is 0.
 * Return: 0, WATCH_E_HANDLE_EXISTS, -ENOMEM, or as poller_add().
 */
int watch_new(struct watch **ret, struct poller *poller, struct owner *owner, const struct watch_spec *spec, int fd);

uint64_t watch_id(const struct watch *watch);
struct source *watch_source(struct watch *watch);
