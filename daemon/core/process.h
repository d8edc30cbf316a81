/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What a pidfd tells of its process. */

#include <sys/types.h>

#include "daemon/core/source.h"

/* Which process it means, by fdinfo, see pidfd_open(2).  Return: its pid; 0: it is no pidfd, or of a namespace that is not ours;
 * −1: it has ended, and its parent knows. */
pid_t process_of(int pid_fd);

bool process_has_ended(int pid_fd);

/*
 * How it ended, for `uid` to know; `pid` is what process_of() said of it while it lived, or 0.  The kernel tells who has a pidfd
 * when the parent has taken notice, since Linux 6.15; before that it tells who may know by their uid.
 */
void process_describe_end(int pid_fd, pid_t pid, uid_t uid, struct process_end *ret);
