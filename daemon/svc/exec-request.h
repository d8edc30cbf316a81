/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What evloop-exec is told of a run, wherever it is: beside the daemon or in a unit. */

#include "daemon/core/job.h"
#include "daemon/exec/exec-wire.h"
#include "daemon/svc/helper.h"

/* EXEC_START with that token: words, directory, umask and environment of the command, and EVLOOP_* of this run; `socket_path`: as
 * EVLOOP_SOCKET; NULL: none.  What is to be sent lies at *ret_data in the packet.  NULL: no memory. */
struct helper_packet *exec_request_new(const struct run_request *run, uint64_t token, const char *socket_path,
				       void **ret_data, size_t *ret_size);
