/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: ping-floor COUNT [SERVER-CPU CLIENT-CPU]
 *
 * What a round trip between two processes costs at least: a bare echo of packets of the same size on a socket of the same
 * kind, the server in epoll, the client in poll.
 */

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "contrib/bench/measure.h"

#define PING_SIZE 16 /* bytes of PING and of its reply: a header each */

/* Send back what comes, until the peer leaves. */
static void serve(int fd) {
	static uint8_t buffer[65536];
	int epoll = measure_syscall("epoll_create1", epoll_create1(EPOLL_CLOEXEC));
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	measure_syscall("epoll_ctl", epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	for (;;) {
		struct iovec iov = { .iov_base = buffer, .iov_len = sizeof(buffer) };
		struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

		if (epoll_wait(epoll, &event, 1, -1) < 1)
			continue;
		ssize_t n = recvmsg(event.data.fd, &message, MSG_DONTWAIT);
		if (n <= 0)
			return;
		iov.iov_len = n;
		if (sendmsg(event.data.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return;
	}
}

static void ping(int fd) {
	static uint8_t buffer[65536];
	struct iovec iov = { .iov_base = buffer, .iov_len = PING_SIZE };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct pollfd item = { .fd = fd, .events = POLLIN };

	measure_syscall("sendmsg", sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
	while (poll(&item, 1, -1) < 1)
		;
	iov.iov_len = sizeof(buffer);
	measure_syscall("recvmsg", recvmsg(fd, &message, MSG_DONTWAIT));
}

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 1);
	int64_t *samples = measure_array(count, sizeof(*samples));
	int fds[2];

	measure_syscall("socketpair", socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
	if (measure_syscall("fork", fork()) == 0) {
		close(fds[0]);
		measure_stay(argc, argv, 2);
		serve(fds[1]);
		_exit(0);
	}
	close(fds[1]);
	measure_stay(argc, argv, 3);
	for (size_t i = 0; i < count / 10 + 1; i++)
		ping(fds[0]);
	for (size_t i = 0; i < count; i++) {
		int64_t start = measure_now();
		ping(fds[0]);
		samples[i] = measure_now() - start;
	}
	measure_sort(samples, count);
	measure_print("p50", (double)measure_percentile(samples, count, 50), "ns");
	close(fds[0]);
	wait(NULL);
	free(samples);
}
