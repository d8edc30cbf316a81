/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns where files of the configuration are found, and which of them count.  Opens none. */

#include "daemon/svc/config-paths.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *last_part(const char *path) {
	return strrchr(path, '/') + 1;
}

void config_paths_free(struct config_paths *paths) {
	for (size_t i = 0; i < paths->n; i++)
		free(paths->path[i]);
	free(paths->path);
}

static bool ends_in(const char *name, const char *suffix) {
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && name[0] != '.' && strcmp(name + n - m, suffix) == 0;
}

static int add(struct config_paths *paths, const char *directory, const char *name) {
	char **grown = reallocarray(paths->path, paths->n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	paths->path = grown;
	for (size_t i = 0; i < paths->n; i++)
		if (strcmp(last_part(grown[i]), name) == 0)
			return 0;
	return asprintf(&grown[paths->n], "%s/%s", directory, name) < 0 ? -ENOMEM : (paths->n++, 0);
}

static bool is_wanted(int dir_fd _unused_, const char *name, const char *suffix) {
	return ends_in(name, suffix);
}

static bool is_folder(int dir_fd, const char *name) {
	struct stat st;

	return fstatat(dir_fd, name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static bool is_stray(int dir_fd, const char *name, const char *suffix) {
	return !ends_in(name, suffix) && name[0] != '.' && name[0] != '#' && name[strlen(name) - 1] != '~' &&
	       strncmp(name, "README", strlen("README")) != 0 && !is_folder(dir_fd, name);
}

typedef bool (*config_test)(int dir_fd, const char *name, const char *suffix);

/* Add what is meant, where no directory before has had one of its name.  Return: 0, −errno. */
static int scan(struct config_paths *paths, const char *directory, const char *suffix, config_test is_meant) {
	DIR *dir = opendir(directory);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	while (r == 0 && (errno = 0, entry = readdir(dir)))
		if (is_meant(dirfd(dir), entry->d_name, suffix))
			r = add(paths, directory, entry->d_name);
	if (r == 0 && errno != 0)
		r = -errno;
	(void)closedir(dir);
	return r;
}

static int path_compare(const void *a, const void *b) {
	return strcmp(last_part(*(char *const *)a), last_part(*(char *const *)b));
}

/* Of all directories.  *failed is to be freed: the one that could not be read.  Return: 0, −errno. */
static int scan_all(struct config_paths *ret, const char *const *directories, size_t n, const char *folder,
		    const char *suffix, config_test is_meant, char **failed) {
	*ret = (struct config_paths){ 0 };
	*failed = NULL;
	for (size_t i = 0; i < n; i++) {
		char *directory;
		int r;

		if (asprintf(&directory, "%s/%s", directories[i], folder) < 0)
			return -ENOMEM;
		r = scan(ret, directory, suffix, is_meant);
		if (r < 0) {
			*failed = directory;
			return r;
		}
		free(directory);
	}
	if (ret->n > 1)
		qsort(ret->path, ret->n, sizeof(*ret->path), path_compare);
	return 0;
}

int config_paths_find(struct config_paths *ret, const char *const *directories, size_t n, const char *folder,
		      const char *suffix, char error[static CONFIG_ERROR_MAX]) {
	_cleanup_free_ char *failed = NULL;
	int r = scan_all(ret, directories, n, folder, suffix, is_wanted, &failed);

	if (r < 0 && r != -ENOMEM) {
		(void)snprintf(error, CONFIG_ERROR_MAX, "%s: %s", failed, strerror(-r));
		return r == -EIO ? CONFIG_E_IO : CONFIG_E_INVALID;
	}
	return r;
}

int config_paths_find_strays(struct config_paths *ret, const char *const *directories, size_t n, const char *folder,
			     const char *suffix) {
	_cleanup_free_ char *failed = NULL;

	return scan_all(ret, directories, n, folder, suffix, is_stray, &failed);
}

int config_paths_append(struct config_paths *paths, const char *path) {
	char **grown = reallocarray(paths->path, paths->n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	paths->path = grown;
	grown[paths->n] = strdup(path);
	return grown[paths->n] ? (paths->n++, 0) : -ENOMEM;
}

int config_path_of(char **ret, const char *const *directories, size_t n, const char *name) {
	*ret = NULL;
	for (size_t i = 0; i < n; i++) {
		char *path;

		if (asprintf(&path, "%s/%s", directories[i], name) < 0)
			return -ENOMEM;
		if (access(path, F_OK) == 0 || errno != ENOENT) {
			*ret = path;
			return 0;
		}
		free(path);
	}
	return 0;
}
