/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What the daemon says, by consequence, in the levels of syslog(3):
 *
 *     LOG_ERR      the daemon cannot go on, or something that was promised is lost
 *     LOG_WARNING  somebody should look: a client breaks the protocol, a limit is reached, a file cannot be written
 *     LOG_NOTICE   started, stopped
 *     LOG_INFO     clients come and go; shown with --verbose
 *     LOG_DEBUG    every frame; shown with EVLOOP_DEBUG=1
 *
 * To standard error; where that is the journal, to the journal's own socket, so that a line has fields.  What that does not take goes to
 * standard error with its level in front, as sd-daemon(3) has it.
 */

#include <syslog.h>

#include "daemon/svc/message-id.h"
#include "proto/base.h"

/* `level`: the least important one that is shown. */
void log_open(int level);
void log_set_level(int level);

/* From now on write each line to `fd` as well, which becomes the log's.  −1: to none any more. */
void log_copy_to(int fd);

/* Would it be shown?  For messages that are dear to make. */
bool log_shows(int level);

void log_line(int level, const char *format, ...) _printf_(2, 3);

/*
 * A line that can be found in the journal: `message_id` is one of message-id.h, `fields` are lines "EVLOOPD_NAME=value", each with a
 * newline; NULL: none.
 */
void log_event(int level, const char *message_id, const char *fields, const char *format, ...) _printf_(4, 5);

#define log_error(...) log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
