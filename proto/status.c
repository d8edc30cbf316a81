/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what a status is called and which errno and exit status it becomes. */

#include "proto/status.h"

#include "proto/evloop.pb-c.h"

static const struct status_info table[] = {
	[EVLOOP__STATUS__STATUS_OK] = { "OK", 0, 0 },
	[EVLOOP__STATUS__STATUS_INVALID] = { "INVALID", EINVAL, 65 },
	[EVLOOP__STATUS__STATUS_OUT_OF_RANGE] = { "OUT_OF_RANGE", ERANGE, 65 },
	[EVLOOP__STATUS__STATUS_NOT_FOUND] = { "NOT_FOUND", ENOENT, 66 },
	[EVLOOP__STATUS__STATUS_EXISTS] = { "EXISTS", EEXIST, 73 },
	[EVLOOP__STATUS__STATUS_TIMEOUT] = { "TIMEOUT", ETIMEDOUT, 75 },
	[EVLOOP__STATUS__STATUS_QUOTA] = { "QUOTA", EDQUOT, 77 },
	[EVLOOP__STATUS__STATUS_PERM] = { "PERM", EACCES, 77 },
	[EVLOOP__STATUS__STATUS_PROTOCOL] = { "PROTOCOL", EPROTO, 76 },
	[EVLOOP__STATUS__STATUS_UNSUPPORTED] = { "UNSUPPORTED", EOPNOTSUPP, 76 },
	[EVLOOP__STATUS__STATUS_INTERNAL] = { "INTERNAL", EIO, 70 },
	[EVLOOP__STATUS__STATUS_COST_EXCEEDS_BURST] = { "COST_EXCEEDS_BURST", E2BIG, 65 },
	[EVLOOP__STATUS__STATUS_FD_LOST] = { "FD_LOST", EMFILE, 70 },
};

const struct status_info *status_info(int status) {
	if (status < 0 || (size_t)status >= ARRAY_SIZE(table))
		status = EVLOOP__STATUS__STATUS_INTERNAL;
	return &table[status];
}

int status_exit_of_error(int error) {
	switch (-error) {
	case ENOTCONN:
	case ECONNRESET:
	case ECONNREFUSED:
	case EPIPE:
		return 69;
	}
	for (size_t i = 1; i < ARRAY_SIZE(table); i++)
		if (table[i].error == -error)
			return table[i].exit;
	return 1;
}

int status_of_error(int error) {
	return error == -ENOMEM ? EVLOOP__STATUS__STATUS_QUOTA : EVLOOP__STATUS__STATUS_INTERNAL;
}
