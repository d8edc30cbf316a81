/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the daemon's standard error.  One line is one write(2) that is never waited for: what a full pipe does not take is lost,
 * and counted in the next line that gets through.  Knows nothing of what is logged.
 */

#include "daemon/svc/log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#define LINE_SIZE 1024

/* The one global of the daemon: every layer but the core may say something. */
static struct {
	int level;
	bool journal; /* standard error is the journal's */
	unsigned long lost;
} logger = { .level = LOG_NOTICE };

/* systemd.exec(5), $JOURNAL_STREAM: device and inode of the stream, to be compared with standard error's. */
static bool is_journal(void) {
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	       st.st_dev == device && st.st_ino == inode;
}

void log_open(int level) {
	logger.level = level;
	logger.journal = is_journal();
}

bool log_shows(int level) {
	return level <= logger.level;
}

/* Nobody must be able to stop the daemon by not reading its standard error. */
static bool can_write(void) {
	struct pollfd poll_fd = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLOUT);
}

static void write_line(int level, const char *text) {
	char line[LINE_SIZE + 32];
	int n;

	n = logger.journal ? snprintf(line, sizeof(line), "<%d>%s\n", level, text)
			   : snprintf(line, sizeof(line), "evloopd: %s\n", text);
	if (n > 0 && (!can_write() || write(STDERR_FILENO, line, MIN((size_t)n, sizeof(line) - 1)) < 0))
		logger.lost++;
}

void log_line(int level, const char *format, ...) {
	char text[LINE_SIZE];
	int saved = errno;
	va_list args;

	if (!log_shows(level))
		return;
	if (logger.lost > 0 && can_write()) {
		snprintf(text, sizeof(text), "%lu lines were lost: standard error was not read", logger.lost);
		logger.lost = 0;
		write_line(LOG_WARNING, text);
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	write_line(level, text);
	errno = saved;
}
