/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what a name is made of. */

#include "proto/name.h"

#include <string.h>

#include "proto/base.h"
#include "proto/limits.h"

#define STRINGIFY(x) #x
#define TEXT_OF(x) STRINGIFY(x)

static bool is_first(char c) {
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_further(char c) {
	return is_first(c) || (c >= '0' && c <= '9') || (c != '\0' && strchr(".:@/-", c));
}

const char *name_error(const char *name) {
	/* These say what an operand is on the command line. */
	static const struct {
		const char *prefix, *error;
	} reserved[] = {
		{ "pid:", "begins with pid:, which is reserved" },
		{ "path:", "begins with path:, which is reserved" },
		{ "fd:", "begins with fd:, which is reserved" },
		{ "topic:", "begins with topic:, which is reserved" },
	};

	if (!is_first(name[0]))
		return "is not made of letters, digits and ._:@/- with a letter or _ first";
	for (const char *p = name + 1; *p; p++)
		if (!is_further(*p))
			return "is not made of letters, digits and ._:@/- with a letter or _ first";
	if (strlen(name) > NAME_LENGTH_MAX)
		return "has more than " TEXT_OF(NAME_LENGTH_MAX) " bytes";
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (strncmp(name, reserved[i].prefix, strlen(reserved[i].prefix)) == 0)
			return reserved[i].error;
	return NULL;
}
