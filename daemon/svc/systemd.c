/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the use of libsystemd; the only file that includes it. */

#include "daemon/svc/systemd.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

int systemd_listen_fds(int *ret_first) {
	*ret_first = SD_LISTEN_FDS_START;
	return sd_listen_fds(1);
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
