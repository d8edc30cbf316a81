/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Where the descriptors of a daemon wait for the next one: in flight, in a pair of sockets of which the service manager keeps both
 * ends.  So they are as many as one likes, while the service manager keeps two.
 */

#include "proto/base.h"

#define ESCROW_IN "escrow-in" /* as the service manager knows the ends */
#define ESCROW_OUT "escrow-out"
#define ESCROW_BATCH 253 /* descriptors in one message, the most that Linux passes */

#define ESCROW_SPARE 8

struct escrow {
	int in, out; /* −1: there is no escrow */
	int batch[ESCROW_BATCH]; /* to be sent; borrowed until they are */
	size_t n_batch;
	size_t n; /* put in so far */
	int spare[ESCROW_SPARE]; /* so that where no more can be opened there are some for handing over */
	bool broken; /* some could not be sent: what follows would be taken for others */
};

#define ESCROW_INIT                                                                                                    \
	{ .in = -1, .out = -1 }

/* Make a pair, and let the service manager keep it.  Return: 0, −errno. */
int escrow_new(struct escrow *ret);

/* One that was kept; the ends are taken over. */
void escrow_adopt(struct escrow *ret, int in, int out);

void escrow_close(struct escrow *escrow);

/* It is about to be used: now there are descriptors to spare. */
void escrow_begin(struct escrow *escrow);

/* Put in a descriptor, which must stay open until escrow_flush().  Return: its place, from 1; −errno: it does not go on. */
int escrow_put(struct escrow *escrow, int fd);
/* Send those since the last one.  Return: 0; ESCROW_E_MISSING: some of them cannot go, and −1 comes out in their places; −errno: it does
 * not go on, and nobody will take any. */
int escrow_flush(struct escrow *escrow);

enum {
	ESCROW_E_MISSING = 1,
};

/* That was all; `state_fd` says what they are.  Return: 0, −errno: nobody will take them. */
int escrow_finish(struct escrow *escrow, int state_fd);

/*
 * Take out what the daemon before has put in.  *ret_fds is free(3)d, and the `*ret_n` descriptors are the caller's, as is
 * *ret_state_fd; −1 among them could not go.  Return: false: it has not, or not to its end.
 */
bool escrow_take(struct escrow *escrow, int **ret_fds, size_t *ret_n, int *ret_state_fd);
