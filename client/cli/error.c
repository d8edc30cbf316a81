/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how the command complains.  What is wrong, and whether that ends the work, is the caller's knowledge. */

#include "client/cli/error.h"

#include <grp.h>
#include <pwd.h>
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

/* `text` with the names of the users and groups that it tells by number: uid 994 (evloopd).  The daemon itself asks no
 * database of them, which may keep it waiting. */
static const char *name_ids(const char *text, char *buffer, size_t size) {
	size_t n = 0;

	for (const char *p = text; *p && n + 1 < size; p++) {
		const struct passwd *user = NULL;
		const struct group *group = NULL;
		unsigned id = 0;
		int length = 0;

		buffer[n++] = *p;
		if (p != text && p[-1] != ' ')
			continue;
		if (sscanf(p, "uid %u%n", &id, &length) == 1)
			user = getpwuid(id);
		else if (sscanf(p, "gid %u%n", &id, &length) == 1)
			group = getgrgid(id);
		if (user || group) {
			n--;
			n += (size_t)snprintf(buffer + n, size - n, "%.*s (%s)", length, p,
					      user ? user->pw_name : group->gr_name);
			n = MIN(n, size - 1);
			p += length - 1;
		}
	}
	buffer[n] = '\0';
	return buffer;
}

int complain_call(struct evl *evl, int error, const char *subject) {
	const char *said = evl_error_message(evl);
	char named[1024];

	if (!said[0])
		said = strerror(-error);
	else if (error == -EOPNOTSUPP && strncmp(said, "there is no method ", strlen("there is no method ")) == 0)
		said = "the daemon is older than this command and does not do that; restart it";
	else if (error == -EACCES)
		said = name_ids(said, named, sizeof(named));
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
