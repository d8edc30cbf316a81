/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the rule by which owner, group and mode are obeyed: that of files. */

#include "daemon/rpc/access.h"

bool access_allows(const struct access *access, struct session *session, mode_t need) {
	if (access_owns(access, session))
		return session->uid == 0 || access->mode >> 6 & need;
	return (session_in_group(session, access->group) ? access->mode >> 3 : access->mode) & need;
}

bool access_owns(const struct access *access, const struct session *session) {
	return session->uid == 0 || session->uid == access->owner;
}
