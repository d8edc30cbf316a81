/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: readiness-floor COUNT [SERVER-CPU CLIENT-CPU]
 *
 * What it costs at least when another process watches a pipe for us: its epoll, once for each acknowledgement, and a socket of the same
 * kind, with packets of the same size both ways.
 */

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "contrib/bench/measure.h"

#define EVENT_SIZE 48 /* bytes of READY, with its header */
#define ACK_SIZE 20 /* bytes of an Ack of one handle */

static void arm(int epoll, int operation, int fd) {
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.fd = fd };

	measure_syscall("epoll_ctl", epoll_ctl(epoll, operation, fd, &event));
}

/* Until the peer leaves. */
static void serve(int fd, int pipe_fd) {
	static uint8_t buffer[65536];
	int epoll = measure_syscall("epoll_create1", epoll_create1(EPOLL_CLOEXEC));
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	measure_syscall("epoll_ctl", epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	arm(epoll, EPOLL_CTL_ADD, pipe_fd);
	for (;;) {
		if (epoll_wait(epoll, &event, 1, -1) < 1)
			continue;
		if (event.data.fd == pipe_fd) {
			if (send(fd, buffer, EVENT_SIZE, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
				return;
		} else {
			if (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) <= 0)
				return;
			arm(epoll, EPOLL_CTL_MOD, pipe_fd);
		}
	}
}

static void take(int fd, int pipe_fd) {
	static uint8_t buffer[65536];
	struct pollfd item = { .fd = fd, .events = POLLIN };

	while (poll(&item, 1, -1) < 1)
		;
	measure_syscall("recv", (int)recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT));
	measure_syscall("read", (int)read(pipe_fd, buffer, 1));
}

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 1);
	int64_t *samples = measure_array(count, sizeof(*samples)), start_ns;
	static const uint8_t ack[ACK_SIZE];
	int fds[2], pipe_fds[2];

	measure_syscall("socketpair", socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
	measure_syscall("pipe2", pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK));
	if (measure_syscall("fork", fork()) == 0) {
		close(fds[0]);
		measure_stay(argc, argv, 2);
		serve(fds[1], pipe_fds[0]);
		_exit(0);
	}
	close(fds[1]);
	measure_stay(argc, argv, 3);
	start_ns = measure_now();
	measure_syscall("write", (int)write(pipe_fds[1], "x", 1));
	for (size_t i = 0; i < count; i++) {
		take(fds[0], pipe_fds[0]);
		samples[i] = measure_now() - start_ns;
		start_ns = measure_now();
		measure_syscall("write", (int)write(pipe_fds[1], "x", 1));
		measure_syscall("send", (int)send(fds[0], ack, sizeof(ack), MSG_DONTWAIT | MSG_NOSIGNAL));
	}
	measure_sort(samples, count);
	measure_print("p50", (double)measure_percentile(samples, count, 50), "ns");
	measure_print("p99", (double)measure_percentile(samples, count, 99), "ns");
	close(fds[0]);
	wait(NULL);
	free(samples);
}
