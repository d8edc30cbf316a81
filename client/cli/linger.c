/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the question whether a timer lives longer than its user is logged in.  A user's instance is a service of his manager, and that
 * ends with his last session, unless he lingers.  Asks nobody: what logind knows of it is a file, see loginctl(1).
 */

#include "client/cli/linger.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/error.h"

#define SHORT_NS (600 * NSEC_PER_SEC) /* who arms it is still there when it is over */

/* From now to its last fire; INT64_MAX: it has none. */
static int64_t lasts_ns(const struct arm *arm) {
	int64_t now_ns = arm->now.clock_ns[EVLOOP__CLOCK__CLOCK_REALTIME], ns;

	switch (arm->kind) {
	case EVLOOP__KIND__KIND_AFTER:
		return arm->duration_ns;
	case EVLOOP__KIND__KIND_AT:
		return arm->time_ns - now_ns;
	case EVLOOP__KIND__KIND_EVERY:
		if (arm->until)
			return arm->until_ns - now_ns;
		if (arm->count == 0 || __builtin_mul_overflow(arm->duration_ns, arm->count, &ns))
			return INT64_MAX;
		return ns;
	default:
		return 0;
	}
}

/* Is it the daemon that the user's service manager runs? */
static bool is_managed(struct evl *evl) {
	char path[64];

	snprintf(path, sizeof(path), "/run/user/%lu/evloopd/socket", (unsigned long)geteuid());
	return strcmp(evl_socket_path(evl), path) == 0;
}

static bool lingers(void) {
	const struct passwd *user = getpwuid(geteuid());
	char path[512];

	if (!user || access("/run/systemd/users", F_OK) < 0)
		return true; /* there is no logind that would end anything */
	snprintf(path, sizeof(path), "/var/lib/systemd/linger/%s", user->pw_name);
	return access(path, F_OK) == 0;
}

/* The directory goes when he logs out. */
static bool is_first_time(void) {
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/user/%lu/evloopd/hinted", (unsigned long)geteuid());
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

void linger_hint(struct evl *evl, const struct arm *arm) {
	const char *setting = getenv("EVLOOP_LINGER_HINT");

	if ((setting && strcmp(setting, "0") == 0) || lasts_ns(arm) <= SHORT_NS || !is_managed(evl) || lingers() ||
	    !is_first_time())
		return;
	complain("hint: timers end when you have logged out; 'loginctl enable-linger' lets them live "
		 "(EVLOOP_LINGER_HINT=0: do not say so)");
}
