/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the rule which socket is meant.  It goes by the uid and not by the environment, so that cron, sudo and a login find the
 * same daemon.
 */

#include "client/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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
