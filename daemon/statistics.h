/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What there is and who uses it, into the log: for an administrator who asks by SIGUSR1. */

#include "daemon/peer/session.h"

/* A line for all, and one for each uid, of STATISTICS_UIDS at most. */
void statistics_log(const struct sessions *sessions);

#define STATISTICS_UIDS 100
