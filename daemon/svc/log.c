/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the daemon's standard error, and its own lines in the journal.  One line is one write(2) or send(2) that is never waited for:
 * what a full pipe does not take is lost, and counted in the next line that gets through.  Knows nothing of what is logged.
 */

#include "daemon/svc/log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/svc/journal.h"

#define LINE_SIZE 1024
#define ENTRY_SIZE (LINE_SIZE + 1024)

/* The one global of the daemon: every layer but the core may say something. */
static struct {
	int level;
	bool is_journal; /* standard error is the journal's */
	struct journal *journal; /* NULL: it has no socket */
	unsigned long lost;
	int copy_fd; /* −1: none */
} logger = { .level = LOG_NOTICE, .copy_fd = -1 };

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
	logger.journal = journal_free(logger.journal);
	logger.is_journal = is_journal();
	if (logger.is_journal)
		(void)journal_new(&logger.journal, JOURNAL_SOCKET, NULL);
}

void log_set_level(int level) {
	logger.level = level;
}

void log_copy_to(int fd) {
	close_fd(logger.copy_fd);
	logger.copy_fd = fd;
}

bool log_shows(int level) {
	return level <= logger.level;
}

/* Nobody must be able to stop the daemon by not reading its standard error. */
static bool can_write(int fd) {
	struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };

	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLOUT);
}

static void write_line(int level, const char *text) {
	char line[LINE_SIZE + 32];
	int n;

	n = logger.is_journal ? snprintf(line, sizeof(line), "<%d>%s\n", level, text)
			      : snprintf(line, sizeof(line), "evloopd: %s\n", text);
	if (n <= 0)
		return;
	n = MIN(n, (int)sizeof(line) - 1);
	if (!can_write(STDERR_FILENO) || write(STDERR_FILENO, line, (size_t)n) < 0)
		logger.lost++;
	if (logger.copy_fd >= 0 && can_write(logger.copy_fd))
		n = (int)write(logger.copy_fd, line, (size_t)n); /* there is nobody to complain to */
}

/* With its fields, if the journal takes it. */
static bool send_entry(int level, const char *message_id, const char *fields, const char *text) {
	char entry[ENTRY_SIZE];
	int n;

	if (!logger.journal)
		return false;
	n = snprintf(entry, sizeof(entry), "PRIORITY=%d\nSYSLOG_IDENTIFIER=evloopd\n%s%s%s%s", level,
		     message_id ? "MESSAGE_ID=" : "", message_id ? message_id : "", message_id ? "\n" : "",
		     fields ? fields : "");
	return n > 0 && (size_t)n < sizeof(entry) && journal_send(logger.journal, entry, (size_t)n, text, strlen(text));
}

static void log_text(int level, const char *message_id, const char *fields, const char *format, va_list args)
	_printf_(4, 0);
static void log_text(int level, const char *message_id, const char *fields, const char *format, va_list args) {
	char text[LINE_SIZE];
	int saved = errno;

	if (!log_shows(level))
		return;
	if (logger.lost > 0 && can_write(STDERR_FILENO)) {
		snprintf(text, sizeof(text), "%lu lines were lost: standard error was not read", logger.lost);
		logger.lost = 0;
		write_line(LOG_WARNING, text);
	}
	vsnprintf(text, sizeof(text), format, args);
	if (!send_entry(level, message_id, fields, text))
		write_line(level, text);
	errno = saved;
}

void log_line(int level, const char *format, ...) {
	va_list args;

	va_start(args, format);
	log_text(level, NULL, NULL, format, args);
	va_end(args);
}

void log_event(int level, const char *message_id, const char *fields, const char *format, ...) {
	va_list args;

	va_start(args, format);
	log_text(level, message_id, fields, format, args);
	va_end(args);
}
