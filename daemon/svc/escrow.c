/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the messages in the pair: descriptors, up to ESCROW_BATCH in each, and a last one that says how many there were, with the one that
 * says what they are.  What does not end so was left by a daemon that did not live to its end, and is closed.
 *
 * A stranger can have a descriptor that the kernel does not pass on: a socket in which there are sockets in which there are
 * sockets.  It must keep nobody else's from going, so where a message does not go, something else is put into its place.
 *
 * Knows nothing of what the descriptors are.
 */

#include "daemon/svc/escrow.h"

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "daemon/svc/systemd.h"

#define ROOM (4 * 1024 * 1024) /* bytes in flight, as far as we may */

struct message {
	uint32_t n; /* descriptors in all, in the last message; else 0 */
	uint32_t is_last;
	uint8_t missing[(ESCROW_BATCH + 7) / 8]; /* a bit for each place in which there is something else */
};

#define MESSAGE_SIZE_MIN offsetof(struct message, missing) /* from a daemon that knows nothing of that */

int escrow_new(struct escrow *ret) {
	int pair[2], room = ROOM, r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	r = systemd_store(ESCROW_IN, pair[0]);
	if (r >= 0)
		r = systemd_store(ESCROW_OUT, pair[1]);
	if (r < 0) {
		(void)close(pair[0]);
		(void)close(pair[1]);
		return r;
	}
	escrow_adopt(ret, pair[0], pair[1]);
	return 0;
}

void escrow_adopt(struct escrow *ret, int in, int out) {
	*ret = (struct escrow){ .in = in, .out = out };
	for (size_t i = 0; i < ESCROW_SPARE; i++)
		ret->spare[i] = fcntl(in, F_DUPFD_CLOEXEC, 3);
}

void escrow_begin(struct escrow *escrow) {
	for (size_t i = 0; escrow->in >= 0 && i < ESCROW_SPARE; i++)
		escrow->spare[i] = close_fd(escrow->spare[i]);
}

void escrow_close(struct escrow *escrow) {
	escrow_begin(escrow);
	escrow->in = close_fd(escrow->in);
	escrow->out = close_fd(escrow->out);
}

static int send_message(int to, const struct message *message, const int *fds, size_t n) {
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * ESCROW_BATCH)];
	} control = { 0 };
	struct iovec data = { .iov_base = (void *)message, .iov_len = sizeof(*message) };
	struct msghdr msg = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(sizeof(int) * n),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n);
	return sendmsg(to, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* Does it go, alone? */
static bool can_go(int fd) {
	static const struct message message = { 0 };
	int pair[2];
	bool can;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return false;
	can = send_message(pair[0], &message, &fd, 1) == 0;
	(void)close(pair[0]);
	(void)close(pair[1]);
	return can;
}

/* One of them does not go, and so none went.  Return: 0: all but those went, −errno. */
static int send_others(struct escrow *escrow, int *fds, size_t n) {
	_cleanup_close_ int other = eventfd(0, EFD_CLOEXEC);
	struct message message = { 0 };
	size_t missing = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		if (!can_go(fds[i])) {
			message.missing[i / 8] |= (uint8_t)(1u << i % 8);
			fds[i] = other;
			missing++;
		}
	r = send_message(escrow->in, &message, fds, n);
	return r == 0 && missing > 0 ? ESCROW_E_MISSING : r;
}

int escrow_flush(struct escrow *escrow) {
	static const struct message message = { 0 };
	size_t n = escrow->n_batch;
	int r;

	if (n == 0)
		return 0;
	escrow->n_batch = 0;
	r = send_message(escrow->in, &message, escrow->batch, n);
	if (r < 0 && r != -EAGAIN)
		r = send_others(escrow, escrow->batch, n);
	if (r < 0)
		escrow->broken = true;
	return r;
}

int escrow_put(struct escrow *escrow, int fd) {
	if (escrow->n_batch == ESCROW_BATCH) {
		int r = escrow_flush(escrow);

		if (r < 0)
			return r;
	}
	if (escrow->broken)
		return -EPIPE;
	escrow->batch[escrow->n_batch++] = fd;
	return (int)++escrow->n;
}

int escrow_finish(struct escrow *escrow, int state_fd) {
	int r = escrow_flush(escrow);

	if (r < 0 || escrow->broken)
		return r < 0 ? r : -EPIPE;
	return send_message(escrow->in, &(struct message){ .n = (uint32_t)escrow->n, .is_last = true }, &state_fd, 1);
}

/* ---- taking out ---- */

/* What has come out so far. */
struct taken {
	int *fds;
	size_t n;
};

static void drop(struct taken *taken) {
	for (size_t i = 0; i < taken->n; i++)
		(void)close_fd(taken->fds[i]);
	free(taken->fds);
	*taken = (struct taken){ 0 };
}

static bool keep(struct taken *taken, const int *fds, size_t n) {
	int *more = reallocarray(taken->fds, taken->n + n, sizeof(*more));

	if (!more) {
		for (size_t i = 0; i < n; i++)
			(void)close_fd(fds[i]);
		return false;
	}
	memcpy(more + taken->n, fds, n * sizeof(*fds));
	taken->fds = more;
	taken->n += n;
	return true;
}

/* Return: how many descriptors have come, −errno: there is no message. */
static ssize_t receive(struct escrow *escrow, struct message *ret, int fds[static ESCROW_BATCH]) {
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * ESCROW_BATCH)];
	} control;
	struct iovec data = { .iov_base = ret, .iov_len = sizeof(*ret) };
	struct msghdr msg = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	const struct cmsghdr *header;
	ssize_t size;
	size_t n = 0;

	*ret = (struct message){ 0 };
	size = recvmsg(escrow->out, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (size <= 0)
		return size < 0 ? -errno : -ENODATA;
	header = CMSG_FIRSTHDR(&msg);
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
		n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(header), n * sizeof(int));
	}
	if ((size_t)size < MESSAGE_SIZE_MIN)
		*ret = (struct message){ 0 };
	for (size_t i = 0; i < n; i++)
		if (ret->missing[i / 8] >> i % 8 & 1)
			fds[i] = close_fd(fds[i]);
	return (ssize_t)n;
}

bool escrow_take(struct escrow *escrow, int **ret_fds, size_t *ret_n, int *ret_state_fd) {
	struct taken taken = { 0 };
	struct message message;
	int fds[ESCROW_BATCH], state_fd = -1;
	ssize_t n;

	while ((n = receive(escrow, &message, fds)) >= 0) {
		if (state_fd >= 0) { /* of a daemon before the last one */
			state_fd = close_fd(state_fd);
			drop(&taken);
		}
		if (!keep(&taken, fds, (size_t)n) || !message.is_last)
			continue;
		if (taken.n == (size_t)message.n + 1)
			state_fd = taken.fds[--taken.n];
		else
			drop(&taken);
	}
	if (state_fd < 0) {
		drop(&taken);
		return false;
	}
	*ret_fds = taken.fds;
	*ret_n = taken.n;
	*ret_state_fd = state_fd;
	return true;
}
