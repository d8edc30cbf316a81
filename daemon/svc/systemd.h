/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the daemon and the service manager tell each other.  Without libsystemd (systemd-fallback.c) there is none. */

#include "proto/base.h"

#define SYSTEMD_NAME_MAX 31 /* bytes of a descriptor's name */

/* The descriptors that were passed, close-on-exec, and their names. */
struct systemd_fds {
	struct systemd_fd {
		int fd;
		char name[SYSTEMD_NAME_MAX + 1]; /* cut where it is longer; "": none */
	} * fd;
	size_t n;
};

/* Return: 0, −errno.  systemd_fds_free() afterwards; descriptors stay open. */
int systemd_take_fds(struct systemd_fds *ret);
void systemd_fds_free(struct systemd_fds *fds);

/* Let the service manager keep a descriptor for the next process of this service, by that name.  Return: 0, −errno; nobody says whether
 * it really does. */
int systemd_store(const char *name, int fd);

/* The same, also when its other side is closed: else he closes it as well, and waits for as long as that takes. */
int systemd_store_always(const char *name, int fd);

/* He keeps those of that name no longer. */
void systemd_forget(const char *name);

/*
 * Does the service manager, the system's or the user's, stop this service for good, with no next process to come?  He would be the last who has what he was
 * given to keep, and wait in close(2) for as long as clients' sockets linger.  Return: false also where he does not say.
 */
bool systemd_stops_for_good(bool of_user);

/* Wait until he has done all that he was told, or for some seconds. */
void systemd_settle(void);

/* Is it a listening AF_UNIX socket of type SOCK_SEQPACKET? */
bool systemd_is_listening(int fd);

/* Is there a service manager that wants to hear of us? */
bool systemd_listens(void);

/* How long it waits for WATCHDOG=1 before it kills us, in ns; 0: it does not wait for one. */
int64_t systemd_watchdog_ns(void);

/* Tell the service manager, as sd_notify(3): "READY=1", "STOPPING=1".  Nobody there is fine. */
void systemd_notify(const char *state);
