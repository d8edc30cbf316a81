/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The one table between statuses on the wire, errno values of the library and exit statuses of the command. */

#include "proto/base.h"

struct status_info {
	const char *name; /* as in evloop.proto, without STATUS_ */
	int error; /* errno */
	int exit; /* of the command line */
};

/* `status` is an enum Status of evloop.proto; unknown ones read as INTERNAL.  Never NULL. */
const struct status_info *status_info(int status);

/* The exit status for −errno of the library; 1 for those that no status has. */
int status_exit_of_error(int error);

/* The status for −errno met while serving a request: our own failures are INTERNAL, no memory is QUOTA. */
int status_of_error(int error);
