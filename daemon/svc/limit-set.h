/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The limiters that configuration defines, all of them. */

#include "daemon/svc/config-set.h"

struct scheduler;

/*
 * Let the scheduler have these limiters for all uids, and none beside them: those that it has are changed, and keep what was taken.
 * What cannot be changed is logged and stays as it was.  `set` is of limit_kind.  Return: 0, -ENOMEM: some of them are missing.
 */
int limit_set_apply(const struct config_set *set, struct scheduler *scheduler);
