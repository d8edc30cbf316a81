/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how structures are read that programs fill in, which may have been built with an older or a newer header. */

#include "client/internal.h"

#include <string.h>

int structure_read(struct evl *evl, const char *name, const void *given, size_t first_size, void *ret, size_t size) {
	uint32_t given_size;

	memcpy(&given_size, given, sizeof(given_size));
	if (given_size < first_size)
		return error_set(evl, -EINVAL, "%s.size is %u, begin with its initialiser", name, given_size);
	for (size_t i = size; i < given_size; i++)
		if (((const uint8_t *)given)[i])
			return error_set(evl, -EOPNOTSUPP, "%s has fields that this libevloop does not know", name);
	memset(ret, 0, size);
	memcpy(ret, given, MIN(size, given_size));
	return 0;
}
