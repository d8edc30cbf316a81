/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how fast descriptors go to the service manager.  Must not know what they are. */

#include "daemon/svc/fd-store.h"

#include "daemon/svc/systemd.h"
#include "proto/gcra.h"

static const struct gcra_rule rate = {
	.interval = NSEC_PER_SEC / 50 * GCRA_TICKS_PER_NSEC,
	.burst = 200,
	.tolerance = 200 * (NSEC_PER_SEC / 50) * GCRA_TICKS_PER_NSEC,
};

int64_t fd_store_next(const struct fd_store *store) {
	uint64_t spare = rate.tolerance - rate.interval;

	return store->tat > spare ? gcra_nsec(store->tat - spare) : 0;
}

int fd_store_put(struct fd_store *store, const char *name, int fd, int64_t now_ns) {
	struct gcra_decision decision;
	uint64_t now;

	if (gcra_ticks(now_ns, &now) == 0 && gcra_decide(&rate, store->tat, now, 0, 1, &decision) == 0)
		store->tat = decision.tat;
	return systemd_store_always(name, fd);
}

void fd_store_remove(const char *name) {
	systemd_forget(name);
}
