/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The listening socket that the daemon makes itself, and the lock that keeps a second daemon off it. */

#include <sys/types.h>

#include "proto/base.h"

struct service_socket {
	char *path; /* NULL: none, or withdrawn */
	dev_t device; /* of the socket's name */
	ino_t inode;
	int fd;
	char *lock_path; /* NULL: none */
	int lock_fd; /* it is open, and locked, as long as we live */
	int directory_fd; /* a private daemon's, locked so that systemd-tmpfiles(8) does not clean it; -1: none */
};

#define SERVICE_SOCKET_INIT                                                                                            \
	{ .fd = -1, .lock_fd = -1, .directory_fd = -1 }

enum {
	SERVICE_SOCKET_E_BUSY = 1, /* somebody listens at that path, or is about to */
	SERVICE_SOCKET_E_UNSAFE, /* the private directory is not ours, or others may write to it */
	SERVICE_SOCKET_E_TOO_LONG, /* the path does not fit into a socket's address */
	SERVICE_SOCKET_E_NO_SOCKET, /* there is something at that path which is not a socket */
};

/*
 * Listen at `path`, readable and writable by this uid only.  A socket that a dead daemon has left there is replaced,
 * one that is coming or going is waited for, some seconds at most, and where somebody listens it is let alone, whoever
 * that is.
 * Return: 0, SERVICE_SOCKET_E_BUSY, _TOO_LONG, _NO_SOCKET, −errno.
 */
int service_socket_open(struct service_socket *ret, const char *path);

/* The same at /tmp/evloopd-UID/socket, whose directory is made if need be.  Return: also SERVICE_SOCKET_E_UNSAFE. */
int service_socket_open_private(struct service_socket *ret);

/*
 * Be found no more, by whoever connects from now on; the next daemon is not let in yet.  Nobody may watch socket->fd meanwhile.
 * Return: false: somebody had found it and waits, so it listens on: maybe with another socket->fd, then `accepted` has been
 * called with each of those who wait at the former one, whose descriptors are the callee's.
 */
bool service_socket_withdraw(struct service_socket *socket, void (*accepted)(void *userdata, int fd), void *userdata);

/*
 * Listen no more, and be found no more: who waits to be accepted is hung up on, and the next daemon waits for the lock.
 * Nobody may watch socket->fd.
 */
void service_socket_stop(struct service_socket *socket);

/* Stop listening, remove the socket and the lock, let the next one in. */
void service_socket_close(struct service_socket *socket);
