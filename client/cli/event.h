/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * JSON of an event, as in json.h; but only with the fields that its type has, and with the values that the protocol leaves out:
 * `generation` 1, and a `first_scheduled_ns` that is the same as `scheduled_ns`.
 */

#include <jansson.h>

#include "client/call.h"

/* Return: an object, or NULL: no memory. */
json_t *event_json(const Evloop__Event *event);

/* The event with the process that was asked for, 0: none was: the daemon knows none where it was waited for before it could look. */
Evloop__Event event_of_process(const Evloop__Event *event, int pid);

/* json_print(event_json()). */
bool event_print_json(const Evloop__Event *event);

/* Has nothing come but the news that messages may be lacking?  Said in these words. */
bool event_is_gap(const Evloop__Event *event);
#define EVENT_GAP_TEXT "messages may have been lost: the daemon died and another one took over"
