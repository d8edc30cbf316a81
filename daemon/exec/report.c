/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the packet that is being gathered, and what the daemon was told of this process's being busy. */

#include "daemon/exec/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BUSY_AGAIN 32 /* so often the same word is not said: that it is repeated is what shows that there is progress */

static union {
	struct paths_report alignment;
	char data[PATHS_PACKET_MAX];
} packet;
static size_t used;
static struct paths_report *last; /* CHANGED, in the packet; NULL: none */
static uint64_t busy_token; /* 0: idle */
static unsigned busy_times;

void report_flush(void) {
	last = NULL;
	while (used > 0 && send(PATHS_SOCKET_FD, packet.data, used, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			exit(0); /* nobody is there to be told anything */
	used = 0;
}

static struct paths_report *put(const struct paths_report *report, const char *path) {
	uint32_t size = paths_report_size(report->size);
	struct paths_report *place;

	if (used + size > sizeof(packet.data))
		report_flush();
	place = (struct paths_report *)(packet.data + used);
	memset(place, 0, size);
	*place = *report;
	memcpy(place + 1, path, report->size);
	used += size;
	return place;
}

void report(enum paths_word word, uint64_t token, int error) {
	(void)put(&(struct paths_report){ .token = token, .word = word, .error = error }, "");
	last = NULL;
}

/* One change is often several events of the kernel, one after the other. */
static int is_last(uint64_t token, const char *path, size_t size) {
	return last && last->token == token && last->size == size && memcmp(last + 1, path, size) == 0;
}

void report_change(uint64_t token, const char *path, uint32_t events) {
	size_t size = strlen(path);

	if (is_last(token, path, size))
		last->events |= events;
	else
		last = put(
			&(struct paths_report){
				.token = token, .word = PATHS_CHANGED, .events = events, .size = (uint32_t)size },
			path);
}

void report_busy(uint64_t token) {
	if (token == busy_token && ++busy_times < BUSY_AGAIN)
		return;
	busy_token = token;
	busy_times = 0;
	report(PATHS_BUSY, token, 0);
	report_flush();
}

void report_idle(void) {
	if (busy_token != 0)
		report(PATHS_IDLE, 0, 0);
	busy_token = 0;
}
