/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A process of our own beside the daemon, which does what may block or fail: its life, and the packets to and from it.  Nothing here
 * waits for it but helper_new(), and helper_send() where it has died and another one is needed.
 */

#include "daemon/core/loop.h"

#define HELPER_SOCKET_FD 3 /* it is started with it: SOCK_SEQPACKET */
#define HELPER_PACKET_MAX 32768 /* bytes that it may send in a packet */

struct helper;

/* A packet to be sent, made by helper_packet(). */
struct helper_packet;

struct helper_options {
	const char
		*path; /* of what is executed; kept open, so that it can be started again, whatever lies there then */
	const char *name; /* what it is called; static */
	const char *purpose; /* for the log: "which …"; static */
	const char *argument; /* NULL: none; at most 23 bytes */
};

struct helper_ops {
	/* What it says, aligned for anything; `fd`: what came along, the callee's from now on; −1: nothing. */
	void (*received)(void *userdata, const void *data, size_t size, int fd);
	/* A packet cannot be sent, for that errno. */
	void (*refused)(void *userdata, const void *data, int error);
	/* It has ended: what it has not answered, it never will.  May free the helper. */
	void (*lost)(void *userdata);
};

/* Return: 0, −errno: it cannot be executed, for instance. */
int helper_new(struct helper **ret, struct loop *loop, const struct helper_options *options,
	       const struct helper_ops *ops, void *userdata);

/* It ends when it sees that the socket has been closed; nobody waits for that. */
struct helper *helper_free(struct helper *helper);

/* A packet with room for `size` bytes at *ret_data.  NULL: no memory. */
struct helper_packet *helper_packet(size_t size, void **ret_data);

/* Let it have that descriptor along with the packet, which takes it over. */
void helper_packet_attach(struct helper_packet *packet, int fd);
/* Of one that is not sent. */
struct helper_packet *helper_packet_free(struct helper_packet *packet);

/* Send, at once or when the socket takes it; the packet is taken over, and `size` bytes of it are sent.
 * Return: 0, −errno: there is no process. */
int helper_send(struct helper *helper, struct helper_packet *packet, size_t size);

/* Take all that it has said until now. */
void helper_receive(struct helper *helper);

/* Does a packet wait for the socket to take it? */
bool helper_has_unsent(const struct helper *helper);

/* Outside of the loop: wait until it says something, which is taken, or takes what is unsent, for at most so long.
 * Return: false: neither. */
bool helper_wait(struct helper *helper, int timeout_ms);

/* Let it end, or make it, without a word in the log; `lost` is called when it has. */
void helper_end(struct helper *helper);
void helper_kill(struct helper *helper);
