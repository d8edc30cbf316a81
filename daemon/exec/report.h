/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What evloop-paths says to the daemon, gathered into packets. */

#include "daemon/exec/paths-wire.h"

/* Bits of PATHS_CHANGED; the same as in core/path-watch.h. */
enum {
	EVENT_CREATED = 1,
	EVENT_MODIFIED = 2,
	EVENT_MOVED = 4,
	EVENT_DELETED = 8,
};

/* Gathered, and sent with report_flush() or when the packet is full; the process ends when the daemon has. */
void report(enum paths_word word, uint64_t token, int error);
void report_change(uint64_t token, const char *path, uint32_t events);
void report_flush(void);

/* Files are looked at for that watch: the daemon knows it before that. */
void report_busy(uint64_t token);

/* No file is looked at. */
void report_idle(void);
