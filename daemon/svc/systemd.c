/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the use of sd-daemon(3). */

#include "daemon/svc/systemd.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

int systemd_take_fds(struct systemd_fds *ret) {
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);

	ret->n = 0;
	for (int i = 0; i < n; i++) {
		if (i < SYSTEMD_FDS_MAX) {
			struct systemd_fd *fd = &ret->fd[ret->n++];

			fd->fd = SD_LISTEN_FDS_START + i;
			(void)snprintf(fd->name, sizeof(fd->name), "%.31s", names[i]);
		}
		free(names[i]);
	}
	free(names);
	if (n > SYSTEMD_FDS_MAX)
		return -E2BIG;
	return MIN(n, 0);
}

int systemd_store(const char *name, int fd) {
	char state[64];

	(void)snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s", name);
	return MIN(sd_pid_notify_with_fds(0, 0, state, &fd, 1), 0);
}

bool systemd_is_listening(int fd) {
	return sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) > 0;
}

bool systemd_listens(void) {
	return getenv("NOTIFY_SOCKET");
}

int64_t systemd_watchdog_ns(void) {
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return 0;
	return (int64_t)MIN(usec, (uint64_t)(INT64_MAX / NSEC_PER_USEC)) * NSEC_PER_USEC;
}

void systemd_notify(const char *state) {
	(void)sd_notify(0, state);
}
