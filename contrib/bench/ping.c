/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: ping SOCKET COUNT SESSIONS
 *
 * The time of one round trip through the library, while SESSIONS sessions in all are open.
 */

#include "client/evloop.h"
#include "contrib/bench/measure.h"

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 2), n_sessions = measure_operand(argc, argv, 3);
	int64_t *samples = measure_array(count, sizeof(*samples));
	struct evl **sessions = measure_array(n_sessions, sizeof(struct evl *));

	measure_raise_descriptors();
	for (size_t i = 0; i < n_sessions; i++)
		measure_call("connect", evl_connect(&sessions[i], argv[1]));

	/* Neither the first nor the last in any list that the daemon may have. */
	struct evl *evl = sessions[n_sessions / 2];
	for (size_t i = 0; i < count / 10 + 1; i++)
		measure_call("roundtrip", evl_roundtrip(evl));
	for (size_t i = 0; i < count; i++) {
		int64_t start = measure_now();
		measure_call("roundtrip", evl_roundtrip(evl));
		samples[i] = measure_now() - start;
	}
	measure_sort(samples, count);
	measure_print("p50", (double)measure_percentile(samples, count, 50), "ns");
	for (size_t i = 0; i < n_sessions; i++)
		evl_close(sessions[i]);
	free(sessions);
	free(samples);
}
