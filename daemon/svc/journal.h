/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The way to the journal, for the daemon's own log and for the output of jobs: an entry a line, with the fields
 * EVLOOP_ID, EVLOOP_NAME and EVLOOP_FIRE_SEQ, and the name of the timer, or else of the program, as its identifier.
 * Nobody waits for the journal: output that it does not take at once is kept, up to a bound, and sent when it does.
 * Configured without systemd (journal-fallback.c) there is none.
 */

#include "daemon/core/job.h"
#include "daemon/core/loop.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

#define JOURNAL_WAITING_MAX                                                                                            \
	(2 * 1024 * 1024) /* bytes of output that wait, with all that keeps them; one run gets half of it at most */

struct journal;

/* `loop` is borrowed; NULL: for journal_send() alone.  Return: 0, −errno: there is no journal at `socket_path`. */
int journal_new(struct journal **ret, const char *socket_path, struct loop *loop);

/* When all streams have been freed.  What waits is lost, and counted in the log. */
struct journal *journal_free(struct journal *journal);

/* Before that: wait until all is taken, for `patience_ns` at most. */
void journal_last_words(struct journal *journal, int64_t patience_ns);

/* The boottime at which journal_tick() wants to be called, for a journal that has gone may come back;
 * INT64_MAX: never. */
int64_t journal_next(const struct journal *journal);
void journal_tick(struct journal *journal, int64_t boottime_ns);

/* One entry, now or not at all: `fields` are lines NAME=value, each with its newline; `data` is the message.
 * Return: the journal has taken it. */
bool journal_send(struct journal *journal, const char *fields, size_t fields_size, const char *data, size_t size);

/* The output of one run. */
struct journal_stream;

/* NULL: no memory.  `journal` is borrowed. */
struct journal_stream *journal_stream_new(struct journal *journal, const struct run_request *request);

/* What has no newline at its end yet is sent first; what waits is kept.  How many lines were lost is logged. */
struct journal_stream *journal_stream_free(struct journal_stream *stream);

/* `unit`: which unit of the user's service manager it is in, and so what `systemctl --user status` shows; NULL: none. */
void journal_stream_set_process(struct journal_stream *stream, pid_t pid, const char *unit);

void journal_stream_write(struct journal_stream *stream, const char *data, size_t size);
