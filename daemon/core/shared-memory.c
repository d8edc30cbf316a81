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
