/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Who looks at files, and sees what a test says. */

#include "daemon/core/path-watch.h"

struct fake_watcher {
	struct path_watcher watcher;
	struct path_watch *watch; /* the latest; NULL: none, or it was removed */
	unsigned adds, removes;
	int result; /* of the next add() */
	/* Of the latest. */
	char path[64], exclude[64];
	bool recursive;
	size_t n_exclude;
};

void fake_watcher_init(struct fake_watcher *fake);
