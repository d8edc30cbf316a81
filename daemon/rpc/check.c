/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how a name or a time is refused.  Asks the core for nothing. */

#include "daemon/rpc/check.h"

#include <inttypes.h>
#include <string.h>

#include "proto/name.h"

bool check_range(struct call *call, const char *field, int64_t value, int64_t least) {
	if (value >= least && value <= TIME_NS_MAX)
		return true;
	return REFUSE(call, OUT_OF_RANGE, "%s is %" PRId64 ", not between %" PRId64 " and %" PRId64, field, value,
		      least, TIME_NS_MAX);
}

bool check_name(struct call *call, const char *name) {
	const char *wrong = name[0] ? name_error(name) : NULL;

	if (strlen(name) > NAME_LENGTH_MAX)
		return REFUSE(call, INVALID, "the name has %zu bytes, more than %d", strlen(name), NAME_LENGTH_MAX);
	return !wrong || REFUSE(call, INVALID, "the name '%s' %s", name, wrong);
}
