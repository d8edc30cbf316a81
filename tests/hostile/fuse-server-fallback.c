/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In place of fuse-server.c where libfuse is missing. */

#include "tests/hostile/fuse-server.h"

#include "proto/base.h"

const char *fuse_server_start(struct fuse_server *server _unused_) {
	return "built without libfuse";
}

int fuse_server_open(const struct fuse_server *server _unused_) {
	return -1;
}

void fuse_server_stop(struct fuse_server *server _unused_) {
}
