/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A file system in user space whose only file can be opened, and then hangs: whoever closes it, or asks for anything, waits. */

#include <sys/types.h>

struct fuse_server {
	char directory[32];
	pid_t pid;
};

/* Mount it.  Return: NULL, or why that cannot be done here. */
const char *fuse_server_start(struct fuse_server *server);

/* Open the file.  From now on the server answers nothing any more.  Return: a descriptor, −1. */
int fuse_server_open(const struct fuse_server *server);

/* Whoever waits gets an error. */
void fuse_server_stop(struct fuse_server *server);
