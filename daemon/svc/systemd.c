/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the use of libsystemd; the only file that includes it. */

#include "daemon/svc/systemd.h"

#include <sys/socket.h>
#include <systemd/sd-daemon.h>

int systemd_listen_fds(int *ret_first) {
	*ret_first = SD_LISTEN_FDS_START;
	return sd_listen_fds(1);
}

bool systemd_is_listening(int fd) {
	return sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) > 0;
}

void systemd_notify(const char *state) {
	(void)sd_notify(0, state);
}
