/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* From the core's event to a frame in the session's outbox; the event's sequence number is given here. */

#include "daemon/peer/session.h"

/* Return: 0; −errno: the session cannot go on. */
int notify_event(struct session *session, const struct event *event);
