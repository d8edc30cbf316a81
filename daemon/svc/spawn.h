/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The starter that makes processes itself, where no service manager does: see struct starter in core/job.h. */

#include "daemon/core/job.h"
#include "daemon/core/loop.h"

/*
 * `exec_path`: of evloop-exec.  `socket_path`: for the jobs' EVLOOP_SOCKET; NULL: none.
 * Return: 0, −errno: e.g. there is no evloop-exec.
 */
int spawner_new(struct starter **ret, struct loop *loop, const char *exec_path, const char *socket_path);
struct starter *spawner_free(struct starter *starter);
