/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A limiter as an administrator writes it, see evloopd.limit(5). */

#include "daemon/core/limiter.h"
#include "daemon/svc/config-set.h"

struct limit_definition {
	struct definition definition;
	struct limiter_spec spec; /* its name is that of the definition */
};

extern const struct config_kind limit_kind; /* of limit_definition */
