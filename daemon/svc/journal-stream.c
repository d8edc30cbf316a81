/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the lines of one run's output that are not complete yet.  Does not know whether the journal takes an entry at
 * once. */

#include "daemon/svc/journal-private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/svc/log.h"

#define LINE_SIZE 4096 /* a longer line becomes several */
#define LINES_AT_ONCE 64 /* of one piece of output; what is left of it becomes one entry of several lines */

static void send_entry(struct journal_stream *stream, const char *data, size_t size) {
	if (size > 0)
		journal_post(stream->journal, stream, data, size);
}

/* Send the line that was begun, and forget it. */
static void end_line(struct journal_stream *stream) {
	if (stream->line)
		send_entry(stream, stream->line, stream->line_size);
	free(stream->line);
	stream->line = NULL;
	stream->line_size = 0;
}

/* More of a line whose end has not come. */
static void continue_line(struct journal_stream *stream, const char *data, size_t size) {
	for (size_t n; size > 0; data += n, size -= n) {
		if (!stream->line)
			stream->line = malloc(LINE_SIZE);
		if (!stream->line) {
			stream->lost++;
			return;
		}
		n = MIN(size, LINE_SIZE - stream->line_size);
		memcpy(stream->line + stream->line_size, data, n);
		stream->line_size += n;
		if (stream->line_size == LINE_SIZE)
			end_line(stream);
	}
}

/* ---- streams ---- */

static void add_field(struct journal_stream *stream, const char *format, ...) _printf_(2, 3);
static void add_field(struct journal_stream *stream, const char *format, ...) {
	va_list args;

	va_start(args, format);
	stream->fields_size += (size_t)vsnprintf(stream->fields + stream->fields_size,
						 JOURNAL_FIELDS_SIZE - stream->fields_size, format, args);
	va_end(args);
}

static const char *identifier_of(const struct run_request *request) {
	const char *slash = strrchr(request->command->argv[0], '/');

	if (request->name)
		return request->name;
	return slash && slash[1] ? slash + 1 : request->command->argv[0];
}

struct journal_stream *journal_stream_new(struct journal *journal, const struct run_request *request) {
	struct journal_stream *stream = calloc(1, sizeof(*stream));
	const char *identifier = identifier_of(request);
	size_t size = strnlen(identifier, 255);

	if (!stream)
		return NULL;
	stream->journal = journal;
	stream->id = request->id;
	STAILQ_INIT(&stream->entries);
	/* A program's name may have any bytes. */
	stream->fields_size = journal_begin_field(stream->fields, "SYSLOG_IDENTIFIER", size);
	memcpy(stream->fields + stream->fields_size, identifier, size);
	stream->fields_size += size;
	add_field(stream, "\nPRIORITY=%d\nEVLOOP_ID=%" PRIu64 "\nEVLOOP_FIRE_SEQ=%" PRIu64 "\n", LOG_INFO, request->id,
		  request->fire_seq);
	if (request->name)
		add_field(stream, "EVLOOP_NAME=%s\n", request->name);
	return stream;
}

struct journal_stream *journal_stream_free(struct journal_stream *stream) {
	if (!stream)
		return NULL;
	end_line(stream);
	if (stream->lost > 0)
		log_warning("the journal did not take %lu lines of the output of %" PRIu64, stream->lost, stream->id);
	stream->lost = 0;
	stream->has_ended = true;
	if (STAILQ_EMPTY(&stream->entries)) /* else the journal frees it when it has taken them */
		free(stream);
	return NULL;
}

void journal_stream_set_process(struct journal_stream *stream, pid_t pid, const char *unit) {
	add_field(stream, "SYSLOG_PID=%d\n", (int)pid);
	if (unit)
		add_field(stream, "USER_UNIT=%s\n", unit);
}

/* `data` ends in a newline.  Many short lines at once must not cost a call each. */
static void send_lines(struct journal_stream *stream, const char *data, size_t size) {
	for (unsigned i = 0; i < LINES_AT_ONCE && size > 0; i++) {
		size_t n = (size_t)((const char *)memchr(data, '\n', size) - data);

		send_entry(stream, data, n);
		data += n + 1;
		size -= n + 1;
	}
	if (size > 0)
		send_entry(stream, data, size - 1);
}

void journal_stream_write(struct journal_stream *stream, const char *data, size_t size) {
	const char *last = memrchr(data, '\n', size), *end = data + size;

	if (stream->line) {
		const char *first = memchr(data, '\n', size);

		continue_line(stream, data, (size_t)((first ? first : end) - data));
		if (!first)
			return;
		end_line(stream);
		data = first + 1;
	}
	if (last && last >= data) {
		send_lines(stream, data, (size_t)(last + 1 - data));
		data = last + 1;
	}
	continue_line(stream, data, (size_t)(end - data));
}
