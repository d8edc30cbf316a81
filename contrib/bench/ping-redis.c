/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: ping-redis SOCKET COUNT [gcra]
 *
 * The time of one PING to a Redis server on its Unix socket; with `gcra`, of one decision of a rate limiter, as the script
 * that Redis users have for it makes it.
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

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 2);
	int64_t *samples = measure_array(count, sizeof(*samples));
	struct exchange exchange = { .request = "PING\r\n", .reply = "+PONG\r\n" };
	int fd = measure_connect(argv[1]);

	if (argc > 3 && strcmp(argv[3], "gcra") == 0)
		prepare_gcra(fd, &exchange);
	for (size_t i = 0; i < count / 10 + 1; i++)
		ask(fd, exchange.request, exchange.reply, NULL);
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
