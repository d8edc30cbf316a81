/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Whether a session may do something with what configuration gives to all uids. */

#include "daemon/core/access.h"
#include "daemon/peer/session.h"

#define ACCESS_READ 4
#define ACCESS_WRITE 2

/* `need`: one of these.  Root may do everything. */
bool access_allows(const struct access *access, struct session *session, mode_t need);

/* Is the session its owner's, or root's? */
bool access_owns(const struct access *access, const struct session *session);
