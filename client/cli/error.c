/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how the command complains.  What is wrong, and whether that ends the work, is the caller's knowledge. */

#include "client/cli/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/status.h"

/* One write, so that the lines of several processes do not mix. */
static void write_line(const char *verb, const char *format, va_list args) _printf_(2, 0);
static void write_line(const char *verb, const char *format, va_list args) {
	char line[2048];
	int n, m;

	n = snprintf(line, sizeof(line), "evloop: %s%s", verb ? verb : "", verb ? ": " : "");
	m = vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	n = m < 0 ? n : MIN(n + m, (int)sizeof(line) - 1);
	/* One line, whatever the words that are quoted in it hold. */
	for (int i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[n++] = '\n';
	(void)fflush(stdout);
	(void)!write(STDERR_FILENO, line, (size_t)n);
}

void complain(const char *format, ...) {
	va_list args;

	va_start(args, format);
	write_line(NULL, format, args);
	va_end(args);
}

int complain_usage(const struct invocation *inv, const char *format, ...) {
	va_list args;

	va_start(args, format);
	write_line(inv->verb ? inv->verb->name : NULL, format, args);
	va_end(args);
	return EX_USAGE;
}

int complain_value(const struct invocation *inv, const char *format, ...) {
	va_list args;

	va_start(args, format);
	write_line(inv->verb ? inv->verb->name : NULL, format, args);
	va_end(args);
	return EX_DATAERR;
}

int complain_extra(const struct invocation *inv, const char *word) {
	return complain_usage(inv, "'%s' is one word too many; see 'evloop %s --help'", word, inv->verb->name);
}

int complain_call(struct evl *evl, int error, const char *subject) {
	const char *said = evl_error_message(evl);

	if (!said[0])
		said = strerror(-error);
	else if (error == -EOPNOTSUPP && strncmp(said, "there is no method ", strlen("there is no method ")) == 0)
		said = "the daemon is older than this command and does not do that; restart it";
	complain("%s%s%s", subject ? subject : "", subject ? ": " : "", said);
	/* It is the library that gave up, or the daemon that died, and nobody that refused. */
	if (error == -EOWNERDEAD || (error == -ETIMEDOUT && !evl_call_error(evl)))
		return EX_UNAVAILABLE;
	return status_exit_of_error(error);
}

int complain_gone(const char *operand, int error, const char *message) {
	/* The next daemon knows nothing of it. */
	if (error == -ENOENT)
		message = "gone with the daemon, which died";
	complain("%s: %s", operand, message);
	return error == -ENOENT || error == -EOWNERDEAD ? EX_UNAVAILABLE : status_exit_of_error(error);
}

int complain_no_timer(const char *operand) {
	complain("%s: no such timer", operand[0] ? operand : "''");
	return EX_NOINPUT;
}
