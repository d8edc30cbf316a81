/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for journal.c where systemd is not used: there is no journal, and so never a stream. */

#include "daemon/svc/journal.h"

int journal_new(struct journal **ret _unused_, const char *socket_path _unused_, struct loop *loop _unused_) {
	return -EOPNOTSUPP;
}

struct journal *journal_free(struct journal *journal _unused_) {
	return NULL;
}

void journal_last_words(struct journal *journal _unused_, int64_t patience_ns _unused_) {
}

int64_t journal_next(const struct journal *journal _unused_) {
	return INT64_MAX;
}

void journal_tick(struct journal *journal _unused_, int64_t boottime_ns _unused_) {
}

bool journal_send(struct journal *journal _unused_, const char *fields _unused_, size_t fields_size _unused_,
		  const char *data _unused_, size_t size _unused_) {
	return false;
}

struct journal_stream *journal_stream_new(struct journal *journal _unused_,
					  const struct run_request *request _unused_) {
	return NULL;
}

struct journal_stream *journal_stream_free(struct journal_stream *stream _unused_) {
	return NULL;
}

void journal_stream_set_process(struct journal_stream *stream _unused_, pid_t pid _unused_, const char *unit _unused_) {
}

void journal_stream_write(struct journal_stream *stream _unused_, const char *data _unused_, size_t size _unused_) {
}
