/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Checks that many requests have in common.  Each refuses the call with the field and its value, and then returns false. */

#include "daemon/rpc/dispatch.h"

#define REFUSE(call, status, ...) (call_refuse(call, EVLOOP__STATUS__STATUS_##status, __VA_ARGS__), false)

/* A time or a duration: from `least` to TIME_NS_MAX. */
bool check_range(struct call *call, const char *field, int64_t value, int64_t least);

/* A name, or none. */
bool check_name(struct call *call, const char *name);
