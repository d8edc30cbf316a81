/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: ping-redis SOCKET COUNT [gcra [DEPTH]]
 *
 * The time of one PING to a Redis server on its Unix socket; with `gcra`, of one decision of a rate limiter, as the script
 * that Redis users have for it makes it; with DEPTH, how many of them a second while so many are under way at any time.
 */

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "contrib/bench/measure.h"

/* Generic cell rate: a million a second, and a burst of that many, so that it always allows. */
static const char script[] = "local t = redis.call('TIME') "
			     "local now = t[1] * 1000000 + t[2] "
			     "local tat = tonumber(redis.call('GET', KEYS[1])) or 0 "
			     "local new = math.max(tat, now) + ARGV[1] "
			     "if new - ARGV[2] > now then return {0, new - ARGV[2] - now} end "
			     "redis.call('SET', KEYS[1], string.format('%d', new), 'PX', 10000) "
			     "return {1, 0}";

struct exchange {
	char request[512], reply[64];
};

/* Send the request; the answer is as long as the one expected.  `ret` may be NULL: then it must be the same. */
static void ask(int fd, const char *request, const char *expected, char *ret) {
	char buffer[64];
	size_t n = 0, size = strlen(expected);

	if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
		measure_fail("send", -errno);
	while (n < size) {
		ssize_t r = recv(fd, buffer + n, sizeof(buffer) - n, 0);
		if (r <= 0)
			measure_fail("recv", r < 0 ? -errno : -ECONNRESET);
		n += r;
	}
	if (!ret && memcmp(buffer, expected, size) != 0)
		measure_fail("answer", -EPROTO);
	if (ret)
		memcpy(ret, buffer, size);
}

/* Load the script and ask for it by its digest. */
static void prepare_gcra(int fd, struct exchange *exchange) {
	char load[1024], digest[48];

	snprintf(load, sizeof(load), "*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$%zu\r\n%s\r\n", strlen(script), script);
	ask(fd, load, "$40\r\n0123456789012345678901234567890123456789\r\n", digest);
	snprintf(exchange->request, sizeof(exchange->request),
		 "*6\r\n$7\r\nEVALSHA\r\n$40\r\n%.40s\r\n$1\r\n1\r\n$3\r\napi\r\n$1\r\n1\r\n$7\r\n1000000\r\n",
		 digest + 5);
	strcpy(exchange->reply, "*2\r\n:1\r\n:0\r\n");
}

static void send_all(int fd, const char *data, size_t size) {
	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n < 0)
			measure_fail("send", -errno);
		data += n;
		size -= (size_t)n;
	}
}

/* As many requests as there were replies, in one system call. */
static void pipeline(int fd, const struct exchange *exchange, size_t count, size_t depth) {
	size_t request = strlen(exchange->request), reply = strlen(exchange->reply), sent, got = 0;
	char *requests = measure_array(depth, request), *replies = measure_array(depth, reply);
	int64_t start = measure_now();

	for (size_t i = 0; i < depth; i++)
		memcpy(requests + i * request, exchange->request, request);
	sent = MIN(depth, count);
	send_all(fd, requests, sent * request);
	while (got < count * reply) {
		ssize_t n = recv(fd, replies, depth * reply, 0);
		size_t before = got / reply, more;

		if (n <= 0)
			measure_fail("recv", n < 0 ? -errno : -ECONNRESET);
		got += (size_t)n;
		more = MIN(got / reply - before, count - sent);
		send_all(fd, requests, more * request);
		sent += more;
	}
	measure_print("rate", (double)count * 1e9 / (double)(measure_now() - start), "1/s");
	free(requests);
	free(replies);
}

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 2);
	int64_t *samples = measure_array(count, sizeof(*samples));
	struct exchange exchange = { .request = "PING\r\n", .reply = "+PONG\r\n" };
	int fd = measure_connect(argv[1]);

	if (argc > 3 && strcmp(argv[3], "gcra") == 0)
		prepare_gcra(fd, &exchange);
	for (size_t i = 0; i < count / 10 + 1; i++)
		ask(fd, exchange.request, exchange.reply, NULL);
	if (argc > 4) {
		pipeline(fd, &exchange, count, measure_operand(argc, argv, 4));
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		int64_t start = measure_now();
		ask(fd, exchange.request, exchange.reply, NULL);
		samples[i] = measure_now() - start;
	}
	measure_sort(samples, count);
	measure_print("p50", (double)measure_percentile(samples, count, 50), "ns");
	close(fd);
	free(samples);
}
