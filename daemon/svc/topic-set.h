/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The topics that configuration defines, all of them. */

#include "daemon/svc/config-set.h"

struct scheduler;

/* Let the scheduler have these topics for all uids, and none beside them.  `set` is of topic_kind.  Return: 0, -ENOMEM: some are missing. */
int topic_set_apply(const struct config_set *set, struct scheduler *scheduler);
