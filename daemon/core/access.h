/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Who may use a thing that configuration gives to all uids: as with a file's, the mode has read and write for owner, group and others. */

#include <sys/types.h>

struct access {
	uid_t owner;
	gid_t group;
	mode_t mode;
};
