/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Checks that requests about limiters, and those that wish for a gate, have in common. */

#include "daemon/core/limiter.h"
#include "daemon/rpc/dispatch.h"

/* "10/s with a burst of 10, 100/min …" */
void describe_limiter(const struct limiter_spec *spec, char *text, size_t size);

/* Borrows the key.  Return: false: the call has been refused. */
bool check_limiter_key(struct call *call, const ProtobufCBinaryData *key, struct limiter_key *ret);

/* `r` of the core, LIMITER_E_* or −errno, says why nothing was done.  Return: 0: the call has been refused; −errno, as it was. */
int refuse_limiter(struct call *call, int r, const struct limiter *limiter, uint64_t cost);
