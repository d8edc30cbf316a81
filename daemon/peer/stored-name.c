/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the form of these names.  Knows nothing of what is called so. */

#include "daemon/peer/stored-name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *stored_name(char name[static STORED_NAME_ROOM], const char *prefix, uint64_t id) {
	(void)snprintf(name, STORED_NAME_ROOM, "%s%" PRIx64, prefix, id);
	return name;
}

bool stored_name_parse(const char *name, const char *prefix, uint64_t *ret) {
	const char *digits = name + strlen(prefix);
	uint64_t id;
	char *end;

	if (strncmp(name, prefix, strlen(prefix)) != 0 || *digits == '\0' ||
	    digits[strspn(digits, "0123456789abcdef")] != '\0')
		return false;
	errno = 0;
	id = strtoull(digits, &end, 16);
	if (errno != 0 || id == 0)
		return false;
	*ret = id;
	return true;
}
