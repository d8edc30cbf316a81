/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for systemd.c where libsystemd is not used: nobody passes sockets, nobody is told. */

#include "daemon/svc/systemd.h"

int systemd_take_fds(struct systemd_fds *ret) {
	*ret = (struct systemd_fds){ 0 };
	return 0;
}

void systemd_fds_free(struct systemd_fds *fds _unused_) {
}

int systemd_store(const char *name _unused_, int fd _unused_) {
	return -EOPNOTSUPP;
}

int systemd_store_always(const char *name _unused_, int fd _unused_) {
	return -EOPNOTSUPP;
}

void systemd_forget(const char *name _unused_) {
}

bool systemd_stops_for_good(bool of_user _unused_) {
	return false;
}

bool systemd_is_listening(int fd _unused_) {
	return false;
}

bool systemd_listens(void) {
	return false;
}

int64_t systemd_watchdog_ns(void) {
	return 0;
}

void systemd_notify(const char *state _unused_) {
}

void systemd_settle(void) {
}
