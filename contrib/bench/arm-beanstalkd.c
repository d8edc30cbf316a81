/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: arm-beanstalkd SOCKET COUNT PID
 *
 * How fast does a beanstalkd take COUNT delayed jobs, one after the other without waiting, and how much larger is it then?
 */

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "contrib/bench/measure.h"

#define CHUNK 16384 /* bytes sent at once, as the library has it */
#define PUT_MAX 64 /* bytes of a put below */

struct stream {
	int fd;
	size_t left; /* puts to be written */
	size_t answers; /* that came */
	char out[CHUNK];
	size_t size, sent; /* of `out` */
	bool within_line; /* of an answer */
};

static void fill(struct stream *stream) {
	stream->size = stream->sent = 0;
	while (stream->left > 0 && stream->size + PUT_MAX <= CHUNK) {
		int delay_s = 3600 + (int)measure_random(3600);
		stream->size += sprintf(stream->out + stream->size, "put 0 %d 60 8\r\ntimer000\r\n", delay_s);
		stream->left--;
	}
}

static void write_some(struct stream *stream) {
	if (stream->sent == stream->size)
		fill(stream);
	ssize_t n =
		send(stream->fd, stream->out + stream->sent, stream->size - stream->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN)
		measure_fail("send", -errno);
	if (n > 0)
		stream->sent += n;
}

/* Each answer is a line, "INSERTED ID". */
static void read_some(struct stream *stream) {
	char buffer[65536];
	ssize_t n = recv(stream->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		measure_fail("recv", n < 0 ? -errno : -ECONNRESET);
	for (ssize_t i = 0; i < n; i++) {
		if (!stream->within_line && buffer[i] != 'I')
			measure_fail("answer", -EPROTO);
		stream->within_line = buffer[i] != '\n';
		stream->answers += buffer[i] == '\n';
	}
}

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 2);
	pid_t pid = (pid_t)measure_operand(argc, argv, 3);
	static struct stream stream;

	stream.fd = measure_connect(argv[1]);
	stream.left = count;
	int64_t before = measure_memory(pid, "VmRSS"), start = measure_now();
	while (stream.answers < count) {
		bool more = stream.left > 0 || stream.sent < stream.size;
		struct pollfd item = { .fd = stream.fd, .events = POLLIN | (more ? POLLOUT : 0) };

		poll(&item, 1, -1);
		if (item.revents & POLLIN)
			read_some(&stream);
		if (item.revents & POLLOUT)
			write_some(&stream);
	}
	int64_t end = measure_now();
	measure_print("rate", (double)count * 1e9 / (double)(end - start), "1/s");
	measure_print("memory", (double)(measure_memory(pid, "VmRSS") - before) / (double)count, "B");
	close(stream.fd);
}
