/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A topic as an administrator writes it, see evloopd.topic(5).  There is no more to it than what every definition has. */

#include "daemon/svc/config-set.h"

extern const struct config_kind topic_kind;
