/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A real daemon for a test: in a scratch directory, with a socket of its own. */

#include <sys/types.h>

#include "proto/base.h"

struct daemon;

/* Start it with `options`, which end in NULL (NULL: none), and wait until it listens.  Return: 0, or −errno. */
int daemon_start(struct daemon **ret, const char *const *options);

/* End it and remove its directory; NULL is fine.  Return: 0: it ended as a daemon should, also one that was killed by daemon_kill(). */
int daemon_stop(struct daemon *daemon);

const char *daemon_socket(const struct daemon *daemon);
pid_t daemon_pid(const struct daemon *daemon);

/* Kill it as the kernel does when memory is short, and wait until it is gone. */
void daemon_kill(struct daemon *daemon);

/* Wait until it is gone, of which it has a reason of its own.  Return: as waitpid(2) has it. */
int daemon_forget(struct daemon *daemon);

/* Start another one on the same socket, with the same options. */
int daemon_again(struct daemon *daemon);
