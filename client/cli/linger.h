/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A word to users whose service manager, and with it their daemon, ends when they log out. */

#include "client/cli/arm.h"

/* On standard error, once a login: the timer that has been armed may end before its time.  EVLOOP_LINGER_HINT=0 is silence. */
void linger_hint(struct evl *evl, const struct arm *arm);
