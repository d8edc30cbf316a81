/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: lateness-floor COUNT [SERVER-CPU CLIENT-CPU]
 *
 * How late another process learns of a deadline at least: a timerfd, and a socket of the same kind with its reader blocked
 * in recv.  COUNT deadlines, 2 ms apart.
 */

#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

#include "contrib/bench/measure.h"

#define SPACING_NS (2 * NSEC_PER_MSEC)

/* As large as the event of a timer that fired. */
struct event {
	int64_t deadline_ns;
	uint8_t rest[48];
};

static void serve(int fd, size_t count) {
	int timer = measure_syscall("timerfd_create", timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC));
	struct event event = { .deadline_ns = measure_now() + 100 * NSEC_PER_MSEC };

	for (size_t i = 0; i < count; i++, event.deadline_ns += SPACING_NS) {
		struct itimerspec at = { .it_value = { .tv_sec = event.deadline_ns / NSEC_PER_SEC,
						       .tv_nsec = event.deadline_ns % NSEC_PER_SEC } };
		uint64_t expirations;

		measure_syscall("timerfd_settime", timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL));
		measure_syscall("read", read(timer, &expirations, sizeof(expirations)));
		measure_syscall("send", send(fd, &event, sizeof(event), MSG_NOSIGNAL));
	}
}

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 1), n_early = 0;
	int64_t *samples = measure_array(count, sizeof(*samples));
	int fds[2];

	measure_syscall("socketpair", socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
	if (measure_syscall("fork", fork()) == 0) {
		close(fds[0]);
		measure_stay(argc, argv, 2);
		serve(fds[1], count);
		_exit(0);
	}
	close(fds[1]);
	measure_stay(argc, argv, 3);
	for (size_t i = 0; i < count; i++) {
		struct event event;

		if (recv(fds[0], &event, sizeof(event), 0) != sizeof(event))
			measure_fail("recv", -EPROTO);
		samples[i] = measure_now() - event.deadline_ns;
		n_early += samples[i] < 0;
	}
	measure_sort(samples, count);
	measure_print("p50", (double)measure_percentile(samples, count, 50), "ns");
	measure_print("p99", (double)measure_percentile(samples, count, 99), "ns");
	measure_print("early", (double)n_early, "timers");
	wait(NULL);
	free(samples);
}
