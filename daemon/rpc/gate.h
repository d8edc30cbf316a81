/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The gate that a request wishes for its source: checked and made before the source is, and given to it afterwards. */

#include "daemon/core/gate.h"
#include "daemon/rpc/dispatch.h"

/*
 * The gate that `wish` asks for, to be given to a source by set_gate(), or freed; *ret NULL: `wish` is.
 * Return: true; false: the call has been refused, or *ret_error is −errno, else 0.
 */
bool make_gate(struct call *call, const Evloop__Gate *wish, struct gate **ret, int *ret_error);

/* The session's source of that handle has just been made.  Return: 0; −errno: it has been cancelled. */
int set_gate(struct call *call, struct gate *gate, uint64_t handle);
