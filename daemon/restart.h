/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* From this process to the next one of the service, and from the one before: everything goes over, and no client notices. */

#include "daemon/rpc/handover.h"
#include "daemon/svc/escrow.h"

/* Hand over all that there is; no session is left.  Return: 0; −errno: the next one begins with nothing. */
int restart_give(struct escrow *escrow, struct rpc *rpc, struct sessions *sessions);

/* Take over, if the one before has handed over.  Return: how many sessions, −errno; -ENOENT: it has not. */
int restart_take(struct escrow *escrow, struct rpc *rpc, struct sessions *sessions);
