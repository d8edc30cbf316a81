/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what a name is made of, and how far times reach.  Asks the core for nothing. */

#include "daemon/rpc/check.h"

#include <inttypes.h>
#include <string.h>

bool check_range(struct call *call, const char *field, int64_t value, int64_t least) {
	if (value >= least && value <= TIME_NS_MAX)
		return true;
	return REFUSE(call, OUT_OF_RANGE, "%s is %" PRId64 ", not between %" PRId64 " and %" PRId64, field, value,
		      least, TIME_NS_MAX);
}

static bool is_first(char c) {
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_further(char c) {
	return is_first(c) || (c >= '0' && c <= '9') || (c != '\0' && strchr(".:@/-", c));
}

bool check_name(struct call *call, const char *name) {
	static const char *const reserved[] = { "pid:", "path:", "fd:", "topic:" };
	size_t n = strlen(name);

	if (n == 0)
		return true;
	if (n > NAME_LENGTH_MAX)
		return REFUSE(call, INVALID, "the name has %zu bytes, more than %d", n, NAME_LENGTH_MAX);
	for (size_t i = 0; i < n; i++)
		if (!(i == 0 ? is_first(name[i]) : is_further(name[i])))
			return REFUSE(
				call, INVALID,
				"the name '%s' is not made of letters, digits and ._:@/- with a letter or _ first",
				name);
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (strncmp(name, reserved[i], strlen(reserved[i])) == 0)
			return REFUSE(call, INVALID, "the name '%s' begins with %s, which is reserved", name,
				      reserved[i]);
	return true;
}
