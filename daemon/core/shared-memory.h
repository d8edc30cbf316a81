/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The memory of one bucket that clients take from by themselves: two pages, see proto/shared.h.  Neither can grow or shrink, and of the
 * configuration clients get a descriptor that can only be read.
 */

#include "proto/shared.h"

struct shared_memory {
	struct shared_config *config;
	struct shared_state *state;
	int config_fd; /* for reading only, to be handed out */
	int state_fd;
};

/* Return: 0, −errno. */
int shared_memory_new(struct shared_memory **ret);

/* The pages of another process that was this one: as two descriptors, which are taken over where the result is 0.  Return: 0, −errno. */
int shared_memory_adopt(struct shared_memory **ret, int config_fd, int state_fd);

/* Clients that have it mapped keep it; it must be marked as SHARED_DEAD before. */
struct shared_memory *shared_memory_free(struct shared_memory *memory);
