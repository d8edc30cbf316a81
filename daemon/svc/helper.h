/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The process evloop-exec, which starts commands for us: its life, and the packets to and from it.  Nothing here waits for it but
 * helper_new(), and helper_send() where it has died and another one is needed.
 */

#include <sys/resource.h>

#include "daemon/core/loop.h"
#include "daemon/exec/exec-wire.h"

struct helper;

/* A packet to be sent, made by helper_packet(). */
struct helper_packet;

struct helper_ops {
	/* What it answers; `fd`: what came along, the callee's from now on; −1: nothing. */
	void (*answered)(void *userdata, const struct exec_reply *reply, int fd);
	/* It has died: what it has not answered, it never will. */
	void (*lost)(void *userdata);
};

/*
 * Start `exec_path`, and keep it open so that it can be started again, whatever lies there then.  `descriptors`: what commands get
 * as their soft limit of descriptors; 0: the daemon's.
 * Return: 0, −errno: it cannot be executed, for instance.
 */
int helper_new(struct helper **ret, struct loop *loop, const char *exec_path, rlim_t descriptors,
	       const struct helper_ops *ops, void *userdata);

/* It ends when no process of a run writes any more; nobody waits for that. */
struct helper *helper_free(struct helper *helper);

/* A packet with room for `size` bytes, request included, at *ret_data.  NULL: no memory. */
struct helper_packet *helper_packet(size_t size, void **ret_data);

/* Send, at once or when the socket takes it; the packet is taken over, and `size` bytes of it are sent.
 * Return: 0, −errno: there is no evloop-exec. */
int helper_send(struct helper *helper, struct helper_packet *packet, size_t size);

/* Take all answers that have come until now. */
void helper_receive(struct helper *helper);
