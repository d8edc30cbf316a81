/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the rule which socket is meant.  It goes by the uid and not by the environment, so that cron, sudo and a login find the
 * same daemon.  What units are enabled does not change it; that is only looked at to say what seems wrong.
 */

#include "client/internal.h"

#include <linux/net.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define WANTED "sockets.target.wants/evloopd.socket"

static int add_place(struct places *places, const char *path, bool private) {
	struct place *place = &places->place[places->n];

	if (!path[0])
		return -EINVAL;
	if (strlen(path) >= sizeof(place->path))
		return -ENAMETOOLONG;
	strcpy(place->path, path);
	place->private = private;
	places->n++;
	return 0;
}

int locate_places(const char *path, struct places *ret) {
	char name[64];
	int r;

	ret->n = 0;
	if (!path)
		path = secure_getenv("EVLOOP_SOCKET");
	if (path && path[0])
		return add_place(ret, path, false);
	(void)snprintf(name, sizeof(name), "/tmp/evloopd-%u/socket", geteuid());
	r = add_place(ret, name, true);
	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "/run/user/%u/evloopd/socket", geteuid());
	return add_place(ret, name, false);
}

int locate_check_private(const char *socket_path) {
	char directory[sizeof(((struct place *)NULL)->path)];
	struct stat st;

	strcpy(directory, socket_path);
	*strrchr(directory, '/') = '\0';
	if (lstat(directory, &st) < 0)
		return errno == ENOENT ? -ENOENT : -EACCES;
	return S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0 ? 0 : -EACCES;
}

int evl_locate(const char *path, char **ret_path, bool *ret_private) {
	struct places places;
	const struct place *found;
	char *copy;
	int r = locate_places(path, &places);

	if (r < 0)
		return r;
	/* The first that has a socket; where none has, the one that may be started. */
	found = &places.place[0];
	for (size_t i = 0; i < places.n; i++) {
		if (access(places.place[i].path, F_OK) == 0) {
			found = &places.place[i];
			break;
		}
	}
	copy = strdup(found->path);
	if (!copy)
		return -ENOMEM;
	*ret_path = copy;
	*ret_private = found->private;
	return 0;
}

/* ---- what is enabled ---- */

/* A link in DIRECTORY/below that root or this user has made: $HOME may be somebody else's. */
static bool has_link(const char *directory, const char *below) {
	_cleanup_free_ char *path = NULL;
	struct stat st;

	if (!directory || directory[0] != '/')
		return false;
	if (asprintf(&path, "%s/%s", directory, below) < 0) {
		path = NULL;
		return false;
	}
	return lstat(path, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid());
}

/* As `systemctl --user enable` and `systemctl --global enable` have it.  Without a manager, as for cron, that is
 * nothing to wonder at. */
static bool own_is_enabled(void) {
	char manager[64];

	(void)snprintf(manager, sizeof(manager), "/run/user/%u/systemd", geteuid());
	if (access(manager, F_OK) < 0)
		return false;
	return has_link(secure_getenv("XDG_CONFIG_HOME"), "systemd/user/" WANTED) ||
	       has_link(secure_getenv("HOME"), ".config/systemd/user/" WANTED) ||
	       has_link("/etc", "systemd/user/" WANTED);
}

/*
 * As the kernel lists it, by the path that was given to bind(2).  Nobody connects to find out: behind the socket of a
 * unit that would start the daemon.
 */
static bool is_listening(const char *path) {
	_cleanup_free_ char *line = NULL;
	FILE *file = fopen("/proc/net/unix", "re");
	size_t size = 0;
	bool found = false;

	if (!file)
		return false;
	while (!found && getline(&line, &size, file) > 0) {
		unsigned flags;
		int begin = 0;

		line[strcspn(line, "\n")] = '\0';
		found = sscanf(line, "%*[^:]: %*x %*x %x %*x %*x %*u %n", &flags, &begin) == 1 && begin > 0 &&
			(flags & __SO_ACCEPTCON) && strcmp(line + begin, path) == 0;
	}
	(void)fclose(file);
	return found;
}

enum own_instance evl_own_instance(const struct evl *evl) {
	struct places places;

	if (locate_places(evl->path, &places) < 0 || places.n < 2 || !places.place[0].private ||
	    strcmp(evl->socket_path, places.place[0].path) != 0 || !own_is_enabled())
		return OWN_INSTANCE_NONE;
	/* In another network namespace not even the socket that we are connected to is listed. */
	if (!is_listening(evl->socket_path))
		return OWN_INSTANCE_NONE;
	return is_listening(places.place[1].path) ? OWN_INSTANCE_LISTENS : OWN_INSTANCE_SILENT;
}

bool evl_system_is_enabled(void) {
	return has_link("/etc", "systemd/system/" WANTED);
}
