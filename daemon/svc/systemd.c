/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the use of sd-daemon(3), and one question to the system's service manager. */

#include "daemon/svc/systemd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define SERVICE_MANAGER "org.freedesktop.systemd1"
#define ANSWER_USEC 500000
#define SETTLE_USEC 5000000

int systemd_take_fds(struct systemd_fds *ret) {
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);
	struct systemd_fd *fds = n > 0 ? calloc((size_t)n, sizeof(*fds)) : NULL;

	for (int i = 0; i < n; i++) {
		if (fds) {
			fds[i].fd = SD_LISTEN_FDS_START + i;
			(void)snprintf(fds[i].name, sizeof(fds[i].name), "%.*s", SYSTEMD_NAME_MAX, names[i]);
		}
		free(names[i]);
	}
	free(names);
	if (n < 0 || (n > 0 && !fds))
		return n < 0 ? n : -ENOMEM;
	*ret = (struct systemd_fds){ .fd = fds, .n = (size_t)n };
	return 0;
}

void systemd_fds_free(struct systemd_fds *fds) {
	free(fds->fd);
	*fds = (struct systemd_fds){ 0 };
}

static int store(const char *name, int fd, const char *more) {
	char state[128];

	(void)snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s%s", name, more);
	return MIN(sd_pid_notify_with_fds(0, 0, state, &fd, 1), 0);
}

int systemd_store(const char *name, int fd) {
	return store(name, fd, "");
}

int systemd_store_always(const char *name, int fd) {
	return store(name, fd, "\nFDPOLL=0");
}

void systemd_forget(const char *name) {
	(void)sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

/* What the service is in for, "stop", "restart"; free(3)d.  Return: 1; 0: nothing; −errno. */
static int job_type(sd_bus *bus, const char *unit, char **ret) {
	sd_bus_message *job = NULL;
	const char *path;
	uint32_t id = 0;
	int r = sd_bus_get_property(bus, SERVICE_MANAGER, unit, SERVICE_MANAGER ".Unit", "Job", NULL, &job, "(uo)");

	if (r >= 0)
		r = sd_bus_message_read(job, "(uo)", &id, &path);
	if (r >= 0 && id > 0)
		r = sd_bus_get_property_string(bus, SERVICE_MANAGER, path, SERVICE_MANAGER ".Job", "JobType", NULL,
					       ret);
	sd_bus_message_unref(job);
	return r < 0 ? r : id > 0;
}

/* Somebody has sent a signal, so it depends on the unit what comes of it. */
static bool restarts_by_itself(sd_bus *bus, const char *unit) {
	_cleanup_free_ char *restart = NULL;
	int r = sd_bus_get_property_string(bus, SERVICE_MANAGER, unit, SERVICE_MANAGER ".Service", "Restart", NULL,
					   &restart);

	return r < 0 || strcmp(restart, "always") == 0 || strcmp(restart, "on-success") == 0;
}

static bool stops(sd_bus *bus) {
	_cleanup_free_ char *type = NULL;
	sd_bus_message *reply = NULL;
	const char *unit;
	bool result = false;
	int r = sd_bus_call_method(bus, SERVICE_MANAGER, "/org/freedesktop/systemd1", SERVICE_MANAGER ".Manager",
				   "GetUnitByPID", NULL, &reply, "u", (uint32_t)getpid());

	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &unit);
	if (r >= 0)
		r = job_type(bus, unit, &type);
	if (r > 0)
		result = strcmp(type, "stop") == 0;
	else if (r == 0)
		result = !restarts_by_itself(bus, unit);
	sd_bus_message_unref(reply);
	return result;
}

bool systemd_stops_for_good(bool of_user) {
	sd_bus *bus = NULL;
	bool result = false;

	if (systemd_listens() && (of_user ? sd_bus_open_user(&bus) : sd_bus_open_system(&bus)) >= 0) {
		(void)sd_bus_set_method_call_timeout(bus, ANSWER_USEC);
		result = stops(bus);
	}
	sd_bus_flush_close_unref(bus);
	return result;
}

void systemd_settle(void) {
	(void)sd_notify_barrier(0, SETTLE_USEC);
}

bool systemd_is_listening(int fd) {
	return sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) > 0;
}

bool systemd_listens(void) {
	return getenv("NOTIFY_SOCKET");
}

int64_t systemd_watchdog_ns(void) {
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return 0;
	return (int64_t)MIN(usec, (uint64_t)(INT64_MAX / NSEC_PER_USEC)) * NSEC_PER_USEC;
}

void systemd_notify(const char *state) {
	(void)sd_notify(0, state);
}
