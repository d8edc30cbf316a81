/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how the pages come into being and what may be done with their descriptors.  Knows nothing of what is in them. */

#include "daemon/core/shared-memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* A sealed page, mapped.  Return: the descriptor, −errno. */
static int make_page(const char *name, mode_t mode, void **ret) {
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), r;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, SHARED_SIZE) < 0 || fchmod(fd, mode) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		goto fail;
	*ret = mmap(NULL, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (*ret != MAP_FAILED)
		return fd;
fail:
	r = -errno;
	(void)close_fd(fd);
	return r;
}

/* The same file, to be read only.  Takes `fd`. */
static int reopen_for_reading(int fd) {
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = open(path, O_RDONLY | O_CLOEXEC);
	if (r < 0)
		r = -errno;
	(void)close_fd(fd);
	return r;
}

int shared_memory_new(struct shared_memory **ret) {
	struct shared_memory *memory = calloc(1, sizeof(*memory));
	void *page;
	int r;

	if (!memory)
		return -ENOMEM;
	memory->config_fd = memory->state_fd = -1;
	r = make_page("evloop-limiter-config", 0444, &page);
	if (r < 0)
		goto fail;
	memory->config = page;
	memory->config_fd = reopen_for_reading(r);
	r = memory->config_fd;
	if (r < 0)
		goto fail;
	r = make_page("evloop-limiter-state", 0600, &page);
	if (r < 0)
		goto fail;
	memory->state = page;
	memory->state_fd = r;
	*ret = memory;
	return 0;

fail:
	shared_memory_free(memory);
	return r;
}

/* A page that was made by make_page(), and that nobody can make smaller.  Return: 0, −errno. */
static int map_page(int fd, int protection, void **ret) {
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) < 0 || st.st_size != SHARED_SIZE)
		return -EINVAL;
	*ret = mmap(NULL, SHARED_SIZE, protection, MAP_SHARED, fd, 0);
	if (*ret != MAP_FAILED)
		return 0;
	*ret = NULL;
	return -errno;
}

/* The descriptor is for reading only; whose file it is may still write to it.  Return: 0, −errno. */
static int map_for_writing(int fd, void **ret) {
	_cleanup_close_ int writable = -1;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fchmod(fd, 0644) < 0)
		return -errno;
	writable = open(path, O_RDWR | O_CLOEXEC);
	(void)fchmod(fd, 0444);
	return writable < 0 ? -errno : map_page(writable, PROT_READ | PROT_WRITE, ret);
}

int shared_memory_adopt(struct shared_memory **ret, int config_fd, int state_fd) {
	struct shared_memory *memory = calloc(1, sizeof(*memory));
	void *config = NULL, *state = NULL;
	int r;

	if (!memory)
		return -ENOMEM;
	r = map_for_writing(config_fd, &config);
	if (r == 0)
		r = map_page(state_fd, PROT_READ | PROT_WRITE, &state);
	*memory = (struct shared_memory){ .config = config, .state = state, .config_fd = -1, .state_fd = -1 };
	if (r < 0) {
		shared_memory_free(memory);
		return r;
	}
	memory->config_fd = config_fd;
	memory->state_fd = state_fd;
	*ret = memory;
	return 0;
}

struct shared_memory *shared_memory_free(struct shared_memory *memory) {
	if (!memory)
		return NULL;
	if (memory->config)
		(void)munmap(memory->config, SHARED_SIZE);
	if (memory->state)
		(void)munmap(memory->state, SHARED_SIZE);
	if (memory->config_fd >= 0)
		(void)close_fd(memory->config_fd);
	if (memory->state_fd >= 0)
		(void)close_fd(memory->state_fd);
	free(memory);
	return NULL;
}
