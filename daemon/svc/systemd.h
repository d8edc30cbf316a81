/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the daemon and the service manager tell each other.  Without libsystemd (systemd-fallback.c) there is none. */

#include "proto/base.h"

/*
 * The listening sockets that were passed: descriptors *ret_first … *ret_first + n − 1, close-on-exec.
 * Return: n >= 0, −errno.
 */
int systemd_listen_fds(int *ret_first);

/* Is it a listening AF_UNIX socket of type SOCK_SEQPACKET? */
bool systemd_is_listening(int fd);

/* Is there a service manager that wants to hear of us? */
bool systemd_listens(void);

/* How long it waits for WATCHDOG=1 before it kills us, in ns; 0: it does not wait for one. */
int64_t systemd_watchdog_ns(void);

/* Tell the service manager, as sd_notify(3): "READY=1", "STOPPING=1".  Nobody there is fine. */
void systemd_notify(const char *state);
